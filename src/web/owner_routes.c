/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /processes, /units, /containers, and one of each: their sockets, and what ending them now would do.
 *
 * `expect` turns the verdict into a status, `within` asks again at each new snapshot until it holds. A name
 * that holds no socket is a 404, never a success: a name that is misspelt must not look safe to restart.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/macro.h"

#include "web/envelope.h"
#include "web/expect.h"
#include "web/list.h"
#include "web/metrics.h"
#include "web/owner_print.h"
#include "web/owner_routes.h"

#define COLUMNS 100U

const struct route_parameter owner_list_parameters[] = {
	{ .more = list_parameters },
};

const struct route_parameter owner_item_parameters[] = {
	{ "expect", "{\"type\":\"string\",\"enum\":[\"clean\",\"harmless\",\"idle\"]}",
	  "200 where ending it now would be that, 409 with the reasons where not, 503 where it is "
	  "not "
	  "known. clean: no reset, nothing lost; harmless: no reset of an open peer or of a "
	  "waiting "
	  "connection, nothing unsent lost; idle: harmless, and no request is probably open.",
	  false },
	{ "within", "{\"type\":\"string\",\"pattern\":\"^([0-9]+(ms|s|m))+$\"}",
	  "Wait so long for what is expected, up to 5m; asked again at each new snapshot.", false },
	{ "format", "{\"type\":\"string\",\"enum\":[\"json\",\"text\"]}",
	  "JSON (default), or a few lines for people.", false },
	{ 0 },
};

/* ---- counting ---- */

static int64_t boot_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* Return: 0; -EINVAL with @problem where nothing is known of holders; -ENOMEM. */
static int table_count(const struct snapshot *snapshot, const struct owner_query *query,
		       int64_t wall_ns, struct owner_table *ret, struct problem *problem)
{
	struct owner_table table = {
		.snapshot = snapshot, .kind = query->kind, .wall_ns = wall_ns, .boot_ns = boot_ns()
	};
	int r;

	if (!metrics_source_works(snapshot, SOURCE_PROCESSES)) {
		problem_set(problem, 503, NULL,
			    "it is not known which process holds which socket: /status says why");
		return -EINVAL;
	}
	r = owners_count(snapshot, query, &table.owners);
	if (r < 0)
		return r;
	*ret = table;
	return 0;
}

/* Once it is to be printed: whoever waits asks again and again, and needs nothing of this. */
static void table_end(struct owner_table *table, const struct journal_view *journal)
{
	recent_ends(table->snapshot, journal, table->wall_ns, table->kind, &table->ends);
}

static void table_done(struct owner_table *table)
{
	owners_done(&table->owners);
	recent_ends_done(&table->ends);
}

/* ---- lists ---- */

static void counted_json(struct emitter *j, const void *counted, uint32_t row)
{
	emit_object(j, NULL);
	owner_json(j, counted, row);
	emit_end(j, '}');
}

static void counted_text(struct buffer *b, const void *counted, uint32_t row)
{
	owner_row(b, counted, row);
}

static int32_t pid_of(const struct owner_table *table, uint32_t row)
{
	const struct process *process = snapshot_process(table->snapshot,
							 table->owners.rows[row].process);

	return process ? process->pid : 0;
}

static void counted_cursor(const void *counted, uint32_t row, char ret[LIST_CURSOR_MAX])
{
	const struct owner_table *table = counted;

	if (table->kind == OWNER_PROCESS)
		snprintf(ret, LIST_CURSOR_MAX, "%" PRId32, pid_of(table, row));
	else
		snprintf(ret, LIST_CURSOR_MAX, "%s",
			 owner_name(table->snapshot, &table->owners.rows[row]));
}

static void counted_free(void *counted)
{
	struct owner_table *table = counted;

	if (table)
		table_done(table);
	free(table);
}

