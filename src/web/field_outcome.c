/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of an outcome: the oracle's answer (tcpdiag/outcome.h) for the operation at hand.
 *
 * What could happen otherwise is printed with its condition and those members in which it differs.
 */
#include <string.h>

#include "web/field.h"

static bool segment_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = tcpdiag_segment_name(view->outcome.result.segment);
	return ret->text;
}

static bool state_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = tcpdiag_state_name(view->outcome.result.state);
	return ret->text;
}

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : NULL;
}

static bool error_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = error_name(view->outcome.result.error);
	return ret->text;
}

/* A duration of the oracle. */
static bool duration(int64_t ms, struct value *ret)
{
	ret->number = ms;
	return ms >= 0;
}

static bool blocks_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	return duration(view->outcome.result.blocks_ms, ret);
}

static bool discards_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)view;
	(void)field;
	(void)ret;
	return true;
}

static bool discards_receive_get(struct view *view, const struct field *field, struct value *ret)
{
	const struct tcpdiag_socket *sk = &view->record->sk;

	(void)field;
	ret->number = view->outcome.result.discards_receive;
	/* The queue of an MPTCP socket counts memory: only that it is not empty is known. */
	return !sk->mptcp || !ret->number;
}

static bool discards_send_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->number = view->outcome.result.discards_send;
	return !view->record->sk.mptcp || !ret->number;
}

static bool discards_unsent_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->number = view->outcome.result.discards_unsent;
	return !view->record->sk.mptcp || !view->outcome.result.discards_send;
}

static bool resets_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->number = view->outcome.result.resets;
	return true;
}

static bool peer_finished_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->number = view->outcome.peer_finished;
	return true;
}

static bool counter_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = view->outcome.result.counter;
	return ret->text;
}

static bool rule_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = tcpdiag_rule_id(view->outcome.result.rule);
	return ret->text;
}

/* What to add where one close() is not the last; the plainest holder, if there are several. */
static const char *held_sentence(const struct view *view)
{
	static const struct {
		unsigned int bit;
		const char *text;
	} rows[] = {
		{ TCPDIAG_HOLDING_PROCESS, "another process holds the socket, too." },
		{ TCPDIAG_HOLDING_DUPLICATE,
		  "another descriptor of the same process holds the socket, too." },
		{ TCPDIAG_HOLDING_CALL,
		  "a call that sleeps, or a message under way, holds the socket, too." },
	};
	size_t i;

	for (i = 0; view->operation == TCPDIAG_OP_CLOSE && i < ARRAY_SIZE(rows); i++)
		if (view->outcome.holding & rows[i].bit)
			return rows[i].text;
	return NULL;
}

static bool because_get(struct view *view, const struct field *field, struct value *ret)
{
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(view->outcome.result.rule);
	const char *held = held_sentence(view);

	(void)field;
	ret->text = info ? info->because : NULL;
	if (ret->text && held) {
		snprintf(view->because, sizeof(view->because),
			 "%s One close() alone does nothing yet: %s", ret->text, held);
		ret->text = view->because;
	}
	return ret->text;
}

static bool then_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	(void)ret;
	return view->outcome.result.then.attachment != TCPDIAG_ATTACHMENT_UNKNOWN;
}

static bool then_attachment_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = tcpdiag_attachment_name(view->outcome.result.then.attachment);
	return ret->text;
}

static bool then_at_most_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	return duration(view->outcome.result.then.at_most_ms, ret);
}

static bool then_ends_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->text = tcpdiag_end_name(view->outcome.result.then.ends_with);
	return ret->text;
}

static bool certain_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	ret->number = view->outcome.certain;
	return true;
}

/* A bit, and its name in quotes. */
struct word {
	unsigned int bit;
	const char *name;
};

static void print_words(struct buffer *b, const struct word *words, size_t count, unsigned int bits)
{
	bool more = false;
	size_t i;

	buffer_char(b, '[');
	for (i = 0; i < count; i++) {
		if (!(bits & words[i].bit))
			continue;
		if (more)
			buffer_char(b, ',');
		buffer_text(b, words[i].name);
		more = true;
	}
	buffer_char(b, ']');
}

