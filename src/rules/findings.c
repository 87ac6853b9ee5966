/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: walk, judge, tell.
 *
 * One walk over the records finds those that concern a family, nearly all by their state alone, and
 * adds them to tallies. Each tally's parts are then judged against the thresholds, once to raise and
 * once at 70 % to stay, and stepped through their hysteresis. What stands is described, and the
 * records that it rests on get its bit. Rows are made aside, since laying down a section moves the
 * block that everything else is read from.
 */
#include "rules/findings.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "rules/aborts.h"
#include "rules/family.h"

static const struct family *const families[] = {
	&finding_rst_on_close,
	&finding_fin_wait2_stuck,
	&finding_close_wait_leak,
	&finding_orphan_accumulation,
	&finding_listener_queue,
	&finding_linger_zero,
	&finding_linger_blocks,
	&finding_fin_timeout_cliff,
	&finding_late_data,
	&finding_dead_descriptor,
	&finding_orphan_stalled,
	&finding_fin_wait1_stalled,
	&finding_last_ack_stalled,
	&finding_tcp_memory,
	&finding_time_wait,
	&finding_aborts,
	&finding_ports,
	&finding_inherited,
};

#define AHEAD 16 /* records: by when the memory has answered */
#define FAMILIES ARRAY_SIZE(families)
static_assert(FAMILIES <= 32, "a bit each in struct asked");
#define FINDING_RULES (TCPDIAG_RULE_MAX - TCPDIAG_RULE_FINDING_FIRST)
#define FORGET_NS (TREND_SPAN_NS + TREND_STEP_NS)

struct findings {
	struct tallies tallies;
	struct marked *marks;
	uint32_t mark_count, mark_size;
	struct created *created;
	struct creator_group *groups;
	uint64_t *unit_hashes;
	uint32_t process_room; /* of all three */
	struct others_index others;
	int64_t last_ns; /* newest round; 0: none */
	int64_t known_since_ns; /* what was not tallied since then was not there */
	struct tally_key refused; /* the newest for which there was no room */
	uint64_t raised[FINDING_RULES];
	struct aborts aborts;
};

int findings_new(uint32_t max_findings, struct findings **ret)
{
	struct findings *findings = calloc(1, sizeof(*findings));

	if (!findings)
		return -ENOMEM;
	if (tallies_init(&findings->tallies, max_findings) < 0) {
		free(findings);
		return -ENOMEM;
	}
	*ret = findings;
	return 0;
}

struct findings *findings_free(struct findings *findings)
{
	if (findings) {
		tallies_done(&findings->tallies);
		free(findings->marks);
		free(findings->created);
		free(findings->groups);
		free(findings->unit_hashes);
		others_done(&findings->others);
		free(findings);
	}
	return NULL;
}

uint32_t findings_restore(struct findings *findings, const struct snapshot *snapshot,
			  int64_t now_ns)
{
	return tallies_restore(&findings->tallies, snapshot, now_ns);
}

uint64_t findings_raised(const struct findings *findings, enum tcpdiag_rule rule)
{
	if (rule < TCPDIAG_RULE_FINDING_FIRST || rule >= TCPDIAG_RULE_MAX)
		return 0;
	return findings->raised[rule - TCPDIAG_RULE_FINDING_FIRST];
}

const struct family *family_of(enum tcpdiag_rule rule)
{
	size_t i;

	for (i = 0; i < FAMILIES; i++)
		if (families[i]->rule == rule)
			return families[i];
	return NULL;
}

/* ---- tallies of a round ---- */

struct tally *round_tally(struct round *round, const struct tally_key *key)
{
	struct findings *findings = round->findings;
	struct tally *tally = tallies_find(round->tallies, key);
	const struct family *family;
	unsigned int i;

