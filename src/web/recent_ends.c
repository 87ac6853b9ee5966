/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the sockets of a program have ended, beside what ending it now would do: what it really does at close() may be
 * another thing than what its options say beforehand, since an option can be set in the last microsecond.
 */
#include <errno.h>
#include <string.h>

#include "web/events.h"
#include "web/recent.h"

#define MINUTE_NS (60 * NSEC_PER_SEC)
#define KEYS_MAX 65536U
/* So many closes that nobody expected to reset, and this part of all: it is what the program does. */
#define SURPRISES_MIN 5U
#define SURPRISES_PART 5U

struct counting {
	struct recent_ends *ends;
	const struct journal_view *view;
};

/* NULL: no room for another, which is not counted. */
static struct recent_sums *sums_of(struct recent_ends *ends, const char *key, size_t len)
{
	uint32_t number;

	if (!len || lexicon_add(&ends->keys, key, len, &number) < 0)
		return NULL;
	if (number >= ends->size) {
		uint32_t size = ends->size ? ends->size * 2 : 64;
		struct recent_sums *sums = reallocarray(ends->sums, size, sizeof(*sums));

		if (!sums)
			return NULL;
		memset(sums + ends->size, 0, (size - ends->size) * sizeof(*sums));
		ends->sums = sums;
		ends->size = size;
	}
	return &ends->sums[number];
}

/* A socket in one of these has no connection that a FIN could end. */
static bool without_connection(uint8_t state)
{
	return state == TCPDIAG_STATE_NONE || state == TCPDIAG_CLOSE || state == TCPDIAG_LISTEN ||
	       state == TCPDIAG_SYN_SENT || state == TCPDIAG_BOUND_INACTIVE;
}

static int count_row(const struct minute_row *row, void *context)
{
	struct counting *c = context;
	char text[JOURNAL_LABEL];
	const char *label = journal_label(c->view, row->label, text);
	struct recent_sums *sums;

	if (recent_gap(&c->ends->gaps, row))
		return 0;
	sums = sums_of(c->ends, label, strlen(label));
	if (!sums)
		return 0;
	switch (row->kind) {
	case MINUTE_CLOSED:
		*(without_connection(row->state) ? &sums->none : &sums->fin) += row->count;
		break;
	case MINUTE_CLOSED_RESET:
		sums->rst += row->count;
		if (row->reason < RESET_REASON_MAX)
			sums->reasons[row->reason] += row->count;
		if (row->flags & MINUTE_SURPRISE)
			sums->surprise += row->count;
		break;
	case MINUTE_TIMED_OUT:
		sums->timed_out += row->count;
		break;
	default:
		break;
	}
	return 0;
}

static bool is_own(uint8_t actor)
{
	return actor == ACTOR_CLOSE || actor == ACTOR_EXIT || actor == ACTOR_SHUTDOWN;
}

/* SO_LINGER 0 that the last poll did not see. */
static bool is_surprise(const struct event_socket *s)
{
	return s->known & EVENT_KNOWS_LINGER && s->flags & EVENT_LINGER && !s->linger_ms &&
	       s->known & EVENT_KNOWS_LINGER_BEFORE && !(s->flags & EVENT_LINGER_BEFORE);
}

static void count_event(struct recent_sums *sums, const struct event *event)
{
	const struct event_socket *s = &event->socket;

	switch (event->kind) {
	case EVENT_CLOSED:
		*(without_connection(s->state) ? &sums->none : &sums->fin) += 1;
		break;
	case EVENT_RESET_SENT:
		if (!is_own(event->actor))
			break;
		sums->rst++;
		if (s->reason < RESET_REASON_MAX)
			sums->reasons[s->reason]++;
		sums->surprise += is_surprise(s);
		break;
	case EVENT_TIMED_OUT:
		sums->timed_out++;
		break;
	default:
		break;
	}
}

/* Return: bytes of the key of an owner; 0: none. */
static size_t key_of_name(enum owner_kind kind, const struct event_name *who, char *key,
			  size_t size)
{
	int len = kind == OWNER_PROCESS ? snprintf(key, size, "%d-%llu", who->pid,
						   (unsigned long long)who->start_time)
					: snprintf(key, size, "%s", who->container);

	return len > 0 ? MIN((size_t)len, size - 1) : 0;
}

static int count_gap(const struct minute_row *row, void *context)
{
	(void)recent_gap(context, row);
	return 0;
}

static void count_events(struct recent_ends *ends, const struct journal_view *view, int64_t wall_ns)
{
	const uint32_t rings = JOURNAL_RING(EVENT_RING_RESETS) | JOURNAL_RING(EVENT_RING_ABNORMAL) |
			       JOURNAL_RING(EVENT_RING_ORDINARY);
	uint64_t until = journal_newest(view);
	struct journal_cursor cursor;
	struct event event;

	ends->covered_ns = wall_ns - journal_oldest_ns(view, rings);
	journal_seek(view, 0, &cursor);
	while (journal_next(view, &cursor, rings, &event) > 0 && event.id <= until) {
		struct recent_sums *sums = NULL;
		struct event_name who;
		char key[96];

		if (event.wall_ns < wall_ns - RECENT_NS || event_is_finding(&event))
			continue;
		if (event_who(view, &event, &who))
			sums = sums_of(ends, key, key_of_name(ends->kind, &who, key, sizeof(key)));
		if (sums)
			count_event(sums, &event);
	}
}

static const char *why_unknown(const struct snapshot *snapshot, const struct journal_view *view)
{
	uint32_t i;

	if (!view)
		return "ends are seen by a daemon that goes on watching: no journal of them is "
		       "here";
	for (i = 0; i < snapshot->source_count; i++) {
		const struct source *source = &snapshot->sources[i];
		const char *reason = snapshot_text(snapshot, source->reason);

		if (source->id == SOURCE_EVENTS && !events_tell_ends(snapshot) && *reason)
			return reason;
	}
	return events_tell_ends(snapshot) ? NULL : "no events of the kernel are seen";
}

