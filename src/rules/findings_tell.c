/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands, told: a row each, the worst first, with the evidence that all families share and the
 * sentences that each family writes.
 */
#include <errno.h>
#include <string.h>

#include "rules/family.h"

void sentence_process(const struct round *round, struct sentence *s, const struct process *process)
{
	const char *comm = snapshot_writer_text(round->w, process->comm);
	const char *unit = snapshot_writer_text(round->w, process->unit);
	const char *container = snapshot_writer_text(round->w, process->container);
	const char *title = snapshot_writer_text(round->w, process->container_title);

	sentence_add(s, "%s (pid %d", *comm ? comm : "a process", process->pid);
	if (*unit)
		sentence_add(s, ", %s", unit);
	if (*title)
		sentence_add(s, ", %s", title);
	else if (*container)
		sentence_add(s, ", container %.12s", container);
	sentence_add(s, ")");
}

static const struct part *worst_part(const struct tally *tally)
{
	const struct part *worst = &tally->parts[0];
	unsigned int i;

	for (i = 1; i < TALLY_PARTS; i++) {
		const struct part *part = &tally->parts[i];

		if (part->condition.severity > worst->condition.severity ||
		    (part->condition.severity == worst->condition.severity &&
		     part_count(part) > part_count(worst)))
			worst = part;
	}
	return worst;
}

static enum scope tally_scope(const struct family *family, const struct tally *tally)
{
	static const enum scope scopes[] = {
		[TALLY_UNIT] = SCOPE_UNIT,
		[TALLY_LISTENER] = SCOPE_LISTENER,
		[TALLY_NETNS] = SCOPE_NETNS,
		[TALLY_HOST] = SCOPE_HOST,
	};

	return tally->key.kind == TALLY_PROCESS ? family->scope : scopes[tally->key.kind];
}

static void common_evidence(const struct tally *tally, struct finding *row)
{
	const struct part *worst = worst_part(tally);
	int64_t oldest = 0;
	unsigned int i;

	for (i = 0; i < TALLY_PARTS; i++) {
		const struct part *part = &tally->parts[i];

		if (!part->condition.severity)
			continue;
		row->count += part_count(part);
		oldest = MAX(oldest, part->oldest_ns);
	}
	row->socket = worst->example;
	evidence(row, EVIDENCE_COUNT, row->count);
	if (row->count)
		evidence(row, EVIDENCE_OLDEST_SECONDS, seconds(oldest));
	if (worst->rate_known)
		evidence(row, EVIDENCE_GROWTH_PER_SECOND, worst->rate);
	if (tally->key.kind == TALLY_PROCESS && tally->descriptors)
		evidence(row, EVIDENCE_DESCRIPTORS, tally->descriptors);
	if (tally->key.kind == TALLY_PROCESS && tally->descriptor_limit)
		evidence(row, EVIDENCE_DESCRIPTOR_LIMIT, tally->descriptor_limit);
}

static uint32_t store(struct snapshot_writer *w, const struct sentence *s)
{
	return snapshot_string(w, s->text, s->len);
}

/* What stands only because it has not been gone for long enough says so. */
static void describe_clearing(const struct round *round, const struct tally *tally,
			      struct sentence *s)
{
	int64_t since = INT64_MAX;
	unsigned int i;

	for (i = 0; i < TALLY_PARTS; i++) {
		const struct condition *condition = &tally->parts[i].condition;

		if (!condition->severity)
			continue;
		if (!condition->below_since_ns || condition->below)
			return;
		since = MIN(since, condition->below_since_ns);
	}
	sentence_add(s, " It has been below what raised it for %.0f s and clears after ",
		     seconds(round->now_ns - since));
	sentence_duration(s, seconds(round->thresholds->clear_hold));
	sentence_add(s, ".");
}

/* It stands, and has been looked at: what was restored has no numbers before that. */
static bool is_told(const struct tally *tally)
{
	return tally->since_ns && (tally->seen_ns || !tally->restored_ns);
}

static struct finding_memory memory_of(const struct tally *tally)
{
	struct finding_memory memory = { .a = tally->key.a,
					 .b = tally->key.b,
					 .kind = tally->key.kind };
	size_t i;

	for (i = 0; i < TALLY_PARTS; i++)
		memory.severities[i] = tally->parts[i].condition.severity;
	return memory;
}

/* Nothing of it is left: what it was about must not be told as if it were. */
static bool is_over(const struct round *round, const struct tally *tally,
		    const struct family *family)
{
	unsigned int i;

	/* A setting has no sockets, and of a process that is not known yet they cannot be counted. */
	if (!family->over || tally->frozen || round->input->owners_pending ||
	    (tally->key.kind == TALLY_NETNS && tally->key.b))
		return false;
	for (i = 0; i < TALLY_PARTS; i++)
		if (part_total(&tally->parts[i]))
			return false;
	return true;
}

