/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same collector and the same documents as the daemon, without a server: a sweep, a pass over
 * the descriptors, a sweep that knows of both, one document. What could not be seen without
 * privileges stands in the document itself.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/collector.h"
#include "daemon/once.h"
#include "daemon/privileges.h"
#include "daemon/settings.h"
#include "daemon/terminal.h"
#include "web/owner_routes.h"
#include "web/sockets.h"

static void collector_freep(struct collector **collector)
{
	collector_free(*collector);
}

static void document_freep(struct document **document)
{
	document_free(*document);
}

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static int write_document(struct document *document)
{
	struct buffer b = {};
	int r;

	do {
		b.len = 0;
		r = document->more(document, &b);
		if (r >= 0 && b.error)
			r = b.error;
		if (r >= 0 && fwrite(b.data, 1, b.len, stdout) < b.len)
			r = -errno;
	} while (r > 0);
	buffer_done(&b);
	if (r == 0 && fflush(stdout) != 0)
		r = -errno;
	return r;
}

static int print_document(const struct snapshot *snapshot, const char *query)
{
	_cleanup_(document_freep) struct document *document = NULL;
	struct problem problem = {};
	int r;

	r = sockets_document(snapshot, query, now(CLOCK_MONOTONIC), now(CLOCK_REALTIME), &document,
			     &problem);
	return r < 0 ? r : write_document(document);
}

enum {
	STATUS_HARMLESS = 4,
	STATUS_HARMFUL = 5,
	STATUS_NOT_KNOWN = 6,
};

static int verdict_status(const struct exit_sums *sums)
{
	if (exit_expected(sums, EXPECT_CLEAN) == EXIT_ANSWER_YES)
		return 0;
	switch (exit_expected(sums, EXPECT_HARMLESS)) {
	case EXIT_ANSWER_YES:
		return STATUS_HARMLESS;
	case EXIT_ANSWER_NO:
		return STATUS_HARMFUL;
	default:
		return STATUS_NOT_KNOWN;
	}
}

/* What ending a unit or process would do. Return: the exit status. */
static int print_owner(const struct snapshot *snapshot, const struct options *options)
{
	_cleanup_(document_freep) struct document *document = NULL;
	const struct owner_query query = {
		.kind = options->unit ? OWNER_UNIT : OWNER_PROCESS,
		.name = options->unit,
		.pid = (int32_t)options->pid,
	};
	struct problem problem = {};
	struct exit_sums sums;
	int r;

	r = owner_document(snapshot, &query, options->format == FORMAT_TEXT, terminal_columns(),
			   now(CLOCK_MONOTONIC), now(CLOCK_REALTIME), &document, &sums, &problem);
	if (r == -EINVAL) {
		fprintf(stderr, "tcpdiagd: %s\n", problem.detail);
		return STATUS_NOT_KNOWN;
	}
	if (r == 0)
		r = write_document(document);
	if (r == 0)
		return verdict_status(&sums);
	fprintf(stderr, "tcpdiagd: cannot print: %s\n", strerror(-r));
	return 1;
}

static int print(const struct snapshot *snapshot, enum option_format format)
{
	static const char *const queries[] = {
		[FORMAT_JSON] = "detail=full&limit=0",
		[FORMAT_NDJSON] = "detail=full&limit=0&format=ndjson",
	};

	if (format == FORMAT_TEXT)
		return terminal_print_report(snapshot, 0, NULL);
	return print_document(snapshot, queries[format]);
}

static int look(const struct options *options, struct collector **ret,
		struct snapshot *ret_snapshot)
{
	struct collector_settings settings;
	int r;

	settings_collector(options, &settings);
	r = collector_new(&settings, ret);
	if (r < 0)
		return r;
	r = collector_poll(*ret, LANE_SWEEP);
	if (r < 0)
		return r;
	/*
	 * A pass that begins after a look at the sockets is one that cannot have missed them. Where it
	 * fails the snapshot says that holders are not known.
	 */
	if (!settings.replay && (settings.processes || settings.bpf)) {
		(void)collector_walk_owners(*ret);
		r = collector_poll(*ret, LANE_SWEEP);
		if (r < 0)
			return r;
	}
	return collector_snapshot(*ret, ret_snapshot);
}

static bool found(const struct snapshot *snapshot, enum option_fail_on fail_on)
{
	static const enum severity least[] = {
		[FAIL_ON_NEVER] = SEVERITY_MAX,
		[FAIL_ON_WARNING] = SEVERITY_WARNING,
		[FAIL_ON_CRITICAL] = SEVERITY_CRITICAL,
	};

	for (uint32_t i = 0; i < snapshot->finding_count; i++)
		if (snapshot->findings[i].severity >= least[fail_on])
			return true;
	return false;
}

int once_main(const struct options *options)
{
	_cleanup_(collector_freep) struct collector *collector = NULL;
	struct log log = { .level = LOG_ERR, .fd = STDERR_FILENO, .process = "tcpdiagd" };
	struct snapshot snapshot = {};
	int r;

	privileges_raise_descriptors(0,
				     options->namespaces ? (uint32_t)options->max_namespaces : 0);
	/* A dump file is somebody else's: it is not read with more rights than looking needs. */
	r = privileges_drop(&log);
	if (r == 0)
		r = look(options, &collector, &snapshot);
	if (r < 0) {
		fprintf(stderr, "tcpdiagd: %s%s%s\n",
			options->replay ? options->replay : "cannot look", ": ",
			options->replay && r == -EBADMSG ? "this is no dump of `ss -D FILE`"
							 : strerror(-r));
		return 1;
	}
	if (options->unit || options->pid)
		return print_owner(&snapshot, options);
	r = print(&snapshot, (enum option_format)options->format);
	if (r < 0) {
		fprintf(stderr, "tcpdiagd: cannot print: %s\n", strerror(-r));
		return 1;
	}
	return found(&snapshot, (enum option_fail_on)options->fail_on) ? 3 : 0;
}
