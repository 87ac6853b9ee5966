/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The events' reader: loads kernel/bpf/events.bpf.c, and drains its ring.
 *
 * What a kernel lacks is found by loading: the argument with the reason and the helper for the cookie are asked for
 * first, and left out where the program is refused with them.
 */
#include "kernel/events.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/event_rows.h"
#include "model/macro.h"

#include <events.skel.h>

#define RING_MIN 65536U
#define RING_MAX (1U << 30)

/* PROC_PID_INIT_INO (include/linux/proc_ns.h): the number of the first PID namespace, on every machine. */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCU

struct event_reader {
	uint64_t bad; /* rows that cannot be right */
	struct events_bpf *program;
	struct ring_buffer *ring;
	uint32_t hz;
	bool has_reasons;
	bool detached;
	int stats_fd; /* while it is open the kernel counts the programs' time; -1 */
	uint8_t reasons[EVENT_REASONS_MAX]; /* enum reset_reason */

	/* Of the drain under way. */
	int (*take)(const struct socket_event *event, void *context);
	void *context;
	int taken;
};

/* What kernels do not all have; the best first. */
static const struct features {
	bool has_reason;
	bool has_cookie_helper;
} features[] = {
	{ true, true },
	{ false, true },
	{ false, false },
};

static int on_row(void *context, void *data, size_t size)
{
	struct event_reader *reader = context;
	struct socket_event event;
	int r = event_from_row(data, size, reader->hz, reader->reasons, &event);

	/* One that a later kernel fills in another way is lost, and the others are not. */
	if (r < 0)
		reader->bad++;
	else
		r = reader->take(&event, reader->context);
	if (r < 0 && r != -EBADMSG)
		return r;
	/* The row is taken; libbpf goes no further. */
	return ++reader->taken >= EVENTS_DRAIN_MAX ? -EOVERFLOW : 0;
}

/* Whole pages, a power of two of them. */
static uint32_t ring_size(size_t bytes)
{
	uint32_t size = RING_MIN;

	while (size < bytes && size < RING_MAX)
		size *= 2;
	return size;
}

static int load(const struct features *with, size_t bytes, struct events_bpf **ret)
{
	struct events_bpf *program = events_bpf__open();
	struct stat st;
	int r;

	if (!program)
		return -errno;
	program->rodata->has_reason = with->has_reason;
	program->rodata->has_cookie_helper = with->has_cookie_helper;
	if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != FIRST_PID_NAMESPACE) {
		program->rodata->pidns_dev = st.st_dev;
		program->rodata->pidns_ino = st.st_ino;
	}
	r = bpf_map__set_max_entries(program->maps.events, ring_size(bytes));
	if (r == 0)
		r = events_bpf__load(program);
	if (r < 0) {
		events_bpf__destroy(program);
		return r;
	}
	*ret = program;
	return 0;
}

static int load_best(struct event_reader *reader, size_t bytes)
{
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		r = load(&features[i], bytes, &reader->program);
		reader->has_reasons = features[i].has_reason;
		if (r >= 0 || r == -EPERM || r == -ENOMEM)
			break;
	}
	return r;
}

/* The numbers are this kernel's own. */
static int name_reasons(struct event_reader *reader)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *type;
	const struct btf_enum *value;
	int32_t id;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, "sk_rst_reason", BTF_KIND_ENUM);
	type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	value = type ? btf_enum(type) : NULL;
	for (uint32_t i = 0; type && i < btf_vlen(type); i++, value++) {
		const char *name = btf__name_by_offset(btf, value->name_off);

		if (name && value->val >= 0 && value->val < EVENT_REASONS_MAX)
			reader->reasons[value->val] = (uint8_t)reset_reason_of_kernel(name);
	}
	btf__free(btf);
	return 0;
}

/* What loading fails with, in the three ways that callers tell apart. */
static int simple_error(int error)
{
	if (error == -EPERM || error == -EACCES)
		return -EPERM;
	return error == -ENOMEM ? -ENOMEM : -EOPNOTSUPP;
}

static int open_all(struct event_reader *reader, size_t bytes)
{
	int r = load_best(reader, bytes);

	if (r == 0)
		r = name_reasons(reader);
	if (r < 0)
		return simple_error(r);
	reader->ring = ring_buffer__new(bpf_map__fd(reader->program->maps.events), on_row, reader,
					NULL);
	if (!reader->ring)
		return -errno;
	r = events_bpf__attach(reader->program);
	return r < 0 ? simple_error(r) : 0;
}

int events_open(size_t bytes, uint32_t hz, struct event_reader **ret)
{
	struct event_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	/* What libbpf would print is of use to who writes the programs. */
	libbpf_set_print(NULL);
	reader->hz = hz;
	reader->stats_fd = -1;
	r = open_all(reader, bytes);
	if (r < 0) {
		events_free(reader);
		return r;
	}
	*ret = reader;
	return 0;
}

struct event_reader *events_free(struct event_reader *reader)
{
	if (!reader)
		return NULL;
	if (reader->stats_fd >= 0)
		close(reader->stats_fd);
	ring_buffer__free(reader->ring);
	events_bpf__destroy(reader->program);
	free(reader);
	return NULL;
}

int events_drain(struct event_reader *reader,
		 int (*take)(const struct socket_event *event, void *context), void *context)
{
	int r;

	reader->take = take;
	reader->context = context;
	reader->taken = 0;
	r = ring_buffer__consume(reader->ring);
	return r < 0 && reader->taken < EVENTS_DRAIN_MAX ? r : reader->taken;
}

uint64_t events_dropped(const struct event_reader *reader)
{
	return reader->bad + __atomic_load_n(&reader->program->bss->dropped, __ATOMIC_RELAXED);
}

int events_thin(struct event_reader *reader, enum events_level level)
{
	int r = 0;

	reader->program->bss->ends_only = level >= EVENTS_ENDS;
	if (level == EVENTS_NONE && !reader->detached) {
		events_bpf__detach(reader->program);
		reader->detached = true;
	} else if (level != EVENTS_NONE && reader->detached) {
		r = events_bpf__attach(reader->program);
		if (r < 0)
			events_bpf__detach(reader->program);
		else
			reader->detached = false;
	}
	return r;
}

int events_measure(struct event_reader *reader, bool on)
{
	if (!on && reader->stats_fd >= 0) {
		close(reader->stats_fd);
		reader->stats_fd = -1;
	}
	if (!on || reader->stats_fd >= 0)
		return 0;
	reader->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return MIN(reader->stats_fd, 0);
}

int events_cost(const struct event_reader *reader, uint64_t *ret_run_ns)
{
	const struct bpf_program *programs[] = {
		reader->program->progs.state_changes,
		reader->program->progs.reset_received,
		reader->program->progs.reset_sent,
		reader->program->progs.destroyed,
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);
		int r = bpf_obj_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size);

		if (r < 0)
			return r;
		sum += info.run_time_ns;
	}
	*ret_run_ns = sum;
	return 0;
}

bool events_have_reasons(const struct event_reader *reader)
{
	return reader->has_reasons;
}
