/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which events a request is about.
 *
 * What an event tells of a socket is asked for by the filters of sockets (web/filter.h), as of a record that has its
 * ends, state and user; the rest has a row each here. Parameters of different names must all hold, of several values
 * of one name one must; what is not known never matches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/journal.h"
#include "web/filter.h"

/* The rows of a route's parameters that are filters of events; FILTER_ENDS_PARAMETERS go with them. */
extern const struct route_parameter event_filter_parameters[];

/* Words by number, for a vocabulary; NULL where there is none. */
const char *event_kind_word(int number);
const char *event_actor_word(int number);
const char *reset_reason_word(int number);

struct event_row;

/* One value of a parameter that is text or a number. */
struct event_value {
	const struct event_row *row;
	const char *text; /* of the query; not terminated */
	size_t len;
	uint64_t number;
};

struct event_filter {
	uint32_t kinds; /* bits of enum event_kind */
	uint32_t rings; /* JOURNAL_RING() of those kinds */
	uint64_t reasons, actors, severities, rules; /* bits; 0: any */
	int64_t since_ns, until_ns; /* CLOCK_REALTIME */
	bool sockets; /* asks for something that only events of sockets have */
	struct filter filter;
	struct event_value values[QUERY_MAX * 4];
	size_t count;
};

/**
 * event_filter_compile() - the filters of a query; other parameters are passed over
 * @query: borrowed as long as the filter is used
 * @wall_ns: CLOCK_REALTIME, for times such as -15m
 * @ret: to be freed with event_filter_done(), also after a failure; must not be moved
 *
 * Return: 0; -EINVAL with @problem; -ENOMEM.
 */
int event_filter_compile(const struct query *query, const struct snapshot *snapshot,
			 int64_t wall_ns, struct event_filter *ret, struct problem *problem);
void event_filter_done(struct event_filter *filter);

/* @view: where the names are that the event refers to. */
bool event_filter_match(const struct event_filter *filter, const struct journal_view *view,
			const struct event *event);

/* Who an event is about: who held the socket, else who had held it. Return: false where nobody is known. */
bool event_who(const struct journal_view *view, const struct event *event, struct event_name *ret);
