/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose a socket was that nobody holds any more, and who has inherited one.
 */
#include "attach_scene.h"

START_TEST(test_creator_and_reused_pid)
{
	struct record records[2] = { held(50), held(51) };
	int i;

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 51);
	walk();
	poll_records(records, 2, true);
	close_it(&records[0]);
	poll_records(records, 2, true);
	ck_assert_int_eq(pid_of(records[0].creator, "nginx.service"), 7);
	ck_assert_uint_eq(records[0].holders, 0);

	/* The process dies, its number comes again as somebody else. */
	close_it(&records[1]);
	remove_process(7);
	add_process(7, "other", 2);
	add_socket(7, 3, 60);
	for (i = 0; i < 6; i++) {
		struct record late = held(60);

		walk();
		poll_records(records, 2, true);
		ck_assert_int_eq(pid_of(records[0].creator, "nginx.service"), 7);
		ck_assert_int_eq(pid_of(records[1].creator, "nginx.service"), 7);
		attach_record(attach, &late);
		ck_assert_int_eq(holder_pid(&late, 0, "other.service"), 7);
		ck_assert_uint_ne(attach_holders(attach, &(uint32_t){ 0 })[late.holder].process,
				  records[0].creator);
	}
	/* When the orphans are gone, nobody remembers it. */
	for (i = 0; i < 3; i++) {
		walk();
		poll_records(NULL, 0, true);
	}
	ck_assert_uint_eq(rows(), 0);
}
END_TEST

static unsigned int asked;

/* Cookie 5 was closed by a process that no walk has seen. */
static bool closer(void *context, const struct tcpdiag_socket *sk, struct owner_process *ret)
{
	(void)context;
	asked++;
	*ret = (struct owner_process){
		.pid = 99,
		.start_time = 3,
		.comm = "short",
		.cgroup = "/system.slice/short.service",
		.unit = "short.service",
		.container = "",
		.pod_uid = "",
		.container_name = "",
		.pod = "",
		.pod_namespace = "",
	};
	return sk->cookie == 5;
}

static struct record left(uint64_t cookie, uint8_t attachment, int64_t since_ns)
{
	return (struct record){
		.sk = { .cookie = cookie, .state = TCPDIAG_FIN_WAIT2, .attachment = attachment },
		.seen_ns = 100 * NSEC_PER_SEC,
		.state_since_ns = since_ns,
		.holder = RECORD_NONE,
		.creator = RECORD_NONE,
	};
}

/* What no walk has seen in anybody's hands is known by the event of its close(). */
START_TEST(test_closers)
{
	const int64_t fresh = 99 * NSEC_PER_SEC;
	struct record records[] = {
		left(5, TCPDIAG_ORPHAN, fresh),	  left(5, TCPDIAG_TIMEWAIT, fresh),
		left(6, TCPDIAG_TIMEWAIT, fresh), /* nobody knows */
		left(5, TCPDIAG_TIMEWAIT, 1), /* too long ago: nobody is asked */
		left(5, TCPDIAG_REQUEST, fresh), /* nobody had it */
	};

	asked = 0;
	attach_ask(attach, closer, NULL);
	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	walk();
	poll_records(records, ARRAY_SIZE(records), true);
	ck_assert_uint_eq(asked, 3);
	ck_assert_int_eq(pid_of(records[0].creator, "short.service"), 99);
	ck_assert_uint_eq(records[1].creator, records[0].creator);
	for (size_t i = 2; i < ARRAY_SIZE(records); i++)
		ck_assert_uint_eq(records[i].creator, RECORD_NONE);
	/* Once known it stays, and is not asked for again. */
	asked = 0;
	walk();
	poll_records(records, 2, true);
	ck_assert_uint_eq(asked, 0);
	ck_assert_int_eq(pid_of(records[0].creator, "short.service"), 99);
	ck_assert_int_eq(pid_of(records[1].creator, "short.service"), 99);
}
END_TEST

