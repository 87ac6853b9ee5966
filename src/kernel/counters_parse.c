/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of /proc/net/netstat and snmp: two lines a group, names and then numbers, both behind the
 * group's name (net/ipv4/proc.c). And that of /proc/net/sockstat: names and numbers in turn.
 */
#include <string.h>

#include "kernel/counters.h"
#include "kernel/text.h"
#include "model/macro.h"

/* Those of a group, so that each of some hundred names is compared with few. */
struct wanted {
	const char *name;
	size_t len;
	enum counter counter;
};

static size_t find_wanted(struct text_span group, struct wanted wanted[COUNTER_MAX])
{
	size_t count = 0;

	for (enum counter i = 0; i < COUNTER_MAX; i++)
		if (text_is_group(group, counter_group(i)))
			wanted[count++] = (struct wanted){ counter_name(i), strlen(counter_name(i)),
							   i };
	return count;
}

static void take_counter(const struct wanted *wanted, size_t count, struct text_span name,
			 struct text_span number, struct counters *counters)
{
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		if (name.len != wanted[i].len || memcmp(name.at, wanted[i].name, name.len) != 0)
			continue;
		if (text_parse_number(number, &value)) {
			counters->value[wanted[i].counter] = value;
			counters->known |= 1U << wanted[i].counter;
		}
		return;
	}
}

void counters_parse_netstat(const char *text, size_t len, struct counters *counters)
{
	struct text_span rest = { text, len };
	struct text_span names, numbers;

	while (text_next_line(&rest, &names) && text_next_line(&rest, &numbers)) {
		struct text_span group, again, name, number;
		struct wanted wanted[COUNTER_MAX];
		size_t count;

		if (!text_next_word(&names, &group) || !text_next_word(&numbers, &again) ||
		    group.len != again.len || memcmp(group.at, again.at, group.len) != 0)
			continue;
		count = find_wanted(group, wanted);
		while (count && text_next_word(&names, &name) && text_next_word(&numbers, &number))
			take_counter(wanted, count, name, number, counters);
	}
}

/* Names by which a kernel gives away how old it is; each came with the version in the comment. */
enum sign {
	SIGN_MPTCP = 0, /* there are MPTCP counters at all */
	SIGN_FASTCLOSE, /* 5.18: it can send MP_FASTCLOSE */
	SIGN_ADDRESSES, /* 6.5 */
	SIGN_JOINS, /* 6.12 */
	SIGN_ECR, /* 6.14 */
	SIGN_MAX
};

static const struct {
	const char *group;
	const char *name;
} signs[SIGN_MAX] = {
	[SIGN_MPTCP] = { "MPTcpExt", "MPCapableSYNRX" },
	[SIGN_FASTCLOSE] = { "MPTcpExt", "MPFastcloseTx" },
	[SIGN_ADDRESSES] = { "MPTcpExt", "AddAddrTx" },
	[SIGN_JOINS] = { "MPTcpExt", "MPJoinSynTx" },
	[SIGN_ECR] = { "TcpExt", "TSEcrRejected" },
};

static uint32_t find_signs(struct text_span names)
{
	struct text_span group, name;
	uint32_t found = 0;

	if (!text_next_word(&names, &group))
		return 0;
	while (text_next_word(&names, &name))
		for (enum sign i = 0; i < SIGN_MAX; i++)
			if (text_is_group(group, signs[i].group) &&
			    text_is_word(name, signs[i].name))
				found |= 1U << i;
	return found;
}

void counters_parse_features(const char *text, size_t len, struct tcpdiag_environment *environment)
{
	struct text_span rest = { text, len };
	struct text_span names, numbers;
	uint32_t found = 0;

	while (text_next_line(&rest, &names) && text_next_line(&rest, &numbers))
		found |= find_signs(names);
	/* close() sends it since 6.1, which no counter tells from 5.18. */
	if (found & 1U << SIGN_ADDRESSES ||
	    (found & 1U << SIGN_MPTCP && !(found & 1U << SIGN_FASTCLOSE))) {
		environment->known |= TCPDIAG_ENV_FASTCLOSE;
		environment->mptcp_fastclose = found & 1U << SIGN_ADDRESSES;
	}
	/* Since 6.9; an older stable kernel of 2024 does it as well, and nothing tells. */
	if (found & (1U << SIGN_JOINS | 1U << SIGN_ECR) ||
	    environment->known & TCPDIAG_ENV_RTO_MAX) {
		environment->known |= TCPDIAG_ENV_DEFERRED_FIN;
		environment->deferred_fin = true;
	}
}

void counters_parse_sockstat(const char *text, size_t len, struct tcpdiag_environment *environment)
{
	const struct {
		const char *name;
		uint64_t *to;
		uint32_t known;
	} rows[] = {
		{ "orphan", &environment->orphans, TCPDIAG_ENV_ORPHANS },
		{ "tw", &environment->timewaits, TCPDIAG_ENV_TIMEWAITS },
		{ "mem", &environment->memory_pages,
		  TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MEMORY_PAGES },
	};
	struct text_span rest = { text, len };
	struct text_span line, word, number;

	while (text_next_line(&rest, &line)) {
		if (!text_next_word(&line, &word) || !text_is_group(word, "TCP"))
			continue;
		while (text_next_word(&line, &word) && text_next_word(&line, &number))
			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				if (text_is_word(word, rows[i].name) &&
				    text_parse_number(number, rows[i].to))
					environment->known |= rows[i].known;
	}
}

/* Digits up to 65535. Return: what comes behind them, NULL where there is no such number or nothing behind it. */
static const char *take_port(const char *at, const char *end, uint32_t *ret)
{
	const char *from = at;
	uint32_t value = 0;

	for (; at < end && *at >= '0' && *at <= '9' && value <= UINT16_MAX; at++)
		value = value * 10 + (uint32_t)(*at - '0');
	if (at == from || at == end || value > UINT16_MAX)
		return NULL;
	*ret = value;
	return at;
}

/* kernel/sysctl.c:proc_do_large_bitmap() */
uint32_t counters_parse_ports(const char *text, size_t len, const uint16_t range[2])
{
	const char *at = text, *end = text + len;
	uint32_t count = 0, next = 0, first = 0, last;

	for (;;) {
		at = take_port(at, end, &first);
		last = first;
		if (at && *at == '-')
			at = take_port(at + 1, end, &last);
		if (!at || first < next || last < first || (*at != ',' && *at != '\n'))
			return count;
		if (last >= range[0] && first <= range[1])
			count += MIN(last, range[1]) - MAX(first, range[0]) + 1;
		if (*at++ == '\n')
			return count;
		next = last + 1;
	}
}
