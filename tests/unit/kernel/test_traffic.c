/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../harness.h"
#include "kernel/traffic.h"
#include "scene.h"

START_TEST(snmp_text)
{
	static const char text[] =
		"Ip: InReceives Forwarding\nIp: 1000 2000\n"
		"Tcp: RtoMin ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs "
		"OutSegs RetransSegs InErrs OutRsts New\n"
		"Tcp: 200 1 2 3 4 17 100 200 300 400 500 9\n"
		"Udp: InErrs\nUdp: 7\n";
	struct netns_traffic traffic = {};

	ck_assert(netns_traffic_parse_snmp(text, strlen(text), &traffic));
	ck_assert_uint_eq(traffic.segments, 1500);
	ck_assert_uint_eq(traffic.opens, 10);
	ck_assert_uint_eq(traffic.established, 17);
	ck_assert_uint_eq(traffic.in_use, 0);
}
END_TEST

START_TEST(sockstat_text)
{
	static const char text[] = "sockets: used 17\nTCP: inuse 5 orphan 1 tw 42 alloc 9 mem 248\n"
				   "UDP: inuse 3 mem 9\n";
	static const char text6[] = "TCP6: inuse 7\nUDP6: inuse 4\n";
	struct netns_traffic traffic = {};

	ck_assert(netns_traffic_parse_sockstat(text, strlen(text), "TCP", &traffic));
	ck_assert(netns_traffic_parse_sockstat(text6, strlen(text6), "TCP6", &traffic));
	ck_assert_uint_eq(traffic.in_use, 12);
	ck_assert_uint_eq(traffic.timewaits, 42);
	ck_assert_uint_eq(traffic.segments, 0);
}
END_TEST

static const char *const wrong[] = {
	"",
	"\n\n",
	"Tcp: InSegs\nTcp: 5",
	"Tcp: InSegs\nUdp: 5\n",
	"Udp: InSegs\nTcp: 5\n",
	"Tcp: InSegs\nTcp: 5x\n",
	"Tcp: InSegs\nTcp: -5\n",
	"Tcp: InSegs\nTcp:\n",
	"TCP: inuse 5",
	"TCP: inuse\n",
	"TCP: inuse inuse\n",
	"TCP6: inuse 5\n",
};

START_TEST(wrong_texts)
{
	struct netns_traffic traffic = {};
	const struct netns_traffic nothing = {};

	ck_assert(!netns_traffic_parse_snmp(wrong[_i], strlen(wrong[_i]), &traffic));
	ck_assert(!netns_traffic_parse_sockstat(wrong[_i], strlen(wrong[_i]), "TCP", &traffic));
	ck_assert_mem_eq(&traffic, &nothing, sizeof(traffic));
}
END_TEST

static struct netns_probe *probe;
static struct netns_traffic last;

static void begin(void)
{
	scene_begin();
	ck_assert_int_eq(netns_traffic_open(&probe), 0);
	ck_assert_int_eq(netns_traffic_read(probe, &last), 0);
}

static void end(void)
{
	probe = netns_traffic_free(probe);
}

static bool same(const struct netns_traffic *a, const struct netns_traffic *b)
{
	return a->segments == b->segments && a->opens == b->opens &&
	       a->established == b->established && a->in_use == b->in_use &&
	       a->timewaits == b->timewaits;
}

/* Whether it is another than before; both ways to read say the same. */
static bool changed(void)
{
	const struct netns_traffic before = last;
	struct netns_traffic here;

	ck_assert_int_eq(netns_traffic_read(probe, &last), 0);
	ck_assert_int_eq(netns_traffic_read_here(&here), 0);
	ck_assert(same(&last, &here));
	return !same(&before, &last);
}

START_TEST(nothing_happens)
{
	ck_assert(!changed());
	ck_assert_uint_eq(last.in_use, 0);
	ck_assert_uint_eq(last.timewaits, 0);
	ck_assert_uint_eq(last.established, 0);
}
END_TEST

