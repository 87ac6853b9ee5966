/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each document answers, as JSON Schema 2020-12 (OpenAPI 3.1). Words that stand in a table of the
 * program are taken from there. Objects are open: members are added, never dropped or renamed.
 */
#include "model/snapshot.h"
#include "web/event_filter.h"
#include "web/openapi.h"
#include "web/openapi_types.h"

static const struct schema_member problem[] = {
	{ "type", STRING, "about:blank", false },
	{ "title", STRING, "The status in words.", false },
	{ "status", INTEGER, "The status of the reply.", false },
	{ "detail", STRING, "What is wrong and what would be right.", false },
	{ "parameter", STRING, "The query parameter at fault.", true },
	{ 0 },
};

static const struct schema_member process[] = {
	{ "pid", INTEGER, "Process id.", false },
	{ "fd", INTEGER, "The descriptor, where a descriptor is meant.", true },
	{ "comm", STRING_OR_NULL, "Command name, as the process set it.", false },
	{ "unit", STRING_OR_NULL, "systemd unit.", false },
	{ "container", STRING_OR_NULL, "Container id.", false },
	{ "container_name", STRING_OR_NULL,
	  "The container as people know it: NAMESPACE/POD/CONTAINER, or its name in Docker.",
	  false },
	{ "cgroup", STRING_OR_NULL, "Path of its control group.", false },
	{ 0 },
};

static const struct schema_member endpoint[] = {
	{ "address", STRING, "IPv4 or IPv6 address, without brackets.", false },
	{ "port", INTEGER, "Port.", false },
	{ 0 },
};

static const struct schema_member finding[] = {
	{ "id", STRING, "Stable while the finding lasts.", false },
	{ "rule", REF("FindingRule"), "The rule that was broken.", false },
	{ "severity", REF("Severity"), "How bad it is.", false },
	{ "scope", REF("Scope"), "What it concerns.", false },
	{ "since", TIME_OR_NULL, "When it was raised.", false },
	{ "seconds", NUMBER, "How long it stands.", false },
	{ "socket", STRING_OR_NULL, "Id of the worst example, for /sockets/{id}.", false },
	{ "process", REF_OR_NULL("Process"), "The process to blame.", false },
	{ "unit", STRING_OR_NULL, "Its systemd unit.", false },
	{ "netns", INTEGER_OR_NULL, "Inode number of the network namespace; null: the machine.",
	  false },
	{ "count", INTEGER, "Sockets concerned.", false },
	{ "summary", STRING_OR_NULL, "One sentence that names who and what.", false },
	{ "evidence", REF("Evidence"), "The numbers that show it; those that apply.", false },
	{ "cause", STRING_OR_NULL, "Why it is so.", false },
	{ "remedy", STRING_OR_NULL, "What to do.", false },
	{ "documentation", STRING_OR_NULL,
	  "Path of the rule; with ?format=text the document for people.", false },
	{ 0 },
};

static const struct schema_member finding_list[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PAGE_MEMBERS,
	{ "findings", ARRAY(REF("Finding")), "Worst first.", false },
	{ 0 },
};

static const struct schema_member listener[] = {
	{ "id", STRING, "Id of the socket, for /sockets/{id}.", false },
	{ "local", REF("Endpoint"), "Where it listens.", false },
	{ "netns", INTEGER, "Inode number of the network namespace.", false },
	{ "protocol", "{\"enum\":[\"tcp\",\"mptcp\"]}", "What it speaks.", false },
	{ "queue", INTEGER, "Connections that wait to be accepted.", false },
	{ "limit", INTEGER, "Its backlog; full means more than that wait.", false },
	{ "full", BOOLEAN, "Whether the next connection is refused.", false },
	{ "resets", INTEGER_OR_NULL, "Connections that its close would reset.", false },
	{ "overflows", INTEGER_OR_NULL, "Connections refused; null: not known per listener.",
	  false },
	{ "linger", REF_OR_NULL("Linger"),
	  "SO_LINGER, which the connections it accepts begin with; null: not known.", false },
	{ "siblings", INTEGER_OR_NULL,
	  "Other listeners of its SO_REUSEPORT group; null: not known.", false },
	{ "unit", STRING_OR_NULL, "systemd unit of its first holder.", false },
	{ "comm", STRING_OR_NULL, "Command of its first holder.", false },
	{ "holders", ARRAY(REF("Process")), "Descriptors that refer to it.", false },
	{ 0 },
};

