/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person at a terminal sees: where it serves, what it found, and what --once prints.
 */
#pragma once

#include "daemon/listen.h"
#include "model/snapshot.h"

/* Columns of standard output: its width where it is a terminal, else 100. Never below 60. */
unsigned int terminal_columns(void);

/* "serving http://127.0.0.1:19293 (try: curl -s http://127.0.0.1:19293)", a line an address. */
void terminal_print_addresses(const struct listeners *listeners, bool expose_api);

/* The report, at most @lines of it; 0: all. @listeners: what serves, or NULL. Return: 0, -ENOMEM, -EIO. */
int terminal_print_report(const struct snapshot *snapshot, unsigned int lines,
			  const struct listeners *listeners);
