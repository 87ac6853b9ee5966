/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths as systemd, Docker, containerd, CRI-O, Podman, LXC and Kubernetes make them.
 */
#include <string.h>

#include "../harness.h"
#include "kernel/cgroup.h"
#include "model/macro.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "7b1e0a4c-91d2-4f6e-a1b3-0123456789ab"
#define UID_ "7b1e0a4c_91d2_4f6e_a1b3_0123456789ab"
#define STATIC "33d556adf3ae8ef21980288cef77ae8b"

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
	struct cgroup_identity found;

	memset(&found, 0xa5, sizeof(found));
	cgroup_identify(cases[_i].text, strlen(cases[_i].text), &found);
	ck_assert_str_eq(found.path, cases[_i].cgroup);
	ck_assert_str_eq(found.unit, cases[_i].unit);
	ck_assert_str_eq(found.container, cases[_i].container);
	ck_assert_str_eq(found.pod_uid, "");
}
END_TEST

/* What each engine makes; the path itself is the argument's, the whole of it. */
static const struct {
	const char *path;
	const char *unit;
	const char *container;
	const char *pod_uid;
} engines[] = {
	/* Docker: cgroupfs, systemd, rootless, a parent of the user's, below a test cluster's node. */
	{ "/docker/" ID, "", ID, "" },
	{ "/" ID, "", ID, "" },
	{ "/system.slice/docker-" ID ".scope", "", ID, "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope",
	  "user@1000.service", ID, "" },
	{ "/batch/" ID "/worker", "", ID, "" },
	{ "/docker/" OTHER "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	  "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	  "", ID, UID },
	{ "/docker/" OTHER "/docker/" ID, "", ID, "" },
	{ "/system.slice/docker-" ID ".scope/init.scope", "init.scope", ID, "" },
	/* containerd, nerdctl. */
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/"
	  "cri-containerd-" ID ".scope",
	  "", ID, UID },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", "", ID, UID },
	{ "/kubepods/burstable/pod" UID "/" ID, "", ID, UID },
	{ "/kubepods/besteffort/pod" UID "/" ID, "", ID, UID },
	{ "/kubepods/pod" UID "/" ID, "", ID, UID },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" UID_
	  ".slice:cri-containerd:" ID,
	  "containerd.service", ID, UID },
	{ "/system.slice/nerdctl-" ID ".scope", "", ID, "" },
	{ "/default/" ID, "", ID, "" },
	/* A pod from a file of the kubelet has another kind of uid. */
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC ".slice/"
	  "cri-containerd-" ID ".scope",
	  "", ID, STATIC },
	/* CRI-O, with crun's folder; its conmon is no part of the container. */
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/crio-" ID
	  ".scope/container",
	  "", ID, UID },
	{ "/kubepods/burstable/pod" UID "/crio-" ID, "", ID, UID },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope",
	  "crio-conmon-" ID ".scope", "", "" },
	/* Podman: as root, without, in a pod, by cgroupfs, of a unit, of another user's session. */
	{ "/machine.slice/libpod-" ID ".scope/container", "", ID, "" },
	{ "/machine.slice/libpod-" ID ".scope", "", ID, "" },
	{ "/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope/container", "", ID,
	  "" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "", "" },
	{ "/libpod_parent/libpod-" ID, "", ID, "" },
	{ "/libpod_parent/" OTHER "/libpod-" ID, "", ID, "" },
	{ "/libpod_parent/libpod-conmon-" ID, "", "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
	  "user@1000.service", ID, "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_" OTHER
	  ".slice/libpod-" ID ".scope",
	  "user@1000.service", ID, "" },
	{ "/system.slice/web.service/libpod-payload-" ID, "web.service", ID, "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-" ID,
	  "web.service", ID, "" },
	/* LXC of three generations, and one in another; its monitor is no part of it. */
	{ "/lxc/100/ns/system.slice/nginx.service", "nginx.service", "100", "" },
	{ "/lxc.payload/web1/init.scope", "init.scope", "web1", "" },
	{ "/lxc.payload.web1", "", "web1", "" },
	{ "/lxc.payload.outer/lxc.payload.inner/system.slice/cron.service", "cron.service", "inner",
	  "" },
	{ "/lxc.monitor.web1", "", "", "" },
	{ "/lxc.monitor/100", "", "", "" },
	/* systemd-nspawn: from a shell, as a service; the supervisor and virtual machines are none. */
	{ "/machine.slice/machine-web\\x2d1.scope/payload/system.slice/nginx.service",
	  "nginx.service", "web-1", "" },
	{ "/machine.slice/machine-a\\x2.scope/payload", "", "a\\x2", "" },
	{ "/machine.slice/machine-a\\x00.scope/payload", "", "a\\x00", "" },
	{ "/machine.slice/systemd-nspawn@web1.service/payload", "systemd-nspawn@web1.service",
	  "web1", "" },
	{ "/machine.slice/machine-web1.scope/supervisor", "machine-web1.scope", "", "" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
	  "machine-qemu\\x2d1\\x2dvm.scope", "", "" },
	{ "/system.slice/web.service/payload", "web.service", "", "" },
	{ "/machine-.scope/payload", "machine-.scope", "", "" },
	/* Not a pod's: a letter too many or too few, no word before it, no container in it. */
	{ "/kubepods/pod" UID "a/" ID, "", ID, "" },
	{ "/kubepods/xpod" UID "/" ID, "", ID, "" },
	{ "/kubepods/" UID "/" ID, "", ID, "" },
	{ "/kubepods/pod12345678/" ID, "", ID, "" },
	{ "/kubepods/burstable/pod" UID, "", "", "" },
};

