/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only changes are said, and of findings only what asks for a person: a prediction alone does not
 * go to the journal.
 */
#include <string.h>

#include "daemon/announce.h"
#include "rules/message.h"
#include "rules/sentence.h"
#include "web/pieces.h"

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

static bool asks_for_a_person(const struct finding *finding)
{
	return finding->severity >= SEVERITY_WARNING && finding->severity < SEVERITY_MAX;
}

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static struct announced *remember(struct announce *announce, const struct finding *finding)
{
	struct announced *known;

	if (announce->count >= ANNOUNCED_MAX)
		return NULL;
	known = &announce->findings[announce->count++];
	*known = (struct announced){ .id = finding->id,
				     .rule = finding->rule,
				     .since_ns = finding->since_ns,
				     .pid = finding->pid };
	return known;
}

/* Numbers in the sentence move all the time: kept is what was said last. */
static void say(struct announced *known, const struct snapshot *snapshot,
		const struct finding *finding)
{
	known->said |= (uint8_t)(1U << finding->severity);
	known->severity = MAX(known->severity, finding->severity);
	copy(known->unit, sizeof(known->unit), snapshot_text(snapshot, finding->unit));
	copy(known->summary, sizeof(known->summary), snapshot_text(snapshot, finding->summary));
}

void announce_restored(struct announce *announce, const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->finding_count; i++) {
		const struct finding *finding = &snapshot->findings[i];
		struct announced *known = NULL;

		if (asks_for_a_person(finding))
			known = remember(announce, finding);
		if (known)
			say(known, snapshot, finding);
	}
}

void announce_address(struct announce *announce, const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count && !announce->documentation[0]; i++)
		if (listeners->items[i].loopback && !listeners->items[i].local)
			snprintf(announce->documentation, sizeof(announce->documentation),
				 "http://%s/rules/", listeners->items[i].address);
}

/* Numbers as the fields have them. */
struct message_texts {
	char finding[32], count[16], socket[SOCKET_ID_MAX], netns[16], pid[16];
	char documentation[CHANNEL_ADDRESS_MAX + 128];
};

static void message_texts(const struct announce *announce, const struct snapshot *snapshot,
			  const struct finding *finding, struct message_texts *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->finding, sizeof(ret->finding), FINDING_ID, finding->id);
	snprintf(ret->count, sizeof(ret->count), "%u", finding->count);
	if (finding->socket < snapshot->record_count)
		socket_id(&snapshot->records[finding->socket].sk, ret->socket);
	if (finding->netns)
		snprintf(ret->netns, sizeof(ret->netns), "%u", finding->netns);
	if (finding->pid > 0)
		snprintf(ret->pid, sizeof(ret->pid), "%d", finding->pid);
	if (announce->documentation[0])
		snprintf(ret->documentation, sizeof(ret->documentation), "%s%s",
			 announce->documentation,
			 tcpdiag_rule_id((enum tcpdiag_rule)finding->rule));
	else
		copy(ret->documentation, sizeof(ret->documentation), "man:tcpdiagd(8)");
}

static void log_raised(const struct announce *announce, const struct snapshot *snapshot,
		       const struct finding *finding, struct log *log)
{
	enum tcpdiag_rule rule = (enum tcpdiag_rule)finding->rule;
	const char *severity = severity_name((enum severity)finding->severity);
	const struct tcpdiag_rule_info *info = tcpdiag_rule_info(rule);
	const char *remedy = snapshot_text(snapshot, finding->remedy);
	const char *summary = snapshot_text(snapshot, finding->summary);
	struct message_texts texts;
	const struct log_field fields[] = {
		{ "MESSAGE_ID", rule_message_id(rule) },
		{ "TCPDIAGD_RULE", tcpdiag_rule_id(rule) },
		{ "TCPDIAGD_SEVERITY", severity },
		{ "TCPDIAGD_FINDING", texts.finding },
		{ "TCPDIAGD_SCOPE", scope_name((enum scope)finding->scope) },
		{ "TCPDIAGD_COUNT", texts.count, true },
		{ "TCPDIAGD_UNIT", snapshot_text(snapshot, finding->unit) },
		{ "TCPDIAGD_COMM", snapshot_text(snapshot, finding->comm) },
		{ "TCPDIAGD_SOCKET", texts.socket },
		{ "TCPDIAGD_NETNS", texts.netns, true },
		{ "TCPDIAGD_CAUSE", snapshot_text(snapshot, finding->cause) },
		{ "TCPDIAGD_REMEDY", *remedy || !info ? remedy : info->remedy },
		{ "OBJECT_PID", texts.pid, true },
		{ "DOCUMENTATION", texts.documentation },
	};

	message_texts(announce, snapshot, finding, &texts);
	log_fields(log, finding->severity == SEVERITY_CRITICAL ? LOG_CRIT : LOG_WARNING, fields,
		   ARRAY_SIZE(fields), "%s: %s (%s)", severity, summary, tcpdiag_rule_id(rule));
}

