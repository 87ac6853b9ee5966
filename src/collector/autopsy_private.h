/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The autopsy's inside: stories under way, what was closed within the last minute, and what its files share.
 */
#pragma once

#include "collector/autopsy.h"
#include "model/macro.h"

#define STORY_NONE UINT32_MAX

/* The piece that changes a story's meaning comes within that time. */
#define STORY_GRACE_NS (20 * NSEC_PER_MSEC)
/* What led to an event came at most so long before it, where it matters. */
#define LOSS_NS NSEC_PER_SEC
#define CLOSED_NS (60 * NSEC_PER_SEC)

/* A story stands in several lists at once. */
enum story_list {
	STORY_LIST_OLD = 0, /* in the table, that nothing has happened to for longest first */
	STORY_LIST_READY, /* to be told */
	STORY_LIST_OPERATED, /* an operation of our side waits for what comes of it */
	STORY_LIST_ORPHANS, /* that have not been told of, oldest first; the same as free ones */
	STORY_LIST_MAX
};

struct story_link {
	uint32_t before, next;
	bool in;
};

struct story_operation {
	struct tcpdiag_socket sk; /* before */
	int64_t when_ns;
	uint64_t losses; /* of the autopsy at that time */
	uint8_t operation; /* enum tcpdiag_operation */
	uint8_t segment; /* enum tcpdiag_segment */
	uint8_t state; /* enum tcpdiag_state */
	uint8_t reason; /* enum reset_reason */
};

struct story {
	struct story_link links[STORY_LIST_MAX];
	uint32_t before, next, slot; /* where it is filed; @next of a free one: the next free one */
	uint32_t flow; /* place of its ends, STORY_NONE: none */
	bool filed; /* in the table: a full socket; else one segment's */

	/* The last look at it before it was dead. */
	struct tcpdiag_socket sk;
	int64_t idle_ms;
	bool fin_unread; /* as of the event */
	int64_t last_ns; /* newest event */
	int64_t end_ns; /* when it ended; 0: it has not */
	int64_t closed_ns; /* first close() or shutdown() of ours, 0: none */
	int64_t orphaned_ns; /* close() or exit, 0: none */
	struct autopsy_memory memory;
	uint32_t process; /* who acted first, struct event_name */
	uint32_t closer; /* who closed it */

	uint8_t actor; /* enum event_actor: who acted first on our side */
	uint8_t ender; /* enum event_actor: whose doing the end was, where that is somebody else */
	uint8_t reason; /* enum reset_reason, of a RST that was sent */
	bool derived;
	bool seen_steps; /* what led to its end was seen */
	bool reset_sent, reset_received, passive, timed_out, destroyed;
	bool operated_end; /* the RST came of an operation of ours */
	bool told, told_orphan;
	bool kept; /* its ends are among the closed ones */
	bool again; /* only counted */
	bool subflow; /* of an MPTCP socket */
	bool closed_before; /* closed_ns is of another socket with the same ends */

	uint8_t segment_flags;
	uint32_t payload;
	uint32_t unread_left; /* at its destruction: nobody has read them, and nobody was told */

	bool predicted;
	uint8_t predicted_operation, predicted_rule, predicted_segment, predicted_state;
	bool predicted_certain;

	struct story_operation operation; /* waits in STORY_LIST_OPERATED */

	uint8_t step_count;
	int64_t step_ns[EVENT_STEPS];
	struct event_step steps[EVENT_STEPS];
};

/* Four ends, by their names on this side. */
struct kept_ends {
	uint64_t cookie;
	int64_t when_ns; /* that we have closed them; of who has a story, its newest event up to the end */
	uint8_t local[16], remote[16];
	uint32_t netns;
	uint32_t creator;
	uint32_t before, next, slot;
	uint16_t local_port, remote_port;
	uint8_t direction;
	uint8_t actor; /* enum event_actor, of an MPTCP socket */
	bool in;
};

/* So many of them, each new one in place of the oldest. */
struct ends_table {
	struct kept_ends *ring;
	uint32_t room, at;
	uint32_t *slots, mask;
};

#define STRAYS 1024U
#define TOLD_WAYS 8U /* a bucket */
#define LISTENERS 64U

/* A listener that is being closed or shut, and what has come of its queue so far. */
struct listener_end {
	bool in, closes; /* its own end comes when it is over */
	bool mixed; /* others were under way that its children could belong to as well */
	struct tcpdiag_socket sk; /* before */
	int32_t pid; /* who does it */
	int64_t when_ns, last_ns;
	uint64_t losses;
	uint32_t children, gone, resets;
	uint8_t operation;
};

struct autopsy {
	struct autopsy_calls calls;
	struct autopsy_limits limits;
	struct story *stories;
	struct {
		uint32_t first, last;
	} lists[STORY_LIST_MAX];
	uint32_t free; /* chain by story.next */
	uint32_t used; /* places that were ever used */
	uint32_t open;
	uint32_t *slots, slot_mask;
	/* Hashes of sockets that were told of and made room before the kernel let go of them, 0: free. */
	uint64_t *told;
	uint32_t told_mask; /* of buckets */

	struct ends_table closed; /* by us, within the last minute */
	struct ends_table flows; /* of sockets that have or had a story */
	struct ends_table above; /* of MPTCP sockets that our side has closed or shut down */

	/* When a RST without a full socket was told, by a hash of its ends. */
	struct {
		uint64_t hash;
		int64_t when_ns;
	} strays[STRAYS];

	struct listener_end listeners[LISTENERS];
	uint32_t listeners_in;

