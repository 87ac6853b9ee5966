/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of the kernel that outcomes and findings rest on, for /summary and /status.
 */
#pragma once

#include <stdint.h>

#include <tcpdiag/outcome.h>

#include "web/emit.h"

/* An object; a setting that this kernel has not, or does not show in this namespace, is null. */
void emit_sysctls(struct emitter *j, const char *name,
		  const struct tcpdiag_environment *environment, const uint16_t port_range[2]);
