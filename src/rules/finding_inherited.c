/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inherited-descriptor: a connection that one program has closed, and that another one holds without knowing.
 *
 * close() sends a FIN, and exit a RST, only where the last reference goes (fs/file_table.c:__fput()). A
 * descriptor that was inherited through fork() and exec() is one, so the connection stays as it was, and when
 * the peer closes, it stays in CLOSE-WAIT; after a shutdown() of the process that had it, in FIN-WAIT-2.
 *
 * Who had it before, and that nobody has used it since, the collector tells (collector/inherit.h). What is
 * standard input or output, or the error stream, was handed over on purpose: inetd does so. And where the one
 * who had it before was never seen to hold it, one connection is nothing: who serves just one may have been
 * started for it.
 */
#include "rules/family.h"

#define STANDARD_STREAMS 2 /* descriptors 0, 1, 2 */
#define HOLDERS_MAX 16
#define GUESSED_MIN 2

static bool blind(const struct round *round)
{
	return round->input->holders_blind;
}

static int64_t age_of(const struct round *round)
{
	return MAX(round->thresholds->inherited_info_age, round->fast_ns);
}

static bool is_stream(const struct round *round, const struct record *record)
{
	const struct findings_input *input = round->input;
	uint32_t i;

	if (record->holders > HOLDERS_MAX || record->holder > input->holder_count ||
	    record->holders > input->holder_count - record->holder)
		return true;
	for (i = 0; i < record->holders; i++)
		if (input->holders[record->holder + i].fd <= STANDARD_STREAMS)
			return true;
	return false;
}

static bool concerns(struct round *round, const struct record *record, struct mark *ret)
{
	if (!record->holders || record->creator >= round->input->process_count ||
	    record->sk.kind != TCPDIAG_KIND_FULL || record->sk.attachment != TCPDIAG_HELD)
		return false;
	ret->age_ns = round_age(round, record, record->state_since_ns);
	if (ret->age_ns < age_of(round) || is_stream(round, record))
		return false;
	if (record->flags & RECORD_ORIGIN_GUESSED)
		ret->flags = MARK(MARK_GUESSED);
	return true;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	const uint32_t total = part_total(part);

	(void)tally;
	if (!total || (total == part->flagged[MARK_GUESSED] && total < GUESSED_MIN))
		return SEVERITY_NONE;
	if (total >= scale * (double)t->inherited_warning_count)
		return SEVERITY_WARNING;
	return total >= scale * (double)t->inherited_info_count ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct part *part = &tally->parts[0];
	const uint32_t total = part_total(part);
	const uint32_t close_wait = part->eof_read + part->eof_unread + part->data_unread;
	const struct process *origin = NULL;

	if (part->example != RECORD_NONE)
		origin = &round->input->processes[round->records[part->example].creator];
	sentence_add(summary, "%s ", tally->who);
	if (total) {
		sentence_add(summary, "holds ");
		sentence_count(summary, row->count, "connection", "connections");
	} else {
		sentence_add(summary, "held connections");
	}
	sentence_add(summary, " that it has inherited and does not use");
	if (close_wait)
		sentence_add(summary, " (CLOSE-WAIT %u", close_wait);
	if (total > close_wait)
		sentence_add(summary, "%sFIN-WAIT-2 %u", close_wait ? ", " : " (",
			     total - close_wait);
	sentence_add(summary, "%s", total ? ")" : "");
	if (origin) {
		sentence_add(summary, " from ");
		sentence_process(round, summary, origin);
	}
	describe_oldest(summary, part);
	describe_descriptors(summary, tally);
	sentence_add(
		cause,
		"Who had them has let go of them, and nobody has read, written or shut down "
		"anything since. As this process still has the descriptors nothing was sent, or "
		"nothing ends the connection: the peer waits.");
	describe_stretch(cause, round->thresholds->inherited_info_age, round->fast_ns);
	sentence_add(
		remedy,
		"In the program that starts this one: accept4() and socket() with SOCK_CLOEXEC, or "
		"close_range() between fork() and exec() (Python: close_fds=True). Now: ending "
		"this "
		"process lets go of them.");
}

const struct family finding_inherited = {
	.rule = TCPDIAG_RULE_INHERITED_DESCRIPTOR,
	.scope = SCOPE_PROCESS,
	.states = TCPDIAG_STATE_BIT(TCPDIAG_FIN_WAIT2) | TCPDIAG_STATE_BIT(TCPDIAG_CLOSE_WAIT),
	.parts = 1,
	.blind = blind,
	.concerns = concerns,
	.judge = judge,
	.describe = describe,
};
