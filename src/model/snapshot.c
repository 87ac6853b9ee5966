/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a snapshot: every section is checked once, every index when it is followed.
 */
#include <errno.h>

#include "model/macro.h"
#include "model/snapshot.h"

static const size_t strides[SECTION_MAX] = {
	[SECTION_RECORDS] = sizeof(struct record),
	[SECTION_HOLDERS] = sizeof(struct holder),
	[SECTION_PROCESSES] = sizeof(struct process),
	[SECTION_FINDINGS] = sizeof(struct finding),
	[SECTION_SOURCES] = sizeof(struct source),
	[SECTION_NAMESPACES] = sizeof(struct namespace),
	[SECTION_HISTORY] = sizeof(struct history_entry),
	[SECTION_ENDED] = sizeof(struct ended),
	[SECTION_NAMES] = sizeof(struct history_name),
	[SECTION_STRINGS] = 1,
};

/* The rows of a section, NULL where it is empty; false where it does not lie within the block. */
static bool rows(const struct snapshot_header *header, enum section_id id, const void **ret,
		 uint32_t *ret_count)
{
	const struct section *section = &header->sections[id];

	*ret = NULL;
	*ret_count = 0;
	if (!section->count)
		return true;
	if (section->stride != strides[id] || section->offset % 8 ||
	    section->offset < sizeof(*header) || section->offset > header->bytes ||
	    section->count > (header->bytes - section->offset) / section->stride)
		return false;
	*ret = (const char *)header + section->offset;
	*ret_count = section->count;
	return true;
}

int snapshot_open(const void *data, size_t size, struct snapshot *ret)
{
	const struct snapshot_header *header = data;
	struct snapshot s = { .header = header };

	if (size < sizeof(*header) || header->magic != SNAPSHOT_MAGIC ||
	    header->layout != SNAPSHOT_LAYOUT || header->record_size != sizeof(struct record) ||
	    header->header_size != sizeof(*header) || header->rule_count != TCPDIAG_RULE_MAX ||
	    header->bytes > size)
		return -EBADMSG;
	if (!rows(header, SECTION_RECORDS, (const void **)&s.records, &s.record_count) ||
	    !rows(header, SECTION_HOLDERS, (const void **)&s.holders, &s.holder_count) ||
	    !rows(header, SECTION_PROCESSES, (const void **)&s.processes, &s.process_count) ||
	    !rows(header, SECTION_FINDINGS, (const void **)&s.findings, &s.finding_count) ||
	    !rows(header, SECTION_SOURCES, (const void **)&s.sources, &s.source_count) ||
	    !rows(header, SECTION_NAMESPACES, (const void **)&s.namespaces, &s.namespace_count) ||
	    !rows(header, SECTION_HISTORY, (const void **)&s.history, &s.history_count) ||
	    !rows(header, SECTION_ENDED, (const void **)&s.ended, &s.ended_count) ||
	    !rows(header, SECTION_NAMES, (const void **)&s.names, &s.name_count) ||
	    !rows(header, SECTION_STRINGS, (const void **)&s.strings, &s.strings_size))
		return -EBADMSG;
	if (s.strings_size && (s.strings[0] || s.strings[s.strings_size - 1]))
		return -EBADMSG;
	*ret = s;
	return 0;
}

const char *snapshot_text(const struct snapshot *snapshot, uint32_t offset)
{
	return offset < snapshot->strings_size ? snapshot->strings + offset : "";
}

const struct process *snapshot_process(const struct snapshot *snapshot, uint32_t row)
{
	return row < snapshot->process_count ? &snapshot->processes[row] : NULL;
}

const struct holder *snapshot_holders(const struct snapshot *snapshot, const struct record *record,
				      uint32_t *ret_count)
{
	if (!record->holders || record->holder >= snapshot->holder_count ||
	    record->holders > snapshot->holder_count - record->holder) {
		*ret_count = 0;
		return NULL;
	}
	*ret_count = record->holders;
	return &snapshot->holders[record->holder];
}

const struct process *snapshot_owner(const struct snapshot *snapshot, const struct record *record)
{
	uint32_t count;
	const struct holder *holders = snapshot_holders(snapshot, record, &count);

	return snapshot_process(snapshot, count ? holders[0].process : record->creator);
}

const struct namespace *snapshot_namespace(const struct snapshot *snapshot, uint32_t inode)
{
	uint32_t low = 0, high = snapshot->namespace_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapshot->namespaces[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == snapshot->namespace_count || snapshot->namespaces[low].inode != inode)
		return NULL;
	return &snapshot->namespaces[low];
}

const struct tcpdiag_environment *snapshot_environment(const struct snapshot *snapshot,
						       const struct record *record)
{
	static const struct tcpdiag_environment unknown;
	const struct namespace *row = snapshot_namespace(snapshot, record->sk.netns);

	if (row)
		return &row->environment;
	return record->sk.netns == snapshot->header->netns ? &snapshot->header->environment
							   : &unknown;
}

bool snapshot_warms(const struct snapshot_header *header, enum tcpdiag_rule rule, int64_t now_ns)
{
	return !header->replay && header->findings_warm_ns[rule] > now_ns &&
	       !(header->findings_blind & finding_bit(rule));
}
