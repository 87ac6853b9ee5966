/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port-exhaustion: connect() finds no local port any more, EADDRNOTAVAIL.
 *
 * A port is taken for one pair of ends only: net/ipv4/inet_hashtables.c:__inet_hash_connect() wants a free
 * (local address, local port, remote address, remote port), so the range is used up by local address and
 * remote end. It begins with every second port, those of the range's first parity; when they are used up each call
 * walks them in vain before it tries the others, so half full is where connect() becomes slow.
 * Ports of ip_local_reserved_ports it leaves out.
 * A port in TIME-WAIT is used, unless tcp_tw_reuse lets a new connection have it after a second (tcp_ipv4.c:
 * tcp_twsk_unique(); the default, 2, does so on loopback addresses only): such ports are information at most.
 *
 * bind() to an address with port 0, without IP_BIND_ADDRESS_NO_PORT, takes a port before the remote end is known:
 * inet_connection_sock.c:inet_csk_get_port() wants it free for all of them. No dump tells who did so.
 */
#include "rules/realms.h"

static bool blind(const struct round *round)
{
	return !round->input->ports_known;
}

/* At least one: nothing is counted where all are reserved. */
static double size_of(const struct port_pair *pair)
{
	return MAX((double)pair->range[1] - pair->range[0] + 1 - pair->reserved, 1.0);
}

/* Of what can be had, in percent. Whoever asks for a reserved port by its number gets it. */
static double percent(const struct port_pair *pair, bool reusable)
{
	return MIN(100.0 * (pair->used - (reusable ? 0 : pair->reusable)) / size_of(pair), 100.0);
}

/* Rows are sorted by what is used; the worst is the one with the least that can be had. */
static const struct port_pair *find_pair(const struct round *round, uint32_t netns)
{
	const struct port_pair *best = NULL;
	uint32_t i;

	for (i = 0; i < round->input->port_count; i++) {
		const struct port_pair *pair = &round->input->ports[i];

		if (pair->netns != netns || pair->range[1] < pair->range[0])
			continue;
		if (!best || percent(pair, false) > percent(best, false))
			best = pair;
	}
	return best;
}

static uint32_t count_pairs(const struct round *round, uint32_t netns)
{
	uint32_t count = 0, i;

	for (i = 0; i < round->input->port_count; i++)
		count += round->input->ports[i].netns == netns &&
			 percent(&round->input->ports[i], true) >=
				 round->thresholds->port_info_ratio;
	return count;
}

static void begin(struct round *round)
{
	struct tally_key key = { .rule = TCPDIAG_RULE_PORT_EXHAUSTION, .kind = TALLY_NETNS };
	uint32_t i;

	for (i = 0; i < round->input->port_count; i++) {
		const struct port_pair *pair = &round->input->ports[i];
		struct tally *tally;

		key.a = pair->netns;
		if (pair->range[1] < pair->range[0] ||
		    (!tallies_find(round->tallies, &key) &&
		     percent(pair, true) < round->thresholds->port_info_ratio))
			continue;
		tally = round_tally(round, &key);
		if (!tally)
			continue;
		tally->netns = pair->netns;
		tally->seen_ns = round->now_ns;
	}
}

/* The worst of the namespace, by each of the two ways to count. */
static double worst_percent(const struct round *round, uint32_t netns, bool reusable)
{
	double most = 0;
	uint32_t i;

	for (i = 0; i < round->input->port_count; i++) {
		const struct port_pair *pair = &round->input->ports[i];

		if (pair->netns == netns && pair->range[1] >= pair->range[0])
			most = MAX(most, percent(pair, reusable));
	}
	return most;
}

static enum severity judge(const struct round *round, const struct tally *tally, struct part *part,
			   double scale)
{
	const struct thresholds *t = round->thresholds;
	double all = worst_percent(round, tally->key.a, true);
	double taken = worst_percent(round, tally->key.a, false);

	(void)part;
	if (taken >= scale * t->port_critical_ratio)
		return SEVERITY_CRITICAL;
	if (taken >= scale * t->port_warning_ratio)
		return SEVERITY_WARNING;
	return all >= scale * t->port_info_ratio ? SEVERITY_INFO : SEVERITY_NONE;
}

static void describe_ends(struct sentence *s, const struct port_pair *pair)
{
	struct sentence local = { 0 };

	/* Without its port, which is what runs out. */
	sentence_address(&local, pair->local, 0);
	if (local.len > 2)
		local.text[local.len - 2] = '\0';
	sentence_add(s, "%s to ", local.text);
	sentence_address(s, pair->remote, pair->remote_port);
}