void recent_ends(const struct snapshot *snapshot, const struct journal_view *view, int64_t wall_ns,
		 enum owner_kind kind, struct recent_ends *ret)
{
	struct counting c = { .ends = ret, .view = view };

	*ret = (struct recent_ends){ .kind = kind, .keys.max = KEYS_MAX };
	ret->why = why_unknown(snapshot, view);
	if (ret->why)
		return;
	if (kind == OWNER_UNIT) {
		ret->covered_ns = wall_ns - journal_since_ns(view);
		(void)journal_minutes(view, (wall_ns - RECENT_NS) / MINUTE_NS, INT64_MAX, count_row,
				      &c);
	} else {
		count_events(ret, view, wall_ns);
		(void)journal_minutes(view, (wall_ns - RECENT_NS) / MINUTE_NS, INT64_MAX, count_gap,
				      &ret->gaps);
	}
	ret->covered_ns = recent_covered(&ret->gaps, MIN(ret->covered_ns, RECENT_NS));
	if (!ret->covered_ns && ret->gaps.unseen_ns)
		ret->why = "in the last 15 minutes the events were not watched: braked, switched "
			   "off, or the daemon did not run";
}

void recent_ends_done(struct recent_ends *ends)
{
	lexicon_done(&ends->keys);
	free(ends->sums);
	ends->sums = NULL;
}

/* ---- of one owner ---- */

static const struct recent_sums *
find(const struct recent_ends *ends, const struct snapshot *snapshot, const struct process *process)
{
	static const struct recent_sums nothing;
	struct lexicon keys = ends->keys;
	struct event_name who = { .number = 0 };
	uint32_t number;
	char key[96];
	size_t len;

	if (!process)
		return &nothing;
	who.pid = process->pid;
	who.start_time = process->start_time;
	snprintf(who.container, sizeof(who.container), "%s",
		 snapshot_text(snapshot, process->container));
	if (ends->kind == OWNER_UNIT)
		len = (size_t)snprintf(key, JOURNAL_LABEL, "%s",
				       snapshot_text(snapshot, process->unit_label));
	else
		len = key_of_name(ends->kind, &who, key, sizeof(key));
	/* A word that is there is found without a change; one that is not finds no room. */
	keys.max = keys.count;
	len = MIN(len, sizeof(key) - 1);
	if (!len || lexicon_add(&keys, key, strnlen(key, len), &number) < 0 || number >= ends->size)
		return &nothing;
	return &ends->sums[number];
}

static bool resets_by_itself(const struct recent_sums *sums)
{
	uint64_t all = sums->fin + sums->none + sums->rst;

	return sums->surprise >= SURPRISES_MIN && sums->surprise * SURPRISES_PART >= all;
}

#define RESETS_BY_ITSELF \
	"this program resets at close by itself: it sets SO_LINGER to 0 just before, so what its " \
	"sockets would do as they are now is not what they will do"

#define FOLDED \
	"its ends are counted together with those of others, under the name that stays: " \
	"/resets?group=unit"

/* Sessions, containers and instances come and go: what is added up for a day is their service's or slice's. */
static bool is_folded(const struct recent_ends *ends, const struct snapshot *snapshot,
		      const struct process *process)
{
	return ends->kind == OWNER_UNIT && process && process->unit &&
	       strcmp(snapshot_text(snapshot, process->unit),
		      snapshot_text(snapshot, process->unit_label)) != 0;
}

void recent_ends_emit(struct emitter *j, const struct recent_ends *ends,
		      const struct snapshot *snapshot, const struct process *process)
{
	const struct recent_sums *sums;
	int i;

	if (ends->why) {
		emit_null(j, "closed");
		emit_text(j, "closed_note", ends->why);
		return;
	}
	if (is_folded(ends, snapshot, process)) {
		emit_null(j, "closed");
		emit_text(j, "closed_note", FOLDED);
		return;
	}
	sums = find(ends, snapshot, process);
	emit_object(j, "closed");
	emit_u64(j, "fin", sums->fin);
	emit_u64(j, "none", sums->none);
	emit_object(j, "rst");
	for (i = 0; i < RESET_REASON_MAX; i++)
		if (sums->reasons[i])
			emit_u64(j, reset_reason_name((enum reset_reason)i) ?: "unknown",
				 sums->reasons[i]);
	emit_end(j, '}');
	emit_u64(j, "linger_set_late", sums->surprise);
	emit_u64(j, "timed_out", sums->timed_out);
	emit_ns(j, "seconds", ends->covered_ns);
	emit_u64(j, "lost_events", ends->gaps.lost);
	emit_end(j, '}');
	emit_text(j, "closed_note", resets_by_itself(sums) ? RESETS_BY_ITSELF : NULL);
}

void recent_ends_text(char *ret, size_t size, const struct recent_ends *ends,
		      const struct snapshot *snapshot, const struct process *process)
{
	const struct recent_sums *sums;

	*ret = '\0';
	if (ends->why)
		return;
	sums = find(ends, snapshot, process);
	snprintf(ret, size,
		 "in the last %lld min: FIN %llu, RST %llu, nothing sent %llu, timed out %llu.%s%s",
		 (long long)((ends->covered_ns + MINUTE_NS - 1) / MINUTE_NS),
		 (unsigned long long)sums->fin, (unsigned long long)sums->rst,
		 (unsigned long long)sums->none, (unsigned long long)sums->timed_out,
		 resets_by_itself(sums) ? " " : "",
		 resets_by_itself(sums) ? "This program resets at close by itself." : "");
}
