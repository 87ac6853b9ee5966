/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the log says of the snapshots: sources that fail and recover, findings that come and go.
 *
 * Of a finding that asks for a person (warning and above) each severity is said once, and its end. In systemd's journal
 * these messages have a MESSAGE_ID= of their rule (rules/message.h) and fields (docs/journal.md).
 */
#pragma once

#include "daemon/listen.h"
#include "daemon/log.h"
#include "model/snapshot.h"

#define ANNOUNCED_MAX 256

struct announced {
	uint64_t id;
	int64_t since_ns; /* raised */
	uint8_t said; /* bit per enum severity */
	uint8_t severity; /* the highest of these */
	uint8_t rule; /* enum tcpdiag_rule */
	bool seen; /* in the snapshot that is being looked at */
	int32_t pid;
	char unit[64];
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
	bool full; /* there are more of them, and that has been said */
	char documentation[CHANNEL_ADDRESS_MAX +
			   32]; /* "http://127.0.0.1:19293/rules/", or empty */
};

/* Where the rules can be read: at the first address that every user of this machine can reach. */
void announce_address(struct announce *announce, const struct listeners *listeners);

/* The collector goes on with this snapshot: what stands in it has been said before. */
void announce_restored(struct announce *announce, const struct snapshot *snapshot);

/* Logs what is new in this snapshot. */
void announce_snapshot(struct announce *announce, const struct snapshot *snapshot, struct log *log);
