/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What names of files say.
 *
 * Names of pods, namespaces and containers are labels or subdomains of RFC 1123: small letters, digits, hyphens
 * and dots, so that the "_" between them tells them apart. The kubelet cuts the name of a link at 255 bytes
 * before ".log" (logSymlink() in its kuberuntime/legacy.go), which may leave a part of the id only.
 *
 * Docker's file holds all that is known of a container, the names of networks, services and volumes among it:
 * the container's own is the outermost "Name", and begins with a slash.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "kernel/cgroup.h"
#include "kernel/containers.h"
#include "model/macro.h"

#define FILE_NAME_MAX 255
#define ID_MIN 12 /* as people write it */

struct span {
	const char *at;
	size_t len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label(struct span span)
{
	for (size_t i = 0; i < span.len; i++) {
		char c = span.at[i];

		if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '-' && c != '.')
			return false;
	}
	return span.len;
}

/* What Docker takes as a name. */
static bool is_name(const char *text)
{
	for (; *text; text++) {
		char c = *text;

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !is_digit(c) &&
		    c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static int copy(char *to, size_t size, struct span from)
{
	if (!from.len || from.len >= size)
		return -EBADMSG;
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
	return 0;
}

/* The part before the first "_", which is taken off. Return: whether there is one. */
static bool cut(struct span *rest, struct span *ret)
{
	const char *end = rest->len ? memchr(rest->at, '_', rest->len) : NULL;

	if (!end)
		return false;
	*ret = (struct span){ rest->at, (size_t)(end - rest->at) };
	rest->len -= ret->len + 1;
	rest->at = end + 1;
	return is_label(*ret);
}

static bool is_id(struct span span, bool whole)
{
	static const char digits[] = "0123456789abcdef";

	if (whole ? span.len != 64 : span.len < ID_MIN || span.len > 64)
		return false;
	for (size_t i = 0; i < span.len; i++)
		if (!strchr(digits, span.at[i]) || !span.at[i])
			return false;
	return true;
}

int container_parse_log(const char *name, struct container_label *ret)
{
	static const char suffix[] = ".log";
	const size_t len = strnlen(name, FILE_NAME_MAX + 1);
	struct container_label label = {};
	struct span rest, pod, namespace, id;
	const char *hyphen;

	if (len > FILE_NAME_MAX || len <= strlen(suffix) ||
	    strcmp(name + len - strlen(suffix), suffix) != 0)
		return -EBADMSG;
	rest = (struct span){ name, len - strlen(suffix) };
	if (!cut(&rest, &pod) || !cut(&rest, &namespace) || !rest.len)
		return -EBADMSG;
	hyphen = memrchr(rest.at, '-', rest.len);
	if (!hyphen)
		return -EBADMSG;
	id = (struct span){ hyphen + 1, rest.len - (size_t)(hyphen + 1 - rest.at) };
	rest.len = (size_t)(hyphen - rest.at);
	if (!is_id(id, len < FILE_NAME_MAX) || !is_label(rest) ||
	    copy(label.key, sizeof(label.key), id) < 0 ||
	    copy(label.name, sizeof(label.name), rest) < 0 ||
	    copy(label.pod, sizeof(label.pod), pod) < 0 ||
	    copy(label.namespace, sizeof(label.namespace), namespace) < 0)
		return -EBADMSG;
	*ret = label;
	return 0;
}

int container_parse_pod(const char *name, struct container_label *ret)
{
	const size_t len = strnlen(name, FILE_NAME_MAX + 1);
	struct container_label label = {};
	struct span rest = { name, len }, namespace, pod;

	if (len > FILE_NAME_MAX || !cut(&rest, &namespace) || !cut(&rest, &pod) ||
	    (rest.len != 36 && rest.len != 32) || !is_label(rest) ||
	    copy(label.key, sizeof(label.key), rest) < 0 ||
	    copy(label.pod, sizeof(label.pod), pod) < 0 ||
	    copy(label.namespace, sizeof(label.namespace), namespace) < 0)
		return -EBADMSG;
	*ret = label;
	return 0;
}

int container_parse_config(const char *text, size_t len, struct container_label *ret)
{
	struct container_label label = {};
	json_t *document = json_loadb(text, len, 0, NULL);
	const char *name = json_string_value(json_object_get(document, "Name"));
	int r = -EBADMSG;

	if (name && *name == '/' && is_name(name + 1))
		r = copy(label.name, sizeof(label.name),
			 (struct span){ name + 1, strlen(name + 1) });
	json_decref(document);
	if (r >= 0)
		*ret = label;
	return r;
}
