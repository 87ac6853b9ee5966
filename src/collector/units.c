/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counted by process while the records pass by, added up by name once a poll.
 *
 * Trouble is the number of sockets that are being closed or would be reset, and the fullest accept queue in percent.
 * What there was fades by half in ten minutes, and who comes anew needs twice as much: so an incident
 * keeps its series for as long as people look at it.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collector/units.h"
#include "model/macro.h"

#define FADE_SECONDS 600.0
#define FORGET_NS (900 * NSEC_PER_SEC)
#define MORE_TWICE 2.0
#define MORE_AT_LEAST 10.0

static const uint8_t states[UNIT_STATE_MAX] = {
	[UNIT_ESTABLISHED] = TCPDIAG_ESTABLISHED, [UNIT_CLOSE_WAIT] = TCPDIAG_CLOSE_WAIT,
	[UNIT_FIN_WAIT1] = TCPDIAG_FIN_WAIT1,	  [UNIT_FIN_WAIT2] = TCPDIAG_FIN_WAIT2,
	[UNIT_LAST_ACK] = TCPDIAG_LAST_ACK,
};

void units_begin(struct units *units)
{
	if (units->count)
		memset(units->rows, 0, units->count * sizeof(*units->rows));
	units->count = 0;
	units->failed = false;
}

static struct unit_counts *row_of(struct units *units, uint32_t row)
{
	if (row >= units->room) {
		uint32_t room = MAX(units->room * 2, row + 1);
		struct unit_counts *rows = reallocarray(units->rows, room, sizeof(*rows));

		if (!rows) {
			units->failed = true;
			return NULL;
		}
		memset(rows + units->room, 0, (room - units->room) * sizeof(*rows));
		units->rows = rows;
		units->room = room;
	}
	units->count = MAX(units->count, row + 1);
	return &units->rows[row];
}

void units_add(struct units *units, uint32_t row, const struct record *record)
{
	const struct tcpdiag_socket *sk = &record->sk;
	struct unit_counts *counts = row == RECORD_NONE ? NULL : row_of(units, row);

	if (!counts)
		return;
	for (unsigned int i = 0; i < UNIT_STATE_MAX; i++)
		counts->sockets[i] += sk->state == states[i];
	counts->close_resets += record->close_rule != TCPDIAG_RULE_NONE &&
				record->close_segment == TCPDIAG_SEGMENT_RST;
	counts->orphans += sk->attachment == TCPDIAG_ORPHAN;
	if (sk->state == TCPDIAG_LISTEN && !sk->mptcp)
		counts->listener_ratio = MAX(counts->listener_ratio,
					     (double)sk->rqueue / MAX(sk->wqueue, 1U));
}

static void add(struct unit_counts *to, const struct unit_counts *from)
{
	for (unsigned int i = 0; i < UNIT_STATE_MAX; i++)
		to->sockets[i] += from->sockets[i];
	to->close_resets += from->close_resets;
	to->orphans += from->orphans;
	to->listener_ratio = MAX(to->listener_ratio, from->listener_ratio);
}

static double trouble_of(const struct unit_counts *counts)
{
	double trouble = counts->close_resets + 100.0 * MIN(counts->listener_ratio, 1);

	for (unsigned int i = 0; i < UNIT_STATE_MAX; i++)
		if (i != UNIT_ESTABLISHED)
			trouble += counts->sockets[i];
	return trouble;
}

static int compare_names(const void *a, const void *b)
{
	const struct unit_group *x = a, *y = b;

	return (x->name > y->name) - (x->name < y->name);
}

/* Most trouble first; without any, most connections. */
static int compare_trouble(const void *a, const void *b)
{
	const struct unit_group *x = a, *y = b;
	const double left = trouble_of(&x->counts), right = trouble_of(&y->counts);

	if (left != right)
		return left > right ? -1 : 1;
	if (x->counts.sockets[UNIT_ESTABLISHED] != y->counts.sockets[UNIT_ESTABLISHED])
		return x->counts.sockets[UNIT_ESTABLISHED] > y->counts.sockets[UNIT_ESTABLISHED]
			       ? -1
			       : 1;
	return compare_names(a, b);
}

