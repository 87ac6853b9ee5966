/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schemas of what is said of processes, units and containers.
 */
#include "web/openapi.h"
#include "web/openapi_types.h"

#define OWNER_MEMBERS \
	{ "comm", STRING_OR_NULL, "Command of the process, or of the first.", false }, \
		{ "unit", STRING_OR_NULL, "systemd unit.", false }, \
		{ "container", REF_OR_NULL("Container"), "The container it runs in.", false }, \
		{ "cgroup", STRING_OR_NULL, "Path of its control group.", false }, \
		{ "started", TIME_OR_NULL, "Start of the process, or of the oldest.", false }, \
		{ "sockets", REF("CountByState"), "Sockets it holds, by state.", false }, \
		{ "closed", REF_OR_NULL("RecentEnds"), \
		  "Its ends in the last 15 minutes; null: not known, closed_note says why.", \
		  false }, \
		{ "closed_note", STRING_OR_NULL, \
		  "Why ends are not known, or what is strange about them.", false }, \
	{ \
		"exit", REF("Exit"), "What ending it now (SIGKILL) would do.", false \
	}

#define PIDS_MEMBERS \
	{ "name", STRING, "Name of the unit, or id of the container; see container for its name.", \
	  false }, \
	{ \
		"pids", ARRAY(INTEGER), "Its processes that have sockets.", false \
	}

const struct schema_member schema_container[] = {
	{ "id", STRING, "From the path of the control group.", false },
	{ "name", STRING_OR_NULL, "Its name; null: not known.", false },
	{ "pod", STRING_OR_NULL, "Name of its pod.", false },
	{ "namespace", STRING_OR_NULL, "Namespace of its pod.", false },
	{ 0 },
};

const struct schema_member schema_exit_object[] = {
	{ "rst", INTEGER, "Its sockets that send a RST.", false },
	{ "rst_peer_open", INTEGER, "Of these: the peer is still open.", false },
	{ "rst_peer_finished", INTEGER, "Of these: the peer has finished, and has all of ours.",
	  false },
	{ "fin", INTEGER, "Its sockets that send a FIN.", false },
	{ "none", INTEGER, "Its sockets that send nothing.", false },
	{ "survive", INTEGER, "Its sockets that others hold, too.", false },
	{ "listener_resets", INTEGER, "Connections reset that wait to be accepted.", false },
	{ "unread_bytes", INTEGER, "Lost with the resets.", false },
	{ "unsent_bytes", INTEGER, "Lost with the resets.", false },
	{ "orphans", INTEGER, "Sockets that the kernel goes on with.", false },
	{ "orphan_bytes", INTEGER, "What it goes on delivering.", false },
	{ "orphan_seconds",
	  "{\"anyOf\":[{\"type\":[\"number\",\"null\"]},{\"const\":\"forever\"}]}",
	  "For how long at most, where a peer is silent; null: not known.", false },
	{ "unanswered", INTEGER_OR_NULL,
	  "Inbound connections whose last data came in after the last went out: a request is "
	  "probably open; null: not known.",
	  false },
	{ "pairs", INTEGER, "Connections both ends of which are its own.", false },
	{ "unseen", INTEGER,
	  "More sockets that may be its own or not its alone: not all of their holders are seen. "
	  "They would end cleanly.",
	  false },
	{ "clean", BOOLEAN_OR_NULL, "No reset, nothing lost; null: not known.", false },
	{ "harmless", BOOLEAN_OR_NULL,
	  "No reset of an open peer or of a waiting connection, nothing unsent lost; null: not "
	  "known.",
	  false },
	{ "idle", BOOLEAN_OR_NULL, "Harmless, and nothing unanswered; null: not known.", false },
	{ "certain", BOOLEAN, "False: clean and harmless are not known.", false },
	{ "uncertain_because", ARRAY(STRING), "Why not.", false },
	{ 0 },
};

const struct schema_member schema_recent_ends[] = {
	{ "fin", INTEGER, "Ended by FINs.", false },
	{ "none", INTEGER, "Had no connection that anything could be sent for.", false },
	{ "rst", "{\"type\":\"object\",\"additionalProperties\":" INTEGER "}",
	  "Reset by its own close(), end or shutdown(), by the kernel's reason.", false },
	{ "linger_set_late", INTEGER,
	  "Of these: SO_LINGER was 0, and off when the last poll looked.", false },
	{ "timed_out", INTEGER, "The kernel gave up on the peer.", false },
	{ "seconds", NUMBER,
	  "What is covered of the 15 minutes: without the time in which nobody watched.", false },
	{ "lost_events", INTEGER,
	  "Events of the whole machine that found no room meanwhile: some of them may be ends that "
	  "are not counted.",
	  false },
	{ 0 },
};

const struct schema_member schema_process_exit[] = {
	{ "pid", INTEGER, "Process id.", false },
	OWNER_MEMBERS,
	{ 0 },
};

const struct schema_member schema_unit_exit[] = {
	PIDS_MEMBERS,
	OWNER_MEMBERS,
	{ 0 },
};

const struct schema_member schema_process_detail[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	{ "pid", INTEGER, "Process id.", false },
	OWNER_MEMBERS,
	{ 0 },
};

const struct schema_member schema_unit_detail[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PIDS_MEMBERS,
	OWNER_MEMBERS,
	{ 0 },
};

const struct schema_member schema_process_exit_list[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PAGE_MEMBERS,
	{ "processes", ARRAY(REF("ProcessExit")), "By process id.", false },
	{ 0 },
};

const struct schema_member schema_unit_exit_list[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PAGE_MEMBERS,
	{ "units", ARRAY(REF("UnitExit")), "By name.", false },
	{ 0 },
};

const struct schema_member schema_container_exit_list[] = {
	{ "snapshot", REF("Snapshot"), "Which snapshot this is.", false },
	PAGE_MEMBERS,
	{ "containers", ARRAY(REF("ContainerExit")), "By id.", false },
	{ 0 },
};
