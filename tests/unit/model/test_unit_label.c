/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes and goes is counted with what stays.
 */
#include <string.h>

#include "../harness.h"
#include "model/macro.h"
#include "model/unit_label.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define POD "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice"

static const struct {
	const char *cgroup, *unit, *container, *label;
} cases[] = {
	{ "/system.slice/nginx.service", "nginx.service", "", "nginx.service" },
	{ "/system.slice/system-postgresql.slice/postgresql@15-main.service",
	  "postgresql@15-main.service", "", "postgresql@15-main.service" },
	{ "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "",
	  "getty@tty1.service" },
	{ "/init.scope", "init.scope", "", "init.scope" },
	/* One unit for each connection, with its addresses. */
	{ "/system.slice/system-sshd.slice/sshd@3-10.0.0.1:22-10.9.8.7:51234.service",
	  "sshd@3-10.0.0.1:22-10.9.8.7:51234.service", "", "sshd@.service" },
	{ "/system.slice/system-sshd.slice/sshd@12-[fe80::1]:22-[fe80::2]:5.service",
	  "sshd@12-[fe80::1]:22-[fe80::2]:5.service", "", "sshd@.service" },
	{ "/system.slice/x@7-1234-1000.service", "x@7-1234-1000.service", "", "x@.service" },
	{ USER "/app.slice/app-firefox@0123456789abcdef0123456789abcdef.service",
	  "app-firefox@0123456789abcdef0123456789abcdef.service", "", "app-firefox@.service" },
	/* Sessions, and scopes of programs. */
	{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "", "user-1000.slice" },
	{ USER "/app.slice/app-gnome-x-1234.scope", "app-gnome-x-1234.scope", "",
	  "user@1000.service" },
	{ USER "/init.scope", "init.scope", "", "init.scope" },
	{ USER "/app.slice/web.service", "web.service", "", "web.service" },
	{ "/system.slice/odd.scope", "odd.scope", "", "system.slice" },
	{ "/odd.scope", "odd.scope", "", "-.slice" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt",
	  "machine-qemu\\x2d1\\x2dvm.scope", "", "machine.slice" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "",
	  "machine.slice" },
	/* Transient. */
	{ "/system.slice/run-u123.service", "run-u123.service", "", "system.slice" },
	{ "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
	  "run-r0123456789abcdef0123456789abcdef.scope", "", "system.slice" },
	{ "/batch.slice/run-p12-i34.service", "run-p12-i34.service", "", "batch.slice" },
	{ "/system.slice/run-user.service", "run-user.service", "", "run-user.service" },
	{ "/system.slice/run-report.service", "run-report.service", "", "run-report.service" },
	/* No unit. */
	{ "/", "", "", "-.slice" },
	{ "", "", "", "-.slice" },
	{ "/process_api/0123", "", "", "-.slice" },
	{ "/batch.slice", "", "", "batch.slice" },
	/* Containers without a name of their pod. */
	{ "/docker/" ID, "", ID, "docker.service" },
	{ "/system.slice/docker-" ID ".scope", "", ID, "docker.service" },
	{ "/docker/" ID "/system.slice/nginx.service", "nginx.service", ID, "docker.service" },
	{ USER "/app.slice/docker-" ID ".scope", "user@1000.service", ID, "docker.service" },
	{ "/machine.slice/libpod-" ID ".scope/container", "", ID, "machine.slice" },
	{ "/machine.slice/machine-libpod_pod_" ID ".slice/libpod-" ID ".scope", "", ID,
	  "machine.slice" },
	{ USER "/user.slice/libpod-" ID ".scope", "user@1000.service", ID, "user@1000.service" },
	{ "/system.slice/web.service/libpod-payload-" ID, "web.service", ID, "web.service" },
	{ USER "/app.slice/web.service/libpod-payload-" ID, "web.service", ID, "web.service" },
	{ "/libpod_parent/libpod-" ID, "", ID, "-.slice" },
	{ "/" ID, "", ID, "-.slice" },
	{ "/system.slice/nerdctl-" ID ".scope", "", ID, "system.slice" },
	{ POD "/cri-containerd-" ID ".scope", "", ID, "kubepods.slice" },
	{ "/kubepods/burstable/pod1-2/" ID, "", ID, "kubepods.slice" },
	{ "/docker/" ID "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" ID ".scope", "", ID,
	  "kubepods.slice" },
	{ "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID,
	  "containerd.service", ID, "kubepods.slice" },
	{ "/lxc.payload.web1/system.slice/nginx.service", "nginx.service", "web1", "-.slice" },
	{ "/lxc/100/ns/init.scope", "init.scope", "100", "-.slice" },
	{ "/machine.slice/machine-web1.scope/payload/system.slice/nginx.service", "nginx.service",
	  "web1", "machine.slice" },
	{ "/machine.slice/systemd-nspawn@web1.service/payload", "systemd-nspawn@web1.service",
	  "web1", "systemd-nspawn@web1.service" },
};

