/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of open addressing, at most half full; what expires leaves by building it anew.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/addresses.h"
#include "model/keyed_hash.h"
#include "model/macro.h"

static uint32_t home(const uint8_t address[static 16])
{
	static const struct hash_key no_key; /* they are this machine's own */
	uint64_t words[2];

	memcpy(words, address, 16);
	return (uint32_t)keyed_hash(&no_key, words, ARRAY_SIZE(words)) & (ADDRESSES_SLOTS - 1);
}

/* Where it stands, or would. */
static uint32_t find(const struct addresses *addresses, const uint8_t address[static 16])
{
	uint32_t slot = home(address);

	while (addresses->slots[slot].seen_ns &&
	       memcmp(addresses->slots[slot].address, address, 16) != 0)
		slot = (slot + 1) & (ADDRESSES_SLOTS - 1);
	return slot;
}

static bool is_unspecified(const uint8_t address[static 16])
{
	static const uint8_t any[16], mapped[16] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(address, any, 16) || !memcmp(address, mapped, 16);
}

static void put(struct addresses *addresses, const uint8_t address[static 16], int64_t now_ns)
{
	uint32_t slot = find(addresses, address);
	struct own_address *own = &addresses->slots[slot];

	if (!own->seen_ns) {
		if (addresses->count == ADDRESSES_MAX) {
			addresses->full = true;
			return;
		}
		memcpy(own->address, address, 16);
		addresses->count++;
	}
	own->seen_ns = MAX(now_ns, (int64_t)1);
	addresses->last = slot;
}

void addresses_add(struct addresses *addresses, const uint8_t address[static 16], int64_t now_ns)
{
	struct own_address *last;

	if (!addresses->slots)
		addresses->slots = calloc(ADDRESSES_SLOTS, sizeof(*addresses->slots));
	if (!addresses->slots)
		return;
	last = &addresses->slots[addresses->last];
	if (last->seen_ns && !memcmp(last->address, address, 16)) {
		last->seen_ns = MAX(now_ns, (int64_t)1);
		return;
	}
	if (!is_unspecified(address))
		put(addresses, address, now_ns);
}

bool addresses_has(const struct addresses *addresses, const uint8_t address[static 16])
{
	return addresses->slots && addresses->slots[find(addresses, address)].seen_ns;
}

void addresses_expire(struct addresses *addresses, int64_t before_ns)
{
	struct own_address *old = addresses->slots;
	uint32_t i;

	if (!old)
		return;
	/* Without memory for a new table the old one stays as it is. */
	addresses->slots = calloc(ADDRESSES_SLOTS, sizeof(*old));
	if (!addresses->slots) {
		addresses->slots = old;
		return;
	}
	addresses->count = 0;
	addresses->full = false;
	for (i = 0; i < ADDRESSES_SLOTS; i++)
		if (old[i].seen_ns && old[i].seen_ns >= before_ns)
			put(addresses, old[i].address, old[i].seen_ns);
	free(old);
}

void addresses_done(struct addresses *addresses)
{
	free(addresses->slots);
	*addresses = (struct addresses){};
}