/* One row a name. Return: how many. */
static uint32_t group_by_name(struct unit_group *groups, uint32_t count)
{
	uint32_t kept = 0;

	if (!count)
		return 0;
	qsort(groups, count, sizeof(*groups), compare_names);
	for (uint32_t i = 1; i < count; i++) {
		if (groups[i].name == groups[kept].name)
			add(&groups[kept].counts, &groups[i].counts);
		else
			groups[++kept] = groups[i];
	}
	qsort(groups, kept + 1, sizeof(*groups), compare_trouble);
	return kept + 1;
}

/* ---- places ---- */

static void fade(struct units *units, int64_t now_ns)
{
	const double seconds = (double)(now_ns - units->faded_ns) / (double)NSEC_PER_SEC;
	const double factor = exp2(-seconds / FADE_SECONDS);
	uint32_t kept = 0;

	units->faded_ns = now_ns;
	for (uint32_t i = 0; i < units->place_count; i++) {
		units->places[i].score *= factor;
		if (now_ns - units->places[i].seen_ns <= FORGET_NS) {
			if (kept != i)
				units->places[kept] = units->places[i];
			kept++;
		}
	}
	units->place_count = kept;
}

static struct unit_place *place_named(struct units *units, const char *name)
{
	for (uint32_t i = 0; i < units->place_count; i++)
		if (!strcmp(units->places[i].name, name))
			return &units->places[i];
	return NULL;
}

/* A place for a name that has none: a free one, or that of the one with least trouble. */
static struct unit_place *place_for(struct units *units, double trouble)
{
	struct unit_place *least = units->places;

	if (units->place_count < UNIT_PLACES)
		return &units->places[units->place_count++];
	for (uint32_t i = 1; i < UNIT_PLACES; i++)
		if (units->places[i].score < least->score)
			least = &units->places[i];
	return trouble > least->score * MORE_TWICE + MORE_AT_LEAST ? least : NULL;
}

static void find_places(struct units *units, const struct unit_group *groups, uint32_t count,
			int64_t now_ns, const struct snapshot_writer *w)
{
	struct unit_place *place;

	fade(units, now_ns);
	for (uint32_t i = 0; i < count; i++) {
		place = place_named(units, snapshot_writer_text(w, groups[i].name));
		if (!place)
			continue;
		place->score = MAX(place->score, trouble_of(&groups[i].counts));
		place->seen_ns = now_ns;
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *name = snapshot_writer_text(w, groups[i].name);
		const double trouble = trouble_of(&groups[i].counts);

		if (place_named(units, name))
			continue;
		place = place_for(units, trouble);
		if (!place)
			break;
		snprintf(place->name, sizeof(place->name), "%s", name);
		place->score = trouble;
		place->seen_ns = now_ns;
	}
}

/* ---- publishing ---- */

static void put(struct unit_totals *to, const struct unit_counts *counts)
{
	for (unsigned int i = 0; i < UNIT_STATE_MAX; i++)
		to->sockets[i] += counts->sockets[i];
	to->close_resets += counts->close_resets;
	to->orphans += counts->orphans;
	to->listener_ratio = MAX(to->listener_ratio, counts->listener_ratio);
}

static void put_all(struct units *units, const struct unit_group *groups, uint32_t count,
		    struct snapshot_writer *w)
{
	struct unit_totals *rows = w->header->units;
	uint32_t used = 1 + units->place_count;

	memset(rows, 0, sizeof(w->header->units));
	for (uint32_t i = 0; i < units->place_count; i++) {
		const char *name = units->places[i].name;

		rows[1 + i].name = snapshot_string(w, name, strlen(name));
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = 1;

		while (at < used && (!groups[i].name || rows[at].name != groups[i].name))
			at++;
		put(&rows[at < used ? at : 0], &groups[i].counts);
	}
	w->header->unit_count = used;
}

int units_publish(struct units *units, const struct process *processes, uint32_t process_count,
		  int64_t now_ns, struct snapshot_writer *w)
{
	struct unit_group *groups = units->groups;
	uint32_t count;

	if (units->failed)
		return -ENOMEM;
	if (process_count > units->group_room) {
		groups = reallocarray(groups, process_count, sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		units->groups = groups;
		units->group_room = process_count;
	}
	for (uint32_t i = 0; i < process_count; i++) {
		groups[i] = (struct unit_group){ .name = processes[i].unit_label };
		if (i < units->count)
			groups[i].counts = units->rows[i];
	}
	count = group_by_name(groups, process_count);
	find_places(units, groups, count, now_ns, w);
	put_all(units, groups, count, w);
	return 0;
}

void units_done(struct units *units)
{
	free(units->rows);
	free(units->groups);
	*units = (struct units){};
}