START_TEST(units)
{
	const struct unit_label_input input = { cases[_i].cgroup, cases[_i].unit,
						cases[_i].container, "", "" };
	char label[UNIT_LABEL_MAX];

	unit_label(&input, label);
	ck_assert_msg(!strcmp(label, cases[_i].label), "%s: %s, not %s", cases[_i].cgroup, label,
		      cases[_i].label);
}
END_TEST

static const struct {
	const char *pod, *label;
} pods[] = {
	{ "api-7d9f8c6b5-xk2vz", "shop/api" }, /* Deployment */
	{ "api-server-5f4b9d8c67-2wxz9", "shop/api-server" },
	{ "kube-proxy-6xsx9", "shop/kube-proxy" }, /* DaemonSet */
	{ "backup-28391820-hq7rd", "shop/backup" }, /* CronJob */
	{ "migrate-hq7rd", "shop/migrate" }, /* Job */
	{ "postgres-0", "shop/postgres" }, /* StatefulSet */
	{ "postgres-12", "shop/postgres" },
	{ "etcd-node1", "shop/etcd-node1" }, /* from a file */
	{ "nginx", "shop/nginx" },
	{ "web-frontend", "shop/web-frontend" },
	{ "-hq7rd", "shop/-hq7rd" },
	{ "x", "shop/x" },
};

START_TEST(owners_of_pods)
{
	const struct unit_label_input input = { POD "/cri-containerd-" ID ".scope", "", ID,
						pods[_i].pod, "shop" };
	char label[UNIT_LABEL_MAX];

	unit_label(&input, label);
	ck_assert_str_eq(label, pods[_i].label);
}
END_TEST

/* Whatever the numbers are, the series is the same. */
START_TEST(nothing_new_comes_and_goes)
{
	char path[512], unit[256], pod[65], label[UNIT_LABEL_MAX];

	for (unsigned int i = 0; i < 1000; i++) {
		struct unit_label_input input = { path, unit, "", "", "" };

		snprintf(unit, sizeof(unit), "session-%u.scope", i);
		snprintf(path, sizeof(path), "/user.slice/user-0.slice/%s", unit);
		unit_label(&input, label);
		ck_assert_str_eq(label, "user-0.slice");
		snprintf(unit, sizeof(unit), "sshd@%u-10.0.0.1:22-10.0.%u.7:%u.service", i, i % 256,
			 1024 + i);
		snprintf(path, sizeof(path), "/system.slice/%s", unit);
		unit_label(&input, label);
		ck_assert_str_eq(label, "sshd@.service");
		snprintf(path, sizeof(path), "/system.slice/docker-%064x.scope", i * 2654435761U);
		snprintf(pod, sizeof(pod), "%064x", i * 2654435761U);
		input = (struct unit_label_input){ path, "", pod, "", "" };
		unit_label(&input, label);
		ck_assert_str_eq(label, "docker.service");
	}
}
END_TEST

START_TEST(long_names_are_cut)
{
	char long_name[2048], label[UNIT_LABEL_MAX];
	struct unit_label_input input = { "/", long_name, "", "", "" };

	memset(long_name, 'x', sizeof(long_name));
	strcpy(long_name + sizeof(long_name) - sizeof(".service"), ".service");
	unit_label(&input, label);
	ck_assert_uint_eq(strlen(label), UNIT_LABEL_MAX - 1);
	input = (struct unit_label_input){ "/", "", ID, long_name, long_name };
	unit_label(&input, label);
	ck_assert_uint_eq(strlen(label), UNIT_LABEL_MAX - 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("unit_label");
	TCase *c = tcase_create("label");

	tcase_add_loop_test(c, units, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(c, owners_of_pods, 0, ARRAY_SIZE(pods));
	tcase_add_test(c, nothing_new_comes_and_goes);
	tcase_add_test(c, long_names_are_cut);
	suite_add_tcase(s, c);
	return s;
}
