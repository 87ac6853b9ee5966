/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of /proc that stay open: pread() from the start makes the kernel write them again.
 *
 * /proc/net is that of the process's first thread; /proc/thread-self/net is the caller's. A sysctl
 * is that of the namespace in which it was opened. Two are the machine's and a child namespace does
 * not see them: tcp_max_orphans and tcp_mem.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "kernel/counters.h"
#include "model/macro.h"

#define NET "/proc/thread-self/net/"
#define IPV4 "/proc/sys/net/ipv4/"

/* netstat has 4 KiB in Linux 6.18. */
#define TEXT_MAX 32768

enum text { TEXT_SOCKSTAT = 0, TEXT_NETSTAT, TEXT_SNMP, TEXT_MAX_ID };

static const char *const text_paths[TEXT_MAX_ID] = {
	[TEXT_SOCKSTAT] = NET "sockstat",
	[TEXT_NETSTAT] = NET "netstat",
	[TEXT_SNMP] = NET "snmp",
};

struct settings {
	struct tcpdiag_environment environment;
	uint64_t port_range[2];
	uint32_t timestamps; /* tcp_timestamps */
};

static const struct setting {
	const char *path;
	size_t offset; /* in struct settings */
	uint8_t width; /* bytes of a member there */
	uint8_t count; /* numbers */
	bool everywhere; /* each kernel has it in each namespace */
	uint32_t known; /* what it makes known, */
	uint32_t needs; /* with this one read before */
} settings[] = {
#define ENV(member) offsetof(struct settings, environment.member)
	{ IPV4 "tcp_fin_timeout", ENV(tcp_fin_timeout), 4, 1, true, TCPDIAG_ENV_FIN_TIMEOUT, 0 },
	{ IPV4 "tcp_orphan_retries", ENV(tcp_orphan_retries), 4, 1, true,
	  TCPDIAG_ENV_ORPHAN_RETRIES, 0 },
	{ IPV4 "tcp_rto_max_ms", ENV(tcp_rto_max_ms), 4, 1, false, TCPDIAG_ENV_RTO_MAX, 0 },
	{ IPV4 "tcp_synack_retries", ENV(tcp_synack_retries), 4, 1, true,
	  TCPDIAG_ENV_SYNACK_RETRIES, 0 },
	{ IPV4 "tcp_tw_reuse", ENV(tcp_tw_reuse), 4, 1, false, TCPDIAG_ENV_TW_REUSE, 0 },
	{ IPV4 "tcp_max_orphans", ENV(tcp_max_orphans), 8, 1, false, TCPDIAG_ENV_ORPHANS,
	  TCPDIAG_ENV_ORPHANS },
	{ IPV4 "tcp_max_tw_buckets", ENV(tcp_max_tw_buckets), 8, 1, true, TCPDIAG_ENV_TIMEWAITS,
	  TCPDIAG_ENV_TIMEWAITS },
	{ IPV4 "tcp_mem", ENV(tcp_mem), 8, 3, false, TCPDIAG_ENV_MEMORY, TCPDIAG_ENV_MEMORY },
	{ IPV4 "tcp_migrate_req", ENV(tcp_migrate_req), 1, 1, false, TCPDIAG_ENV_MIGRATE, 0 },
	{ IPV4 "tcp_timestamps", offsetof(struct settings, timestamps), 4, 1, false, 0, 0 },
	{ IPV4 "ip_local_port_range", offsetof(struct settings, port_range), 8, 2, true, 0, 0 },
#undef ENV
};

struct counters_reader {
	int text[TEXT_MAX_ID];
	int setting[ARRAY_SIZE(settings)];
	int reserved; /* ip_local_reserved_ports */
	char buffer[TEXT_MAX];
};

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

int counters_open(struct counters_reader **ret)
{
	struct counters_reader *reader = malloc(sizeof(*reader));
	int r = 0;

	if (!reader)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		reader->setting[i] = open_file(settings[i].path);
	reader->reserved = open_file(IPV4 "ip_local_reserved_ports");
	for (enum text i = 0; i < TEXT_MAX_ID; i++) {
		reader->text[i] = open_file(text_paths[i]);
		if (i == TEXT_SOCKSTAT && reader->text[i] < 0)
			r = -errno;
	}
	if (r < 0) {
		counters_free(reader);
		return r;
	}
	*ret = reader;
	return 0;
}

