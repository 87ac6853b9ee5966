/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a snapshot can be gone on with. A reader checks each index when it follows it; the collector works
 * on what it has itself written, and does not. So what comes from a collector before it is looked at once,
 * row by row: numbers that are used as indices or shifts, and times, which are subtracted.
 */
#include <errno.h>
#include <string.h>

#include "model/macro.h"
#include "model/snapshot.h"

/* A member that is a number below @end. */
struct small {
	size_t offset;
	uint8_t end;
};

#define SMALL(type, member, end_) \
	{ \
		offsetof(type, member), end_ \
	}

static const struct small record_small[] = {
	SMALL(struct record, sk.state, TCPDIAG_STATE_MAX),
	SMALL(struct record, sk.kind, TCPDIAG_KIND_REQUEST + 1),
	SMALL(struct record, sk.attachment, TCPDIAG_ATTACHMENT_MAX),
	SMALL(struct record, direction, DIRECTION_MAX),
	SMALL(struct record, close_rule, TCPDIAG_RULE_MAX),
	SMALL(struct record, close_segment, TCPDIAG_SEGMENT_MAX),
	SMALL(struct record, quiet, RECORD_QUIET_MAX + 1),
};

static const struct small finding_small[] = {
	SMALL(struct finding, rule, TCPDIAG_RULE_MAX),
	SMALL(struct finding, severity, SEVERITY_MAX),
	SMALL(struct finding, scope, SCOPE_MAX),
	SMALL(struct finding, memory.severities[0], SEVERITY_MAX),
	SMALL(struct finding, memory.severities[1], SEVERITY_MAX),
	SMALL(struct finding, memory.severities[2], SEVERITY_MAX),
};

static const struct small entry_small[] = {
	SMALL(struct history_entry, kind, HISTORY_KIND_MAX),
};

static const size_t record_times[] = {
	offsetof(struct record, seen_ns),	 offsetof(struct record, born_ns),
	offsetof(struct record, state_since_ns), offsetof(struct record, read_since_ns),
	offsetof(struct record, ack_since_ns),	 offsetof(struct record, data_since_ns),
	offsetof(struct record, settings_ns),
};

static bool small_numbers(const void *row, const struct small *members, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (((const uint8_t *)row)[members[i].offset] >= members[i].end)
			return false;
	return true;
}

static bool is_past(int64_t when_ns, int64_t now_ns)
{
	return when_ns >= 0 && when_ns <= now_ns;
}

static bool is_row(uint32_t row, uint32_t count)
{
	return row == RECORD_NONE || row < count;
}

static bool record_is_sound(const struct snapshot *s, const struct record *record, int64_t now_ns)
{
	size_t i;

	if (!small_numbers(record, record_small, ARRAY_SIZE(record_small)) ||
	    record->sk.sk_lingertime_ms < 0 || record->sk.linger2_ms < -1 ||
	    record->sk.linger2_ms > INT32_MAX)
		return false;
	for (i = 0; i < ARRAY_SIZE(record_times); i++) {
		int64_t when_ns;

		memcpy(&when_ns, (const char *)record + record_times[i], sizeof(when_ns));
		if (!is_past(when_ns, now_ns))
			return false;
	}
	if (record->holders && (record->holder >= s->holder_count ||
				record->holders > s->holder_count - record->holder))
		return false;
	return is_row(record->creator, s->process_count) &&
	       is_row(record->listener, s->record_count) && is_row(record->peer, s->record_count);
}

static bool records_are_sound(const struct snapshot *s, int64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < s->record_count; i++)
		if (!record_is_sound(s, &s->records[i], now_ns))
			return false;
	for (i = 0; i < s->ended_count; i++) {
		const struct ended *ended = &s->ended[i];

		if (!ended->gone_ns)
			continue;
		if (!is_past(ended->gone_ns, now_ns) || ended->record.holders ||
		    !record_is_sound(s, &ended->record, now_ns))
			return false;
	}
	return true;
}

static bool owners_are_sound(const struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->holder_count; i++)
		if (s->holders[i].process >= s->process_count)
			return false;
	return true;
}

static bool findings_are_sound(const struct snapshot *s, int64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < s->finding_count; i++)
		if (!small_numbers(&s->findings[i], finding_small, ARRAY_SIZE(finding_small)) ||
		    s->findings[i].rule < TCPDIAG_RULE_FINDING_FIRST ||
		    !is_past(s->findings[i].since_ns, now_ns) ||
		    !is_row(s->findings[i].process, s->process_count))
			return false;
	return true;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool history_is_sound(const struct snapshot *s, int64_t now_ns)
{
	const struct history_header *header = &s->header->history;
	uint32_t i;

	if ((header->size & (header->size - 1)) != 0 || s->history_count > header->size ||
	    s->name_count > HISTORY_NAMES || (header->size && !header->next) ||
	    !header->names_next || !is_past(header->since_ns, now_ns))
		return false;
	for (i = 0; i < RESTARTS_MAX; i++)
		if (!is_past(header->restarts[i].from_ns, now_ns) ||
		    !is_past(header->restarts[i].to_ns, now_ns))
			return false;
	for (i = 0; i < s->history_count; i++)
		if (!small_numbers(&s->history[i], entry_small, ARRAY_SIZE(entry_small)) ||
		    !is_past(s->history[i].when_ns, now_ns))
			return false;
	for (i = 0; i < s->name_count; i++)
		if (!is_text(s->names[i].comm, sizeof(s->names[i].comm)) ||
		    !is_text(s->names[i].unit, sizeof(s->names[i].unit)) ||
		    !is_text(s->names[i].container, sizeof(s->names[i].container)))
			return false;
	return true;
}

const char *snapshot_check(const struct snapshot *s, int64_t now_ns)
{
	if (s->header->now_ns <= 0 || s->header->now_ns > now_ns)
		return "it is from the future";
	if (!owners_are_sound(s))
		return "a holder leads out of it";
	if (!records_are_sound(s, now_ns))
		return "a socket's numbers are out of range";
	if (!findings_are_sound(s, now_ns))
		return "a finding's numbers are out of range";
	if (!history_is_sound(s, now_ns))
		return "its history is damaged";
	return NULL;
}

const char *snapshot_explain(const void *data, size_t size)
{
	const struct snapshot_header *header = data;

	if (size < sizeof(*header) || header->magic != SNAPSHOT_MAGIC)
		return "it is not complete";
	if (header->layout != SNAPSHOT_LAYOUT)
		return "it has the layout of another version";
	if (header->header_size != sizeof(*header) ||
	    header->record_size != sizeof(struct record) || header->rule_count != TCPDIAG_RULE_MAX)
		return "it is of another build";
	return "it is damaged";
}