static const struct schema_member linger[] = {
	{ "on", BOOLEAN, "SO_LINGER is on.", false },
	{ "seconds", "{\"anyOf\":[" NUMBER ",{\"const\":\"forever\"}]}",
	  "For how long; 0 with on: close() resets.", false },
	{ "inherited", BOOLEAN, "Read from a listener.", false },
	{ 0 },
};

static const struct schema_member listener_list[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PAGE_MEMBERS,
	{ "listeners", ARRAY(REF("Listener")), "By port, or as `sort` says.", false },
	{ 0 },
};

static const struct schema_member close_sums[] = {
	{ "rst_peer_open", INTEGER, "Resets whose peer is still open.", false },
	{ "rst_peer_finished", INTEGER, "Resets whose peer has finished and has all of ours.",
	  false },
	{ "fin", INTEGER, "Ordinary ends.", false },
	{ "none", INTEGER, "Nothing is sent.", false },
	{ "by_rule", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "The same by the rule that decides; rules without a socket are left out.", false },
	{ 0 },
};

#define LEFT_MEMBERS \
	{ "count", INTEGER, "Orphans left.", false }, \
		{ "states", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}", \
		  "The same by state.", false }, \
	{ \
		"bytes", INTEGER, "What the kernel still has to deliver for them.", false \
	}

static const struct schema_member left[] = { LEFT_MEMBERS, { 0 } };

static const struct schema_member creator[] = {
	{ "unit", STRING_OR_NULL, "systemd unit.", false },
	{ "container", STRING_OR_NULL, "Its id, or its name.", false },
	{ "container_name", STRING_OR_NULL, "NAMESPACE/POD/CONTAINER, or the name alone.", false },
	{ "processes", INTEGER, "Processes of it that have left orphans, ended ones included.",
	  false },
	{ "pid", INTEGER, "The process, or the first of them. It may have ended.", false },
	{ "comm", STRING_OR_NULL, "Its command.", false },
	LEFT_MEMBERS,
	{ 0 },
};

static const struct schema_member orphans[] = {
	{ "count", INTEGER_OR_NULL, "As the kernel counts them, the whole machine.", false },
	{ "limit", INTEGER_OR_NULL,
	  "tcp_max_orphans; null where the machine's first network namespace is not read, which "
	  "alone shows it.",
	  false },
	{ "peak", INTEGER_OR_NULL, "Most of the last 120 seconds.", false },
	{ "growth_per_second", NUMBER_OR_NULL, "Robust; null while history is too short.", false },
	{ "seconds_to_limit", NUMBER_OR_NULL, "Null where they do not grow.", false },
	{ "seen", INTEGER_OR_NULL, "Orphans among the sockets of the snapshot.", false },
	{ "creators", "{\"type\":[\"array\",\"null\"],\"items\":" REF("OrphanCreator") "}",
	  "Who left those, most first, at most 20: a unit (in its container), a container, else a "
	  "process.",
	  false },
	{ "creators_total", INTEGER_OR_NULL, "How many there are.", false },
	{ "unknown_creator", REF_OR_NULL("OrphansLeft"), "Those that nobody is known to have left.",
	  false },
	{ 0 },
};

