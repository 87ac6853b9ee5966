/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a socket ends: what each operation would do (the oracle is asked while printing), and what becomes
 * of one that no process can close.
 */
#include "web/field_parts.h"

GETTER(closes_with_get)
{
	ret->text = tcpdiag_segment_name(view->record->close_segment);
	return view->record->close_rule && ret->text && !view->ended;
}

GETTER(outcomes_get)
{
	if (view->ended)
		return false;
	switch (view->record->sk.attachment) {
	case TCPDIAG_ORPHAN:
	case TCPDIAG_TIMEWAIT:
	case TCPDIAG_REQUEST:
		return false;
	default:
		return true;
	}
}

static GETTER(outcome_get)
{
	view->operation = field->argument;
	return tcpdiag_outcome(&view->record->sk, field->argument, view_environment(view),
			       &view->outcome) == 0;
}

GETTER(fate_get)
{
	return !view->ended && !outcomes_get(view, field, ret) &&
	       tcpdiag_fate(&view->record->sk, view_environment(view), &view->fate,
			    &view->fate_rule) == 0;
}

static GETTER(fate_at_most_get)
{
	ret->number = view->fate.at_most_ms;
	return ret->number >= 0;
}

static GETTER(fate_ends_get)
{
	ret->text = tcpdiag_end_name(view->fate.ends_with);
	return ret->text;
}

static GETTER(fate_rule_get)
{
	ret->text = tcpdiag_rule_id(view->fate_rule);
	return ret->text;
}

static void fate_unknown_print(struct view *view, struct buffer *b)
{
	bool more = false;
	int i;

	buffer_char(b, '[');
	for (i = 0; i < TCPDIAG_INPUT_COUNT; i++) {
		if (!(view->fate.unknown & 1U << i))
			continue;
		if (more)
			buffer_char(b, ',');
		buffer_char(b, '"');
		buffer_text(b, tcpdiag_input_name(1U << i));
		buffer_char(b, '"');
		more = true;
	}
	buffer_char(b, ']');
}

#define OUTCOME(name, flags, operation, text) \
	{ \
		name, FIELD_OBJECT, flags, operation, outcome_get, NULL, outcome_fields, NULL, \
			NULL, text \
	}

const struct field outcomes_fields[] = {
	OUTCOME("close", BOTH_NULL, TCPDIAG_OP_CLOSE, "close() of the last reference."),
	OUTCOME("exit", DETAIL_NULL, TCPDIAG_OP_EXIT,
		"The end of all holders by SIGKILL; null for unheld."),
	OUTCOME("shutdown_read", DETAIL_NULL, TCPDIAG_OP_SHUTDOWN_READ, "shutdown(SHUT_RD)."),
	OUTCOME("shutdown_write", DETAIL_NULL, TCPDIAG_OP_SHUTDOWN_WRITE, "shutdown(SHUT_WR)."),
	OUTCOME("shutdown_both", DETAIL_NULL, TCPDIAG_OP_SHUTDOWN_BOTH, "shutdown(SHUT_RDWR)."),
	OUTCOME("listener_close", BOTH | FIELD_OMITTED, TCPDIAG_OP_LISTENER_CLOSE,
		"The end of the listener in whose queue it waits; stands for unaccepted sockets "
		"only."),
	{},
};

const struct field fate_fields[] = {
	FIELD("at_most_seconds", FIELD_SECONDS, BOTH_NULL, fate_at_most_get,
	      "How long it lives at most while nothing comes from the peer; null where a setting "
	      "it depends on is not known."),
	FIELD_WORDS("ends_with", BOTH, fate_ends_get, &end_words,
		    "What the peer gets at that end."),
	FIELD("rule", FIELD_WORD, BOTH, fate_rule_get, "The rule that decides, see /rules."),
	{ .name = "unknown",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = fate_unknown_print,
	  .schema = "\"type\":\"array\",\"items\":{\"type\":\"string\","
		    "\"enum\":[\"linger2\",\"user_timeout\"]}",
	  .text = "The inputs that are not known and could make another end or another time of "
		  "it." },
	{},
};
