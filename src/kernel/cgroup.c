/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup path is a chain of units (systemd.unit(5), systemd's basic/cgroup-util.c) and of what container
 * engines put below them.
 *
 * An engine names a container's cgroup by its id of 64 hexadecimal digits, alone (/docker/ID) or behind a word
 * of its own (docker-ID.scope, cri-containerd-ID.scope, libpod-payload-ID, ...:cri-containerd:ID); with "conmon"
 * before it, it is the engine's own process beside the container.
 * LXC uses names: lxc.payload.NAME, lxc.payload/NAME, lxc/NAME. systemd-nspawn moves what it runs to a folder
 * "payload" below its unit, machine-NAME.scope or systemd-nspawn@NAME.service.
 * Above a container the kubelet names the pod by its uid, whose hyphens systemd does not allow
 * (kubepods-burstable-podUID.slice, kubepods/burstable/podUID).
 *
 * In version 1 each hierarchy has a path of its own. Where both versions are mounted at once some engines
 * leave the unified one alone, so that it still names the unit that the engine was started in.
 */
#include <string.h>

#include "kernel/cgroup.h"
#include "model/macro.h"

#define CONTAINER_ID 64
#define UUID 36

struct span {
	const char *at;
	size_t len;
};

/* What one path says. */
struct identity {
	struct span path, unit, container, pod;
	bool escaped; /* the container's name, as in the name of a unit */
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

/* What stands between @before and @behind; empty where @name is something else. */
static struct span between(struct span name, const char *before, const char *behind)
{
	const size_t start = strlen(before), end = strlen(behind);

	if (name.len <= start + end || !starts_with(name, before) || !ends_with(name, behind))
		return (struct span){};
	return (struct span){ name.at + start, name.len - start - end };
}

static bool equals(struct span span, const char *text)
{
	return span.len == strlen(text) && starts_with(span, text);
}

/* The machine whose payload the next folder is. */
static struct span machine_of(struct span unit)
{
	struct span machine = between(unit, "machine-", ".scope");

	return machine.len ? machine : between(unit, "systemd-nspawn@", ".service");
}

/* The id of a container at the end of @name. */
static struct span id_of(struct span name)
{
	struct span before;

	if (ends_with(name, ".scope"))
		name.len -= strlen(".scope");
	if (name.len < CONTAINER_ID)
		return (struct span){};
	before = (struct span){ name.at, name.len - CONTAINER_ID };
	if (!is_hex(name.at + before.len, CONTAINER_ID) ||
	    (before.len && is_word_character(before.at[before.len - 1])) ||
	    ends_with(before, "-conmon-"))
		return (struct span){};
	return (struct span){ name.at + before.len, CONTAINER_ID };
}

/* The container that a component stands for; empty where it is none. */
static struct span container_of(struct span parent, struct span name, bool *ret_escaped)
{
	struct span payload = between(name, "lxc.payload.", "");

	*ret_escaped = false;
	if (payload.len)
		return payload;
	if (equals(parent, "lxc") || equals(parent, "lxc.payload"))
		return name;
	if (equals(name, "payload")) {
		*ret_escaped = true;
		return machine_of(parent);
	}
	return id_of(name);
}

/* A UUID, however its parts are separated; a pod from a file has 32 digits without. */
static bool is_uid(const char *text, size_t len)
{
	size_t i;

	if (len != UUID)
		return is_hex(text, len);
	for (i = 0; i < len; i++) {
		bool separator = i == 8 || i == 13 || i == 18 || i == 23;

		if (separator ? text[i] != '-' && text[i] != '_' : !is_hex(text + i, 1))
			return false;
	}
	return true;
}

/* The uid of the pod that a component stands for; empty where it is none. */
static struct span pod_of(struct span name)
{
	static const size_t lengths[] = { UUID, 32 };
	static const char word[] = "pod";
	struct span pod = cut(&name, ':');

	if (ends_with(pod, ".slice"))
		pod.len -= strlen(".slice");
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		const size_t len = lengths[i];
		struct span before;

		if (pod.len < len + strlen(word))
			continue;
		before = (struct span){ pod.at, pod.len - len };
		if ((equals(before, word) || ends_with(before, "-pod")) &&
		    is_uid(pod.at + before.len, len))
			return (struct span){ pod.at + before.len, len };
	}
	return (struct span){};
}

static struct identity read_path(struct span path)
{
	struct identity found = { .path = path };
	struct span service = {}, parent = {}, rest = path;

	while (rest.len) {
		struct span name = cut(&rest, '/');
		struct span inside, pod;
		bool escaped;

		if (!name.len)
			continue;
		inside = container_of(parent, name, &escaped);
		pod = pod_of(name);
		parent = name;
		if (pod.len)
			found.pod = pod;
		/* A name that the kernel could mistake for a file of its own has a "_" before it. */
		if (*name.at == '_') {
			name.at++;
			name.len--;
		}
		if (inside.len) {
			found.container = inside;
			found.escaped = escaped;
			found.unit = service;
		} else if (ends_with(name, ".service")) {
			service = found.unit = name;
		} else if (ends_with(name, ".scope")) {
			found.unit = name;
		}
	}
	/* A pod's uid alone may stand in a name that somebody else gave. */
	if (!found.container.len)
		found.pod = (struct span){};
	return found;
}

/* How much the path of a hierarchy tells; a container in it outweighs everything. */
static unsigned int rank_of(const struct identity *found, bool unified, bool systemd)
{
	unsigned int rank = unified ? (found->path.len > 1 ? 4 : 2) : systemd ? 3 : 1;

	return rank + (found->container.len ? 8 : 0);
}

static struct identity choose_path(struct span text)
{
	static const char deleted[] = " (deleted)";
	struct identity best = {};
	unsigned int best_rank = 0;

	while (text.len) {
		struct span line = cut(&text, '\n');
		struct span id = cut(&line, ':');
		struct span controllers = cut(&line, ':');
		struct identity found;
		unsigned int rank;

		if (!line.len || *line.at != '/')
			continue;
		if (ends_with(line, deleted))
			line.len -= strlen(deleted);
		found = read_path(line);
		rank = rank_of(&found, equals(id, "0") && !controllers.len,
			       equals(controllers, "name=systemd"));
		if (rank > best_rank) {
			best = found;
			best_rank = rank;
		}
	}
	return best;
}

static void copy(char *to, size_t size, struct span from)
{
	size_t len = MIN(from.len, size - 1);

	if (len)
		memcpy(to, from.at, len);
	to[len] = '\0';
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\x2d" in the name of a unit is a hyphen (systemd-escape(1)). */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		int high = -1, low = -1;

		if (text[0] == '\\' && text[1] == 'x') {
			high = hex_digit(text[2]);
			low = high < 0 ? -1 : hex_digit(text[3]);
		}
		if (low < 0 || (!high && !low)) {
			*to++ = *text++;
			continue;
		}
		*to++ = (char)(high << 4 | low);
		text += 4;
	}
	*to = '\0';
}

void cgroup_identify(const char *text, size_t len, struct cgroup_identity *ret)
{
	/* The kernel writes no NUL; what is copied below would end at one. */
	struct identity found = choose_path((struct span){ text, strnlen(text, len) });

	copy(ret->path, sizeof(ret->path), found.path);
	copy(ret->unit, sizeof(ret->unit), found.unit);
	copy(ret->container, sizeof(ret->container), found.container);
	copy(ret->pod_uid, sizeof(ret->pod_uid), found.pod);
	if (found.escaped)
		unescape(ret->container);
	for (char *at = ret->pod_uid; *at; at++)
		if (*at == '_')
			*at = '-';
}

bool cgroup_is_container_id(const char *container)
{
	return strlen(container) == CONTAINER_ID && is_hex(container, CONTAINER_ID);
}