static const struct schema_member summary[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	{ "total", INTEGER_OR_NULL, "All sockets.", false },
	{ "sockets", REF_OR_NULL("CountByState"), "By state.", false },
	{ "attachments", REF_OR_NULL("CountByAttachment"), "By who has them.", false },
	{ "teardown",
	  "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" REF("CountByAttachment") "}",
	  "Those that are being closed, by state and by who has them.", false },
	{ "fin_wait_2", "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" INTEGER "}",
	  "FIN-WAIT-2: held by a process, full orphans, and minisockets (timewait). To ss the last "
	  "two "
	  "are both fin-wait-2 without a process.",
	  false },
	{ "oldest_seconds",
	  "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" NUMBER_OR_NULL "}",
	  "How long the oldest has been in its state, at least; null where there is none.", false },
	{ "close", REF_OR_NULL("CloseSums"), "What close() of every socket would send.", false },
	{ "unread_bytes", "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" INTEGER "}",
	  "Bytes no process has read, by whether the peer has finished.", false },
	{ "unsent_bytes", INTEGER_OR_NULL, "Bytes never sent.", false },
	{ "listeners", "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" NUMBER "}",
	  "Connections that wait, the fullest queue, listeners at risk.", false },
	{ "ports", "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" NUMBER_OR_NULL "}",
	  "The most used share of the local port range.", false },
	{ "orphans", REF("Orphans"), "Orphaned sockets against their limit.", false },
	{ "resets", REF_OR_NULL("RecentResets"),
	  "Resets of the last 15 minutes; null: events are not seen.", false },
	{ "memory", REF_OR_NULL("Memory"), "Memory of all TCP buffers.", false },
	{ "counters", REF("Counters"), "Since boot; null: this kernel has no such counter.",
	  false },
	{ "counters_last_minute", REF("Counters"), "Change in the last 60 seconds.", false },
	{ "sysctls", "{\"type\":\"object\"}", "Settings that decide how connections end.", false },
	{ "findings", REF("FindingCounts"), "By severity, and by rule.", false },
	{ 0 },
};

static const struct schema_member memory[] = {
	{ "bytes", INTEGER, "In use.", false },
	{ "limits", "{\"type\":[\"object\",\"null\"],\"additionalProperties\":" INTEGER "}",
	  "tcp_mem in bytes: low, pressure, high; null: not known in this namespace.", false },
	{ 0 },
};

static const struct schema_member finding_counts[] = {
	{ "info", INTEGER, "Worth knowing.", false },
	{ "warning", INTEGER, "Harm or growth.", false },
	{ "critical", INTEGER, "A limit is in reach.", false },
	{ "by_rule", "{\"type\":\"object\",\"additionalProperties\":" INTEGER_OR_NULL "}",
	  "By rule; null where none stands and nothing could be judged.", false },
	{ 0 },
};

static const struct schema_member source[] = {
	{ "name", STRING_OR_NULL, "What is read.", false },
	{ "state", REF("SourceState"), "How well.", false },
	{ "reason", STRING_OR_NULL, "What is missing and what to do.", false },
	{ "error", STRING_OR_NULL, "The errno of the last failure.", false },
	{ "age_seconds", NUMBER_OR_NULL, "Since it last answered in full.", false },
	{ "cost_seconds", NUMBER_OR_NULL, "CPU time of its last pass.", false },
	{ "passes", INTEGER, "Since the start.", false },
	{ "failures", INTEGER, "Since the start.", false },
	{ 0 },
};

static const struct schema_member warming_rule[] = {
	{ "rule", REF("FindingRule"), "Its id.", true },
	{ "seconds_left", NUMBER, "Until it judges in full.", true },
	{ "until", TIME_OR_NULL, "When that is.", true },
	{ 0 },
};

static const struct schema_member lane[] = {
	{ "name", STRING, "fast, sweep or owners.", false },
	{ "interval_seconds", NUMBER_OR_NULL, "In force.", false },
	{ "wanted_seconds", NUMBER_OR_NULL, "Configured.", false },
	{ "stretched", BOOLEAN, "Whether the interval gave way to the CPU share.", false },
	{ "age_seconds", NUMBER_OR_NULL,
	  "Since its last pass, which need not look at each socket: see fast_lane of /status.",
	  false },
	{ "cost_seconds", NUMBER_OR_NULL, "CPU time of its last pass.", false },
	{ "wall_seconds", NUMBER_OR_NULL, "Duration of its last pass.", false },
	{ "rows", INTEGER_OR_NULL, "What its last pass saw.", false },
	{ "passes", INTEGER, "Since the start.", false },
	{ "by", "{\"enum\":[\"events\",\"dump\",null]}",
	  "How it finds its sockets: looked up where events have told of them, or dumped.", false },
	{ 0 },
};

