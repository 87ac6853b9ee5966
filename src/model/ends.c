/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses are 16 bytes whatever the family, so the IPv4 end and the v4-mapped end of one connection are
 * images of each other. Which states can face each other follows from RFC 9293, 3.3.2: who has a FIN of
 * the other, or the acknowledgement of its own, knows how far the other was then, and nobody goes back.
 */
#include <string.h>

#include "model/ends.h"
#include "model/macro.h"

/* Longer than one look at all sockets takes, within which nobody knows what was read first. */
#define SLACK_NS (5 * NSEC_PER_SEC)

#define BIT(state) TCPDIAG_STATE_BIT(TCPDIAG_##state)

/* What the other end can be in once this end is in its state; 0: anything. */
static const uint32_t faces[TCPDIAG_STATE_MAX] = {
	/* Our FIN is out and the other's has not come. */
	[TCPDIAG_FIN_WAIT1] = (TCPDIAG_STATES_ALL | BIT(NEW_SYN_RECV)) &
			      ~(BIT(FIN_WAIT2) | BIT(TIME_WAIT)),
	/* The other has acknowledged our FIN, and its own has not come. */
	[TCPDIAG_FIN_WAIT2] = BIT(CLOSE_WAIT) | BIT(LAST_ACK) | BIT(CLOSING),
	/* The other's FIN has come, ours is not sent. */
	[TCPDIAG_CLOSE_WAIT] = BIT(FIN_WAIT1) | BIT(FIN_WAIT2),
	/* Both are out, and ours is not acknowledged. */
	[TCPDIAG_LAST_ACK] = BIT(FIN_WAIT1) | BIT(FIN_WAIT2) | BIT(CLOSING) | BIT(TIME_WAIT),
	[TCPDIAG_CLOSING] = BIT(FIN_WAIT1) | BIT(FIN_WAIT2) | BIT(CLOSING) | BIT(TIME_WAIT) |
			    BIT(LAST_ACK),
};

bool ends_known(const struct tcpdiag_socket *sk)
{
	return !sk->mptcp && sk->remote_port && sk->local_port && sk->state != TCPDIAG_CLOSE &&
	       sk->state != TCPDIAG_LISTEN && sk->state < TCPDIAG_STATE_MAX &&
	       sk->kind != TCPDIAG_KIND_REQUEST;
}

static bool is_loopback(const uint8_t address[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t one[16] = { [15] = 1 };

	return (!memcmp(address, mapped, sizeof(mapped)) && address[12] == 127) ||
	       !memcmp(address, one, sizeof(one));
}

bool ends_stay(const struct tcpdiag_socket *sk)
{
	return is_loopback(sk->local) || is_loopback(sk->remote) ||
	       !memcmp(sk->local, sk->remote, sizeof(sk->local));
}

/* The namespace, where that counts. */
static uint32_t zone(const struct tcpdiag_socket *sk)
{
	return ends_stay(sk) ? sk->netns : 0;
}

static uint64_t hash(const struct hash_key *key, uint32_t zone_, const uint8_t from[static 16],
		     uint16_t from_port, const uint8_t to[static 16], uint16_t to_port)
{
	uint64_t words[5];

	memcpy(words, from, 16);
	memcpy(words + 2, to, 16);
	words[4] = (uint64_t)zone_ << 32 | (uint64_t)from_port << 16 | to_port;
	return keyed_hash(key, words, ARRAY_SIZE(words));
}

uint64_t ends_hash(const struct hash_key *key, const struct tcpdiag_socket *sk)
{
	return hash(key, zone(sk), sk->local, sk->local_port, sk->remote, sk->remote_port);
}

uint64_t ends_hash_swapped(const struct hash_key *key, const struct tcpdiag_socket *sk)
{
	return hash(key, zone(sk), sk->remote, sk->remote_port, sk->local, sk->local_port);
}

bool ends_same(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(a->local, b->local, 16) && !memcmp(a->remote, b->remote, 16) &&
	       zone(a) == zone(b);
}

bool ends_swapped(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b)
{
	return a->local_port == b->remote_port && a->remote_port == b->local_port &&
	       !memcmp(a->local, b->remote, 16) && !memcmp(a->remote, b->local, 16) &&
	       zone(a) == zone(b);
}

static bool can_face(const struct record *a, const struct record *b)
{
	uint32_t allowed = faces[a->sk.state];

	return !allowed || b->seen_ns - a->state_since_ns < SLACK_NS ||
	       allowed & TCPDIAG_STATE_BIT(b->sk.state);
}

bool ends_possible(const struct record *a, const struct record *b)
{
	return can_face(a, b) && can_face(b, a);
}
