/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said to systemd's file descriptor store, and what is made of what comes back from there. A socket
 * of the test stands for systemd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "daemon/store.h"
#include "model/macro.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static int manager = -1;
static char path[64];
static struct store store;
static struct collector *collector;
static struct collector_settings settings;
static struct log log_;
static int log_pipe[2];

static void new_collector(void)
{
	collector = collector_free(collector);
	ck_assert_int_eq(collector_new(&settings, &collector), 0);
}

static void setup(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(path, sizeof(path), "/tmp/tcpdiagd-test-store-%d", getpid());
	memcpy(un.sun_path, path, strlen(path));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	log_ = (struct log){
		.output = LOG_OUTPUT_PREFIX, .level = LOG_INFO, .fd = log_pipe[1], .process = "t"
	};
	settings = (struct collector_settings){ .interval_ns = NSEC_PER_SEC,
						.sweep_interval_ns = NSEC_PER_SEC,
						.cpu_share = 5,
						.max_sockets = 1000000,
						.max_strings = 1 << 20,
						.max_findings = 100,
						.max_processes = 1000,
						.max_history = 256,
						.max_ended = 16 };
	thresholds_default(&settings.thresholds);
	new_collector();
}

static void teardown(void)
{
	store_close(&store, collector ? collector_pool(collector) : NULL);
	collector = collector_free(collector);
	unlink(path);
}

/* The next thing that was said, and the descriptor that came with it; "" for nothing. */
static const char *heard(int *ret_fd)
{
	static char text[512];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header;

	text[len > 0 ? len : 0] = '\0';
	if (ret_fd)
		*ret_fd = -1;
	header = len > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS && ret_fd)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	return text;
}