static const struct schema_member namespace[] = {
	{ "inode", INTEGER, "As `netns` of a socket.", false },
	{ "name", STRING_OR_NULL, "In /run/netns.", false },
	{ "state", REF("SourceState"), "How well it is read.", false },
	{ "reason", STRING_OR_NULL, "What is missing and what to do.", false },
	{ "own", BOOLEAN, "Whether tcpdiagd itself lives in it.", false },
	{ "pid", INTEGER_OR_NULL, "A process that lives in it.", false },
	{ "comm", STRING_OR_NULL, "The command of one that has sockets in it.", false },
	{ "container", STRING_OR_NULL, "The container of one that has sockets in it.", false },
	{ "sockets", INTEGER_OR_NULL, "TCP sockets in it.", false },
	{ "idle", BOOLEAN, "Nothing has moved in it since its last sweep.", false },
	{ "own_table", BOOLEAN, "Cheap to read: it has a hash table of its own.", false },
	{ "sweep_age_seconds", NUMBER_OR_NULL, "Since all of it was read.", false },
	{ "fast_age_seconds", NUMBER_OR_NULL,
	  "Since the last pass over its teardown states and listeners. What nothing happens to may "
	  "not have been looked at in it: seen_seconds of each socket says that, "
	  "fast_lane.left_alone_seconds the most of all.",
	  false },
	{ "checked_age_seconds", NUMBER_OR_NULL, "Since it was read, or known to be as it was.",
	  false },
	{ "cost_seconds", NUMBER_OR_NULL, "CPU time of its last sweep.", false },
	{ "reads", INTEGER, "How often it was read, in part or in full.", false },
	{ "sysctls", "{\"type\":\"object\"}", "As in /summary, of this namespace.", false },
	{ 0 },
};

static const struct schema_member reload[] = {
	{ "time", TIME_OR_NULL, "The last reload that was tried.", false },
	{ "ok", BOOLEAN_OR_NULL, "Whether it was taken.", false },
	{ "error", STRING_OR_NULL, "Why not.", false },
	{ 0 },
};

static const struct schema_member moment[] = {
	{ "time", TIME_OR_NULL,
	  "Of a state: in it at least since then. Of anything else: when it was noticed.", false },
	{ "kind",
	  "{\"type\":\"string\",\"enum\":[\"state\",\"attachment\",\"holder\",\"finding-raised\","
	  "\"finding-cleared\",\"restart\",\"ended\"]}",
	  "restart: nobody looked for a while, since tcpdiagd was started anew.", true },
	{ "exact", BOOLEAN, "It happened between two looks that were near to each other.", false },
	{ "state", STRING, "Of kind state: the one it came into.", true },
	{ "attachment", STRING, "Of kind attachment: the new one.", true },
	{ "before", "{\"type\":[\"string\",\"object\",\"null\"]}",
	  "The attachment before; of kind holder the process that was its first holder until then: "
	  "pid, comm, unit, container.",
	  true },
	{ "finding", STRING, "Id of the rule.", true },
	{ "unwatched_seconds", NUMBER, "Of kind restart: for how long nobody looked.", true },
	{ 0 },
};

static const struct schema_member history[] = {
	{ "since", TIME_OR_NULL, "Watched since then, over restarts.", false },
	{ "restarts", INTEGER, "Of the collector that kept what it knew.", false },
	{ "entries", INTEGER, "Changes that are remembered.", false },
	{ "overwritten", INTEGER, "Changes that made room for newer ones, since the start.",
	  false },
	{ "ended", INTEGER, "Sockets that have ended and are remembered.", false },
	{ "ended_overwritten", INTEGER, "Those that made room, since the start.", false },
	{ 0 },
};

