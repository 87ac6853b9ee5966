/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows that outlive their process, so that an orphan can name who left it. A reused pid has another start
 * time and is another row.
 */
#include <errno.h>
#include <string.h>

#include "collector/roster.h"
#include "model/container_title.h"
#include "model/macro.h"
#include "model/unit_label.h"

#define MISSED_MAX 2U

enum text {
	TEXT_CGROUP,
	TEXT_UNIT,
	TEXT_CONTAINER,
	TEXT_CONTAINER_NAME,
	TEXT_POD,
	TEXT_POD_NAMESPACE,
	TEXT_READ, /* the others are made of these */
	TEXT_CONTAINER_TITLE = TEXT_READ,
	TEXT_UNIT_LABEL,
	TEXT_MAX
};

_Static_assert(TEXT_MAX <= ROSTER_TEXTS, "each has its place");

struct roster_entry {
	int32_t pid, parent;
	uint32_t netns;
	uint64_t start_time, executable;
	uint32_t descriptors, descriptor_limit;
	char comm[16];
	char *texts; /* enum text, each terminated; owned */
	uint32_t texts_size;
	uint8_t missed; /* results in a row in which it held nothing */
	bool referred;
	uint32_t sockets[TCPDIAG_STATE_MAX];
};

static void texts_of(const struct owner_process *process, const char *ret[static TEXT_MAX])
{
	ret[TEXT_CGROUP] = process->cgroup;
	ret[TEXT_UNIT] = process->unit;
	ret[TEXT_CONTAINER] = process->container;
	ret[TEXT_CONTAINER_NAME] = process->container_name;
	ret[TEXT_POD] = process->pod;
	ret[TEXT_POD_NAMESPACE] = process->pod_namespace;
}

#define TITLE_MAX 640

static char *texts_dup(const struct owner_process *process, uint32_t *ret_size)
{
	const char *parts[TEXT_MAX];
	char title[TITLE_MAX], label[UNIT_LABEL_MAX];
	size_t size = 0, i;
	char *texts, *end;

	texts_of(process, parts);
	container_title(parts[TEXT_POD_NAMESPACE], parts[TEXT_POD], parts[TEXT_CONTAINER_NAME],
			title, sizeof(title));
	unit_label(&(struct unit_label_input){ .cgroup = process->cgroup,
					       .unit = process->unit,
					       .container = process->container,
					       .pod = process->pod,
					       .pod_namespace = process->pod_namespace },
		   label);
	parts[TEXT_CONTAINER_TITLE] = title;
	parts[TEXT_UNIT_LABEL] = label;
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		size += strlen(parts[i]) + 1;
	texts = malloc(size);
	for (end = texts, i = 0; texts && i < ARRAY_SIZE(parts); i++)
		end = stpcpy(end, parts[i]) + 1;
	*ret_size = (uint32_t)size;
	return texts;
}

static bool texts_equal(const char *texts, const struct owner_process *process)
{
	const char *parts[TEXT_MAX];

	texts_of(process, parts);
	for (size_t i = 0; i < TEXT_READ; i++) {
		if (strcmp(texts, parts[i]) != 0)
			return false;
		texts += strlen(texts) + 1;
	}
	return true;
}

/* Old names stay where there is no memory for new ones. */
static bool entry_update(struct roster_entry *entry, const struct owner_process *process)
{
	if (!entry->texts || !texts_equal(entry->texts, process)) {
		uint32_t size;
		char *texts = texts_dup(process, &size);

		if (!texts)
			return entry->texts;
		free(entry->texts);
		entry->texts = texts;
		entry->texts_size = size;
	}
	entry->pid = process->pid;
	entry->parent = process->parent;
	entry->start_time = process->start_time;
	entry->executable = process->executable;
	entry->netns = process->netns;
	entry->descriptors = process->descriptors;
	entry->descriptor_limit = process->descriptor_limit;
	memcpy(entry->comm, process->comm, sizeof(entry->comm));
	entry->comm[sizeof(entry->comm) - 1] = '\0';
	return true;
}

/* ---- an index by pid ---- */

struct pids {
	uint32_t *slots; /* row + 1 */
	uint32_t mask;
};

static uint32_t pid_slot(const struct pids *pids, int32_t pid)
{
	return (uint32_t)pid * 2654435761U >> 7 & pids->mask;
}

