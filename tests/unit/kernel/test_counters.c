/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../harness.h"
#include "kernel/counters.h"
#include "scene.h"

#define KNOWS(counters, id) (((counters).known >> (id)) & 1U)

START_TEST(netstat_text)
{
	static const char text[] = "TcpExt: SyncookiesSent TCPAbortOnClose TW TCPAbortOnData New\n"
				   "TcpExt: 1 18446744073709551615 3 4 5\n"
				   "IpExt: TW\nIpExt: 99\n"
				   "MPTcpExt: MPFastcloseTx MPFastcloseRx\nMPTcpExt: 7\n"
				   "Tcp: RtoMin MaxConn OutRsts EstabResets\nTcp: 200 -1 12 13\n";
	struct counters counters = {};

	counters_parse_netstat(text, strlen(text), &counters);
	ck_assert_uint_eq(counters.value[COUNTER_ABORT_ON_CLOSE], UINT64_MAX);
	ck_assert_uint_eq(counters.value[COUNTER_TW], 3);
	ck_assert_uint_eq(counters.value[COUNTER_ABORT_ON_DATA], 4);
	ck_assert_uint_eq(counters.value[COUNTER_MP_FASTCLOSE_TX], 7);
	ck_assert_uint_eq(counters.value[COUNTER_OUT_RSTS], 12);
	ck_assert_uint_eq(counters.value[COUNTER_ESTAB_RESETS], 13);
	ck_assert_uint_eq(counters.known,
			  1U << COUNTER_ABORT_ON_CLOSE | 1U << COUNTER_TW |
				  1U << COUNTER_ABORT_ON_DATA | 1U << COUNTER_MP_FASTCLOSE_TX |
				  1U << COUNTER_OUT_RSTS | 1U << COUNTER_ESTAB_RESETS);
}
END_TEST

/* Opens, which tell how busy a namespace is, stand among those that a dump of them is planned by. */
static const struct {
	const char *text;
	bool active_known, passive_known;
	uint64_t active, passive;
} opens[] = {
	{ "Tcp: RtoAlgorithm ActiveOpens PassiveOpens AttemptFails\nTcp: 1 21 22 23\n", true, true,
	  21, 22 },
	{ "Tcp: PassiveOpens ActiveOpens\nTcp: 5 6\n", true, true, 6, 5 },
	{ "Tcp: ActiveOpens PassiveOpens\nTcp: 7\n", true, false, 7, 0 },
	{ "Tcp: ActiveOpens PassiveOpens\nTcp: -1 8\n", false, true, 0, 8 },
	/* Of another group, and names that only begin alike. */
	{ "TcpExt: ActiveOpens PassiveOpens\nTcpExt: 1 2\n", false, false, 0, 0 },
	{ "Tcp: ActiveOpen PassiveOpensX\nTcp: 1 2\n", false, false, 0, 0 },
};

START_TEST(opens_text)
{
	struct counters counters = {};

	counters_parse_netstat(opens[_i].text, strlen(opens[_i].text), &counters);
	ck_assert_int_eq(KNOWS(counters, COUNTER_ACTIVE_OPENS), opens[_i].active_known);
	ck_assert_int_eq(KNOWS(counters, COUNTER_PASSIVE_OPENS), opens[_i].passive_known);
	ck_assert_uint_eq(counters.value[COUNTER_ACTIVE_OPENS], opens[_i].active);
	ck_assert_uint_eq(counters.value[COUNTER_PASSIVE_OPENS], opens[_i].passive);
	ck_assert_uint_eq(counters.known &
				  ~(1U << COUNTER_ACTIVE_OPENS | 1U << COUNTER_PASSIVE_OPENS |
				    1U << COUNTER_ATTEMPT_FAILS),
			  0);
}
END_TEST

