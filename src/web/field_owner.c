/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields that come from processes: holders, the creator, and the flat ones of the first of them.
 */
#include "web/field_parts.h"

static bool text_of(const struct view *view, uint32_t offset, struct value *ret)
{
	ret->text = snapshot_text(view->snapshot, offset);
	return *ret->text;
}

static GETTER(pid_get)
{
	ret->number = view->process ? view->process->pid : 0;
	return view->process;
}

static GETTER(fd_get)
{
	ret->number = view->fd;
	return view->fd >= 0;
}

static bool process_text(const struct view *view, const struct process *process, uint8_t which,
			 struct value *ret)
{
	if (!process)
		return false;
	switch ((enum process_text)which) {
	case PROCESS_COMM:
		return text_of(view, process->comm, ret);
	case PROCESS_UNIT:
		return text_of(view, process->unit, ret);
	case PROCESS_CONTAINER:
		return text_of(view, process->container, ret);
	case PROCESS_CONTAINER_TITLE:
		return text_of(view, process->container_title, ret);
	case PROCESS_CGROUP:
		return text_of(view, process->cgroup, ret);
	}
	return false;
}

static GETTER(process_text_get)
{
	return process_text(view, view->process, field->argument, ret);
}

GETTER(owner_text_get)
{
	return process_text(view, snapshot_owner(view->snapshot, view->record), field->argument,
			    ret);
}

GETTER(owner_pid_get)
{
	const struct process *process = snapshot_owner(view->snapshot, view->record);

	ret->number = process ? process->pid : 0;
	return process;
}

GETTER(creator_get)
{
	view->process = view->record->holders
				? NULL
				: snapshot_process(view->snapshot, view->record->creator);
	view->fd = -1;
	return view->process;
}

/* Of what waits in a queue the process that listens: it has no descriptor of this socket yet. */
GETTER(first_holder_get)
{
	const struct record *record = view->record;
	uint32_t count;
	const struct holder *holders;

	if (record->sk.attachment == TCPDIAG_UNACCEPTED &&
	    record->listener < view->snapshot->record_count)
		record = &view->snapshot->records[record->listener];
	holders = snapshot_holders(view->snapshot, record, &count);
	view->process = snapshot_process(view->snapshot,
					 count ? holders[0].process : record->creator);
	view->fd = count && record == view->record ? holders[0].fd : -1;
	return view->process;
}

const struct field holder_fields[] = {
	FIELD("pid", FIELD_INTEGER, BOTH_NULL, pid_get, "Process id in the daemon's namespace."),
	FIELD("fd", FIELD_INTEGER, BOTH_NULL, fd_get,
	      "The descriptor; null for what has none any more."),
	FIELD_ARGUMENT("comm", FIELD_TEXT, BOTH_NULL, process_text_get, PROCESS_COMM,
		       "Name of the command."),
	FIELD_ARGUMENT("unit", FIELD_TEXT, BOTH_NULL, process_text_get, PROCESS_UNIT,
		       "The systemd unit."),
	FIELD_ARGUMENT("container", FIELD_TEXT, BOTH_NULL, process_text_get, PROCESS_CONTAINER,
		       "Id of the container; of LXC and systemd-nspawn its name."),
	FIELD_ARGUMENT("container_name", FIELD_TEXT, BOTH_NULL, process_text_get,
		       PROCESS_CONTAINER_TITLE, CONTAINER_NAME_TEXT),
	FIELD_ARGUMENT("cgroup", FIELD_TEXT, BOTH_NULL, process_text_get, PROCESS_CGROUP,
		       "Path of the control group."),
	{},
};
