/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a path to options: the default file may be absent, one that was named may not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"

/* At most one byte more than is allowed, so that the parser can say what is wrong. */
static int read_all(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(CONFIG_BYTES_MAX + 1);
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	while (len <= CONFIG_BYTES_MAX) {
		ssize_t n = read(fd, text + len, CONFIG_BYTES_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret = take_ptr(text);
	*ret_len = len;
	return 0;
}

int config_load(const char *path, bool required, struct options *options, struct faults *faults)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	size_t len = 0;
	int r;

	/* Not blocking: a FIFO in its place must not hold up the start. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT && !required)
		return 0;
	if (fd < 0)
		return faults_add(faults, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return faults_add(faults, "%s: not a regular file", path);
	r = read_all(fd, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return faults_add(faults, "%s: %s", path, strerror(-r));
	r = config_parse(text, len, path, options, faults);
	return r < 0 ? r : 1;
}

int config_assemble(int argc, char **argv, struct options *ret, const char **ret_path,
		    struct faults *faults)
{
	_cleanup_(options_done) struct options first = {};
	const char *path;
	int r, loaded;

	*ret = (struct options){};
	/*
	 * Alone first: it says where the file is, and its own mistakes are told before the file's.
	 */
	r = options_default(&first);
	if (r == 0)
		r = arguments_apply(&first, argc, argv, faults);
	if (r < 0)
		return r;
	r = options_default(ret);
	if (r < 0)
		return r;
	path = first.config ? first.config : TCPDIAGD_CONFIG;
	loaded = 0;
	if (!first.help && !first.version)
		loaded = config_load(path, first.config != NULL, ret, faults);
	if (loaded < 0)
		return loaded;
	r = arguments_apply(ret, argc, argv, faults);
	if (r == 0 && !ret->help && !ret->version)
		r = options_check(ret, faults);
	if (r == 0)
		*ret_path = !loaded ? NULL : ret->config ? ret->config : TCPDIAGD_CONFIG;
	return r;
}
