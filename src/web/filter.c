/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a parameter. Those about processes are resolved to a mark per process of the snapshot, so that
 * no record ever compares text.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "web/envelope.h"
#include "web/field.h"
#include "web/filter.h"
#include "web/pieces.h"

typedef bool match_fn(const struct filter *filter, const struct filter_test *test,
		      const struct record *record);
/* Return: 0, -EINVAL where @text is no value of this parameter. */
typedef int read_fn(const struct filter *filter, const char *text, size_t len,
		    struct filter_value *ret);
typedef bool process_fn(const struct snapshot *snapshot, const struct process *process,
			const char *text, size_t len);

struct filter_row {
	const char *name;
	read_fn *read; /* NULL: one of the words */
	match_fn *match;
	process_fn *process; /* of a parameter about processes, instead of read() */
	const struct vocabulary *words; /* what is allowed, for the problem... */
	const char *allowed; /* ...or in words */
	bool mask; /* values are bits of one mask */
	bool ends; /* looks at the socket alone, not at what else the snapshot holds */
};

/* ---- reading ---- */

static int read_state(const struct filter *filter, const char *text, size_t len,
		      struct filter_value *ret)
{
	enum tcpdiag_state state = tcpdiag_state_parse(text, len);

	(void)filter;
	ret->number = TCPDIAG_STATE_BIT(state);
	return state == TCPDIAG_STATE_NONE ? -EINVAL : 0;
}

static int read_word(const struct vocabulary *words, const char *text, size_t len,
		     struct filter_value *ret)
{
	int number = vocabulary_find(words, text, len);

	if (number < 0)
		return -EINVAL;
	ret->number = 1ULL << number;
	return 0;
}

static int read_finding(const struct filter *filter, const char *text, size_t len,
			struct filter_value *ret)
{
	enum tcpdiag_rule rule = tcpdiag_rule_find(text, len);

	(void)filter;
	if (rule < TCPDIAG_RULE_FINDING_FIRST || rule >= TCPDIAG_RULE_MAX)
		return -EINVAL;
	ret->number = finding_bit(rule);
	return 0;
}

static int read_rule(const struct filter *filter, const char *text, size_t len,
		     struct filter_value *ret)
{
	(void)filter;
	ret->number = tcpdiag_rule_find(text, len);
	return ret->number == TCPDIAG_RULE_NONE ? -EINVAL : 0;
}

static int read_netns(const struct filter *filter, const char *text, size_t len,
		      struct filter_value *ret)
{
	return netns_parse(filter->snapshot, text, len, &ret->number);
}

static int read_endpoint(const struct filter *filter, const char *text, size_t len,
			 struct filter_value *ret)
{
	(void)filter;
	return value_endpoint(text, len, ret);
}

static int read_port(const struct filter *filter, const char *text, size_t len,
		     struct filter_value *ret)
{
	(void)filter;
	return value_number(text, len, UINT16_MAX, &ret->number) < 0 || !ret->number ? -EINVAL : 0;
}

static int read_number(const struct filter *filter, const char *text, size_t len,
		       struct filter_value *ret)
{
	(void)filter;
	return value_number(text, len, UINT32_MAX, &ret->number);
}

static int read_seconds(const struct filter *filter, const char *text, size_t len,
			struct filter_value *ret)
{
	(void)filter;
	return value_duration(text, len, true, &ret->number);
}

static int read_duration(const struct filter *filter, const char *text, size_t len,
			 struct filter_value *ret)
{
	(void)filter;
	return value_duration(text, len, false, &ret->number);
}

/* ---- processes ---- */

static bool process_pid(const struct snapshot *snapshot, const struct process *process,
			const char *text, size_t len)
{
	uint64_t pid;

	(void)snapshot;
	return !value_number(text, len, INT32_MAX, &pid) && process->pid == (int64_t)pid;
}

static bool process_comm(const struct snapshot *snapshot, const struct process *process,
			 const char *text, size_t len)
{
	const char *comm = snapshot_text(snapshot, process->comm);

	return !strncmp(comm, text, len) && !comm[len];
}

static bool process_unit(const struct snapshot *snapshot, const struct process *process,
			 const char *text, size_t len)
{
	const char *unit = snapshot_text(snapshot, process->unit);

	return !strncmp(unit, text, len) && (!unit[len] || !strcmp(unit + len, ".service"));
}

static bool process_container(const struct snapshot *snapshot, const struct process *process,
			      const char *text, size_t len)
{
	return container_matches(snapshot, process, text, len);
}

