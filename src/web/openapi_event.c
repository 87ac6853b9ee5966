/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schemas of what is said of events.
 */
#include "web/openapi.h"
#include "web/openapi_types.h"

#define LIVE_MEMBERS \
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false }, \
		{ "source", REF("EventSource"), "How well the kernel's events are seen.", false }, \
	{ \
		"oldest", TIME, "Since when everything that was asked for is kept.", false \
	}

const struct schema_member schema_event_socket[] = {
	{ "id", STRING_OR_NULL, "For /sockets/{id}; null: it had no socket any more.", false },
	{ "flow", STRING, "Both ends in one line.", false },
	{ "local", REF("Endpoint"), "Our end.", false },
	{ "remote", REF_OR_NULL("Endpoint"), "The other end; null: of a listener.", false },
	{ "netns", INTEGER_OR_NULL, "Inode number of the network namespace.", false },
	{ "direction", STRING, "Who began the connection: inbound, outbound, unknown.", false },
	{ "protocol", "{\"type\":\"string\",\"enum\":[\"tcp\",\"mptcp\"]}",
	  "`mptcp`: it is one of the TCP connections of an MPTCP socket.", false },
	{ 0 },
};

const struct schema_member schema_event_name[] = {
	{ "pid", INTEGER_OR_NULL, "Process id; it may have ended.", false },
	{ "comm", STRING_OR_NULL, "Its command.", false },
	{ "unit", STRING_OR_NULL, "Its systemd unit.", false },
	{ "container", STRING_OR_NULL, "Its container, by id.", false },
	{ "container_name", STRING_OR_NULL,
	  "As people call that: NAMESPACE/POD/CONTAINER of Kubernetes, else its name.", false },
	{ 0 },
};

const struct schema_member schema_event_linger[] = {
	{ "on", BOOLEAN, "SO_LINGER was on at that instant.", false },
	{ "seconds", "{\"anyOf\":[" NUMBER ",{\"const\":\"forever\"}]}",
	  "For how long; 0 with on: close() resets.", false },
	{ 0 },
};

const struct schema_member schema_event_step[] = {
	{ "seconds_before", NUMBER, "Before the event.", false },
	{ "from", STRING_OR_NULL, "State before.", false },
	{ "to", STRING_OR_NULL, "State after; the same: it was closed once its FIN was sent.",
	  false },
	{ "actor", STRING_OR_NULL, "Who did it, as far as it is known.", false },
	{ 0 },
};

const struct schema_member schema_prediction[] = {
	{ "operation", STRING_OR_NULL, "What was done: close, exit, shutdown_...", false },
	{ "segment", STRING_OR_NULL, "What the oracle said would be sent.", false },
	{ "state", STRING_OR_NULL, "The state it said would follow.", false },
	{ "rule", STRING_OR_NULL, "The rule that decided.", false },
	{ "certain", BOOLEAN, "Nothing that could have changed it was unknown.", false },
	{ 0 },
};

const struct schema_member schema_event_finding[] = {
	{ "id", STRING, "As in /findings.", false },
	{ "rule", REF("FindingRule"), "Which rule.", false },
	{ "severity", REF("Severity"), "Of a cleared one its highest.", false },
	{ "scope", REF("Scope"), "What it concerns.", false },
	{ "pid", INTEGER_OR_NULL, "The process to blame.", false },
	{ "netns", INTEGER_OR_NULL, "Inode number of the network namespace; null: the machine.",
	  false },
	{ "count", INTEGER, "Sockets concerned.", false },
	{ "summary", STRING_OR_NULL, "One sentence that names who and what.", false },
	{ 0 },
};

#define SOCKETS_ONLY "null in events about findings"

