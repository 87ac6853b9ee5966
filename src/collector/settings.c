/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readings come at different times: each pass over the descriptors, and look-ups in between. The newest one
 * counts, and of the references the smaller of the last two: a thread inside recv() or poll() holds one more
 * for a while, and only what stays is worth a word. A look-up can only make that number smaller: what it reads
 * more may be a new descriptor, which the next pass counts.
 */
#include "collector/settings.h"

#include "collector/memory.h"
#include "collector/rota.h"
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

static void judge_anew(struct record *record, const struct tcpdiag_socket *before)
{
	if (!totals_same_settings(&record->sk, before))
		record->flags |= RECORD_UNJUDGED;
	if (!rota_same_settings(&record->sk, before))
		record->quiet = 0;
}

bool settings_join(struct record *record, const struct socket_settings *settings,
		   enum reading reading, int64_t when_ns)
{
	const struct tcpdiag_socket before = record->sk;

	if (!settings->cookie || settings->cookie != record->sk.cookie ||
	    when_ns <= record->settings_ns)
		return false;
	settings_apply(settings, &record->sk);
	steady(&record->sk, before.known & TCPDIAG_KNOWS_REFERENCES, before.references);
	if (reading == READING_LOOK_UP)
		record->sk.steady_references = MIN(record->sk.steady_references,
						   before.steady_references);
	record->sk.inherited = false;
	record->settings_ns = when_ns;
	if (settings_closing(&record->sk) && record->sk.attachment == TCPDIAG_HELD)
		record->sk.attachment = TCPDIAG_UNHELD;
	judge_anew(record, &before);
	return true;
}

static void inherit_options(struct record *child, const struct record *listener)
{
	const uint32_t bits = TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 | TCPDIAG_KNOWS_REPAIR |
			      TCPDIAG_KNOWS_USER_TIMEOUT;
	const struct tcpdiag_socket *from = &listener->sk;
	struct tcpdiag_socket *sk = &child->sk;

	sk->sk_lingertime_ms = from->sk_lingertime_ms;
	sk->linger2_ms = from->linger2_ms;
	sk->user_timeout_ms = from->user_timeout_ms;
	sk->linger = from->linger;
	sk->repair = from->repair;
	sk->known = (sk->known & ~bits) | (from->known & bits);
	sk->inherited = true;
	child->settings_ns = listener->settings_ns;
}

void settings_inherit(struct record *child, const struct record *listener)
{
	struct tcpdiag_socket before = child->sk;

	if (child->sk.attachment != TCPDIAG_UNACCEPTED || child->sk.kind != TCPDIAG_KIND_FULL)
		return;
	if ((child->sk.inherited || !(child->sk.known & TCPDIAG_KNOWS_LINGER)) &&
	    listener->sk.known & TCPDIAG_KNOWS_LINGER)
		inherit_options(child, listener);
	child->sk.siblings = listener->sk.siblings;
	child->sk.known &= ~(uint32_t)TCPDIAG_KNOWS_SIBLINGS;
	child->sk.known |= listener->sk.known & TCPDIAG_KNOWS_SIBLINGS;
	judge_anew(child, &before);
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
