/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orphans added up by who has left them: what people restart, that is the systemd unit in its container, else
 * the process by itself. For /summary.
 */
#pragma once

#include "model/snapshot.h"
#include "web/emit.h"

/*
 * "seen", "creators", "creators_total" and "unknown_creator" as members of the object at hand. Walks the records once.
 *
 * Return: 0, -ENOMEM.
 */
int creators_print(struct emitter *j, const struct snapshot *snapshot);

/* The same where the sockets are not known: null. */
void creators_print_unknown(struct emitter *j);
