/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections both ends of which one process holds in two network namespaces, and what only looks so.
 */
#include "fixture.h"

#include "web/owners.h"

static struct fixture f;

/* Loopback addresses do not leave their namespace. */
static void on_loopback(struct record *records)
{
	static const uint8_t one[16] = { [15] = 1 };
	struct tcpdiag_socket *a = &records[R_LIVE].sk, *b = &records[R_DONE].sk;

	memcpy(a->local, one, 16);
	memcpy(a->remote, one, 16);
	memcpy(b->local, one, 16);
	memcpy(b->remote, one, 16);
}

/* Somebody in a third namespace, whoever it is, has the ends of one of them. */
static void doubled(struct record *records)
{
	records[R_SHARED].sk = records[R_LIVE].sk;
	records[R_SHARED].sk.cookie = 0x9998;
	records[R_SHARED].sk.netns = records[R_LIVE].sk.netns + 2;
	records[R_SHARED].sk.attachment = TCPDIAG_UNHELD;
}

/* The same in a state that it cannot have there: it belongs to another connection. */
static void impossible(struct record *records)
{
	doubled(records);
	records[R_LIVE].sk.state = TCPDIAG_FIN_WAIT2;
	records[R_DONE].sk.state = TCPDIAG_CLOSE_WAIT;
	records[R_LIVE].state_since_ns = records[R_DONE].state_since_ns = 1;
}

static const struct {
	void (*ready)(struct record *records);
	bool apart;
	int pairs;
} cases[] = {
	{ NULL, false, 1 },	  { NULL, true, 1 },	{ on_loopback, false, 1 },
	{ on_loopback, true, 0 }, { doubled, true, 0 }, { doubled, false, 0 },
	{ impossible, true, 1 },
};

/* Two ends of one connection, held by one process. */
static void make(struct record *records, bool apart)
{
	struct tcpdiag_socket *a = &records[R_LIVE].sk, *b = &records[R_DONE].sk;

	a->rqueue = 0;
	*b = *a;
	b->cookie = 0x9999;
	memcpy(b->local, a->remote, 16);
	memcpy(b->remote, a->local, 16);
	b->local_port = a->remote_port;
	b->remote_port = a->local_port;
	b->netns = a->netns + apart;
	fixture_held(&records[R_LIVE], 0, 1);
	fixture_held(&records[R_DONE], 0, 1);
	records[R_WAITING].sk.remote_port = records[R_SHARED].sk.remote_port = 50001;
	records[R_ORPHAN].sk.remote_port = 50001;
}

START_TEST(pairs)
{
	const struct owner_query query = { .kind = OWNER_PROCESS, .pid = 100 };
	struct record *records;
	struct owners owners;
	uint32_t count, i;

	fixture_begin(&f);
	records = snapshot_writer_records(&f.w, &count);
	for (i = 0; i < count; i++)
		records[i].seen_ns = FIXTURE_NOW;
	make(records, cases[_i].apart);
	if (cases[_i].ready)
		cases[_i].ready(records);
	fixture_seal(&f);
	ck_assert_int_eq(owners_count(&f.snapshot, &query, &owners), 0);
	ck_assert_uint_eq(owners.count, 1);
	ck_assert_int_eq(owners.rows[0].exit.count[EXIT_PAIRS], cases[_i].pairs);
	owners_done(&owners);
	fixture_done(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("exit: pairs");
	TCase *tc = tcase_create("pairs");

	tcase_add_loop_test(tc, pairs, 0, ARRAY_SIZE(cases));
	suite_add_tcase(s, tc);
	return s;
}
