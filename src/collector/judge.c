/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the records of a poll: listener and direction, holders, what close() would do, sums.
 *
 * A record that this poll has not asked for keeps its verdict, unless what holds for all sockets at once
 * has turned (the orphan limit, memory). Positions of listeners move, so those are looked up again.
 */
#include <errno.h>

#include "collector/private.h"
#include "collector/settings.h"
#include "collector/totals.h"
#include "model/macro.h"

#define AHEAD 6U
#define ADDRESSES_KEPT_NS (600 * NSEC_PER_SEC)

/* What the last pass has read of it: all records once, and those that a pass before its time has seen. */
static void join_pass(const struct poll *p, struct record *record)
{
	const struct owners_lane *walk = &p->c->walk;
	const struct socket_settings *settings;
	const struct owner *run;

	if (!walk->bpf || !record->sk.inode ||
	    (!p->settings_ns && !(record->flags & RECORD_ASK_OWNERS)) ||
	    !owners_find(walk->owners, record->sk.inode, &run))
		return;
	settings = owners_settings(walk->owners, run->settings);
	if (settings)
		settings_join(record, settings, READING_PASS, owners_result_ns(walk->owners));
}

static int add_listener(const struct poll *p, struct record *records, uint32_t position)
{
	if (records[position].sk.state != TCPDIAG_LISTEN)
		return 0;
	/* Those who wait in its queue take them over, wherever they stand. */
	join_pass(p, &records[position]);
	return listeners_add(p->c->listeners, &records[position].sk, position);
}

/*
 * Listeners stand at the positions that the pass has listed (what takes the place of one that left, too)
 * or were appended by it.
 */
static int gather_listeners(struct poll *p, struct record *records, uint32_t count)
{
	uint32_t i;
	int r = 0;

	listeners_begin(p->c->listeners, p->now_ns);
	for (i = 0; i < p->order_count && r == 0; i++)
		if (p->c->order[i] < MIN(count, p->appended))
			r = add_listener(p, records, p->c->order[i]);
	for (i = 0; i < p->besides_count && r == 0; i++)
		if (p->c->besides[i] < MIN(count, p->appended))
			r = add_listener(p, records, p->c->besides[i]);
	for (i = p->appended; i < count && r == 0; i++)
		r = add_listener(p, records, i);
	return r;
}

/* Whoever is not among the records is not on this machine. */
static bool sees_all(const struct poll *p)
{
	const struct collector *c = p->c;

	return !c->replay && c->spaces.own->sweep_ns && c->walk.owners &&
	       owners_result_ns(c->walk.owners) && census_is_complete(c);
}

static int want_peer(struct poll *p, const struct record *records, uint32_t position)
{
	if (!(TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(records[position].sk.state)))
		return 0;
	return peers_want(&p->c->peers, records, position);
}

/* Sockets in teardown states stand where the listeners do, or in a list of their own. */
static int gather_peers(struct poll *p, const struct record *records, uint32_t count)
{
	struct collector *c = p->c;
	uint32_t i;
	int r = 0;

	peers_begin(&c->peers, sees_all(p));
	if (p->stale)
		return 0;
	for (i = 0; i < p->order_count && r == 0; i++)
		if (c->order[i] < MIN(count, p->appended))
			r = want_peer(p, records, c->order[i]);
	for (i = 0; i < p->besides_count && r == 0; i++)
		if (c->besides[i] < MIN(count, p->appended))
			r = want_peer(p, records, c->besides[i]);
	for (i = p->appended; i < count && r == 0; i++)
		r = want_peer(p, records, i);
	return r < 0 ? r : peers_index(&c->peers);
}

/* Records of a poll without a dump stand where they stood, and so do their peers. */
static void meet(struct poll *p, struct record *records, uint32_t position)
{
	if (p->stale)
		return;
	peers_clear(&records[position]);
	if (p->pass == PASS_SWEEP || records[position].seen_ns == p->now_ns)
		addresses_add(&p->c->peers.addresses, records[position].sk.local, p->now_ns);
	if (peers_maybe(&p->c->peers, &records[position].sk))
		peers_meet(&p->c->peers, records, position);
}