const struct schema_member schema_event[] = {
	{ "id", INTEGER, "Ascends over all kinds and restarts, with leaps; what `after` takes.",
	  false },
	{ "time", TIME, "When it happened.", false },
	{ "kind", REF("EventKind"), "What happened.", false },
	{ "socket", REF_OR_NULL("EventSocket"), "To which socket; " SOCKETS_ONLY ".", false },
	{ "state", STRING_OR_NULL, "The state that the socket was in.", false },
	{ "reason", "{\"anyOf\":[" REF("ResetReason") ",{\"type\":\"null\"}]}",
	  "Why the kernel has reset, in its own words.", false },
	{ "derived", BOOLEAN_OR_NULL,
	  "The kernel told no reason: it follows from state, queue and linger.", false },
	{ "actor", "{\"anyOf\":[" REF("EventActor") ",{\"type\":\"null\"}]}", "Who ended it.",
	  false },
	{ "holder", REF_OR_NULL("EventProcess"), "Who held it.", false },
	{ "creator", REF_OR_NULL("EventProcess"), "Who had held it, where nobody did any more.",
	  false },
	{ "comm", STRING_OR_NULL, "Of the holder, else of the creator, else of the finding.",
	  false },
	{ "unit", STRING_OR_NULL, "The same.", false },
	{ "unread_bytes", INTEGER_OR_NULL, "Received, and never read by the program.", false },
	{ "unsent_bytes", INTEGER_OR_NULL, "Written, and not sent yet.", false },
	{ "unacked_bytes", INTEGER_OR_NULL, "Sent, and not acknowledged.", false },
	{ "bytes_received", INTEGER_OR_NULL, "Over the whole connection.", false },
	{ "bytes_sent", INTEGER_OR_NULL, "The same.", false },
	{ "idle_seconds", NUMBER_OR_NULL, "Since the last payload either way.", false },
	{ "age_seconds", NUMBER_OR_NULL, "Of the connection, at least.", false },
	{ "linger", REF_OR_NULL("EventLinger"), "SO_LINGER at that instant.", false },
	{ "linger_before", BOOLEAN_OR_NULL, "Whether it was on when the last poll looked.", false },
	{ "closed_seconds_ago", NUMBER_OR_NULL,
	  "Our own side had closed so long before: shortly is a keep-alive race.", false },
	{ "orphan_seconds", NUMBER_OR_NULL, "How long it lived on without a process.", false },
	{ "segment_flags", "{\"type\":[\"array\",\"null\"],\"items\":" STRING "}",
	  "Flags of the segment that the RST answers.", false },
	{ "payload_bytes", INTEGER_OR_NULL, "Payload of that segment.", false },
	{ "peer_finished", BOOLEAN_OR_NULL,
	  "The peer had sent its FIN and had all of ours: a RST hurts hardly anyone.", false },
	{ "related", STRING_OR_NULL,
	  "Id of the other end, where that is on this machine in whatever namespace; of a segment "
	  "without a socket also of one that it was meant for behind an address that is rewritten.",
	  false },
	{ "predicted", REF_OR_NULL("Prediction"), "What the oracle had said just before.", false },
	{ "steps", ARRAY(REF("EventStep")), "Changes on the way to the end, oldest first.", false },
	{ "finding", REF_OR_NULL("EventFinding"), "The finding that was raised or cleared.",
	  false },
	{ "cause", STRING_OR_NULL, "What that means, in a sentence.", false },
	{ 0 },
};

const struct schema_member schema_event_source[] = {
	{ "state", REF("SourceState"), "off, failed: only findings are in the journal.", false },
	{ "reason", STRING_OR_NULL, "What is missing, and what to do.", false },
	{ 0 },
};

const struct schema_member schema_event_gap[] = {
	{ "after", INTEGER, "Id that was asked for.", false },
	{ "lost", INTEGER_OR_NULL, "Events overwritten before they were read; null: not known.",
	  false },
	{ 0 },
};

const struct schema_member schema_event_group[] = {
	{ "key", "{\"type\":\"object\"}", "The value of each word counted by.", false },
	{ "count", INTEGER, "Events.", false },
	{ "unread_bytes", INTEGER, "Added up.", false },
	{ "first", TIME, "The oldest of them.", false },
	{ "last", TIME, "The newest.", false },
	{ "example", INTEGER, "Id of the newest.", false },
	{ 0 },
};

