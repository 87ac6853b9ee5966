/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing text. Someone whose file has fifty mistakes does not need to see the fifty-first.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/faults.h"

int faults_add(struct faults *faults, const char *format, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list args;
	char *text;
	int len;

	if (faults->count++ >= FAULTS_MAX)
		return -EINVAL;
	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0) {
		line = NULL;
		faults->out_of_memory = true;
		return -EINVAL;
	}
	/* What came from a file or a shell may hold anything; a fault is one line. */
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	text = realloc(faults->text, faults->len + (size_t)len + 2);
	if (!text) {
		faults->out_of_memory = true;
		return -EINVAL;
	}
	memcpy(text + faults->len, line, (size_t)len);
	faults->text = text;
	faults->len += (size_t)len;
	faults->text[faults->len++] = '\n';
	faults->text[faults->len] = '\0';
	return -EINVAL;
}

void faults_done(struct faults *faults)
{
	free(faults->text);
	*faults = (struct faults){};
}
