/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends added up by minute (struct minute_row).
 *
 * A row is begun as a place of any ring is written; from then on only its two sums move, each a word of its own, so
 * that counting never takes it away from a reader. A minute has a limited number of rows: above that ports, reasons and
 * namespaces are folded, and when these rows have reached a quarter of it, units, too. What is left are some tens of
 * rows, by kind and whether the peer was open. Segments that belong to no socket are folded sooner: a scan of all ports
 * shall not take the place of what happens to connections. These keep their reason, which says that there was none.
 */
#include "model/journal_private.h"
#include "model/record.h"

#define OTHER "~other"
#define NSEC_PER_MINUTE (60 * NSEC_PER_SEC)
#define MINUTES_PER_DAY (24 * 60)

enum fold { FOLD_NOTHING = 0, FOLD_PORTS, FOLD_UNITS };

static struct minute_place *place_at(const struct journal *journal, uint64_t number)
{
	return (void *)(journal->data + journal_minute_offset(&journal->view, number));
}

static struct label_place *label_at(const struct journal *journal, uint32_t label)
{
	return (void *)(journal->data + journal_label_offset(&journal->view, label));
}

/* ---- labels ---- */

static uint16_t write_label(struct journal *journal, uint32_t label, const char *text)
{
	struct label_place *place = label_at(journal, label);
	char padded[JOURNAL_LABEL] = "";

	snprintf(padded, sizeof(padded), "%s", text);
	journal_write_place(place, place->number + 1, padded, sizeof(padded));
	journal->label_used[label] = 0;
	return (uint16_t)label;
}

/* The label, or one that may be had: free, or all of its rows have been overwritten. */
static uint32_t find_label(const struct journal *journal, const char *text, bool *ret_found)
{
	uint64_t first = journal_first(journal->header->minutes_next, journal->view.minute_places);
	uint32_t i, room = 0;

	*ret_found = false;
	for (i = JOURNAL_LABEL_OTHER + 1; i < JOURNAL_LABELS; i++) {
		const struct label_place *place = label_at(journal, i);

		/* They are taken in their order: none stands behind a free one. */
		if (!place->number)
			return room ? room : i;
		if (!strncmp(place->text, text, JOURNAL_LABEL)) {
			*ret_found = true;
			return i;
		}
		if (!room && journal->label_used[i] <= first)
			room = i;
	}
	return room;
}

static uint16_t label_of(struct journal *journal, const char *text)
{
	uint16_t *hint;
	uint32_t label;
	bool found;

	if (!text[0])
		return 0;
	if (!label_at(journal, JOURNAL_LABEL_OTHER)->number)
		write_label(journal, JOURNAL_LABEL_OTHER, OTHER);
	if (!strcmp(text, OTHER))
		return JOURNAL_LABEL_OTHER;
	hint = &journal->label_hint[journal_hash(0, text, strlen(text)) % JOURNAL_LABELS];
	if (*hint && !strncmp(label_at(journal, *hint)->text, text, JOURNAL_LABEL))
		return *hint;
	label = find_label(journal, text, &found);
	if (!label)
		return JOURNAL_LABEL_OTHER;
	*hint = found ? (uint16_t)label : write_label(journal, label, text);
	return *hint;
}

/* ---- rows ---- */

struct row_key {
	int64_t minute;
	uint32_t netns;
	uint16_t label, port;
	uint8_t kind, reason, state, flags;
	uint32_t zero;
};

static struct row_key key_of(const struct minute_row *row)
{
	return (struct row_key){
		.minute = row->minute,
		.netns = row->netns,
		.label = row->label,
		.port = row->port,
		.kind = row->kind,
		.reason = row->reason,
		.state = row->state,
		.flags = row->flags,
	};
}

static uint64_t row_hash(const struct minute_row *row)
{
	struct row_key key = key_of(row);

	return journal_hash(0, &key, sizeof(key));
}

static struct minute_place *find_row(const struct journal *journal, const struct minute_row *row)
{
	struct row_key wanted = key_of(row);
	uint32_t found;

	for (found = place_index_first(&journal->minutes, row_hash(row)); found;
	     found = place_index_next(&journal->minutes, found)) {
		struct minute_place *place = place_at(journal, found - 1);
		struct row_key key = key_of(&place->row);

		if (!memcmp(&key, &wanted, sizeof(key)))
			return place;
	}
	return NULL;
}