	if (tally)
		return tally;
	family = family_of(key->rule);
	tally = tallies_add(round->tallies, key);
	if (!tally) {
		/* Its sockets often come in a row: one key is counted once. */
		if (!tally_key_equal(&findings->refused, key))
			round->w->limits[LIMIT_FINDINGS]++;
		findings->refused = *key;
		return NULL;
	}
	tally->process = tally->listener = RECORD_NONE;
	tally->made_ns = round->now_ns;
	for (i = 0; i < TALLY_PARTS; i++) {
		struct part *part = &tally->parts[i];

		part->example = RECORD_NONE;
		if (key->kind == TALLY_WATCH || i >= family->trends)
			continue;
		part->trend = malloc(sizeof(*part->trend));
		if (part->trend)
			trend_init(part->trend, findings->known_since_ns + family->settles(round),
				   round->now_ns);
	}
	return tally;
}

static bool blind(const struct round *round, const struct family *family)
{
	return family && family->blind && family->blind(round);
}

/* What is still told of a blind family's are the numbers of when it could see. */
static void forget_round(struct round *round)
{
	struct tallies *tallies = round->tallies;
	uint32_t i, p;

	for (i = 0; i < tallies->used; i++) {
		struct tally *tally = &tallies->rows[i];

		tally->process = tally->listener = RECORD_NONE;
		tally->processes = 0;
		tally->frozen = blind(round, family_of(tally->key.rule));
		for (p = 0; p < TALLY_PARTS; p++) {
			struct part *part = &tally->parts[p];

			if (!tally->frozen)
				memset(part, 0, offsetof(struct part, condition));
			part->example = RECORD_NONE;
		}
	}
}

static uint32_t first_process(const struct round *round, const struct record *record)
{
	const struct findings_input *input = round->input;
	uint32_t row = record->creator;

	if (record->holders && record->holder < input->holder_count)
		row = input->holders[record->holder].process;
	return row < input->process_count ? row : RECORD_NONE;
}

/* The listener in whose queue a record waits, or that owns its port; NULL where not known. */
static const struct record *listener_of(const struct round *round, const struct record *record)
{
	return record->listener < round->record_count ? &round->records[record->listener] : NULL;
}

/* FNV-1a of the name of the process's unit, found once a round; 0 where it has none. */
static uint64_t unit_hash(const struct round *round, uint32_t row)
{
	const struct process *process = &round->input->processes[row];
	const char *c;
	uint64_t hash;

	if (!process->unit)
		return 0;
	if (!round->unit_hashes[row]) {
		hash = 14695981039346656037ULL;
		for (c = snapshot_writer_text(round->w, process->unit); *c; c++)
			hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
		round->unit_hashes[row] = hash ? hash : 1;
	}
	return round->unit_hashes[row];
}

uint32_t round_process(const struct round *round, const struct record *record)
{
	const struct record *listener = listener_of(round, record);

	if (record->sk.attachment == TCPDIAG_UNACCEPTED)
		return listener ? first_process(round, listener) : RECORD_NONE;
	return first_process(round, record);
}

/* Who answers for a socket: its process, its listener's process, its listener, its namespace. */
static struct tally_key owner_key(const struct round *round, const struct family *family,
				  const struct record *record, uint32_t *ret_process)
{
	struct tally_key key = { .rule = (uint8_t)family->rule, .kind = TALLY_HOST };
	const struct record *listener;
	uint32_t row;

	*ret_process = RECORD_NONE;
	if (family->key == FAMILY_BY_HOST)
		return key;
	listener = record->sk.state == TCPDIAG_LISTEN ? record : listener_of(round, record);
	row = round_process(round, record);
	if (row != RECORD_NONE) {
		const struct process *process = &round->input->processes[row];

		*ret_process = row;
		key.kind = TALLY_UNIT;
		key.b = family->key == FAMILY_BY_UNIT ? unit_hash(round, row) : 0;
		if (key.b)
			return key;
		key.kind = TALLY_PROCESS;
		key.a = (uint32_t)process->pid;
		key.b = process->start_time;
	} else {
		key.kind = listener ? TALLY_LISTENER : TALLY_NETNS;
		key.a = record->sk.netns;
		key.b = listener ? listener->sk.cookie : 0;
	}
	return key;
}

