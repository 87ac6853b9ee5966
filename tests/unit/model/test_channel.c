/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The channel over a real pair of sockets: what fits comes through with its descriptor, what does not is
 * refused without a descriptor left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "model/channel.h"
#include "model/macro.h"

static int pair[2];

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void teardown(void)
{
	closep(&pair[0]);
	closep(&pair[1]);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static const struct {
	uint32_t type;
	size_t size;
} kinds[] = {
	{ CHANNEL_SETTINGS, sizeof(struct channel_settings) },
	{ CHANNEL_LISTEN, sizeof(struct channel_listen) },
	{ CHANNEL_LEND, sizeof(struct channel_lend) },
	{ CHANNEL_PING, sizeof(struct channel_ping) },
	{ CHANNEL_READY, sizeof(uint32_t) },
	{ CHANNEL_RETURN, sizeof(struct channel_lend) },
	{ CHANNEL_JOURNAL, sizeof(struct channel_journal) },
	{ CHANNEL_EVENTS, sizeof(struct channel_events) },
};

START_TEST(test_round_trip)
{
	union channel_packet out, in;
	int passed = 42;

	memset(&out, 0x5a, sizeof(out));
	memset(&in, 0, sizeof(in));
	out.type = kinds[_i].type;
	ck_assert_int_eq(channel_send(pair[0], &out, (uint32_t)kinds[_i].size, -1), 0);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), 0);
	ck_assert_mem_eq(&in, &out, kinds[_i].size);
	ck_assert_int_eq(passed, -1);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), -EAGAIN);
}
END_TEST

START_TEST(test_wrong_sizes)
{
	char bytes[sizeof(union channel_packet) + 64] = {};
	const size_t right = kinds[_i].size;
	const size_t wrong[] = { 1, 3, right - 1, right + 1, right + 8, sizeof(bytes) };
	size_t i;

	memcpy(bytes, &kinds[_i].type, sizeof(uint32_t));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		union channel_packet in = { .type = 99 };
		int passed = 42;

		ck_assert_int_eq(channel_send(pair[0], bytes, (uint32_t)wrong[i], -1), 0);
		ck_assert_int_eq(channel_receive(pair[1], &in, &passed), -EBADMSG);
		ck_assert_uint_eq(in.type, 99);
		ck_assert_int_eq(passed, 42);
	}
}
END_TEST

START_TEST(test_wrong_types)
{
	const uint32_t types[] = { 0, CHANNEL_EVENTS + 1, 255, UINT32_MAX };
	union channel_packet packet = {}, in;
	int passed;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			packet.type = types[i];
			ck_assert_int_eq(
				channel_send(pair[0], &packet, (uint32_t)kinds[j].size, -1), 0);
			ck_assert_int_eq(channel_receive(pair[1], &in, &passed), -EBADMSG);
		}
}
END_TEST

START_TEST(test_descriptor)
{
	struct channel_lend lend = { .type = CHANNEL_LEND, .buffer = 2, .generation = 9 };
	int before = open_descriptors(), passed = -1;
	struct stat mine, theirs;
	union channel_packet in;
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(channel_send(pair[0], &lend, sizeof(lend), fd), 0);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), 0);
	ck_assert_int_ge(passed, 0);
	ck_assert_int_ne(passed, fd);
	ck_assert_int_eq(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &mine), 0);
	ck_assert_int_eq(fstat(passed, &theirs), 0);
	ck_assert_uint_eq(mine.st_rdev, theirs.st_rdev);
	ck_assert_uint_eq(in.lend.generation, 9);
	close(passed);
	close(take_fd(&fd));
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

/* Whatever is refused: its descriptor must not stay open here. */
START_TEST(test_refused_descriptor)
{
	struct channel_lend lend = { .type = 77 };
	union channel_packet in;
	int before, passed = -1;

	before = open_descriptors();
	ck_assert_int_eq(channel_send(pair[0], &lend, sizeof(lend), STDERR_FILENO), 0);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), -EBADMSG);
	ck_assert_int_eq(passed, -1);
	ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(test_many_descriptors)
{
	struct channel_ping ping = { .type = CHANNEL_PING, .number = 5 };
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { .iov_base = &ping, .iov_len = sizeof(ping) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	const int three[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int before = open_descriptors(), passed = -1;
	union channel_packet in;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(three));
	memcpy(CMSG_DATA(header), three, sizeof(three));
	ck_assert_int_gt((int)sendmsg(pair[0], &message, 0), 0);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), 0);
	ck_assert_int_ge(passed, 0);
	ck_assert_int_eq(open_descriptors(), before + 1);
	close(passed);
}
END_TEST

START_TEST(test_full_and_gone)
{
	struct channel_ping ping = { .type = CHANNEL_PING };
	union channel_packet in;
	int passed, r = 0, sent = 0;

	while (sent < 100000) {
		ping.number = (uint64_t)sent;
		r = channel_send(pair[0], &ping, sizeof(ping), -1);
		if (r < 0)
			break;
		sent++;
	}
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_gt(sent, 8);
	ck_assert_int_eq(channel_receive(pair[1], &in, &passed), 0);
	ck_assert_uint_eq(in.ping.number, 0);
	closep(&pair[1]);
	pair[1] = -1;
	/* What it had not read was lost: that is said first. */
	ck_assert_int_eq(channel_send(pair[0], &ping, sizeof(ping), -1), -ECONNRESET);
	ck_assert_int_eq(channel_send(pair[0], &ping, sizeof(ping), -1), -EPIPE);
	ck_assert_int_eq(channel_receive(pair[0], &in, &passed), -ECONNRESET);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_round_trip, 0, ARRAY_SIZE(kinds));
	tcase_add_loop_test(tc, test_wrong_sizes, 0, ARRAY_SIZE(kinds));
	tcase_add_test(tc, test_wrong_types);
	tcase_add_test(tc, test_descriptor);
	tcase_add_test(tc, test_refused_descriptor);
	tcase_add_test(tc, test_many_descriptors);
	tcase_add_test(tc, test_full_and_gone);
	suite_add_tcase(s, tc);
	return s;
}
