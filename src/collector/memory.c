/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From poll to poll: ages, progress of readers and of acknowledgements.
 *
 * The kernel keeps no time of entry into a state. What is sure: a state that was not there in the look
 * before began after it. At first sight tcp_info helps in three states: the segment that led to FIN_WAIT2
 * acknowledged our FIN, and the one that led to CLOSE_WAIT carried an ACK too, so both states are at
 * least as old as tcpi_last_ack_recv (net/ipv4/tcp_input.c:tcp_ack()); and a TIME_WAIT timer starts at 60 s.
 */
#include "collector/memory.h"
#include "collector/settings.h"
#include "model/macro.h"

#define TIME_WAIT_MS 60000 /* include/net/tcp.h: TCP_TIMEWAIT_LEN */

#define KNOWS_PROGRESS (TCPDIAG_KNOWS_BYTES)

static int64_t ago(const struct memory *memory, uint32_t ms)
{
	/* 0 would say "not known": the machine may have booted a moment ago. */
	return MAX(memory->now_ns - (int64_t)ms * NSEC_PER_MSEC, (int64_t)1);
}

static bool is_fast(uint8_t state)
{
	return MEMORY_FAST_STATES & TCPDIAG_STATE_BIT(state);
}

static bool is_connection(const struct tcpdiag_socket *sk)
{
	return sk->kind == TCPDIAG_KIND_FULL && sk->state != TCPDIAG_LISTEN &&
	       sk->state != TCPDIAG_CLOSE && sk->state != TCPDIAG_BOUND_INACTIVE;
}

/* The peer's FIN counts as a byte received. */
static uint64_t payload_received(const struct tcpdiag_socket *sk)
{
	bool fin = sk->state == TCPDIAG_CLOSE_WAIT || sk->state == TCPDIAG_LAST_ACK ||
		   sk->state == TCPDIAG_CLOSING;

	return sk->bytes_received - (fin && sk->bytes_received);
}

/* Last payload either way; 0 where none is known. tcp_info counts from the start where none was sent. */
static int64_t data_since(const struct memory *memory, const struct tcpdiag_socket *sk)
{
	const uint32_t needed = TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES;
	int64_t since = 0;

	if ((sk->known & needed) != needed || !is_connection(sk))
		return 0;
	if (payload_received(sk))
		since = ago(memory, sk->last_data_recv_ms);
	/* bytes_acked would also count a SYN and a FIN. */
	if (sk->bytes_sent)
		since = MAX(since, ago(memory, sk->last_data_sent_ms));
	return since;
}

/*
 * Since when the reader has stood still. Where bytes arrived after the look before and none was taken
 * since, they have waited at least since the last arrival.
 */
static int64_t read_since(const struct memory *memory, const struct tcpdiag_socket *sk,
			  const struct record *old)
{
	int64_t arrival = memory->now_ns;

	if (!is_connection(sk) || !tcpdiag_unread_bytes(sk))
		return 0;
	if (!(sk->known & KNOWS_PROGRESS))
		return memory->now_ns;
	if (sk->known & TCPDIAG_KNOWS_INFO)
		arrival = ago(memory, sk->last_data_recv_ms);
	if (old && old->sk.known & KNOWS_PROGRESS && is_connection(&old->sk)) {
		if (record_bytes_taken(sk) != record_bytes_taken(&old->sk))
			return memory->now_ns;
		return old->read_since_ns ? old->read_since_ns : MAX(arrival, old->seen_ns);
	}
	/* The first look: nothing was ever taken, or nobody knows when. */
	return record_bytes_taken(sk) ? memory->now_ns : arrival;
}

static int64_t ack_since(const struct memory *memory, const struct tcpdiag_socket *sk,
			 const struct record *old)
{
	if (!is_connection(sk) || !sk->wqueue)
		return 0;
	if (!old || !(sk->known & old->sk.known & KNOWS_PROGRESS) || !is_connection(&old->sk) ||
	    sk->bytes_acked != old->sk.bytes_acked)
		return memory->now_ns;
	if (old->ack_since_ns)
		return old->ack_since_ns;
	/* Sent after the look before, and not acknowledged since. */
	if (sk->known & TCPDIAG_KNOWS_INFO && tcpdiag_unacked_bytes(sk))
		return MAX(ago(memory, sk->last_data_sent_ms), old->seen_ns);
	return memory->now_ns;
}

/* A state seen for the first time is at least this old. */
static int64_t state_bound(const struct memory *memory, const struct tcpdiag_socket *sk)
{
	if (sk->kind == TCPDIAG_KIND_TIMEWAIT && sk->state == TCPDIAG_TIME_WAIT &&
	    sk->timer == TCPDIAG_TIMER_TIMEWAIT && sk->expires_ms < TIME_WAIT_MS)
		return ago(memory, TIME_WAIT_MS - sk->expires_ms);
	if (sk->kind == TCPDIAG_KIND_FULL && sk->known & TCPDIAG_KNOWS_INFO &&
	    (sk->state == TCPDIAG_FIN_WAIT2 || sk->state == TCPDIAG_CLOSE_WAIT))
		return ago(memory, sk->last_ack_recv_ms);
	/* Both are set when the handshake ends: tcp_finish_connect(), tcp_create_openreq_child(), tcp_ack(). */
	if (sk->kind == TCPDIAG_KIND_FULL && sk->known & TCPDIAG_KNOWS_INFO &&
	    sk->state == TCPDIAG_ESTABLISHED)
		return ago(memory, MAX(sk->last_data_sent_ms, sk->last_ack_recv_ms));
	return memory->now_ns;
}

