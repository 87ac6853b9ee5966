/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the journal tells of one socket: how it has ended, who did it and what was lost. Rings are not ordered by
 * socket, so all of them are walked; hence for one socket at a time only.
 */
#include <string.h>

#include "web/event_print.h"
#include "web/field_parts.h"

#define SHOWN_MAX 64U /* events of one socket: a few findings' worth, its end, and what came late */

static bool is_its(uint32_t netns, uint64_t cookie, const struct event *event)
{
	return !event_is_finding(event) && event->socket.cookie == cookie &&
	       event->socket.netns == netns;
}

void socket_events_print(struct view *view, struct buffer *b)
{
	const struct tcpdiag_socket *sk = &view->record->sk;
	struct emitter j = { .b = b };
	struct journal_cursor cursor;
	struct event event;
	uint32_t shown = 0;
	uint64_t until;

	if (!view->journal) {
		buffer_literal(b, "null");
		return;
	}
	until = journal_newest(view->journal);
	journal_seek(view->journal, 0, &cursor);
	emit_array(&j, NULL);
	while (shown < SHOWN_MAX &&
	       journal_next(view->journal, &cursor, JOURNAL_RINGS_ALL, &event) > 0 &&
	       event.id <= until)
		if (is_its(sk->netns, sk->cookie, &event)) {
			event_json(&j, NULL, view->journal, &event);
			shown++;
		}
	emit_end(&j, ']');
}

/* What it was: the rest was never seen. */
static void fill(struct ended *ended, const struct event *event, const struct snapshot *snapshot)
{
	const struct event_socket *s = &event->socket;
	struct record *record = &ended->record;
	struct tcpdiag_socket *sk = &record->sk;
	int64_t ago_ns;

	/* As the snapshot tells the time, from the clock on the wall: events outlive the collector. */
	if (__builtin_sub_overflow(event->wall_ns, snapshot->header->wall_ns, &ago_ns) ||
	    __builtin_add_overflow(ago_ns, snapshot->header->now_ns, &ended->gone_ns))
		ended->gone_ns = snapshot->header->now_ns;
	sk->netns = s->netns;
	sk->cookie = s->cookie;
	sk->state = s->state;
	sk->family = s->family;
	sk->mapped = s->flags & EVENT_MAPPED;
	memcpy(sk->local, s->local, sizeof(sk->local));
	memcpy(sk->remote, s->remote, sizeof(sk->remote));
	sk->local_port = s->local_port;
	sk->remote_port = s->remote_port;
	sk->uid = s->uid;
	sk->attachment = TCPDIAG_ATTACHMENT_UNKNOWN;
	if (s->flags & EVENT_HAS_SOCKET)
		sk->known = TCPDIAG_KNOWS_UID;
	record->direction = s->direction;
	record->creator = record->listener = record->peer = RECORD_NONE;
}

bool socket_from_events(const struct journal_view *journal, const struct snapshot *snapshot,
			uint32_t netns, uint64_t cookie, struct ended *ret)
{
	struct journal_cursor cursor;
	struct event event;
	bool found = false;
	uint64_t until;

	*ret = (struct ended){ 0 };
	if (!journal || !cookie)
		return false;
	until = journal_newest(journal);
	journal_seek(journal, 0, &cursor);
	while (journal_next(journal, &cursor, JOURNAL_RINGS_ALL, &event) > 0 && event.id <= until)
		if (is_its(netns, cookie, &event)) {
			fill(ret, &event, snapshot);
			found = true;
		}
	return found;
}
