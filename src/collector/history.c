/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rings behind SECTION_HISTORY, SECTION_ENDED and SECTION_NAMES. Places are used in turn; those of the
 * ended are found by cookie through chained heads, since a socket that vanished may come back as a timewait
 * minisocket (net/ipv4/tcp_minisocks.c:tcp_time_wait()).
 */
#include <errno.h>
#include <string.h>

#include "collector/history.h"
#include "model/macro.h"

#define LIVED_NS (60 * NSEC_PER_SEC) /* so long, and its end is worth a place of its own */
#define NAME_CACHE 64U

enum ended_class { ENDED_ORDINARY, ENDED_NOTABLE, ENDED_CLASSES };

/* Places [first, first + count) of the ended. */
struct ended_part {
	uint32_t first, count;
	uint32_t next; /* place within it that is written next */
	uint32_t used; /* places that were ever written */
	uint32_t written; /* in this poll */
};

struct history {
	struct history_header header;
	struct history_entry *entries;
	uint32_t used; /* places */
	uint32_t replaced, findings_written; /* in this poll */

	struct history_name *names;
	uint32_t names_used;

	struct ended *ended;
	uint32_t *links; /* place + 1 of the next in its chain */
	uint32_t *heads;
	uint32_t head_count; /* a power of two; 0: no ended are kept */
	struct ended_part parts[ENDED_CLASSES];

	int64_t now_ns, reach_ns;
	uint64_t entries_lost, ended_lost;
};

static uint32_t power_of_two(uint32_t wanted)
{
	uint32_t power = 1;

	while (power < wanted)
		power *= 2;
	return power;
}

static int make_ended(struct history *history, uint32_t count)
{
	struct ended_part *parts = history->parts;

	parts[ENDED_NOTABLE].count = count / 2;
	parts[ENDED_ORDINARY].count = parts[ENDED_NOTABLE].first = count - count / 2;
	history->head_count = count ? power_of_two(count) : 0;
	history->ended = calloc(MAX(count, 1U), sizeof(*history->ended));
	history->links = calloc(MAX(count, 1U), sizeof(*history->links));
	history->heads = calloc(MAX(history->head_count, 1U), sizeof(*history->heads));
	return history->ended && history->links && history->heads ? 0 : -ENOMEM;
}

int history_new(uint32_t entries, uint32_t ended, struct history **ret)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return -ENOMEM;
	history->header.size = entries ? power_of_two(entries) : 0;
	history->header.next = history->header.names_next = 1;
	history->entries = calloc(MAX(history->header.size, 1U), sizeof(*history->entries));
	history->names = calloc(HISTORY_NAMES, sizeof(*history->names));
	if (!history->entries || !history->names || make_ended(history, ended) < 0) {
		history_free(history);
		return -ENOMEM;
	}
	*ret = history;
	return 0;
}

struct history *history_free(struct history *history)
{
	if (history) {
		free(history->entries);
		free(history->names);
		free(history->ended);
		free(history->links);
		free(history->heads);
		free(history);
	}
	return NULL;
}

void history_begin(struct history *history, int64_t now_ns, int64_t reach_ns)
{
	int i;

	history->now_ns = now_ns;
	history->reach_ns = reach_ns;
	history->replaced = history->findings_written = 0;
	for (i = 0; i < ENDED_CLASSES; i++)
		history->parts[i].written = 0;
	if (!history->header.since_ns)
		history->header.since_ns = now_ns;
}

/* ---- entries ---- */

/* sock_diag gives ~0 where there is no cookie. */
static bool has_cookie(const struct tcpdiag_socket *sk)
{
	return sk->cookie && sk->cookie != UINT64_MAX;
}

/* The newest entry of the record is this one from now on; NULL where there is no room for it. */
static struct history_entry *push(struct history *history, struct record *record,
				  enum history_kind kind, int64_t when_ns)
{
	struct history_header *header = &history->header;
	struct history_entry *entry;
	uint32_t place;

	if (!header->size || !has_cookie(&record->sk))
		return NULL;
	place = header->next & (header->size - 1);
	entry = &history->entries[place];
	if (entry->kind != HISTORY_NONE) {
		if (history->replaced >= MAX(header->size / 4, 1U)) {
			history->entries_lost++;
			return NULL;
		}
		history->replaced++;
		header->overwritten++;
	}
	history->used = MAX(history->used, place + 1);
	*entry = (struct history_entry){
		.cookie = record->sk.cookie,
		.when_ns = when_ns,
		.netns = record->sk.netns,
		.before = record->history,
		.kind = (uint8_t)kind,
	};
	record->history = header->next;
	header->next = history_number_after(header->next);
	return entry;
}

static uint8_t exact(bool is)
{
	return is ? HISTORY_EXACT : 0;
}

static void note_attachment(struct history *history, struct record *record, uint8_t before,
			    int64_t seen_ns)
{
	struct history_entry *entry = push(history, record, HISTORY_ATTACHMENT, history->now_ns);

	if (!entry)
		return;
	entry->a = before;
	entry->b = record->sk.attachment;
	entry->flags = exact(history->now_ns - seen_ns <= history->reach_ns);
}