static void tell(const struct round *round, const struct tally *tally, struct finding *row)
{
	const struct family *family = family_of(tally->key.rule);
	struct sentence summary = { 0 }, cause = { 0 }, remedy = { 0 };

	*row = (struct finding){
		.id = tally->id,
		.since_ns = tally->since_ns,
		.rule = tally->key.rule,
		.severity = tally_severity(tally),
		.scope = (uint8_t)tally_scope(family, tally),
		.process = tally->processes ? RECORD_NONE : tally->process,
		.pid = tally->key.kind == TALLY_PROCESS ? (int32_t)tally->key.a : 0,
		.comm = snapshot_string(round->w, tally->comm,
					tally->processes ? 0 : strlen(tally->comm)),
		.netns = tally->netns,
		.unit = snapshot_string(round->w, tally->unit, strlen(tally->unit)),
		.memory = memory_of(tally),
	};
	common_evidence(tally, row);
	family->describe(round, tally, row, &summary, &cause, &remedy);
	if (is_over(round, tally, family)) {
		summary = (struct sentence){ 0 };
		sentence_add(&summary, "%s%s%s", family->scope == SCOPE_HOST ? "" : tally->who,
			     family->scope == SCOPE_HOST ? "" : " ", family->over);
	}
	describe_clearing(round, tally, &cause);
	row->summary = store(round->w, &summary);
	row->cause = store(round->w, &cause);
	row->remedy = store(round->w, &remedy);
}

void describe_oldest(struct sentence *s, const struct part *part)
{
	if (!part_total(part))
		return;
	sentence_add(s, ", oldest ");
	sentence_duration(s, seconds(part->oldest_ns));
}

void describe_growth(struct sentence *s, const struct part *part)
{
	if (!part->rate_known || part->rate < 0.001)
		return;
	sentence_add(s, "; growing ");
	if (part->rate >= 0.1) {
		sentence_rate(s, part->rate);
		sentence_add(s, "/s");
	} else {
		sentence_rate(s, part->rate * 60);
		sentence_add(s, "/min");
	}
}

/* When they run out at the present rate, where that is not further off than anybody plans for. */
static void describe_full(struct sentence *s, const struct tally *tally)
{
	const double day = 24 * 3600;
	double rate = 0, left = (double)tally->descriptor_limit - tally->descriptors;
	size_t i;

	for (i = 0; i < TALLY_PARTS; i++)
		if (tally->parts[i].rate_known)
			rate += MAX(tally->parts[i].rate, 0);
	if (left <= 0 || rate <= 0 || left / rate > day)
		return;
	sentence_add(s, ", full in ");
	sentence_duration(s, left / rate);
}

void describe_descriptors(struct sentence *s, const struct tally *tally)
{
	double percent;

	if (tally->key.kind != TALLY_PROCESS || !tally->descriptors || !tally->descriptor_limit)
		return;
	percent = 100.0 * tally->descriptors / tally->descriptor_limit;
	if (percent < 1)
		return;
	sentence_add(s, "; descriptors %.0f %% of ", percent);
	sentence_number(s, tally->descriptor_limit);
	describe_full(s, tally);
}

void describe_stretch(struct sentence *s, int64_t threshold_ns, int64_t lane_ns)
{
	if (lane_ns <= threshold_ns)
		return;
	sentence_add(s, " Sockets are looked at each ");
	sentence_duration(s, seconds(lane_ns / 2));
	sentence_add(s, " now, so the age asked for is ");
	sentence_duration(s, seconds(lane_ns));
	sentence_add(s, " instead of ");
	sentence_duration(s, seconds(threshold_ns));
	sentence_add(s, ".");
}

static int compare_rows(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->severity != y->severity)
		return y->severity - x->severity;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

int round_tell(const struct round *round)
{
	const struct tallies *tallies = round->tallies;
	_cleanup_free_ struct finding *rows = NULL;
	uint32_t length = round->w->string_length_max, count = 0, i;
	void *section;

	for (i = 0; i < tallies->used; i++)
		count += is_told(&tallies->rows[i]);
	rows = calloc(MAX(count, 1U), sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	round->w->string_length_max = MAX(length, SENTENCE_MAX);
	for (i = 0, count = 0; i < tallies->used; i++)
		if (is_told(&tallies->rows[i]))
			tell(round, &tallies->rows[i], &rows[count++]);
	round->w->string_length_max = length;
	qsort(rows, count, sizeof(*rows), compare_rows);
	section = snapshot_section(round->w, SECTION_FINDINGS, count, sizeof(*rows));
	if (!section)
		return -ENOMEM;
	if (count)
		memcpy(section, rows, count * sizeof(*rows));
	return (int)count;
}
