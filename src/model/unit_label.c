/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stays is read from the path of the cgroup, in the order of systemd.unit(5): slices, then at most one
 * service or scope, and below it what an engine has made.
 *
 * A pod's name is that of its owner with what the controller has added: five random letters (generateName), and
 * before them for a Deployment the hash of the template, a number of 32 bits spelt in ten characters, for a
 * CronJob the time in minutes; for a StatefulSet the ordinal. Random letters leave out vowels, 0, 1 and 3, so
 * that they form no word (k8s.io/apimachinery/pkg/util/rand).
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "model/macro.h"
#include "model/unit_label.h"

#define RANDOM "bcdfghjklmnpqrstvwxz2456789"
#define HASH "456789bcdf"
#define DIGITS "0123456789"
#define HEX "0123456789abcdef"
#define CONTAINER_ID 64

struct span {
	const char *at;
	size_t len;
};

static struct span span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static bool equals(struct span span, const char *text)
{
	return span.len == strlen(text) && !memcmp(span.at, text, span.len);
}

static bool starts_with(struct span span, const char *text)
{
	return span.len >= strlen(text) && !memcmp(span.at, text, strlen(text));
}

static bool ends_with(struct span span, const char *text)
{
	size_t len = strlen(text);

	return span.len > len && !memcmp(span.at + span.len - len, text, len);
}

/* How many of the characters from @at on are among @set. */
static size_t run(struct span span, size_t at, const char *set)
{
	size_t len = 0;

	while (at + len < span.len && strchr(set, span.at[at + len]))
		len++;
	return len;
}

static bool consists(struct span span, const char *set, size_t min, size_t max)
{
	return span.len >= min && span.len <= max && run(span, 0, set) == span.len;
}

/* Whether there is an id in it, of a container or of Podman's pod. */
static bool has_id(struct span span)
{
	for (size_t at = 0; at < span.len; at++) {
		size_t len = run(span, at, HEX);

		if (len >= CONTAINER_ID)
			return true;
		at += len;
	}
	return false;
}

/* ---- pods ---- */

/* Takes the last part off when it is what a controller adds. */
static bool strip(struct span *name, const char *set, size_t min, size_t max)
{
	const char *hyphen = memrchr(name->at, '-', name->len);
	struct span last;

	if (!hyphen || hyphen == name->at)
		return false;
	last = (struct span){ hyphen + 1, name->len - (size_t)(hyphen + 1 - name->at) };
	if (!consists(last, set, min, max))
		return false;
	name->len = (size_t)(hyphen - name->at);
	return true;
}

static struct span pod_owner(const char *pod)
{
	struct span name = span_of(pod);

	if (strip(&name, DIGITS, 1, 4) || !strip(&name, RANDOM, 5, 5))
		return name;
	if (!strip(&name, HASH, 6, 10))
		strip(&name, DIGITS, 8, 10);
	return name;
}

/* ---- paths ---- */

/* What a path has before the container or unit at hand. */
struct place {
	struct span service, slice, engine;
	bool kubernetes;
};

static bool is_container(struct span parent, struct span name)
{
	return starts_with(name, "lxc.payload.") || equals(parent, "lxc") ||
	       equals(parent, "lxc.payload") || (has_id(name) && !ends_with(name, ".slice"));
}

static bool is_machine(struct span parent, struct span name)
{
	return equals(name, "payload") &&
	       (starts_with(parent, "machine-") || starts_with(parent, "systemd-nspawn@"));
}

static bool contains(struct span span, const char *text)
{
	return memmem(span.at, span.len, text, strlen(text));
}

/* @until: the unit whose place it is; NULL: the outermost container's. */
static struct place place_of(const char *cgroup, const char *until)
{
	struct span rest = span_of(cgroup), parent = {};
	/* Below a container that is a node of a test cluster there may be pods. */
	struct place place = { .kubernetes = contains(rest, "kubepods") };