void history_change(struct history *history, struct record *new, const struct record *old)
{
	if (new->sk.state != old->sk.state || new->sk.kind != old->sk.kind) {
		struct history_entry *entry;

		entry = push(history, new, HISTORY_STATE, old->state_since_ns);
		if (entry) {
			entry->a = old->sk.state;
			entry->flags = exact(old->flags & RECORD_STATE_EXACT);
		}
	}
	/* That nobody has what is in TIME-WAIT goes without saying. */
	if (new->sk.attachment != old->sk.attachment &&
	    (new->sk.kind == old->sk.kind || new->sk.state == old->sk.state))
		note_attachment(history, new, old->sk.attachment, old->seen_ns);
}

void history_attachment(struct history *history, struct record *record, uint8_t before)
{
	/* The walks over the processes are farther apart than the looks. */
	note_attachment(history, record, before, 0);
}

/* The number of a name, which is stored once as long as it is the newest of its pid. */
static uint32_t name_number(struct history *history, const struct history_name *name)
{
	struct history_header *header = &history->header;
	uint32_t ago, number = header->names_next;
	struct history_name *place;

	for (ago = 1; ago <= NAME_CACHE && ago < header->names_next; ago++) {
		place = &history->names[(number - ago) & (HISTORY_NAMES - 1)];
		if (place->number == number - ago && place->pid == name->pid &&
		    place->start_time == name->start_time)
			return place->number;
	}
	place = &history->names[number & (HISTORY_NAMES - 1)];
	*place = *name;
	place->number = number;
	history->names_used = MAX(history->names_used, (number & (HISTORY_NAMES - 1)) + 1);
	header->names_next = history_number_after(number);
	return number;
}

void history_holder(struct history *history, struct record *record, const struct history_name *name)
{
	struct history_entry *entry = push(history, record, HISTORY_HOLDER, history->now_ns);

	if (entry)
		entry->name = name_number(history, name);
}

void history_findings(struct history *history, struct record *record, uint32_t before)
{
	uint32_t left = before ^ record->findings;

	for (; left; left &= left - 1) {
		uint8_t rule = (uint8_t)__builtin_ctz(left);
		struct history_entry *entry;

		/* One finding about a hundred thousand sockets shall leave room for their states. */
		if (history->findings_written >= MAX(history->header.size / 16, 1U)) {
			history->entries_lost++;
			continue;
		}
		entry = push(history, record,
			     record->findings >> rule & 1 ? HISTORY_RAISED : HISTORY_CLEARED,
			     history->now_ns);
		if (!entry)
			continue;
		history->findings_written++;
		entry->a = rule;
		entry->flags = HISTORY_EXACT;
	}
}

/* ---- sockets that have ended ---- */

static uint32_t *head_of(const struct history *history, const struct tcpdiag_socket *sk)
{
	uint64_t hash = (sk->cookie ^ (uint64_t)sk->netns << 32) * 0x9e3779b97f4a7c15ULL;

	return &history->heads[hash >> 32 & (history->head_count - 1)];
}

static void release(struct history *history, uint32_t place)
{
	struct ended *row = &history->ended[place];
	uint32_t *link;

	if (!row->gone_ns)
		return;
	link = head_of(history, &row->record.sk);
	while (*link && *link != place + 1)
		link = &history->links[*link - 1];
	if (*link)
		*link = history->links[place];
	row->gone_ns = 0;
}

void history_revive(struct history *history, const struct tcpdiag_socket *old)
{
	uint32_t at;

	if (!history->head_count)
		return;
	for (at = *head_of(history, old); at; at = history->links[at - 1]) {
		const struct tcpdiag_socket *sk = &history->ended[at - 1].record.sk;

		if (sk->cookie != old->cookie || sk->netns != old->netns)
			continue;
		release(history, at - 1);
		return;
	}
}

/* A life that somebody may ask about later, unlike that of most connections of a busy server. */
static enum ended_class class_of(const struct record *record)
{
	int64_t until = record->sk.kind == TCPDIAG_KIND_TIMEWAIT ? record->state_since_ns
								 : record->seen_ns;

	return record->findings || until - record->born_ns >= LIVED_NS ? ENDED_NOTABLE
								       : ENDED_ORDINARY;
}

static void put_ended(struct history *history, enum ended_class class, const struct record *record,
		      int64_t gone_ns)
{
	struct ended_part *part = &history->parts[class];
	uint32_t place = part->first + part->next, *head;
	struct ended *row = &history->ended[place];

	history->header.ended_overwritten += row->gone_ns != 0;
	release(history, place);
	part->next = (part->next + 1) % part->count;
	part->used = MAX(part->used, place - part->first + 1);
	row->record = *record;
	row->record.listener = row->record.peer = RECORD_NONE;
	row->gone_ns = gone_ns;
	head = head_of(history, &record->sk);
	history->links[place] = *head;
	*head = place + 1;
}

