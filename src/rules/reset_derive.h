/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why the kernel has reset, where it does not tell (before Linux 6.10; for what it decides itself, before 6.12): what
 * follows from the socket at that instant, in the kernel's own words. Pure.
 *
 * What several causes leave the same way is "not-specified": no guess is made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <tcpdiag/socket.h>

#include "model/reset_reason.h"

struct reset_facts {
	const struct tcpdiag_socket *sk; /* at the RST; NULL: no socket */
	uint8_t before; /* enum tcpdiag_state that it was in before CLOSE; NONE: not known */
	bool passive; /* the RST answers a segment */
	bool released; /* its last reference has gone */
	bool orphaned; /* SOCK_DEAD */
	uint8_t segment_flags; /* TH_* of the segment that is answered */
	uint32_t payload; /* its bytes */
};

/* Never NONE. */
enum reset_reason reset_derive(const struct reset_facts *facts);
