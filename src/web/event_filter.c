/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words become bits of a mask, so that most events are passed over by their kind alone; names are read from the
 * journal only where they are asked for.
 */
#include <errno.h>
#include <string.h>

#include "web/event_filter.h"
#include "web/field.h"
#include "web/list.h"
#include "web/pieces.h"
#include "web/when.h"

#define KINDS_ALL ((1U << EVENT_KIND_MAX) - 1 - (1U << EVENT_NONE) - (1U << EVENT_GAP))
/* Ordinary ends are not what somebody asks for who asks what has happened. */
#define KINDS_DEFAULT (KINDS_ALL & ~(1U << EVENT_CLOSED))

typedef bool value_fn(const struct event *event, const struct event_name *who,
		      const struct event_value *value);

/* Words: @words and @mask; else a value that is compared: @value. */
struct event_row {
	const char *name;
	const struct vocabulary *words;
	uint64_t *(*mask)(struct event_filter *filter);
	value_fn *value;
	uint64_t max; /* of a number; 0: text */
};

const char *event_kind_word(int number)
{
	return event_kind_name((enum event_kind)number);
}

const char *reset_reason_word(int number)
{
	return reset_reason_name((enum reset_reason)number);
}

const char *event_actor_word(int number)
{
	return event_actor_name((enum event_actor)number);
}

static const char *severity_word(int number)
{
	return severity_name((enum severity)number);
}

static const char *rule_word(int number)
{
	return tcpdiag_rule_id((enum tcpdiag_rule)(TCPDIAG_RULE_FINDING_FIRST + number));
}

static const struct vocabulary kind_words = { 1, EVENT_KIND_MAX, event_kind_word };
static const struct vocabulary reason_words = { 1, RESET_REASON_MAX, reset_reason_word };
static const struct vocabulary actor_words = { 1, ACTOR_MAX, event_actor_word };
static const struct vocabulary severity_words = { SEVERITY_INFO, SEVERITY_MAX, severity_word };
static const struct vocabulary rule_words = { 0, TCPDIAG_RULE_MAX - TCPDIAG_RULE_FINDING_FIRST,
					      rule_word };

_Static_assert(RESET_REASON_MAX <= 64 && EVENT_KIND_MAX <= 32 && ACTOR_MAX <= 64,
	       "a bit for each word");

static uint64_t *reasons_of(struct event_filter *filter)
{
	return &filter->reasons;
}

static uint64_t *actors_of(struct event_filter *filter)
{
	return &filter->actors;
}

static uint64_t *severities_of(struct event_filter *filter)
{
	return &filter->severities;
}

static uint64_t *rules_of(struct event_filter *filter)
{
	return &filter->rules;
}

static bool is_text(const char *known, const struct event_value *value)
{
	return !strncmp(known, value->text, value->len) && !known[value->len];
}

static bool match_pid(const struct event *event, const struct event_name *who,
		      const struct event_value *value)
{
	int32_t pid = event_is_finding(event) ? event->finding.pid : who->pid;

	return pid > 0 && (uint64_t)pid == value->number;
}

static bool match_comm(const struct event *event, const struct event_name *who,
		       const struct event_value *value)
{
	return is_text(event_is_finding(event) ? event->finding.comm : who->comm, value);
}

static bool match_unit(const struct event *event, const struct event_name *who,
		       const struct event_value *value)
{
	const char *unit = event_is_finding(event) ? event->finding.unit : who->unit;

	return !strncmp(unit, value->text, value->len) &&
	       (!unit[value->len] || !strcmp(unit + value->len, ".service"));
}

static bool match_container(const struct event *event, const struct event_name *who,
			    const struct event_value *value)
{
	return !event_is_finding(event) &&
	       container_texts_match(who->container, who->title, value->text, value->len);
}

static bool match_finding(const struct event *event, const struct event_name *who,
			  const struct event_value *value)
{
	(void)who;
	return event_is_finding(event) && event->finding.finding == value->number;
}

static const struct event_row rows[] = {
	{ "reason", &reason_words, reasons_of, NULL, 0 },
	{ "actor", &actor_words, actors_of, NULL, 0 },
	{ "severity", &severity_words, severities_of, NULL, 0 },
	{ "rule", &rule_words, rules_of, NULL, 0 },
	{ "pid", NULL, NULL, match_pid, INT32_MAX },
	{ "comm", NULL, NULL, match_comm, 0 },
	{ "unit", NULL, NULL, match_unit, 0 },
	{ "container", NULL, NULL, match_container, 0 },
	{ "finding", NULL, NULL, match_finding, UINT64_MAX },
};

#define KIND_SCHEMA "{\"$ref\":\"#/components/schemas/EventKind\"}"
#define REASON_SCHEMA "{\"$ref\":\"#/components/schemas/ResetReason\"}"
#define ACTOR_SCHEMA "{\"$ref\":\"#/components/schemas/EventActor\"}"

