/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only changes are said, and of findings only what asks for a person: a prediction alone does not
 * go to the journal.
 */
#include <string.h>

#include "daemon/announce.h"

/* Without digits: "13 namespaces are not read" says nothing new when it becomes 14. */
static bool is_new(struct announced_source *known, const struct source *source, const char *reason)
{
	char key[sizeof(known->reason)];
	size_t len = 0;

	for (; *reason && len + 1 < sizeof(key); reason++)
		if (*reason < '0' || *reason > '9')
			key[len++] = *reason;
	key[len] = '\0';
	if (known->state == source->state && !strcmp(key, known->reason))
		return false;
	known->state = source->state;
	memcpy(known->reason, key, len + 1);
	return true;
}

static void announce_source(struct announce *announce, const struct source *source,
			    const char *reason, struct log *log)
{
	struct announced_source *known = &announce->sources[source->id];
	bool bad = source->state == SOURCE_FAILED || source->state == SOURCE_DEGRADED;
	bool was_bad = known->state == SOURCE_FAILED || known->state == SOURCE_DEGRADED;
	const char *name = source_name((enum source_id)source->id);

	if (!is_new(known, source, reason))
		return;
	if (bad)
		log_print(log, source->state == SOURCE_FAILED ? LOG_WARNING : LOG_NOTICE,
			  "%s %s: %s", name, source_state_name((enum source_state)source->state),
			  reason);
	else if (was_bad && source->state == SOURCE_OK)
		log_print(log, LOG_NOTICE, "%s works again", name);
}

static void announce_sources(struct announce *announce, const struct snapshot *snapshot,
			     struct log *log)
{
	for (uint32_t i = 0; i < snapshot->source_count; i++)
		if (snapshot->sources[i].id < SOURCE_MAX)
			announce_source(announce, &snapshot->sources[i],
					snapshot_text(snapshot, snapshot->sources[i].reason), log);
}

static struct announced *find(struct announce *announce, uint64_t id)
{
	for (size_t i = 0; i < announce->count; i++)
		if (announce->findings[i].id == id)
			return &announce->findings[i];
	return NULL;
}

/* The memory of a finding that asks for a person; NULL where it does not, or where there is no room. */
static struct announced *remember(struct announce *announce, const struct finding *finding)
{
	struct announced *known;

	if (finding->severity < SEVERITY_WARNING || finding->severity >= SEVERITY_MAX)
		return NULL;
	known = find(announce, finding->id);
	if (known)
		return known;
	if (announce->count >= ANNOUNCED_MAX)
		return NULL;
	known = &announce->findings[announce->count++];
	*known = (struct announced){ .id = finding->id, .rule = finding->rule };
	return known;
}

void announce_restored(struct announce *announce, const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->finding_count; i++) {
		const struct finding *finding = &snapshot->findings[i];
		struct announced *known = remember(announce, finding);

		if (!known)
			continue;
		known->severity = finding->severity;
		snprintf(known->summary, sizeof(known->summary), "%s",
			 snapshot_text(snapshot, finding->summary));
	}
}

static void announce_finding(struct announce *announce, const struct snapshot *snapshot,
			     const struct finding *finding, struct log *log)
{
	struct announced *known = remember(announce, finding);
	const char *summary = snapshot_text(snapshot, finding->summary);

	if (!known)
		return;
	known->seen = true;
	/* Numbers in the sentence move all the time; its severity is what counts. */
	if (known->severity == finding->severity)
		return;
	known->severity = finding->severity;
	snprintf(known->summary, sizeof(known->summary), "%s", summary);
	log_print(log, finding->severity == SEVERITY_CRITICAL ? LOG_CRIT : LOG_WARNING,
		  "%s: %s (%s)", severity_name((enum severity)finding->severity), summary,
		  tcpdiag_rule_id((enum tcpdiag_rule)finding->rule));
}

/* What nothing was judged by is not cleared. @blind: finding_bit() of these. */
static void forget_cleared(struct announce *announce, uint32_t blind, struct log *log)
{
	size_t kept = 0;

	for (size_t i = 0; i < announce->count; i++) {
		struct announced *known = &announce->findings[i];

		if (known->seen || blind & finding_bit((enum tcpdiag_rule)known->rule))
			announce->findings[kept++] = *known;
		else
			log_print(log, LOG_NOTICE, "cleared: %s", known->summary);
	}
	announce->count = kept;
}

void announce_snapshot(struct announce *announce, const struct snapshot *snapshot, struct log *log)
{
	announce_sources(announce, snapshot, log);
	for (size_t i = 0; i < announce->count; i++)
		announce->findings[i].seen = false;
	for (uint32_t i = 0; i < snapshot->finding_count; i++)
		announce_finding(announce, snapshot, &snapshot->findings[i], log);
	forget_cleared(announce, snapshot->header->findings_blind, log);
}