/* ---- the walk ---- */

static void add_queues(struct part *part, const struct tcpdiag_socket *sk)
{
	uint32_t unread = tcpdiag_unread_bytes(sk);

	part->unread_bytes += unread;
	part->unsent_bytes += tcpdiag_unsent_bytes(sk);
	if (sk->state != TCPDIAG_CLOSE_WAIT)
		return;
	if (unread)
		part->data_unread++;
	else if (sk->rqueue)
		part->eof_unread++;
	else
		part->eof_read++;
}

static void add_mark(struct part *part, const struct record *record, uint32_t row,
		     const struct mark *mark)
{
	uint32_t left;

	part->aged[mark->level]++;
	for (left = mark->flags; left; left &= left - 1)
		part->flagged[__builtin_ctz(left)]++;
	part->bytes += mark->bytes;
	add_queues(part, &record->sk);
	if (part->example == RECORD_NONE || mark->raise > part->raise ||
	    (mark->raise == part->raise && mark->age_ns > part->oldest_ns))
		part->example = row;
	part->oldest_ns = MAX(part->oldest_ns, mark->age_ns);
	part->raise = MAX(part->raise, mark->raise);
	part->keep = MAX(part->keep, mark->keep);
}

/*
 * A socket that would have been counted rounds ago, had the tally been there, was counted for somebody
 * else or for nobody: its process has just been found, or a process that shared it has ended. The new
 * tally's history is then not zero but unknown.
 */
static void doubt_history(const struct round *round, const struct family *family,
			  const struct tally *tally, const struct mark *mark)
{
	struct trend *trend = tally->parts[mark->part].trend;
	int64_t late = round->now_ns - round->findings->last_ns + TREND_STEP_NS;

	if (trend && mark->age_ns > family->settles(round) + late)
		trend->begin_ns = MAX(trend->begin_ns, round->now_ns);
}

static int remember_mark(struct findings *findings, uint32_t record, uint32_t tally,
			 const struct mark *mark)
{
	if (findings->mark_count == findings->mark_size) {
		uint32_t size = MAX(256U, findings->mark_size * 2);
		struct marked *marks = realloc(findings->marks, size * sizeof(*marks));

		if (!marks)
			return -ENOMEM;
		findings->marks = marks;
		findings->mark_size = size;
	}
	findings->marks[findings->mark_count++] = (struct marked){
		.record = record,
		.tally = tally & (TALLIES_MAX - 1),
		.part = mark->part & 0xf,
		.level = mark->level & 0xf,
	};
	return 0;
}

/* Its process is not known yet, and will be soon if it has one. */
static bool owner_pending(const struct round *round, const struct record *record,
			  const struct tally_key *key)
{
	const struct findings_input *input = round->input;

	if (key->kind == TALLY_PROCESS || key->kind == TALLY_UNIT || key->kind == TALLY_HOST)
		return false;
	if (record->sk.attachment == TCPDIAG_UNACCEPTED && listener_of(round, record))
		record = listener_of(round, record);
	/* Born may be as early as the sweep before the one that showed it, and accepted later. */
	return input->owners_pending ||
	       (input->owners_asked_ns &&
		record->born_ns + input->sweep_interval_ns > input->owners_asked_ns);
}

