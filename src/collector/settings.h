/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What BPF has read of a socket, joined with its record and remembered from poll to poll.
 *
 * A dump overwrites the socket each time and knows none of it, so it is carried until it is read anew;
 * record.settings_ns says how old it is.
 */
#pragma once

#include "kernel/bpf.h"
#include "model/record.h"

/* What is carried. The descriptors are counted anew in each poll. */
#define SETTINGS_CARRIED \
	((uint32_t)(TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR | \
		    TCPDIAG_KNOWS_REFERENCES | TCPDIAG_KNOWS_OFO | TCPDIAG_KNOWS_USER_TIMEOUT | \
		    TCPDIAG_KNOWS_ERROR | TCPDIAG_KNOWS_SIBLINGS | TCPDIAG_KNOWS_SUBFLOW))

/* @new->sk is filled in by a dump, or by a reader that knows the settings itself. */
void settings_carry(struct record *new, const struct record *old);

enum reading {
	READING_PASS, /* with all descriptors, whose number goes with that of the references */
	READING_LOOK_UP, /* in between: how many descriptors there are now nobody knows */
};

/**
 * settings_join() - a reading that was taken at @when_ns
 *
 * One of another socket (by cookie), or not newer than what the record has, changes nothing. Where close() may
 * do something else now RECORD_UNJUDGED is set.
 *
 * Return: whether it was taken over.
 */
bool settings_join(struct record *record, const struct socket_settings *settings,
		   enum reading reading, int64_t when_ns);

/*
 * A connection that waits in a queue was cloned from its listener (net/core/sock.c:sk_clone_lock()), options
 * included: it takes them from there where it has not been read itself. Who would take it over is the
 * listener's to say in any case.
 */
void settings_inherit(struct record *child, const struct record *listener);

/* Nothing of it is known any more: BPF was switched off. */
void settings_forget(struct record *record);

/* Its last close() is under way: nobody has it, and nobody can get it any more. */
static inline bool settings_closing(const struct tcpdiag_socket *sk)
{
	return sk->known & TCPDIAG_KNOWS_REFERENCES && !sk->references && sk->inode;
}
