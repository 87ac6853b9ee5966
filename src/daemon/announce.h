/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the log says of the snapshots: sources that fail and recover, findings that come and go.
 */
#pragma once

#include "daemon/log.h"
#include "model/snapshot.h"

#define ANNOUNCED_MAX 256

struct announced {
	uint64_t id;
	uint8_t severity;
	uint8_t rule; /* enum tcpdiag_rule */
	bool seen; /* in the snapshot that is being looked at */
	char summary[256];
};

struct announced_source {
	uint8_t state; /* enum source_state */
	char reason[256]; /* without its numbers */
};

struct announce {
	struct announced_source sources[SOURCE_MAX];
	struct announced findings[ANNOUNCED_MAX]; /* of severity warning and above */
	size_t count;
};

/* The collector goes on with this snapshot: what stands in it has been said before. */
void announce_restored(struct announce *announce, const struct snapshot *snapshot);

/* Logs what is new in this snapshot. */
void announce_snapshot(struct announce *announce, const struct snapshot *snapshot, struct log *log);