const struct route_parameter event_filter_parameters[] = {
	{ "kind", KIND_SCHEMA,
	  "What happened. Without it all but `closed`, the ordinary ends: these only where they "
	  "are named.",
	  true },
	{ "reason", REASON_SCHEMA, "Why the kernel has reset.", true },
	{ "actor", ACTOR_SCHEMA, "Who ended it.", true },
	{ "since", WHEN_SCHEMA, "Not before this: a time (RFC 3339), or how long ago: -15m.",
	  false },
	{ "until", WHEN_SCHEMA, "Before this: the same.", false },
	{ "pid", FILTER_NUMBER, "Process that held it, or had held it, or that a finding blames.",
	  true },
	{ "comm", FILTER_TEXT, "Command of such a process.", true },
	{ "unit", FILTER_TEXT, "systemd unit of such a process; nginx means nginx.service.", true },
	{ "container", FILTER_TEXT,
	  "Container of such a process: its id or at least 12 digits of it, its name, its pod, "
	  "NAMESPACE/POD or NAMESPACE/POD/CONTAINER.",
	  true },
	{ "severity", "{\"$ref\":\"#/components/schemas/Severity\"}",
	  "Severity of a finding that was raised or cleared.", true },
	{ "rule", "{\"$ref\":\"#/components/schemas/FindingRule\"}", "Rule of such a finding.",
	  true },
	{ "finding", "{\"type\":\"string\",\"pattern\":\"^f-[0-9a-f]+$\"}", "Id of such a finding.",
	  true },
	FILTER_ENDS_PARAMETERS,
	{ .more = list_parameters },
};

/* ---- compiling ---- */

static int wrong_word(const char *name, const struct vocabulary *words, const char *text,
		      size_t len, struct problem *problem)
{
	struct buffer b = {};
	int r;

	vocabulary_print(words, &b, "");
	r = problem_set(problem, 400, name, "%s cannot be '%.*s'; it is one of %.*s", name,
			(int)MIN(len, (size_t)64), text, (int)b.len, b.data ? b.data : "");
	buffer_done(&b);
	return r;
}

static int add_word(const char *name, const struct vocabulary *words, const char *text, size_t len,
		    uint64_t *mask, struct problem *problem)
{
	int number = vocabulary_find(words, text, len);

	if (number < 0)
		return wrong_word(name, words, text, len, problem);
	*mask |= 1ULL << number;
	return 0;
}

/* "f-1f" */
static int finding_id(const char *text, size_t len, uint64_t *ret)
{
	uint64_t id = 0;
	size_t i;

	if (len < 3 || len > 18 || memcmp(text, "f-", 2) != 0)
		return -EINVAL;
	for (i = 2; i < len; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, text[i]);

		if (!text[i] || !at)
			return -EINVAL;
		id = id << 4 | (uint64_t)(at - digits);
	}
	*ret = id;
	return 0;
}

static int add_value(struct event_filter *filter, const struct event_row *row, const char *text,
		     size_t len, struct problem *problem)
{
	struct event_value value = { .row = row, .text = text, .len = len };
	int r = 0;

	if (row->value == match_finding)
		r = finding_id(text, len, &value.number);
	else if (row->max)
		r = value_number(text, len, row->max, &value.number);
	if (r < 0 || !len)
		return problem_set(problem, 400, row->name, "%s cannot be '%.*s'; %s is wanted",
				   row->name, (int)MIN(len, (size_t)64), text,
				   row->value == match_finding ? "the id of a finding (f-1f)"
				   : row->max		       ? "a number"
							       : "a name");
	if (filter->count == ARRAY_SIZE(filter->values))
		return problem_set(problem, 400, row->name, "more than %zu values in one query",
				   ARRAY_SIZE(filter->values));
	filter->values[filter->count++] = value;
	return 0;
}

static int add_row_value(struct event_filter *filter, const struct event_row *row, const char *text,
			 size_t len, struct problem *problem)
{
	if (!row->words)
		return add_value(filter, row, text, len, problem);
	return add_word(row->name, row->words, text, len, row->mask(filter), problem);
}

static int add_time(const struct parameter *p, int64_t wall_ns, int64_t *ret,
		    struct problem *problem)
{
	if (!when_parse(p->value, strlen(p->value), wall_ns, ret))
		return 0;
	return problem_set(problem, 400, p->name, "%s cannot be '%.64s'; it is " WHEN_ALLOWED,
			   p->name, p->value);
}

/* Every value of one parameter. */
static int add_parameter(struct event_filter *filter, const struct parameter *p, uint64_t *kinds,
			 struct problem *problem)
{
	const struct event_row *row = NULL;
	const char *text = p->value;
	bool is_kind = !strcmp(p->name, "kind");
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(p->name, rows[i].name))
			row = &rows[i];
	if (!row && !is_kind)
		return 0;
	for (;;) {
		size_t len = strcspn(text, ",");

		r = is_kind ? add_word(p->name, &kind_words, text, len, kinds, problem)
			    : add_row_value(filter, row, text, len, problem);
		if (r < 0 || !text[len])
			return r;
		text += len + 1;
	}
}

