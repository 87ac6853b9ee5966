/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holders over several walks, in a /proc made up in a temporary folder: who has a socket, who had it, when
 * nobody has it, and a pid that comes again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/attach.h"
#include "model/macro.h"

static char root[64];
static struct owners *owners;
static struct attach *attach;
static struct gone *gone;
static struct attach_limits limits;
static uint16_t pass;
static int64_t now;

/* ---- the made-up /proc ---- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	fclose(file);
}

static void add_process(int pid, const char *comm, int start_time)
{
	char path[128], text[256];
	static const char *const folders[] = { "", "/fd", "/ns" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%d%s", root, pid, folders[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/%d/ns/net", root, pid);
	ck_assert_int_eq(symlink("net:[5]", path), 0);
	snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
	snprintf(text, sizeof(text),
		 "%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 1 2 3 4 5\n", pid, comm,
		 start_time);
	write_file(path, text);
	snprintf(path, sizeof(path), "%s/%d/cgroup", root, pid);
	snprintf(text, sizeof(text), "0::/system.slice/%s.service\n", comm);
	write_file(path, text);
	snprintf(path, sizeof(path), "%s/%d/limits", root, pid);
	write_file(path,
		   "Max open files            1024                 4096                 files\n");
}

static void remove_process(int pid)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/%d", root, pid);
	ck_assert_int_eq(system(command), 0);
}

static void add_socket(int pid, int fd, uint32_t inode)
{
	char path[128], to[64];

	snprintf(path, sizeof(path), "%s/%d/fd/%d", root, pid, fd);
	snprintf(to, sizeof(to), "socket:[%u]", inode);
	ck_assert_int_eq(symlink(to, path), 0);
}

static void remove_socket(int pid, int fd)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%d/fd/%d", root, pid, fd);
	ck_assert_int_eq(unlink(path), 0);
}

static void setup(void)
{
	strcpy(root, "/tmp/tcpdiagd-attach-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	limits = (struct attach_limits){ .max_processes = 100, .max_holders = 1000 };
	pass = 0;
	now = 1000;
	ck_assert_int_eq(owners_new(root, 100, 1000, NULL, &owners), 0);
	ck_assert_int_eq(attach_new(&attach), 0);
	ck_assert_int_eq(gone_new(&gone), 0);
}

static void teardown(void)
{
	char command[128];

	attach = attach_free(attach);
	gone = gone_free(gone);
	owners = owners_free(owners);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

/* ---- walks and polls ---- */

static void walk(void)
{
	int r;

	pass++;
	now += 1000;
	do
		r = owners_step(owners, NSEC_PER_SEC, now);
	while (r == 0);
	ck_assert_int_eq(r, 1);
}

static void poll_records(struct record *records, uint32_t count, bool clean)
{
	uint32_t i;

	ck_assert_int_ge(attach_begin(attach, owners, pass, clean, &limits, gone), 0);
	for (i = 0; i < count; i++)
		attach_record(attach, &records[i]);
}

/* As memory_first() leaves it. */
static struct record held(uint32_t inode)
{
	return (struct record){
		.sk = { .state = TCPDIAG_ESTABLISHED, .inode = inode, .attachment = TCPDIAG_HELD },
		.holder = RECORD_NONE,
		.creator = RECORD_NONE,
		.owner_pass = pass,
		.flags = RECORD_ASK_OWNERS
	};
}

static void close_it(struct record *record)
{
	record->sk.inode = 0;
	record->sk.state = TCPDIAG_FIN_WAIT1;
	record->sk.attachment = TCPDIAG_ORPHAN;
}

static void *grow(void *context, size_t size)
{
	void **data = context, *more = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!more)
		return NULL;
	free(*data);
	*data = more;
	return more;
}

/* The pid of a row, and what its unit is called. */
static int32_t pid_of(uint32_t row, const char *unit)
{
	uint64_t counts[LIMIT_MAX] = {};
	void *data = NULL;
	struct snapshot_writer w = { .max_records = 1,
				     .grow = grow,
				     .context = &data,
				     .string_max = 1 << 16,
				     .limits = counts };
	const struct process *rows;
	uint32_t count;
	int32_t pid;

	ck_assert_int_eq(snapshot_begin(&w), 0);
	rows = attach_processes(attach, &w, &count);
	ck_assert_uint_lt(row, count);
	ck_assert_str_eq(snapshot_writer_text(&w, rows[row].unit), unit);
	pid = rows[row].pid;
	snapshot_writer_done(&w);
	free(data);
	return pid;
}

static uint32_t rows(void)
{
	uint64_t counts[LIMIT_MAX] = {};
	struct snapshot_writer w = { .string_max = 0, .limits = counts };
	void *data = NULL;
	uint32_t count;

	w.grow = grow;
	w.context = &data;
	ck_assert_int_eq(snapshot_begin(&w), 0);
	attach_processes(attach, &w, &count);
	snapshot_writer_done(&w);
	free(data);
	return count;
}

static int32_t holder_pid(const struct record *record, uint32_t number, const char *unit)
{
	uint32_t count;
	const struct holder *holders = attach_holders(attach, &count);

	ck_assert_uint_lt(number, record->holders);
	ck_assert_uint_le(record->holder + record->holders, count);
	return pid_of(holders[record->holder + number].process, unit);
}