#define LIST_TYPE(its_word, its_schema) \
	{ \
		.word = (its_word), .schema = (its_schema), .heading = owner_row_heading, \
		.counted_json = counted_json, .counted_text = counted_text, \
		.counted_cursor = counted_cursor, .counted_free = counted_free, \
	}

static const struct list_type list_types[OWNER_KIND_MAX] = {
	[OWNER_PROCESS] = LIST_TYPE("processes", "ProcessExit"),
	[OWNER_UNIT] = LIST_TYPE("units", "UnitExit"),
	[OWNER_CONTAINER] = LIST_TYPE("containers", "ContainerExit"),
};

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct owner_table *table = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (table->kind == OWNER_PROCESS)
		return (pid_of(table, x) > pid_of(table, y)) -
		       (pid_of(table, x) < pid_of(table, y));
	return strcmp(owner_name(table->snapshot, &table->owners.rows[x]),
		      owner_name(table->snapshot, &table->owners.rows[y]));
}

/* Whether a row stands behind the last one of the page before. */
static bool is_behind(const struct owner_table *table, uint32_t row, const char *after,
		      uint64_t after_pid)
{
	char cursor[LIST_CURSOR_MAX];

	if (!after)
		return true;
	if (table->kind == OWNER_PROCESS)
		return (uint64_t)pid_of(table, row) > after_pid;
	counted_cursor(table, row, cursor);
	return strcmp(cursor, after) > 0;
}

/* Rows that hold something, in order. Return: how many match before `after`; -ENOMEM. */
static int64_t select_rows(struct owner_table *table, const char *after, uint64_t after_pid,
			   uint32_t **ret, uint32_t *ret_count)
{
	_cleanup_free_ uint32_t *rows = calloc(table->owners.count + 1U, sizeof(*rows));
	uint32_t matched = 0, count = 0, i;

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < table->owners.count; i++) {
		if (!table->owners.rows[i].held)
			continue;
		matched++;
		if (is_behind(table, i, after, after_pid))
			rows[count++] = i;
	}
	qsort_r(rows, count, sizeof(*rows), compare_rows, table);
	*ret = take_ptr(rows);
	*ret_count = count;
	return matched;
}

static int list_route(const struct request *request, enum owner_kind kind, struct document **ret,
		      struct problem *problem)
{
	static const struct list_part pid_parts[] = { { 10, INT32_MAX } };
	const struct owner_query query = { .kind = kind };
	const struct list_type *type = &list_types[kind];
	struct list_options options;
	struct owner_table *table;
	uint32_t *rows, count;
	uint64_t after_pid = 0;
	int64_t matched;
	int r;

	r = list_options_parse(request->query, type, &options, problem);
	if (r >= 0 && kind == OWNER_PROCESS)
		r = list_cursor_parse(&options, pid_parts, 1, &after_pid, problem);
	if (r < 0)
		return r;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	r = table_count(request->snapshot, &query, request->wall_ns, table, problem);
	if (r < 0) {
		free(table);
		return r;
	}
	matched = select_rows(table, options.after, after_pid, &rows, &count);
	if (matched < 0) {
		counted_free(table);
		return (int)matched;
	}
	table_end(table, request->journal);
	options.counted = table;
	return list_new(request, type, &options, rows, count, (uint32_t)matched, ret);
}

/* ---- one of them ---- */

static const char *const kind_names[OWNER_KIND_MAX] = {
	[OWNER_PROGRAM] = "program",
	[OWNER_PROCESS] = "process",
	[OWNER_UNIT] = "unit",
	[OWNER_CONTAINER] = "container",
};

/* What it holds may be among what found no room. */
static bool is_cut(const struct snapshot *snapshot)
{
	const uint64_t *limits = snapshot->header->limits;

	return limits[LIMIT_SOCKETS] || limits[LIMIT_HOLDERS] || limits[LIMIT_PROCESSES];
}

