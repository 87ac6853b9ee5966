/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small HTTP client on a blocking socket: what it reads is what came over the wire.
 */
#pragma once

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/buffer.h"

struct answer {
	int status; /* 0: none came */
	struct buffer head; /* with its last empty line, terminated */
	struct buffer body; /* without chunks, terminated behind its end */
	bool whole; /* its length or its last chunk was reached */
};

static inline void answer_done(struct answer *answer)
{
	buffer_done(&answer->head);
	buffer_done(&answer->body);
	*answer = (struct answer){};
}

/* The value of a header, "" where there is none; lives in a static buffer. */
static inline const char *answer_header(const struct answer *answer, const char *name)
{
	static char value[1024];
	const char *line = answer->head.data;
	size_t len = strlen(name);

	value[0] = '\0';
	while (line && (line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
		break;
	}
	return value;
}

/* At least one byte more; false at the end. */
static inline bool http_more(int fd, struct buffer *in)
{
	char piece[65536];
	ssize_t len;

	do
		len = recv(fd, piece, sizeof(piece), 0);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return false;
	buffer_add(in, piece, (size_t)len);
	return true;
}

static inline void http_drop(struct buffer *in, size_t len)
{
	memmove(in->data, in->data + len, in->len - len);
	in->len -= len;
}

static inline bool http_need(int fd, struct buffer *in, size_t len)
{
	while (in->len < len)
		if (!http_more(fd, in))
			return false;
	return true;
}

/* Position behind the next @mark, 0 where the connection ended before. */
static inline size_t http_find(int fd, struct buffer *in, const char *mark)
{
	for (;;) {
		const char *found = in->len ? memmem(in->data, in->len, mark, strlen(mark)) : NULL;

		if (found)
			return (size_t)(found - in->data) + strlen(mark);
		if (!http_more(fd, in))
			return 0;
	}
}

static inline void http_chunks(int fd, struct buffer *in, struct answer *ret)
{
	for (;;) {
		size_t line = http_find(fd, in, "\r\n"), len;

		if (!line)
			return;
		len = strtoul(in->data, NULL, 16);
		http_drop(in, line);
		if (!http_need(fd, in, len + 2)) {
			buffer_add(&ret->body, in->data, in->len);
			return;
		}
		buffer_add(&ret->body, in->data, len);
		http_drop(in, len + 2);
		if (!len) {
			ret->whole = true;
			return;
		}
	}
}

/* One answer; @in keeps what came behind it. False where none came. */
static inline bool http_read(int fd, struct buffer *in, bool head, struct answer *ret)
{
	size_t len = http_find(fd, in, "\r\n\r\n");

	*ret = (struct answer){};
	if (!len)
		return false;
	buffer_add(&ret->head, in->data, len);
	buffer_char(&ret->head, '\0');
	http_drop(in, len);
	ret->status = atoi(ret->head.data + strlen("HTTP/1.1 "));
	if (head || ret->status == 304) {
		ret->whole = true;
	} else if (!strcasecmp(answer_header(ret, "Transfer-Encoding"), "chunked")) {
		http_chunks(fd, in, ret);
	} else if (answer_header(ret, "Content-Length")[0]) {
		len = strtoul(answer_header(ret, "Content-Length"), NULL, 10);
		ret->whole = http_need(fd, in, len);
		buffer_add(&ret->body, in->data, MIN(len, in->len));
		http_drop(in, MIN(len, in->len));
	} else {
		while (http_more(fd, in))
			continue;
		buffer_add(&ret->body, in->data, in->len);
		in->len = 0;
		ret->whole = true;
	}
	buffer_char(&ret->body, '\0');
	ret->body.len--;
	return true;
}

static inline bool http_send(int fd, const char *text, size_t len)
{
	return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}
