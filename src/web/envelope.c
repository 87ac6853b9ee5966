/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which snapshot an answer comes from, for people and for programs that compare two answers.
 */
#include "web/envelope.h"
#include "web/put.h"

int64_t snapshot_wall(const struct snapshot *snapshot, int64_t monotonic_ns)
{
	int64_t ret;

	/* Both times come from outside: they may be as far apart as they like. */
	if (__builtin_sub_overflow(monotonic_ns, snapshot->header->now_ns, &ret) ||
	    __builtin_add_overflow(ret, snapshot->header->wall_ns, &ret))
		return 0;
	return ret;
}

int64_t snapshot_age(const struct snapshot *snapshot, int64_t monotonic_ns)
{
	int64_t age;

	if (__builtin_sub_overflow(snapshot->header->now_ns, monotonic_ns, &age))
		return 0;
	return MAX(age, (int64_t)0);
}

void buffer_time(struct buffer *b, int64_t wall_ns)
{
	if (buffer_reserve(b, PUT_TIME_MAX))
		b->len = (size_t)(put_time(b->data + b->len, wall_ns) - b->data);
}

void buffer_seconds(struct buffer *b, int64_t ns)
{
	buffer_ms(b, ns / NSEC_PER_MSEC);
}

/* The lines of @text as an array of strings. */
static void print_lines(struct buffer *b, const char *text)
{
	const char *comma = "[";

	while (*text) {
		size_t len = strcspn(text, "\n");

		buffer_text(b, comma);
		if (buffer_reserve(b, PUT_JSON_MAX(len)))
			b->len = (size_t)(put_json(b->data + b->len, text, len) - b->data);
		comma = ",";
		text += len;
		text += *text == '\n';
	}
	buffer_char(b, ']');
}

/* How long before the answer something was; no clock runs in a replay. */
static int64_t age_at(const struct snapshot *snapshot, int64_t then_ns, int64_t now_ns)
{
	int64_t age;

	if (snapshot->header->replay)
		return snapshot_age(snapshot, then_ns);
	if (__builtin_sub_overflow(now_ns, then_ns, &age))
		return 0;
	return MAX(age, (int64_t)0);
}

/* How many namespaces the answer covers, and how old the oldest part of it can be. */
static void print_namespaces(struct buffer *b, const struct snapshot *snapshot, int64_t now_ns)
{
	int64_t oldest_ns = INT64_MAX;
	uint32_t read = 0, i;

	for (i = 0; i < snapshot->namespace_count; i++) {
		const struct namespace *row = &snapshot->namespaces[i];

		if (!row->sweep_ns)
			continue;
		read++;
		oldest_ns = MIN(oldest_ns, MAX(row->sweep_ns, row->checked_ns));
	}
	buffer_literal(b, ",\"namespaces\":{\"read\":");
	buffer_u64(b, read);
	buffer_literal(b, ",\"not_read\":");
	if (snapshot->header->other_namespaces >= 0)
		buffer_u64(b, (uint64_t)snapshot->header->other_namespaces);
	else
		buffer_literal(b, "null");
	buffer_literal(b, ",\"oldest_seconds\":");
	if (read)
		buffer_seconds(b, age_at(snapshot, oldest_ns, now_ns));
	else
		buffer_literal(b, "null");
	buffer_char(b, '}');
}

void envelope_print(struct buffer *b, const struct snapshot *snapshot, int64_t now_ns)
{
	const struct snapshot_header *header = snapshot->header;
	const char *missing = snapshot_text(snapshot, header->missing);
	int64_t sweep_ns = header->lanes[LANE_SWEEP].last_ns;

	buffer_literal(b, "\"snapshot\":{\"id\":");
	buffer_u64(b, header->id);
	buffer_literal(b, ",\"time\":");
	buffer_time(b, header->wall_ns);
	buffer_literal(b, ",\"age_seconds\":");
	buffer_seconds(b, age_at(snapshot, header->now_ns, now_ns));
	buffer_literal(b, ",\"sweep_age_seconds\":");
	if (sweep_ns)
		buffer_seconds(b, age_at(snapshot, sweep_ns, now_ns));
	else
		buffer_literal(b, "null");
	print_namespaces(b, snapshot, now_ns);
	buffer_text(b, *missing ? ",\"complete\":false,\"missing\":" : ",\"complete\":true");
	if (*missing)
		print_lines(b, missing);
	buffer_char(b, '}');
}
