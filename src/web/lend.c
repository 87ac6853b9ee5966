/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector does not touch a buffer between CHANNEL_LEND and CHANNEL_RETURN; so a buffer that is lent
 * again while a request reads it would change under the reader, and the process had better end.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/macro.h"
#include "web/lend.h"

static void unmap(struct loan *loan)
{
	if (loan->map)
		munmap(loan->map, loan->size);
	loan->map = NULL;
	loan->size = 0;
}

/* Return: 0; -EBADMSG where it is not so long; another -errno. */
static int map(int memfd, uint64_t size, void **ret)
{
	off_t end = lseek(memfd, 0, SEEK_END);
	void *p;

	if (end < 0)
		return -errno;
	/* Reading past the file's end would be a SIGBUS. */
	if (!size || (uint64_t)end < size)
		return -EBADMSG;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, memfd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static int map_loan(struct loan *loan, const struct channel_lend *packet, int memfd)
{
	int r = map(memfd, packet->size, &loan->map);

	if (r < 0)
		return r;
	loan->size = packet->size;
	loan->generation = packet->generation;
	return 0;
}

int lender_journal(struct lender *lender, const struct channel_journal *packet, int memfd)
{
	_cleanup_close_ int fd = memfd;
	void *p = NULL;
	int r;

	if (fd < 0 || lender->journal_map)
		return -EPROTO;
	r = map(fd, packet->size, &p);
	if (r < 0)
		return r;
	r = journal_open(p, packet->size, &lender->journal);
	if (r < 0) {
		munmap(p, packet->size);
		return r;
	}
	lender->journal_map = p;
	lender->journal_size = packet->size;
	return 0;
}

/* Answers the loan, as often as it was lent. */
static int give_back(struct lender *lender, struct loan *loan)
{
	int r;

	while (loan->times) {
		struct channel_lend packet = loan->packet;

		packet.type = CHANNEL_RETURN;
		r = channel_send(lender->fd, &packet, sizeof(packet), -1);
		if (r < 0)
			return r;
		loan->times--;
	}
	loan->packet.type = 0;
	return 0;
}

int lender_settle(struct lender *lender)
{
	size_t i;
	int r;

	if (!lender->owing)
		return 0;
	for (i = 0; i < CHANNEL_BUFFERS; i++) {
		if (lender->loans[i].references || !lender->loans[i].times)
			continue;
		r = give_back(lender, &lender->loans[i]);
		if (r < 0)
			return r;
	}
	lender->owing = false;
	return 0;
}

void lender_release(struct lender *lender, struct loan *loan)
{
	if (!loan || --loan->references)
		return;
	/* A channel that is full or broken is the event loop's business. */
	if (give_back(lender, loan) < 0)
		lender->owing = true;
}

struct loan *lender_acquire(struct lender *lender)
{
	if (lender->newest)
		lender->newest->references++;
	return lender->newest;
}

int lender_take(struct lender *lender, const struct channel_lend *packet, int memfd)
{
	_cleanup_close_ int fd = memfd;
	struct loan *loan, *before = lender->newest;
	int r;

	if (packet->buffer >= CHANNEL_BUFFERS)
		return -EPROTO;
	loan = &lender->loans[packet->buffer];
	if (loan->references) {
		/* The same snapshot may be lent twice; another one in its place may not. */
		if (loan != before || loan->packet.id != packet->id ||
		    loan->generation != packet->generation)
			return -EPROTO;
		loan->times++;
		return 0;
	}
	if (fd >= 0) {
		unmap(loan);
		r = map_loan(loan, packet, fd);
		if (r < 0)
			return r;
	} else if (!loan->map || loan->generation != packet->generation) {
		return -EPROTO;
	}
	loan->packet = *packet;
	loan->times++;
	r = packet->bytes <= loan->size ? snapshot_open(loan->map, packet->bytes, &loan->snapshot)
					: -EBADMSG;
	if (r < 0) {
		if (give_back(lender, loan) < 0)
			lender->owing = true;
		return r;
	}
	loan->references = 1;
	lender->received++;
	lender->newest = loan;
	lender_release(lender, before);
	return 0;
}

void lender_done(struct lender *lender)
{
	size_t i;

	for (i = 0; i < CHANNEL_BUFFERS; i++)
		unmap(&lender->loans[i]);
	if (lender->journal_map)
		munmap(lender->journal_map, lender->journal_size);
	*lender = (struct lender){ .fd = -1 };
}
