/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sock_diag does not tell: settings that decide a close() (SO_LINGER, TCP_LINGER2, TCP_REPAIR,
 * TCP_USER_TIMEOUT), references to the file, the error that waits. null where no reader has told;
 * settings_seconds says how old the rest is.
 */
#include <string.h>

#include "web/field_parts.h"

static const char *linger_word(int number)
{
	static const char *const names[LINGER_KIND_MAX] = {
		[LINGER_OFF] = "off",
		[LINGER_ZERO] = "zero",
		[LINGER_POSITIVE] = "positive",
		[LINGER_ENDLESS] = "forever",
	};

	return names[number];
}

const struct vocabulary linger_words = { 0, LINGER_KIND_MAX, linger_word };

enum linger_kind linger_kind(const struct tcpdiag_socket *sk)
{
	if (!sk->linger)
		return LINGER_OFF;
	if (!sk->sk_lingertime_ms)
		return LINGER_ZERO;
	return sk->sk_lingertime_ms == TCPDIAG_LINGER_FOREVER ? LINGER_ENDLESS : LINGER_POSITIVE;
}

GETTER(linger_get)
{
	return knows(view, TCPDIAG_KNOWS_LINGER);
}

static GETTER(linger_on_get)
{
	ret->number = view->record->sk.linger;
	return true;
}

static GETTER(linger_seconds_get)
{
	ret->number = view->record->sk.sk_lingertime_ms;
	return true;
}

static GETTER(linger_inherited_get)
{
	ret->number = view->record->sk.inherited;
	return true;
}

GETTER(fin_timeout_get)
{
	return !is_mini(view);
}

static GETTER(linger2_get)
{
	ret->number = view->record->sk.linger2_ms;
	if (ret->number < 0)
		ret->number = -1000;
	return knows(view, TCPDIAG_KNOWS_LINGER2);
}

static GETTER(lifetime_get)
{
	ret->number = tcpdiag_fin_wait2_ms(&view->record->sk, view_environment(view));
	return ret->number >= 0;
}

GETTER(references_get)
{
	ret->number = view->record->sk.references;
	return knows(view, TCPDIAG_KNOWS_REFERENCES);
}

static const char *unheld_word(int number)
{
	return tcpdiag_unheld_name((enum tcpdiag_unheld)number);
}

const struct vocabulary unheld_words = { 0, TCPDIAG_UNHELD_MAX, unheld_word };

GETTER(unheld_get)
{
	ret->text = tcpdiag_unheld_name(tcpdiag_unheld_reason(&view->record->sk));
	return view->record->sk.attachment == TCPDIAG_UNHELD && ret->text;
}

GETTER(error_get)
{
	int error = view->record->sk.sk_err;

	ret->text = error ? strerrorname_np(error) : NULL;
	return knows(view, TCPDIAG_KNOWS_ERROR) && ret->text;
}

GETTER(soft_error_get)
{
	ret->number = view->record->sk.soft_error;
	return knows(view, TCPDIAG_KNOWS_ERROR);
}

GETTER(settings_age_get)
{
	return age_of(view, view->record->settings_ns, ret);
}

GETTER(repair_get)
{
	ret->number = view->record->sk.repair;
	return knows(view, TCPDIAG_KNOWS_REPAIR);
}

GETTER(user_timeout_get)
{
	ret->number = view->record->sk.user_timeout_ms;
	return knows(view, TCPDIAG_KNOWS_USER_TIMEOUT);
}

GETTER(out_of_order_get)
{
	ret->number = view->record->sk.out_of_order;
	return knows(view, TCPDIAG_KNOWS_OFO);
}

GETTER(siblings_get)
{
	ret->number = view->record->sk.siblings;
	return knows(view, TCPDIAG_KNOWS_SIBLINGS);
}

const struct field linger_fields[] = {
	FIELD("on", FIELD_BOOL, BOTH, linger_on_get, "SO_LINGER is on."),
	FIELD("seconds", FIELD_SECONDS, BOTH, linger_seconds_get,
	      "For how long; 0 with on: close() resets. Off, the time set before stays, as "
	      "getsockopt() tells it."),
	FIELD("inherited", FIELD_BOOL, BOTH, linger_inherited_get,
	      "Read from its listener, whose settings a connection begins with."),
	{},
};

const struct field fin_timeout_fields[] = {
	FIELD("linger2_seconds", FIELD_SECONDS, BOTH_NULL, linger2_get,
	      "TCP_LINGER2: 0 the sysctl tcp_fin_timeout, -1 no FIN-WAIT-2 at all; null where it "
	      "is not known."),
	FIELD("lifetime_seconds", FIELD_SECONDS, BOTH_NULL, lifetime_get,
	      "How long its FIN-WAIT-2 orphan really lives; null where an input is not known."),
	{},
};
