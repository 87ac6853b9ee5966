/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resets of the machine in the last quarter of an hour: sums by reason, with the unit that sent most of each, and by
 * the state in which they were received.
 */
#include <errno.h>
#include <string.h>

#include "web/events.h"
#include "web/recent.h"

#define MINUTE_NS (60 * NSEC_PER_SEC)

bool recent_gap(struct recent_gaps *gaps, const struct minute_row *row)
{
	const uint64_t most = INT64_MAX / NSEC_PER_MSEC / 2; /* of a journal that cannot be right */

	if (row->kind == MINUTE_UNSEEN)
		gaps->unseen_ns =
			MIN(gaps->unseen_ns / NSEC_PER_MSEC + (int64_t)MIN(row->count, most),
			    (int64_t)most) *
			NSEC_PER_MSEC;
	else if (row->kind == MINUTE_LOST)
		gaps->lost += row->count;
	else
		return false;
	return true;
}

int64_t recent_covered(const struct recent_gaps *gaps, int64_t span_ns)
{
	return MAX(span_ns - gaps->unseen_ns, (int64_t)0);
}

static int add_gap(const struct minute_row *row, void *context)
{
	(void)recent_gap(context, row);
	return 0;
}

void recent_gaps_emit(struct emitter *j, const struct journal_view *view, int64_t since_ns,
		      int64_t until_ns)
{
	struct recent_gaps gaps = {};

	(void)journal_minutes(view, since_ns / MINUTE_NS,
			      until_ns == INT64_MAX ? INT64_MAX : until_ns / MINUTE_NS + 1, add_gap,
			      &gaps);
	emit_ns(j, "unseen_seconds", gaps.unseen_ns);
	emit_u64(j, "lost_events", gaps.lost);
}

struct counting {
	struct recent_resets *resets;
	uint64_t (*units)[JOURNAL_LABELS]; /* by reason */
};

static int count_row(const struct minute_row *row, void *context)
{
	struct counting *c = context;
	struct recent_resets *r = c->resets;

	if (row->kind == MINUTE_RESET_SENT) {
		r->sent += row->count;
		r->unread_bytes += row->unread_bytes;
		if (row->reason == RESET_REASON_NO_SOCKET_SYN)
			r->refused += row->count;
		if (row->reason < RESET_REASON_MAX && row->label < JOURNAL_LABELS) {
			r->reasons[row->reason] += row->count;
			c->units[row->reason][row->label] += row->count;
		}
	} else if (row->kind == MINUTE_RESET_RECEIVED) {
		r->received += row->count;
		if (row->flags & MINUTE_IDLE)
			r->idle += row->count;
		if (row->state < TCPDIAG_STATE_MAX)
			r->states[row->state] += row->count;
	} else {
		(void)recent_gap(&r->gaps, row);
		return 0;
	}
	if (row->flags & MINUTE_PEER_OPEN)
		r->peer_open += row->count;
	return 0;
}

static void name_units(const struct journal_view *view, const struct counting *c)
{
	struct recent_resets *r = c->resets;
	unsigned int reason, label;

	for (reason = 0; reason < RESET_REASON_MAX; reason++) {
		unsigned int top = 0;

		for (label = 1; label < JOURNAL_LABELS; label++)
			if (c->units[reason][label] > r->reason_top[reason]) {
				r->reason_top[reason] = c->units[reason][label];
				top = label;
			}
		if (top) {
			char text[JOURNAL_LABEL];

			snprintf(r->reason_unit[reason], JOURNAL_LABEL, "%s",
				 journal_label(view, (uint16_t)top, text));
		}
	}
}

int recent_resets(const struct journal_view *view, int64_t wall_ns, struct recent_resets *ret)
{
	struct counting c = { .resets = ret };
	_cleanup_free_ uint64_t(*units)[JOURNAL_LABELS] = calloc(RESET_REASON_MAX, sizeof(*units));

	if (!units)
		return -ENOMEM;
	*ret = (struct recent_resets){ 0 };
	ret->covered_ns = MAX(MIN(wall_ns - journal_since_ns(view), RECENT_NS), (int64_t)0);
	c.units = units;
	(void)journal_minutes(view, (wall_ns - RECENT_NS) / MINUTE_NS, INT64_MAX, count_row, &c);
	ret->covered_ns = recent_covered(&ret->gaps, ret->covered_ns);
	name_units(view, &c);
	return 0;
}

int recent_resets_emit(struct emitter *j, const char *name, const struct snapshot *snapshot,
		       const struct journal_view *view, int64_t wall_ns)
{
	struct recent_resets r;
	int i;

	if (!view || !events_tell_ends(snapshot)) {
		emit_null(j, name);
		return 0;
	}
	if (recent_resets(view, wall_ns, &r) < 0)
		return -ENOMEM;
	if (!r.covered_ns && r.gaps.unseen_ns) {
		emit_null(j, name);
		return 0;
	}
	emit_object(j, name);
	emit_ns(j, "seconds", r.covered_ns);
	emit_u64(j, "lost_events", r.gaps.lost);
	emit_u64(j, "sent", r.sent);
	emit_u64(j, "received", r.received);
	emit_u64(j, "refused", r.refused);
	emit_u64(j, "unread_bytes", r.unread_bytes);
	emit_u64(j, "peer_open", r.peer_open);
	emit_u64(j, "idle", r.idle);
	emit_object(j, "sent_by_reason");
	for (i = 1; i < RESET_REASON_MAX; i++)
		if (r.reasons[i])
			emit_u64(j, reset_reason_name((enum reset_reason)i), r.reasons[i]);
	emit_end(j, '}');
	emit_object(j, "received_by_state");
	for (i = 1; i < TCPDIAG_STATE_MAX; i++)
		if (r.states[i])
			emit_u64(j, tcpdiag_state_name((enum tcpdiag_state)i), r.states[i]);
	emit_end(j, '}');
	emit_end(j, '}');
	return 0;
}
