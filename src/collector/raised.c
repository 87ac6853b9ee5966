/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A finding has one id for as long as it lasts, whatever its numbers do, so ids are compared with those of the snapshot
 * before. They come in nearly the same order each time: the search goes on where the last one was found.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/raised.h"
#include "model/macro.h"

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static void describe(const struct snapshot *snapshot, const struct finding *finding,
		     struct event_finding *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->finding = finding->id;
	ret->since_ns = finding->since_ns;
	ret->pid = finding->pid;
	ret->netns = finding->netns;
	ret->count = finding->count;
	ret->rule = finding->rule;
	ret->severity = finding->severity;
	ret->scope = finding->scope;
	copy(ret->unit, sizeof(ret->unit), snapshot_text(snapshot, finding->unit));
	copy(ret->comm, sizeof(ret->comm), snapshot_text(snapshot, finding->comm));
	copy(ret->summary, sizeof(ret->summary), snapshot_text(snapshot, finding->summary));
}

static void tell(struct journal *journal, const struct snapshot_header *header,
		 enum event_kind kind, const struct event_finding *finding)
{
	struct event event = {
		.when_ns = header->now_ns,
		.wall_ns = header->wall_ns,
		.kind = (uint8_t)kind,
		.finding = *finding,
	};

	journal_add(journal, &event);
}

/* @from: where to begin. */
static struct raised_finding *find(const struct raised *raised, uint64_t id, uint32_t from)
{
	uint32_t i;

	for (i = 0; i < raised->count; i++) {
		struct raised_finding *item = &raised->items[(from + i) % raised->count];

		if (item->told.finding == id)
			return item;
	}
	return NULL;
}

static struct raised_finding *add(struct raised *raised, uint64_t id)
{
	if (raised->count == raised->room) {
		uint32_t room = MAX(raised->room * 2, 16U);
		struct raised_finding *items = reallocarray(raised->items, room,
							    sizeof(*raised->items));

		if (!items)
			return NULL;
		raised->items = items;
		raised->room = room;
	}
	raised->items[raised->count] = (struct raised_finding){ .told.finding = id };
	return &raised->items[raised->count++];
}

/* Return: its place, where the search for the next one begins. */
static uint32_t look_at(struct raised *raised, const struct snapshot *snapshot,
			const struct finding *finding, struct journal *journal, uint32_t from)
{
	struct raised_finding *item = find(raised, finding->id, from);
	uint8_t highest;

	if (!item)
		item = add(raised, finding->id);
	if (!item)
		return from;
	item->seen = true;
	highest = item->told.severity;
	describe(snapshot, finding, &item->told);
	if (item->told.severity > highest) {
		if (journal)
			tell(journal, snapshot->header, EVENT_FINDING_RAISED, &item->told);
	} else {
		item->told.severity = highest;
	}
	return (uint32_t)(item - raised->items) + 1;
}

static void clear(struct raised *raised, const struct snapshot_header *header,
		  struct journal *journal)
{
	uint32_t i, kept = 0;

	for (i = 0; i < raised->count; i++) {
		struct raised_finding *item = &raised->items[i];
		uint32_t bit = finding_bit((enum tcpdiag_rule)item->told.rule);

		if (!item->seen && !(header->findings_blind & bit)) {
			tell(journal, header, EVENT_FINDING_CLEARED, &item->told);
			continue;
		}
		item->seen = false;
		raised->items[kept++] = *item;
	}
	raised->count = kept;
}

static void look(struct raised *raised, const struct snapshot *snapshot, struct journal *journal)
{
	uint32_t i, from = 0;

	for (i = 0; i < snapshot->finding_count; i++) {
		const struct finding *finding = &snapshot->findings[i];

		if (finding->rule >= TCPDIAG_RULE_FINDING_FIRST && finding->rule < TCPDIAG_RULE_MAX)
			from = look_at(raised, snapshot, finding, journal, from);
	}
}

void raised_restore(struct raised *raised, const struct snapshot *snapshot)
{
	uint32_t i;

	look(raised, snapshot, NULL);
	for (i = 0; i < raised->count; i++)
		raised->items[i].seen = false;
}

void raised_look(struct raised *raised, const struct snapshot *snapshot, struct journal *journal)
{
	look(raised, snapshot, journal);
	clear(raised, snapshot->header, journal);
}

void raised_done(struct raised *raised)
{
	free(raised->items);
	*raised = (struct raised){ 0 };
}
