/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes are grouped once a round, and only those that have created something. Strings are stored once in a
 * snapshot, so that equal units have equal offsets. What has no known creator (its process lived shorter than
 * a pass over the owners, or nobody looks) is counted as such and laid to nobody.
 */
#include <stdlib.h>

#include "rules/creators.h"
#include "rules/family.h"

static const enum tcpdiag_state states[CREATED_STATE_MAX] = {
	[CREATED_FIN_WAIT1] = TCPDIAG_FIN_WAIT1,
	[CREATED_FIN_WAIT2] = TCPDIAG_FIN_WAIT2,
	[CREATED_LAST_ACK] = TCPDIAG_LAST_ACK,
	[CREATED_CLOSING] = TCPDIAG_CLOSING,
};

void creators_add(struct round *round, enum creators_of which, const struct record *record)
{
	const uint32_t processes = round->input->process_count;
	struct created *row = &round->created[MIN(record->creator, processes)];

	for (unsigned int i = 0; i < CREATED_STATE_MAX; i++)
		row->count[which][i] += record->sk.state == states[i];
}

static uint32_t sum(const uint32_t count[CREATED_STATE_MAX])
{
	uint32_t total = 0;

	for (unsigned int i = 0; i < CREATED_STATE_MAX; i++)
		total += count[i];
	return total;
}

static void add(uint32_t to[CREATED_STATE_MAX], const uint32_t from[CREATED_STATE_MAX])
{
	for (unsigned int i = 0; i < CREATED_STATE_MAX; i++)
		to[i] += from[i];
}

static bool same_group(const struct creator_group *a, const struct creator_group *b)
{
	return (a->unit || a->container) && a->unit == b->unit && a->container == b->container;
}

static int compare_names(const void *a, const void *b)
{
	const struct creator_group *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	return (x->process > y->process) - (x->process < y->process);
}

static void keep_top(struct creators *creators, const struct creator_group *group)
{
	struct creator_group kept = *group;

	for (unsigned int i = 0; i < CREATORS_TOP; i++)
		if (kept.total > creators->top[i].total) {
			const struct creator_group less = creators->top[i];

			creators->top[i] = kept;
			kept = less;
		}
}

/* Those who have created something, one row a process. Return: how many. */
static uint32_t gather(struct round *round, enum creators_of which, struct creators *creators)
{
	const struct findings_input *input = round->input;
	uint32_t count = 0;

	for (uint32_t i = 0; i < input->process_count; i++) {
		const uint32_t *states_of = round->created[i].count[which];
		const uint32_t total = sum(states_of);
		struct creator_group *group = &round->groups[count];

		if (!total)
			continue;
		*group = (struct creator_group){
			.unit = input->processes[i].unit,
			.container = input->processes[i].container,
			.process = i,
			.processes = 1,
			.total = total,
		};
		add(group->count, states_of);
		add(creators->count, states_of);
		count++;
	}
	return count;
}

void creators_settle(struct round *round, enum creators_of which)
{
	const uint32_t *nobody = round->created[round->input->process_count].count[which];
	struct creators creators = { .unknown = sum(nobody) };
	struct creator_group *groups = round->groups;
	uint32_t count = gather(round, which, &creators), i, kept = 0;

	add(creators.count, nobody);
	creators.seen = sum(creators.count);
	qsort(groups, count, sizeof(*groups), compare_names);
	for (i = 0; i < count; i++) {
		if (kept && same_group(&groups[kept - 1], &groups[i])) {
			struct creator_group *group = &groups[kept - 1];

			group->processes++;
			group->total += groups[i].total;
			add(group->count, groups[i].count);
		} else {
			groups[kept++] = groups[i];
		}
	}
	for (i = 0; i < kept; i++)
		keep_top(&creators, &groups[i]);
	creators.groups = kept;
	round->creators[which] = creators;
}

double creators_share(const struct creators *creators)
{
	return creators->seen ? (double)creators->top[0].total / creators->seen : 0;
}

void creators_states(struct sentence *s, const uint32_t count[CREATED_STATE_MAX])
{
	const char *separator = " (";

	for (unsigned int i = 0; i < CREATED_STATE_MAX; i++) {
		if (!count[i])
			continue;
		sentence_add(s, "%s%s ", separator, tcpdiag_state_column(states[i]));
		sentence_number(s, count[i]);
		separator = ", ";
	}
	if (separator[0] == ',')
		sentence_add(s, ")");
}

/* All is 100 %, and only all. */
static void add_share(struct sentence *s, uint32_t part, uint32_t whole)
{
	const double percent = 100.0 * part / whole;

	if (percent < 1)
		sentence_add(s, " <1 %%");
	else
		sentence_add(s, " %.0f %%", part < whole && percent > 99 ? 99 : percent);
}

static void add_group(const struct round *round, struct sentence *s,
		      const struct creator_group *group)
{
	const struct process *process = &round->input->processes[group->process];
	const char *unit = snapshot_writer_text(round->w, process->unit);
	const char *container = snapshot_writer_text(round->w, process->container);
	const char *title = snapshot_writer_text(round->w, process->container_title);

	if (!*unit && !*container)
		sentence_process(round, s, process);
	else if (*unit)
		sentence_add(s, "%s", unit);
	if (!*container)
		return;
	sentence_add(s, "%s", *unit ? " in " : "");
	if (*title)
		sentence_add(s, "%s", title);
	else
		sentence_add(s, "container %.12s", container);
}

void creators_first(const struct round *round, enum creators_of which, struct sentence *s)
{
	const struct creators *creators = &round->creators[which];

	if (!creators->seen || 2 * creators->top[0].total < creators->seen)
		return;
	sentence_add(s, ",");
	add_share(s, creators->top[0].total, creators->seen);
	sentence_add(s, " by ");
	add_group(round, s, &creators->top[0]);
}

void creators_describe(const struct round *round, enum creators_of which, struct sentence *s)
{
	const struct creators *creators = &round->creators[which];
	const uint32_t shown = MIN(creators->groups, (uint32_t)CREATORS_TOP);
	uint32_t rest = creators->seen - creators->unknown;

	if (!creators->seen)
		return;
	for (uint32_t i = 0; i < shown; i++) {
		sentence_add(s, "%s", i ? ", " : "Created by ");
		add_group(round, s, &creators->top[i]);
		add_share(s, creators->top[i].total, creators->seen);
		creators_states(s, creators->top[i].count);
		rest -= creators->top[i].total;
	}
	if (creators->groups > shown) {
		sentence_add(s, ", ");
		sentence_count(s, creators->groups - shown, "other", "others");
		add_share(s, rest, creators->seen);
	}
	if (shown)
		sentence_add(s, ".");
	if (!creators->unknown)
		return;
	sentence_add(s, "%sOf ", shown ? " " : "");
	sentence_number(s, creators->unknown);
	sentence_add(s, " nobody knows who created %s.", creators->unknown == 1 ? "it" : "them");
}

void creators_evidence(const struct round *round, enum creators_of which, struct finding *row)
{
	const struct creators *creators = &round->creators[which];
	const struct creator_group *first = &creators->top[0];

	if (!creators->seen)
		return;
	evidence(row, EVIDENCE_CREATOR_UNKNOWN, creators->unknown);
	evidence(row, EVIDENCE_CREATOR_RATIO, creators_share(creators));
	if (2 * first->total < creators->seen)
		return;
	row->unit = first->unit;
	if (first->processes == 1)
		row->process = first->process;
}
