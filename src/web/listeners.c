/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /listeners: accept queues, and whom the end of a listener would reset. The order is port, namespace,
 * cookie: none of them moves while a listener lives. By fill it holds as long as the queue stays as it is.
 *
 * The kernel counts a queue as full when more than its limit wait (sk_acceptq_is_full()), so limit + 1
 * connections fit. Overflows are counted per namespace, not per listener: null here.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "web/list.h"
#include "web/pieces.h"

const struct route_parameter listeners_parameters[] = {
	{ "port", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":65535}",
	  "Only on this local port.", true },
	{ "sort", "{\"type\":\"string\",\"enum\":[\"-fill\"]}",
	  "-fill: the fullest first, by what is taken of the limit; by port where it is not given.",
	  false },
	{ .more = owner_parameters },
};

static const struct record *record_at(const struct snapshot *snapshot, uint32_t row)
{
	return &snapshot->records[row];
}

/* Connections that its close would reset, -1: not known. */
static int64_t resets(const struct snapshot *snapshot, const struct record *record)
{
	struct tcpdiag_result result;

	/* That of an MPTCP listener stands in its own row. */
	if (record->sk.mptcp_subflow)
		return -1;
	if (tcpdiag_result(&record->sk, TCPDIAG_OP_CLOSE, snapshot_environment(snapshot, record),
			   &result) < 0)
		return -1;
	return result.resets;
}

static void listener_json(struct emitter *j, const struct snapshot *snapshot, uint32_t row)
{
	const struct record *record = record_at(snapshot, row);
	const struct process *owner = snapshot_owner(snapshot, record);
	const struct tcpdiag_socket *sk = &record->sk;
	int64_t reset = resets(snapshot, record);
	char id[SOCKET_ID_MAX];

	socket_id(sk, id);
	emit_object(j, NULL);
	emit_string(j, "id", id);
	emit_endpoint(j, "local", sk->local, sk->family, sk->local_port);
	emit_u64(j, "netns", sk->netns);
	emit_string(j, "protocol", sk->mptcp ? "mptcp" : "tcp");
	emit_u64(j, "queue", sk->rqueue);
	emit_u64(j, "limit", sk->wqueue);
	emit_bool(j, "full", sk->rqueue > sk->wqueue);
	emit_u64_known(j, "resets", reset >= 0, (uint64_t)reset);
	emit_null(j, "overflows");
	emit_linger(j, "linger", sk);
	emit_u64_known(j, "siblings", sk->known & TCPDIAG_KNOWS_SIBLINGS, sk->siblings);
	emit_text(j, "unit", owner ? snapshot_text(snapshot, owner->unit) : NULL);
	emit_text(j, "comm", owner ? snapshot_text(snapshot, owner->comm) : NULL);
	emit_holders(j, "holders", snapshot, record);
	emit_end(j, '}');
}

static void listener_text(struct buffer *b, const struct snapshot *snapshot, uint32_t row)
{
	const struct record *record = record_at(snapshot, row);
	const struct process *owner = snapshot_owner(snapshot, record);
	const struct tcpdiag_socket *sk = &record->sk;
	int64_t reset = resets(snapshot, record);
	struct buffer local = { 0 };

	buffer_printf(b, "%8" PRIu32 " %8" PRIu32 " ", sk->rqueue, sk->wqueue);
	if (reset < 0)
		buffer_literal(b, "       -");
	else
		buffer_printf(b, "%8" PRId64, reset);
	if (sk->family == AF_INET6)
		buffer_char(&local, '[');
	buffer_address(&local, sk->local, sk->family);
	if (sk->family == AF_INET6)
		buffer_char(&local, ']');
	buffer_printf(&local, ":%u", sk->local_port);
	buffer_printf(b, "  %-28.*s ", (int)local.len, local.data ? local.data : "");
	if (local.error)
		b->error = local.error;
	buffer_done(&local);
	if (!owner) {
		buffer_literal(b, "-");
		return;
	}
	plain_text(b, snapshot_text(snapshot, owner->comm), SIZE_MAX, SIZE_MAX);
	buffer_printf(b, "(%" PRId32 ")", owner->pid);
	if (owner->unit) {
		buffer_char(b, ' ');
		plain_text(b, snapshot_text(snapshot, owner->unit), SIZE_MAX, SIZE_MAX);
	}
}

