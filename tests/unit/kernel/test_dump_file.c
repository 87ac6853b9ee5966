/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of `ss -D`: the recorded incidents, whole, cut anywhere, and what is no dump at all.
 */
#include <linux/netlink.h>
#include <sys/mman.h>

#include "../harness.h"
#include "scene.h"

#define FIXTURES "tests/fixtures/"

struct expected {
	enum tcpdiag_state state;
	enum tcpdiag_attachment attachment;
	int count;
};

static const struct incident {
	const char *name;
	struct expected rows[8];
	int fin_unread;
} incidents[] = {
	{ "close-wait-leak",
	  { { TCPDIAG_LISTEN, TCPDIAG_HELD, 1 },
	    { TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD, 24 },
	    { TCPDIAG_CLOSE_WAIT, TCPDIAG_UNACCEPTED, 4 },
	    { TCPDIAG_FIN_WAIT2, TCPDIAG_TIMEWAIT, 28 } },
	  20 },
	{ "fin-wait-2-stuck",
	  { { TCPDIAG_LISTEN, TCPDIAG_HELD, 1 },
	    { TCPDIAG_FIN_WAIT2, TCPDIAG_HELD, 10 },
	    { TCPDIAG_FIN_WAIT2, TCPDIAG_TIMEWAIT, 5 },
	    { TCPDIAG_CLOSE_WAIT, TCPDIAG_HELD, 15 } },
	  15 },
	{ "orphans-zero-window",
	  { { TCPDIAG_LISTEN, TCPDIAG_HELD, 1 },
	    { TCPDIAG_FIN_WAIT1, TCPDIAG_ORPHAN, 6 },
	    { TCPDIAG_ESTABLISHED, TCPDIAG_HELD, 6 } },
	  0 },
	{ "listener-queue-full",
	  { { TCPDIAG_LISTEN, TCPDIAG_HELD, 1 },
	    { TCPDIAG_ESTABLISHED, TCPDIAG_HELD, 4 },
	    { TCPDIAG_ESTABLISHED, TCPDIAG_UNACCEPTED, 4 },
	    { TCPDIAG_SYN_SENT, TCPDIAG_HELD, 2 } },
	  0 },
	{ "healthy-dual-stack",
	  { { TCPDIAG_LISTEN, TCPDIAG_HELD, 1 },
	    { TCPDIAG_ESTABLISHED, TCPDIAG_HELD, 18 },
	    { TCPDIAG_TIME_WAIT, TCPDIAG_TIMEWAIT, 1 } },
	  0 },
	{ "nothing", {}, 0 },
};

static const struct sock_diag_request everything = { .states = TCPDIAG_STATES_ALL,
						     .protocol = IPPROTO_TCP,
						     .info = true };

static char *read_fixture(const char *name, size_t *ret_size)
{
	char path[128];
	char *data = malloc(65536);
	FILE *file;

	snprintf(path, sizeof(path), FIXTURES "%s.dump", name);
	file = fopen(path, "rbe");
	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_ptr_nonnull(data);
	*ret_size = fread(data, 1, 65536, file);
	fclose(file);
	return data;
}

/* A dump of these bytes. */
static int open_bytes(const void *data, size_t size, struct sock_diag **ret)
{
	char path[64];
	int fd = memfd_create("dump", MFD_CLOEXEC);
	int r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = sock_diag_open_file(path, ret);
	close(fd);
	return r;
}

/* Reads to the end. Return: how it ended. */
static int count_rows(struct sock_diag *diag, int *ret_rows)
{
	struct tcpdiag_socket sk;
	int r;

	*ret_rows = 0;
	ck_assert_int_eq(sock_diag_dump(diag, &everything), 0);
	while ((r = sock_diag_next(diag, &sk)) == 1)
		++*ret_rows;
	ck_assert_int_eq(sock_diag_next(diag, &sk), 0);
	return r;
}

START_TEST(recorded_incident)
{
	const struct incident *incident = &incidents[_i];
	int seen[TCPDIAG_STATE_MAX][TCPDIAG_ATTACHMENT_MAX] = {};
	int expected[TCPDIAG_STATE_MAX][TCPDIAG_ATTACHMENT_MAX] = {};
	struct sock_diag *diag;
	struct tcpdiag_socket sk;
	int fin_unread = 0;
	char path[128];

	snprintf(path, sizeof(path), FIXTURES "%s.dump", incident->name);
	ck_assert_int_eq(sock_diag_open_file(path, &diag), 0);
	ck_assert_int_eq(sock_diag_dump(diag, &everything), 0);
	while (sock_diag_next(diag, &sk) == 1) {
		seen[sk.state][sk.attachment]++;
		fin_unread += tcpdiag_fin_unread(&sk);
		ck_assert_uint_eq(sk.netns, 0);
		if (sk.kind == TCPDIAG_KIND_FULL && sk.state != TCPDIAG_LISTEN)
			ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_BYTES, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(incident->rows); i++)
		expected[incident->rows[i].state][incident->rows[i].attachment] +=
			incident->rows[i].count;
	for (int i = 0; i < TCPDIAG_STATE_MAX; i++)
		for (int j = 0; j < TCPDIAG_ATTACHMENT_MAX; j++)
			ck_assert_msg(seen[i][j] == expected[i][j], "%s: %d %s %s, not %d",
				      incident->name, seen[i][j], tcpdiag_state_name(i),
				      tcpdiag_attachment_name(j), expected[i][j]);
	ck_assert_int_eq(fin_unread, incident->fin_unread);
	ck_assert_uint_eq(sock_diag_stats(diag)->truncated, 0);
	ck_assert_uint_eq(sock_diag_stats(diag)->foreign, 0);
	sock_diag_free(diag);
}
END_TEST

