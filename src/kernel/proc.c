/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc(5): stat is one line, its second field the command in parentheses, without any escape; limits is a
 * table for people; a link to a thing without a path reads "type:[inode]" (fs/libfs.c:simple_dname()).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/proc.h"
#include "model/macro.h"

/* Of include/linux/sched.h, in field 9 of stat. */
#define PF_KTHREAD 0x00200000U

#define FIELD_PARENT 4
#define FIELD_FLAGS 9
#define FIELD_START_TIME 22

int proc_read_text(int folder, const char *name, char *buffer, size_t size)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t filled = 0;

	if (fd < 0)
		return -errno;
	while (filled < size) {
		ssize_t n = read(fd, buffer + filled, size - filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		filled += n;
	}
	return (int)filled;
}

/* A decimal number at @at, up to @end. Return: what stands behind it; NULL where there is none. */
static const char *parse_number(const char *at, const char *end, uint64_t *ret)
{
	const char *start = at;
	uint64_t value = 0;

	while (at < end && *at >= '0' && *at <= '9')
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at++ - '0', &value))
			return NULL;
	*ret = value;
	return at > start ? at : NULL;
}

int proc_parse_stat(const char *text, size_t len, struct proc_stat *ret)
{
	const char *end = text + len;
	const char *open = len ? memchr(text, '(', len) : NULL;
	const char *close = len ? memrchr(text, ')', len) : NULL;
	struct proc_stat stat = {};
	uint64_t flags = 0, parent = 0;
	const char *at;
	bool found = false;

	if (!open || !close || close < open)
		return -EBADMSG;
	memcpy(stat.comm, open + 1, MIN((size_t)(close - open - 1), sizeof(stat.comm) - 1));
	at = close + 1;
	for (int field = 3; field <= FIELD_START_TIME; field++) {
		if (at >= end || *at++ != ' ')
			return -EBADMSG;
		if (field == FIELD_PARENT &&
		    (!parse_number(at, end, &parent) || parent > INT32_MAX))
			return -EBADMSG;
		if (field == FIELD_FLAGS && !parse_number(at, end, &flags))
			return -EBADMSG;
		if (field == FIELD_START_TIME) {
			const char *behind = parse_number(at, end, &stat.start_time);

			/* Cut in the middle it would be another process's. */
			found = behind && behind < end && (*behind == ' ' || *behind == '\n');
		}
		while (at < end && *at != ' ')
			at++;
	}
	if (!found)
		return -EBADMSG;
	stat.parent = (int32_t)parent;
	stat.kernel_thread = flags & PF_KTHREAD;
	*ret = stat;
	return 0;
}

int proc_read_stat(int folder, struct proc_stat *ret)
{
	char text[1024];
	int r = proc_read_text(folder, "stat", text, sizeof(text));

	return r < 0 ? r : proc_parse_stat(text, r, ret);
}

uint64_t proc_read_executable(int folder)
{
	uint64_t hash;
	struct stat st;

	if (fstatat(folder, "exe", &st, 0) < 0)
		return 0;
	hash = st.st_dev * 0x9e3779b97f4a7c15ULL;
	hash = (hash ^ hash >> 31 ^ st.st_ino) * 0xbf58476d1ce4e5b9ULL;
	hash ^= hash >> 29;
	return hash ? hash : 1;
}

uint32_t proc_read_descriptor_limit(int folder)
{
	static const char label[] = "Max open files";
	char text[4096];
	int r = proc_read_text(folder, "limits", text, sizeof(text) - 1);
	const char *at;
	uint64_t value;

	if (r <= 0)
		return 0;
	text[r] = '\0';
	at = strstr(text, label);
	if (!at)
		return 0;
	at += strlen(label);
	at += strspn(at, " ");
	if (!strncmp(at, "unlimited", strlen("unlimited")))
		return UINT32_MAX;
	return parse_number(at, text + r, &value) ? (uint32_t)MIN(value, UINT32_MAX) : 0;
}

int64_t proc_read_link(int folder, const char *name, const char *type)
{
	size_t type_len = strlen(type);
	char text[64];
	ssize_t n = readlinkat(folder, name, text, sizeof(text));
	uint64_t value;
	const char *at;

	if (n < 0)
		return -errno;
	if ((size_t)n <= type_len + 2 || memcmp(text, type, type_len) != 0 ||
	    text[type_len] != ':' || text[type_len + 1] != '[')
		return 0;
	at = parse_number(text + type_len + 2, text + n, &value);
	return at && text + n - at == 1 && *at == ']' && value <= INT64_MAX ? (int64_t)value : 0;
}

bool proc_may_trace(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capget, &header, data) >= 0 &&
	       data[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE);
}