static void unknown_print(struct view *view, struct buffer *b)
{
	static const struct word words[] = {
		{ TCPDIAG_INPUT_LINGER, "\"linger\"" },
		{ TCPDIAG_INPUT_LINGER2, "\"linger2\"" },
		{ TCPDIAG_INPUT_REPAIR, "\"repair\"" },
		{ TCPDIAG_INPUT_MPTCP, "\"mptcp\"" },
		{ TCPDIAG_INPUT_SIBLING, "\"sibling\"" },
		{ TCPDIAG_INPUT_USER_TIMEOUT, "\"user_timeout\"" },
		{ TCPDIAG_INPUT_KERNEL, "\"kernel\"" },
	};

	print_words(b, words, ARRAY_SIZE(words), view->outcome.unknown);
}

static void print_word(struct buffer *b, const char *word)
{
	if (!word) {
		buffer_literal(b, "null");
		return;
	}
	buffer_char(b, '"');
	buffer_text(b, word);
	buffer_char(b, '"');
}

static void print_duration(struct buffer *b, int64_t ms)
{
	if (ms == TCPDIAG_FOREVER)
		buffer_literal(b, "\"forever\"");
	else if (ms < 0)
		buffer_literal(b, "null");
	else
		buffer_ms(b, ms);
}

static void print_then(struct buffer *b, const struct tcpdiag_then *then)
{
	buffer_literal(b, ",\"then\":");
	if (then->attachment == TCPDIAG_ATTACHMENT_UNKNOWN) {
		buffer_literal(b, "null");
		return;
	}
	buffer_literal(b, "{\"attachment\":");
	print_word(b, tcpdiag_attachment_name(then->attachment));
	buffer_literal(b, ",\"at_most_seconds\":");
	print_duration(b, then->at_most_ms);
	buffer_literal(b, ",\"ends_with\":");
	print_word(b, tcpdiag_end_name(then->ends_with));
	buffer_char(b, '}');
}

static bool same_then(const struct tcpdiag_then *a, const struct tcpdiag_then *b)
{
	return a->attachment == b->attachment && a->ends_with == b->ends_with &&
	       a->at_most_ms == b->at_most_ms;
}

static bool same_discards(const struct tcpdiag_result *a, const struct tcpdiag_result *b)
{
	return a->discards_receive == b->discards_receive && a->discards_send == b->discards_send &&
	       a->discards_unsent == b->discards_unsent;
}

static void print_discards(struct buffer *b, const struct tcpdiag_result *result, bool mptcp)
{
	buffer_literal(b, ",\"discards\":{\"receive_bytes\":");
	if (mptcp && result->discards_receive)
		buffer_literal(b, "null");
	else
		buffer_u64(b, result->discards_receive);
	buffer_literal(b, ",\"send_bytes\":");
	if (mptcp && result->discards_send) {
		buffer_literal(b, "null,\"unsent_bytes\":null}");
		return;
	}
	buffer_u64(b, result->discards_send);
	buffer_literal(b, ",\"unsent_bytes\":");
	buffer_u64(b, result->discards_unsent);
	buffer_char(b, '}');
}

