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

#include <errno.h>
#include <string.h>

#include "rules/family.h"

static const struct family *const families[] = {
	&finding_rst_on_close,	      &finding_fin_wait2_stuck, &finding_close_wait_leak,
	&finding_orphan_accumulation, &finding_listener_queue,
};

#define AHEAD 16 /* records: by when the memory has answered */
#define FAMILIES ARRAY_SIZE(families)
#define FINDING_RULES (TCPDIAG_RULE_MAX - TCPDIAG_RULE_FINDING_FIRST)
#define FORGET_NS (TREND_SPAN_NS + TREND_STEP_NS)

struct findings {
	struct tallies tallies;
	struct marked *marks;
	uint32_t mark_count, mark_size;
	uint32_t *created;
	uint32_t created_size;
	int64_t last_ns; /* newest round; 0: none */
	int64_t known_since_ns; /* what was not tallied since then was not there */
	struct tally_key refused; /* the newest for which there was no room */
	uint64_t raised[FINDING_RULES];
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
		free(findings);
	}
	return NULL;
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

static void forget_round(struct tallies *tallies)
{
	uint32_t i, p;

	for (i = 0; i < tallies->used; i++) {
		struct tally *tally = &tallies->rows[i];

		tally->process = tally->listener = RECORD_NONE;
		tally->frozen = false;
		for (p = 0; p < TALLY_PARTS; p++) {
			struct part *part = &tally->parts[p];

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

/* Who answers for a socket: its process, its listener's process, its listener, its namespace. */
static struct tally_key owner_key(const struct round *round, const struct family *family,
				  const struct record *record, uint32_t *ret_process)
{
	struct tally_key key = { .rule = (uint8_t)family->rule, .kind = TALLY_HOST };
	const struct record *listener;
	uint32_t row = RECORD_NONE;

	*ret_process = RECORD_NONE;
	if (family->key == FAMILY_BY_HOST)
		return key;
	listener = record->sk.state == TCPDIAG_LISTEN ? record : listener_of(round, record);
	if (record->sk.attachment != TCPDIAG_UNACCEPTED)
		row = first_process(round, record);
	else if (listener)
		row = first_process(round, listener);
	if (row != RECORD_NONE) {
		const struct process *process = &round->input->processes[row];

		*ret_process = row;
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
	part->aged[mark->level]++;
	part->blocked += !!(mark->flags & MARK_BLOCKS);
	part->blocked_guessed += !!(mark->flags & MARK_BLOCKS_GUESSED);
	part->queue_full += !!(mark->flags & MARK_QUEUE_FULL);
	part->direction_unknown += !!(mark->flags & MARK_DIRECTION_UNKNOWN);
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

	if (key->kind == TALLY_PROCESS || key->kind == TALLY_HOST)
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
	if (!tally)
		return 0;
	tally->seen_ns = round->now_ns;
	tally->process = process;
	if (tally->listener == RECORD_NONE)
		tally->listener = record->sk.state == TCPDIAG_LISTEN ? row : record->listener;
	tally->netns = key.kind == TALLY_HOST ? 0 : record->sk.netns;
	add_mark(&tally->parts[mark.part], record, row, &mark);
	if (tally->made_ns == round->now_ns)
		doubt_history(round, family, tally, &mark);
	return remember_mark(round->findings, row, (uint32_t)(tally - round->tallies->rows), &mark);
}

/* Every family that asks for its state looks at the record. @asked: bits of families, by state. */
static int look(struct round *round, const uint8_t asked[TCPDIAG_STATE_MAX], uint32_t row)
{
	struct record *record = &round->records[row];
	uint8_t left;
	int r;

	if (record->findings)
		record->findings = 0;
	if (record->sk.state >= TCPDIAG_STATE_MAX || !findings_concern(record))
		return 0;
	for (left = asked[record->sk.state]; left; left &= (uint8_t)(left - 1)) {
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
	uint8_t asked[TCPDIAG_STATE_MAX] = { 0 };
	size_t f;
	int r;

	for (f = 0; f < FAMILIES; f++)
		for (i = 0; i < TCPDIAG_STATE_MAX; i++)
			if (families[f]->states & TCPDIAG_STATE_BIT(i))
				asked[i] |= (uint8_t)(1U << f);
	for (i = 0; i < count; i++) {
		uint32_t row = input->selected ? input->rows[i] : i;
		uint32_t ahead = MIN(i + AHEAD, count - 1);

		ahead = input->selected ? input->rows[ahead] : ahead;
		if (ahead < round->record_count)
			fetch(&round->records[ahead]);
		if (row >= round->record_count)
			continue;
		r = look(round, asked, row);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- judging ---- */

int64_t part_sustained(struct part *part, bool holds, int64_t now_ns)
{
	if (!holds) {
		part->sustained_since_ns = 0;
		return -1;
	}
	if (!part->sustained_since_ns)
		part->sustained_since_ns = now_ns;
	return now_ns - part->sustained_since_ns;
}

uint32_t part_total(const struct part *part)
{
	return part->aged[SEVERITY_INFO] + part->aged[SEVERITY_WARNING] +
	       part->aged[SEVERITY_CRITICAL];
}

uint32_t part_count(const struct part *part)
{
	uint32_t count = 0, i;

	for (i = SEVERITY_INFO; i <= part->condition.severity; i++)
		count += part->aged[i];
	return count;
}

static void condition_step(struct condition *condition, uint8_t raise, uint8_t keep, int64_t now_ns,
			   int64_t hold_ns)
{
	keep = MAX(keep, raise);
	if (raise > condition->severity)
		condition->severity = raise;
	if (keep >= condition->severity) {
		condition->below_since_ns = 0;
		return;
	}
	if (!condition->below_since_ns) {
		condition->below_since_ns = now_ns;
		condition->below = SEVERITY_NONE;
	}
	condition->below = MAX(condition->below, keep);
	if (now_ns - condition->below_since_ns < hold_ns)
		return;
	condition->severity = condition->below;
	condition->below = keep;
	condition->below_since_ns = keep < condition->severity ? now_ns : 0;
}

static void follow_trend(const struct round *round, struct part *part)
{
	if (!part->trend)
		return;
	trend_add(part->trend, round->now_ns, part_total(part));
	if (part->rate_slot == part->trend->slot)
		return;
	part->rate_slot = part->trend->slot;
	part->rate_known = trend_rate(part->trend, round->now_ns, round->thresholds->rate_window,
				      &part->rate);
}

/* Who a tally is about, kept for the time when its process or listener is gone. */
static void identify(const struct round *round, struct tally *tally)
{
	struct sentence who = { 0 };
	size_t len;

	if (tally->process != RECORD_NONE) {
		const struct process *process = &round->input->processes[tally->process];

		snprintf(tally->comm, sizeof(tally->comm), "%s",
			 snapshot_writer_text(round->w, process->comm));
		snprintf(tally->unit, sizeof(tally->unit), "%s",
			 snapshot_writer_text(round->w, process->unit));
		sentence_add(&who, "%s (pid %d%s%s)", tally->comm[0] ? tally->comm : "a process",
			     process->pid, tally->unit[0] ? ", " : "", tally->unit);
	} else if (tally->key.kind == TALLY_LISTENER && tally->listener != RECORD_NONE) {
		const struct tcpdiag_socket *sk = &round->records[tally->listener].sk;

		sentence_add(&who, "the unknown process that listens on ");
		sentence_address(&who, sk->local, sk->local_port);
	} else if (tally->key.kind == TALLY_NETNS && !tally->who[0]) {
		sentence_add(&who, "an unknown process in network namespace %u", tally->key.a);
	} else if (tally->key.kind == TALLY_HOST) {
		sentence_add(&who, "this machine");
	}
	len = MIN(who.len, sizeof(tally->who) - 1);
	if (!len)
		return;
	memcpy(tally->who, who.text, len);
	tally->who[len] = '\0';
}

uint8_t tally_severity(const struct tally *tally)
{
	uint8_t severity = SEVERITY_NONE;
	unsigned int i;

	for (i = 0; i < TALLY_PARTS; i++)
		severity = MAX(severity, tally->parts[i].condition.severity);
	return severity;
}

/* FNV-1a over what makes one finding different from all others. */
static uint64_t finding_id(const struct tally *tally)
{
	const uint64_t words[] = { tally->key.rule, tally->key.kind, tally->key.a, tally->key.b,
				   (uint64_t)tally->since_ns };
	uint64_t hash = 14695981039346656037ULL;
	size_t i, shift;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		for (shift = 0; shift < 64; shift += 8)
			hash = (hash ^ (words[i] >> shift & 0xff)) * 1099511628211ULL;
	return hash ? hash : 1;
}

static void judge(struct round *round, struct tally *tally)
{
	const struct family *family = family_of(tally->key.rule);
	const struct thresholds *thresholds = round->thresholds;
	unsigned int i;

	if (tally->key.kind == TALLY_WATCH || tally->frozen)
		return;
	if (tally->process != RECORD_NONE) {
		tally->descriptors = round->input->processes[tally->process].descriptors;
		tally->descriptor_limit = round->input->processes[tally->process].descriptor_limit;
	}
	for (i = 0; i < family->parts; i++) {
		struct part *part = &tally->parts[i];
		uint8_t raise, keep;

		follow_trend(round, part);
		raise = (uint8_t)family->judge(round, tally, part, 1.0);
		keep = (uint8_t)family->judge(round, tally, part, thresholds->clear_ratio / 100);
		condition_step(&part->condition, raise, keep, round->now_ns,
			       thresholds->clear_hold);
	}
	if (!tally_severity(tally)) {
		tally->since_ns = 0;
	} else if (!tally->since_ns) {
		tally->since_ns = round->now_ns;
		tally->id = finding_id(tally);
		round->findings->raised[tally->key.rule - TCPDIAG_RULE_FINDING_FIRST]++;
	}
	if (tally->since_ns)
		identify(round, tally);
}

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

/* ---- a round ---- */

static int begin(struct round *round)
{
	struct findings *findings = round->findings;
	uint32_t processes = round->input->process_count;
	uint32_t room = MAX(findings->tallies.max / 8, 1U), dropped;
	size_t i;

	if (processes > findings->created_size) {
		uint32_t *created = realloc(findings->created, processes * sizeof(*created));

		if (!created)
			return -ENOMEM;
		findings->created = created;
		findings->created_size = processes;
	}
	if (processes)
		memset(findings->created, 0, processes * sizeof(*findings->created));
	round->created = findings->created;

	dropped = tallies_expire(&findings->tallies, round->now_ns - FORGET_NS, findings->last_ns,
				 room);
	round->w->limits[LIMIT_FINDINGS] += dropped;
	/* What has no tally may have been there all the same: nobody looked, or it was dropped. */
	if (!findings->last_ns || dropped ||
	    round->now_ns - findings->last_ns > TREND_GAP_SLOTS * TREND_STEP_NS)
		findings->known_since_ns = round->now_ns;
	forget_round(&findings->tallies);
	findings->mark_count = 0;
	memset(&findings->refused, 0, sizeof(findings->refused));
	for (i = 0; i < FAMILIES; i++)
		if (families[i]->begin)
			families[i]->begin(round);
	return 0;
}

int findings_evaluate(struct findings *findings, const struct thresholds *thresholds,
		      const struct findings_input *input, struct snapshot_writer *w)
{
	struct round round = {
		.findings = findings,
		.tallies = &findings->tallies,
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
		judge(&round, &findings->tallies.rows[i]);
	findings->last_ns = round.now_ns;
	set_bits(&round);
	return round_tell(&round);
}