static uint32_t rings_of(uint32_t kinds)
{
	uint32_t rings = 0;
	int kind;

	/* A gap stands in none: whoever asks for these alone wants those of all. */
	if (kinds == 1U << EVENT_GAP)
		return JOURNAL_RINGS_ALL;
	kinds &= ~(1U << EVENT_GAP);
	for (kind = 0; kind < EVENT_KIND_MAX; kind++)
		if (kinds >> kind & 1)
			rings |= JOURNAL_RING(event_ring_of((enum event_kind)kind));
	return rings;
}

/* Kinds that cannot match what else is asked for need not be read. */
static void narrow_kinds(struct event_filter *filter)
{
	const uint32_t findings = 1U << EVENT_FINDING_RAISED | 1U << EVENT_FINDING_CLEARED;

	filter->sockets = filter->reasons || filter->actors ||
			  filter->filter.count > filter_asks(&filter->filter, "netns");
	if (filter->sockets)
		filter->kinds &= ~findings;
	if (filter->severities || filter->rules)
		filter->kinds &= findings;
	filter->rings = rings_of(filter->kinds);
}

int event_filter_compile(const struct query *query, const struct snapshot *snapshot,
			 int64_t wall_ns, struct event_filter *ret, struct problem *problem)
{
	uint64_t kinds = 0;
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->until_ns = INT64_MAX;
	r = filter_compile_ends(query, snapshot, &ret->filter, problem);
	for (i = 0; i < query->count && r >= 0; i++) {
		const struct parameter *p = &query->parameters[i];

		if (!strcmp(p->name, "since"))
			r = add_time(p, wall_ns, &ret->since_ns, problem);
		else if (!strcmp(p->name, "until"))
			r = add_time(p, wall_ns, &ret->until_ns, problem);
		else
			r = add_parameter(ret, p, &kinds, problem);
	}
	if (r < 0)
		return r;
	ret->kinds = kinds ? (uint32_t)kinds : KINDS_DEFAULT;
	narrow_kinds(ret);
	return 0;
}

void event_filter_done(struct event_filter *filter)
{
	filter_done(&filter->filter);
}

/* ---- matching ---- */

bool event_who(const struct journal_view *view, const struct event *event, struct event_name *ret)
{
	if (event_is_finding(event))
		return false;
	if (event->socket.holder && journal_read_name(view, event->socket.holder, ret) >= 0)
		return true;
	return event->socket.creator && journal_read_name(view, event->socket.creator, ret) >= 0;
}

/* Every parameter with values needs one of them; those of one row do not stand together. */
static bool values_match(const struct event_filter *filter, const struct journal_view *view,
			 const struct event *event)
{
	struct event_name who = { .number = 0 };
	size_t i, k;

	if (!filter->count)
		return true;
	if (!event_who(view, event, &who) && !event_is_finding(event))
		return false;
	for (i = 0; i < filter->count; i++) {
		const struct event_row *row = filter->values[i].row;
		bool matches = false;

		for (k = 0; k < filter->count && !matches; k++)
			matches = filter->values[k].row == row &&
				  row->value(event, &who, &filter->values[k]);
		if (!matches)
			return false;
	}
	return true;
}

static bool ends_match(const struct event_filter *filter, const struct event *event)
{
	const struct event_socket *s = &event->socket;
	struct record record = { .direction = DIRECTION_UNKNOWN };
	struct tcpdiag_socket *sk = &record.sk;

	if (!filter->filter.count)
		return true;
	if (event_is_finding(event)) {
		sk->netns = event->finding.netns;
		return sk->netns && filter_match(&filter->filter, &record);
	}
	record.direction = s->direction;
	sk->netns = s->netns;
	sk->state = s->state;
	sk->family = s->family;
	memcpy(sk->local, s->local, sizeof(sk->local));
	memcpy(sk->remote, s->remote, sizeof(sk->remote));
	sk->local_port = s->local_port;
	sk->remote_port = s->remote_port;
	sk->uid = s->uid;
	if (s->flags & EVENT_HAS_SOCKET)
		sk->known |= TCPDIAG_KNOWS_UID;
	return filter_match(&filter->filter, &record);
}

/* Whether the bit of a word is asked for; nothing asked: any. */
static bool asked(uint64_t mask, unsigned int number)
{
	return !mask || (number < 64 && mask >> number & 1);
}

bool event_filter_match(const struct event_filter *filter, const struct journal_view *view,
			const struct event *event)
{
	bool finding = event_is_finding(event);

	if (event->kind >= EVENT_KIND_MAX || !(filter->kinds >> event->kind & 1) ||
	    event->wall_ns < filter->since_ns || event->wall_ns >= filter->until_ns)
		return false;
	if (finding ? filter->sockets : filter->severities || filter->rules)
		return false;
	if (finding &&
	    (!asked(filter->severities, event->finding.severity) ||
	     !asked(filter->rules, (unsigned int)event->finding.rule - TCPDIAG_RULE_FINDING_FIRST)))
		return false;
	if (!finding &&
	    (!asked(filter->reasons, event->socket.reason) || !asked(filter->actors, event->actor)))
		return false;
	return ends_match(filter, event) && values_match(filter, view, event);
}
