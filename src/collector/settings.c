/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readings come at different times: each pass over the descriptors, and look-ups in between. The newest one
 * counts, and of the references the smaller of the last two: a thread inside recv() or poll() holds one more
 * for a while, and only what stays is worth a word.
 */
#include "collector/settings.h"

#include "collector/memory.h"
#include "collector/totals.h"
#include "model/macro.h"

static void copy_members(struct tcpdiag_socket *sk, const struct tcpdiag_socket *from)
{
	sk->sk_lingertime_ms = from->sk_lingertime_ms;
	sk->linger2_ms = from->linger2_ms;
	sk->user_timeout_ms = from->user_timeout_ms;
	sk->references = from->references;
	sk->steady_references = from->steady_references;
	sk->siblings = from->siblings;
	sk->sk_err = from->sk_err;
	sk->linger = from->linger;
	sk->repair = from->repair;
	sk->out_of_order = from->out_of_order;
	sk->soft_error = from->soft_error;
	sk->inherited = from->inherited;
}

/* Of two readings, the one before and the one now. */
static void steady(struct tcpdiag_socket *sk, bool had, uint32_t before)
{
	sk->steady_references = had && sk->known & TCPDIAG_KNOWS_REFERENCES
					? MIN(before, sk->references)
					: 0;
}

void settings_carry(struct record *new, const struct record *old)
{
	uint32_t bits = old->sk.known & SETTINGS_CARRIED;

	if (!old->settings_ns || new->sk.kind != old->sk.kind)
		return;
	if (new->sk.known & SETTINGS_CARRIED) {
		if (old->settings_ns < new->settings_ns)
			steady(&new->sk, bits & TCPDIAG_KNOWS_REFERENCES, old->sk.references);
		else
			new->sk.steady_references = old->sk.steady_references;
		return;
	}
	copy_members(&new->sk, &old->sk);
	/* An orphan has no file. */
	if (!new->sk.inode)
		bits &= ~(uint32_t)TCPDIAG_KNOWS_REFERENCES;
	if (new->sk.state != TCPDIAG_LISTEN &&new->sk.attachment != TCPDIAG_UNACCEPTED)
		bits &= ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS;
	if (!(bits & TCPDIAG_KNOWS_REFERENCES))
		new->sk.references = new->sk.steady_references = 0;
	if (!(bits & TCPDIAG_KNOWS_SIBLINGS))
		new->sk.siblings = 0;
	new->sk.known |= bits;
	new->settings_ns = old->settings_ns;
}

void settings_forget(struct record *record)
{
	static const struct tcpdiag_socket nothing;

	if (!record->settings_ns)
		return;
	copy_members(&record->sk, &nothing);
	record->sk.known &= ~SETTINGS_CARRIED;
	record->settings_ns = 0;
	record->flags |= RECORD_UNJUDGED;
}
