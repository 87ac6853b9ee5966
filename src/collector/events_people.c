/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has ended a connection: the names of a process that may be gone when its event is read, a tenth of a second later.
 *
 * As the walk over the owners knows it; else as /proc has it, which is read once for a process; else by its control
 * group, whose number came with the event. A number that somebody else has by now does not name him: he began later.
 */
#include <fcntl.h>
#include <string.h>

#include "collector/events_private.h"
#include "kernel/cgroup.h"
#include "kernel/proc.h"
#include "model/container_title.h"
#include "model/unit_label.h"

#define READS_MAX 200U /* of /proc, in one drain */
#define PERSON_NS (60 * NSEC_PER_SEC) /* its unit may be another one after that */

static void copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static void set_label(struct person *person, const char *cgroup, const char *unit,
		      const char *container, const char *pod, const char *pod_namespace)
{
	struct event_name *name = &person->name;
	char label[UNIT_LABEL_MAX];

	unit_label(&(struct unit_label_input){ .cgroup = cgroup,
					       .unit = unit,
					       .container = container,
					       .pod = pod,
					       .pod_namespace = pod_namespace },
		   label);
	copy(name->label, sizeof(name->label), label);
	copy(name->unit, sizeof(name->unit), unit);
	copy(name->container, sizeof(name->container), container);
	copy(person->cgroup_path, sizeof(person->cgroup_path), cgroup);
	copy(person->pod, sizeof(person->pod), pod);
	copy(person->pod_namespace, sizeof(person->pod_namespace), pod_namespace);
}

static void set_cgroup(struct person *person, const char *text)
{
	struct cgroup_identity identity;

	cgroup_identify(text, strlen(text), &identity);
	set_label(person, identity.path, identity.unit, identity.container, "", "");
}

static void from_owner(const struct owner_process *owner, struct person *person)
{
	struct event_name *name = &person->name;

	name->start_time = owner->start_time;
	copy(name->comm, sizeof(name->comm), owner->comm);
	set_label(person, owner->cgroup, owner->unit, owner->container, owner->pod,
		  owner->pod_namespace);
	container_title(owner->pod_namespace, owner->pod, owner->container_name, name->title,
			sizeof(name->title));
}

static const struct owner_process *find_owner(const struct collector *c, int32_t pid)
{
	uint32_t row;

	if (!c->walk.owners || !owners_result_ns(c->walk.owners))
		return NULL;
	row = owners_process_of(c->walk.owners, pid);
	return row == UINT32_MAX ? NULL : owners_process(c->walk.owners, row);
}

/* Whether it began before the event, as far as ticks tell. */
static bool is_older(const struct events_lane *lane, uint64_t start_time, int64_t when_ns)
{
	const int64_t tick_ns = NSEC_PER_SEC / MAX(sysconf(_SC_CLK_TCK), 1);

	return start_time < (uint64_t)INT64_MAX / (uint64_t)tick_ns &&
	       (int64_t)start_time * tick_ns - lane->boot_offset_ns <= when_ns + tick_ns;
}

/* What /proc says of a process that still lives. Return: whether it is that one. */
static bool from_proc(struct collector *c, const struct socket_event *event, struct person *person)
{
	struct event_name *name = &person->name;
	struct events_lane *lane = c->events;
	const struct owner_process *owner = find_owner(c, event->pid);
	_cleanup_close_ int folder = -1;
	struct proc_stat stat;
	char path[32], text[4096];
	int n;

	if (lane->reads >= READS_MAX)
		return false;
	lane->reads++;
	snprintf(path, sizeof(path), "/proc/%d", event->pid);
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || proc_read_stat(folder, &stat) < 0 ||
	    !is_older(lane, stat.start_time, event->when_ns))
		return false;
	if (owner && owner->start_time == stat.start_time) {
		from_owner(owner, person);
		copy(name->comm, sizeof(name->comm), stat.comm);
		return true;
	}
	n = proc_read_text(folder, "cgroup", text, sizeof(text) - 1);
	text[MAX(n, 0)] = '\0';
	name->start_time = stat.start_time;
	copy(name->comm, sizeof(name->comm), stat.comm);
	set_cgroup(person, text);
	return n >= 0;
}