static int pids_index(struct pids *pids, const struct roster *roster)
{
	uint32_t room = 16, i;

	while (room < roster->count * 2)
		room *= 2;
	pids->slots = calloc(room, sizeof(*pids->slots));
	if (!pids->slots)
		return -ENOMEM;
	pids->mask = room - 1;
	for (i = 0; i < roster->count; i++) {
		uint32_t slot = pid_slot(pids, roster->entries[i].pid);

		while (pids->slots[slot])
			slot = (slot + 1) & pids->mask;
		pids->slots[slot] = i + 1;
	}
	return 0;
}

static uint32_t pids_find(const struct pids *pids, const struct roster *roster,
			  const struct owner_process *process)
{
	uint32_t slot = pid_slot(pids, process->pid);

	for (; pids->slots[slot]; slot = (slot + 1) & pids->mask) {
		const struct roster_entry *entry = &roster->entries[pids->slots[slot] - 1];

		if (entry->pid == process->pid && entry->start_time == process->start_time)
			return pids->slots[slot] - 1;
	}
	return RECORD_NONE;
}

/* ---- */

/* Moves what stays to the front. */
static void squeeze(struct roster *roster, uint32_t *renumber)
{
	uint32_t kept = 0, i;

	for (i = 0; i < roster->count; i++) {
		struct roster_entry *entry = &roster->entries[i];

		if (entry->missed >= MISSED_MAX && !entry->referred) {
			free(entry->texts);
			renumber[i] = RECORD_NONE;
			continue;
		}
		renumber[i] = kept;
		roster->entries[kept++] = *entry;
	}
	roster->count = kept;
}

uint32_t roster_add(struct roster *roster, const struct owner_process *process, uint32_t max)
{
	struct roster_entry *entry;

	if (roster->count >= max) {
		roster->cut++;
		return RECORD_NONE;
	}
	if (roster->count == roster->room) {
		uint32_t room = MAX(roster->room * 2, 32U);
		struct roster_entry *more = reallocarray(roster->entries, room, sizeof(*more));

		if (!more)
			return RECORD_NONE;
		roster->entries = more;
		roster->room = room;
	}
	entry = &roster->entries[roster->count];
	*entry = (struct roster_entry){};
	return entry_update(entry, process) ? roster->count++ : RECORD_NONE;
}

bool roster_is(const struct roster *roster, uint32_t row, const struct owner_process *process)
{
	const struct roster_entry *entry;

	if (row >= roster->count)
		return false;
	entry = &roster->entries[row];
	return entry->pid == process->pid && entry->start_time == process->start_time &&
	       (process->start_time ||
		!strncmp(entry->comm, process->comm, sizeof(entry->comm) - 1));
}

uint32_t roster_find(const struct roster *roster, const struct owner_process *process)
{
	for (uint32_t i = 0; i < roster->count; i++)
		if (roster_is(roster, i, process))
			return i;
	return RECORD_NONE;
}

int roster_restore(struct roster *roster, const struct snapshot *snapshot)
{
	uint32_t i;

	for (i = 0; i < snapshot->process_count; i++) {
		const struct process *row = &snapshot->processes[i];
		struct owner_process process = {
			.pid = row->pid,
			.start_time = row->start_time,
			.netns = row->netns,
			.descriptors = row->descriptors,
			.descriptor_limit = row->descriptor_limit,
			.cgroup = snapshot_text(snapshot, row->cgroup),
			.unit = snapshot_text(snapshot, row->unit),
			.container = snapshot_text(snapshot, row->container),
			.container_name = snapshot_text(snapshot, row->container_name),
			.pod = snapshot_text(snapshot, row->pod),
			.pod_namespace = snapshot_text(snapshot, row->pod_namespace),
		};

		snprintf(process.comm, sizeof(process.comm), "%s",
			 snapshot_text(snapshot, row->comm));
		if (roster_add(roster, &process, UINT32_MAX) == RECORD_NONE) {
			roster_done(roster);
			return -ENOMEM;
		}
	}
	return 0;
}

int roster_renew(struct roster *roster, const struct owners *owners, uint32_t **ret_renumber,
		 uint32_t *ret_count, uint32_t **ret_rows)
{
	uint32_t processes = owners_process_count(owners), before = roster->count, i;
	uint32_t *renumber = calloc(before + 1, sizeof(*renumber));
	uint32_t *rows = calloc(processes + 1, sizeof(*rows));
	struct pids pids = {};

	if (!renumber || !rows || pids_index(&pids, roster) < 0) {
		free(renumber);
		free(rows);
		return -ENOMEM;
	}
	for (i = 0; i < before; i++)
		roster->entries[i].missed = (uint8_t)MIN(roster->entries[i].missed + 1U,
							 MISSED_MAX);
	for (i = 0; i < processes; i++) {
		const struct owner_process *process = owners_process(owners, i);

		rows[i] = pids_find(&pids, roster, process);
		if (rows[i] != RECORD_NONE)
			entry_update(&roster->entries[rows[i]], process);
	}
	free(pids.slots);
	squeeze(roster, renumber);
	for (i = 0; i < processes; i++)
		if (rows[i] != RECORD_NONE)
			rows[i] = renumber[rows[i]];
	*ret_renumber = renumber;
	*ret_count = before;
	*ret_rows = rows;
	return 0;
}

