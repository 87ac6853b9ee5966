/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a connection, found by its ends.
 */
#include "autopsy_scene.h"

enum side { ONE = 1, OTHER };

/* An event of a socket that is no piece of the usual one: number, namespace and side are its own. */
struct end {
	uint64_t cookie; /* 0: no more */
	uint32_t netns;
	enum side side;
	int at_ms;
	uint16_t port; /* 0: the usual one */
	bool closed; /* an ordinary end; else the RST is sent by ONE and received by OTHER */
};

static void end_takes(const struct end *end, bool loopback, const struct piece *piece)
{
	static const uint8_t addresses[2][2][16] = {
		{ { 10, 1 }, { 10, 2 } },
		{ { [10] = 0xff, 0xff, 127, 0, 0, 1 }, { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
	};
	const uint16_t port = end->port ? end->port : 50000;
	const bool one = end->side == ONE;
	struct socket_event event = event_of(piece);

	event.when_ns += end->at_ms * MS;
	event.sk.cookie = end->cookie;
	event.sk.netns = end->netns;
	event.sk.local_port = one ? 443 : port;
	event.sk.remote_port = one ? port : 443;
	memcpy(event.sk.local, addresses[loopback][!one], 16);
	memcpy(event.sk.remote, addresses[loopback][one], 16);
	autopsy_take(autopsy, &event, false);
}

static void end_ends(const struct end *end, bool loopback)
{
	static const struct piece closes[] = { STATE(ESTABLISHED, FIN_WAIT1, .flags = R),
					       STATE(FIN_WAIT1, FIN_WAIT2, .flags = O),
					       STATE(FIN_WAIT2, CLOSE, .flags = O), DESTROYED() };
	static const struct piece sends[] = { STATE(ESTABLISHED, CLOSE, .flags = R, .rqueue = 5),
					      SENT(CLOSE, ABORT_ON_CLOSE, .flags = R, .rqueue = 5),
					      DESTROYED() };
	static const struct piece receives[] = { RECEIVED(ESTABLISHED), STATE(ESTABLISHED, CLOSE),
						 DESTROYED(.at_ms = 40000) };
	const struct piece *pieces = end->closed ? closes : end->side == ONE ? sends : receives;
	const int count = end->closed ? 4 : 3;

	for (int i = 0; i < count; i++)
		end_takes(end, loopback, &pieces[i]);
}

static const struct {
	const char *name;
	bool loopback;
	struct end ends[4];
	/* The other end of each, by its cookie; 0: none, SEVERAL: more than one. */
	uint64_t related[4];
#define SEVERAL UINT64_MAX
	uint64_t polled;
} pairs[] = {
	{ .name = "two namespaces",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "two sockets of the same number",
	  .ends = { { 1, 5, ONE }, { 1, 6, OTHER } },
	  .related = { 1, 1 } },
	{ .name = "one namespace",
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "loopback",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER } },
	  .related = { 2, 1 } },
	{ .name = "loopback of another namespace",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER } } },
	{ .name = "loopback twice",
	  .loopback = true,
	  .ends = { { 1, 5, ONE }, { 2, 5, OTHER }, { 3, 6, ONE }, { 4, 6, OTHER } },
	  .related = { 2, 1, 4, 3 } },
	{ .name = "another port", .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .port = 50001 } } },
	{ .name = "both from the same side", .ends = { { 1, 5, ONE }, { 2, 6, ONE } } },
	{ .name = "the same addresses in two networks",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 7, ONE }, { 4, 8, OTHER } },
	  .related = { SEVERAL, SEVERAL, SEVERAL, SEVERAL } },
	{ .name = "the same port again, seconds later",
	  .ends = { { 1, 5, ONE },
		    { 2, 6, OTHER },
		    { 3, 5, ONE, .at_ms = 3000 },
		    { 4, 6, OTHER, .at_ms = 3000 } },
	  .related = { 2, 1, 4, 3 } },
	{ .name = "the same port again, seconds later, to somebody else",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 5, ONE, .at_ms = 3000 } },
	  .related = { 2, 1, 0 } },
	{ .name = "the same addresses in another network, seconds later",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER }, { 3, 8, OTHER, .at_ms = 3000 } },
	  .related = { 2, 1, 0 } },
	{ .name = "ended half a minute before",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 30000 } },
	  .related = { 0, 1 } },
	{ .name = "ended half a minute before, and another that polls have seen",
	  .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 30000 } },
	  .related = { 99, SEVERAL },
	  .polled = 99 },
	{ .name = "ended long before", .ends = { { 1, 5, ONE }, { 2, 6, OTHER, .at_ms = 61000 } } },
	{ .name = "an ordinary end",
	  .ends = { { 1, 5, ONE, .closed = true }, { 2, 6, OTHER, .closed = true } },
	  .related = { 2, 1 } },
};

/* In whatever order the two are seen within a moment; of what is told sooner the one that comes later only knows. */
START_TEST(the_other_end)
{
	unsigned int count = 0, i;

	polled_cookie = pairs[_i].polled;
	for (i = 0; i < 4 && pairs[_i].ends[i].cookie; i++, count++) {
		if (i && pairs[_i].ends[i].at_ms != pairs[_i].ends[i - 1].at_ms)
			settle(pairs[_i].ends[i].at_ms - 10);
		end_ends(&pairs[_i].ends[i], pairs[_i].loopback);
	}
	settle(200000);
	ck_assert_uint_eq(told_count, count);
	for (i = 0; i < count; i++) {
		const struct event_socket *s = &told[i].socket;
		const uint64_t expected = pairs[_i].related[i];
		const bool several = s->flags & EVENT_RELATED_SEVERAL;

		ck_assert_uint_eq(s->cookie, pairs[_i].ends[i].cookie);
		ck_assert_msg(s->related == (expected == SEVERAL ? 0 : expected), "%s: %u has %llx",
			      pairs[_i].name, i, (unsigned long long)s->related);
		ck_assert_msg(several == (expected == SEVERAL), "%s: %u", pairs[_i].name, i);
		if (s->related && s->related != pairs[_i].polled)
			ck_assert(s->flags & EVENT_RELATED_PEER);
	}
	/* Of ordinary ends, and where stories tell, polls are not asked. */
	if (!_i || pairs[_i].ends[0].closed)
		ck_assert_uint_eq(related_asked, 0);
}
END_TEST

/* The ring of ends, of 64 places, goes round: what has left it is not found, and all else still is. */
START_TEST(ends_make_room)
{
	static const uint16_t found[] = { 99, 50, 40 }, lost[] = { 10, 35 };
	struct end end = { .netns = 6, .side = OTHER };
	unsigned int i;

	for (i = 0; i < 100; i++) {
		end.cookie = 2000 + i;
		end.port = (uint16_t)(40000 + i);
		end_ends(&end, false);
		settle(50000);
		told_count = 0;
	}
	end = (struct end){ .netns = 5, .side = ONE, .at_ms = 100 };
	for (i = 0; i < ARRAY_SIZE(found) + ARRAY_SIZE(lost); i++) {
		const uint16_t number = i < 3 ? found[i] : lost[i - 3];

		end.cookie = 4000 + number;
		end.port = (uint16_t)(40000 + number);
		end_ends(&end, false);
		settle(50000);
		ck_assert_uint_eq(told_count, i + 1);
		ck_assert_uint_eq(told[i].socket.related, i < 3 ? 2000U + number : 0);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("autopsy_ends");
	TCase *tests = tcase_create("stories");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, the_other_end, 0, ARRAY_SIZE(pairs));
	tcase_add_test(tests, ends_make_room);
	suite_add_tcase(s, tests);
	return s;
}