static void otherwise_one(struct buffer *b, const struct tcpdiag_otherwise *other,
			  const struct tcpdiag_result *usual, bool mptcp)
{
	const struct tcpdiag_result *result = &other->result;

	buffer_literal(b, "{\"if\":");
	buffer_json(b, other->condition ? other->condition : "");
	buffer_literal(b, ",\"segment\":");
	print_word(b, tcpdiag_segment_name(result->segment));
	buffer_literal(b, ",\"state\":");
	print_word(b, tcpdiag_state_name(result->state));
	if (result->error != usual->error) {
		buffer_literal(b, ",\"error\":");
		print_word(b, error_name(result->error));
	}
	if (result->blocks_ms != usual->blocks_ms) {
		buffer_literal(b, ",\"blocks_seconds\":");
		print_duration(b, result->blocks_ms);
	}
	if (!same_discards(result, usual))
		print_discards(b, result, mptcp);
	if (result->resets != usual->resets) {
		buffer_literal(b, ",\"resets\":");
		buffer_u64(b, result->resets);
	}
	if (result->counter != usual->counter) {
		buffer_literal(b, ",\"counter\":");
		print_word(b, result->counter);
	}
	buffer_literal(b, ",\"rule\":");
	print_word(b, tcpdiag_rule_id(result->rule));
	if (!same_then(&result->then, &usual->then))
		print_then(b, &result->then);
	buffer_char(b, '}');
}

static void otherwise_print(struct view *view, struct buffer *b)
{
	const struct tcpdiag_outcome *outcome = &view->outcome;
	unsigned int i;

	buffer_char(b, '[');
	for (i = 0; i < outcome->otherwise_count && i < TCPDIAG_OTHERWISE_MAX; i++) {
		if (i)
			buffer_char(b, ',');
		otherwise_one(b, &outcome->otherwise[i], &outcome->result, view->record->sk.mptcp);
	}
	buffer_char(b, ']');
}

/* `last` and `held_by` are about close(): a shutdown() takes effect at once, an exit takes all. */
static bool of_close_get(struct view *view, const struct field *field, struct value *ret)
{
	(void)field;
	(void)ret;
	return view->operation == TCPDIAG_OP_CLOSE;
}

/* What one holds on is enough; that nothing does takes having looked at all. */
static bool holding_known(const struct tcpdiag_outcome *outcome)
{
	return outcome->holding || outcome->holding_known;
}

static void last_print(struct view *view, struct buffer *b)
{
	if (holding_known(&view->outcome))
		buffer_text(b, view->outcome.holding ? "false" : "true");
	else
		buffer_literal(b, "null");
}

static void held_by_print(struct view *view, struct buffer *b)
{
	static const struct word words[] = {
		{ TCPDIAG_HOLDING_PROCESS, "\"process\"" },
		{ TCPDIAG_HOLDING_DUPLICATE, "\"duplicate\"" },
		{ TCPDIAG_HOLDING_CALL, "\"call\"" },
	};

	if (holding_known(&view->outcome))
		print_words(b, words, ARRAY_SIZE(words), view->outcome.holding);
	else
		buffer_literal(b, "null");
}

#define BOTH (FIELD_LIST | FIELD_DETAIL)

static const struct field discards_fields[] = {
	{ .name = "receive_bytes",
	  .type = FIELD_INTEGER,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = discards_receive_get,
	  .text = "Unread bytes that are thrown away; null where their number is not known "
		  "(MPTCP)." },
	{ .name = "send_bytes",
	  .type = FIELD_INTEGER,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = discards_send_get,
	  .text = "Bytes of the send queue that are thrown away; null as above." },
	{ .name = "unsent_bytes",
	  .type = FIELD_INTEGER,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = discards_unsent_get,
	  .text = "Of these the ones never sent: certainly lost; null as above." },
	{},
};

static const struct field then_fields[] = {
	{ .name = "attachment",
	  .type = FIELD_WORD,
	  .flags = BOTH,
	  .get = then_attachment_get,
	  .words = &attachment_words,
	  .text = "What the socket is then." },
	{ .name = "at_most_seconds",
	  .type = FIELD_SECONDS,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = then_at_most_get,
	  .text = "How long that lasts at most while nothing comes from the peer; null where a "
		  "setting it depends on is not known." },
	{ .name = "ends_with",
	  .type = FIELD_WORD,
	  .flags = BOTH,
	  .get = then_ends_get,
	  .words = &end_words,
	  .text = "What the peer gets at that end." },
	{},
};