static void direct(struct poll *p, const struct record *records, struct record *record)
{
	static const uint16_t no_range[2];
	const struct space *space = poll_in(p, record->sk.netns);
	struct collector *c = p->c;
	const struct tcpdiag_socket *sk = &record->sk;

	record->listener = RECORD_NONE;
	if (record->direction == DIRECTION_OUTBOUND || sk->state == TCPDIAG_LISTEN)
		return;
	record->listener = listeners_find(c->listeners, records, sk);
	if (record->direction == DIRECTION_UNKNOWN)
		record->direction = (uint8_t)direction_of(c->listeners, sk, record->listener,
							  space ? space->port_range : no_range,
							  space && space->listeners_seen);
	if (record->direction != DIRECTION_INBOUND)
		record->listener = RECORD_NONE;
}

/* A connection that waits, counted at its listener. Only a sweep sees all of them. */
static void count_child(struct poll *p, struct record *records, const struct record *record)
{
	if (p->pass == PASS_SWEEP && record->sk.attachment == TCPDIAG_UNACCEPTED &&
	    record->listener != RECORD_NONE && poll_reads(p, record))
		records[record->listener].sk.children++;
}

/*
 * A child that its peer has reset still counts in the listener's queue, but is in no dump and gets no
 * RST: what lives is known by counting. Not where several listeners share the port (SO_REUSEPORT): whose
 * child it is, sock_diag does not tell.
 */
static void know_children(struct poll *p, struct record *records, uint32_t count)
{
	const struct collector *c = p->c;
	uint32_t i;

	for (i = 0; i < p->order_count; i++) {
		uint32_t position = c->order[i], first;

		first = position < count
				? listeners_find(c->listeners, records, &records[position].sk)
				: position;
		if (first != position && first != RECORD_NONE)
			records[position].sk.children = records[first].sk.children = UINT32_MAX;
	}
	for (i = 0; i < p->order_count; i++)
		if (c->order[i] < count) {
			struct tcpdiag_socket *sk = &records[c->order[i]].sk;

			if (sk->children <= sk->rqueue)
				sk->known |= TCPDIAG_KNOWS_CHILDREN;
		}
}

static int begin_attach(struct poll *p)
{
	struct collector *c = p->c;
	const struct attach_limits limits = {
		.max_processes = c->settings.max_processes,
		.max_holders = max_holders(&c->settings),
	};

	return attach_begin(c->attach, c->settings.processes ? c->walk.owners : NULL,
			    c->walk.result, c->walk.clean, &limits, c->gone);
}

static void know_settings(const struct poll *p, const struct record *records, struct record *record)
{
	if (!reader_reads(p->c)) {
		settings_forget(record);
		return;
	}
	join_pass(p, record);
	if (record->sk.attachment == TCPDIAG_UNACCEPTED && record->listener != RECORD_NONE)
		settings_inherit(record, &records[record->listener]);
}

/* The process that a record is counted for: its first holder, else its creator. */
uint32_t poll_owner_row(const struct collector *c, const struct record *record)
{
	uint32_t count;
	const struct holder *holders = attach_holders(c->attach, &count);

	if (record->holders && record->holder < count)
		return holders[record->holder].process;
	return record->creator;
}

/* What waits in a queue is the listener's, which may come after it. */
static int count_unit(struct poll *p, const struct record *record, uint32_t position)
{
	struct collector *c = p->c;

	if (record->sk.attachment == TCPDIAG_UNACCEPTED)
		return push_number(&c->queued, &c->queued_room, &p->queued_count, position);
	units_add(&c->units, poll_owner_row(c, record), record);
	return 0;
}

static void count_queued(struct poll *p, const struct record *records)
{
	struct collector *c = p->c;

	for (uint32_t i = 0; i < p->queued_count; i++) {
		const struct record *record = &records[c->queued[i]];

		if (record->listener != RECORD_NONE)
			units_add(&c->units, poll_owner_row(c, &records[record->listener]), record);
	}
}