void roster_begin(struct roster *roster)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++) {
		memset(roster->entries[i].sockets, 0, sizeof(roster->entries[i].sockets));
		roster->entries[i].referred = false;
	}
}

void roster_count(struct roster *roster, uint32_t row, uint8_t state)
{
	if (row >= roster->count || state >= TCPDIAG_STATE_MAX)
		return;
	roster->entries[row].sockets[state]++;
	roster->entries[row].missed = 0;
}

void roster_refer(struct roster *roster, uint32_t row)
{
	if (row < roster->count)
		roster->entries[row].referred = true;
}

bool roster_kin(const struct roster *roster, uint32_t row, struct roster_kin *ret)
{
	const struct roster_entry *entry;

	if (row >= roster->count)
		return false;
	entry = &roster->entries[row];
	*ret = (struct roster_kin){
		.pid = entry->pid,
		.parent = entry->parent,
		.start_time = entry->start_time,
		.executable = entry->executable,
		.comm = entry->comm,
	};
	return true;
}

uint32_t roster_size(const struct roster *roster)
{
	return roster->count;
}

static bool same_texts(const struct roster_entry *a, const struct roster_entry *b)
{
	return a->texts_size == b->texts_size && !memcmp(a->texts, b->texts, a->texts_size);
}

/* The strings, stored; those of the row before where they are the same, as in a service that forks. */
static void store_texts(const struct roster *roster, uint32_t row, struct snapshot_writer *w,
			struct roster_strings *strings)
{
	const struct roster_entry *entry = &roster->entries[row];
	const char *at = entry->texts;

	if (row && strings->row == row - 1 && same_texts(entry, entry - 1)) {
		strings->row = row;
		return;
	}
	strings->row = row;
	for (size_t i = 0; i < TEXT_MAX; i++) {
		strings->texts[i] = snapshot_string(w, at, strlen(at));
		at += strlen(at) + 1;
	}
}

void roster_print(const struct roster *roster, uint32_t row, struct snapshot_writer *w,
		  struct roster_strings *memory, struct process *ret)
{
	const struct roster_entry *entry = &roster->entries[row];
	const uint32_t *strings = memory->texts;

	store_texts(roster, row, w, memory);
	*ret = (struct process){
		.pid = entry->pid,
		.comm = snapshot_string(w, entry->comm, strlen(entry->comm)),
		.unit = strings[TEXT_UNIT],
		.container = strings[TEXT_CONTAINER],
		.container_name = strings[TEXT_CONTAINER_NAME],
		.container_title = strings[TEXT_CONTAINER_TITLE],
		.pod = strings[TEXT_POD],
		.pod_namespace = strings[TEXT_POD_NAMESPACE],
		.unit_label = strings[TEXT_UNIT_LABEL],
		.cgroup = strings[TEXT_CGROUP],
		.netns = entry->netns,
		.descriptors = entry->descriptors,
		.descriptor_limit = entry->descriptor_limit,
		.start_time = entry->start_time,
	};
	memcpy(ret->sockets, entry->sockets, sizeof(ret->sockets));
}

static const char *text_of(const struct roster_entry *entry, enum text which)
{
	const char *at = entry->texts;
	int i;

	for (i = 0; i < (int)which; i++)
		at += strlen(at) + 1;
	return at;
}

bool roster_name(const struct roster *roster, uint32_t row, struct history_name *ret)
{
	const struct roster_entry *entry;

	if (row >= roster->count)
		return false;
	entry = &roster->entries[row];
	/* It is written out as it stands: no byte of the stack in it. */
	memset(ret, 0, sizeof(*ret));
	ret->pid = entry->pid;
	ret->start_time = entry->start_time;
	memcpy(ret->comm, entry->comm, sizeof(ret->comm));
	snprintf(ret->unit, sizeof(ret->unit), "%s", text_of(entry, TEXT_UNIT));
	snprintf(ret->container, sizeof(ret->container), "%s", text_of(entry, TEXT_CONTAINER));
	return true;
}

void roster_done(struct roster *roster)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++)
		free(roster->entries[i].texts);
	free(roster->entries);
	roster->entries = NULL;
	roster->count = roster->room = 0;
}