struct counters_reader *counters_free(struct counters_reader *reader)
{
	if (!reader)
		return NULL;
	for (enum text i = 0; i < TEXT_MAX_ID; i++)
		closep(&reader->text[i]);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		closep(&reader->setting[i]);
	closep(&reader->reserved);
	free(reader);
	return NULL;
}

/* The whole file. Return: its length, cut at the buffer's; -errno. */
static ssize_t read_file(struct counters_reader *reader, int fd)
{
	size_t filled = 0;

	if (fd < 0)
		return -ENOENT;
	while (filled < sizeof(reader->buffer)) {
		ssize_t n = pread(fd, reader->buffer + filled, sizeof(reader->buffer) - filled,
				  (off_t)filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		filled += n;
	}
	return (ssize_t)filled;
}

static void store(void *to, uint8_t width, uint64_t value)
{
	uint32_t narrow = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	bool flag = value != 0;

	if (width == sizeof(value))
		memcpy(to, &value, sizeof(value));
	else if (width == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &flag, sizeof(flag));
}

/* @count numbers between blanks; nothing is stored unless all are there. */
static bool take_setting(const char *text, const struct setting *setting, struct settings *to)
{
	uint64_t value[3];

	for (uint8_t i = 0; i < setting->count; i++) {
		char *end;

		/* strtoull() would take "-1" as a large number. */
		text += strspn(text, " \t");
		if (*text < '0' || *text > '9')
			return false;
		errno = 0;
		value[i] = strtoull(text, &end, 10);
		if (errno)
			return false;
		text = end;
	}
	for (uint8_t i = 0; i < setting->count; i++)
		store((char *)to + setting->offset + (size_t)i * setting->width, setting->width,
		      value[i]);
	return true;
}

/* Return: whether one is missing that is everywhere. */
static bool read_settings(struct counters_reader *reader, struct settings *to)
{
	/* What /proc/net/sockstat says makes nothing known without the limit beside it. */
	uint32_t used = to->environment.known;
	bool missing = false;

	to->environment.known = used & TCPDIAG_ENV_MEMORY_PAGES;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		ssize_t n = read_file(reader, reader->setting[i]);

		if (n > 0) {
			reader->buffer[MIN((size_t)n, sizeof(reader->buffer) - 1)] = '\0';
			if (!take_setting(reader->buffer, &settings[i], to))
				n = -EBADMSG;
		}
		if (n <= 0)
			missing |= settings[i].everywhere;
		else if ((used & settings[i].needs) == settings[i].needs)
			to->environment.known |= settings[i].known;
	}
	return missing;
}

int counters_read(struct counters_reader *reader, struct counters *ret_counters,
		  struct tcpdiag_environment *ret_environment, uint16_t ret_port_range[2],
		  uint32_t *ret_reserved)
{
	struct counters counters = {};
	struct settings all = { .timestamps = 1 };
	bool missing = false;
	ssize_t n;

	n = read_file(reader, reader->text[TEXT_SOCKSTAT]);
	if (n < 0)
		return (int)n;
	counters_parse_sockstat(reader->buffer, n, &all.environment);
	missing |= read_settings(reader, &all);
	/* net/ipv4/tcp_ipv4.c:tcp_twsk_unique() */
	if (!all.timestamps)
		all.environment.tcp_tw_reuse = 0;
	for (enum text i = TEXT_NETSTAT; i < TEXT_MAX_ID; i++) {
		n = read_file(reader, reader->text[i]);
		if (n > 0)
			counters_parse_netstat(reader->buffer, n, &counters);
		else
			missing = true;
		if (n > 0 && i == TEXT_NETSTAT)
			counters_parse_features(reader->buffer, n, &all.environment);
	}
	*ret_counters = counters;
	*ret_environment = all.environment;
	for (size_t i = 0; i < 2; i++)
		ret_port_range[i] = (uint16_t)MIN(all.port_range[i], UINT16_MAX);
	n = read_file(reader, reader->reserved);
	*ret_reserved = n > 0 ? counters_parse_ports(reader->buffer, n, ret_port_range) : 0;
	return missing;
}

static void counters_freep(struct counters_reader **reader)
{
	counters_free(*reader);
}

int counters_read_here(struct counters *ret_counters, struct tcpdiag_environment *ret_environment,
		       uint16_t ret_port_range[2], uint32_t *ret_reserved)
{
	_cleanup_(counters_freep) struct counters_reader *reader = NULL;
	int r;

	r = counters_open(&reader);
	if (r < 0)
		return r;
	return counters_read(reader, ret_counters, ret_environment, ret_port_range, ret_reserved);
}