static void log_cleared(const struct announced *known, int64_t now_ns, struct log *log)
{
	double seconds = (double)(now_ns - known->since_ns) / 1e9;
	struct sentence lasted = { 0 };
	char finding[32], pid[16] = "", duration[32];
	const struct log_field fields[] = {
		{ "MESSAGE_ID", MESSAGE_ID_CLEARED },
		{ "TCPDIAGD_RULE", tcpdiag_rule_id((enum tcpdiag_rule)known->rule) },
		{ "TCPDIAGD_SEVERITY", severity_name((enum severity)known->severity) },
		{ "TCPDIAGD_FINDING", finding },
		{ "TCPDIAGD_SECONDS", duration, true },
		{ "TCPDIAGD_UNIT", known->unit },
		{ "OBJECT_PID", pid, true },
	};

	snprintf(finding, sizeof(finding), FINDING_ID, known->id);
	snprintf(duration, sizeof(duration), "%.3f", seconds);
	if (known->pid > 0)
		snprintf(pid, sizeof(pid), "%d", known->pid);
	sentence_duration(&lasted, seconds);
	log_fields(log, LOG_INFO, fields, ARRAY_SIZE(fields), "cleared after %s: %s", lasted.text,
		   known->summary);
}

static void announce_finding(struct announce *announce, const struct snapshot *snapshot,
			     const struct finding *finding, struct log *log)
{
	struct announced *known = find(announce, finding->id);

	/* One that has become less stands until it has gone. */
	if (known)
		known->seen = true;
	if (!asks_for_a_person(finding))
		return;
	if (!known)
		known = remember(announce, finding);
	if (!known) {
		if (!announce->full)
			log_print(log, LOG_WARNING,
				  "more than %d findings stand: the others are not logged one by "
				  "one, see /findings",
				  ANNOUNCED_MAX);
		announce->full = true;
		return;
	}
	known->seen = true;
	if (known->said & 1U << finding->severity)
		return;
	say(known, snapshot, finding);
	log_raised(announce, snapshot, finding, log);
}

/* What nothing was judged by is not cleared. */
static void forget_cleared(struct announce *announce, const struct snapshot_header *header,
			   struct log *log)
{
	size_t kept = 0;

	for (size_t i = 0; i < announce->count; i++) {
		struct announced *known = &announce->findings[i];

		if (known->seen ||
		    header->findings_blind & finding_bit((enum tcpdiag_rule)known->rule))
			announce->findings[kept++] = *known;
		else
			log_cleared(known, header->now_ns, log);
	}
	announce->full = announce->full && kept == ANNOUNCED_MAX;
	announce->count = kept;
}

void announce_snapshot(struct announce *announce, const struct snapshot *snapshot, struct log *log)
{
	announce_sources(announce, snapshot, log);
	for (size_t i = 0; i < announce->count; i++)
		announce->findings[i].seen = false;
	for (uint32_t i = 0; i < snapshot->finding_count; i++)
		announce_finding(announce, snapshot, &snapshot->findings[i], log);
	forget_cleared(announce, snapshot->header, log);
}
