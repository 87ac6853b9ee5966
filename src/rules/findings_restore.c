/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stood when the collector before this one ended: each finding keeps its id and its time, and does not
 * go only because its history (growth, how long something has lasted) begins anew.
 */
#include <errno.h>
#include <string.h>

#include "rules/family.h"

/* By then growth is known again, as far back as any rule asks. */
#define TRENDS_KNOWN_NS (TREND_SPAN_NS + TREND_STEP_NS)
#define LASTING_KNOWN_NS (5 * 60 * NSEC_PER_SEC)

/* Its process or listener may be gone by the first round, and nothing else says who it was. */
static void remember_names(struct tally *tally, const struct snapshot *snapshot,
			   const struct finding *row)
{
	struct sentence who = { 0 };
	size_t len;

	snprintf(tally->comm, sizeof(tally->comm), "%s", snapshot_text(snapshot, row->comm));
	snprintf(tally->unit, sizeof(tally->unit), "%s", snapshot_text(snapshot, row->unit));
	if (row->pid)
		sentence_add(&who, "%s (pid %d%s%s)", tally->comm, row->pid,
			     tally->unit[0] ? ", " : "", tally->unit);
	else if (tally->key.kind == TALLY_HOST)
		sentence_add(&who, "this machine");
	else
		sentence_add(&who, "%s", tally->unit[0] ? tally->unit : "an unknown process");
	len = MIN(who.len, sizeof(tally->who) - 1);
	memcpy(tally->who, who.text, len);
	tally->who[len] = '\0';
}

static bool is_restorable(const struct finding *row, int64_t now_ns)
{
	const struct finding_memory *memory = &row->memory;
	size_t i;

	if (!family_of((enum tcpdiag_rule)row->rule) || !row->id || row->since_ns <= 0 ||
	    row->since_ns > now_ns || memory->kind == TALLY_FREE || memory->kind >= TALLY_WATCH)
		return false;
	for (i = 0; i < ARRAY_SIZE(memory->severities); i++)
		if (memory->severities[i] >= SEVERITY_MAX)
			return false;
	return true;
}

/* Return: 0; -ENOSPC at the limit; -ENOMEM. */
static int restore(struct tallies *tallies, const struct snapshot *snapshot,
		   const struct finding *row, int64_t now_ns)
{
	const struct family *family = family_of((enum tcpdiag_rule)row->rule);
	const struct tally_key key = {
		.rule = row->rule, .kind = row->memory.kind, .a = row->memory.a, .b = row->memory.b
	};
	struct tally *tally;
	unsigned int i;

	if (tallies_find(tallies, &key))
		return 0;
	tally = tallies_add(tallies, &key);
	if (!tally)
		return -ENOSPC;
	tally->process = tally->listener = RECORD_NONE;
	tally->made_ns = tally->restored_ns = now_ns;
	tally->since_ns = row->since_ns;
	tally->id = row->id;
	tally->restored_count = row->count;
	tally->netns = row->netns;
	remember_names(tally, snapshot, row);
	for (i = 0; i < TALLY_PARTS; i++) {
		struct part *part = &tally->parts[i];

		part->example = RECORD_NONE;
		if (i < family->parts)
			part->condition.severity = row->memory.severities[i];
		if (i >= family->trends)
			continue;
		part->trend = malloc(sizeof(*part->trend));
		if (part->trend)
			trend_init(part->trend, now_ns, now_ns);
	}
	return 0;
}

uint32_t tallies_restore(struct tallies *tallies, const struct snapshot *snapshot, int64_t now_ns)
{
	uint32_t count = 0, i;

	now_ns = MAX(now_ns, 1);
	for (i = 0; i < snapshot->finding_count; i++)
		if (is_restorable(&snapshot->findings[i], now_ns) &&
		    restore(tallies, snapshot, &snapshot->findings[i], now_ns) == 0)
			count++;
	return count;
}

bool tally_is_kept(const struct round *round, const struct tally *tally, const struct part *part)
{
	int64_t wait = part->trend ? TRENDS_KNOWN_NS : LASTING_KNOWN_NS;
	uint32_t count = 0;
	unsigned int i;

	if (!tally->restored_ns || round->now_ns - tally->restored_ns >= wait || !part_total(part))
		return false;
	for (i = 0; i < TALLY_PARTS; i++)
		count += part_total(&tally->parts[i]);
	return count >= tally->restored_count * round->thresholds->clear_ratio / 100;
}