/* The only row that holds something. Return: 0; -EINVAL with @problem. */
static int find_row(const struct owner_table *table, const char *asked, uint32_t *ret,
		    struct problem *problem)
{
	uint32_t found = 0, exact = RECORD_NONE, i;

	for (i = 0; i < table->owners.count; i++) {
		if (!table->owners.rows[i].held)
			continue;
		found++;
		*ret = i;
		if (!strcmp(owner_name(table->snapshot, &table->owners.rows[i]), asked))
			exact = i;
	}
	if (exact != RECORD_NONE)
		*ret = exact;
	if (found == 1 || exact != RECORD_NONE)
		return 0;
	if (found)
		problem_set(problem, 400, NULL, "%.128s stands for %" PRIu32 " %ss", asked, found,
			    kind_names[table->kind]);
	else if (is_cut(table->snapshot))
		problem_set(problem, 503, NULL,
			    "no %s %.128s is seen to hold a TCP socket, but limits have cut what "
			    "is seen: /status says which",
			    kind_names[table->kind], asked);
	else
		problem_set(problem, 404, NULL,
			    "no %s %.128s holds a TCP socket in snapshot %" PRIu64
			    ": it has none, or there is none of that name",
			    kind_names[table->kind], asked, table->snapshot->header->id);
	return -EINVAL;
}

/* The sentences of a problem, and in an array. */
struct reasons {
	struct emitter *j;
	struct buffer *detail;
	bool more;
};

static void say_member(void *context, const char *text)
{
	emit_string(context, NULL, text);
}

static void say_detail(void *context, const char *text)
{
	struct reasons *reasons = context;

	buffer_text(reasons->detail, reasons->more ? "; " : ": ");
	buffer_text(reasons->detail, text);
	reasons->more = true;
}

/* RFC 9457, 3.2: members besides its own. */
static void problem_members(struct emitter *j, const struct exit_sums *sums,
			    enum exit_expect expect, unsigned int status)
{
	struct buffer detail = {};
	struct reasons reasons = { .j = j, .detail = &detail };

	buffer_text(&detail, status == 409 ? "ending it now would not be "
					   : "it is not known whether ending it now would be ");
	buffer_text(&detail, exit_expect_name(expect));
	expectation_reasons(sums, expect, say_detail, &reasons);
	buffer_char(&detail, '\0');
	emit_string(j, "type", "about:blank");
	emit_string(j, "title", status == 409 ? "Conflict" : "Service Unavailable");
	emit_u64(j, "status", status);
	emit_string(j, "detail", detail.error ? "" : detail.data);
	emit_array(j, "reasons");
	expectation_reasons(sums, expect, say_member, j);
	emit_end(j, ']');
	if (detail.error)
		j->b->error = detail.error;
	buffer_done(&detail);
}

struct item {
	enum exit_expect expect;
	bool text;
	unsigned int columns;
	unsigned int status;
	int64_t now_ns;
};

static int item_print(const struct owner_table *table, uint32_t row, const struct item *item,
		      struct document **ret)
{
	const struct exit_sums sums = owner_exit(&table->owners, &table->owners.rows[row]);
	struct buffer b = { 0 };
	struct emitter j = { .b = &b };

	if (item->text) {
		owner_text(&b, table, row, item->columns);
		return document_from_buffer(&b, item->status, "text/plain; charset=utf-8", ret);
	}
	emit_object(&j, NULL);
	if (item->status != 200)
		problem_members(&j, &sums, item->expect, item->status);
	if (item->status != 200)
		buffer_char(&b, ',');
	envelope_print(&b, table->snapshot, item->now_ns);
	j.more = true;
	owner_json(&j, table, row);
	emit_end(&j, '}');
	buffer_char(&b, '\n');
	return document_from_buffer(
		&b, item->status,
		item->status == 200 ? "application/json" : "application/problem+json", ret);
}