START_TEST(each_engine)
{
	/* Version 2; version 1 under systemd and without; both at once. */
	static const char *const forms[] = {
		"0::%s\n",
		"12:pids:%s\n1:name=systemd:%s\n",
		"12:pids:%s\n1:name=systemd:%s\n0::/system.slice/containerd.service\n",
		"5:cpuset:/\n4:memory:%s\n",
	};
	const char *path = engines[_i].path;
	struct cgroup_identity found;
	char text[2048];

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		/* Without a container the unified path counts, and version 1 without systemd is nobody's. */
		if (i >= 2 && !*engines[_i].container)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), forms[i], path, path);
#pragma GCC diagnostic pop
		cgroup_identify(text, strlen(text), &found);
		ck_assert_msg(!strncmp(found.path, path, sizeof(found.path) - 1), "%s", text);
		ck_assert_msg(!strcmp(found.unit, engines[_i].unit), "%s: %s", text, found.unit);
		ck_assert_msg(!strcmp(found.container, engines[_i].container), "%s: %s", text,
			      found.container);
		ck_assert_msg(!strcmp(found.pod_uid, engines[_i].pod_uid), "%s: %s", text,
			      found.pod_uid);
	}
}
END_TEST

START_TEST(long_names_are_cut)
{
	struct cgroup_identity found;
	char text[1024] = "0::/lxc.payload.";

	memset(text + strlen(text), 'x', 400);
	strcat(text, "/");
	memset(text + strlen(text), 'y', 400);
	strcat(text, ".service\n");
	cgroup_identify(text, strlen(text), &found);
	ck_assert_uint_eq(strlen(found.path), 255);
	ck_assert_uint_eq(strlen(found.unit), 127);
	ck_assert_uint_eq(strlen(found.container), 79);
	ck_assert_int_eq(found.unit[0], 'y');
	ck_assert_int_eq(found.container[78], 'x');
}
END_TEST

START_TEST(ids_have_no_names)
{
	ck_assert(cgroup_is_container_id(ID));
	ck_assert(!cgroup_is_container_id("web1"));
	ck_assert(!cgroup_is_container_id(""));
	ck_assert(!cgroup_is_container_id(ID "0"));
	ck_assert(!cgroup_is_container_id(&ID "g"[1]));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("cgroup");
	TCase *c = tcase_create("identify");

	tcase_add_loop_test(c, identify, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(c, each_engine, 0, ARRAY_SIZE(engines));
	tcase_add_test(c, long_names_are_cut);
	tcase_add_test(c, ids_have_no_names);
	suite_add_tcase(s, c);
	return s;
}
