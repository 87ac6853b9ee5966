/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the BPF programs.
 */
#include <stdlib.h>

#include "kernel/settings_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t hz[] = { 1, 100, 250, 1000, 10000 };
	const uint32_t jiffies = hz[size % 5];
	struct tcpdiag_socket closed = {};
	struct descriptor row;
	size_t at = 0, before = 0;

	while (descriptor_from_rows(data, size, &at, jiffies, &row, &closed) == 1) {
		if (at <= before || at > size)
			abort();
		before = at;
		if (row.state == TCPDIAG_CLOSE && closed.cookie != row.settings.cookie)
			abort();
		if (row.settings.linger2_ms < -1)
			abort();
	}
	if (at != before)
		abort();
	return 0;
}