static int format_parse(const struct query *query, bool *ret_text, struct problem *problem)
{
	const char *format = query_get(query, "format");

	*ret_text = format && !strcmp(format, "text");
	if (format && !*ret_text && strcmp(format, "json") != 0)
		return problem_set(problem, 400, "format", "%.64s: json or text is wanted", format);
	return 0;
}

static int query_of(const struct request *request, enum owner_kind kind, struct owner_query *ret,
		    struct problem *problem)
{
	const char *asked = request->argument ? request->argument : "";
	const struct parameter pid = { .name = NULL, .value = asked };
	uint64_t number;

	*ret = (struct owner_query){ .kind = kind };
	if (kind != OWNER_PROCESS) {
		ret->name = asked;
		return 0;
	}
	if (query_number(&pid, INT32_MAX, &number, problem) < 0 || !number)
		return problem_set(problem, 400, NULL, "'%.64s' is no process id", asked);
	ret->pid = (int32_t)number;
	return 0;
}

static int item_answer(const struct request *request, struct owner_table *table,
		       const struct expectation *expectation, struct item *item,
		       struct document **ret, struct problem *problem)
{
	enum exit_answer answer;
	struct exit_sums sums;
	uint32_t row;
	int r;

	r = find_row(table, request->argument, &row, problem);
	if (r < 0)
		return r;
	sums = owner_exit(&table->owners, &table->owners.rows[row]);
	answer = exit_expected(&sums, expectation->expect);
	if (expectation_waits(expectation, answer, request))
		return -EAGAIN;
	item->expect = expectation->expect;
	item->status = expectation_status(answer);
	table_end(table, request->journal);
	r = item_print(table, row, item, ret);
	if (r >= 0)
		(*ret)->cacheable = item->expect == EXPECT_NOTHING;
	return r;
}

static int item_route(const struct request *request, enum owner_kind kind, struct document **ret,
		      struct problem *problem)
{
	struct item item = { .columns = COLUMNS, .now_ns = request->now_ns };
	struct expectation expectation;
	struct owner_table table = {};
	struct owner_query query;
	int r;

	r = expectation_parse(request->query, &expectation, problem);
	if (r >= 0)
		r = format_parse(request->query, &item.text, problem);
	if (r >= 0)
		r = query_of(request, kind, &query, problem);
	if (r >= 0)
		r = table_count(request->snapshot, &query, request->wall_ns, &table, problem);
	if (r < 0)
		return r;
	r = item_answer(request, &table, &expectation, &item, ret, problem);
	table_done(&table);
	return r;
}

int owner_document(const struct snapshot *snapshot, const struct owner_query *query, bool text,
		   unsigned int columns, int64_t now_ns, int64_t wall_ns, struct document **ret,
		   struct exit_sums *ret_sums, struct problem *problem)
{
	const struct item item = {
		.text = text, .columns = columns, .status = 200, .now_ns = now_ns
	};
	struct owner_table table = {};
	char pid[16];
	uint32_t row;
	int r;

	snprintf(pid, sizeof(pid), "%" PRId32, query->pid);
	r = table_count(snapshot, query, wall_ns, &table, problem);
	if (r < 0)
		return r;
	r = find_row(&table, query->pid ? pid : query->name, &row, problem);
	if (r >= 0) {
		*ret_sums = owner_exit(&table.owners, &table.owners.rows[row]);
		table_end(&table, NULL);
		r = item_print(&table, row, &item, ret);
	}
	table_done(&table);
	return r;
}

/* ---- the handlers ---- */

int processes_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return list_route(request, OWNER_PROCESS, ret, problem);
}

int units_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return list_route(request, OWNER_UNIT, ret, problem);
}

int containers_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return list_route(request, OWNER_CONTAINER, ret, problem);
}

int process_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return item_route(request, OWNER_PROCESS, ret, problem);
}

int unit_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return item_route(request, OWNER_UNIT, ret, problem);
}

int container_route(const struct request *request, struct document **ret, struct problem *problem)
{
	return item_route(request, OWNER_CONTAINER, ret, problem);
}