const struct field outcome_fields[] = {
	{ .name = "segment",
	  .type = FIELD_WORD,
	  .flags = BOTH,
	  .get = segment_get,
	  .words = &segment_words,
	  .text = "What the kernel sends for this socket because of the operation; a FIN may wait "
		  "behind unsent data or the handshake." },
	{ .name = "state",
	  .type = FIELD_WORD,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = state_get,
	  .words = &state_words,
	  .text = "The state right after; closed when the socket is gone or dead." },
	{ .name = "error",
	  .type = FIELD_WORD,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = error_get,
	  .text = "The name of the errno that the call returns, null for success." },
	{ .name = "blocks_seconds",
	  .type = FIELD_SECONDS,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = blocks_get,
	  .text = "How long the call may block at most." },
	{ .name = "discards",
	  .type = FIELD_OBJECT,
	  .flags = BOTH,
	  .get = discards_get,
	  .children = discards_fields,
	  .text = "What is thrown away." },
	{ .name = "resets",
	  .type = FIELD_INTEGER,
	  .flags = BOTH,
	  .get = resets_get,
	  .text = "Connections reset besides this one: those in a listener's queue." },
	{ .name = "peer_finished",
	  .type = FIELD_BOOL,
	  .flags = BOTH,
	  .get = peer_finished_get,
	  .text = "The peer has sent its FIN and acknowledged everything: a RST then hurts hardly "
		  "anyone." },
	{ .name = "counter",
	  .type = FIELD_WORD,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = counter_get,
	  .text = "The TcpExt or MPTcpExt counter that moves." },
	{ .name = "rule",
	  .type = FIELD_WORD,
	  .flags = BOTH,
	  .get = rule_get,
	  .text = "The rule that decides, see /rules." },
	{ .name = "because",
	  .type = FIELD_TEXT,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = because_get,
	  .text = "One sentence for a person." },
	{ .name = "then",
	  .type = FIELD_OBJECT,
	  .flags = BOTH | FIELD_NULLABLE,
	  .get = then_get,
	  .children = then_fields,
	  .text = "What is left behind; null for nothing." },
	{ .name = "certain",
	  .type = FIELD_BOOL,
	  .flags = BOTH,
	  .get = certain_get,
	  .text = "No input that is not known could change this." },
	{ .name = "unknown",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = unknown_print,
	  .schema = "\"type\":\"array\",\"items\":{\"type\":\"string\","
		    "\"enum\":[\"linger\",\"linger2\",\"repair\",\"mptcp\",\"sibling\","
		    "\"user_timeout\",\"kernel\"]}",
	  .text = "The inputs that are not known and could." },
	{ .name = "otherwise",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = otherwise_print,
	  .schema = "\"type\":\"array\",\"items\":{\"allOf\":[{\"type\":\"object\","
		    "\"required\":[\"if\",\"segment\",\"state\",\"rule\"],\"properties\":{"
		    "\"if\":{\"type\":\"string\"}}},"
		    "{\"$ref\":\"#/components/schemas/Outcome\"}]}",
	  .text = "What happens instead, one entry per different result: its condition, and the "
		  "members above that differ." },
	{ .name = "last",
	  .type = FIELD_OTHER,
	  .flags = BOTH | FIELD_OMITTED,
	  .get = of_close_get,
	  .print = last_print,
	  .schema = "\"type\":[\"boolean\",\"null\"]",
	  .text = "Of close() only: whether one close() of one descriptor is the last reference, "
		  "so "
		  "that this happens; false: nothing happens yet; null where it is not known." },
	{ .name = "held_by",
	  .type = FIELD_OTHER,
	  .flags = BOTH | FIELD_OMITTED,
	  .get = of_close_get,
	  .print = held_by_print,
	  .schema = "\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\","
		    "\"enum\":[\"process\",\"duplicate\",\"call\"]}",
	  .text = "Of close() only: what would hold on after it: another process, another "
		  "descriptor of the same process, or (call) a reference beyond the descriptors of "
		  "the last walk: a sleeping recv(), poll() or select(), a message under way, "
		  "io_uring; null where it is not known." },
	{},
};
