/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pieces of documents. Names of processes and units are whatever their owner chose: nothing of them
 * reaches a terminal or a JSON string unchecked.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "web/envelope.h"
#include "web/filter.h"
#include "web/pieces.h"

#define CONTAINER_PREFIX_MIN 12

void socket_id(const struct tcpdiag_socket *sk, char ret[SOCKET_ID_MAX])
{
	snprintf(ret, SOCKET_ID_MAX, "%" PRIu32 "-%" PRIx64, sk->netns, sk->cookie);
}

void emit_since(struct emitter *j, const char *name, const struct snapshot *snapshot,
		int64_t monotonic_ns)
{
	if (!monotonic_ns) {
		emit_null(j, name);
		return;
	}
	emit_raw(j, name, "");
	buffer_time(j->b, snapshot_wall(snapshot, monotonic_ns));
}

void emit_endpoint(struct emitter *j, const char *name, const uint8_t address[static 16],
		   int family, uint16_t port)
{
	emit_object(j, name);
	emit_raw(j, "address", "\"");
	buffer_address(j->b, address, family);
	buffer_char(j->b, '"');
	emit_u64(j, "port", port);
	emit_end(j, '}');
}

void emit_process(struct emitter *j, const char *name, const struct snapshot *snapshot,
		  const struct process *process, int fd)
{
	if (!process) {
		emit_null(j, name);
		return;
	}
	emit_object(j, name);
	emit_u64(j, "pid", (uint64_t)MAX(process->pid, 0));
	if (fd >= 0)
		emit_u64(j, "fd", (uint64_t)fd);
	emit_text(j, "comm", snapshot_text(snapshot, process->comm));
	emit_text(j, "unit", snapshot_text(snapshot, process->unit));
	emit_text(j, "container", snapshot_text(snapshot, process->container));
	emit_text(j, "container_name", snapshot_text(snapshot, process->container_title));
	emit_text(j, "cgroup", snapshot_text(snapshot, process->cgroup));
	emit_end(j, '}');
}

void emit_linger(struct emitter *j, const char *name, const struct tcpdiag_socket *sk)
{
	if (!(sk->known & TCPDIAG_KNOWS_LINGER)) {
		emit_null(j, name);
		return;
	}
	emit_object(j, name);
	emit_bool(j, "on", sk->linger);
	if (sk->sk_lingertime_ms == TCPDIAG_LINGER_FOREVER) {
		emit_string(j, "seconds", "forever");
	} else {
		emit_raw(j, "seconds", "");
		buffer_ms(j->b, sk->sk_lingertime_ms);
	}
	emit_bool(j, "inherited", sk->inherited);
	emit_end(j, '}');
}

void emit_holders(struct emitter *j, const char *name, const struct snapshot *snapshot,
		  const struct record *record)
{
	const struct holder *holders;
	uint32_t count, i;

	holders = snapshot_holders(snapshot, record, &count);
	emit_array(j, name);
	for (i = 0; i < count; i++) {
		const struct process *process = snapshot_process(snapshot, holders[i].process);

		if (process)
			emit_process(j, NULL, snapshot, process, holders[i].fd);
	}
	emit_end(j, ']');
}

const char *plain_text(struct buffer *b, const char *text, size_t len, size_t max)
{
	for (; len && *text; text++, len--) {
		unsigned char c = (unsigned char)*text;

		if ((c & 0xc0) == 0x80) /* goes on with the character before */
			continue;
		if (!max--)
			break;
		buffer_char(b, c < ' ' || c > '~' ? '?' : *text);
	}
	return text;
}

void plain_cell(struct buffer *b, const char *text, size_t width)
{
	size_t before = b->len;

	plain_text(b, text, SIZE_MAX, width);
	while (!b->error && b->len < before + width)
		buffer_char(b, ' ');
}

bool unit_matches(const char *unit, const char *asked)
{
	size_t len = strlen(asked);

	return !strncmp(unit, asked, len) &&
	       (!unit[len] || (!strcmp(unit + len, ".service") && !memchr(asked, '.', len)));
}

/* A part of a title. */
static bool is_part(const char *part, size_t part_len, const char *text, size_t len)
{
	return len && part_len == len && !memcmp(part, text, len);
}

/* "NAMESPACE/POD/NAME", "NAMESPACE/POD", or "NAME": all of it, NAMESPACE/POD, POD, NAME. */
static bool title_matches(const char *title, const char *text, size_t len)
{
	const char *pod = strchr(title, '/'), *name = pod ? strchr(pod + 1, '/') : NULL;

	if (is_part(title, strlen(title), text, len))
		return true;
	if (!pod)
		return false;
	pod++;
	if (!name)
		return is_part(pod, strlen(pod), text, len);
	return is_part(title, (size_t)(name - title), text, len) ||
	       is_part(pod, (size_t)(name - pod), text, len) ||
	       is_part(name + 1, strlen(name + 1), text, len);
}

bool container_texts_match(const char *id, const char *title, const char *asked, size_t len)
{
	/* As engines print ids; a shorter beginning could be a name. */
	if (len && !strncmp(id, asked, len) && (!id[len] || len >= CONTAINER_PREFIX_MIN))
		return true;
	return title_matches(title, asked, len);
}

bool container_matches(const struct snapshot *snapshot, const struct process *process,
		       const char *asked, size_t len)
{
	return container_texts_match(snapshot_text(snapshot, process->container),
				     snapshot_text(snapshot, process->container_title), asked, len);
}

int netns_parse(const struct snapshot *snapshot, const char *text, size_t len, uint64_t *ret)
{
	uint32_t i;

	if (!value_number(text, len, UINT32_MAX, ret))
		return 0;
	for (i = 0; len && i < snapshot->namespace_count; i++) {
		const char *name = snapshot_text(snapshot, snapshot->namespaces[i].name);

		if (!strncmp(name, text, len) && !name[len]) {
			*ret = snapshot->namespaces[i].inode;
			return 0;
		}
	}
	return -EINVAL;
}