/* What is optional is missing before the first snapshot. */
static const struct schema_member status[] = {
	{ "snapshot", REF_OR_NULL("Snapshot"), "The newest; null before the first.", false },
	{ "api", "{\"const\":\"1\"}", "Fields and words are only added.", false },
	{ "version", STRING, "Of tcpdiagd.", false },
	{ "host", STRING_OR_NULL, "Name of the machine.", true },
	{ "kernel", STRING_OR_NULL, "Its release.", true },
	{ "netns", INTEGER_OR_NULL, "The network namespace of tcpdiagd itself.", true },
	{ "started", TIME_OR_NULL, "The collector's start.", true },
	{ "uptime_seconds", NUMBER_OR_NULL, "Since then.", true },
	{ "replay", BOOLEAN, "Whether a file is shown instead of the kernel.", true },
	{ "warming_up", BOOLEAN, "Whether history is too short to see slow growth.", true },
	{ "warming_rules", ARRAY(REF("WarmingRule")),
	  "The rules that cannot see growth yet: their silence about it says nothing.", true },
	{ "missing", ARRAY(STRING), "What the snapshot lacks.", true },
	{ "sources", ARRAY(REF("Source")), "What is read, and how well.", true },
	{ "lanes", ARRAY(REF("Lane")), "Periods in force and what the polls cost.", true },
	{ "fast_lane", "{\"type\":\"object\"}",
	  "How it finds sockets in teardown states: by (events, dump), how many the last pass has "
	  "looked_up and, as nothing happens to them, left_alone, how long ago one of these was "
	  "looked at "
	  "at most (left_alone_seconds, null where there is none), what a look-up and the last "
	  "dump cost, changes that events told of, gaps in these, and what dumps have repaired: "
	  "lost, "
	  "which no event told of, and extra.",
	  true },
	{ "limits", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "How often each limit cut something.", true },
	{ "namespaces", ARRAY(REF("Namespace")), "Network namespaces.", true },
	{ "reload", REF("Reload"), "The last reload of the configuration.", true },
	{ "history", REF("History"), "What is remembered of sockets.", true },
	{ "events", "{\"type\":\"object\"}",
	  "What the kernel tells between polls: from (bpf, multicast), reasons, the brake (off, "
	  "ends, detached), since when and how often it was pulled, what the programs take of a "
	  "core, rows read and dropped, checks of the oracle.",
	  true },
	{ "journal", "{\"type\":[\"object\",\"null\"]}",
	  "What is remembered of events: since, the newest id, overwritten by ring, folded.",
	  true },
	{ "web_restarts", INTEGER, "How often the web process was started again.", true },
	{ "collector", "{\"type\":\"object\",\"additionalProperties\":" NUMBER_OR_NULL "}",
	  "What the collector itself uses.", true },
	{ "web", "{\"type\":\"object\"}", "What the web process did and uses.", true },
	{ 0 },
};

static const struct schema_member openapi[] = {
	{ "openapi", "{\"const\":\"3.1.0\"}", "The version of the format.", false },
	{ "info", "{\"type\":\"object\"}", "What this is.", false },
	{ "paths", "{\"type\":\"object\"}", "The routes.", false },
	{ "components", "{\"type\":\"object\"}", "The schemas.", false },
	{ 0 },
};