static const struct {
	int family;
	const char *listen_on, *to;
} families[] = {
	{ AF_INET, "127.0.0.1", "127.0.0.1" },
	{ AF_INET6, "::1", "::1" },
};

/* Each step of a connection's life shows. */
START_TEST(a_life)
{
	int listener, client, server;

	listener = scene_listen(families[_i].family, families[_i].listen_on, 0, 5);
	ck_assert(changed());
	ck_assert_uint_eq(last.in_use, 1);
	client = scene_connect(families[_i].family, families[_i].to, scene_port(listener), 0, 0);
	ck_assert(changed());
	ck_assert_uint_eq(last.in_use, 3);
	ck_assert_uint_eq(last.established, 2);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(server, 0);
	ck_assert_int_eq(write(client, "x", 1), 1);
	ck_assert(changed());
	close(listener);
	ck_assert(changed());
	shutdown(server, SHUT_WR);
	ck_assert(changed());
	close(client);
	ck_assert(changed());
	close(server);
	changed();
	ck_assert_uint_eq(last.in_use, 0);
	ck_assert(!changed());
}
END_TEST

START_TEST(a_minisocket)
{
	struct scene_pair pair = scene_pair();

	close(pair.client);
	close(pair.server);
	ck_assert(changed());
	ck_assert_uint_eq(last.timewaits, 1);
	ck_assert(!changed());
}
END_TEST

/* An orphan that runs out of time sends nothing, and goes. */
START_TEST(a_timer)
{
	struct scene_pair pair = scene_pair();
	int fd = open("/proc/sys/net/ipv4/tcp_fin_timeout", O_WRONLY | O_CLOEXEC);
	uint64_t segments;

	if (fd < 0 || write(fd, "1", 1) != 1)
		scene_skip("sysctls of the namespace cannot be written");
	close(fd);
	close(pair.client);
	scene_nap(100);
	ck_assert(changed());
	ck_assert_uint_eq(last.timewaits, 1);
	segments = last.segments;
	for (int i = 0; i < 30 && last.timewaits; i++) {
		scene_nap(100);
		changed();
	}
	ck_assert_uint_eq(last.timewaits, 0);
	ck_assert_uint_eq(last.segments, segments);
	close(pair.server);
}
END_TEST

/* As the header says. */
START_TEST(what_it_does_not_notice)
{
	struct scene_pair pair = scene_pair();
	const struct linger reset = { .l_onoff = 1 };
	char byte;
	int copy;

	ck_assert_int_eq(write(pair.client, "x", 1), 1);
	scene_nap(100);
	changed();
	ck_assert_int_eq(read(pair.server, &byte, 1), 1);
	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	copy = dup(pair.client);
	ck_assert_int_ge(copy, 0);
	close(pair.client);
	ck_assert(!changed());
}
END_TEST

/* What was opened in one namespace is read from another. */
START_TEST(from_elsewhere)
{
	struct netns_traffic here;

	close(scene_pair().client);
	/* The last acknowledgement may be a delayed one. */
	scene_nap(100);
	ck_assert(changed());
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(netns_traffic_read_here(&here), 0);
	ck_assert_uint_eq(here.segments, 0);
	ck_assert_uint_eq(here.in_use, 0);
	ck_assert_int_eq(netns_traffic_read(probe, &here), 0);
	ck_assert(same(&here, &last));
	ck_assert_uint_gt(here.in_use, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("traffic");
	TCase *c = tcase_create("text");

	tcase_add_test(c, snmp_text);
	tcase_add_test(c, sockstat_text);
	tcase_add_loop_test(c, wrong_texts, 0, ARRAY_SIZE(wrong));
	suite_add_tcase(s, c);
	c = tcase_create("kernel");
	tcase_add_checked_fixture(c, begin, end);
	tcase_add_test(c, nothing_happens);
	tcase_add_loop_test(c, a_life, 0, ARRAY_SIZE(families));
	tcase_add_test(c, a_minisocket);
	tcase_add_test(c, a_timer);
	tcase_add_test(c, what_it_does_not_notice);
	tcase_add_test(c, from_elsewhere);
	suite_add_tcase(s, c);
	return s;
}
