/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of /proc/net/netstat and snmp: two lines a group, names and then numbers, both behind the
 * group's name (net/ipv4/proc.c). And that of /proc/net/sockstat: names and numbers in turn.
 */
#include <string.h>

#include "kernel/counters.h"
#include "model/macro.h"

struct span {
	const char *at;
	size_t len;
};

/* The text up to the next newline, which is taken off; a last line without one has been cut. */
static bool next_line(struct span *text, struct span *ret)
{
	const char *end = text->len ? memchr(text->at, '\n', text->len) : NULL;

	if (!end)
		return false;
	*ret = (struct span){ text->at, end - text->at };
	text->len -= ret->len + 1;
	text->at = end + 1;
	return true;
}

static bool next_word(struct span *line, struct span *ret)
{
	const char *end;

	while (line->len && *line->at == ' ') {
		line->at++;
		line->len--;
	}
	if (!line->len)
		return false;
	end = memchr(line->at, ' ', line->len);
	*ret = (struct span){ line->at, end ? (size_t)(end - line->at) : line->len };
	line->at += ret->len;
	line->len -= ret->len;
	return true;
}

static bool is_word(struct span word, const char *text)
{
	return word.len == strlen(text) && !memcmp(word.at, text, word.len);
}

static bool parse_number(struct span word, uint64_t *ret)
{
	uint64_t value = 0;

	if (!word.len)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t digit = word.at[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

/* "TcpExt:" */
static bool is_group(struct span word, const char *group)
{
	size_t len = strlen(group);

	return word.len == len + 1 && !memcmp(word.at, group, len) && word.at[len] == ':';
}

static void take_counter(struct span group, struct span name, struct span number,
			 struct counters *counters)
{
	uint64_t value;

	for (enum counter i = 0; i < COUNTER_MAX; i++) {
		if (!is_word(name, counter_name(i)) || !is_group(group, counter_group(i)))
			continue;
		if (!parse_number(number, &value))
			return;
		counters->value[i] = value;
		counters->known |= 1U << i;
		return;
	}
}

void counters_parse_netstat(const char *text, size_t len, struct counters *counters)
{
	struct span rest = { text, len };
	struct span names, numbers;

	while (next_line(&rest, &names) && next_line(&rest, &numbers)) {
		struct span group, again, name, number;

		if (!next_word(&names, &group) || !next_word(&numbers, &again) ||
		    group.len != again.len || memcmp(group.at, again.at, group.len) != 0)
			continue;
		while (next_word(&names, &name) && next_word(&numbers, &number))
			take_counter(group, name, number, counters);
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

static uint32_t find_signs(struct span names)
{
	struct span group, name;
	uint32_t found = 0;

	if (!next_word(&names, &group))
		return 0;
	while (next_word(&names, &name))
		for (enum sign i = 0; i < SIGN_MAX; i++)
			if (is_group(group, signs[i].group) && is_word(name, signs[i].name))
				found |= 1U << i;
	return found;
}

void counters_parse_features(const char *text, size_t len, struct tcpdiag_environment *environment)
{
	struct span rest = { text, len };
	struct span names, numbers;
	uint32_t found = 0;

	while (next_line(&rest, &names) && next_line(&rest, &numbers))
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
	struct span rest = { text, len };
	struct span line, word, number;

	while (next_line(&rest, &line)) {
		if (!next_word(&line, &word) || !is_group(word, "TCP"))
			continue;
		while (next_word(&line, &word) && next_word(&line, &number))
			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				if (is_word(word, rows[i].name) && parse_number(number, rows[i].to))
					environment->known |= rows[i].known;
	}
}
