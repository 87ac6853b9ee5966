/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report's lines of resets: how many, why, by whom, and how many of those received came after a long silence,
 * which is what a NAT or a firewall that has forgotten a connection looks like. Refused SYNs stand apart: they are
 * noise on any public host.
 */
#include <errno.h>
#include <stdlib.h>

#include "web/events.h"
#include "web/recent.h"
#include "web/report_parts.h"

#define SHOWN_MAX 4 /* reasons, or states */

/* What people say; the kernel's own words for the rest. */
static const struct {
	enum reset_reason reason;
	const char *words;
} plain[] = {
	{ RESET_REASON_ABORT_ON_CLOSE, "unread data" },
	{ RESET_REASON_ABORT_ON_DATA, "late data" },
	{ RESET_REASON_ABORT_ON_LINGER, "negative TCP_LINGER2" },
	{ RESET_REASON_ABORT_ON_MEMORY, "memory" },
	{ RESET_REASON_STATE, "linger 0 or queue of a listener" },
	{ RESET_REASON_KEEPALIVE_TIMEOUT, "keepalive" },
	{ RESET_REASON_NO_SOCKET, "no such connection" },
	{ RESET_REASON_TIMEWAIT_SOCKET, "just closed" },
	{ RESET_REASON_NONE, "not known" },
};

static const char *words_of(enum reset_reason reason)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(plain); i++)
		if (plain[i].reason == reason)
			return plain[i].words;
	return reset_reason_name(reason) ?: "not known";
}

/* The largest of what is left, which is taken away. Return: its index; -1: nothing is left. */
static int take_most(uint64_t *counts, int size, uint64_t *ret)
{
	int most = -1, i;

	for (i = 0; i < size; i++)
		if (counts[i] && (most < 0 || counts[i] > counts[most]))
			most = i;
	if (most >= 0) {
		*ret = counts[most];
		counts[most] = 0;
	}
	return most;
}

static void print_sent(struct page *page, struct recent_resets *r)
{
	char number[NUMBER_MAX];
	uint64_t count;
	int shown, reason;

	/* All of them have the one reason, and stand apart. */
	r->reasons[RESET_REASON_NO_SOCKET_SYN] = 0;
	page_printf(page, 0, "sent %s%s", number_text(r->sent - r->refused, number),
		    r->sent > r->refused ? ":" : "");
	for (shown = 0; shown < SHOWN_MAX; shown++) {
		reason = take_most(r->reasons, RESET_REASON_MAX, &count);
		if (reason < 0)
			break;
		if (shown)
			page_text(page, ",", 0);
		page_printf(page, 1, "%s %s", words_of((enum reset_reason)reason),
			    number_text(count, number));
		/* Half of them are of one unit: that is who to ask. */
		if (*r->reason_unit[reason] && r->reason_top[reason] * 2 >= count)
			page_printf(page, 1, "(%s)", r->reason_unit[reason]);
	}
	if (r->unread_bytes)
		page_printf(page, 1, "- %s lost unread", bytes_text(r->unread_bytes, number));
	if (r->refused)
		page_printf(page, 3, "+ %s refused SYN", number_text(r->refused, number));
}

static void print_received(struct page *page, struct recent_resets *r)
{
	char number[NUMBER_MAX];
	uint64_t count;
	int shown, state;

	page_printf(page, 0, "received %s%s", number_text(r->received, number),
		    r->received ? ":" : "");
	for (shown = 0; shown < SHOWN_MAX; shown++) {
		state = take_most(r->states, TCPDIAG_STATE_MAX, &count);
		if (state < 0)
			break;
		if (shown)
			page_text(page, ",", 0);
		page_printf(page, 1, "%s %s",
			    tcpdiag_state_name((enum tcpdiag_state)state) ?: "not known",
			    number_text(count, number));
	}
	if (r->idle)
		page_printf(page, 1, "(%s after a minute and more of silence)",
			    number_text(r->idle, number));
}

void report_resets(struct page *page, const struct snapshot *snapshot,
		   const struct journal_view *journal, int64_t wall_ns, bool calm)
{
	struct recent_resets r;
	char mark[32];

	/* That events are not seen is said where all is that is not seen. */
	if (!journal || !events_tell_ends(snapshot))
		return;
	if (recent_resets(journal, wall_ns, &r) < 0) {
		page->b->error = -ENOMEM;
		return;
	}
	if (calm && !r.sent && !r.received && !r.gaps.lost)
		return;
	snprintf(mark, sizeof(mark), "Resets, %lld min",
		 (long long)((r.covered_ns + 60 * NSEC_PER_SEC - 1) / (60 * NSEC_PER_SEC)));
	page_begin(page, mark, 18);
	print_sent(page, &r);
	page_end(page);
	page_begin(page, "", 18);
	print_received(page, &r);
	page_end(page);
	if (!r.gaps.lost)
		return;
	page_begin(page, "", 18);
	page_printf(page, 0, "at least: %s %s lost unseen", number_text(r.gaps.lost, mark),
		    r.gaps.lost == 1 ? "event" : "events");
	page_end(page);
}
