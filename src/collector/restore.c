/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A collector that goes on with the snapshot of one before it, which systemd has kept (sd_notify(3),
 * FDSTORE=1).
 *
 * The snapshot is what the first poll joins with, as if this process had made it; beside the records it
 * holds what else is remembered between polls: processes and holders, the rings of history, what stands of
 * findings. CLOCK_MONOTONIC goes on over a restart, but not over a boot. What is not in it begins anew and
 * says so: trends, and when namespaces were last read, so that what was born meanwhile has no exact time.
 * Other namespaces are searched for anew: until that is done once, records of them stand as they were
 * (census_waits()).
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "model/macro.h"

#define GONE_FOR_NS \
	(60 * NSEC_PER_SEC) /* so long one may still come back as a timewait minisocket */

static const char *foreign(const struct collector *c, const struct snapshot *snapshot)
{
	const struct snapshot_header *header = snapshot->header;

	if (header->replay || c->replay)
		return "it is of a replay";
	if (!c->self.boot_id[0] ||
	    memcmp(header->boot_id, c->self.boot_id, sizeof(header->boot_id)) != 0)
		return "it is of another boot";
	if (header->netns != c->self.netns)
		return "it is of another network namespace";
	return NULL;
}

/* What had just vanished may only have become a minisocket. */
static void restore_gone(struct collector *c, const struct snapshot *snapshot)
{
	uint32_t i;

	for (i = 0; i < snapshot->ended_count; i++) {
		const struct ended *ended = &snapshot->ended[i];

		if (ended->gone_ns && snapshot->header->now_ns - ended->gone_ns < GONE_FOR_NS)
			gone_put(c->gone, &ended->record, ended->gone_ns);
	}
}

static void restore_owners(struct collector *c, const struct snapshot *snapshot)
{
	/* The records count their walks from there. */
	c->walk.begun = c->walk.base = snapshot->header->owner_pass;
	if (c->settings.processes && c->walk.owners && attach_restore(c->attach, snapshot) == 0)
		return;
	attach_clear(c->attach, c->gone);
}

int collector_restore(struct collector *c, const void *data, size_t size, const char **ret_why)
{
	int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	struct snapshot snapshot;

	if (snapshot_open(data, size, &snapshot) < 0) {
		*ret_why = snapshot_explain(data, size);
		return -EBADMSG;
	}
	*ret_why = foreign(c, &snapshot);
	if (!*ret_why)
		*ret_why = snapshot_check(&snapshot, now_ns);
	if (*ret_why)
		return -EBADMSG;
	c->id = snapshot.header->id;
	history_restore(c->history, &snapshot, now_ns);
	findings_restore(c->findings, &snapshot, now_ns);
	raised_restore(&c->raised, &snapshot);
	restore_gone(c, &snapshot);
	restore_owners(c, &snapshot);
	c->restored = snapshot;
	return 0;
}

int collector_restore_journal(struct collector *c, const void *data, size_t size,
			      const char **ret_why)
{
	return journal_restore(c->chronicle.journal, data, size, ret_why);
}