/* Lists of ports against the range 1000-1999. */
static const struct {
	const char *text;
	uint32_t count;
} lists[] = {
	{ "", 0 },
	{ "\n", 0 },
	{ "1000\n", 1 },
	{ "1000", 0 }, /* cut: could be a part of 10003 */
	{ "999,1000,1999,2000\n", 2 },
	{ "999-1000\n", 1 },
	{ "1999-65535\n", 1 },
	{ "0-65535\n", 1000 },
	{ "1,1005-1007,1500,40000-50000\n", 4 },
	{ "1005-1007,15", 3 },
	{ "1005-10", 0 },
	/* No list: what was one before it counts. */
	{ "1005,1004\n", 1 },
	{ "1005,1005\n", 1 },
	{ "1001,1009-1003\n", 1 },
	{ "1001,65536\n", 1 },
	{ "1001,18446744073709552621\n", 1 },
	{ "1001,,1003\n", 1 },
	{ "1001 1003\n", 0 },
	{ "-1001\n", 0 },
	{ "1001-\n", 0 },
};

START_TEST(ports_text)
{
	static const uint16_t range[2] = { 1000, 1999 };

	ck_assert_uint_eq(counters_parse_ports(lists[_i].text, strlen(lists[_i].text), range),
			  lists[_i].count);
}
END_TEST

/* What a kernel does where a rule has changed, by the names of its counters. */
static const struct {
	const char *text;
	uint32_t known; /* before: what the settings said */
	uint32_t tells;
	bool fastclose, deferred;
} kernels[] = {
	{ "TcpExt: TW\nTcpExt: 1\n", 0, 0, false, false },
	{ "TcpExt: TSEcrRejected TW\nTcpExt: 0 1\n", 0, TCPDIAG_ENV_DEFERRED_FIN, false, true },
	{ "TcpExt: TW\nTcpExt: 1\n", TCPDIAG_ENV_RTO_MAX, TCPDIAG_ENV_DEFERRED_FIN, false, true },
	/* 5.15, 6.1, 6.6, 6.12 */
	{ "MPTcpExt: MPCapableSYNRX MPPrioTx\nMPTcpExt: 0 0\n", 0, TCPDIAG_ENV_FASTCLOSE, false,
	  false },
	{ "MPTcpExt: MPCapableSYNRX MPFastcloseTx\nMPTcpExt: 0 0\n", 0, 0, false, false },
	{ "MPTcpExt: MPCapableSYNRX AddAddrTx MPFastcloseTx\nMPTcpExt: 0 0 0\n", 0,
	  TCPDIAG_ENV_FASTCLOSE, true, false },
	{ "MPTcpExt: MPCapableSYNRX MPJoinSynTx AddAddrTx MPFastcloseTx\nMPTcpExt: 0 0 0 0\n", 0,
	  TCPDIAG_ENV_FASTCLOSE | TCPDIAG_ENV_DEFERRED_FIN, true, true },
	/* In another group the name says nothing; a line that was cut neither. */
	{ "TcpExt: MPJoinSynTx\nTcpExt: 0\n", 0, 0, false, false },
	{ "TcpExt: TSEcrRejected\nTcpExt: 0", 0, 0, false, false },
};

START_TEST(what_a_kernel_gives_away)
{
	struct tcpdiag_environment environment = { .known = kernels[_i].known };

	counters_parse_features(kernels[_i].text, strlen(kernels[_i].text), &environment);
	ck_assert_uint_eq(environment.known, kernels[_i].known | kernels[_i].tells);
	ck_assert_int_eq(environment.mptcp_fastclose, kernels[_i].fastclose);
	ck_assert_int_eq(environment.deferred_fin, kernels[_i].deferred);
}
END_TEST