static const struct {
	const char *name, *text;
	const struct schema_member *members;
} objects[] = {
	{ "Problem", "Why a request was not answered (RFC 9457).", problem },
	{ "Process", "A process, or one descriptor of it.", process },
	{ "Endpoint", "One end of a connection.", endpoint },
	{ "Finding", "Something that is wrong now.", finding },
	{ "FindingList", "What /findings answers.", finding_list },
	{ "Event", "Something that has happened.", schema_event },
	{ "EventSocket", "The socket that it happened to.", schema_event_socket },
	{ "EventProcess", "A process, kept past its end.", schema_event_name },
	{ "EventLinger", "SO_LINGER.", schema_event_linger },
	{ "EventStep", "A change on the way to the end.", schema_event_step },
	{ "Prediction", "What the oracle said of an operation.", schema_prediction },
	{ "EventFinding", "A finding that came or went.", schema_event_finding },
	{ "EventSource", "How well events are seen.", schema_event_source },
	{ "EventGap", "What was overwritten before it was read.", schema_event_gap },
	{ "EventGroup", "Events that have something in common.", schema_event_group },
	{ "EventList", "What /events answers.", schema_event_list },
	{ "Reset", "Resets that have something in common.", schema_reset },
	{ "ResetSums", "Resets, added up.", schema_reset_sums },
	{ "ResetList", "What /resets answers.", schema_reset_list },
	{ "RecentResets", "Resets of a quarter of an hour.", schema_recent_resets },
	{ "RecentEnds", "How the sockets of a program have ended.", schema_recent_ends },
	{ "Listener", "A listening socket.", listener },
	{ "Linger", "SO_LINGER.", linger },
	{ "ListenerList", "What /listeners answers.", listener_list },
	{ "Container", "A container.", schema_container },
	{ "Exit", "What ending a process, a unit or a container now would do.",
	  schema_exit_object },
	{ "ProcessExit", "A process with sockets.", schema_process_exit },
	{ "UnitExit", "A systemd unit with sockets.", schema_unit_exit },
	{ "ContainerExit", "A container with sockets.", schema_unit_exit },
	{ "ProcessExitDetail", "What /processes/{pid} answers.", schema_process_detail },
	{ "UnitExitDetail", "What /units/{name} answers.", schema_unit_detail },
	{ "ContainerExitDetail", "What /containers/{id} answers.", schema_unit_detail },
	{ "ProcessExitList", "What /processes answers.", schema_process_exit_list },
	{ "UnitExitList", "What /units answers.", schema_unit_exit_list },
	{ "ContainerExitList", "What /containers answers.", schema_container_exit_list },
	{ "Rule", "One row of the catalogue.", schema_rule },
	{ "RuleList", "What /rules answers.", schema_rule_list },
	{ "CloseSums", "Sockets by what close() would send.", close_sums },
	{ "Moment", "A line of a socket's history.", moment },
	{ "History", "What is remembered of sockets.", history },
	{ "OrphansLeft", "Orphans, added up.", left },
	{ "OrphanCreator", "Who left orphans behind.", creator },
	{ "Orphans", "Sockets that their process has closed and the kernel still keeps.", orphans },
	{ "Memory", "Memory of all TCP buffers.", memory },
	{ "FindingCounts", "Findings that stand now.", finding_counts },
	{ "Summary", "The host on one screen.", summary },
	{ "Source", "Something that is read.", source },
	{ "Lane", "A poll that repeats.", lane },
	{ "WarmingRule", "A rule that has not enough history yet.", warming_rule },
	{ "Namespace", "A network namespace.", namespace },
	{ "Reload", "A reload of the configuration.", reload },
	{ "Status", "How well tcpdiagd itself is.", status },
	{ "OpenApi", "A description of this interface.", openapi },
};

/* A schema with a description put into it. */
static void described(struct emitter *j, const char *name, const char *schema, const char *text)
{
	size_t len = strlen(schema);

	emit_raw(j, name, "");
	buffer_add(j->b, schema, len - 1);
	buffer_literal(j->b, ",\"description\":");
	buffer_json(j->b, text);
	buffer_char(j->b, '}');
}

static void object(struct emitter *j, const char *name, const char *text,
		   const struct schema_member *members)
{
	const struct schema_member *m;

	emit_object(j, name);
	emit_string(j, "type", "object");
	emit_string(j, "description", text);
	emit_array(j, "required");
	for (m = members; m->name; m++)
		if (!m->optional)
			emit_string(j, NULL, m->name);
	emit_end(j, ']');
	emit_object(j, "properties");
	for (m = members; m->name; m++)
		described(j, m->name, m->schema, m->text);
	emit_end(j, '}');
	emit_end(j, '}');
}

static const char *rule_word(int number)
{
	return tcpdiag_rule_id(number);
}

static const char *severity_word(int number)
{
	return severity_name(number);
}

static const char *scope_word(int number)
{
	return scope_name(number);
}

static const char *state_word(int number)
{
	return tcpdiag_state_name(number);
}

static const char *attachment_word(int number)
{
	return tcpdiag_attachment_name(number);
}

static const char *counter_word(int number)
{
	return counter_name(number);
}

