/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which listener owns a port, and which ports had one: that tells inbound from outbound.
 *
 * Per namespace: the listeners of this poll by port, and a memory of ports. A port outside the ephemeral
 * range that once had a listener keeps being a server's port; one inside the range only for a while,
 * since the kernel gives it to clients.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"

struct listeners;

/* Return: 0 or -ENOMEM. */
int listeners_new(struct listeners **ret);
/* Accepts NULL; returns NULL. */
struct listeners *listeners_free(struct listeners *listeners);

/* A namespace has gone, and its ports with it. Between polls. */
void listeners_forget(struct listeners *listeners, uint32_t netns);

/* Forgets the listeners of the poll before; the memory of ports stays. */
void listeners_begin(struct listeners *listeners, int64_t now_ns);

/* One of this poll. @position: of its record. Return: 0 or -ENOMEM. */
int listeners_add(struct listeners *listeners, const struct tcpdiag_socket *sk, uint32_t position);

/**
 * listeners_find() - the listener that answers for a local end
 * @records: the snapshot's, into which positions point
 *
 * inet_lhash2_lookup(): the exact address before any address, and any of both families last.
 *
 * Return: its position, or RECORD_NONE.
 */
uint32_t listeners_find(struct listeners *listeners, const struct record *records,
			const struct tcpdiag_socket *sk);

/* Whether that port had a listener, and may still have connections of it. */
bool listeners_had(struct listeners *listeners, const struct tcpdiag_socket *sk,
		   const uint16_t range[2]);

/**
 * direction_of() - who began the connection
 * @listener: listeners_find()
 * @range: ip_local_port_range, {0, 0} where not known
 * @complete: all listeners have been seen
 */
enum direction direction_of(struct listeners *listeners, const struct tcpdiag_socket *sk,
			    uint32_t listener, const uint16_t range[2], bool complete);