static struct minute_rows *rows_of(struct journal *journal, int64_t minute)
{
	struct minute_rows *rows = &journal->recent[(uint64_t)minute % JOURNAL_RECENT_MINUTES];

	if (rows->minute != minute)
		*rows = (struct minute_rows){ .minute = minute };
	return rows;
}

static void begin_row(struct journal *journal, const struct minute_row *row)
{
	uint64_t number = journal->header->minutes_next;
	struct minute_place *place = place_at(journal, number);
	uint32_t at = (uint32_t)(number & (journal->view.minute_places - 1));

	if (place->number) {
		place_index_remove(&journal->minutes, row_hash(&place->row), at);
		journal->minutes_cut += row->minute - place->row.minute < MINUTES_PER_DAY;
	}
	journal_write_place(place, number + 1, row, sizeof(*row));
	place_index_put(&journal->minutes, row_hash(row), at);
	journal_store(&journal->header->minutes_next, number + 1);
	rows_of(journal, row->minute)->rows++;
	journal->label_used[row->label] = number + 1;
}

static bool count_row(struct journal *journal, const struct minute_row *row)
{
	struct minute_place *place = find_row(journal, row);

	if (!place)
		return false;
	__atomic_store_n(&place->row.count, place->row.count + row->count, __ATOMIC_RELAXED);
	__atomic_store_n(&place->row.unread_bytes, place->row.unread_bytes + row->unread_bytes,
			 __ATOMIC_RELAXED);
	return true;
}

/* A segment that belongs to no socket: it is not a limit that folds its port, but what it is. */
static bool is_stray(const struct minute_row *row)
{
	return row->state == TCPDIAG_STATE_NONE;
}

static bool keeps_reason(const struct minute_row *row)
{
	return is_stray(row) &&
	       (row->reason == RESET_REASON_NO_SOCKET || row->reason == RESET_REASON_NO_SOCKET_SYN);
}

static void fold_row(struct minute_row *row, enum fold fold)
{
	if (fold == FOLD_NOTHING)
		return;
	row->port = 0;
	if (!keeps_reason(row))
		row->reason = RESET_REASON_NONE;
	row->state = TCPDIAG_STATE_NONE;
	row->netns = 0;
	row->flags = (uint8_t)((row->flags & MINUTE_PEER_OPEN) | MINUTE_OTHER);
	if (fold == FOLD_UNITS && row->label)
		row->label = JOURNAL_LABEL_OTHER;
}

/* How many rows of its minute there may be before this one is folded. */
static uint32_t limit_of(const struct journal *journal, const struct minute_row *row,
			 enum fold fold)
{
	uint32_t limit = journal->rows_per_minute;

	if (fold == FOLD_PORTS)
		return limit + limit / 4;
	if (fold == FOLD_UNITS)
		return UINT32_MAX;
	return is_stray(row) ? MAX(limit / 16, 1) : limit;
}

static void add_row(struct journal *journal, const struct minute_row *wanted)
{
	enum fold fold;

	for (fold = FOLD_NOTHING; fold <= FOLD_UNITS; fold++) {
		struct minute_row row = *wanted;
		uint32_t limit = limit_of(journal, wanted, fold);

		fold_row(&row, fold);
		if (!count_row(journal, &row)) {
			if (rows_of(journal, row.minute)->rows >= limit)
				continue;
			begin_row(journal, &row);
		}
		if (fold)
			journal_store(&journal->header->folded,
				      journal->header->folded + wanted->count);
		if (fold && !is_stray(wanted))
			journal->minutes_folded += wanted->count;
		return;
	}
}

void journal_put_row(struct journal *journal, const struct minute_row *row, const char *label)
{
	struct minute_row copy = *row;

	copy.label = label_of(journal, label);
	/* What is folded already keeps its place, and nothing is counted as folded twice. */
	if (!count_row(journal, &copy))
		begin_row(journal, &copy);
}

void journal_note(struct journal *journal, int64_t wall_ns, enum minute_kind kind, uint64_t n)
{
	const struct minute_row row = {
		.minute = wall_ns / NSEC_PER_MINUTE,
		.count = n,
		.kind = (uint8_t)kind,
	};

	/* Never folded: one row a minute, and what is missing is not a thing to be missed. */
	if (n)
		journal_put_row(journal, &row, "");
}

