/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One memfd for the life of the collector. A new mapping for writing is refused by its seals, also to the collector
 * that comes after this one: that one copies what it finds (journal_restore()) and lets go of it.
 */
#include <sys/mman.h>

#include "collector/chronicle.h"
#include "collector/memfd.h"
#include "model/macro.h"

int chronicle_open(struct chronicle *chronicle, uint32_t events, const char *boot_id,
		   int64_t wall_ns)
{
	struct chronicle made = { .memfd = -1 };
	struct journal_sizes sizes;
	int r;

	journal_sizes_of(events, &sizes);
	made.size = journal_bytes(&sizes);
	r = memfd_map("tcpdiagd-journal", made.size, &made.memfd, &made.data);
	if (r < 0)
		return r;
	r = journal_new(made.data, made.size, &sizes, boot_id, wall_ns, &made.journal);
	if (r < 0) {
		chronicle_close(&made);
		return r;
	}
	journal_begin_at(made.journal, (uint64_t)MAX(wall_ns, 0) / NSEC_PER_USEC);
	*chronicle = made;
	return 0;
}

void chronicle_close(struct chronicle *chronicle)
{
	if (!chronicle->data)
		return;
	journal_free(chronicle->journal);
	munmap(chronicle->data, chronicle->size);
	closep(&chronicle->memfd);
	*chronicle = (struct chronicle){ .memfd = -1 };
}