/* ---- matching ---- */

static bool has_bit(const struct filter_test *test, unsigned int number)
{
	return number < 64 && test->values->number >> number & 1;
}

static bool match_state(const struct filter *filter, const struct filter_test *test,
			const struct record *record)
{
	(void)filter;
	return has_bit(test, record->sk.state);
}

static bool match_attachment(const struct filter *filter, const struct filter_test *test,
			     const struct record *record)
{
	(void)filter;
	return has_bit(test, record->sk.attachment);
}

static bool match_direction(const struct filter *filter, const struct filter_test *test,
			    const struct record *record)
{
	(void)filter;
	return has_bit(test, record->direction);
}

static bool match_family(const struct filter *filter, const struct filter_test *test,
			 const struct record *record)
{
	(void)filter;
	return has_bit(test, (record->sk.family != AF_INET));
}

static bool match_protocol(const struct filter *filter, const struct filter_test *test,
			   const struct record *record)
{
	(void)filter;
	return has_bit(test, record->sk.mptcp);
}

static bool match_segment(const struct filter *filter, const struct filter_test *test,
			  const struct record *record)
{
	(void)filter;
	return record->close_rule && has_bit(test, record->close_segment);
}

static bool match_linger(const struct filter *filter, const struct filter_test *test,
			 const struct record *record)
{
	(void)filter;
	return record->sk.known & TCPDIAG_KNOWS_LINGER && has_bit(test, linger_kind(&record->sk));
}

static bool match_finding(const struct filter *filter, const struct filter_test *test,
			  const struct record *record)
{
	(void)filter;
	return test->values->number & record->findings;
}

static bool one_of(const struct filter_test *test, uint64_t number)
{
	size_t i;

	for (i = 0; i < test->count; i++)
		if (test->values[i].number == number)
			return true;
	return false;
}

static bool match_close_rule(const struct filter *filter, const struct filter_test *test,
			     const struct record *record)
{
	(void)filter;
	return one_of(test, record->close_rule);
}

static bool match_netns(const struct filter *filter, const struct filter_test *test,
			const struct record *record)
{
	(void)filter;
	return one_of(test, record->sk.netns);
}

static bool match_port(const struct filter *filter, const struct filter_test *test,
		       const struct record *record)
{
	(void)filter;
	return one_of(test, record->sk.local_port) || one_of(test, record->sk.remote_port);
}

static bool match_local_port(const struct filter *filter, const struct filter_test *test,
			     const struct record *record)
{
	(void)filter;
	return one_of(test, record->sk.local_port);
}

static bool match_remote_port(const struct filter *filter, const struct filter_test *test,
			      const struct record *record)
{
	(void)filter;
	return one_of(test, record->sk.remote_port);
}

static bool match_uid(const struct filter *filter, const struct filter_test *test,
		      const struct record *record)
{
	(void)filter;
	return record->sk.known & TCPDIAG_KNOWS_UID && one_of(test, record->sk.uid);
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int bytes = bits / 8, rest = bits % 8;

	return !memcmp(a, b, bytes) && (!rest || !((a[bytes] ^ b[bytes]) >> (8 - rest)));
}

static bool match_endpoint(const struct filter_test *test, const uint8_t *address, uint8_t family,
			   uint16_t port)
{
	size_t i;

	for (i = 0; i < test->count; i++) {
		const struct filter_value *value = &test->values[i];

		if (value->port && value->port != port)
			continue;
		if (value->family && value->family != family)
			continue;
		if (same_prefix(value->address, address, value->bits))
			return true;
	}
	return false;
}

static bool match_local(const struct filter *filter, const struct filter_test *test,
			const struct record *record)
{
	(void)filter;
	return match_endpoint(test, record->sk.local, record->sk.family, record->sk.local_port);
}

static bool match_remote(const struct filter *filter, const struct filter_test *test,
			 const struct record *record)
{
	(void)filter;
	return record->sk.remote_port &&
	       match_endpoint(test, record->sk.remote, record->sk.family, record->sk.remote_port);
}

static bool marked(const struct filter *filter, const struct filter_test *test, uint32_t process)
{
	return process < filter->snapshot->process_count && test->processes[process];
}

static bool match_creator(const struct filter *filter, const struct filter_test *test,
			  const struct record *record)
{
	return !record->holders && marked(filter, test, record->creator);
}

static bool match_process(const struct filter *filter, const struct filter_test *test,
			  const struct record *record)
{
	uint32_t i, count;
	const struct holder *holders = snapshot_holders(filter->snapshot, record, &count);

	for (i = 0; i < count; i++)
		if (marked(filter, test, holders[i].process))
			return true;
	return match_creator(filter, test, record);
}

