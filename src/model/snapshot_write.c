/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a snapshot: records are appended in place, strings are gathered aside and laid down last.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "model/macro.h"
#include "model/snapshot.h"

#define ALIGNMENT 64U
#define STRING_LENGTH_MAX 255U
#define STRING_SLOTS_MIN 1024U

/* The strings until snapshot_seal(): bytes, and an index of offsets that is searched by hash. */
struct snapshot_strings {
	char *bytes;
	uint32_t used, size;
	uint32_t *slots; /* offset, 0: free */
	uint32_t slot_count, slot_used;
};

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Makes [used, used + extra) writable. */
static int reserve(struct snapshot_writer *w, size_t extra)
{
	size_t wanted = w->used + extra;
	void *block;

	if (wanted <= w->size)
		return 0;
	wanted = MAX(wanted, w->size + w->size / 2);
	block = w->grow(w->context, wanted);
	if (!block)
		return -ENOMEM;
	w->header = block;
	w->size = wanted;
	return 0;
}

int snapshot_begin(struct snapshot_writer *w)
{
	int r;

	w->header = NULL;
	w->size = 0;
	w->used = 0;
	w->strings = calloc(1, sizeof(*w->strings));
	if (!w->strings)
		return -ENOMEM;
	r = reserve(w, aligned(sizeof(*w->header)));
	if (r < 0)
		return r;
	*(volatile uint64_t *)&w->header->magic = 0;
	atomic_signal_fence(memory_order_seq_cst);
	memset(w->header, 0, aligned(sizeof(*w->header)));
	w->used = aligned(sizeof(*w->header));
	w->header->sections[SECTION_RECORDS].offset = w->used;
	w->header->sections[SECTION_RECORDS].stride = sizeof(struct record);
	return 0;
}

struct record *snapshot_add(struct snapshot_writer *w)
{
	struct section *section;
	struct record *record;

	if (w->header->sections[SECTION_RECORDS].count >= w->max_records) {
		w->limits[LIMIT_SOCKETS]++;
		return NULL;
	}
	if (reserve(w, sizeof(struct record)) < 0) {
		w->limits[LIMIT_OUT_OF_MEMORY]++;
		return NULL;
	}
	section = &w->header->sections[SECTION_RECORDS];
	record = (struct record *)((char *)w->header + w->used);
	memset(record, 0, sizeof(*record));
	record->holder = record->creator = record->listener = record->peer = RECORD_NONE;
	w->used += sizeof(*record);
	section->count++;
	return record;
}

int snapshot_copy_records(struct snapshot_writer *w, const struct record *records, uint32_t count)
{
	struct section *section = &w->header->sections[SECTION_RECORDS];
	size_t bytes = (size_t)count * sizeof(*records);
	int r;

	if (count > w->max_records - section->count) {
		w->limits[LIMIT_SOCKETS] += count - (w->max_records - section->count);
		count = w->max_records - section->count;
		bytes = (size_t)count * sizeof(*records);
	}
	r = reserve(w, bytes);
	if (r < 0)
		return r;
	if (bytes)
		memcpy((char *)w->header + w->used, records, bytes);
	w->used += bytes;
	w->header->sections[SECTION_RECORDS].count += count;
	return 0;
}

void snapshot_drop(struct snapshot_writer *w)
{
	w->header->sections[SECTION_RECORDS].count--;
	w->used -= sizeof(struct record);
}

struct record *snapshot_writer_records(const struct snapshot_writer *w, uint32_t *ret_count)
{
	const struct section *section = &w->header->sections[SECTION_RECORDS];

	*ret_count = section->count;
	return (struct record *)((char *)w->header + section->offset);
}

static uint32_t string_hash(const char *text, size_t len)
{
	uint32_t hash = 2166136261U; /* FNV-1a */

	while (len--)
		hash = (hash ^ (uint8_t)*text++) * 16777619U;
	return hash;
}

static uint32_t *string_slot(const struct snapshot_strings *strings, const char *text, size_t len)
{
	uint32_t mask = strings->slot_count - 1;
	uint32_t i = string_hash(text, len) & mask;

	while (strings->slots[i]) {
		const char *have = strings->bytes + strings->slots[i];

		if (!strncmp(have, text, len) && !have[len])
			break;
		i = (i + 1) & mask;
	}
	return &strings->slots[i];
}