void journal_unseen(struct journal *journal, int64_t from_ns, int64_t to_ns)
{
	from_ns = MAX(from_ns, to_ns - MINUTES_PER_DAY * NSEC_PER_MINUTE);
	while (from_ns < to_ns) {
		const int64_t border_ns = (from_ns / NSEC_PER_MINUTE + 1) * NSEC_PER_MINUTE;
		const int64_t end_ns = MIN(border_ns, to_ns);

		journal_note(journal, from_ns, MINUTE_UNSEEN,
			     (uint64_t)(end_ns - from_ns) / NSEC_PER_MSEC);
		from_ns = end_ns;
	}
}

void journal_noted_to(struct journal *journal, int64_t wall_ns)
{
	journal_store(&journal->header->noted_ns, (uint64_t)MAX(wall_ns, (int64_t)0));
}

uint64_t journal_minutes_cut(const struct journal *journal)
{
	return journal->minutes_cut;
}

uint64_t journal_minutes_folded(const struct journal *journal)
{
	return journal->minutes_folded;
}

/* ---- of an event ---- */

static bool is_own_close(enum event_actor actor)
{
	return actor == ACTOR_CLOSE || actor == ACTOR_EXIT || actor == ACTOR_SHUTDOWN;
}

static uint8_t flags_of(const struct event_socket *sk)
{
	const uint32_t lingers = EVENT_KNOWS_LINGER | EVENT_KNOWS_LINGER_BEFORE;
	uint32_t flags = 0;

	if (sk->flags & EVENT_HAS_SOCKET && !(sk->flags & EVENT_PEER_FINISHED))
		flags |= MINUTE_PEER_OPEN;
	if ((sk->known & lingers) == lingers && sk->flags & EVENT_LINGER && !sk->linger_ms &&
	    !(sk->flags & EVENT_LINGER_BEFORE))
		flags |= MINUTE_SURPRISE;
	if (sk->known & EVENT_KNOWS_IDLE && sk->idle_ms >= JOURNAL_IDLE_NS / NSEC_PER_MSEC)
		flags |= MINUTE_IDLE;
	if (sk->flags & EVENT_DERIVED)
		flags |= MINUTE_DERIVED;
	return (uint8_t)flags;
}

/* A port of a service, and that of a segment which meets none; those of clients are a new one each time. */
static uint16_t port_of(const struct event_socket *sk)
{
	bool service = sk->direction == DIRECTION_INBOUND || !(sk->flags & EVENT_HAS_SOCKET);

	return service ? sk->local_port : 0;
}

static void label_text(const struct journal *journal, const struct event_socket *sk,
		       char ret[static JOURNAL_LABEL])
{
	struct event_name name;

	ret[0] = '\0';
	if (journal_read_name(&journal->view, sk->holder, &name) == 0 ||
	    journal_read_name(&journal->view, sk->creator, &name) == 0)
		memcpy(ret, name.label, JOURNAL_LABEL);
}

void journal_count_event(struct journal *journal, const struct event *event, uint64_t n)
{
	static const uint8_t kinds[EVENT_KIND_MAX] = {
		[EVENT_RESET_SENT] = MINUTE_RESET_SENT + 1,
		[EVENT_RESET_RECEIVED] = MINUTE_RESET_RECEIVED + 1,
		[EVENT_CLOSED] = MINUTE_CLOSED + 1,
		[EVENT_TIMED_OUT] = MINUTE_TIMED_OUT + 1,
	};
	const struct event_socket *sk = &event->socket;
	struct minute_row row = { .count = n };
	char label[JOURNAL_LABEL];

	if (event->kind >= EVENT_KIND_MAX || !kinds[event->kind])
		return;
	row.kind = (uint8_t)(kinds[event->kind] - 1);
	row.minute = event->wall_ns / NSEC_PER_MINUTE;
	row.netns = sk->netns;
	row.port = port_of(sk);
	row.reason = sk->reason;
	row.state = sk->flags & EVENT_HAS_SOCKET ? sk->state : TCPDIAG_STATE_NONE;
	row.flags = flags_of(sk);
	if (event->kind == EVENT_RESET_SENT && sk->known & EVENT_KNOWS_UNREAD)
		row.unread_bytes = sk->unread_bytes * n;
	label_text(journal, sk, label);
	row.label = label_of(journal, label);
	add_row(journal, &row);
	if (event->kind != EVENT_RESET_SENT || !is_own_close((enum event_actor)event->actor))
		return;
	row.kind = MINUTE_CLOSED_RESET;
	add_row(journal, &row);
}