static bool match_unread(const struct filter *filter, const struct filter_test *test,
			 const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;

	(void)filter;
	/* Where `unread_bytes` is null there is nothing to compare. */
	if (sk->state == TCPDIAG_LISTEN || sk->mptcp_subflow || (sk->mptcp && sk->rqueue))
		return false;
	return tcpdiag_unread_bytes(sk) >= test->values->number;
}

static bool older(const struct filter *filter, const struct filter_test *test, int64_t then_ns)
{
	return then_ns && snapshot_age(filter->snapshot, then_ns) >=
				  (int64_t)test->values->number * NSEC_PER_MSEC;
}

static bool match_unread_age(const struct filter *filter, const struct filter_test *test,
			     const struct record *record)
{
	return older(filter, test, record->read_since_ns);
}

static bool match_state_age(const struct filter *filter, const struct filter_test *test,
			    const struct record *record)
{
	return older(filter, test, record->state_since_ns);
}

static bool match_idle(const struct filter *filter, const struct filter_test *test,
		       const struct record *record)
{
	return older(filter, test, record->data_since_ns);
}

#define PORT_ALLOWED "a number from 1 to 65535"
#define ENDPOINT_ALLOWED \
	"an address (10.0.0.1, ::1), a prefix (10.0.0.0/8), an address with port (10.0.0.1:80, " \
	"[::1]:80) or :80"
#define SECONDS_ALLOWED "a number of seconds (30, 0.5) or a duration (30s, 1m30s)"

static const struct filter_row rows[] = {
	{ "state", read_state, match_state, .words = &state_words, .mask = true, .ends = true },
	{ "attachment", NULL, match_attachment, .words = &attachment_words, .mask = true },
	{ "direction", NULL, match_direction, .words = &direction_words, .mask = true,
	  .ends = true },
	{ "family", NULL, match_family, .words = &family_words, .mask = true, .ends = true },
	{ "protocol", NULL, match_protocol, .words = &protocol_words, .mask = true },
	{ "closes_with", NULL, match_segment, .words = &segment_words, .mask = true },
	{ "close_rule", read_rule, match_close_rule, .allowed = "the id of a rule, see /rules" },
	{ "linger", NULL, match_linger, .words = &linger_words, .mask = true },
	{ "finding", read_finding, match_finding, .mask = true },
	{ "netns", read_netns, match_netns, .ends = true,
	  .allowed = "the inode number of a namespace, or the name of one that is known" },
	{ "local", read_endpoint, match_local, .allowed = ENDPOINT_ALLOWED, .ends = true },
	{ "remote", read_endpoint, match_remote, .allowed = ENDPOINT_ALLOWED, .ends = true },
	{ "port", read_port, match_port, .allowed = PORT_ALLOWED, .ends = true },
	{ "local.port", read_port, match_local_port, .allowed = PORT_ALLOWED, .ends = true },
	{ "remote.port", read_port, match_remote_port, .allowed = PORT_ALLOWED, .ends = true },
	{ "uid", read_number, match_uid, .allowed = "a number", .ends = true },
	{ "pid", read_number, match_process, process_pid, .allowed = "a number" },
	{ "comm", NULL, match_process, process_comm },
	{ "unit", NULL, match_process, process_unit },
	{ "container", NULL, match_process, process_container },
	{ "creator.unit", NULL, match_creator, process_unit },
	{ "min_unread", read_number, match_unread, .allowed = "a number of bytes" },
	{ "min_unread_seconds", read_seconds, match_unread_age, .allowed = SECONDS_ALLOWED },
	{ "min_state_seconds", read_seconds, match_state_age, .allowed = SECONDS_ALLOWED },
	{ "min_idle", read_duration, match_idle,
	  .allowed = "a duration with its unit (500ms, 30s, 1m30s)" },
};

static void print_findings(struct buffer *b)
{
	int rule;

	for (rule = TCPDIAG_RULE_FINDING_FIRST; rule < TCPDIAG_RULE_MAX; rule++) {
		const char *id = tcpdiag_rule_id(rule);

		if (id)
			buffer_printf(b, "%s%s", b->len ? ", " : "", id);
	}
}

static int wrong_value(const struct filter_row *row, const char *text, size_t len,
		       struct problem *problem)
{
	struct buffer b = {};
	int r;

