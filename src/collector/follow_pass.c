/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast lane without a dump: what was in a teardown state in the snapshot before, as far as it is due
 * (collector/rota.h), and what events have told of since (collector/follow.h), is looked up by its ends; only the
 * listeners are dumped, which lie in a table of their own.
 *
 * The records before are the memory of what is known, so an event that is lost costs until the next dump: each of those,
 * sweep or audit, compares what it shows with what stands here.
 *
 * Where the records of the news stand is found out while the fast lane walks over all records anyway, so nothing
 * here needs an index over them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "collector/settings.h"
#include "model/macro.h"

#define BATCH 512U
#define AHEAD 6U
#define GRACE_NS NSEC_PER_SEC /* an event that is under way comes within that */
#define TRIES_MAX 3 /* looks between the event and the new state */
#define LOOK_UP_NS 1000.0 /* while none was measured */
#define MEASURE_MIN 16U /* fewer tell nothing of the price of one */
#define SMOOTHING 0.3

struct follow_batch {
	const struct tcpdiag_socket *asked[BATCH];
	struct tcpdiag_socket ends[BATCH]; /* of the news */
	struct tcpdiag_socket found[BATCH];
	struct socket_settings settings[BATCH];
	uint32_t numbers[BATCH]; /* in the order, or of the entry */
	uint32_t count;
};

static bool is_on(const struct collector *c)
{
	return follow_since(c->follow) != INT64_MAX;
}

/* ---- before the pass ---- */

/* Nothing explains it: whether its namespace can be looked up at all is in doubt. */
static void on_suspect(void *context, const struct follow_entry *entry)
{
	struct poll *p = context;
	struct space *space = spaces_find(&p->c->spaces, entry->netns);

	if (space && entry->odd && entry->suspect == FOLLOW_LOST)
		follow_doubt(&space->follow, p->now_ns);
}

/* Those of namespaces that nobody reads go; of the others each waits in its namespace's chain. */
static void sort_news(struct poll *p)
{
	struct follow *follow = p->c->follow;
	struct follow_entry *entry;
	uint32_t cursor = 0;

	while ((entry = follow_next(follow, &cursor))) {
		struct space *space = spaces_find(&p->c->spaces, entry->netns);

		if (!space) {
			follow_drop(follow, entry);
			continue;
		}
		entry->position = RECORD_NONE;
		entry->known = entry->seen = entry->again = false;
		if (entry->suspect == FOLLOW_LOST)
			continue;
		space->changed_ns = MAX(space->changed_ns, entry->when_ns);
		entry->chain = space->follow.first_new;
		space->follow.first_new = follow_number(follow, entry);
		space->follow.news++;
	}
}

void follow_begin(struct poll *p)
{
	struct collector *c = p->c;

	p->follow_ns = 0;
	for (uint32_t i = 0; i < c->spaces.count; i++)
		c->spaces.rows[i]->follow.reads = false;
	if (p->pass < PASS_FAST || !is_on(c))
		return;
	p->follow_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < c->spaces.count; i++) {
		struct space_follow *space = &c->spaces.rows[i]->follow;

		space->known = space->news = space->due = space->asks = 0;
		space->looks = space->rests = (struct follow_chain){ .first = UINT32_MAX,
								     .last = UINT32_MAX };
		space->rests_ns = 0;
		space->first_new = UINT32_MAX;
	}
	follow_settle(c->follow, p->now_ns - GRACE_NS, on_suspect, p);
	sort_news(p);
}

/* One link for each number that the order has room for. */
static int make_chain(struct follow_lane *lane, uint32_t room)
{
	uint32_t *chain = reallocarray(lane->chain, room, sizeof(*chain));

	if (!chain)
		return -ENOMEM;
	lane->chain = chain;
	lane->chain_room = room;
	return 0;
}

static void add_link(struct follow_lane *lane, struct follow_chain *chain, uint32_t number)
{
	if (chain->first == UINT32_MAX)
		chain->first = number;
	else
		lane->chain[chain->last] = number;
	chain->last = number;
}

/* 0: there is none. */
static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns && b_ns ? MIN(a_ns, b_ns) : a_ns + b_ns;
}

/*
 * One in a teardown state of a namespace that this pass reads. @told: events have spoken of it.
 *
 * A dump in between shows the socket and not its settings: they have waited since before.
 */
