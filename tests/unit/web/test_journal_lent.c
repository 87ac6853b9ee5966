/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal as it comes to the web process: mapped once and for reading, checked, refused where it is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "../harness.h"
#include "model/journal.h"
#include "process.h"
#include "web/lend.h"

static struct lender lender;
static struct journal *journal;
static struct channel_journal packet;
static void *data;
static int memfd;

static void setup(void)
{
	struct journal_sizes sizes;

	journal_sizes_of(16, &sizes);
	lender = (struct lender){ .fd = -1 };
	packet = (struct channel_journal){ .type = CHANNEL_JOURNAL, .size = journal_bytes(&sizes) };
	memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(memfd, 0);
	ck_assert_int_eq(ftruncate(memfd, (off_t)packet.size), 0);
	data = mmap(NULL, packet.size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(data, MAP_FAILED);
	ck_assert_int_eq(journal_new(data, packet.size, &sizes, "boot", 1, &journal), 0);
}

static void teardown(void)
{
	lender_done(&lender);
	journal_free(journal);
	munmap(data, packet.size);
	close(memfd);
}

static int take(void)
{
	return lender_journal(&lender, &packet, fcntl(memfd, F_DUPFD_CLOEXEC, 3));
}

START_TEST(test_taken)
{
	struct event event = { .kind = EVENT_CLOSED, .wall_ns = 77 };
	struct journal_cursor cursor;

	ck_assert_int_eq(take(), 0);
	/* What comes later is there. */
	journal_add(journal, &event);
	memset(&event, 0, sizeof(event));
	journal_seek(&lender.journal, 0, &cursor);
	ck_assert_int_eq(journal_next(&lender.journal, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_int_eq(event.wall_ns, 77);
	ck_assert_int_eq(take(), -EPROTO);
	ck_assert_int_eq(lender_journal(&lender, &packet, -1), -EPROTO);
}
END_TEST

START_TEST(test_refused)
{
	struct channel_journal right = packet;

	ck_assert_int_eq(lender_journal(&lender, &packet, -1), -EPROTO);
	packet.size++;
	ck_assert_int_eq(take(), -EBADMSG); /* longer than the file */
	packet.size = 0;
	ck_assert_int_eq(take(), -EBADMSG);
	packet.size = right.size - 64;
	ck_assert_int_eq(take(), -EBADMSG); /* cut */
	packet = right;
	memset(data, 0, 8);
	ck_assert_int_eq(take(), -EBADMSG);
	ck_assert_ptr_null(lender.journal_map);
}
END_TEST

static void send_journal(const struct web_process *p)
{
	ck_assert_int_eq(channel_send(p->channel, &packet, sizeof(packet), memfd), 0);
}

static void send_events(const struct web_process *p, uint64_t newest)
{
	struct channel_events events = { .type = CHANNEL_EVENTS, .newest = newest };

	ck_assert_int_eq(channel_send(p->channel, &events, sizeof(events), -1), 0);
}

/* Before it serves; then it is told, also before it has a snapshot. */
START_TEST(test_process)
{
	struct web_process p = process_new();
	union channel_packet answer;
	int fd = process_tcp_listener(&p.port);

	process_send_settings(&p);
	process_send_listener(&p, fd, true, false, "127.0.0.1:1");
	send_journal(&p);
	send_events(&p, 1);
	ck_assert_int_eq(process_receive(&p, &answer, 20000), CHANNEL_READY);
	send_events(&p, 2);
	process_ping(&p, 1);
	process_expect_ping(&p, 1);
	process_stop(&p);
}
END_TEST

/* One that cannot be read is said, and everything else goes on. */
START_TEST(test_process_without)
{
	struct web_process p = process_new();
	int fd = process_tcp_listener(&p.port);
	union channel_packet answer;

	memset(data, 0, 8);
	process_send_settings(&p);
	process_send_listener(&p, fd, true, false, "127.0.0.1:1");
	send_journal(&p);
	process_ping(&p, 1);
	process_expect_ping(&p, 1);
	ck_assert_int_eq(process_receive(&p, &answer, 20000), CHANNEL_READY);
	process_stop(&p);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("journal, lent");
	TCase *c = tcase_create("lent");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_taken);
	tcase_add_test(c, test_refused);
	tcase_add_test(c, test_process);
	tcase_add_test(c, test_process_without);
	suite_add_tcase(s, c);
	return s;
}
