/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judging: each part of a tally against its family's thresholds, once to raise and once at 70 % to stay,
 * stepped through its hysteresis; who it is about is kept for the time when they are gone.
 */
#include <string.h>

#include "rules/family.h"

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
		if (tally->key.kind == TALLY_UNIT && tally->processes)
			sentence_add(&who, "%s", tally->unit);
		else
			sentence_process(round, &who, process);
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

bool round_judge(struct round *round, struct tally *tally)
{
	const struct family *family = family_of(tally->key.rule);
	const struct thresholds *thresholds = round->thresholds;
	bool raised = false;
	unsigned int i;

	if (tally->key.kind == TALLY_WATCH || tally->frozen)
		return false;
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
		if (tally_is_kept(round, tally, part))
			keep = MAX(keep, part->condition.severity);
		condition_step(&part->condition, raise, keep, round->now_ns,
			       thresholds->clear_hold);
	}
	if (!tally_severity(tally)) {
		tally->since_ns = 0;
	} else if (!tally->since_ns) {
		tally->since_ns = round->now_ns;
		tally->id = finding_id(tally);
		raised = true;
	}
	if (tally->since_ns)
		identify(round, tally);
	return raised;
}