	while (rest.len) {
		const char *end = memchr(rest.at, '/', rest.len);
		struct span name = { rest.at, end ? (size_t)(end - rest.at) : rest.len };

		rest.at += name.len + (end != NULL);
		rest.len -= name.len + (end != NULL);
		if (!name.len)
			continue;
		if (until ? equals(name, until)
			  : is_container(parent, name) || is_machine(parent, name)) {
			place.engine = starts_with(name, "docker-") ? span_of("docker") : parent;
			break;
		}
		if (ends_with(name, ".service"))
			place.service = name;
		else if (ends_with(name, ".slice") && !has_id(name))
			place.slice = name;
		parent = name;
	}
	return place;
}

static void put(char ret[static UNIT_LABEL_MAX], struct span span)
{
	size_t len = MIN(span.len, (size_t)UNIT_LABEL_MAX - 1);

	memcpy(ret, span.at, len);
	ret[len] = '\0';
}

static void put_slice(char ret[static UNIT_LABEL_MAX], const struct place *place)
{
	put(ret, place->slice.len ? place->slice : span_of("-.slice"));
}

static bool is_user_manager(struct span service)
{
	return starts_with(service, "user@");
}

static void put_container(char ret[static UNIT_LABEL_MAX], const struct place *place)
{
	if (place->kubernetes)
		put(ret, span_of("kubepods.slice"));
	else if (place->service.len && !is_user_manager(place->service))
		put(ret, place->service);
	else if (equals(place->engine, "docker"))
		put(ret, span_of("docker.service"));
	else if (place->service.len)
		put(ret, place->service);
	else
		put_slice(ret, place);
}

/* ---- units ---- */

/*
 * An instance that tells one run from another: a connection that a socket unit has accepted ("3-10.0.0.1:22-...",
 * "7-1234-1000"), or a long random number.
 */
static bool is_passing(struct span instance)
{
	size_t digits = run(instance, 0, DIGITS);

	if (memchr(instance.at, ':', instance.len) || consists(instance, HEX, 16, instance.len))
		return true;
	return digits && digits + 1 < instance.len && instance.at[digits] == '-' &&
	       run(instance, digits + 1, DIGITS);
}

static void put_service(char ret[static UNIT_LABEL_MAX], struct span unit)
{
	static const char suffix[] = ".service";
	const char *at = memchr(unit.at, '@', unit.len);
	struct span instance;

	put(ret, unit);
	if (!at)
		return;
	instance = (struct span){ at + 1, unit.len - (size_t)(at + 1 - unit.at) - strlen(suffix) };
	if (is_passing(instance))
		snprintf(ret, UNIT_LABEL_MAX, "%.*s%s", (int)(at + 1 - unit.at), unit.at, suffix);
}

/* systemd-run(1) without a name. */
static bool is_transient(struct span unit)
{
	size_t at = strlen("run-u");

	if (starts_with(unit, "run-u"))
		return run(unit, at, DIGITS) && unit.at[at + run(unit, at, DIGITS)] == '.';
	if (starts_with(unit, "run-r") || starts_with(unit, "run-p"))
		return run(unit, at, HEX "-i") && unit.at[at + run(unit, at, HEX "-i")] == '.';
	return false;
}

void unit_label(const struct unit_label_input *process, char ret[static UNIT_LABEL_MAX])
{
	struct span unit = span_of(process->unit);
	struct place place;

	if (*process->pod) {
		struct span owner = pod_owner(process->pod);

		snprintf(ret, UNIT_LABEL_MAX, "%s/%.*s", process->pod_namespace, (int)owner.len,
			 owner.at);
		return;
	}
	place = place_of(process->cgroup, *process->container ? NULL : process->unit);
	if (*process->container)
		put_container(ret, &place);
	else if (!unit.len)
		put_slice(ret, &place);
	else if (is_transient(unit))
		put_slice(ret, &place);
	else if (ends_with(unit, ".service"))
		put_service(ret, unit);
	else if (equals(unit, "init.scope"))
		put(ret, unit);
	else if (place.service.len)
		put(ret, place.service);
	else
		put_slice(ret, &place);
}