static const char *evidence_word(int number)
{
	return evidence_name(number);
}

static const char *source_state_word(int number)
{
	return source_state_name(number);
}

/* A fixed set of words: the values of a string, or the names of an object's members. */
static const struct {
	const char *name, *text;
	const char *(*word)(int number);
	int first, end;
	const char *member; /* schema of the members; NULL: values */
} words[] = {
	{ "RuleId", "Any rule of the catalogue.", rule_word, 1, TCPDIAG_RULE_MAX, NULL },
	{ "FindingRule", "A rule of a finding.", rule_word, TCPDIAG_RULE_FINDING_FIRST,
	  TCPDIAG_RULE_MAX, NULL },
	{ "Severity", "How bad a finding is.", severity_word, SEVERITY_INFO, SEVERITY_MAX, NULL },
	{ "Scope", "What a finding concerns.", scope_word, 0, SCOPE_MAX, NULL },
	{ "SourceState", "How well a source answers.", source_state_word, 0, SOURCE_STATE_MAX,
	  NULL },
	{ "EventKind", "What happened.", event_kind_word, 1, EVENT_KIND_MAX, NULL },
	{ "EventActor", "Who ended a connection.", event_actor_word, 1, ACTOR_MAX, NULL },
	{ "ResetReason", "Why the kernel resets.", reset_reason_word, 1, RESET_REASON_MAX, NULL },
	{ "CountByState", "Sockets by state.", state_word, 1, TCPDIAG_STATE_MAX, INTEGER },
	{ "CountByAttachment", "Sockets by who has them.", attachment_word, 0,
	  TCPDIAG_ATTACHMENT_MAX, INTEGER },
	{ "Counters", "Counters of the kernel.", counter_word, 0, COUNTER_MAX, INTEGER_OR_NULL },
	{ "Evidence", "Numbers that show a finding.", evidence_word, 0, EVIDENCE_MAX, NUMBER },
};

static void vocabulary(struct emitter *j, size_t row)
{
	const char *member = words[row].member;
	int i;

	emit_object(j, words[row].name);
	emit_string(j, "type", member ? "object" : "string");
	emit_string(j, "description", words[row].text);
	if (member)
		emit_object(j, "properties");
	else
		emit_array(j, "enum");
	for (i = words[row].first; i < words[row].end; i++) {
		const char *word = words[row].word(i);

		if (word && member)
			emit_raw(j, word, member);
		else if (word)
			emit_string(j, NULL, word);
	}
	emit_end(j, member ? '}' : ']');
	emit_end(j, '}');
}

void openapi_schemas(struct emitter *j)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(objects); i++)
		object(j, objects[i].name, objects[i].text, objects[i].members);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		vocabulary(j, i);
}

static const struct schema_member *find_member(const struct schema_member *members,
					       const char *name, size_t len)
{
	for (; members->name; members++)
		if (strlen(members->name) == len && !memcmp(members->name, name, len))
			return members;
	return NULL;
}

static bool is_word(size_t row, const char *name, size_t len)
{
	int i;

	for (i = words[row].first; i < words[row].end; i++) {
		const char *word = words[row].word(i);

		if (word && strlen(word) == len && !memcmp(word, name, len))
			return true;
	}
	return false;
}

bool openapi_has_member(const char *schema, const char *path, size_t len)
{
	static const char reference[] = "#/components/schemas/";
	const struct schema_member *member = NULL;
	size_t first = strcspn(path, ".,"), i;
	char next[64];

	first = first < len ? first : len;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].name, schema))
			return words[i].member && is_word(i, path, len);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		if (!strcmp(objects[i].name, schema))
			break;
	if (i == ARRAY_SIZE(objects))
		return len > 0;
	member = find_member(objects[i].members, path, first);
	if (!member || first == len)
		return member;
	schema = strstr(member->schema, reference);
	if (!schema)
		return false;
	schema += strlen(reference);
	snprintf(next, sizeof(next), "%.*s", (int)strcspn(schema, "\""), schema);
	return openapi_has_member(next, path + first + 1, len - first - 1);
}
