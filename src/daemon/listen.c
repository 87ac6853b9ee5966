/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets that listen. They are opened by the collector, stay open in it for as long as it lives,
 * and are passed to each web process: while one is being replaced, connections wait in the queue
 * instead of being refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/listen.h"

#define BACKLOG 1024

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			return in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	}
	return false;
}

/* Fills in what the socket itself says: its address, who can reach it. */
static int describe(struct listener *listener)
{
	struct sockaddr_storage address = {};
	socklen_t length = sizeof(address);
	char text[INET6_ADDRSTRLEN];

	if (getsockname(listener->fd, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	listener->loopback = is_loopback(&address);
	listener->local = address.ss_family == AF_UNIX;
	if (address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(listener->address, sizeof(listener->address), "%s:%u", text,
			 ntohs(in->sin_port));
	} else if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;

		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(listener->address, sizeof(listener->address), "[%s]:%u", text,
			 ntohs(in6->sin6_port));
	} else if (address.ss_family == AF_UNIX) {
		const struct sockaddr_un *un = (const struct sockaddr_un *)&address;
		size_t start = offsetof(struct sockaddr_un, sun_path);
		size_t len = length > start ? strnlen(un->sun_path, length - start) : 0;

		snprintf(listener->address, sizeof(listener->address), "unix:%.*s", (int)len,
			 un->sun_path);
	} else {
		return -EAFNOSUPPORT;
	}
	return 0;
}

/* A unix socket that nobody answers at any more. */
static bool is_stale(const struct listen_address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address->address;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	return connect(fd, (const struct sockaddr *)&address->address, address->length) < 0 &&
	       errno == ECONNREFUSED;
}

/* Mode 0660 from its first moment: between bind() and chmod() somebody could connect. */
static int bind_unix(int fd, const struct listen_address *address, struct listener *listener)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address->address;
	mode_t mask = umask(0117);
	int r;

	r = bind(fd, (const struct sockaddr *)&address->address, address->length) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && is_stale(address) && unlink(un->sun_path) == 0)
		r = bind(fd, (const struct sockaddr *)&address->address, address->length) < 0
			    ? -errno
			    : 0;
	umask(mask);
	if (r == 0)
		snprintf(listener->path, sizeof(listener->path), "%s", un->sun_path);
	return r;
}

static int bind_inet(int fd, const struct listen_address *address)
{
	int on = 1, v6only = !address->any;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (address->address.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address->address, address->length) < 0)
		return -errno;
	return 0;
}

/* ":19293" where there is no IPv6. */
static void use_inet(struct listen_address *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->address;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = in6->sin6_port };

	address->address = (struct sockaddr_storage){};
	memcpy(&address->address, &in, sizeof(in));
	address->length = sizeof(in);
}

static int open_one(const struct listen_address *wanted, struct listener *ret)
{
	struct listen_address address = *wanted;
	struct listener listener = {};
	_cleanup_close_ int fd = -1;
	int r;

	fd = socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && address.any) {
		use_inet(&address);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return -errno;
	r = address.address.ss_family == AF_UNIX ? bind_unix(fd, &address, &listener)
						 : bind_inet(fd, &address);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	listener.fd = fd;
	r = describe(&listener);
	if (r < 0)
		return r;
	*ret = listener;
	ret->fd = take_fd(&fd);
	return 0;
}

/* What to do about it, for the failures that people meet. */
static const char *hint(int error, const struct listen_address *address)
{
	switch (error) {
	case EADDRINUSE:
		return address->address.ss_family == AF_UNIX
			       ? ": another tcpdiagd, or something that is no socket? choose "
				 "--web.listen-address"
			       : ": another tcpdiagd? choose --web.listen-address";
	case EADDRNOTAVAIL:
		return ": this machine does not have that address";
	case EACCES:
		return address->address.ss_family == AF_UNIX
			       ? ": no right to write in that folder"
			       : ": ports below 1024 need CAP_NET_BIND_SERVICE";
	case ENOENT:
		return ": the folder does not exist";
	default:
		return "";
	}
}

static int take_inherited(int fd, struct listeners *listeners, struct faults *faults)
{
	struct listener *listener = &listeners->items[listeners->count];
	int flags = fcntl(fd, F_GETFL);

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		return faults_add(faults,
				  "descriptor %d from systemd is no listening stream socket", fd);
	if (listeners->count >= LISTENERS_MAX)
		return faults_add(faults, "more than %d sockets from systemd", LISTENERS_MAX);
	*listener = (struct listener){ .fd = fd, .inherited = true };
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || describe(listener) < 0)
		return faults_add(faults, "descriptor %d from systemd: %s", fd, strerror(errno));
	listeners->count++;
	return 0;
}

/* Is a socket from systemd bound to that already? */
static bool is_served(const struct listeners *listeners, const char *text)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (!strcmp(listeners->items[i].address, text))
			return true;
	return false;
}

static bool has_default_addresses(const struct options *options)
{
	struct option_info info;
	int row = option_find("web.listen-address", strlen("web.listen-address"), &info);

	return row >= 0 && options->origins[row].source == ORIGIN_DEFAULT;
}

int listeners_open(const struct options *options, const int *inherited, size_t inherited_count,
		   struct listeners *ret, struct faults *faults)
{
	unsigned int before = faults->count;

	*ret = (struct listeners){};
	for (size_t i = 0; i < inherited_count; i++)
		take_inherited(inherited[i], ret, faults);
	if (inherited_count && has_default_addresses(options))
		return faults->count > before ? -EINVAL : 0;
	for (size_t i = 0; i < options->listen_addresses.count; i++) {
		const char *text = options->listen_addresses.items[i];
		struct listen_address address;
		char why[QUANTITY_WHY];
		int r;

		if (is_served(ret, text) || ret->count >= LISTENERS_MAX)
			continue;
		if (listen_parse(text, &address, why) < 0) {
			faults_add(faults, "%s", why);
			continue;
		}
		r = open_one(&address, &ret->items[ret->count]);
		if (r < 0)
			faults_add(faults, "%s: %s%s", text, strerror(-r), hint(-r, &address));
		else
			ret->count++;
	}
	return faults->count > before ? -EINVAL : 0;
}

void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		close(listeners->items[i].fd);
		if (*listeners->items[i].path)
			unlink(listeners->items[i].path);
	}
	listeners->count = 0;
}
