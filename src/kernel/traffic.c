/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/net/snmp, sockstat and sockstat6 of one namespace, kept open (net/ipv4/proc.c,
 * net/ipv6/proc.c). The counters of TCP are those of both families; the sockets in use are not.
 * Without IPv6 the last file is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kernel/text.h"
#include "kernel/traffic.h"
#include "model/macro.h"

#define NET "/proc/thread-self/net/"

enum file { FILE_SNMP = 0, FILE_SOCKSTAT, FILE_SOCKSTAT6, FILE_MAX };

static const struct {
	const char *path;
	const char *group; /* in sockstat; NULL: it is snmp */
	bool everywhere;
} files[FILE_MAX] = {
	[FILE_SNMP] = { NET "snmp", NULL, true },
	[FILE_SOCKSTAT] = { NET "sockstat", "TCP", true },
	[FILE_SOCKSTAT6] = { NET "sockstat6", "TCP6", false },
};

struct netns_probe {
	int fd[FILE_MAX];
};

static const struct {
	const char *name;
	size_t offset;
	bool gauge;
} members[] = {
	{ "InSegs", offsetof(struct netns_traffic, segments), false },
	{ "OutSegs", offsetof(struct netns_traffic, segments), false },
	{ "RetransSegs", offsetof(struct netns_traffic, segments), false },
	{ "InErrs", offsetof(struct netns_traffic, segments), false },
	{ "OutRsts", offsetof(struct netns_traffic, segments), false },
	{ "ActiveOpens", offsetof(struct netns_traffic, opens), false },
	{ "PassiveOpens", offsetof(struct netns_traffic, opens), false },
	{ "AttemptFails", offsetof(struct netns_traffic, opens), false },
	{ "EstabResets", offsetof(struct netns_traffic, opens), false },
	{ "CurrEstab", offsetof(struct netns_traffic, established), true },
	{ "inuse", offsetof(struct netns_traffic, in_use), true },
	{ "tw", offsetof(struct netns_traffic, timewaits), true },
};

/* Counters are added up with their overflow: what counts is whether the sum is another. */
static bool add(struct netns_traffic *traffic, struct text_span name, struct text_span number)
{
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		char *to = (char *)traffic + members[i].offset;

		if (!text_is_word(name, members[i].name) || !text_parse_number(number, &value))
			continue;
		if (members[i].gauge)
			*(uint32_t *)to += (uint32_t)value;
		else
			*(uint64_t *)to += value;
		return true;
	}
	return false;
}

bool netns_traffic_parse_snmp(const char *text, size_t len, struct netns_traffic *traffic)
{
	struct text_span rest = { text, len };
	struct text_span names, numbers, name, number;
	bool found = false;

	while (text_next_line(&rest, &names) && text_next_line(&rest, &numbers)) {
		if (!text_next_word(&names, &name) || !text_next_word(&numbers, &number) ||
		    !text_is_group(name, "Tcp") || !text_is_group(number, "Tcp"))
			continue;
		while (text_next_word(&names, &name) && text_next_word(&numbers, &number))
			found |= add(traffic, name, number);
	}
	return found;
}

bool netns_traffic_parse_sockstat(const char *text, size_t len, const char *group,
				  struct netns_traffic *traffic)
{
	struct text_span rest = { text, len };
	struct text_span line, word, number;
	bool found = false;

	while (text_next_line(&rest, &line)) {
		if (!text_next_word(&line, &word) || !text_is_group(word, group))
			continue;
		while (text_next_word(&line, &word) && text_next_word(&line, &number))
			found |= add(traffic, word, number);
	}
	return found;
}

static int open_file(enum file file)
{
	int fd = open(files[file].path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* Adds what the file says. */
static int read_file(enum file file, int fd, struct netns_traffic *traffic)
{
	/* Each of them is one line of some ten numbers a protocol. */
	char text[8192];
	const char *group = files[file].group;
	bool found;
	ssize_t n;

	do
		n = pread(fd, text, sizeof(text), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	found = group ? netns_traffic_parse_sockstat(text, n, group, traffic)
		      : netns_traffic_parse_snmp(text, n, traffic);
	return found ? 0 : -EBADMSG;
}

int netns_traffic_open(struct netns_probe **ret)
{
	struct netns_probe *probe = malloc(sizeof(*probe));
	int r = 0;

	if (!probe)
		return -ENOMEM;
	for (enum file i = 0; i < FILE_MAX; i++) {
		probe->fd[i] = open_file(i);
		if (probe->fd[i] < 0 && files[i].everywhere)
			r = probe->fd[i];
	}
	if (r < 0) {
		netns_traffic_free(probe);
		return r;
	}
	*ret = probe;
	return 0;
}

struct netns_probe *netns_traffic_free(struct netns_probe *probe)
{
	if (!probe)
		return NULL;
	for (enum file i = 0; i < FILE_MAX; i++)
		closep(&probe->fd[i]);
	free(probe);
	return NULL;
}

int netns_traffic_read(struct netns_probe *probe, struct netns_traffic *ret)
{
	struct netns_traffic traffic = {};

	for (enum file i = 0; i < FILE_MAX; i++) {
		int r = probe->fd[i] < 0 ? 0 : read_file(i, probe->fd[i], &traffic);

		if (r < 0)
			return r;
	}
	*ret = traffic;
	return 0;
}

int netns_traffic_read_here(struct netns_traffic *ret)
{
	struct netns_traffic traffic = {};

	for (enum file i = 0; i < FILE_MAX; i++) {
		_cleanup_close_ int fd = open_file(i);
		int r = fd < 0 ? fd : read_file(i, fd, &traffic);

		if (r < 0 && (fd >= 0 || files[i].everywhere))
			return r;
	}
	*ret = traffic;
	return 0;
}