void history_end(struct history *history, const struct record *record)
{
	enum ended_class class = class_of(record);
	struct ended_part *part = &history->parts[class];

	/* Of a flood of requests nobody wants to know the last. */
	if (!part->count || !has_cookie(&record->sk) || record->sk.kind == TCPDIAG_KIND_REQUEST)
		return;
	if (part->written >= part->count) {
		history->ended_lost++;
		return;
	}
	part->written++;
	history_revive(history, &record->sk);
	put_ended(history, class, record, history->now_ns);
}

struct record *history_next_ended(struct history *history, uint32_t *cursor)
{
	uint32_t count = history->parts[ENDED_NOTABLE].first + history->parts[ENDED_NOTABLE].count;

	while (*cursor < count) {
		struct ended *row = &history->ended[(*cursor)++];

		if (row->gone_ns)
			return &row->record;
	}
	return NULL;
}

/* ---- from and to snapshots ---- */

static int publish_rows(struct snapshot_writer *w, enum section_id id, const void *rows,
			uint32_t count, size_t stride)
{
	void *section;

	if (!count)
		return 0;
	section = snapshot_section_raw(w, id, count, stride);
	if (!section)
		return -ENOMEM;
	memcpy(section, rows, count * stride);
	return 0;
}

static int publish_ended(const struct history *history, struct snapshot_writer *w)
{
	uint32_t count = 0;
	struct ended *rows;
	int i;

	for (i = 0; i < ENDED_CLASSES; i++)
		count += history->parts[i].used;
	if (!count)
		return 0;
	rows = snapshot_section_raw(w, SECTION_ENDED, count, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < ENDED_CLASSES; i++) {
		const struct ended_part *part = &history->parts[i];

		if (part->used)
			memcpy(rows, &history->ended[part->first], part->used * sizeof(*rows));
		rows += part->used;
	}
	return 0;
}

int history_publish(const struct history *history, struct snapshot_writer *w)
{
	if (publish_rows(w, SECTION_HISTORY, history->entries, history->used,
			 sizeof(*history->entries)) < 0 ||
	    publish_rows(w, SECTION_NAMES, history->names, history->names_used,
			 sizeof(*history->names)) < 0 ||
	    publish_ended(history, w) < 0)
		return -ENOMEM;
	w->header->history = history->header;
	w->header->limits[LIMIT_HISTORY] += history->entries_lost;
	w->header->limits[LIMIT_ENDED] += history->ended_lost;
	return 0;
}

static void restore_entries(struct history *history, const struct snapshot *snapshot)
{
	const struct history_header *from = &snapshot->header->history;
	uint32_t size = MIN(from->size, history->header.size), i;

	/* The numbers go on, since the records have them. */
	history->header.next = from->next;
	for (i = 1; i <= size; i++) {
		uint32_t number = from->next - i, place = number & (from->size - 1);

		if (place >= snapshot->history_count)
			continue;
		history->entries[number & (history->header.size - 1)] = snapshot->history[place];
		history->used = MAX(history->used, (number & (history->header.size - 1)) + 1);
	}
	history->names_used = MIN(snapshot->name_count, HISTORY_NAMES);
	if (history->names_used)
		memcpy(history->names, snapshot->names,
		       history->names_used * sizeof(*history->names));
	history->header.names_next = from->names_next;
}

/* Rows of the ended by time, so that the newest stay where there are fewer places now. */
struct ended_order {
	int64_t gone_ns;
	uint32_t row;
};

static int compare_ended(const void *a, const void *b)
{
	const struct ended_order *x = a, *y = b;

	return (x->gone_ns > y->gone_ns) - (x->gone_ns < y->gone_ns);
}

static void restore_ended(struct history *history, const struct snapshot *snapshot)
{
	struct ended_order *order = calloc(MAX(snapshot->ended_count, 1U), sizeof(*order));
	uint32_t count = 0, i;

	/* Without memory they are lost, and nothing else. */
	for (i = 0; order && i < snapshot->ended_count; i++)
		if (snapshot->ended[i].gone_ns)
			order[count++] = (struct ended_order){ snapshot->ended[i].gone_ns, i };
	if (count)
		qsort(order, count, sizeof(*order), compare_ended);
	for (i = 0; i < count; i++) {
		const struct ended *row = &snapshot->ended[order[i].row];
		enum ended_class class = class_of(&row->record);

		if (history->parts[class].count)
			put_ended(history, class, &row->record, row->gone_ns);
	}
	free(order);
}

void history_restore(struct history *history, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *from = snapshot->header;
	struct history_header *header = &history->header;

	memcpy(header->restarts, from->history.restarts, sizeof(header->restarts));
	header->restarts[from->history.restart_count % RESTARTS_MAX] =
		(struct restart){ .from_ns = from->now_ns, .to_ns = now_ns };
	header->restart_count = from->history.restart_count + 1;
	header->since_ns = from->history.since_ns;
	if (header->size && from->history.size)
		restore_entries(history, snapshot);
	restore_ended(history, snapshot);
	header->overwritten = header->ended_overwritten = 0;
}
