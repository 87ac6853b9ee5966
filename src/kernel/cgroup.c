/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup path is a chain of units (systemd.unit(5), systemd's basic/cgroup-util.c) and of what container
 * engines put below them.
 *
 * An engine names a container's cgroup by its id of 64 hexadecimal digits, alone (/docker/ID) or behind a word
 * of its own (docker-ID.scope, cri-containerd-ID.scope, libpod-payload-ID, ...:cri-containerd:ID).
 * LXC uses names: lxc.payload.NAME, lxc/NAME.
 */
#include <string.h>

#include "kernel/owners.h"
#include "model/macro.h"

#define CONTAINER_ID 64

struct span {
	const char *at;
	size_t len;
};

static bool starts_with(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len >= len && !memcmp(span.at, text, len);
}

static bool ends_with(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len > len && !memcmp(span.at + span.len - len, text, len);
}

/* The part before the next @separator, which is taken off. */
static struct span cut(struct span *rest, char separator)
{
	const char *end = rest->len ? memchr(rest->at, separator, rest->len) : NULL;
	struct span part = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
	size_t step = part.len + (end != NULL);

	rest->at += step;
	rest->len -= step;
	return part;
}

/*
 * The path to go by: of the unified hierarchy, unless that one is not in use ("/") and systemd keeps its own
 * (version 1, or both at once).
 */
static struct span choose_path(struct span text)
{
	static const char deleted[] = " (deleted)";
	struct span path = {};

	while (text.len) {
		struct span line = cut(&text, '\n');
		struct span id = cut(&line, ':');
		struct span controllers = cut(&line, ':');
		bool unified = id.len == 1 && *id.at == '0' && controllers.len == 0;
		bool systemd = controllers.len == strlen("name=systemd") &&
			       starts_with(controllers, "name=systemd");

		if (!line.len || *line.at != '/')
			continue;
		if ((unified && (line.len > 1 || !path.len)) || (systemd && path.len <= 1))
			path = line;
	}
	if (ends_with(path, deleted))
		path.len -= strlen(deleted);
	return path;
}

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	return true;
}

static bool is_word_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The container that a component stands for; empty where it is none. */
static struct span container_of(struct span parent, struct span name)
{
	static const char payload[] = "lxc.payload.";
	const char *id;

	if (starts_with(name, payload))
		return (struct span){ name.at + strlen(payload), name.len - strlen(payload) };
	if (parent.len == strlen("lxc") && starts_with(parent, "lxc"))
		return name;
	if (ends_with(name, ".scope"))
		name.len -= strlen(".scope");
	if (name.len < CONTAINER_ID)
		return (struct span){};
	id = name.at + name.len - CONTAINER_ID;
	if (!is_hex(id, CONTAINER_ID) || (id > name.at && is_word_character(id[-1])))
		return (struct span){};
	return (struct span){ id, CONTAINER_ID };
}

static void copy(char *to, size_t size, struct span from)
{
	size_t len = MIN(from.len, size - 1);

	if (len)
		memcpy(to, from.at, len);
	to[len] = '\0';
}

void cgroup_identify(const char *text, size_t len, char ret_cgroup[static 256],
		     char ret_unit[static 128], char ret_container[static 80])
{
	struct span path = choose_path((struct span){ text, len });
	struct span service = {}, unit = {}, container = {}, parent = {};
	struct span rest = path;

	while (rest.len) {
		struct span name = cut(&rest, '/');
		struct span inside;

		if (!name.len)
			continue;
		inside = container_of(parent, name);
		parent = name;
		/* A name that the kernel could mistake for a file of its own has a "_" before it. */
		if (*name.at == '_') {
			name.at++;
			name.len--;
		}
		if (inside.len) {
			container = inside;
			unit = service;
		} else if (ends_with(name, ".service")) {
			service = unit = name;
		} else if (ends_with(name, ".scope")) {
			unit = name;
		}
	}
	copy(ret_cgroup, 256, path);
	copy(ret_unit, 128, unit);
	copy(ret_container, 80, container);
}
