/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces by inode, and what of them is shown.
 */
#include <errno.h>
#include <string.h>

#include "kernel/netns_private.h"
#include "model/macro.h"

bool netns_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Where @inode is or would be. */
static uint32_t find_index(const struct netns_list *list, uint32_t inode)
{
	uint32_t low = 0, high = list->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (list->entry[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct netns_entry *netns_list_find(const struct netns_list *list, uint32_t inode)
{
	uint32_t index = find_index(list, inode);

	return index < list->count && list->entry[index].inode == inode ? &list->entry[index]
									: NULL;
}

struct netns_entry *netns_list_add(struct netns_list *list, uint32_t inode)
{
	uint32_t index = find_index(list, inode);
	struct netns_entry *entry;

	if (index < list->count && list->entry[index].inode == inode)
		return &list->entry[index];
	if (list->count == list->size) {
		uint32_t size = list->size ? list->size * 2 : 16;

		entry = reallocarray(list->entry, size, sizeof(*entry));
		if (!entry)
			return NULL;
		list->entry = entry;
		list->size = size;
	}
	entry = &list->entry[index];
	memmove(entry + 1, entry, (list->count - index) * sizeof(*entry));
	list->count++;
	*entry = (struct netns_entry){ .inode = inode, .pidfd = -1 };
	return entry;
}

static void clear_entry(struct netns_entry *entry)
{
	closep(&entry->pidfd);
	free(entry->name);
}

void netns_list_remove(struct netns_list *list, uint32_t index)
{
	struct netns_entry *entry = &list->entry[index];

	clear_entry(entry);
	list->count--;
	memmove(entry, entry + 1, (list->count - index) * sizeof(*entry));
}

void netns_list_clear(struct netns_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		clear_entry(&list->entry[i]);
	free(list->entry);
	*list = (struct netns_list){};
}

void netns_entry_add_process(struct netns_entry *entry, int32_t pid)
{
	for (size_t i = 0; i < NETNS_CANDIDATES; i++) {
		if (entry->pid[i] == pid)
			return;
		if (!entry->pid[i]) {
			entry->pid[i] = pid;
			return;
		}
	}
}

int netns_reserve_places(struct netns_watch *watch, uint32_t count)
{
	struct netns_place *places;

	if (count <= watch->place_size)
		return 0;
	places = reallocarray(watch->places, count, sizeof(*places));
	if (!places)
		return -ENOMEM;
	watch->places = places;
	watch->place_size = count;
	return 0;
}

void netns_publish(struct netns_watch *watch)
{
	for (uint32_t i = 0; i < watch->list.count && i < watch->place_size; i++) {
		const struct netns_entry *entry = &watch->list.entry[i];
		struct netns_place *place = &watch->places[i];

		*place = (struct netns_place){
			.inode = entry->inode,
			.pid = entry->pid[0],
			.processes = entry->processes,
		};
		if (entry->name)
			memcpy(place->name, entry->name,
			       MIN(strlen(entry->name), sizeof(place->name) - 1));
	}
}
