/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has become of a socket: its states with their times, who had it, which findings were about it, when
 * nobody was looking, and its end.
 *
 * The chain of entries runs from the newest back and tells what was before each change; the record tells
 * what is now. Both together, in order of time, are the history. Nothing in it is trusted to be in order or
 * in range: it may come from a collector that has died.
 */
#include <string.h>

#include "web/field_parts.h"
#include "web/put.h"

#define SHOWN_MAX 256U /* newest entries of one socket */

/* One line of the history. */
struct moment {
	int64_t when_ns;
	const struct history_entry *entry; /* NULL: @state, @restart, or the end */
	const struct restart *restart;
	uint8_t state; /* with neither of them: the record's; TCPDIAG_STATE_MAX: the end */
	bool exact;
};

struct moments {
	struct moment items[SHOWN_MAX + RESTARTS_MAX + 2];
	size_t count;
};

/* Later ones behind, those of one instant in the order in which they come. */
static void insert(struct moments *moments, const struct moment *moment)
{
	size_t i = moments->count++;

	while (i && moments->items[i - 1].when_ns > moment->when_ns) {
		moments->items[i] = moments->items[i - 1];
		i--;
	}
	moments->items[i] = *moment;
}

/* The chain, oldest first. */
static void add_entries(const struct view *view, struct moments *moments)
{
	const struct tcpdiag_socket *sk = &view->record->sk;
	const struct history_entry *chain[SHOWN_MAX];
	uint32_t number = view->record->history;
	size_t count = 0;

	while (count < SHOWN_MAX) {
		const struct history_entry *entry = snapshot_history(view->snapshot, sk, number);

		if (!entry)
			break;
		chain[count++] = entry;
		number = entry->before;
	}
	while (count--)
		insert(moments, &(struct moment){ .when_ns = chain[count]->when_ns,
						  .entry = chain[count],
						  .exact = chain[count]->flags & HISTORY_EXACT });
}

/* Those in the socket's life, as far as it is known. */
static void add_restarts(const struct view *view, struct moments *moments)
{
	const struct history_header *header = &view->snapshot->header->history;
	int64_t until = view->ended ? view->ended->gone_ns : INT64_MAX;
	uint32_t i;

	for (i = 0; i < MIN(header->restart_count, RESTARTS_MAX); i++) {
		const struct restart *restart =
			&header->restarts[(header->restart_count - 1 - i) % RESTARTS_MAX];

		if (restart->to_ns > view->record->born_ns && restart->to_ns <= until)
			insert(moments, &(struct moment){ .when_ns = restart->to_ns,
							  .restart = restart,
							  .exact = true });
	}
}

static bool ended_exact(const struct view *view)
{
	int64_t gap;

	return !__builtin_sub_overflow(view->ended->gone_ns, view->record->seen_ns, &gap) &&
	       gap <= 2 * view->snapshot->header->lanes[LANE_SWEEP].interval_ns;
}

/* What it is in now; not again where it has only become a minisocket in that state. */
static void add_state(const struct view *view, struct moments *moments)
{
	const struct record *record = view->record;
	size_t i = moments->count;

	while (i--) {
		const struct history_entry *entry = moments->items[i].entry;

		if (!entry || entry->kind != HISTORY_STATE)
			continue;
		if (entry->a == record->sk.state)
			return;
		break;
	}
	insert(moments, &(struct moment){ .when_ns = record->state_since_ns,
					  .state = record->sk.state,
					  .exact = record->flags & RECORD_STATE_EXACT });
}

static void gather(const struct view *view, struct moments *ret)
{
	ret->count = 0;
	add_entries(view, ret);
	add_state(view, ret);
	add_restarts(view, ret);
	if (view->ended)
		insert(ret, &(struct moment){ .when_ns = view->ended->gone_ns,
					      .state = TCPDIAG_STATE_MAX,
					      .exact = ended_exact(view) });
}

static void word(struct buffer *b, const char *key, const char *text)
{
	if (!text)
		return;
	buffer_text(b, key);
	buffer_char(b, '"');
	buffer_text(b, text);
	buffer_char(b, '"');
}

static void text_or_null(struct buffer *b, const char *key, const char *text)
{
	buffer_text(b, key);
	if (*text)
		buffer_json(b, text);
	else
		buffer_literal(b, "null");
}

static void print_holder(const struct view *view, uint32_t number, struct buffer *b)
{
	const struct history_name *name = snapshot_history_name(view->snapshot, number);

	buffer_literal(b, ",\"before\":");
	if (!name) {
		buffer_literal(b, "null");
		return;
	}
	buffer_literal(b, "{\"pid\":");
	buffer_s64(b, name->pid);
	text_or_null(b, ",\"comm\":", name->comm);
	text_or_null(b, ",\"unit\":", name->unit);
	text_or_null(b, ",\"container\":", name->container);
	buffer_char(b, '}');
}