	if (row->words)
		vocabulary_print(row->words, &b, "");
	else if (row->allowed)
		buffer_text(&b, row->allowed);
	else
		print_findings(&b);
	r = problem_set(problem, 400, row->name, "%s cannot be '%.*s'; it is %s%.*s", row->name,
			(int)MIN(len, (size_t)64), text, row->allowed ? "" : "one of ", (int)b.len,
			b.data ? b.data : "");
	buffer_done(&b);
	return r;
}

/* The test of a row, begun where this is its first value. */
static struct filter_test *filter_test(struct filter *filter, const struct filter_row *row)
{
	size_t i;

	for (i = 0; i < filter->count; i++)
		if (filter->tests[i].row == row)
			return &filter->tests[i];
	filter->tests[filter->count].row = row;
	return &filter->tests[filter->count++];
}

static void mark_processes(const struct filter *filter, struct filter_test *test, const char *text,
			   size_t len)
{
	const struct snapshot *snapshot = filter->snapshot;
	uint32_t i;

	for (i = 0; i < snapshot->process_count; i++)
		if (test->row->process(snapshot, &snapshot->processes[i], text, len))
			test->processes[i] = true;
}

static int read_value(const struct filter *filter, const struct filter_row *row, const char *text,
		      size_t len, struct filter_value *ret)
{
	if (row->read)
		return row->read(filter, text, len, ret);
	return row->words ? read_word(row->words, text, len, ret) : 0;
}

static int add_value(struct filter *filter, const struct filter_row *row, const char *text,
		     size_t len, struct problem *problem)
{
	struct filter_test *test = filter_test(filter, row);
	struct filter_value value = {};

	if (!len)
		return problem_set(problem, 400, row->name, "%s needs a value", row->name);
	if (read_value(filter, row, text, len, &value) < 0)
		return wrong_value(row, text, len, problem);
	if (row->process) {
		if (!test->processes)
			test->processes = calloc(filter->snapshot->process_count + 1UL, 1);
		if (!test->processes)
			return -ENOMEM;
		mark_processes(filter, test, text, len);
		return 0;
	}
	if (test->count && row->mask) {
		test->values->number |= value.number;
		return 0;
	}
	if (filter->value_count == FILTER_VALUES_MAX)
		return problem_set(problem, 400, row->name, "more than %d values in one query",
				   FILTER_VALUES_MAX);
	filter->values[filter->value_count++] = value;
	test->count++;
	return 0;
}

/* All values of one row, so that they stand side by side. */
static int add_row(struct filter *filter, const struct query *query, const struct filter_row *row,
		   struct problem *problem)
{
	size_t i, first = filter->value_count;
	struct filter_test *test = NULL;
	int r;

	for (i = 0; i < query->count; i++) {
		const char *text = query->parameters[i].value;

		if (strcmp(query->parameters[i].name, row->name) != 0)
			continue;
		if (!test) {
			test = filter_test(filter, row);
			test->values = &filter->values[first];
		}
		for (;;) {
			size_t len = strcspn(text, ",");

			r = add_value(filter, row, text, len, problem);
			if (r < 0)
				return r;
			if (!text[len])
				break;
			text += len + 1;
		}
	}
	return 0;
}

static int compile(const struct query *query, const struct snapshot *snapshot, bool ends,
		   struct filter *ret, struct problem *problem)
{
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->snapshot = snapshot;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (ends && !rows[i].ends)
			continue;
		r = add_row(ret, query, &rows[i], problem);
		if (r < 0)
			return r;
	}
	return 0;
}

int filter_compile(const struct query *query, const struct snapshot *snapshot, struct filter *ret,
		   struct problem *problem)
{
	return compile(query, snapshot, false, ret, problem);
}

int filter_compile_ends(const struct query *query, const struct snapshot *snapshot,
			struct filter *ret, struct problem *problem)
{
	int r = compile(query, snapshot, true, ret, problem);

	ret->snapshot = NULL;
	return r;
}

bool filter_asks(const struct filter *filter, const char *name)
{
	size_t i;

	for (i = 0; i < filter->count; i++)
		if (!strcmp(filter->tests[i].row->name, name))
			return true;
	return false;
}

void filter_done(struct filter *filter)
{
	size_t i;

	for (i = 0; i < filter->count; i++)
		free(filter->tests[i].processes);
	filter->count = 0;
}

bool filter_match(const struct filter *filter, const struct record *record)
{
	size_t i;

	for (i = 0; i < filter->count; i++)
		if (!filter->tests[i].row->match(filter, &filter->tests[i], record))
			return false;
	return true;
}