static void sort_known(struct poll *p, const struct record *old, uint32_t number, bool told)
{
	struct space_follow *space = &p->space->follow;
	const int64_t looked_ns = look_up_can(&old->sk) ? MIN(old->seen_ns, old->settings_ns)
							: old->seen_ns;
	const bool due = told || rota_is_due(&p->rota, old, looked_ns);

	space->known++;
	space->due += due;
	space->news -= told;
	if (!due)
		space->rests_ns = earlier(space->rests_ns, old->seen_ns);
	space->asks += told || rota_is_due(&p->settings_rota, old, old->settings_ns);
	add_link(&p->c->follow_lane, due ? &space->looks : &space->rests, number);
}

int follow_meet(struct poll *p, const struct record *old, uint32_t position, uint32_t number)
{
	struct follow_lane *lane = &p->c->follow_lane;
	const bool known = number != UINT32_MAX && poll_tears_down(&old->sk);
	struct follow_entry *entry;

	if (!p->follow_ns)
		return 0;
	entry = follow_find(p->c->follow, old->sk.netns, old->sk.cookie);
	if (entry && entry->position == RECORD_NONE && !old->sk.mptcp) {
		entry->position = position;
		entry->known = known;
	}
	if (number == UINT32_MAX)
		return 0;
	if (number >= lane->chain_room && make_chain(lane, p->c->order_room) < 0)
		return -ENOMEM;
	lane->chain[number] = UINT32_MAX;
	if (known && p->space)
		sort_known(p, old, number, entry && entry->suspect != FOLLOW_LOST);
	return 0;
}

void follow_choose(struct poll *p)
{
	struct collector *c = p->c;
	struct follow_lane *lane = &c->follow_lane;
	struct follow_terms terms = {
		.now_ns = p->now_ns,
		.since_ns = p->follow_ns ? follow_since(c->follow) : INT64_MAX,
		.look_up_ns = lane->look_up_ns > 0 ? lane->look_up_ns : LOOK_UP_NS,
		.ask_ns = lane->ask_ns,
		.look_up = p->look_up && !p->look_up_error,
		.audit_ns = lane->audit_ns,
	};

	lane->spaces = lane->by_events = lane->looked_up = lane->left_alone = 0;
	lane->left_alone_ns = 0;
	for (uint32_t i = 0; i < c->spaces.count; i++) {
		struct space *space = c->spaces.rows[i];

		if (!space->chosen)
			continue;
		follow_plan(&space->follow, &terms);
		if (space->follow.audits)
			terms.audit_ns = follow_next_audit(&terms, space->follow.dump_ns);
		lane->spaces++;
		lane->by_events += space->follow.by_events;
	}
	lane->audit_ns = terms.audit_ns;
}

/* ---- in a namespace ---- */

static int make_batch(struct follow_lane *lane)
{
	if (!lane->batch)
		lane->batch = calloc(1, sizeof(*lane->batch));
	if (!lane->batch)
		return -ENOMEM;
	lane->batch->count = 0;
	return 0;
}

static int ask(struct poll *p)
{
	struct follow_batch *batch = p->c->follow_lane.batch;
	int r = sockets_look_up(p->c->bpf, batch->asked, batch->count, batch->found,
				batch->settings);

	p->c->follow_lane.looked_up += batch->count;
	return r < 0 ? r : 0;
}

static struct record row_of(const struct tcpdiag_socket *sk)
{
	return (struct record){ .sk = *sk,
				.holder = RECORD_NONE,
				.creator = RECORD_NONE,
				.listener = RECORD_NONE,
				.peer = RECORD_NONE };
}

static int put(struct poll *p, uint32_t i, uint32_t position, uint32_t number)
{
	const struct follow_batch *batch = p->c->follow_lane.batch;
	struct record row = row_of(&batch->found[i]);

	return poll_put_at(p, &row, &batch->settings[i], position, number);
}

/* Few of many records, each far from the one before: it and its copy are fetched some time ahead. */
static void fetch(const struct poll *p, const struct record *records, uint32_t i)
{
	const struct follow_batch *batch = p->c->follow_lane.batch;
	uint32_t position;

	if (i >= batch->count)
		return;
	position = p->c->order[batch->numbers[i]];
	record_prefetch(&p->before.records[position]);
	record_prefetch_write(&records[position]);
}

