/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three tables in the order of their keys: the containers that processes are in, and what the two folders of
 * the kubelet said when they were read last.
 *
 * A container is looked for when it is first asked for; a folder is read at most once in a pass, and only
 * where something is missing. The kubelet makes its link when the container has been started, which may be
 * after its first socket: so a name that is not there is looked for again in some of the passes that follow.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/cgroup.h"
#include "kernel/containers.h"
#include "model/macro.h"

#define CONTAINERS_MAX 4096U
#define FILES_MAX 8192U
#define CONFIG_MAX (256U * 1024)
#define TRIES_MAX 8

static const char logs_path[] = "/var/log/containers";
static const char pods_path[] = "/var/log/pods";
static const char docker_path[] = "/var/lib/docker/containers";

struct row {
	char key[80];
	char *texts; /* name, pod, namespace, each terminated; owned */
	/* Of containers that were asked for. */
	uint64_t asked, tried; /* the last pass in which they were */
	uint8_t tries;
};

struct table {
	struct row *rows; /* ascending by key */
	uint32_t count, room;
	uint64_t pass; /* of a folder: in which it was read, 0: never */
};

struct containers {
	char *root;
	uint64_t pass, cut, reads;
	int error, error_before;
	struct table known, logs, pods;
};

static void table_clear(struct table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		free(table->rows[i].texts);
	free(table->rows);
	*table = (struct table){};
}

int containers_new(const char *root, struct containers **ret)
{
	struct containers *containers = calloc(1, sizeof(*containers));

	if (!containers)
		return -ENOMEM;
	containers->pass = 1;
	containers->root = strdup(root);
	if (!containers->root) {
		free(containers);
		return -ENOMEM;
	}
	*ret = containers;
	return 0;
}

struct containers *containers_free(struct containers *containers)
{
	if (!containers)
		return NULL;
	table_clear(&containers->known);
	table_clear(&containers->logs);
	table_clear(&containers->pods);
	free(containers->root);
	free(containers);
	return NULL;
}

