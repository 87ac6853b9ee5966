/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The spelling of addresses: brackets around IPv6 (RFC 3986, 3.2.2), nothing before the colon for
 * all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "daemon/listen.h"

static int parse_unix(const char *text, struct listen_address *ret,
		      char ret_why[static QUANTITY_WHY])
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->address;
	const char *path = text + strlen("unix:");

	if (*path != '/')
		return quantity_wrong(ret_why, "\"%.64s\": the path of a unix socket begins with /",
				      text);
	if (strlen(path) >= sizeof(un->sun_path))
		return quantity_wrong(
			ret_why, "\"%.64s...\": a unix socket's path has at most %zu characters",
			text, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return 0;
}

static int parse_port(const char *text, const char *port, in_port_t *ret,
		      char ret_why[static QUANTITY_WHY])
{
	char ignored[QUANTITY_WHY];
	int64_t number;

	if (quantity_count(port, &number, ignored) < 0 || number > UINT16_MAX)
		return quantity_wrong(ret_why, "\"%.64s\": \"%.16s\" is no port from 0 to 65535",
				      text, port);
	*ret = htons((uint16_t)number);
	return 0;
}

static int parse_inet6(const char *text, const char *host, size_t len, in_port_t port,
		       struct listen_address *ret, char ret_why[static QUANTITY_WHY])
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->address;
	char address[INET6_ADDRSTRLEN];

	if (len >= sizeof(address))
		return quantity_wrong(ret_why, "\"%.64s\" holds no IPv6 address", text);
	memcpy(address, host, len);
	address[len] = '\0';
	if (strchr(address, '%'))
		return quantity_wrong(ret_why, "\"%.64s\": zones (%%eth0) are not taken", text);
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
		return quantity_wrong(ret_why, "\"%.64s\": \"%s\" is no IPv6 address", text,
				      address);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	ret->length = sizeof(*in6);
	return 0;
}

static int parse_inet(const char *text, const char *host, size_t len, in_port_t port,
		      struct listen_address *ret, char ret_why[static QUANTITY_WHY])
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->address;
	char address[INET_ADDRSTRLEN];

	if (len < sizeof(address)) {
		memcpy(address, host, len);
		address[len] = '\0';
		if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
			in->sin_family = AF_INET;
			in->sin_port = port;
			ret->length = sizeof(*in);
			return 0;
		}
	}
	if (memchr(host, ':', len))
		return quantity_wrong(ret_why,
				      "\"%.64s\": an IPv6 address stands in brackets: [%.*s]", text,
				      (int)MIN(len, (size_t)64), host);
	return quantity_wrong(
		ret_why,
		"\"%.64s\": \"%.*s\" is no IPv4 address; names are not looked up, write for "
		"example 127.0.0.1:19293",
		text, (int)MIN(len, (size_t)64), host);
}

int listen_parse(const char *text, struct listen_address *ret, char ret_why[static QUANTITY_WHY])
{
	struct listen_address address = {};
	const char *colon = strrchr(text, ':');
	in_port_t port = 0;
	int r;

	if (!strncmp(text, "unix:", 5)) {
		r = parse_unix(text, &address, ret_why);
	} else if (!colon || colon[1] == '\0' || (text[0] == '[' && colon < strchr(text, ']'))) {
		r = quantity_wrong(
			ret_why,
			"\"%.64s\" has no port; write for example 127.0.0.1:19293, [::1]:19293, "
			":19293 or unix:/path",
			text);
	} else {
		r = parse_port(text, colon + 1, &port, ret_why);
		if (r < 0)
			return r;
		if (colon == text) {
			address.any = true;
			r = parse_inet6(text, "::", 2, port, &address, ret_why);
		} else if (text[0] == '[' && colon[-1] == ']') {
			r = parse_inet6(text, text + 1, (size_t)(colon - text) - 2, port, &address,
					ret_why);
		} else {
			r = parse_inet(text, text, (size_t)(colon - text), port, &address, ret_why);
		}
	}
	if (r == 0)
		*ret = address;
	return r;
}
