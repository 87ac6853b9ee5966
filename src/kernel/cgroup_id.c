/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In kernfs the number of a folder is its file handle (fs/kernfs/mount.c:kernfs_encode_fh(), Linux 5.5), so
 * open_by_handle_at() opens the folder and the link of the descriptor names it.
 *
 * A table of fixed size, each place for the newest that falls on it.
 */
#include "kernel/cgroup_id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>

#include "model/macro.h"

#define PLACES 256U
#define PATH_SIZE 256U
#define CGROUP2_MAGIC 0x63677270 /* CGROUP2_SUPER_MAGIC, linux/magic.h */
#define KERNFS_HANDLE 0xfe /* FILEID_KERNFS, include/linux/exportfs.h */

struct place {
	uint64_t id; /* 0: free */
	char path[PATH_SIZE]; /* below the mount; "/" */
};

struct cgroup_ids {
	int mount;
	const char *path; /* that every link begins with */
	size_t prefix; /* its length */
	struct place places[PLACES];
};

static int open_mount(const char *path, struct cgroup_ids *ids)
{
	struct statfs fs;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0) {
		r = -errno;
	} else if (fs.f_type != CGROUP2_MAGIC) {
		r = -ENOENT;
	} else {
		ids->mount = fd;
		ids->path = path;
		ids->prefix = strlen(path);
		return 0;
	}
	close(fd);
	return r;
}

int cgroup_ids_new(const char *mount, struct cgroup_ids **ret)
{
	struct cgroup_ids *ids = calloc(1, sizeof(*ids));
	int r;

	if (!ids)
		return -ENOMEM;
	ids->mount = -1;
	r = open_mount(mount ? mount : "/sys/fs/cgroup", ids);
	if (r < 0 && !mount)
		r = open_mount("/sys/fs/cgroup/unified", ids);
	if (r < 0) {
		cgroup_ids_free(ids);
		return r;
	}
	*ret = ids;
	return 0;
}

struct cgroup_ids *cgroup_ids_free(struct cgroup_ids *ids)
{
	if (!ids)
		return NULL;
	closep(&ids->mount);
	free(ids);
	return NULL;
}

static int open_folder(const struct cgroup_ids *ids, uint64_t id)
{
	struct {
		struct file_handle head;
		uint64_t id;
	} handle = {
		.head = { .handle_bytes = sizeof(uint64_t), .handle_type = KERNFS_HANDLE },
		.id = id,
	};
	int fd;

	_Static_assert(sizeof(handle) == sizeof(struct file_handle) + sizeof(uint64_t),
		       "the handle follows its head");
	fd = open_by_handle_at(ids->mount, &handle.head, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_path(const struct cgroup_ids *ids, uint64_t id, char path[PATH_SIZE])
{
	_cleanup_close_ int fd = open_folder(ids, id);
	char link[64], target[PATH_SIZE + 64];
	ssize_t len;

	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	/* Of a part of the tree that is not below the mount; " (deleted)" is cut off by nobody. */
	if ((size_t)len < ids->prefix || memcmp(target, ids->path, ids->prefix) != 0 ||
	    (target[ids->prefix] && target[ids->prefix] != '/'))
		return -EBADMSG;
	if ((size_t)len - ids->prefix >= PATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(path, PATH_SIZE, "%s", (size_t)len == ids->prefix ? "/" : target + ids->prefix);
	return 0;
}

int cgroup_ids_find(struct cgroup_ids *ids, uint64_t id, char *buffer, size_t size)
{
	struct place *place = &ids->places[(id * 0x9e3779b97f4a7c15ULL >> 32) % PLACES];
	char path[PATH_SIZE];
	int n, r;

	if (!id)
		return -ENOENT;
	if (place->id != id) {
		r = read_path(ids, id, path);
		if (r < 0)
			return r;
		place->id = id;
		memcpy(place->path, path, sizeof(place->path));
	}
	n = snprintf(buffer, size, "0::%s\n", place->path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