/* Texts from which nothing may be taken. */
static const char *const wrong[] = {
	"",
	"\n\n\n",
	"TcpExt: TW",
	"TcpExt: TW\nTcpExt: 12", /* cut: could have been 123 */
	"TcpExt: TW\nIpExt: 12\n",
	"TcpExt: TW\nTcpExt: 12x\n",
	"TcpExt: TW\nTcpExt: -1\n",
	"TcpExt: TW\nTcpExt: 18446744073709551616\n",
	"TcpExt:\nTcpExt:\n",
	"TcpExt: TWTW T\nTcpExt: 1 2\n",
	"TCP: orphan\nTCP: orphan 5",
	"UDP: orphan 5 tw 6 mem 7\n",
	"TCP6: orphan 5\n",
	"TCP: orphan 5z tw tw mem -3\n",
};

START_TEST(wrong_texts)
{
	struct tcpdiag_environment environment = {};
	struct counters counters = {};

	counters_parse_netstat(wrong[_i], strlen(wrong[_i]), &counters);
	ck_assert_uint_eq(counters.known, 0);
	counters_parse_sockstat(wrong[_i], strlen(wrong[_i]), &environment);
	ck_assert_uint_eq(environment.known, 0);
}
END_TEST

START_TEST(sockstat_text)
{
	static const char text[] =
		"sockets: used 17\nTCP: inuse 1 orphan 23 tw 42 alloc 1 mem 248\n"
		"UDP: inuse 0 mem 9\n";
	struct tcpdiag_environment environment = {};

	counters_parse_sockstat(text, strlen(text), &environment);
	ck_assert_uint_eq(environment.orphans, 23);
	ck_assert_uint_eq(environment.timewaits, 42);
	ck_assert_uint_eq(environment.memory_pages, 248);
	ck_assert_uint_eq(environment.known, TCPDIAG_ENV_ORPHANS | TCPDIAG_ENV_TIMEWAITS |
						     TCPDIAG_ENV_MEMORY | TCPDIAG_ENV_MEMORY_PAGES);
}
END_TEST

static void write_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		scene_skip("sysctls of the namespace cannot be written");
	close(fd);
}

/* The files are those of the namespace in which they were opened, and are read anew each time. */
START_TEST(namespace_of_the_test)
{
	const struct linger reset = { .l_onoff = 1 };
	struct tcpdiag_environment environment;
	struct counters_reader *reader = NULL;
	struct counters before, after;
	struct scene_pair pair;
	uint16_t range[2];
	uint32_t reserved;

	scene_begin();
	write_sysctl("tcp_fin_timeout", "17");
	write_sysctl("tcp_synack_retries", "2");
	write_sysctl("ip_local_port_range", "20000 20999");
	write_sysctl("ip_local_reserved_ports", "80,19998-20001,20500,20991-30000");
	write_sysctl("tcp_max_tw_buckets", "321");
	ck_assert_int_eq(counters_open(&reader), 0);
	ck_assert_int_eq(counters_read(reader, &before, &environment, range, &reserved), 0);
	ck_assert_uint_eq(environment.tcp_fin_timeout, 17);
	ck_assert(environment.known & TCPDIAG_ENV_SYNACK_RETRIES);
	ck_assert_uint_eq(environment.tcp_synack_retries, 2);
	ck_assert_uint_eq(environment.tcp_max_tw_buckets, 321);
	ck_assert_uint_eq(range[0], 20000);
	ck_assert_uint_eq(range[1], 20999);
	ck_assert_uint_eq(reserved, 12);
	ck_assert_uint_eq(environment.timewaits, 0);
	ck_assert_uint_ne(environment.known & TCPDIAG_ENV_FIN_TIMEOUT, 0);
	ck_assert_uint_ne(environment.known & TCPDIAG_ENV_ORPHAN_RETRIES, 0);
	ck_assert_uint_ne(environment.known & TCPDIAG_ENV_TIMEWAITS, 0);
	/* The machine's alone; what is used up is told everywhere. */
	ck_assert_uint_ne(environment.known & TCPDIAG_ENV_MEMORY_PAGES, 0);
	if (access("/proc/sys/net/ipv4/tcp_mem", F_OK) < 0)
		ck_assert_uint_eq(environment.known & TCPDIAG_ENV_MEMORY, 0);
	if (access("/proc/sys/net/ipv4/tcp_max_orphans", F_OK) < 0)
		ck_assert_uint_eq(environment.known & TCPDIAG_ENV_ORPHANS, 0);
	ck_assert(KNOWS(before, COUNTER_OUT_RSTS) && KNOWS(before, COUNTER_ABORT_ON_CLOSE));
	ck_assert(KNOWS(before, COUNTER_ABORT_ON_DATA) && KNOWS(before, COUNTER_LISTEN_DROPS));

	pair = scene_pair();
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(pair.client);
	pair = scene_pair();
	close(pair.client);
	close(pair.server);
	write_sysctl("tcp_fin_timeout", "18");
	ck_assert_int_eq(counters_read(reader, &after, &environment, range, &reserved), 0);
	ck_assert_uint_eq(environment.tcp_fin_timeout, 18);
	ck_assert_uint_eq(environment.timewaits, 1);
	ck_assert_uint_eq(after.value[COUNTER_OUT_RSTS] - before.value[COUNTER_OUT_RSTS], 1);
	ck_assert_uint_eq(after.value[COUNTER_ABORT_ON_DATA] - before.value[COUNTER_ABORT_ON_DATA],
			  1);
	/* One at the end that closed, one at the end that received the reset. */
	ck_assert_uint_eq(after.value[COUNTER_ESTAB_RESETS] - before.value[COUNTER_ESTAB_RESETS],
			  2);
	counters_free(reader);
}
END_TEST