START_TEST(masks_and_protocols)
{
	const struct sock_diag_request mptcp = { .states = TCPDIAG_STATES_ALL,
						 .protocol = IPPROTO_MPTCP };
	struct sock_diag *diag;

	ck_assert_int_eq(sock_diag_open_file(FIXTURES "close-wait-leak.dump", &diag), 0);
	/* Each dump begins anew. */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT),
					     IPPROTO_TCP, 8080, 0, NULL),
				 28);
	ck_assert_int_eq(
		scene_count(diag, TCPDIAG_STATE_BIT(TCPDIAG_LISTEN), IPPROTO_TCP, 0, 0, NULL), 1);
	ck_assert_int_eq(sock_diag_dump(diag, &mptcp), -EOPNOTSUPP);
	sock_diag_free(diag);
}
END_TEST

START_TEST(cut_anywhere)
{
	struct sock_diag *diag;
	size_t size;
	char *data = read_fixture("healthy-dual-stack", &size);
	int before = 0, rows;
	int r;

	for (size_t cut = 16; cut < size; cut += 4) {
		ck_assert_int_eq(open_bytes(data, cut, &diag), 0);
		r = count_rows(diag, &rows);
		/* After the first family's end nothing tells that another one was cut off. */
		if (r < 0) {
			ck_assert_int_eq(r, -EBADMSG);
			ck_assert_uint_eq(sock_diag_stats(diag)->truncated, 1);
		}
		ck_assert_int_ge(rows, before);
		ck_assert_int_le(rows, before + 1);
		before = rows;
		sock_diag_free(diag);
	}
	ck_assert_int_eq(open_bytes(data, size, &diag), 0);
	ck_assert_int_eq(count_rows(diag, &rows), 0);
	ck_assert_int_eq(rows, 20);
	sock_diag_free(diag);
	free(data);
}
END_TEST

/* One message of nonsense costs that message; one with a length of nonsense the rest. */
START_TEST(damaged)
{
	/* The last two are negative where somebody takes them for an int. */
	static const uint32_t lengths[] = { 0, 3, 15, 65536, 0x7fffffff, 0x80000000, 0xfffffff0 };
	struct sock_diag *diag;
	struct nlmsghdr *second;
	size_t size;
	char *data = read_fixture("close-wait-leak", &size);
	int rows;

	second = (struct nlmsghdr *)(data + NLMSG_ALIGN(((struct nlmsghdr *)data)->nlmsg_len));
	second->nlmsg_type = 99;
	ck_assert_int_eq(open_bytes(data, size, &diag), 0);
	ck_assert_int_eq(count_rows(diag, &rows), 0);
	ck_assert_int_eq(rows, 56);
	ck_assert_uint_eq(sock_diag_stats(diag)->foreign, 1);
	sock_diag_free(diag);

	second->nlmsg_type = 20;
	((uint8_t *)(second + 1))[1] = 200; /* idiag_state */
	ck_assert_int_eq(open_bytes(data, size, &diag), 0);
	ck_assert_int_eq(count_rows(diag, &rows), 0);
	ck_assert_int_eq(rows, 56);
	ck_assert_uint_eq(sock_diag_stats(diag)->truncated, 1);
	sock_diag_free(diag);

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		second->nlmsg_len = lengths[i];
		ck_assert_int_eq(open_bytes(data, size, &diag), 0);
		ck_assert_int_eq(count_rows(diag, &rows), -EBADMSG);
		ck_assert_int_eq(rows, 1);
		sock_diag_free(diag);
	}
	free(data);
}
END_TEST

START_TEST(no_dump)
{
	static const char text[] = "State  Recv-Q Send-Q Local Address:Port\n";
	struct sock_diag *diag = NULL;

	ck_assert_int_eq(sock_diag_open_file("/nonexistent", &diag), -ENOENT);
	ck_assert_int_eq(sock_diag_open_file("/", &diag), -EISDIR);
	ck_assert_int_eq(sock_diag_open_file("/dev/zero", &diag), -EBADMSG);
	ck_assert_int_eq(open_bytes("", 0, &diag), -EBADMSG);
	ck_assert_int_eq(open_bytes(text, sizeof(text), &diag), -EBADMSG);
	ck_assert_int_eq(open_bytes("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, &diag), -EBADMSG);
	ck_assert_ptr_null(diag);
}
END_TEST

/* More than one buffer of messages: the border falls anywhere. */
START_TEST(many_buffers)
{
	struct sock_diag *diag;
	size_t size;
	char *data = read_fixture("close-wait-leak", &size);
	char *many = malloc(size * 20);
	int rows;

	for (int i = 0; i < 20; i++)
		memcpy(many + i * size, data, size);
	ck_assert_int_eq(open_bytes(many, size * 20, &diag), 0);
	ck_assert_int_eq(count_rows(diag, &rows), 0);
	ck_assert_int_eq(rows, 20 * 57);
	sock_diag_free(diag);
	free(many);
	free(data);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("dump_file");
	TCase *c = tcase_create("files");

	tcase_add_loop_test(c, recorded_incident, 0, ARRAY_SIZE(incidents));
	tcase_add_test(c, masks_and_protocols);
	tcase_add_test(c, cut_anywhere);
	tcase_add_test(c, damaged);
	tcase_add_test(c, no_dump);
	tcase_add_test(c, many_buffers);
	suite_add_tcase(s, c);
	return s;
}