/*
 * The last look that would have shown the state, and did not. A state is entered by a segment, or one is sent
 * at once: unless it has to wait behind others. What only a pass over the descriptors shows is not counted.
 */
static int64_t look_before(const struct memory *memory, uint8_t state, const struct record *old)
{
	int64_t look_ns = is_fast(state) ? MAX(old->seen_ns, memory->fast_ns) : old->seen_ns;

	if (old->sk.wqueue || old->sk.state == TCPDIAG_CLOSE || state == TCPDIAG_CLOSE)
		return look_ns;
	return MAX(look_ns, is_fast(state) ? memory->fast_still_ns : memory->sweep_still_ns);
}

/* The change of state happened between two looks that were near enough to each other. */
static bool change_is_exact(const struct memory *memory, uint8_t state, int64_t look_ns)
{
	return memory->now_ns - look_ns <=
	       (is_fast(state) ? memory->fast_reach_ns : memory->sweep_reach_ns);
}

/*
 * Whether a program has read, written or shut anything down since. What it wrote is what is acknowledged and
 * what is not, the FIN included: what the kernel sends meanwhile changes nothing.
 */
static bool was_used(const struct tcpdiag_socket *new, const struct tcpdiag_socket *old)
{
	return !(new->known & old->known &KNOWS_PROGRESS) ||
	       record_bytes_taken(new) != record_bytes_taken(old) ||
	       new->bytes_acked + new->wqueue != old->bytes_acked + old->wqueue;
}

static void carry_owners(const struct memory *memory, struct record *new, const struct record *old)
{
	new->holder = old->holder;
	new->holders = old->holders;
	new->creator = old->creator;
	new->owner_pass = old->owner_pass;
	new->flags |= old->flags &(RECORD_OWNERS_KNOWN | RECORD_ASK_OWNERS | RECORD_ORIGIN_GUESSED);
	/* Whoever has it now has taken it over. */
	if (old->holders && old->creator != RECORD_NONE && was_used(&new->sk, &old->sk)) {
		new->creator = RECORD_NONE;
		new->flags &= (uint8_t)~RECORD_ORIGIN_GUESSED;
	}
	if (new->sk.inode == old->sk.inode) {
		if (old->sk.attachment == TCPDIAG_UNHELD && new->sk.attachment == TCPDIAG_HELD)
			new->sk.attachment = TCPDIAG_UNHELD;
	} else if (new->sk.inode) {
		new->flags = (uint8_t)((new->flags & ~RECORD_OWNERS_KNOWN) | RECORD_ASK_OWNERS);
		new->owner_pass = memory->owner_pass;
	}
}

void memory_carry(const struct memory *memory, struct record *new, const struct record *old)
{
	new->seen_ns = memory->now_ns;
	new->born_ns = old->born_ns;
	new->direction = old->direction;
	new->listener = old->listener;
	new->findings = old->findings;
	new->flags |= old->flags &RECORD_BORN_SEEN;
	if (new->sk.state == old->sk.state &&new->sk.kind == old->sk.kind) {
		new->state_since_ns = old->state_since_ns;
		new->flags |= old->flags &RECORD_STATE_EXACT;
	} else {
		int64_t look = look_before(memory, new->sk.state, old);

		new->state_since_ns = MAX(state_bound(memory, &new->sk), look);
		if (change_is_exact(memory, new->sk.state, look))
			new->flags |= RECORD_STATE_EXACT;
	}
	new->read_since_ns = read_since(memory, &new->sk, old);
	new->ack_since_ns = ack_since(memory, &new->sk, old);
	new->data_since_ns = MAX(data_since(memory, &new->sk), old->data_since_ns);
	carry_owners(memory, new, old);
	settings_carry(new, old);
}

void memory_first(const struct memory *memory, struct record *new)
{
	int64_t look = memory->sweep_ns ? MAX(memory->sweep_ns, memory->sweep_still_ns) : 0;

	new->seen_ns = memory->now_ns;
	new->state_since_ns = state_bound(memory, &new->sk);
	/* It was in no sweep before: born since. Sockets in CLOSE are in none. */
	if (new->sk.state != TCPDIAG_CLOSE && look &&
	    memory->now_ns - look <= memory->sweep_reach_ns) {
		new->flags |= RECORD_BORN_SEEN | RECORD_STATE_EXACT;
		new->state_since_ns = MAX(new->state_since_ns, look);
	}
	new->born_ns = new->state_since_ns;
	new->read_since_ns = read_since(memory, &new->sk, NULL);
	new->ack_since_ns = ack_since(memory, &new->sk, NULL);
	new->data_since_ns = data_since(memory, &new->sk);
	new->owner_pass = memory->owner_pass;
	if (new->sk.inode)
		new->flags |= RECORD_ASK_OWNERS;
}
