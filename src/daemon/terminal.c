/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard output. A URL that can be clicked, or a command that can be copied.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/terminal.h"
#include "web/report.h"

#define COLUMNS_DEFAULT 100
#define COLUMNS_MIN 60

unsigned int terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return COLUMNS_DEFAULT;
	return MIN(MAX((unsigned int)size.ws_col, COLUMNS_MIN), COLUMNS_DEFAULT);
}

/* What to write in a URL for an address that means all of them. */
static void url_host(const char *address, char *ret, size_t size)
{
	if (!strncmp(address, "0.0.0.0:", 8) || !strncmp(address, "[::]:", 5))
		snprintf(ret, size, "localhost%s", strrchr(address, ':'));
	else
		snprintf(ret, size, "%s", address);
}

static void print_url(const char *address)
{
	char host[CHANNEL_ADDRESS_MAX + 16];

	url_host(address, host, sizeof(host));
	printf("http://%s", host);
}

void terminal_print_addresses(const struct listeners *listeners, bool expose_api)
{
	for (size_t i = 0; i < listeners->count; i++) {
		const struct listener *listener = &listeners->items[i];

		printf("tcpdiagd " TCPDIAGD_VERSION " serves ");
		if (listener->local) {
			printf("%s   try: curl -s --unix-socket %s http://localhost/\n",
			       listener->address, listener->address + strlen("unix:"));
			continue;
		}
		print_url(listener->address);
		printf("%s   try: curl -s ",
		       listener->loopback ? "" : " (every address it stands for)");
		print_url(listener->address);
		/* What is tried has to work. */
		puts(listener->loopback || expose_api
			     ? ""
			     : "/metrics   (--web.expose-api opens the rest)");
	}
	fflush(stdout);
}

int terminal_print_report(const struct snapshot *snapshot, unsigned int lines,
			  const struct listeners *listeners)
{
	char where[CHANNEL_ADDRESS_MAX + 16] = "localhost:19293";
	struct buffer b = {};
	size_t len;
	int r;

	for (size_t i = 0; listeners && i < listeners->count; i++)
		if (!listeners->items[i].local) {
			url_host(listeners->items[i].address, where, sizeof(where));
			break;
		}
	errno = 0;
	report_print(&b, snapshot, NULL, 0, terminal_columns(), where);
	r = b.error;
	len = b.len;
	for (size_t i = 0; lines && i < b.len; i++)
		if (b.data[i] == '\n' && !--lines)
			len = i + 1;
	if (r == 0)
		fwrite(b.data, 1, len, stdout);
	if (r == 0 && len < b.len)
		puts("...");
	buffer_done(&b);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = errno ? -errno : -EIO;
	return r;
}