static void print_entry(const struct view *view, const struct history_entry *entry,
			struct buffer *b)
{
	switch ((enum history_kind)entry->kind) {
	case HISTORY_STATE:
		word(b, ",\"kind\":", "state");
		word(b, ",\"state\":", tcpdiag_state_name(entry->a));
		break;
	case HISTORY_ATTACHMENT:
		word(b, ",\"kind\":", "attachment");
		word(b, ",\"attachment\":", tcpdiag_attachment_name(entry->b));
		word(b, ",\"before\":", tcpdiag_attachment_name(entry->a));
		break;
	case HISTORY_HOLDER:
		word(b, ",\"kind\":", "holder");
		print_holder(view, entry->name, b);
		break;
	case HISTORY_RAISED:
	case HISTORY_CLEARED:
		word(b, ",\"kind\":",
		     entry->kind == HISTORY_RAISED ? "finding-raised" : "finding-cleared");
		word(b, ",\"finding\":",
		     tcpdiag_rule_id((enum tcpdiag_rule)(TCPDIAG_RULE_FINDING_FIRST + entry->a)));
		break;
	case HISTORY_NONE:
	case HISTORY_KIND_MAX:
		break;
	}
}

static void print_moment(const struct view *view, const struct moment *moment, struct buffer *b)
{
	buffer_literal(b, "{\"time\":");
	if (moment->when_ns)
		buffer_time(b, snapshot_wall(view->snapshot, moment->when_ns));
	else
		buffer_literal(b, "null");
	if (moment->entry) {
		print_entry(view, moment->entry, b);
	} else if (moment->restart) {
		int64_t gap;

		word(b, ",\"kind\":", "restart");
		if (!__builtin_sub_overflow(moment->restart->to_ns, moment->restart->from_ns,
					    &gap)) {
			buffer_literal(b, ",\"unwatched_seconds\":");
			buffer_seconds(b, gap);
		}
	} else if (moment->state == TCPDIAG_STATE_MAX) {
		word(b, ",\"kind\":", "ended");
	} else {
		word(b, ",\"kind\":", "state");
		word(b, ",\"state\":", tcpdiag_state_name(moment->state));
	}
	buffer_text(b, moment->exact ? ",\"exact\":true}" : ",\"exact\":false}");
}

void history_print(struct view *view, struct buffer *b)
{
	struct moments moments;
	size_t i;

	gather(view, &moments);
	buffer_char(b, '[');
	for (i = 0; i < moments.count; i++) {
		if (i)
			buffer_char(b, ',');
		print_moment(view, &moments.items[i], b);
	}
	buffer_char(b, ']');
}

GETTER(ended_get)
{
	return view->ended;
}

static GETTER(ended_time_get)
{
	ret->number = snapshot_wall(view->snapshot, view->ended->gone_ns);
	return true;
}

static GETTER(ended_seen_get)
{
	ret->number = snapshot_wall(view->snapshot, view->record->seen_ns);
	return view->record->seen_ns;
}

/* The connection may be dead and its descriptor still open: only a pass over the descriptors shows that. */
static bool descriptor_is_asked(const struct view *view)
{
	const struct snapshot *s = view->snapshot;
	const struct lane_state *lane = &s->header->lanes[LANE_OWNERS];
	uint32_t i;

	if (!view->record->sk.inode)
		return true;
	for (i = 0; i < s->source_count; i++)
		if (s->sources[i].id == SOURCE_BPF && s->sources[i].state != SOURCE_OFF &&
		    s->sources[i].state != SOURCE_FAILED)
			return lane->passes &&
			       lane->last_ns - lane->wall_ns >= view->ended->gone_ns;
	return true;
}

/* A sweep that began after it had vanished would have shown a minisocket. */
static GETTER(ended_certain_get)
{
	const struct namespace *row = snapshot_namespace(view->snapshot, view->record->sk.netns);
	int64_t sweep_ns = row && row->sweep_ns ? row->sweep_ns
						: view->snapshot->header->lanes[LANE_SWEEP].last_ns;

	ret->number = sweep_ns >= view->ended->gone_ns && descriptor_is_asked(view);
	return true;
}

const struct field ended_fields[] = {
	FIELD("time", FIELD_TIME, DETAIL, ended_time_get,
	      "When it was first missed: it ended before that."),
	FIELD("seen", FIELD_TIME, DETAIL_NULL, ended_seen_get,
	      "When it was last seen: it ended after that."),
	FIELD("certain", FIELD_BOOL, DETAIL, ended_certain_get,
	      "false until every socket has been asked for once more, and every descriptor where "
	      "it "
	      "had one: until then it may stand in TIME-WAIT, or be dead and still open."),
	{},
};