static void name_person(struct collector *c, const struct socket_event *event,
			struct person *person)
{
	struct event_name *name = &person->name;
	struct events_lane *lane = c->events;
	const struct owner_process *owner;
	char text[512];

	*name = (struct event_name){ .pid = event->pid };
	copy(name->comm, sizeof(name->comm), event->comm);
	if (from_proc(c, event, person))
		return;
	/* It is gone. The walk has seen it not long ago, and a number is not given again so soon. */
	owner = find_owner(c, event->pid);
	if (owner && !strcmp(owner->comm, event->comm)) {
		from_owner(owner, person);
		return;
	}
	if (lane->cgroups && cgroup_ids_find(lane->cgroups, event->cgroup, text, sizeof(text)) == 0)
		set_cgroup(person, text);
}

static struct closer *closer_at(struct events_lane *lane, const struct tcpdiag_socket *sk)
{
	uint64_t hash = (sk->cookie ^ (uint64_t)sk->netns << 32) * 0x9e3779b97f4a7c15ULL;

	return &lane->closers[(hash >> 32) % CLOSERS];
}

/* What is left of a socket after its close() has lost its process. */
static void note_closer(struct events_lane *lane, const struct socket_event *event,
			const struct person *person)
{
	if (!event->released)
		return;
	*closer_at(lane, &event->sk) = (struct closer){
		.cookie = event->sk.cookie,
		.netns = event->sk.netns,
		.person = (uint16_t)(person - lane->people),
		.serial = person->serial,
	};
}

uint32_t lane_process(void *context, const struct socket_event *event)
{
	struct collector *c = context;
	struct events_lane *lane = c->events;
	uint64_t hash = ((uint64_t)(uint32_t)event->pid ^ event->cgroup << 20) *
			0x9e3779b97f4a7c15ULL;
	struct person *person = &lane->people[(hash >> 32) % PEOPLE];

	if (event->pid <= 0)
		return 0;
	if (person->pid != event->pid || person->cgroup != event->cgroup ||
	    strncmp(person->comm, event->comm, sizeof(person->comm)) != 0 ||
	    lane->now_ns - person->seen_ns > PERSON_NS) {
		*person = (struct person){
			.pid = event->pid,
			.cgroup = event->cgroup,
			.seen_ns = lane->now_ns,
			.serial = (uint16_t)(person->serial + 1),
		};
		memcpy(person->comm, event->comm, sizeof(person->comm));
		name_person(c, event, person);
	}
	note_closer(lane, event, person);
	return journal_name(collector_journal(c), &person->name);
}

bool lane_closer(void *context, const struct tcpdiag_socket *sk, struct owner_process *ret)
{
	struct collector *c = context;
	struct events_lane *lane = c->events;
	const struct closer *closer = lane ? closer_at(lane, sk) : NULL;
	const struct person *person;

	if (!closer || closer->cookie != sk->cookie || closer->netns != sk->netns || !sk->cookie)
		return false;
	person = &lane->people[closer->person];
	if (person->serial != closer->serial || !person->pid)
		return false;
	*ret = (struct owner_process){
		.pid = person->pid,
		.start_time = person->name.start_time,
		.cgroup = person->cgroup_path,
		.unit = person->name.unit,
		.container = person->name.container,
		.pod_uid = "",
		.container_name = "",
		.pod = person->pod,
		.pod_namespace = person->pod_namespace,
	};
	memcpy(ret->comm, person->name.comm, sizeof(ret->comm));
	return true;
}

uint32_t lane_name_of(struct collector *c, const struct snapshot *snapshot, uint32_t row)
{
	const struct process *process = snapshot_process(snapshot, row);
	struct event_name name = {};

	if (!process)
		return 0;
	name.pid = process->pid;
	name.start_time = process->start_time;
	copy(name.comm, sizeof(name.comm), snapshot_text(snapshot, process->comm));
	copy(name.unit, sizeof(name.unit), snapshot_text(snapshot, process->unit));
	copy(name.label, sizeof(name.label), snapshot_text(snapshot, process->unit_label));
	copy(name.container, sizeof(name.container), snapshot_text(snapshot, process->container));
	copy(name.title, sizeof(name.title), snapshot_text(snapshot, process->container_title));
	return journal_name(collector_journal(c), &name);
}
