/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What several documents print alike: processes, addresses, points in time, text for a terminal.
 */
#pragma once

#include "model/snapshot.h"
#include "web/emit.h"

/* "<netns inode>-<cookie hex>" */
#define SOCKET_ID_MAX 32
void socket_id(const struct tcpdiag_socket *sk, char ret[SOCKET_ID_MAX]);

/* "2026-11-23T04:00:00.000Z"; null where @monotonic_ns is 0. */
void emit_since(struct emitter *j, const char *name, const struct snapshot *snapshot,
		int64_t monotonic_ns);

/* {"address", "port"} */
void emit_endpoint(struct emitter *j, const char *name, const uint8_t address[static 16],
		   int family, uint16_t port);

/* {"pid", "comm", "unit", "container", "container_name", "cgroup"}, with "fd" unless negative; null for NULL. */
void emit_process(struct emitter *j, const char *name, const struct snapshot *snapshot,
		  const struct process *process, int fd);

/* {"on", "seconds", "inherited"}; null where it is not known. */
void emit_linger(struct emitter *j, const char *name, const struct tcpdiag_socket *sk);

/* The holders of a record as an array. */
void emit_holders(struct emitter *j, const char *name, const struct snapshot *snapshot,
		  const struct record *record);

/*
 * Text as a terminal may get it: what is no printable ASCII becomes '?', one for each character.
 * At most @max characters of the first @len bytes. Return: what did not fit.
 */
const char *plain_text(struct buffer *b, const char *text, size_t len, size_t max);
/* The same of a whole string, with blanks behind it up to @width. */
void plain_cell(struct buffer *b, const char *text, size_t width);

/* A network namespace by its inode number or its name. Return: 0; -EINVAL where it is neither. */
int netns_parse(const struct snapshot *snapshot, const char *text, size_t len, uint64_t *ret);

/*
 * Whether a process is in the container asked for: by its id or the first twelve digits or more of it, its name,
 * its pod, NAMESPACE/POD or NAMESPACE/POD/NAME.
 */
bool container_matches(const struct snapshot *snapshot, const struct process *process,
		       const char *asked, size_t len);

/* The same by texts; @title as model/container_title.h has it. */
bool container_texts_match(const char *id, const char *title, const char *asked, size_t len);

/* Whether a unit is the one asked for: "nginx" is "nginx.service". */
bool unit_matches(const char *unit, const char *asked);