static int consider(struct round *round, const struct family *family, uint32_t row)
{
	const struct record *record = &round->records[row];
	struct mark mark = { .level = SEVERITY_INFO };
	struct tally_key key;
	struct tally *tally;
	uint32_t process;

	if (!family->concerns(round, record, &mark))
		return 0;
	key = owner_key(round, family, record, &process);
	if (owner_pending(round, record, &key))
		return 0;
	tally = round_tally(round, &key);
	if (!tally || tally->frozen)
		return 0;
	tally->seen_ns = round->now_ns;
	if (tally->process == RECORD_NONE)
		tally->process = process;
	tally->processes += process != tally->process;
	if (tally->listener == RECORD_NONE)
		tally->listener = record->sk.state == TCPDIAG_LISTEN ? row : record->listener;
	tally->netns = key.kind == TALLY_HOST ? 0 : record->sk.netns;
	add_mark(&tally->parts[mark.part], record, row, &mark);
	if (tally->made_ns == round->now_ns)
		doubt_history(round, family, tally, &mark);
	return remember_mark(round->findings, row, (uint32_t)(tally - round->tallies->rows), &mark);
}

/* Bits of families: who asks for a state, and who of these only for some settings. */
struct asked {
	uint32_t state[TCPDIAG_STATE_MAX];
	uint32_t settings;
};

static void ask(const struct round *round, struct asked *ret)
{
	size_t f, state;

	*ret = (struct asked){ 0 };
	for (f = 0; f < FAMILIES; f++) {
		if (blind(round, families[f]))
			continue;
		for (state = 0; state < TCPDIAG_STATE_MAX; state++)
			if (families[f]->states & TCPDIAG_STATE_BIT(state))
				ret->state[state] |= 1U << f;
		if (families[f]->settings)
			ret->settings |= 1U << f;
	}
}

static int look(struct round *round, const struct asked *asked, uint32_t row)
{
	struct record *record = &round->records[row];
	uint32_t left;
	int r;

	round->had = record->findings;
	if (record->findings)
		record->findings = 0;
	if (record->sk.state >= TCPDIAG_STATE_MAX || !findings_concern(record))
		return 0;
	left = asked->state[record->sk.state];
	if (!findings_settings(&record->sk))
		left &= ~asked->settings;
	for (; left; left &= left - 1) {
		r = consider(round, families[__builtin_ctz(left)], row);
		if (r < 0)
			return r;
	}
	return 0;
}

static void fetch(const struct record *record)
{
	__builtin_prefetch(&record->sk.state);
	__builtin_prefetch(&record->findings);
}