/* The first row that is not below @key. */
static uint32_t table_place(const struct table *table, const char *key)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(table->rows[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool table_grow(struct table *table)
{
	uint32_t wanted = table->room ? table->room * 2 : 16;
	struct row *larger;

	if (table->count < table->room)
		return true;
	larger = reallocarray(table->rows, wanted, sizeof(*larger));
	if (!larger)
		return false;
	table->rows = larger;
	table->room = wanted;
	return true;
}

static void put(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static char *texts_of(const char *name, const char *pod, const char *namespace)
{
	const size_t size = strlen(name) + strlen(pod) + strlen(namespace) + 3;
	char *texts = malloc(size), *end = texts;

	if (!texts)
		return NULL;
	end = stpcpy(end, name) + 1;
	end = stpcpy(end, pod) + 1;
	memcpy(end, namespace, strlen(namespace) + 1);
	return texts;
}

static void names_of(const char *texts, struct container_names *ret)
{
	ret->name = texts;
	ret->pod = ret->name + strlen(ret->name) + 1;
	ret->namespace = ret->pod + strlen(ret->pod) + 1;
}

/* ---- folders ---- */

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static int path_of(const struct containers *containers, const char *path, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s%s", containers->root, path);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

static void note(struct containers *containers, int error)
{
	if (error != -ENOENT && error != -ENOTDIR)
		containers->error = error;
}

static int add_label(struct table *table, const struct container_label *label)
{
	struct row *row;

	if (!table_grow(table))
		return -ENOMEM;
	row = &table->rows[table->count];
	*row = (struct row){};
	row->texts = texts_of(label->name, label->pod, label->namespace);
	if (!row->texts)
		return -ENOMEM;
	put(row->key, sizeof(row->key), label->key);
	table->count++;
	return 0;
}

/* All names of a folder, in place of those before. */
static int read_folder(struct containers *containers, const char *path,
		       int (*parse)(const char *, struct container_label *), struct table *table)
{
	char name[PATH_MAX];
	struct dirent *entry;
	uint32_t files = 0;
	DIR *folder;
	int r = path_of(containers, path, name, sizeof(name));

	table_clear(table);
	table->pass = containers->pass;
	if (r < 0)
		return r;
	folder = opendir(name);
	if (!folder)
		return -errno;
	containers->reads++;
	while (r >= 0 && (errno = 0, entry = readdir(folder))) {
		struct container_label label;

		if (*entry->d_name == '.' || parse(entry->d_name, &label) < 0)
			continue;
		if (files++ >= FILES_MAX)
			containers->cut++;
		else
			r = add_label(table, &label);
	}
	if (r >= 0)
		r = -errno;
	closedir(folder);
	if (table->count)
		qsort(table->rows, table->count, sizeof(*table->rows), compare_rows);
	return r;
}

/* The row whose key @key begins with: an id may have been cut, and then is the last one not above. */
static const struct row *table_find(const struct table *table, const char *key)
{
	uint32_t at = table_place(table, key);

	if (at < table->count && !strcmp(table->rows[at].key, key))
		return &table->rows[at];
	if (at && !strncmp(key, table->rows[at - 1].key, strlen(table->rows[at - 1].key)))
		return &table->rows[at - 1];
	return NULL;
}

static bool find_in(struct containers *containers, struct table *table, const char *path,
		    int (*parse)(const char *, struct container_label *), const char *key,
		    struct container_label *ret)
{
	const struct row *row = table_find(table, key);
	struct container_names names;

	if (!row && table->pass != containers->pass) {
		int r = read_folder(containers, path, parse, table);

		if (r < 0)
			note(containers, r);
		row = table_find(table, key);
	}
	if (!row)
		return false;
	names_of(row->texts, &names);
	put(ret->name, sizeof(ret->name), names.name);
	put(ret->pod, sizeof(ret->pod), names.pod);
	put(ret->namespace, sizeof(ret->namespace), names.namespace);
	return true;
}

/* ---- Docker ---- */

static int read_config(struct containers *containers, const char *id, char *text, int *ret_len)
{
	char folder[PATH_MAX], name[96];
	_cleanup_close_ int parent = -1;
	_cleanup_close_ int file = -1;
	struct stat status;
	size_t len = 0;
	int r = path_of(containers, docker_path, folder, sizeof(folder));

	if (r < 0)
		return r;
	parent = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -errno;
	snprintf(name, sizeof(name), "%s/config.v2.json", id);
	file = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (file < 0 || fstat(file, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EBADMSG;
	containers->reads++;
	while (len < CONFIG_MAX) {
		ssize_t n = read(file, text + len, CONFIG_MAX - len);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == CONFIG_MAX)
		return -EFBIG;
	*ret_len = (int)len;
	return 0;
}

static bool find_docker(struct containers *containers, const char *id, struct container_label *ret)
{
	char *text = malloc(CONFIG_MAX);
	int len = 0, r;

	if (!text)
		return false;
	r = read_config(containers, id, text, &len);
	if (r == -EFBIG)
		containers->cut++;
	else if (r < 0)
		note(containers, r);
	else
		r = container_parse_config(text, (size_t)len, ret);
	free(text);
	/* A document that is too large stays so. */
	return r >= 0 || r == -EFBIG;
}

/* ---- containers ---- */

static bool look_for(struct containers *containers, const char *id, const char *pod_uid,
		     struct container_label *ret)
{
	if (find_in(containers, &containers->logs, logs_path, container_parse_log, id, ret))
		return true;
	if (!*pod_uid)
		return find_docker(containers, id, ret);
	/* The pod at least; the container may come later. */
	find_in(containers, &containers->pods, pods_path, container_parse_pod, pod_uid, ret);
	return false;
}

static void try_row(struct containers *containers, struct row *row, const char *pod_uid)
{
	struct container_label label = {};
	bool done = true;
	char *texts;

	row->tried = containers->pass;
	if (cgroup_is_container_id(row->key))
		done = look_for(containers, row->key, pod_uid, &label);
	else
		put(label.name, sizeof(label.name), row->key);
	if (done)
		row->tries = TRIES_MAX;
	else if (!containers->error) /* what cannot be read is said as long as it is so */
		row->tries++;
	texts = texts_of(label.name, label.pod, label.namespace);
	if (!texts)
		return;
	free(row->texts);
	row->texts = texts;
}

static struct row *row_of(struct containers *containers, const char *id)
{
	struct table *known = &containers->known;
	uint32_t at = table_place(known, id);

	if (at < known->count && !strcmp(known->rows[at].key, id))
		return &known->rows[at];
	if (known->count >= CONTAINERS_MAX) {
		containers->cut++;
		return NULL;
	}
	if (strlen(id) >= sizeof(known->rows->key) || !table_grow(known))
		return NULL;
	memmove(&known->rows[at + 1], &known->rows[at], (known->count - at) * sizeof(*known->rows));
	known->count++;
	known->rows[at] = (struct row){};
	put(known->rows[at].key, sizeof(known->rows[at].key), id);
	return &known->rows[at];
}

void containers_begin(struct containers *containers)
{
	struct table *known = &containers->known;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < known->count; i++) {
		if (known->rows[i].asked == containers->pass)
			known->rows[kept++] = known->rows[i];
		else
			free(known->rows[i].texts);
	}
	known->count = kept;
	containers->pass++;
	containers->error_before = containers->error;
	containers->error = 0;
}

void containers_find(struct containers *containers, const char *id, const char *pod_uid,
		     struct container_names *ret)
{
	struct row *row = row_of(containers, id);

	*ret = (struct container_names){ "", "", "" };
	if (!row)
		return;
	row->asked = containers->pass;
	if (row->tries < TRIES_MAX && row->tried != containers->pass)
		try_row(containers, row, pod_uid);
	if (row->texts)
		names_of(row->texts, ret);
}

uint64_t containers_cut(const struct containers *containers)
{
	return containers->cut;
}

int containers_error(const struct containers *containers)
{
	return containers->error ? containers->error : containers->error_before;
}

uint64_t containers_reads(const struct containers *containers)
{
	return containers->reads;
}
