/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has happened, in a sentence or two for a person: who, what, what was lost, and what usually is behind it. Pure.
 */
#pragma once

#include "model/event.h"
#include "rules/sentence.h"

/* Who had the connection. */
struct story_person {
	const char *comm; /* NULL or "": not known */
	const char *unit; /* NULL or "": not known */
	int32_t pid; /* 0: not known */
};

/**
 * story_cause() - why a connection has ended, or an orphan lives on
 * @holder: of event->socket.holder; NULL: nobody is known
 * @creator: of event->socket.creator; the same
 *
 * Nothing is added where there is nothing to say, and for events of findings.
 */
void story_cause(const struct event *event, const struct story_person *holder,
		 const struct story_person *creator, struct sentence *s);

/*
 * What a middlebox forgets after such a time: "AWS NAT gateways and network load balancers (350 s)"; NULL where none is
 * known for it.
 */
const char *story_forgetter(int64_t idle_ms);