	uint64_t losses, cut;
	int64_t lost_ns; /* the last loss, 0: none */
	int64_t wall_offset_ns;
};

/* ---- autopsy.c: the table ---- */

static inline struct story *story_at(struct autopsy *a, uint32_t number)
{
	return number == STORY_NONE ? NULL : &a->stories[number];
}

/* At the end of the list; where it is in it already it stays, or moves there. */
void story_enlist(struct autopsy *a, enum story_list list, struct story *story);
void story_delist(struct autopsy *a, enum story_list list, struct story *story);

/* The socket's; NULL where there is none. */
struct story *story_find(struct autopsy *a, const struct socket_event *event);
/* A new one where there is none. */
struct story *story_of(struct autopsy *a, const struct socket_event *event);
/* One that stands for a segment. */
struct story *story_stray(struct autopsy *a, const struct socket_event *event);
/* Who has it, where nobody knew when its story began: a poll may have seen it since. */
void story_remember(struct autopsy *a, struct story *story);
/* Whether it was told of before its story made room; it is asked once, at its end. */
bool story_was_told(struct autopsy *a, const struct socket_event *event);
/* Takes it out. */
void story_drop(struct autopsy *a, struct story *story);

/* A table of slots for so many, all STORY_NONE. Return: 0; -ENOMEM. */
int story_slots(uint32_t count, uint32_t **ret, uint32_t *ret_mask);

/* ---- autopsy_ends.c: what is kept by four ends ---- */

int ends_table_init(struct ends_table *table, uint32_t room);
void ends_table_done(struct ends_table *table);

/* Its ends are remembered for a minute. */
void closed_keep(struct autopsy *a, struct story *story);
/* NULL where none with these ends was closed within the last minute. */
const struct kept_ends *closed_find(const struct autopsy *a, const struct tcpdiag_socket *sk,
				    int64_t now_ns);

/* What our side has done to an MPTCP socket with the ends of a connection within the last minute, or NULL. */
void above_keep(struct autopsy *a, const struct socket_event *event, enum event_actor actor,
		uint32_t process);
const struct kept_ends *above_find(const struct autopsy *a, const struct tcpdiag_socket *sk,
				   int64_t now_ns);

/* It can be found by who is at its other end. */
void flow_keep(struct autopsy *a, struct story *story);
/* Something has happened to it. */
void flow_touch(struct autopsy *a, const struct story *story);
/*
 * The socket at the other end of its connection, where it has or had a story within the last minute.
 * Return: how many fit; 1: it is @ret, and @ret_near whether it ended or did something at the same time.
 */
uint32_t flow_relate(const struct autopsy *a, const struct story *story, bool *ret_near,
		     const struct kept_ends **ret);

/* Whether a RST of the same ends was told within seconds; remembers this one. */
bool stray_again(struct autopsy *a, const struct tcpdiag_socket *sk, int64_t now_ns);

/* ---- autopsy_steps.c: what an event means ---- */

void steps_take(struct autopsy *a, const struct socket_event *event);
/* Who runs, where that is the one who acts. */
uint32_t steps_process(struct autopsy *a, const struct socket_event *event);
/* The FIN goes out, or would have to wait: only a close() or a shutdown() gets there. */
bool steps_sends_fin(const struct socket_event *event);
/* Close() or exit, of one whose last reference has gone. */
enum event_actor steps_releaser(const struct socket_event *event);
/* Queues and settings as they are now; ends as they were first. */
void story_look(struct story *story, const struct tcpdiag_socket *sk,
		const struct socket_event *event);
/* It has ended with this event, or had already. */
void story_end(struct autopsy *a, struct story *story, const struct socket_event *event);
/* The operation that waits is over. */
void steps_operated(struct autopsy *a, struct story *story);

/* ---- autopsy_mptcp.c ---- */

/* A change of an MPTCP socket itself. */
void mptcp_above(struct autopsy *a, const struct socket_event *event);
/* Who is behind a change of one of its connections. */
enum event_actor mptcp_acts(struct autopsy *a, struct story *story,
			    const struct socket_event *event);
/* Who is behind a RST that answers nothing. */
void mptcp_resets(struct autopsy *a, struct story *story, const struct socket_event *event);

/* ---- autopsy_resets.c ---- */

void resets_sent(struct autopsy *a, const struct socket_event *event);
void resets_received(struct autopsy *a, const struct socket_event *event);
void resets_destroyed(struct autopsy *a, const struct socket_event *event);

/* ---- autopsy_listeners.c ---- */

/* It stops listening. */
void listeners_take(struct autopsy *a, const struct socket_event *event);
/* The end of a listener is the end of one that waited in its queue. */
void listeners_child(struct autopsy *a, const struct socket_event *event);
/* ...which sent a RST. */
void listeners_reset(struct autopsy *a, const struct socket_event *event);
/* A full socket is no more. @story: its own, NULL where there is none. */
void listeners_destroyed(struct autopsy *a, const struct socket_event *event,
			 const struct story *story);
/* What nothing more is coming of is over. */
void listeners_settle(struct autopsy *a, int64_t now_ns);
/* Whether nothing is missing of what began at @when_ns, when there were @losses. */
bool steps_complete(const struct autopsy *a, int64_t when_ns, uint64_t losses);

/* ---- autopsy_tell.c ---- */

/* Tells what is to be told of it, now. */
void story_tell(struct autopsy *a, struct story *story);
void story_tell_orphan(struct autopsy *a, struct story *story, int64_t now_ns);