static int walk(struct round *round)
{
	const struct findings_input *input = round->input;
	uint32_t count = input->selected ? input->row_count : round->record_count, i;
	struct asked asked;
	int r;

	ask(round, &asked);
	for (i = 0; i < count; i++) {
		uint32_t row = input->selected ? input->rows[i] : i;
		uint32_t ahead = MIN(i + AHEAD, count - 1);

		ahead = input->selected ? input->rows[ahead] : ahead;
		if (ahead < round->record_count)
			fetch(&round->records[ahead]);
		if (row >= round->record_count)
			continue;
		r = look(round, &asked, row);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- a round ---- */

static void set_bits(const struct round *round)
{
	const struct findings *findings = round->findings;
	uint32_t i;

	for (i = 0; i < findings->mark_count; i++) {
		const struct marked *mark = &findings->marks[i];
		const struct tally *tally = &round->tallies->rows[mark->tally];

		if (tally->since_ns && mark->level <= tally->parts[mark->part].condition.severity)
			round->records[mark->record].findings |= finding_bit(tally->key.rule);
	}
}

/* A finding stands whose describe() asks for the other ends. */
static bool asks_for_others(const struct tally *tally)
{
	const struct family *family = tally->since_ns ? family_of(tally->key.rule) : NULL;

	return family && family->others;
}

/* Makes the other ends ready to be asked for, where a finding will. */
static int look_across(struct round *round)
{
	struct findings *findings = round->findings;
	const struct tallies *tallies = round->tallies;
	uint32_t i;

	round->marks = findings->marks;
	round->others = &findings->others;
	findings->others.tallies = 0;
	for (i = 0; i < tallies->used; i++)
		if (asks_for_others(&tallies->rows[i]))
			return others_prepare(&findings->others, findings->marks,
					      findings->mark_count, tallies->used,
					      round->input->process_count);
	return 0;
}

/* What is kept for each row of a process; one more for what nobody is known to have created. */
static int make_room(struct findings *findings, uint32_t processes)
{
	uint32_t room = processes + 1;
	struct creator_group *groups;
	struct created *created;
	uint64_t *hashes;

	if (room <= findings->process_room)
		return 0;
	created = reallocarray(findings->created, room, sizeof(*created));
	if (!created)
		return -ENOMEM;
	findings->created = created;
	groups = reallocarray(findings->groups, room, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	findings->groups = groups;
	hashes = reallocarray(findings->unit_hashes, room, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	findings->unit_hashes = hashes;
	findings->process_room = room;
	return 0;
}

static int begin(struct round *round)
{
	struct findings *findings = round->findings;
	uint32_t processes = round->input->process_count;
	uint32_t room = MAX(findings->tallies.max / 8, 1U), dropped;
	size_t i;
	int r;

	r = make_room(findings, processes);
	if (r < 0)
		return r;
	memset(findings->created, 0, (processes + 1) * sizeof(*findings->created));
	memset(findings->unit_hashes, 0, (processes + 1) * sizeof(*findings->unit_hashes));
	round->created = findings->created;
	round->groups = findings->groups;
	round->unit_hashes = findings->unit_hashes;

	dropped = tallies_expire(&findings->tallies, round->now_ns - FORGET_NS, findings->last_ns,
				 room);
	round->w->limits[LIMIT_FINDINGS] += dropped;
	/* What has no tally may have been there all the same: nobody looked, or it was dropped. */
	if (!findings->last_ns || dropped ||
	    round->now_ns - findings->last_ns > TREND_GAP_SLOTS * TREND_STEP_NS)
		findings->known_since_ns = round->now_ns;
	forget_round(round);
	findings->mark_count = 0;
	memset(&findings->refused, 0, sizeof(findings->refused));
	round->w->header->findings_blind = round->w->header->findings_partly = 0;
	for (i = 0; i < FAMILIES; i++) {
		if (blind(round, families[i]))
			round->w->header->findings_blind |= finding_bit(families[i]->rule);
		else if (families[i]->partly && families[i]->partly(round))
			round->w->header->findings_partly |= finding_bit(families[i]->rule);
		if (families[i]->begin)
			families[i]->begin(round);
	}
	return 0;
}

int findings_evaluate(struct findings *findings, const struct thresholds *thresholds,
		      const struct findings_input *input, struct snapshot_writer *w)
{
	struct round round = {
		.findings = findings,
		.tallies = &findings->tallies,
		.aborts = &findings->aborts,
		.thresholds = thresholds,
		.input = input,
		.w = w,
		.now_ns = MAX(input->now_ns, 1),
		.listeners_ns = 2 * (input->listeners_interval_ns ? input->listeners_interval_ns
								  : input->fast_interval_ns),
		.fast_ns = 2 * input->fast_interval_ns,
		.sweep_ns = 2 * input->sweep_interval_ns,
	};
	uint32_t i;
	size_t f;
	int r;

	round.records = snapshot_writer_records(w, &round.record_count);
	r = begin(&round);
	if (r < 0)
		return r;
	r = walk(&round);
	if (r < 0)
		return r;
	for (f = 0; f < FAMILIES; f++)
		if (families[f]->end)
			families[f]->end(&round);
	for (i = 0; i < findings->tallies.used; i++)
		if (round_judge(&round, &findings->tallies.rows[i]))
			findings->raised[findings->tallies.rows[i].key.rule -
					 TCPDIAG_RULE_FINDING_FIRST]++;
	findings->last_ns = round.now_ns;
	warming_tell(&round, findings->known_since_ns);
	set_bits(&round);
	r = look_across(&round);
	return r < 0 ? r : round_tell(&round);
}