/* What is taken of the limit + 1 that fit, in parts of 2^20: not less than that is full. */
static uint64_t fill_of(const struct tcpdiag_socket *sk)
{
	return ((uint64_t)sk->rqueue << 20) / ((uint64_t)sk->wqueue + 1);
}

static void port_cursor(const struct snapshot *snapshot, uint32_t row, char ret[LIST_CURSOR_MAX])
{
	const struct tcpdiag_socket *sk = &record_at(snapshot, row)->sk;

	snprintf(ret, LIST_CURSOR_MAX, "%u-%" PRIu32 "-%" PRIx64, sk->local_port, sk->netns,
		 sk->cookie);
}

static void fill_cursor(const struct snapshot *snapshot, uint32_t row, char ret[LIST_CURSOR_MAX])
{
	const struct tcpdiag_socket *sk = &record_at(snapshot, row)->sk;

	snprintf(ret, LIST_CURSOR_MAX, "%" PRIu64 "-%u-%" PRIu32 "-%" PRIx64, fill_of(sk),
		 sk->local_port, sk->netns, sk->cookie);
}

#define LISTENERS(how) \
	{ \
		.word = "listeners", .schema = "Listener", .json = listener_json, \
		.heading = "   Queue    Limit   Resets  Local                        Holder", \
		.text = listener_text, .cursor = (how), \
	}
/* By port, and by fill. */
static const struct list_type types[] = { LISTENERS(port_cursor), LISTENERS(fill_cursor) };

/* Where a listener stands in the order. */
struct place {
	uint64_t fill; /* 0 where it does not count */
	uint64_t cookie;
	uint32_t netns;
	uint16_t port;
};

struct order {
	const struct snapshot *snapshot;
	bool fill;
};

static struct place place_of(const struct order *order, uint32_t row)
{
	const struct tcpdiag_socket *sk = &record_at(order->snapshot, row)->sk;

	return (struct place){ order->fill ? fill_of(sk) : 0, sk->cookie, sk->netns,
			       sk->local_port };
}

static int compare(struct place a, struct place b)
{
	if (a.fill != b.fill)
		return a.fill > b.fill ? -1 : 1;
	if (a.port != b.port)
		return a.port < b.port ? -1 : 1;
	if (a.netns != b.netns)
		return a.netns < b.netns ? -1 : 1;
	return (a.cookie > b.cookie) - (a.cookie < b.cookie);
}

static int compare_rows(const void *a, const void *b, void *context)
{
	return compare(place_of(context, *(const uint32_t *)a),
		       place_of(context, *(const uint32_t *)b));
}

/* One of the four filters against one listener. */
static bool matches(const struct snapshot *snapshot, const struct record *record,
		    const struct parameter *p)
{
	unsigned long number = strtoul(p->value, NULL, 10);
	const struct holder *holders;
	uint32_t count, i;
	uint64_t netns;

	if (!strcmp(p->name, "port"))
		return record->sk.local_port == number;
	if (!strcmp(p->name, "netns"))
		return !netns_parse(snapshot, p->value, strlen(p->value), &netns) &&
		       record->sk.netns == netns;
	holders = snapshot_holders(snapshot, record, &count);
	for (i = 0; i < count; i++) {
		const struct process *process = snapshot_process(snapshot, holders[i].process);

		if (process &&
		    (!strcmp(p->name, "pid")
			     ? (unsigned long)process->pid == number
			     : unit_matches(snapshot_text(snapshot, process->unit), p->value)))
			return true;
	}
	return false;
}

static const struct {
	const char *name;
	uint32_t max; /* of a number; 0: text */
} filters[] = { { "port", UINT16_MAX }, { "pid", INT32_MAX }, { "unit", 0 }, { "netns", 0 } };

static int filters_check(const struct query *query, const struct snapshot *snapshot,
			 struct problem *problem)
{
	uint64_t number;
	size_t i, f;
	int r = 0;

