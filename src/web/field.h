/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of a socket: one row each, in the order in which they are printed.
 *
 * JSON, `fields=`, `sort=`, `group=`, the schemas of OpenAPI and the completeness tests walk this table. A
 * row says its name, what kind of value it has, how to get that value, and a sentence for people. Rows
 * with children are objects; a path such as "local.port" names a row through its parents.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/journal.h"
#include "model/snapshot.h"
#include "web/buffer.h"

enum field_type {
	FIELD_INTEGER, /* value.number */
	FIELD_SECONDS, /* value.number in milliseconds; TCPDIAG_FOREVER is "forever" */
	FIELD_BOOL, /* value.number */
	FIELD_WORD, /* value.text: of a fixed set, needs no escape */
	FIELD_TEXT, /* value.text: anything */
	FIELD_TIME, /* value.number: CLOCK_REALTIME, nanoseconds */
	FIELD_ADDRESS, /* value.address, value.number is AF_INET or AF_INET6 */
	FIELD_HEX, /* value.number, 64 bits, printed as a string */
	FIELD_OBJECT, /* of @children; get() says whether it is null */
	FIELD_ARRAY, /* of objects of @children: holders */
	FIELD_OTHER, /* printed by @print */
};

enum field_flag {
	FIELD_LIST = 1U << 0, /* stands in lists and in detail */
	FIELD_DETAIL = 1U << 1, /* stands in detail=full and /sockets/{id} */
	FIELD_NULLABLE = 1U << 2,
	/*
	 * Object or FIELD_OTHER: left out where get() has nothing. Last of its siblings, and if there are
	 * several, all of them or none: no comma is due behind what is left out.
	 */
	FIELD_OMITTED = 1U << 3,
	/* Object: get() turns the view to another record, which its children are about (view_turn()). */
	FIELD_TURNS = 1U << 4,
};

struct value {
	int64_t number;
	const char *text;
	const uint8_t *address;
};

/* One record as it is being printed, and what the getters of an object leave for its children. */
struct view {
	const struct snapshot *snapshot;
	const struct record *record;
	const struct record *turned; /* the one before view_turn() */
	const struct ended *ended; /* the record is its; NULL: it lives */
	const struct journal_view *journal; /* where its events are; NULL: they are not asked for */
	const struct tcpdiag_environment *environment; /* of the namespace below */
	uint32_t environment_netns;
	const struct process *process; /* of the holder or creator at hand, may be NULL */
	int32_t fd; /* of the holder at hand, -1: none */
	struct tcpdiag_then fate;
	enum tcpdiag_rule fate_rule;
	struct tcpdiag_outcome outcome; /* of the operation at hand */
	uint8_t operation; /* enum tcpdiag_operation: that one */
	char because[512]; /* a sentence put together for it */
};

struct field;

/* Return: whether there is a value; false prints null. */
typedef bool field_get(struct view *view, const struct field *field, struct value *ret);
typedef void field_print(struct view *view, struct buffer *b);

/* The words that a field or a filter knows. */
struct vocabulary {
	int first, end;
	const char *(*name)(int number);
};

struct field {
	const char *name;
	uint8_t type; /* enum field_type */
	uint8_t flags; /* enum field_flag */
	uint8_t argument; /* of get() */
	field_get *get;
	field_print *print; /* of FIELD_OTHER */
	const struct field *children; /* ends with a row without name */
	const struct vocabulary *words; /* of FIELD_WORD */
	const char *schema; /* of FIELD_OTHER: JSON schema without description */
	const char *text; /* one sentence */
};

extern const struct vocabulary state_words, attachment_words, direction_words, family_words;
extern const struct vocabulary protocol_words, segment_words, end_words, unheld_words;
extern const struct vocabulary linger_words; /* of enum linger_kind */

enum linger_kind { LINGER_OFF, LINGER_ZERO, LINGER_POSITIVE, LINGER_ENDLESS, LINGER_KIND_MAX };

/*
 * A connection that has ended, seen through a descriptor: its queue can still be read, and a FIN in it
 * cannot be told from a byte.
 */
static inline bool is_dead(const struct tcpdiag_socket *sk)
{
	return sk->state == TCPDIAG_CLOSE && sk->remote_port;
}

/* What SO_LINGER makes of a close(), where it is known. */
enum linger_kind linger_kind(const struct tcpdiag_socket *sk);

/* The number of a word, or -1. */
int vocabulary_find(const struct vocabulary *words, const char *text, size_t len);

/* Appends "a, b, c". */
void vocabulary_print(const struct vocabulary *words, struct buffer *b, const char *quote);

/* The rows of a socket; the table ends with a row without name. */
extern const struct field socket_fields[];
/* The rows of an outcome. */
extern const struct field outcome_fields[];

void view_init(struct view *view, const struct snapshot *snapshot);
/* Turns to another record. */
static inline void view_set(struct view *view, const struct record *record)
{
	view->record = record;
}
/* To another record, within an object of it, and back. */
static inline void view_turn(struct view *view, const struct record *record)
{
	view->turned = view->record;
	view->record = record;
}

static inline void view_turn_back(struct view *view)
{
	view->record = view->turned;
}

/* The settings around the record. */
const struct tcpdiag_environment *view_environment(struct view *view);

/* A value as JSON. */
void field_value_print(const struct field *field, const struct value *value, struct buffer *b);

/* Whether two values of a field are in order: negative, 0, positive. */
int field_value_compare(const struct field *field, const struct value *a, const struct value *b);

#define FIELD_DEPTH 4

/* A single value somewhere in the table: its parents, then itself. */
struct field_path {
	const struct field *steps[FIELD_DEPTH];
	size_t depth;
};

/* A scalar that is neither in an array nor an array: what can be sorted and grouped by. -ENOENT. */
int field_path_find(const char *path, size_t len, struct field_path *ret);

static inline const struct field *field_path_leaf(const struct field_path *path)
{
	return path->steps[path->depth - 1];
}

/* Return: false where the value, or an object above it, is null. */
bool field_path_get(const struct field_path *path, struct view *view, struct value *ret);

/* Some of what field_path_find() finds, for the problem where it does not. */
#define FIELD_PATH_ALLOWED \
	"a field with a single value is wanted: unit, comm, pid, container, state, attachment, " \
	"direction, netns, remote.address, local.port, unread_bytes, unread_seconds, " \
	"state_seconds, idle_seconds, closes_with, outcomes.close.rule... (Socket in " \
	"/openapi.json)"

/* Appends the members "name":schema of an object's fields. */
void field_schema_print(const struct field *fields, struct buffer *b);
