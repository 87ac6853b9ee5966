/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names from a tree of folders as the kubelet and Docker leave them.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../harness.h"
#include "kernel/containers.h"
#include "model/macro.h"

#define ID_A "3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef"
#define ID_B "4e8b0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef"
#define ID_C "5d7a0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef3f9c0a11deadbeef"
#define UID "7b1e0a4c-91d2-4f6e-a1b3-0123456789ab"
#define UID_B "33d556adf3ae8ef21980288cef77ae8b"

static char root[64];
static struct containers *containers;

static void make_folders(const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p '%s%s'", root, path);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	file = fopen(name, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	fclose(file);
}

static void add_log(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "/var/log/containers/%s", name);
	write_file(path, "");
}

static void add_docker(const char *id, const char *config)
{
	char path[512];

	snprintf(path, sizeof(path), "/var/lib/docker/containers/%s", id);
	make_folders(path);
	strcat(path, "/config.v2.json");
	write_file(path, config);
}

static void make_tree(void)
{
	strcpy(root, "/tmp/tcpdiagd-containers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(containers_new(root, &containers), 0);
}

static void remove_tree(void)
{
	char command[128];

	containers = containers_free(containers);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static void check(const char *id, const char *uid, const char *name, const char *pod,
		  const char *namespace)
{
	struct container_names names;

	containers_find(containers, id, uid, &names);
	ck_assert_str_eq(names.name, name);
	ck_assert_str_eq(names.pod, pod);
	ck_assert_str_eq(names.namespace, namespace);
}

START_TEST(kubernetes)
{
	make_folders("/var/log/containers");
	make_folders("/var/log/pods/payments_api-7d9f-x2_" UID "/envoy");
	add_log("api-7d9f-x2_payments_envoy-" ID_A ".log");
	add_log("api-7d9f-x2_payments_api-server-" ID_B ".log");
	add_log("not a log");
	check(ID_A, UID, "envoy", "api-7d9f-x2", "payments");
	check(ID_B, UID, "api-server", "api-7d9f-x2", "payments");
	ck_assert_uint_eq(containers_reads(containers), 1);
	/* The pod's own, without a log: the pod by its uid, no name. */
	check(ID_C, UID, "", "api-7d9f-x2", "payments");
	ck_assert_uint_eq(containers_reads(containers), 2);
	ck_assert_int_eq(containers_error(containers), 0);
	ck_assert_uint_eq(containers_cut(containers), 0);
}
END_TEST

/* The kubelet makes its link after the container's start. */
START_TEST(a_name_that_comes_late)
{
	make_folders("/var/log/containers");
	check(ID_A, UID_B, "", "", "");
	add_log("db-0_shop_postgres-" ID_A ".log");
	/* Not twice in one pass. */
	check(ID_A, UID_B, "", "", "");
	ck_assert_uint_eq(containers_reads(containers), 1);
	containers_begin(containers);
	check(ID_A, UID_B, "postgres", "db-0", "shop");
	ck_assert_uint_eq(containers_reads(containers), 2);
	/* And it stays when the log is gone. */
	make_folders("/var/log/other");
	ck_assert_int_eq(system("true"), 0);
	containers_begin(containers);
	check(ID_A, UID_B, "postgres", "db-0", "shop");
	ck_assert_uint_eq(containers_reads(containers), 2);
}
END_TEST

/* Of Podman nothing is to be found: that does not cost a folder in every pass. */
START_TEST(what_has_no_name_is_given_up)
{
	make_folders("/var/log/containers");
	for (int i = 0; i < 50; i++) {
		containers_begin(containers);
		check(ID_A, "", "", "", "");
		check(ID_B, "", "", "", "");
	}
	ck_assert_uint_le(containers_reads(containers), 8);
	ck_assert_int_eq(containers_error(containers), 0);
	/* A new one is looked for again, whatever became of the others. */
	add_log("db-0_shop_postgres-" ID_C ".log");
	check(ID_C, "", "postgres", "db-0", "shop");
	ck_assert_uint_le(containers_reads(containers), 9);
}
END_TEST

/* Who is not asked for any more is forgotten; its id may come back with another name. */
START_TEST(who_is_gone_is_forgotten)
{
	add_docker(ID_A, "{\"Name\":\"/first\"}");
	check(ID_A, "", "first", "", "");
	add_docker(ID_A, "{\"Name\":\"/second\"}");
	containers_begin(containers);
	check(ID_A, "", "first", "", "");
	containers_begin(containers);
	containers_begin(containers);
	check(ID_A, "", "second", "", "");
}
END_TEST

START_TEST(docker)
{
	add_docker(ID_A, "{\"NetworkSettings\":{\"Service\":{\"Name\":\"/wrong\"}},"
			 "\"Config\":{\"Labels\":{\"x\\\"Name\":\"/wrong\",\"Name\":\"/wrong\"}},"
			 "\"Name\":\"/web-1\",\"MountPoints\":{\"/data\":{\"Name\":\"/wrong\"}}}");
	check(ID_A, "", "web-1", "", "");
	/* In a pod names come from the kubelet alone. */
	check(ID_B, UID, "", "", "");
	add_docker(ID_C, "{\"Name\":7}");
	check(ID_C, "", "", "", "");
	ck_assert_int_eq(containers_error(containers), 0);
}
END_TEST

/* Cut in reading it would be something else. */
START_TEST(a_huge_document_is_cut)
{
	char *text = malloc(400000);

	ck_assert_ptr_nonnull(text);
	strcpy(text, "{\"Name\":\"/web\"}");
	memset(text + strlen(text), ' ', 300000);
	text[300000] = '\0';
	add_docker(ID_A, text);
	check(ID_A, "", "", "", "");
	ck_assert_uint_eq(containers_cut(containers), 1);
	free(text);
}
END_TEST

/* A link is not followed, a pipe does not block. */
START_TEST(no_plain_file)
{
	char path[512];

	make_folders("/var/lib/docker/containers/" ID_A);
	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/" ID_A "/config.v2.json", root);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	check(ID_A, "", "", "", "");
	ck_assert_int_eq(containers_error(containers), -EBADMSG);
	make_folders("/var/lib/docker/containers/" ID_B);
	write_file("/var/lib/elsewhere", "{\"Name\":\"/web\"}");
	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/" ID_B "/config.v2.json", root);
	ck_assert_int_eq(symlink("../../../elsewhere", path), 0);
	check(ID_B, "", "", "", "");
	ck_assert_int_eq(containers_error(containers), -ELOOP);
}
END_TEST

/* What cannot be read is an error as long as it is so; what is not there is none. */
START_TEST(errors)
{
	char path[128];

	check(ID_A, "", "", "", "");
	ck_assert_int_eq(containers_error(containers), 0);
	make_folders("/var/log/");
	snprintf(path, sizeof(path), "%s/var/log/containers", root);
	ck_assert_int_eq(symlink("containers", path), 0);
	for (int i = 0; i < 20; i++) {
		containers_begin(containers);
		check(ID_A, "", "", "", "");
		ck_assert_int_eq(containers_error(containers), -ELOOP);
	}
	ck_assert_int_eq(unlink(path), 0);
	make_folders("/var/log/containers");
	add_log("db-0_shop_postgres-" ID_A ".log");
	containers_begin(containers);
	check(ID_A, "", "postgres", "db-0", "shop");
	containers_begin(containers);
	ck_assert_int_eq(containers_error(containers), 0);
}
END_TEST

/* Without an id there is a name already. */
START_TEST(names_of_machines)
{
	check("web1", "", "web1", "", "");
	ck_assert_uint_eq(containers_reads(containers), 0);
}
END_TEST

START_TEST(too_many)
{
	char id[65];

	for (unsigned int i = 0; i < 4100; i++) {
		snprintf(id, sizeof(id), "%064x", i * 7919U);
		check(id, "", "", "", "");
	}
	ck_assert_uint_eq(containers_cut(containers), 4);
	/* The next pass has room for those that are still there. */
	containers_begin(containers);
	containers_begin(containers);
	check(ID_A, "", "", "", "");
	ck_assert_uint_eq(containers_cut(containers), 4);
}
END_TEST

#define X200 \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xx" \
	"xxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *file;
	const char *name, *pod, *namespace;
} logs[] = {
	{ "web-0_shop_nginx-" ID_A ".log", "nginx", "web-0", "shop" },
	{ "kube-apiserver-node.example.org_kube-system_kube-apiserver-" ID_A ".log",
	  "kube-apiserver", "kube-apiserver-node.example.org", "kube-system" },
	{ "web-0_shop_a-b-c-" ID_A ".log", "a-b-c", "web-0", "shop" },
	{ "web-0_shop_nginx-" ID_A, NULL, NULL, NULL },
	{ "web-0_shop_nginx-" ID_A ".log.1", NULL, NULL, NULL },
	{ "web-0_shop_nginx-" ID_A "0.log", NULL, NULL, NULL },
	{ "web-0_shop_nginx-3f9c0a11dead.log", NULL, NULL, NULL },
	{ "web-0_nginx-" ID_A ".log", NULL, NULL, NULL },
	{ "web-0_shop_-" ID_A ".log", NULL, NULL, NULL },
	{ "_shop_nginx-" ID_A ".log", NULL, NULL, NULL },
	{ "web-0__nginx-" ID_A ".log", NULL, NULL, NULL },
	{ "web-0_shop_ng_inx-" ID_A ".log", NULL, NULL, NULL },
	{ "web-0_sho\np_nginx-" ID_A ".log", NULL, NULL, NULL },
	{ "web-0_shop_" ID_A ".log", NULL, NULL, NULL },
	{ ".log", NULL, NULL, NULL },
	{ "", NULL, NULL, NULL },
	{ "web-0_" X200 "_nginx-" ID_A ".log", NULL, NULL, NULL },
};

START_TEST(names_of_logs)
{
	struct container_label label = { .key = "untouched" };
	int r = container_parse_log(logs[_i].file, &label);

	ck_assert_int_eq(r, logs[_i].name ? 0 : -EBADMSG);
	ck_assert_str_eq(label.key, r < 0 ? "untouched" : ID_A);
	if (r < 0)
		return;
	ck_assert_str_eq(label.name, logs[_i].name);
	ck_assert_str_eq(label.pod, logs[_i].pod);
	ck_assert_str_eq(label.namespace, logs[_i].namespace);
}
END_TEST

/* 255 bytes are all that a file's name can have. */
START_TEST(a_name_that_was_cut)
{
	char name[512] = X200 "_shop_nginx-" ID_A;
	struct container_label label;

	ck_assert_uint_gt(strlen(name), 251);
	strcpy(name + 251, ".log");
	ck_assert_int_eq(container_parse_log(name, &label), 0);
	ck_assert_uint_eq(strlen(label.key), 251 - strlen(X200 "_shop_nginx-"));
	ck_assert_str_eq(label.pod, X200);
	ck_assert_str_eq(label.name, "nginx");
	make_folders("/var/log/containers");
	add_log(name);
	add_log("web-0_shop_nginx-" ID_B ".log");
	check(ID_A, UID, "nginx", X200, "shop");
	check(ID_B, UID, "nginx", "web-0", "shop");
	check(ID_C, UID, "", "", "");
	/* Nothing of the id is left. */
	memset(name, 'y', 251);
	name[180] = name[200] = '_';
	name[245] = '-';
	memcpy(name + 246, "3f9c0", 5);
	ck_assert_int_eq(container_parse_log(name, &label), -EBADMSG);
}
END_TEST

static const struct {
	const char *file;
	const char *uid, *pod, *namespace;
} pods[] = {
	{ "payments_api-7d9f-x2_" UID, UID, "api-7d9f-x2", "payments" },
	{ "kube-system_etcd-node_" UID_B, UID_B, "etcd-node", "kube-system" },
	{ UID, NULL, NULL, NULL },
	{ "payments_" UID, NULL, NULL, NULL },
	{ "payments_api_x_" UID, NULL, NULL, NULL },
	{ "payments_api_" UID "0", NULL, NULL, NULL },
	{ "", NULL, NULL, NULL },
};

START_TEST(names_of_pods)
{
	struct container_label label = {};
	int r = container_parse_pod(pods[_i].file, &label);

	ck_assert_int_eq(r, pods[_i].uid ? 0 : -EBADMSG);
	if (r < 0)
		return;
	ck_assert_str_eq(label.key, pods[_i].uid);
	ck_assert_str_eq(label.name, "");
	ck_assert_str_eq(label.pod, pods[_i].pod);
	ck_assert_str_eq(label.namespace, pods[_i].namespace);
}
END_TEST

static const struct {
	const char *text;
	const char *name; /* NULL: none */
} documents[] = {
	{ "{\"Name\":\"/web\"}", "web" },
	{ "{\"Name\": \"/shop_web.1-a\"}\n", "shop_web.1-a" },
	{ "{\"Name\":\"web\"}", NULL },
	{ "{\"Name\":\"/\"}", NULL },
	{ "{\"Name\":\"/a b\"}", NULL },
	{ "{\"Name\":\"/a\\u001bb\"}", NULL },
	{ "{\"Name\":\"/" X200 X200 "\"}", NULL },
	{ "{\"name\":\"/web\"}", NULL },
	{ "{\"a\":{\"Name\":\"/web\"}}", NULL },
	{ "[\"Name\",\"/web\"]", NULL },
	{ "{\"Name\":\"/web\"", NULL },
	{ "{\"Name\":null}", NULL },
	{ "\"/web\"", NULL },
	{ "", NULL },
};

START_TEST(docker_documents)
{
	struct container_label label = { .name = "untouched" };
	int r = container_parse_config(documents[_i].text, strlen(documents[_i].text), &label);

	ck_assert_int_eq(r, documents[_i].name ? 0 : -EBADMSG);
	ck_assert_str_eq(label.name, documents[_i].name ? documents[_i].name : "untouched");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("containers");
	TCase *tree = tcase_create("tree"), *texts = tcase_create("texts");

	tcase_add_checked_fixture(tree, make_tree, remove_tree);
	tcase_add_test(tree, kubernetes);
	tcase_add_test(tree, a_name_that_comes_late);
	tcase_add_test(tree, what_has_no_name_is_given_up);
	tcase_add_test(tree, who_is_gone_is_forgotten);
	tcase_add_test(tree, docker);
	tcase_add_test(tree, a_huge_document_is_cut);
	tcase_add_test(tree, no_plain_file);
	tcase_add_test(tree, errors);
	tcase_add_test(tree, names_of_machines);
	tcase_add_test(tree, too_many);
	tcase_add_test(tree, a_name_that_was_cut);
	suite_add_tcase(s, tree);
	tcase_add_loop_test(texts, names_of_logs, 0, ARRAY_SIZE(logs));
	tcase_add_loop_test(texts, names_of_pods, 0, ARRAY_SIZE(pods));
	tcase_add_loop_test(texts, docker_documents, 0, ARRAY_SIZE(documents));
	suite_add_tcase(s, texts);
	return s;
}
