/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two ends of one connection on this machine: whether two sockets can be that.
 *
 * They are when what each calls local the other calls remote, whatever their namespaces: a veth pair or a
 * bridge between them carries addresses as they are. Who rewrites them (NAT) leaves ends that differ, and
 * nothing here guesses. A loopback address, and a connection from an address to itself, never leave their
 * namespace, and each namespace has its own. Other addresses may be used twice, too, by networks of
 * containers that know nothing of each other: so whoever asks has to count how many fit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/keyed_hash.h"
#include "model/record.h"

/* An end of a TCP connection that both ends may know of; no MPTCP socket: that shows its first subflow's. */
bool ends_known(const struct tcpdiag_socket *sk);

/* Its packets never leave the namespace: to 127/8, ::1, or the address they come from. */
bool ends_stay(const struct tcpdiag_socket *sk);

/*
 * Of the connection as @sk calls its ends; ends_hash_swapped(): as its other end does. @key: one that nobody outside
 * knows, where many with the same hash would be dear.
 */
uint64_t ends_hash(const struct hash_key *key, const struct tcpdiag_socket *sk);
uint64_t ends_hash_swapped(const struct hash_key *key, const struct tcpdiag_socket *sk);

/* Same ends, from the same side; two such cannot both belong to one connection. */
bool ends_same(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b);

/* Same ends, from the other side. */
bool ends_swapped(const struct tcpdiag_socket *a, const struct tcpdiag_socket *b);

/**
 * ends_possible() - whether the states of both can be those of one connection
 *
 * False only where they cannot, whatever has been lost or is under way: in FIN-WAIT-2 here, the other end
 * has had our FIN. What one was seen in counts only if it was seen well after the other had come into its
 * state. Counts of bytes say nothing: they begin anew where a connection was restored (TCP_REPAIR).
 */
bool ends_possible(const struct record *a, const struct record *b);
