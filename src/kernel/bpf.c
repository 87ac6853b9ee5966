/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two ways put together. Each has an object of its own and is loaded by itself, so that what a kernel
 * does not take leaves the other.
 *
 * How long a jiffy is, no interface says: a socket of ours with a known SO_LINGER tells. It is closed before
 * anybody else reads a row.
 */
#include "kernel/bpf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kernel/bpf_descriptors.h"
#include "kernel/bpf_look_up.h"
#include "kernel/bpf_why.h"
#include "model/macro.h"

#define PROBE_SECONDS 1000U
/* With this many a second a row's milliseconds are its jiffies. */
#define HZ_UNKNOWN 1000U
#define HZ_MAX 10000U

struct bpf_reader {
	struct descriptor_pass *descriptors; /* NULL: this way is missing */
	struct look_up *look_up; /* NULL: this way is missing */
	uint32_t hz;
	char lacks[512];
};

/* Return: a socket with the known time; -errno. */
static int open_probe(int family)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = PROBE_SECONDS };
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int set_hz(struct bpf_reader *reader, const struct socket_settings *probe)
{
	const uint32_t hz = probe->linger_ms / PROBE_SECONDS;

	if (!(probe->flags & SETTINGS_LINGER) || !hz || hz > HZ_MAX)
		return -EOPNOTSUPP;
	reader->hz = hz;
	return 0;
}

/* An unbound socket: nobody but us and the pass sees it. */
static int calibrate_by_descriptors(struct bpf_reader *reader, int family)
{
	_cleanup_close_ int fd = open_probe(family);
	struct descriptor row;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = descriptor_pass_begin(reader->descriptors, getpid());
	if (r < 0)
		return r;
	while ((r = descriptor_pass_next(reader->descriptors, HZ_UNKNOWN, &row, NULL)) == 1)
		if (row.inode == st.st_ino && row.fd == fd)
			return set_hz(reader, &row.settings);
	/* Our own descriptors are not among them: nothing could be told from such a pass. */
	return r < 0 ? r : -EOPNOTSUPP;
}

/* Only a listener can be looked up without a peer; it is there for a moment, on loopback. */
static int calibrate_by_look_up(struct bpf_reader *reader)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tcpdiag_socket sk = { .state = TCPDIAG_LISTEN, .family = AF_INET };
	const struct tcpdiag_socket *sockets[] = { &sk };
	_cleanup_close_ int fd = open_probe(AF_INET);
	struct socket_settings settings;
	socklen_t size = sizeof(address), cookie_size = sizeof(sk.cookie);
	int r;

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &sk.cookie, &cookie_size) < 0)
		return -errno;
	sk.local_port = ntohs(address.sin_port);
	memcpy(sk.local + 12, &address.sin_addr, sizeof(address.sin_addr));
	r = look_up_run(reader->look_up, HZ_UNKNOWN, sockets, 1, &settings, NULL);
	if (r < 0)
		return r;
	return r == 1 ? set_hz(reader, &settings) : -EOPNOTSUPP;
}

/* A look-up that finds nothing: a sandbox may let the program be loaded and not run. */
static int try_look_up(struct bpf_reader *reader)
{
	const struct tcpdiag_socket sk = {
		.cookie = 1, .state = TCPDIAG_LISTEN, .family = AF_INET, .local_port = 1
	};
	const struct tcpdiag_socket *sockets[] = { &sk };
	struct socket_settings settings;

	return look_up_run(reader->look_up, reader->hz, sockets, 1, &settings, NULL);
}

static int calibrate_descriptors(struct bpf_reader *reader)
{
	int r = calibrate_by_descriptors(reader, AF_INET);

	if (r < 0)
		r = calibrate_by_descriptors(reader, AF_INET6);
	return r;
}

/* What @what cannot tell, in the reader's sentence. */
static void note_missing(struct bpf_reader *reader, const char *what, int error)
{
	size_t used = strlen(reader->lacks);

	snprintf(reader->lacks + used, sizeof(reader->lacks) - used, "%s%s: %s (%s)",
		 used ? "; " : "", what, bpf_why(error), strerror(-error));
}

static int open_descriptors(struct bpf_reader *reader)
{
	int r = descriptor_pass_new(&reader->descriptors);

	if (r >= 0)
		r = calibrate_descriptors(reader);
	if (r < 0) {
		reader->descriptors = descriptor_pass_free(reader->descriptors);
		note_missing(reader, "descriptors are not listed by the kernel", r);
	}
	return r;
}

static int open_look_up(struct bpf_reader *reader)
{
	int r = look_up_new(&reader->look_up);

	if (r >= 0)
		r = reader->hz ? try_look_up(reader) : calibrate_by_look_up(reader);
	if (r < 0) {
		reader->look_up = look_up_free(reader->look_up);
		note_missing(reader, "sockets without a descriptor are not read", r);
	}
	return r;
}

/* What loading fails with, in the three ways that callers tell apart. */
static int simple_error(int error)
{
	if (error == -EPERM || error == -EACCES)
		return -EPERM;
	return error == -ENOMEM ? -ENOMEM : -EOPNOTSUPP;
}

int bpf_reader_new(struct bpf_reader **ret)
{
	struct bpf_reader *reader = calloc(1, sizeof(*reader));
	int by_descriptors, by_look_up;

	if (!reader)
		return -ENOMEM;
	/* What libbpf would print is of use to who writes the programs. */
	libbpf_set_print(NULL);
	by_descriptors = open_descriptors(reader);
	by_look_up = open_look_up(reader);
	if (by_descriptors < 0 && by_look_up < 0) {
		bpf_reader_free(reader);
		return simple_error(by_descriptors);
	}
	*ret = reader;
	return 0;
}

struct bpf_reader *bpf_reader_free(struct bpf_reader *reader)
{
	if (!reader)
		return NULL;
	descriptor_pass_free(reader->descriptors);
	look_up_free(reader->look_up);
	free(reader);
	return NULL;
}

bool bpf_reader_has_descriptors(const struct bpf_reader *reader)
{
	return reader && reader->descriptors;
}

uint32_t bpf_reader_hz(const struct bpf_reader *reader)
{
	return reader ? reader->hz : 0;
}

bool bpf_reader_has_look_up(const struct bpf_reader *reader)
{
	return reader && reader->look_up;
}

const char *bpf_reader_lacks(const struct bpf_reader *reader, int error)
{
	return reader ? reader->lacks : bpf_why(error);
}

int descriptors_begin(struct bpf_reader *reader)
{
	if (!bpf_reader_has_descriptors(reader))
		return -EOPNOTSUPP;
	return descriptor_pass_begin(reader->descriptors, 0);
}

int descriptors_next(struct bpf_reader *reader, struct descriptor *ret,
		     struct tcpdiag_socket *ret_closed)
{
	if (!bpf_reader_has_descriptors(reader))
		return -EOPNOTSUPP;
	return descriptor_pass_next(reader->descriptors, reader->hz, ret, ret_closed);
}

int settings_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		     uint32_t count, struct socket_settings *ret)
{
	if (!bpf_reader_has_look_up(reader))
		return -EOPNOTSUPP;
	return look_up_run(reader->look_up, reader->hz, sockets, count, ret, NULL);
}

int sockets_look_up(struct bpf_reader *reader, const struct tcpdiag_socket *const *sockets,
		    uint32_t count, struct tcpdiag_socket *ret,
		    struct socket_settings *ret_settings)
{
	if (!bpf_reader_has_look_up(reader))
		return -EOPNOTSUPP;
	return look_up_run(reader->look_up, reader->hz, sockets, count, ret_settings, ret);
}