static void describe_holder(const struct round *round, struct finding *row,
			    struct sentence *summary, struct sentence *cause,
			    const struct port_pair *pair)
{
	const struct process *process;

	if (pair->process >= round->input->process_count) {
		sentence_add(cause, " Who has them is not known.");
		return;
	}
	process = &round->input->processes[pair->process];
	row->process = pair->process;
	row->unit = process->unit;
	sentence_add(summary, ", ");
	sentence_number(summary, pair->process_used);
	sentence_add(summary, " of them by ");
	sentence_process(round, summary, process);
	if (pair->unit_used <= pair->process_used)
		return;
	sentence_add(cause, " With the other processes of its unit it is ");
	sentence_number(cause, pair->unit_used);
	sentence_add(cause, ".");
}

static void describe_reserved(struct sentence *s, const struct port_pair *pair)
{
	if (!pair->reserved)
		return;
	sentence_add(s, " ");
	sentence_number(s, pair->reserved);
	sentence_add(
		s,
		" port%s of the range %s reserved (net.ipv4.ip_local_reserved_ports) and given "
		"to nobody.",
		pair->reserved == 1 ? "" : "s", pair->reserved == 1 ? "is" : "are");
}

static void describe_time_wait(struct sentence *s, const struct port_pair *pair)
{
	if (!pair->time_wait)
		return;
	if (!pair->reuse_known)
		sentence_add(s, " Whether tcp_tw_reuse gives ports in TIME-WAIT to new connections "
				"is not known: all are taken for used.");
	else if (pair->reusable)
		sentence_add(s,
			     " Of those in TIME-WAIT %u can be had again for the same end, as "
			     "tcp_tw_reuse allows after a second where both ends use timestamps.",
			     pair->reusable);
	else
		sentence_add(s,
			     " A port in TIME-WAIT is free after 60 s; tcp_tw_reuse would free it "
			     "after one for new connections.");
}

static void describe_pair(const struct round *round, struct finding *row, struct sentence *summary,
			  struct sentence *cause, const struct port_pair *pair)
{
	uint32_t pairs = count_pairs(round, pair->netns);

	row->count = pair->used;
	evidence(row, EVIDENCE_COUNT, pair->used);
	evidence(row, EVIDENCE_LIMIT, size_of(pair));
	evidence(row, EVIDENCE_RATIO, percent(pair, true) / 100);
	evidence(row, EVIDENCE_TIME_WAIT, pair->time_wait);
	if (pair->reuse_known)
		evidence(row, EVIDENCE_REUSABLE, pair->reusable);
	sentence_number(summary, pair->used);
	sentence_add(summary, " of ");
	sentence_number(summary, (uint64_t)size_of(pair));
	sentence_add(summary, " local ports (%.0f %%) are used from ", percent(pair, true));
	describe_ends(summary, pair);
	describe_holder(round, row, summary, cause, pair);
	if (pair->time_wait) {
		sentence_add(summary, ", ");
		sentence_number(summary, pair->time_wait);
		sentence_add(summary, " in TIME-WAIT");
	}
	sentence_add(summary, ", in ");
	sentence_realm(round, summary, pair->netns);
	if (pairs > 1)
		sentence_add(summary, "; %u other such ends", pairs - 1);
	describe_reserved(cause, pair);
	describe_time_wait(cause, pair);
}

static void describe(const struct round *round, const struct tally *tally, struct finding *row,
		     struct sentence *summary, struct sentence *cause, struct sentence *remedy)
{
	const struct port_pair *pair = find_pair(round, tally->key.a);

	sentence_add(
		cause,
		"connect() needs a port of ip_local_port_range that is free for this local address "
		"and this remote end; without one it fails with EADDRNOTAVAIL, and from half on "
		"each call searches longer.");
	row->shown &= ~(1ULL << EVIDENCE_COUNT);
	if (pair) {
		describe_pair(round, row, summary, cause, pair);
	} else {
		sentence_add(summary, "Local ports were nearly used up in ");
		sentence_realm(round, summary, tally->key.a);
	}
	sentence_add(
		remedy,
		"Keep connections open and use them again (keep-alive, pools); else more remote "
		"ends or local addresses, or a wider net.ipv4.ip_local_port_range.");
	if (!pair || pair->time_wait)
		sentence_add(remedy, " For what is in TIME-WAIT: net.ipv4.tcp_tw_reuse = 1.");
}

const struct family finding_ports = {
	.rule = TCPDIAG_RULE_PORT_EXHAUSTION,
	.scope = SCOPE_NETNS,
	.parts = 1,
	.blind = blind,
	.begin = begin,
	.judge = judge,
	.describe = describe,
};