/* What waits in the memory of the gone keeps its creator too. */
START_TEST(test_gone_keeps_creator)
{
	struct record record = held(50), back;
	const struct record *old;
	int i;

	add_process(6, "first", 1);
	add_socket(6, 3, 40);
	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	record.sk.cookie = 5;
	walk();
	back = held(40);
	poll_records(&back, 1, true); /* so that rows move when it is gone */
	attach_record(attach, &record);
	attach_forget(attach, &record);
	gone_put(gone, &record, 1);
	remove_process(7);
	for (i = 0; i < 5; i++) {
		walk();
		poll_records(NULL, 0, true);
	}
	old = gone_find(gone, &record.sk, 0);
	ck_assert_ptr_nonnull(old);
	ck_assert_int_eq(pid_of(old->creator, "nginx.service"), 7);
	ck_assert_uint_eq(old->holders, 0);
}
END_TEST

/* A child of pid 7, as add_process() makes it, running the file @program below the root. */
static void run_program(int pid, int parent, const char *comm, int start_time, const char *program)
{
	char path[128], file[128], text[256];

	if (pid != 7)
		add_process(pid, comm, start_time);
	snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
	snprintf(text, sizeof(text),
		 "%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 1 2 3 4 5\n", pid, comm,
		 parent, start_time);
	write_file(path, text);
	snprintf(file, sizeof(file), "%s/%s", root, program);
	write_file(file, "");
	snprintf(path, sizeof(path), "%s/%d/exe", root, pid);
	ck_assert_int_eq(symlink(file, path), 0);
}

static const struct {
	const char *name, *comm, *server, *child;
	int parent;
	bool inherited;
} kin_rows[] = {
	{ "another program", "nginx", "server", "sleep", 7, true },
	{ "the same program", "nginx", "server", "server", 7, false },
	{ "nobody's child, and as old as the socket", "nginx", "server", "sleep", 1, false },
	{ "systemd starts what it accepts for", "systemd", "server", "sleep", 7, false },
};

START_TEST(test_inherited)
{
	struct record record = held(50), next;

	record.sk.known = TCPDIAG_KNOWS_BYTES;
	record.born_ns = INT64_MAX;
	add_process(7, kin_rows[_i].comm, 1);
	run_program(7, 1, kin_rows[_i].comm, 1, kin_rows[_i].server);
	run_program(9, kin_rows[_i].parent, "child", 2, kin_rows[_i].child);
	add_socket(7, 3, 50);
	add_socket(9, 5, 50);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.creator, RECORD_NONE);
	remove_socket(7, 3);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.holders, 1);
	if (!kin_rows[_i].inherited) {
		ck_assert_msg(record.creator == RECORD_NONE, "%s", kin_rows[_i].name);
		return;
	}
	ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
	/* It is remembered past the end of the process, and until somebody uses the socket. */
	remove_process(7);
	for (int i = 0; i < 5; i++) {
		walk();
		poll_records(&record, 1, true);
		ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
	}
	next = record;
	next.creator = RECORD_NONE;
	next.sk.bytes_received = 10;
	next.sk.rqueue = 10; /* comes in, and nobody reads it */
	memory_carry(&(struct memory){ .now_ns = 1 }, &next, &record);
	ck_assert_uint_eq(next.creator, record.creator);
	next.sk.rqueue = 9;
	memory_carry(&(struct memory){ .now_ns = 1 }, &next, &record);
	ck_assert_uint_eq(next.creator, RECORD_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("attach_origin");
	TCase *tc = tcase_create("attach");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_creator_and_reused_pid);
	tcase_add_test(tc, test_closers);
	tcase_add_test(tc, test_gone_keeps_creator);
	tcase_add_loop_test(tc, test_inherited, 0, ARRAY_SIZE(kin_rows));
	suite_add_tcase(s, tc);
	return s;
}