static const char *logged(void)
{
	static char text[1024];
	ssize_t len = read(log_pipe[0], text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static int memory(const void *data, size_t size, unsigned int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* A copy of a snapshot that this collector has made. */
static struct snapshot_header *snapshot(size_t *ret_size)
{
	struct snapshot s;
	void *copy;

	ck_assert_int_eq(collector_poll(collector, LANE_SWEEP), 0);
	ck_assert_int_eq(collector_snapshot(collector, &s), 0);
	*ret_size = s.header->bytes;
	copy = malloc(*ret_size);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, s.header, *ret_size);
	new_collector();
	return copy;
}

START_TEST(test_kept_and_dropped)
{
	struct pool *pool = collector_pool(collector);
	struct pool_buffer *buffer;
	char first[256];
	int fd;

	store_watch(&store, pool);
	snprintf(first, sizeof(first), "%s", heard(&fd));
	ck_assert_ptr_eq(strstr(first, "FDSTORE=1\nFDPOLL=0\nFDNAME=snapshot-"), first);
	ck_assert(store_is_memory(fd));
	close(fd);
	ck_assert_str_eq(heard(NULL), "");
	/* A larger one takes its place; the newest snapshot is never in there. */
	ck_assert_int_eq(pool_take(pool, 1, &buffer), 0);
	ck_assert_int_eq(pool_grow(pool, buffer, 32 << 20), 0);
	ck_assert_ptr_nonnull(strstr(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=snapshot-"));
	ck_assert_ptr_nonnull(strstr(heard(&fd), "FDSTORE=1"));
	close(fd);
	pool_publish(pool, buffer);
	/* At the end everything stays. */
	store_close(&store, pool);
	collector = collector_free(collector);
	ck_assert_str_eq(heard(NULL), "");
}
END_TEST

START_TEST(test_without_systemd)
{
	unsetenv("NOTIFY_SOCKET");
	store_watch(&store, collector_pool(collector));
	ck_assert_int_eq(store_restore(&store, collector, &log_), -ENODATA);
	ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(test_is_memory)
{
	int pair[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = memory("x", 1, SEALS);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert(store_is_memory(fd));
	ck_assert(!store_is_memory(pair[0]));
	ck_assert(!store_is_memory(file));
	ck_assert(!store_is_memory(-1));
	close(fd);
	close(file);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* The newest one that is whole is gone on with; the others go at once, it goes when it is no longer needed. */
START_TEST(test_newest)
{
	size_t size;
	struct snapshot_header *header = snapshot(&size);
	int fd;

	header->id = 5;
	store_add(&store, memory(header, size, SEALS), "five");
	header->id = 9;
	store_add(&store, memory(header, size, SEALS), "nine");
	header->id = 7;
	store_add(&store, memory(header, size, SEALS), "seven");
	header->magic = 0;
	header->id = 10;
	store_add(&store, memory(header, size, SEALS), "torn");
	store_add(&store, memory("small", 5, SEALS), NULL);
	ck_assert_int_eq(store_restore(&store, collector, &log_), 0);
	ck_assert_ptr_nonnull(strstr(logged(), "going on with snapshot 9 of the collector before"));
	ck_assert_uint_eq(store.count, 1);
	ck_assert_str_eq(store.items[0].name, "nine~1");
	ck_assert_str_eq(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=nine");
	ck_assert_str_eq(heard(&fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=nine~1");
	close(fd);
	ck_assert_ptr_nonnull(strstr(heard(NULL), "FDSTOREREMOVE=1\nFDNAME="));
	ck_assert_ptr_nonnull(strstr(heard(NULL), "FDSTOREREMOVE=1\nFDNAME="));
	ck_assert_ptr_nonnull(strstr(heard(NULL), "FDSTOREREMOVE=1\nFDNAME="));
	ck_assert_str_eq(heard(NULL), "");
	ck_assert_int_eq(collector_poll(collector, LANE_FAST), 0);
	store_done(&store);
	ck_assert_str_eq(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=nine~1");
	ck_assert_ptr_null(store.data);
	ck_assert_int_eq(collector_poll(collector, LANE_FAST), 0);
	free(header);
}
END_TEST

/* Damaged, the next older one has its turn; all of them, and it is said once. */
START_TEST(test_damaged)
{
	size_t size;
	struct snapshot_header *header = snapshot(&size);

	unsetenv("NOTIFY_SOCKET");
	header->id = 3;
	store_add(&store, memory(header, size, SEALS), "good");
	header->id = 4;
	header->boot_id[0] ^= 1;
	store_add(&store, memory(header, size, SEALS), "boot");
	header->id = 5;
	header->layout++;
	store_add(&store, memory(header, size, SEALS), "layout");
	ck_assert_int_eq(store_restore(&store, collector, &log_), 0);
	ck_assert_ptr_nonnull(strstr(logged(), "snapshot 3"));
	store_close(&store, NULL);

	new_collector();
	store_add(&store, memory(header, size, SEALS), "layout");
	store_add(&store, memory(header, size, SEALS), "again");
	ck_assert_int_eq(store_restore(&store, collector, &log_), -ENODATA);
	ck_assert_str_eq(logged(), "<5>t: what the collector before has left is dropped, its "
				   "history is lost: it has the layout of another version\n");
	ck_assert_uint_eq(store.count, 0);
	free(header);
}
END_TEST

/* Should it end the program each time, that does not go on for ever. */
START_TEST(test_tried)
{
	size_t size;
	struct snapshot_header *header = snapshot(&size);
	char name[STORE_NAME] = "snapshot-1f-0-1";
	unsigned int tries;

	unsetenv("NOTIFY_SOCKET");
	for (tries = 1; tries <= 3; tries++) {
		store_add(&store, memory(header, size, SEALS), name);
		ck_assert_int_eq(store_restore(&store, collector, &log_), 0);
		snprintf(name, sizeof(name), "snapshot-1f-0-1~%u", tries);
		ck_assert_str_eq(store.items[0].name, name);
		/* It has ended before its first snapshot. */
		store_close(&store, collector_pool(collector));
		new_collector();
	}
	logged();
	store_add(&store, memory(header, size, SEALS), name);
	ck_assert_int_eq(store_restore(&store, collector, &log_), -ENODATA);
	ck_assert_ptr_nonnull(strstr(logged(), "it has been tried three times"));
	/* A long name keeps its number. */
	memset(name, 'x', sizeof(name) - 1);
	store_add(&store, memory(header, size, SEALS), name);
	ck_assert_int_eq(store_restore(&store, collector, &log_), 0);
	ck_assert_ptr_nonnull(strchr(store.items[0].name, '~'));
	free(header);
}
END_TEST

/* Somebody could cut it short under the mapping. */
START_TEST(test_unsealed)
{
	size_t size;
	struct snapshot_header *header = snapshot(&size);

	store_add(&store, memory(header, size, 0), "open");
	store_add(&store, memory(header, size, F_SEAL_SHRINK), "half");
	ck_assert_int_eq(store_restore(&store, collector, &log_), -ENODATA);
	ck_assert_uint_eq(store.count, 0);
	free(header);
}
END_TEST

START_TEST(test_more_than_there_can_be)
{
	int i;

	/* Nobody reads what would be said so often. */
	unsetenv("NOTIFY_SOCKET");
	for (i = 0; i < STORE_MAX + 5; i++)
		store_add(&store, memory("x", 1, SEALS), "more");
	ck_assert_uint_eq(store.count, STORE_MAX);
	ck_assert_int_eq(store_restore(&store, collector, &log_), -ENODATA);
	ck_assert_uint_eq(store.count, 0);
}
END_TEST

/* ---- the journal ---- */

/* What a collector with so many events has left. */
static int journal_of(uint64_t events)
{
	struct collector *before = NULL;
	int fd;
	size_t size;

	ck_assert_int_eq(collector_new(&settings, &before), 0);
	while (events--)
		journal_add(collector_journal(before), &(struct event){ .kind = EVENT_TIMED_OUT });
	fd = fcntl(collector_journal_memory(before, &size), F_DUPFD_CLOEXEC, 3);
	ck_assert_int_ge(fd, 0);
	collector_free(before);
	return fd;
}

static uint64_t next_id(void)
{
	return journal_add(collector_journal(collector), &(struct event){ .kind = EVENT_CLOSED });
}

/* Behind all that a collector before this one can have given. */
static void check_fresh(uint64_t id)
{
	struct timespec now;
	uint64_t now_usec;

	clock_gettime(CLOCK_REALTIME, &now);
	now_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	ck_assert_uint_le(id, now_usec + 1);
	ck_assert_uint_lt(now_usec - id, 600 * 1000000ULL);
}

START_TEST(test_journal_goes_on)
{
	struct journal_cursor cursor;
	struct journal_view view;
	struct event event;
	uint64_t first;
	char own[256];
	int fd;

	/* Two of them where a collector has ended half-way. */
	store_add(&store, journal_of(3), "journal-1");
	store_add(&store, memory("x", 1, SEALS), "snapshot-1");
	store_add(&store, journal_of(8), "journal-2");
	ck_assert_int_eq(store_journal(&store, collector, &log_), 0);
	ck_assert_str_eq(logged(), "");
	journal_view(collector_journal(collector), &view);
	journal_seek(&view, 0, &cursor);
	ck_assert_int_eq(journal_next(&view, &cursor, JOURNAL_RINGS_ALL, &event), 1);
	ck_assert_uint_eq(event.kind, EVENT_TIMED_OUT);
	first = event.id;
	check_fresh(first);
	ck_assert_uint_eq(next_id(), first + 8);
	/* Its own is kept before the others are let go of; what is no journal stays where it was. */
	ck_assert_str_eq(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=journal-2");
	ck_assert_str_eq(heard(&fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=journal-2~1");
	close(fd);
	snprintf(own, sizeof(own), "%s", heard(&fd));
	ck_assert_ptr_eq(strstr(own, "FDSTORE=1\nFDPOLL=0\nFDNAME=journal-"), own);
	ck_assert(store_is_memory(fd));
	close(fd);
	ck_assert_str_eq(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=journal-2~1");
	ck_assert_str_eq(heard(NULL), "FDSTOREREMOVE=1\nFDNAME=journal-1");
	ck_assert_str_eq(heard(NULL), "");
	ck_assert_uint_eq(store.count, 1);
	ck_assert_str_eq(store.items[0].name, "snapshot-1");
}
END_TEST

START_TEST(test_journal_none)
{
	ck_assert_int_eq(store_journal(&store, collector, &log_), -ENODATA);
	ck_assert_str_eq(logged(), "");
	ck_assert_ptr_nonnull(strstr(heard(NULL), "FDNAME=journal-"));
	ck_assert_str_eq(heard(NULL), "");
	check_fresh(next_id());
}
END_TEST

static const struct {
	const char *name;
	bool sealed;
	const char *why;
} journals[] = {
	{ "journal-1", true, "it is damaged" },
	{ "journal-1", false, "it cannot be read" },
	{ "journal-1~3", true, "it has been tried three times" },
};

START_TEST(test_journal_dropped)
{
	char block[4096] = "TCPDIGJ0";
	const char *said;

	unsetenv("NOTIFY_SOCKET");
	store_add(&store, memory(block, sizeof(block), journals[_i].sealed ? SEALS : 0),
		  journals[_i].name);
	ck_assert_int_eq(store_journal(&store, collector, &log_), -ENODATA);
	said = logged();
	ck_assert_ptr_nonnull(strstr(said, "the journal of the collector before is dropped"));
	ck_assert_ptr_nonnull(strstr(said, journals[_i].why));
	ck_assert_ptr_eq(strchr(said, '\n'), strrchr(said, '\n'));
	ck_assert_uint_eq(store.count, 0);
	check_fresh(next_id());
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_kept_and_dropped);
	tcase_add_test(tcase, test_without_systemd);
	tcase_add_test(tcase, test_is_memory);
	tcase_add_test(tcase, test_newest);
	tcase_add_test(tcase, test_damaged);
	tcase_add_test(tcase, test_tried);
	tcase_add_test(tcase, test_unsealed);
	tcase_add_test(tcase, test_more_than_there_can_be);
	tcase_add_test(tcase, test_journal_goes_on);
	tcase_add_test(tcase, test_journal_none);
	tcase_add_loop_test(tcase, test_journal_dropped, 0, ARRAY_SIZE(journals));
	suite_add_tcase(suite, tcase);
	return suite;
}
