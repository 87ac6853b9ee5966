/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the table of fields that stand in files of their own.
 */
#pragma once

#include "web/envelope.h"
#include "web/field.h"

/* A getter; whatever it does not look at may stay unused. */
#define GETTER(function) \
	bool function(__attribute__((unused)) struct view *view, \
		      __attribute__((unused)) const struct field *field, \
		      __attribute__((unused)) struct value *ret)

#define BOTH (FIELD_LIST | FIELD_DETAIL)
#define BOTH_NULL (BOTH | FIELD_NULLABLE)
#define DETAIL FIELD_DETAIL
#define DETAIL_NULL (FIELD_DETAIL | FIELD_NULLABLE)

/* A row of a single value. */
#define FIELD(name_, type_, flags_, get_, text_) \
	{ \
		.name = name_, .type = type_, .flags = flags_, .get = get_, .text = text_ \
	}
#define FIELD_ARGUMENT(name_, type_, flags_, get_, argument_, text_) \
	{ \
		.name = name_, .type = type_, .flags = flags_, .get = get_, .argument = argument_, \
		.text = text_ \
	}
/* A row of a word, with the words there are. */
#define FIELD_WORDS(name_, flags_, get_, words_, text_) \
	{ \
		.name = name_, .type = FIELD_WORD, .flags = flags_, .get = get_, .words = words_, \
		.text = text_ \
	}
#define FIELD_CHILDREN(name_, type_, flags_, get_, children_, text_) \
	{ \
		.name = name_, .type = type_, .flags = flags_, .get = get_, .children = children_, \
		.text = text_ \
	}

static inline bool knows(const struct view *view, uint32_t bit)
{
	return view->record->sk.known & bit;
}

static inline bool is_mini(const struct view *view)
{
	return view->record->sk.kind != TCPDIAG_KIND_FULL;
}

/*
 * How long ago an instant of CLOCK_MONOTONIC was, in milliseconds; 0 is no instant. Of a socket that has ended
 * when it was last seen.
 */
static inline bool age_of(const struct view *view, int64_t then_ns, struct value *ret)
{
	int64_t age;

	if (!view->ended)
		age = snapshot_age(view->snapshot, then_ns);
	else if (__builtin_sub_overflow(view->record->seen_ns, then_ns, &age))
		age = 0;
	ret->number = MAX(age, (int64_t)0) / NSEC_PER_MSEC;
	return then_ns != 0;
}

#define CONTAINER_NAME_TEXT \
	"As people know it: NAMESPACE/POD/CONTAINER of Kubernetes, or less where its name is not " \
	"known; the name alone in Docker, LXC and systemd-nspawn; null where none is known."

enum process_text {
	PROCESS_COMM,
	PROCESS_UNIT,
	PROCESS_CONTAINER,
	PROCESS_CONTAINER_TITLE,
	PROCESS_CGROUP
};

/* field_owner.c */
extern const struct field holder_fields[];
field_get owner_text_get, owner_pid_get, creator_get, first_holder_get;

/* field_fate.c */
extern const struct field outcomes_fields[], fate_fields[];
field_get closes_with_get, outcomes_get, fate_get;

/* field_history.c */
extern const struct field ended_fields[];
field_get ended_get;
field_print history_print;

/* field_events.c */
field_print socket_events_print;

/*
 * A socket that no poll has seen, from the newest of its events. Return: false where there is none, too.
 */
bool socket_from_events(const struct journal_view *journal, const struct snapshot *snapshot,
			uint32_t netns, uint64_t cookie, struct ended *ret);

/* field_settings.c */
extern const struct field linger_fields[], fin_timeout_fields[];
field_get linger_get, fin_timeout_get, references_get, unheld_get, error_get, settings_age_get;
field_get repair_get, user_timeout_get, out_of_order_get, soft_error_get, siblings_get;

/* field_tcp.c */
extern const struct field memory_fields[], tcp_fields[];
field_get memory_get, tcp_get, send_window_get, receive_window_get;
field_print listener_print;

/* field_peer.c */
extern const struct vocabulary peer_unknown_words;
field_get peer_unknown_get, peer_socket_get;
field_print peer_print;