	for (i = 0; i < query->count && r >= 0; i++)
		for (f = 0; f < ARRAY_SIZE(filters) && r >= 0; f++)
			if (filters[f].max && !strcmp(query->parameters[i].name, filters[f].name))
				r = query_number(&query->parameters[i], filters[f].max, &number,
						 problem);
	for (i = 0; i < query->count && r >= 0; i++) {
		const struct parameter *p = &query->parameters[i];

		if (!strcmp(p->name, "netns") &&
		    netns_parse(snapshot, p->value, strlen(p->value), &number) < 0)
			r = problem_set(problem, 400, p->name,
					"%.64s is no network namespace: the number of one is "
					"wanted, or its name in /run/netns",
					p->value);
	}
	return r;
}

static bool filters_match(const struct query *query, const struct snapshot *snapshot,
			  const struct record *record)
{
	size_t i, f;

	for (f = 0; f < ARRAY_SIZE(filters); f++) {
		bool given = false, matched = false;

		for (i = 0; i < query->count && !matched; i++)
			if (!strcmp(query->parameters[i].name, filters[f].name)) {
				given = true;
				matched = matches(snapshot, record, &query->parameters[i]);
			}
		if (given && !matched)
			return false;
	}
	return true;
}

/* Whether by fill. Return: 0; -EINVAL with @problem. */
static int sort_check(const struct query *query, bool *ret, struct problem *problem)
{
	const char *sort = query_get(query, "sort");

	if (sort && strcmp(sort, "-fill") != 0)
		return problem_set(problem, 400, "sort",
				   "%.64s: -fill is the only order besides that by port", sort);
	*ret = sort;
	return 0;
}

/* "1024-443-4026531840-1f": fill, port, namespace, cookie; the first only where it counts */
static const struct list_part cursor_parts[] = {
	{ 10, UINT64_MAX }, { 10, UINT16_MAX }, { 10, UINT32_MAX }, { 16, UINT64_MAX }
};

/* The rows of all listeners that match, in order. Return: how many, -ENOMEM. */
static int64_t select_rows(const struct request *request, struct order *order, uint32_t **ret)
{
	const struct snapshot *snapshot = order->snapshot;
	_cleanup_free_ uint32_t *rows = NULL;
	uint32_t count = 0, listeners = 0, i;

	for (i = 0; i < snapshot->record_count; i++)
		listeners += record_at(snapshot, i)->sk.state == TCPDIAG_LISTEN;
	rows = calloc(listeners + 1U, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < snapshot->record_count; i++)
		if (record_at(snapshot, i)->sk.state == TCPDIAG_LISTEN &&
		    filters_match(request->query, snapshot, record_at(snapshot, i)))
			rows[count++] = i;
	qsort_r(rows, count, sizeof(*rows), compare_rows, order);
	*ret = take_ptr(rows);
	return count;
}

int listeners_route(const struct request *request, struct document **ret, struct problem *problem)
{
	struct order order = { .snapshot = request->snapshot };
	struct list_options options;
	uint64_t parts[ARRAY_SIZE(cursor_parts)] = { 0 };
	struct place after;
	uint32_t *rows, first = 0;
	int64_t count;
	int r;

	r = list_options_parse(request->query, &types[0], &options, problem);
	if (r >= 0)
		r = filters_check(request->query, request->snapshot, problem);
	if (r >= 0)
		r = sort_check(request->query, &order.fill, problem);
	if (r < 0)
		return r;
	r = list_cursor_parse(&options, cursor_parts + !order.fill,
			      ARRAY_SIZE(cursor_parts) - !order.fill, parts + !order.fill, problem);
	if (r < 0)
		return r;
	after = (struct place){ parts[0], parts[3], (uint32_t)parts[2], (uint16_t)parts[1] };
	count = select_rows(request, &order, &rows);
	if (count < 0)
		return (int)count;
	while (options.after && first < count && compare(place_of(&order, rows[first]), after) <= 0)
		first++;
	memmove(rows, rows + first, (size_t)(count - first) * sizeof(*rows));
	return list_new(request, &types[order.fill], &options, rows, (uint32_t)(count - first),
			(uint32_t)count, ret);
}