const struct schema_member schema_event_list[] = {
	LIVE_MEMBERS,
	PAGE_MEMBERS,
	{ "events", ARRAY(REF("Event")), "Newest last.", true },
	{ "gap", REF_OR_NULL("EventGap"),
	  "Events behind `after` that were overwritten; null: none is missing.", true },
	{ "newest", INTEGER, "Id of the newest event of all: `after` for the next look.", true },
	{ "unseen_seconds", NUMBER,
	  "Of the minutes asked for, or since `oldest`: time in which nobody watched (braked, "
	  "switched off, a restart), so that what happened then is not among the events.",
	  false },
	{ "lost_events", INTEGER,
	  "Events of the whole machine that found no room meanwhile, of any kind.", false },
	{ "groups", ARRAY(REF("EventGroup")), "Instead of events, with `group`: most first.",
	  true },
	{ "groups_total", INTEGER, "Groups before the limit.", true },
	{ "ungrouped", INTEGER, "Events in no group, because there would be too many.", true },
	{ 0 },
};

#define RESET_MEMBERS \
	{ "count", INTEGER, "Resets.", false }, { "sent", INTEGER, "Of these sent.", false }, \
		{ "received", INTEGER, "Of these received.", false }, \
		{ "unread_bytes", INTEGER, "Lost with those that were sent.", false }, \
		{ "peer_open", INTEGER, "The peer had not finished.", false }, \
		{ "peer_open_ratio", NUMBER_OR_NULL, "Their share.", false }, \
		{ "idle", INTEGER, "Nothing had passed for 60 s and more.", false }, \
		{ "idle_ratio", NUMBER_OR_NULL, "Their share.", false }, \
	{ \
		"derived", INTEGER, "The kernel told no reason for them.", false \
	}

const struct schema_member schema_reset[] = {
	{ "key", "{\"type\":\"object\"}", "The value of each word counted by.", false },
	RESET_MEMBERS,
	{ 0 },
};

const struct schema_member schema_reset_sums[] = {
	RESET_MEMBERS,
	{ 0 },
};

const struct schema_member schema_recent_resets[] = {
	{ "seconds", NUMBER,
	  "What is covered of the last 15 minutes: without the time in which nobody watched.",
	  false },
	{ "lost_events", INTEGER,
	  "Events of the whole machine that found no room meanwhile: some of them may be ends that "
	  "are not counted.",
	  false },
	{ "sent", INTEGER, "Resets sent.", false },
	{ "received", INTEGER, "Resets received.", false },
	{ "refused", INTEGER, "Of those sent: a SYN that nobody listened for.", false },
	{ "unread_bytes", INTEGER, "Lost with those sent.", false },
	{ "peer_open", INTEGER, "Of both: the peer had not finished.", false },
	{ "idle", INTEGER, "Of those received: nothing had passed for 60 s and more.", false },
	{ "sent_by_reason", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "Those sent, by the kernel's reason.", false },
	{ "received_by_state", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "Those received, by the state that they met.", false },
	{ 0 },
};

const struct schema_member schema_reset_list[] = {
	LIVE_MEMBERS,
	PAGE_MEMBERS,
	{ "since", TIME, "Minute from which they are counted.", false },
	{ "total", REF("ResetSums"), "All of them.", false },
	{ "ungrouped", INTEGER, "In no row, because there would be too many.", false },
	{ "folded", INTEGER,
	  "From minutes that had too many kinds: ports, reasons and units of these are not kept.",
	  false },
	{ "unseen_seconds", NUMBER,
	  "Of the minutes asked for: time in which nobody watched (braked, switched off, a "
	  "restart), so "
	  "that what ended then is not counted.",
	  false },
	{ "lost_events", INTEGER,
	  "Events of the whole machine that found no room meanwhile: some of them may be ends that "
	  "are not counted.",
	  false },
	{ "resets", ARRAY(REF("Reset")), "Most first; by minute: in the order of time.", false },
	{ 0 },
};