/* The same, and nothing of it stays open. */
START_TEST(entered)
{
	struct tcpdiag_environment here, kept;
	struct counters counters, again;
	struct counters_reader *reader = NULL;
	uint16_t range[2], range_again[2];
	uint32_t reserved, reserved_again;
	int before, after;

	scene_begin();
	write_sysctl("tcp_fin_timeout", "19");
	write_sysctl("ip_local_port_range", "20000 20999");
	write_sysctl("ip_local_reserved_ports", "20001,20003");
	scene_pair();
	before = dup(STDERR_FILENO);
	close(before);
	ck_assert_int_eq(counters_read_here(&counters, &here, range, &reserved), 0);
	after = dup(STDERR_FILENO);
	close(after);
	ck_assert_int_eq(before, after);
	ck_assert_int_eq(counters_open(&reader), 0);
	ck_assert_int_eq(counters_read(reader, &again, &kept, range_again, &reserved_again), 0);
	ck_assert_uint_eq(here.tcp_fin_timeout, 19);
	ck_assert_uint_eq(here.known, kept.known);
	ck_assert_uint_eq(range[0], range_again[0]);
	ck_assert_uint_eq(range[1], range_again[1]);
	ck_assert_uint_eq(reserved, 2);
	ck_assert_uint_eq(reserved_again, 2);
	ck_assert_uint_eq(counters.known, again.known);
	for (enum counter i = 0; i < COUNTER_MAX; i++)
		ck_assert_uint_eq(counters.value[i], again.value[i]);
	counters_free(reader);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("counters");
	TCase *c = tcase_create("text");

	tcase_add_test(c, netstat_text);
	tcase_add_loop_test(c, what_a_kernel_gives_away, 0, sizeof(kernels) / sizeof(kernels[0]));
	tcase_add_loop_test(c, wrong_texts, 0, ARRAY_SIZE(wrong));
	tcase_add_test(c, sockstat_text);
	tcase_add_loop_test(c, opens_text, 0, ARRAY_SIZE(opens));
	tcase_add_loop_test(c, ports_text, 0, ARRAY_SIZE(lists));
	suite_add_tcase(s, c);
	c = tcase_create("kernel");
	tcase_add_test(c, namespace_of_the_test);
	tcase_add_test(c, entered);
	suite_add_tcase(s, c);
	return s;
}