/* The next ones of a chain. Return: where it goes on. */
static uint32_t gather_known(struct poll *p, uint32_t number)
{
	struct follow_lane *lane = &p->c->follow_lane;
	struct follow_batch *batch = lane->batch;

	for (batch->count = 0; number != UINT32_MAX && batch->count < BATCH;
	     number = lane->chain[number]) {
		const struct tcpdiag_socket *sk = &p->before.records[p->c->order[number]].sk;

		/* Its ends, and the states behind. */
		__builtin_prefetch(sk);
		__builtin_prefetch(&sk->state);
		batch->numbers[batch->count] = number;
		batch->asked[batch->count++] = sk;
	}
	return number;
}

static void missed(struct poll *p, const struct tcpdiag_socket *sk)
{
	if (sk->state == TCPDIAG_FIN_WAIT1 || sk->state == TCPDIAG_FIN_WAIT2)
		follow_missed(p->c->follow, sk, p->follow_ns);
}

/* What was in a teardown state and is due, in the order of its records. */
static int read_known(struct poll *p, const struct space *space)
{
	struct follow_batch *batch = p->c->follow_lane.batch;
	uint32_t number = space->follow.looks.first, count;
	const struct record *records = snapshot_writer_records(&p->w, &count);
	int r = 0;

	while (number != UINT32_MAX && r == 0) {
		number = gather_known(p, number);
		r = ask(p);
		for (uint32_t i = 0; i < AHEAD; i++)
			fetch(p, records, i);
		for (uint32_t i = 0; i < batch->count && r == 0; i++) {
			fetch(p, records, i + AHEAD);
			if (batch->found[i].cookie && poll_tears_down(&batch->found[i]))
				r = put(p, i, p->c->order[batch->numbers[i]], batch->numbers[i]);
			else if (!batch->found[i].cookie)
				missed(p, batch->asked[i]);
		}
	}
	return r;
}

static void ends_of(const struct follow_entry *entry, struct tcpdiag_socket *sk)
{
	*sk = (struct tcpdiag_socket){
		.cookie = entry->cookie,
		.local_port = entry->local_port,
		.remote_port = entry->remote_port,
		.netns = entry->netns,
		.ifindex = entry->ifindex,
		.state = entry->state,
		.family = entry->family,
		.mapped = entry->mapped,
	};
	memcpy(sk->local, entry->local, sizeof(sk->local));
	memcpy(sk->remote, entry->remote, sizeof(sk->remote));
}

/* A new one has been looked for. Return: 0 or -ENOMEM. */
static int take_new(struct poll *p, uint32_t i, struct follow_entry *entry)
{
	const struct tcpdiag_socket *sk = &p->c->follow_lane.batch->found[i];
	int r = 0;

	if (sk->cookie && poll_tears_down(sk)) {
		r = put(p, i, entry->position, UINT32_MAX);
	} else if (sk->cookie && sk->kind == TCPDIAG_KIND_FULL && entry->tries < TRIES_MAX) {
		/* The kernel tells before it does. */
		entry->tries++;
		return 0;
	} else if (entry->suspect == FOLLOW_EXTRA) {
		return 0;
	}
	follow_drop(p->c->follow, entry);
	return r;
}

/* It has been looked at with the others; the change may only just be coming: the next pass looks again. */
static void drop_known(struct poll *p, struct follow_entry *entry)
{
	uint32_t count;
	struct record *records = snapshot_writer_records(&p->w, &count);

	if (entry->position < count)
		records[entry->position].quiet = 0;
	follow_drop(p->c->follow, entry);
}

static int read_news(struct poll *p, const struct space *space)
{
	struct follow *follow = p->c->follow;
	struct follow_batch *batch = p->c->follow_lane.batch;
	uint32_t number = space->follow.first_new;
	int r = 0;

	while (number != UINT32_MAX && r == 0) {
		for (batch->count = 0; number != UINT32_MAX && batch->count < BATCH;) {
			struct follow_entry *entry = follow_at(follow, number);

			batch->numbers[batch->count] = number;
			number = entry->chain;
			if (entry->again)
				continue;
			if (entry->known) {
				drop_known(p, entry);
				continue;
			}
			ends_of(entry, &batch->ends[batch->count]);
			batch->asked[batch->count] = &batch->ends[batch->count];
			batch->count++;
		}
		r = ask(p);
		for (uint32_t i = 0; i < batch->count && r == 0; i++)
			r = take_new(p, i, follow_at(follow, batch->numbers[i]));
	}
	return r;
}