/* Twice as many slots, at most half of them used. */
static int strings_rehash(struct snapshot_strings *strings)
{
	uint32_t count = MAX(STRING_SLOTS_MIN, strings->slot_count * 2);
	uint32_t *old = strings->slots, old_count = strings->slot_count, i;

	strings->slots = calloc(count, sizeof(*strings->slots));
	if (!strings->slots) {
		strings->slots = old;
		return -ENOMEM;
	}
	strings->slot_count = count;
	for (i = 0; i < old_count; i++)
		if (old[i]) {
			const char *text = strings->bytes + old[i];

			*string_slot(strings, text, strlen(text)) = old[i];
		}
	free(old);
	return 0;
}

static int strings_reserve(struct snapshot_strings *strings, size_t extra)
{
	size_t size = strings->size ? strings->size : 4096;
	char *bytes;

	if (strings->used + extra <= strings->size)
		return 0;
	while (size < strings->used + extra)
		size *= 2;
	bytes = realloc(strings->bytes, size);
	if (!bytes)
		return -ENOMEM;
	if (!strings->used)
		bytes[strings->used++] = '\0';
	strings->bytes = bytes;
	strings->size = (uint32_t)size;
	return 0;
}

uint32_t snapshot_string(struct snapshot_writer *w, const char *text, size_t len)
{
	struct snapshot_strings *strings = w->strings;
	uint32_t *slot;

	len = strnlen(text,
		      MIN(len, w->string_length_max ? w->string_length_max : STRING_LENGTH_MAX));
	if (!len)
		return 0;
	if (strings->used + len + 2 > w->string_max) {
		w->limits[LIMIT_STRINGS]++;
		return 0;
	}
	if ((strings->slot_used >= strings->slot_count / 2 && strings_rehash(strings) < 0) ||
	    strings_reserve(strings, len + 2) < 0) {
		w->limits[LIMIT_OUT_OF_MEMORY]++;
		return 0;
	}
	slot = string_slot(strings, text, len);
	if (!*slot) {
		*slot = strings->used;
		memcpy(strings->bytes + strings->used, text, len);
		strings->bytes[strings->used + len] = '\0';
		strings->used += (uint32_t)len + 1;
		strings->slot_used++;
	}
	return *slot;
}

const char *snapshot_writer_text(const struct snapshot_writer *w, uint32_t offset)
{
	return offset < w->strings->used ? w->strings->bytes + offset : "";
}

void *snapshot_section_raw(struct snapshot_writer *w, enum section_id id, uint32_t count,
			   size_t stride)
{
	size_t pad = aligned(w->used) - w->used, bytes = count * stride;
	struct section *section;
	void *rows;

	if (reserve(w, pad + bytes) < 0)
		return NULL;
	w->used += pad;
	section = &w->header->sections[id];
	section->offset = w->used;
	section->count = count;
	section->stride = (uint32_t)stride;
	rows = (char *)w->header + w->used;
	w->used += bytes;
	return rows;
}

void *snapshot_section(struct snapshot_writer *w, enum section_id id, uint32_t count, size_t stride)
{
	void *rows = snapshot_section_raw(w, id, count, stride);

	if (rows)
		memset(rows, 0, count * stride);
	return rows;
}

int snapshot_seal(struct snapshot_writer *w)
{
	uint32_t size = MAX(w->strings->used, 1U);
	char *bytes = snapshot_section(w, SECTION_STRINGS, size, 1);

	if (!bytes)
		return -ENOMEM;
	if (w->strings->used)
		memcpy(bytes, w->strings->bytes, size);
	w->header->layout = SNAPSHOT_LAYOUT;
	w->header->record_size = sizeof(struct record);
	w->header->header_size = sizeof(*w->header);
	w->header->rule_count = TCPDIAG_RULE_MAX;
	w->header->bytes = w->used;
	/* Last, whatever the compiler thinks: a process that is killed has written what stands before. */
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint64_t *)&w->header->magic = SNAPSHOT_MAGIC;
	return 0;
}

void snapshot_writer_done(struct snapshot_writer *w)
{
	if (w->strings) {
		free(w->strings->bytes);
		free(w->strings->slots);
	}
	free(w->strings);
	w->strings = NULL;
}