/* What changes without a segment, so that no counter of its namespace tells. */
static bool is_restless(const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (sk->state == TCPDIAG_LISTEN)
		return sk->rqueue;
	return sk->kind == TCPDIAG_KIND_FULL &&
	       (TCPDIAG_STATES_TEARDOWN & TCPDIAG_STATE_BIT(sk->state) || sk->rqueue || sk->wqueue);
}

static void count_space(struct space *space, const struct record *record)
{
	bool restless = is_restless(record);

	space->sockets++;
	space->restless += restless;
	space->restless_fast += restless &&
				MEMORY_FAST_STATES & TCPDIAG_STATE_BIT(record->sk.state);
}

static void judge_close(const struct poll *p, const struct space *space, struct record *record)
{
	static const struct tcpdiag_environment unknown;

	if ((space && space->turned) || record->flags & RECORD_UNJUDGED ||
	    (record->seen_ns == p->now_ns && !(record->flags & RECORD_JUDGED)))
		totals_judge(record, space ? &space->environment : &unknown);
	record->flags &= (uint8_t) ~(RECORD_JUDGED | RECORD_UNJUDGED);
}

/* The other end, where it was found in the poll before: in a fast pass few records have moved. */
static void fetch_peer(const struct record *records, uint32_t position, uint32_t count)
{
	const uint32_t peer = records[position].peer;

	if (peer >= count)
		return;
	__builtin_prefetch(&records[peer]);
	__builtin_prefetch(&records[peer].sk.state);
}

static int judge(struct poll *p, struct record *records, uint32_t position, uint32_t count)
{
	struct collector *c = p->c;
	struct record *record = &records[position];
	uint8_t attachment = record->sk.attachment;
	struct space *space = poll_in(p, record->sk.netns);

	if (position + AHEAD < count)
		record_prefetch(&records[position + AHEAD]);
	if (position + AHEAD / 2 < count)
		fetch_peer(records, position + AHEAD / 2, count);
	meet(p, records, position);
	direct(p, records, record);
	count_child(p, records, record);
	know_settings(p, records, record);
	attach_record(c->attach, record);
	if (record->sk.attachment != attachment)
		history_attachment(c->history, record, attachment);
	judge_close(p, space, record);
	if (space)
		count_space(space, record);
	totals_add(&p->totals, record, &c->settings.thresholds, p->now_ns);
	if (count_unit(p, record, position) < 0)
		return -ENOMEM;
	queues_add(&c->queues, record, poll_owner_row(c, record));
	if (p->pass == PASS_SWEEP)
		port_usage_add(&c->usage, record);
	if (!findings_concern(record))
		return 0;
	if (push_number(&c->had, &c->had_room, &p->had_count, record->findings) < 0)
		return -ENOMEM;
	return push_number(&c->concerned, &c->concerned_room, &p->concerned_count, position);
}

int poll_judge(struct poll *p)
{
	struct collector *c = p->c;
	uint32_t count, i;
	struct record *records = snapshot_writer_records(&p->w, &count);

	if (c->walk.bpf && owners_result_ns(c->walk.owners) != c->settings_ns)
		p->settings_ns = owners_result_ns(c->walk.owners);
	if (gather_listeners(p, records, count) < 0 || gather_peers(p, records, count) < 0 ||
	    begin_attach(p) == -ENOMEM)
		return -ENOMEM;
	spaces_turn(c);
	units_begin(&c->units);
	ports_begin(p);
	queues_begin(&c->queues, &c->environment);
	for (i = 0; i < count; i++)
		if (judge(p, records, i, count) < 0)
			return -ENOMEM;
	count_queued(p, records);
	if (p->settings_ns)
		c->settings_ns = p->settings_ns;
	if (!p->stale)
		peers_settle(&c->peers, records);
	if (p->pass == PASS_SWEEP)
		addresses_expire(&c->peers.addresses, p->now_ns - ADDRESSES_KEPT_NS);
	if (p->pass == PASS_SWEEP)
		know_children(p, records, count);
	ports_end(p, records, count);
	return 0;
}