static int read_both(struct poll *p, const struct space *space)
{
	int r = read_known(p, space);

	return r < 0 ? r : read_news(p, space);
}

/* The program looks where the calling thread is. */
static int read_in(struct poll *p, const struct space *space)
{
	struct netns_watch *watch = p->c->census.watch;
	int r;

	if (space->own)
		return read_both(p, space);
	r = watch ? netns_enter(watch, space->inode) : -ENOENT;
	if (r < 0)
		return r;
	r = read_both(p, space);
	netns_leave(watch);
	return r;
}

static double smoothed(double before, double each)
{
	return before > 0 ? SMOOTHING * each + (1 - SMOOTHING) * before : each;
}

/* What is not due stands as it was. */
static void keep_rests(struct poll *p, const struct space *space)
{
	struct follow_lane *lane = &p->c->follow_lane;
	uint32_t number;

	for (number = space->follow.rests.first; number != UINT32_MAX; number = lane->chain[number])
		join_keep(&p->c->join, p->c->order[number]);
	lane->left_alone += space->follow.known - space->follow.due;
	lane->left_alone_ns = earlier(lane->left_alone_ns, space->follow.rests_ns);
}

bool follow_rests(const struct poll *p, const struct record *record)
{
	return p->space && p->space->follow.reads && record->seen_ns < p->now_ns;
}

int follow_read(struct poll *p, struct space *space)
{
	struct follow_lane *lane = &p->c->follow_lane;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint32_t before = lane->looked_up, looked_up;
	int r = make_batch(lane);

	if (r == 0 && (space->follow.known || space->follow.news))
		r = read_in(p, space);
	looked_up = lane->looked_up - before;
	lane->reads++;
	if (r < 0) {
		/* A device has gone that some are bound to, or the namespace has. */
		space->follow.reads = false;
		follow_doubt(&space->follow, p->now_ns);
		return r;
	}
	if (looked_up >= MEASURE_MIN)
		lane->look_up_ns =
			smoothed(lane->look_up_ns,
				 (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) / looked_up);
	keep_rests(p, space);
	return 0;
}

void follow_asked(struct poll *p, uint32_t count, int64_t cost_ns)
{
	struct follow_lane *lane = &p->c->follow_lane;

	if (count >= MEASURE_MIN)
		lane->ask_ns = smoothed(lane->ask_ns, (double)cost_ns / count);
}

/* ---- the audit ---- */

void follow_saw(struct poll *p, const struct tcpdiag_socket *sk, bool was)
{
	struct follow_entry *entry;
	const struct space *space;

	if (!p->follow_ns || sk->mptcp || !poll_tears_down(sk))
		return;
	space = poll_in(p, sk->netns);
	if (!space || !space->chosen || space->follow.reads)
		return;
	entry = follow_find(p->c->follow, sk->netns, sk->cookie);
	if (entry)
		entry->seen = true;
	else if (!was && space->follow.seeded_ns)
		follow_suspect(p->c->follow, sk, p->follow_ns,
			       space->follow.seeded_ns >= follow_since(p->c->follow));
}

void follow_saw_all(struct poll *p, struct space *space, int64_t cost_ns)
{
	p->c->follow_lane.dumps++;
	if (!p->follow_ns)
		return;
	follow_dumped(p->c->follow, space->inode, p->follow_ns);
	follow_seeded(&space->follow, p->follow_ns, (double)cost_ns,
		      space->follow.known + space->follow.news);
}

void follow_publish(const struct collector *c, struct follow_totals *ret)
{
	const struct follow_stats *stats = follow_stats(c->follow);
	const struct follow_lane *lane = &c->follow_lane;
	const struct space_follow *own = &c->spaces.own->follow;

	*ret = (struct follow_totals){
		.known = is_on(c),
		.by_events = is_on(c) && own->by_events,
		.namespaces = lane->spaces,
		.namespaces_by_events = lane->by_events,
		.looked_up = lane->looked_up,
		.left_alone = lane->left_alone,
		.left_alone_ns = lane->left_alone_ns,
		.look_up_ns = lane->look_up_ns,
		.dump_ns = own->dump_ns,
		.entered = stats->entered,
		.gaps = stats->gaps,
		.lost = stats->lost,
		.extra = stats->extra,
		.reads = lane->reads,
		.dumps = lane->dumps,
	};
}

void follow_lane_done(struct follow_lane *lane)
{
	free(lane->batch);
	free(lane->chain);
	*lane = (struct follow_lane){};
}
