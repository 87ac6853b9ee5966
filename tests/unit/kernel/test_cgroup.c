/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths as systemd, Docker, containerd, CRI-O, Podman, LXC and Kubernetes make them.
 */
#include <string.h>

#include "../harness.h"
#include "kernel/owners.h"
#include "model/macro.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *text;
	const char *cgroup;
	const char *unit;
	const char *container;
} cases[] = {
	{ "0::/system.slice/nginx.service\n", "/system.slice/nginx.service", "nginx.service", "" },
	{ "0::/system.slice/system-getty.slice/getty@tty1.service\n",
	  "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "" },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n",
	  "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n",
	  "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service",
	  "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.x\\x2dy-1.scope\n",
	  "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.x\\x2dy-1.scope",
	  "app-org.x\\x2dy-1.scope", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
	  "/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", "" },
	/* Delegated: what a service makes below itself belongs to it. */
	{ "0::/system.slice/postgresql@15-main.service/worker/3\n",
	  "/system.slice/postgresql@15-main.service/worker/3", "postgresql@15-main.service", "" },
	{ "0::/system.slice/_cpu.service\n", "/system.slice/_cpu.service", "cpu.service", "" },
	{ "0::/system.slice/old.service (deleted)\n", "/system.slice/old.service", "old.service",
	  "" },
	{ "0::/\n", "/", "", "" },
	{ "0::/../../system.slice/nginx.service\n", "/../../system.slice/nginx.service",
	  "nginx.service", "" },
	/* Containers. */
	{ "0::/system.slice/docker-" ID ".scope\n", "/system.slice/docker-" ID ".scope", "", ID },
	{ "0::/docker/" ID "\n", "/docker/" ID, "", ID },
	{ "0::/docker/" ID "/system.slice/nginx.service\n",
	  "/docker/" ID "/system.slice/nginx.service", "nginx.service", ID },
	{ "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
	  "cri-containerd-" ID ".scope\n",
	  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
	  "cri-containerd-" ID ".scope",
	  "", ID },
	{ "0::/kubepods.slice/pod1.slice/crio-" ID ".scope/container\n",
	  "/kubepods.slice/pod1.slice/crio-" ID ".scope/container", "", ID },
	{ "0::/kubepods/burstable/pod12-34/" ID "\n", "/kubepods/burstable/pod12-34/" ID, "", ID },
	{ "0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID "\n",
	  "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID,
	  "containerd.service", ID },
	{ "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	  ".scope/container\n",
	  "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
	  "user@1000.service", ID },
	{ "0::/system.slice/web.service/libpod-payload-" ID "\n",
	  "/system.slice/web.service/libpod-payload-" ID, "web.service", ID },
	{ "0::/user.slice/session-3.scope/libpod-" ID ".scope\n",
	  "/user.slice/session-3.scope/libpod-" ID ".scope", "", ID },
	{ "0::/lxc.payload.web1/system.slice/nginx.service\n",
	  "/lxc.payload.web1/system.slice/nginx.service", "nginx.service", "web1" },
	{ "0::/lxc/web1\n", "/lxc/web1", "", "web1" },
	/* Not an id: too long, too short, not hexadecimal. */
	{ "0::/docker/f" ID "\n", "/docker/f" ID, "", "" },
	{ "0::/docker/0123456789abcdef\n", "/docker/0123456789abcdef", "", "" },
	{ "0::/a-" ID "g.scope\n", "/a-" ID "g.scope", "a-" ID "g.scope", "" },
	/* Version 1, and both at once. */
	{ "12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/ssh.service\n",
	  "/system.slice/ssh.service", "ssh.service", "" },
	{ "1:name=systemd:/system.slice/ssh.service\n0::/\n", "/system.slice/ssh.service",
	  "ssh.service", "" },
	{ "4:memory:/elsewhere\n1:name=systemd:/\n0::/system.slice/ssh.service\n",
	  "/system.slice/ssh.service", "ssh.service", "" },
	{ "11:cpu,cpuacct:/docker/" ID "\n1:name=systemd:/docker/" ID "\n", "/docker/" ID, "", ID },
	/* Nonsense. */
	{ "", "", "", "" },
	{ "\n\n", "", "", "" },
	{ "0::", "", "", "" },
	{ "0:x.service\n", "", "", "" },
	{ "0::/.service/.scope/_\n", "/.service/.scope/_", "", "" },
	{ "0::/no/newline.service", "/no/newline.service", "newline.service", "" },
};

START_TEST(identify)
{
	char cgroup[256], unit[128], container[80];

	cgroup_identify(cases[_i].text, strlen(cases[_i].text), cgroup, unit, container);
	ck_assert_str_eq(cgroup, cases[_i].cgroup);
	ck_assert_str_eq(unit, cases[_i].unit);
	ck_assert_str_eq(container, cases[_i].container);
}
END_TEST

START_TEST(long_names_are_cut)
{
	char cgroup[256], unit[128], container[80];
	char text[1024] = "0::/lxc.payload.";

	memset(text + strlen(text), 'x', 400);
	strcat(text, "/");
	memset(text + strlen(text), 'y', 400);
	strcat(text, ".service\n");
	cgroup_identify(text, strlen(text), cgroup, unit, container);
	ck_assert_uint_eq(strlen(cgroup), 255);
	ck_assert_uint_eq(strlen(unit), 127);
	ck_assert_uint_eq(strlen(container), 79);
	ck_assert_int_eq(unit[0], 'y');
	ck_assert_int_eq(container[78], 'x');
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cgroup");
	TCase *c = tcase_create("identify");

	tcase_add_loop_test(c, identify, 0, ARRAY_SIZE(cases));
	tcase_add_test(c, long_names_are_cut);
	suite_add_tcase(s, c);
	return s;
}
