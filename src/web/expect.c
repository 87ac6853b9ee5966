/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Expectations: which words there are, what each is spoilt by, and how long one is waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "web/expect.h"
#include "web/filter.h"
#include "web/list.h"

static int parse_expect(const char *text, enum exit_expect *ret, struct problem *problem)
{
	int i;

	for (i = EXPECT_CLEAN; i < EXPECT_MAX; i++)
		if (!strcmp(text, exit_expect_name((enum exit_expect)i))) {
			*ret = (enum exit_expect)i;
			return 0;
		}
	return problem_set(problem, 400, "expect", "%.64s: clean, harmless or idle is wanted",
			   text);
}

int expectation_parse(const struct query *query, struct expectation *ret, struct problem *problem)
{
	const char *expect = query_get(query, "expect"), *within = query_get(query, "within");
	struct expectation expectation = {};
	uint64_t ms = 0;
	int r;

	if (expect) {
		r = parse_expect(expect, &expectation.expect, problem);
		if (r < 0)
			return r;
	}
	if (within) {
		if (!expect)
			return problem_set(problem, 400, "within",
					   "within goes with expect: there is nothing to wait for");
		if (value_duration(within, strlen(within), false, &ms) < 0 || ms > WITHIN_MAX_MS)
			return problem_set(problem, 400, "within",
					   "%.64s: a duration such as 30s or 1m30s is wanted, up "
					   "to 5m",
					   within);
	}
	expectation.within_ns = (int64_t)ms * NSEC_PER_MSEC;
	*ret = expectation;
	return 0;
}

bool expectation_waits(const struct expectation *expectation, enum exit_answer answer,
		       const struct request *request)
{
	int64_t until_ns = request->began_ns + expectation->within_ns;

	if (answer == EXIT_ANSWER_YES || !request->until_ns || request->now_ns >= until_ns)
		return false;
	*request->until_ns = until_ns;
	return true;
}

unsigned int expectation_status(enum exit_answer answer)
{
	static const unsigned int status[] = {
		[EXIT_ANSWER_YES] = 200,
		[EXIT_ANSWER_NO] = 409,
		[EXIT_ANSWER_UNKNOWN] = 503,
	};

	return status[answer];
}

#define ANY (1U << EXPECT_CLEAN | 1U << EXPECT_HARMLESS | 1U << EXPECT_IDLE)

/* What spoils what, and the words for it. */
static const struct {
	enum exit_count count;
	unsigned int spoils; /* bits of enum exit_expect */
	bool doubt;
	const char *one, *many;
} spoilers[] = {
	{ EXIT_RST_PEER_OPEN, ANY, false, "connection is reset while its peer is open",
	  "connections are reset while their peers are open" },
	{ EXIT_RST_PEER_FINISHED, 1U << EXPECT_CLEAN, false,
	  "connection is reset whose peer has finished",
	  "connections are reset whose peers have finished" },
	{ EXIT_LISTENER_RESETS, ANY, false, "connection that waits to be accepted is reset",
	  "connections that wait to be accepted are reset" },
	{ EXIT_UNREAD_BYTES, 1U << EXPECT_CLEAN, false, "unread byte is lost",
	  "unread bytes are lost" },
	{ EXIT_UNSENT_BYTES, ANY, false, "byte that was not sent is lost",
	  "bytes that were not sent are lost" },
	{ EXIT_UNANSWERED, 1U << EXPECT_IDLE, false,
	  "connection has a request that is probably not answered",
	  "connections have a request that is probably not answered" },
	{ EXIT_DOUBT_INPUT, ANY, true,
	  "socket has an option that is not known and could change its end",
	  "sockets have an option that is not known and could change their end" },
	{ EXIT_DOUBT_HOLDERS, ANY, true,
	  "socket that would not end cleanly has holders that are not all seen",
	  "sockets that would not end cleanly have holders that are not all seen" },
	{ EXIT_DOUBT_ORDER, ANY, true,
	  "connection inside ends by which of its two processes ends first",
	  "connections inside end by which of their two processes ends first" },
	{ EXIT_DOUBT_NAMESPACE, ANY, true, "process is in a network namespace that is not read",
	  "processes are in network namespaces that are not read" },
	{ EXIT_DOUBT_SOURCE, ANY, true, "source does not show all sockets",
	  "sources do not show all sockets" },
	{ EXIT_DOUBT_ANSWERS, 1U << EXPECT_IDLE, true,
	  "connection does not tell when data last came and went",
	  "connections do not tell when data last came and went" },
};

static void say_all(const struct exit_sums *sums, enum exit_expect expect, bool doubt,
		    void (*say)(void *context, const char *text), void *context)
{
	bool certain = exit_judge(sums).certain;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spoilers); i++) {
		int64_t count = certain ? sums->count[spoilers[i].count]
					: exit_sure(sums, spoilers[i].count);
		char text[160];

		if (!count || !(spoilers[i].spoils & 1U << expect) || spoilers[i].doubt != doubt)
			continue;
		snprintf(text, sizeof(text), "%" PRId64 " %s", count,
			 count == 1 ? spoilers[i].one : spoilers[i].many);
		say(context, text);
	}
}

void expectation_reasons(const struct exit_sums *sums, enum exit_expect expect,
			 void (*say)(void *context, const char *text), void *context)
{
	say_all(sums, expect, exit_expected(sums, expect) == EXIT_ANSWER_UNKNOWN, say, context);
}

void expectation_doubts(const struct exit_sums *sums, enum exit_expect expect,
			void (*say)(void *context, const char *text), void *context)
{
	say_all(sums, expect, true, say, context);
}
