/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a namespace, as the other side sees it: our end of a veth pair goes when the namespace of
 * the other end does, and that is when the last thing of ours in it is closed.
 */
#include "../harness.h"
#include "kernel/counters.h"
#include "kernel/traffic.h"
#include "netns_scene.h"

#define OURS "tcpdiag-end0"

static struct sock_diag *diag;
static struct netns_probe *probe;
static struct counters_reader *reader;

static int open_diag(void)
{
	return sock_diag_open(1, &diag);
}

static void close_diag(void)
{
	diag = sock_diag_free(diag);
}

static int open_probe(void)
{
	return netns_traffic_open(&probe);
}

static void close_probe(void)
{
	probe = netns_traffic_free(probe);
}

static int open_counters(void)
{
	return counters_open(&reader);
}

static void close_counters(void)
{
	reader = counters_free(reader);
}

static int open_nothing(void)
{
	struct tcpdiag_environment environment;
	struct netns_traffic traffic;
	struct counters counters;
	uint16_t range[2];
	uint32_t reserved;
	int r = counters_read_here(&counters, &environment, range, &reserved);

	return r < 0 ? r : netns_traffic_read_here(&traffic);
}

static void close_nothing(void)
{
}

static const struct {
	int (*open)(void);
	void (*close)(void);
	bool holds;
} kept[] = {
	{ open_diag, close_diag, true },
	{ open_probe, close_probe, true },
	{ open_counters, close_counters, true },
	{ open_nothing, close_nothing, false },
};

static void make_pair(pid_t other)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "ip link add " OURS " type veth peer name tcpdiag-end1 netns %d", other);
	/* NOLINTNEXTLINE(cert-env33-c) */
	if (system(command) != 0 || !if_nametoindex(OURS))
		scene_skip("no veth pair can be made here");
}

/* Whether our end is gone within that time. */
static bool ended(int ms)
{
	for (int i = 0; i < ms; i += 5) {
		if (!if_nametoindex(OURS))
			return true;
		scene_nap(5);
	}
	return false;
}

static void change_until_gone(struct netns_watch *watch, uint32_t inode)
{
	for (int i = 0; i < 50 && netns_scene_has(watch, inode); i++)
		if (netns_scene_wait(watch, 10))
			netns_changed(watch);
	ck_assert(!netns_scene_has(watch, inode));
}

START_TEST(after_ip_netns_del)
{
	struct netns_watch *watch;
	struct netns_child child;

	netns_scene_begin();
	scene_begin();
	watch = netns_scene_watch(NETNS_SCENE_MAX);
	child = netns_scene_start(0, NULL);
	make_pair(child.pid);
	netns_scene_name("end", child.pid);
	netns_scene_pass(watch);
	ck_assert_int_eq(netns_enter(watch, child.inode), 0);
	ck_assert_int_eq(kept[_i].open(), 0);
	netns_leave(watch);

	netns_scene_stop(&child);
	if (netns_scene_wait(watch, 1000))
		netns_changed(watch);
	ck_assert(netns_scene_has(watch, child.inode));
	ck_assert(!ended(200));
	netns_scene_unname("end");
	/* The other way round, too: whoever does not let go holds it up. */
	if (kept[_i].holds)
		ck_assert(!ended(300));
	change_until_gone(watch, child.inode);
	kept[_i].close();
	ck_assert_msg(ended(1000), "the namespace goes on after its end");
	netns_watch_free(watch);
}
END_TEST

/* That it is watched, by a pidfd or by its name, does not keep it alive. */
START_TEST(watched_only)
{
	struct netns_watch *watch;
	struct netns_child child;

	netns_scene_begin();
	scene_begin();
	watch = netns_scene_watch(NETNS_SCENE_MAX);
	child = netns_scene_start(0, NULL);
	make_pair(child.pid);
	netns_scene_name("end", child.pid);
	netns_scene_pass(watch);
	ck_assert(netns_scene_has(watch, child.inode));
	netns_scene_unname("end");
	netns_scene_stop(&child);
	ck_assert(ended(1000));
	change_until_gone(watch, child.inode);
	netns_watch_free(watch);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("netns_end");
	TCase *c = tcase_create("kernel");

	tcase_set_timeout(c, 30);
	tcase_add_loop_test(c, after_ip_netns_del, 0, ARRAY_SIZE(kept));
	tcase_add_test(c, watched_only);
	suite_add_tcase(s, c);
	return s;
}
