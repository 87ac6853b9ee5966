/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Host header (RFC 9110, 7.2) is host [":" port], host a name, an IPv4 address or an IPv6 address in
 * brackets. Names are compared without case and without the root's dot, IPv6 addresses as numbers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "web/access.h"

#define HOST_MAX 256U /* a name has at most 253 characters */

/* The host of "host:port", without brackets. False where it is none. */
static bool host_part(const char *text, size_t len, char ret[static HOST_MAX])
{
	const char *end = text + len, *host = text, *host_end, *port;

	if (len && *text == '[') {
		host = text + 1;
		host_end = memchr(text, ']', len);
		if (!host_end)
			return false;
		port = host_end + 1;
	} else {
		host_end = memchr(text, ':', len);
		if (!host_end)
			host_end = end;
		port = host_end;
	}
	if (host_end == host || (size_t)(host_end - host) >= HOST_MAX)
		return false;
	if (port < end && *port++ != ':')
		return false;
	for (; port < end; port++)
		if (*port < '0' || *port > '9')
			return false;
	memcpy(ret, host, (size_t)(host_end - host));
	ret[host_end - host] = '\0';
	return true;
}

static bool same_host(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	struct in6_addr a6, b6;

	if (inet_pton(AF_INET6, a, &a6) == 1 && inet_pton(AF_INET6, b, &b6) == 1)
		return !memcmp(&a6, &b6, sizeof(a6));
	if (a_len && a[a_len - 1] == '.')
		a_len--;
	if (b_len && b[b_len - 1] == '.')
		b_len--;
	return a_len == b_len && !strncasecmp(a, b, a_len);
}

static bool is_one_of(const char *host, const char *list)
{
	char name[HOST_MAX];

	while (*(list += strspn(list, " \t"))) {
		size_t len = strcspn(list, " \t");

		if (host_part(list, len, name) && same_host(host, name))
			return true;
		list += len;
	}
	return false;
}

static enum MHD_Result count_host(void *context, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned int *)context += !strcasecmp(name, "Host");
	return MHD_YES;
}

unsigned int access_hosts(struct MHD_Connection *connection)
{
	unsigned int count = 0;

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_host, &count);
	return count;
}

/* The address that was connected to, where the socket that listens has many. */
static bool is_loopback(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} own = {};
	socklen_t len = sizeof(own);
	const uint8_t *mapped = own.in6.sin6_addr.s6_addr + 12;

	/* What cannot be told is looked at. */
	if (fd < 0 || getsockname(fd, &own.any, &len) < 0)
		return true;
	if (own.any.sa_family == AF_INET)
		return ntohl(own.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (own.any.sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&own.in6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&own.in6.sin6_addr) && *mapped == IN_LOOPBACKNET);
}

int access_host(const struct channel_listen *listen, int fd, const char *hosts, const char *host,
		struct problem *problem)
{
	char name[HOST_MAX];

	if (listen->local || !host || (!listen->loopback && !is_loopback(fd)))
		return 0;
	if (!host_part(host, strlen(host), name))
		return problem_set(problem, 400, NULL, "the Host header \"%.128s\" is no host",
				   host);
	if (is_one_of(name, "localhost 127.0.0.1 [::1]") || is_one_of(name, listen->address) ||
	    is_one_of(name, hosts))
		return 0;
	return problem_set(problem, 421, NULL,
			   "the Host header says \"%.128s\", which is not this server; "
			   "--web.allowed-hosts adds names to localhost, 127.0.0.1, [::1] and %s",
			   name, listen->address);
}

int access_route(const struct channel_listen *listen, bool expose_api, const struct route *route,
		 struct problem *problem)
{
	if (listen->local || listen->loopback || expose_api || route->flags & ROUTE_OPEN)
		return 0;
	return problem_set(problem, 403, NULL,
			   "%s can be reached from other machines, so it serves only /metrics and "
			   "/-/...; --web.expose-api opens the rest",
			   listen->address);
}