START_TEST(test_holders)
{
	struct record records[3] = { held(50), held(51), held(52) };

	add_process(7, "nginx", 1);
	add_process(9, "php", 1);
	add_process(11, "idle", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 51);
	add_socket(9, 5, 51);
	add_socket(9, 6, 51);
	add_socket(11, 6, 99); /* no TCP socket of ours */
	walk();
	poll_records(records, 3, true);
	ck_assert_uint_eq(records[0].holders, 1);
	ck_assert_int_eq(holder_pid(&records[0], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[1].holders, 3);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_int_eq(holder_pid(&records[1], 2, "php.service"), 9);
	ck_assert_uint_eq(records[2].holders, 0);
	ck_assert_uint_eq(records[2].creator, RECORD_NONE);
	/* Only whoever has a TCP socket has a row. */
	ck_assert_uint_eq(rows(), 2);
	ck_assert_uint_eq(records[0].flags & RECORD_ASK_OWNERS, 0);
	ck_assert_uint_ne(records[0].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

/* Between two walks a new socket is looked up in the result in force. */
START_TEST(test_new_between_walks)
{
	struct record records[2] = { held(50), held(60) };

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 60);
	walk();
	poll_records(records, 1, true);
	records[1].owner_pass = pass; /* seen after the walk had begun */
	poll_records(records, 2, true);
	ck_assert_int_eq(holder_pid(&records[0], 0, "nginx.service"), 7);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

/* A dead connection comes from the walk itself, which has seen each of its descriptors. */
START_TEST(test_found_by_the_walk)
{
	struct record record = held(50);

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 50);
	walk();
	record.sk.state = TCPDIAG_CLOSE;
	record.owner_pass = pass;
	poll_records(&record, 1, true);
	ck_assert_uint_ne(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_ne(record.sk.known & TCPDIAG_KNOWS_DESCRIPTORS, 0);
	ck_assert_uint_eq(record.sk.descriptors, 2);
}
END_TEST

START_TEST(test_unheld_takes_two_walks)
{
	struct record record;
	int i;

	add_process(7, "nginx", 1);
	walk();
	record = held(50);
	poll_records(&record, 1, true);
	/* This result is older than the socket. */
	ck_assert_uint_eq(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_ne(record.flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	/* Polls are no walks. */
	for (i = 0; i < 5; i++)
		poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_UNHELD);
	/* Somebody takes it. */
	add_socket(7, 3, 50);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert_uint_eq(record.holders, 1);
	/* And lets go: again two walks. */
	remove_socket(7, 3);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
	ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
	walk();
	poll_records(&record, 1, true);
	ck_assert_uint_eq(record.sk.attachment, TCPDIAG_UNHELD);
	ck_assert_int_eq(pid_of(record.creator, "nginx.service"), 7);
}
END_TEST

/* While one process cannot be read, nobody is said to hold nothing. */
START_TEST(test_unreadable)
{
	struct record record = held(50);
	int i;

	add_process(7, "nginx", 1);
	for (i = 0; i < 6; i++) {
		walk();
		poll_records(&record, 1, false);
		ck_assert_uint_eq(record.sk.attachment, TCPDIAG_HELD);
		ck_assert_uint_eq(record.flags & RECORD_OWNERS_KNOWN, 0);
	}
}
END_TEST

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

START_TEST(test_limits)
{
	struct record records[4] = { held(50), held(51), held(52), held(53) };

	add_process(7, "a", 1);
	add_process(8, "b", 1);
	add_process(9, "c", 1);
	add_socket(7, 3, 50);
	add_socket(8, 3, 51);
	add_socket(9, 3, 52);
	add_socket(9, 4, 53);
	limits.max_processes = 2;
	walk();
	poll_records(records, 4, true);
	ck_assert_uint_eq(records[0].holders + records[1].holders, 2);
	ck_assert_uint_eq(records[2].holders + records[3].holders, 0);
	/* Once a process, not once a socket. */
	ck_assert_uint_eq(attach_cut_processes(attach), 1);
	/* Somebody has it whom we could not keep: that is not nobody. */
	ck_assert_uint_eq(records[2].flags & RECORD_OWNERS_KNOWN, 0);
	limits.max_processes = 100;
	limits.max_holders = 1;
	walk();
	poll_records(records, 4, true);
	ck_assert_uint_eq(attach_cut_holders(attach), 3);
	ck_assert_uint_eq(records[0].holders, 1);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
}
END_TEST

START_TEST(test_cleared)
{
	struct record records[2] = { held(50), held(51) };

	add_process(7, "nginx", 1);
	add_socket(7, 3, 50);
	add_socket(7, 4, 51);
	walk();
	poll_records(records, 2, true);
	close_it(&records[0]);
	poll_records(records, 2, true);
	attach_clear(attach, gone);
	ck_assert_int_eq(attach_begin(attach, NULL, pass, true, &limits, gone), 0);
	attach_record(attach, &records[0]);
	attach_record(attach, &records[1]);
	ck_assert_uint_eq(records[0].creator, RECORD_NONE);
	ck_assert_uint_eq(records[1].holders, 0);
	ck_assert_uint_eq(records[1].flags & RECORD_OWNERS_KNOWN, 0);
	ck_assert_uint_eq(rows(), 0);
	/* Switched on again: the walk's result is taken anew, as if it were another. */
	poll_records(records, 2, true);
	ck_assert_int_eq(holder_pid(&records[1], 0, "nginx.service"), 7);
	ck_assert_uint_eq(records[0].creator, RECORD_NONE);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("attach");
	TCase *tc = tcase_create("attach");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_holders);
	tcase_add_test(tc, test_new_between_walks);
	tcase_add_test(tc, test_found_by_the_walk);
	tcase_add_test(tc, test_unheld_takes_two_walks);
	tcase_add_test(tc, test_unreadable);
	tcase_add_test(tc, test_creator_and_reused_pid);
	tcase_add_test(tc, test_closers);
	tcase_add_test(tc, test_gone_keeps_creator);
	tcase_add_loop_test(tc, test_inherited, 0, ARRAY_SIZE(kin_rows));
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_cleared);
	suite_add_tcase(s, tc);
	return s;
}
