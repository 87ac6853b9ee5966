/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose sockets have the memory of TCP's queues.
 */
#include "../harness.h"
#include "collector/queues.h"
#include "model/macro.h"

static struct queues queues;

static void begin(uint64_t pages)
{
	const struct tcpdiag_environment env = { .known = TCPDIAG_ENV_MEMORY,
						 .memory_pages = pages,
						 .tcp_mem = { 1000, 1500, 2000 } };

	queues_begin(&queues, &env);
}

static void teardown(void)
{
	queues_done(&queues);
	ck_assert_ptr_null(queues.bytes);
}

static void add(struct tcpdiag_socket sk, uint32_t row)
{
	struct record record = { .sk = sk };

	record.sk.known |= TCPDIAG_KNOWS_SKMEM;
	queues_add(&queues, &record, row);
}

static const struct {
	const char *what;
	struct tcpdiag_environment env;
	bool wanted;
} machines[] = {
	{ "the limits are not known", { .memory_pages = 5000, .tcp_mem = { 1, 2, 3 } }, false },
	{ "no limits", { .known = TCPDIAG_ENV_MEMORY, .memory_pages = 5000 }, false },
	{ "far from pressure",
	  { .known = TCPDIAG_ENV_MEMORY, .memory_pages = 599, .tcp_mem = { 1000, 1500, 2000 } },
	  false },
	{ "near it",
	  { .known = TCPDIAG_ENV_MEMORY, .memory_pages = 600, .tcp_mem = { 1000, 1500, 2000 } },
	  true },
};

START_TEST(test_wanted)
{
	queues_begin(&queues, &machines[_i].env);
	ck_assert_msg(queues.wanted == machines[_i].wanted, "%s", machines[_i].what);
	add((struct tcpdiag_socket){ .rmem_alloc = 10 }, 1);
	ck_assert_uint_eq(queues.count, machines[_i].wanted ? 2 : 0);
}
END_TEST

START_TEST(test_sums)
{
	struct record unknown = { .sk = { .rmem_alloc = 7 } };
	uint32_t i;

	begin(900);
	add((struct tcpdiag_socket){ .rmem_alloc = 10, .wmem_queued = 5 }, 3);
	add((struct tcpdiag_socket){ .rmem_alloc = 1 }, 3);
	add((struct tcpdiag_socket){ .wmem_queued = 2 }, 0);
	add((struct tcpdiag_socket){ .rmem_alloc = UINT32_MAX, .wmem_queued = UINT32_MAX }, 1);
	/* An orphan's, of nobody. */
	add((struct tcpdiag_socket){ .wmem_queued = 100 }, RECORD_NONE);
	/* Listeners' numbers are of another kind; MPTCP's stand at its subflows; nothing is nothing. */
	add((struct tcpdiag_socket){ .state = TCPDIAG_LISTEN, .rmem_alloc = 1 }, 3);
	add((struct tcpdiag_socket){ .mptcp = true, .rmem_alloc = 1 }, 3);
	add((struct tcpdiag_socket){}, 9);
	queues_add(&queues, &unknown, 3);
	ck_assert(!queues.failed);
	ck_assert_uint_eq(queues.count, 4);
	ck_assert_uint_eq(queues.bytes[0], 2);
	ck_assert_uint_eq(queues.bytes[1], 2ULL * UINT32_MAX);
	ck_assert_uint_eq(queues.bytes[2], 0);
	ck_assert_uint_eq(queues.bytes[3], 16);
	ck_assert_uint_eq(queues.nobody, 100);

	/* It grows, and what it grows by is empty; the next poll begins from none. */
	add((struct tcpdiag_socket){ .rmem_alloc = 1 }, 5000);
	ck_assert_uint_eq(queues.count, 5001);
	ck_assert_uint_eq(queues.bytes[3], 16);
	for (i = 4; i < 5000; i++)
		ck_assert_uint_eq(queues.bytes[i], 0);
	begin(900);
	ck_assert_uint_eq(queues.count, 0);
	ck_assert_uint_eq(queues.nobody, 0);
	add((struct tcpdiag_socket){ .rmem_alloc = 1 }, 3);
	ck_assert_uint_eq(queues.count, 4);
	ck_assert_uint_eq(queues.bytes[1], 0);
	ck_assert_uint_eq(queues.bytes[3], 1);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("queues");
	TCase *tc = tcase_create("queues");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, test_wanted, 0, ARRAY_SIZE(machines));
	tcase_add_test(tc, test_sums);
	suite_add_tcase(suite, tc);
	return suite;
}
