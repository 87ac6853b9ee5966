/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the autopsy: stories by namespace and cookie, in the order in which something has happened to them; and
 * when what is told.
 *
 * Places are taken from those used last, so that a quiet host touches few pages of them.
 */
#include "collector/autopsy.h"

#include <errno.h>
#include <string.h>

#include "collector/autopsy_private.h"

#define LIMIT_MIN 16U
#define LIMIT_MAX (1U << 20)
#define CHAIN_MAX 64U

static uint64_t hash_of(const struct autopsy *a, uint32_t netns, uint64_t cookie)
{
	const uint64_t words[] = { cookie, netns };

	return keyed_hash(&a->limits.key, words, ARRAY_SIZE(words));
}

static uint32_t slot_of(const struct autopsy *a, uint32_t netns, uint64_t cookie)
{
	return (uint32_t)hash_of(a, netns, cookie) & a->slot_mask;
}

/* ---- lists ---- */

void story_delist(struct autopsy *a, enum story_list list, struct story *story)
{
	struct story_link *link = &story->links[list];

	if (!link->in)
		return;
	if (link->before == STORY_NONE)
		a->lists[list].first = link->next;
	else
		a->stories[link->before].links[list].next = link->next;
	if (link->next == STORY_NONE)
		a->lists[list].last = link->before;
	else
		a->stories[link->next].links[list].before = link->before;
	link->in = false;
}

void story_enlist(struct autopsy *a, enum story_list list, struct story *story)
{
	uint32_t number = (uint32_t)(story - a->stories);

	story_delist(a, list, story);
	story->links[list] = (struct story_link){
		.before = a->lists[list].last,
		.next = STORY_NONE,
		.in = true,
	};
	if (a->lists[list].last == STORY_NONE)
		a->lists[list].first = number;
	else
		a->stories[a->lists[list].last].links[list].next = number;
	a->lists[list].last = number;
}

/* ---- stories ---- */

static void file(struct autopsy *a, struct story *story, uint32_t slot)
{
	const uint32_t number = (uint32_t)(story - a->stories);

	story->filed = true;
	story->slot = slot;
	story->before = STORY_NONE;
	story->next = a->slots[slot];
	if (story->next != STORY_NONE)
		a->stories[story->next].before = number;
	a->slots[slot] = number;
}

static void unfile(struct autopsy *a, const struct story *story)
{
	if (story->before == STORY_NONE)
		a->slots[story->slot] = story->next;
	else
		a->stories[story->before].next = story->next;
	if (story->next != STORY_NONE)
		a->stories[story->next].before = story->before;
}

void story_drop(struct autopsy *a, struct story *story)
{
	steps_operated(a, story);
	for (int i = 0; i < STORY_LIST_MAX; i++)
		story_delist(a, (enum story_list)i, story);
	if (story->filed)
		unfile(a, story);
	story->next = a->free;
	a->free = (uint32_t)(story - a->stories);
	a->open--;
}

static uint64_t *told_bucket(const struct autopsy *a, uint64_t mark)
{
	return &a->told[(mark >> 32 & a->told_mask) * TOLD_WAYS];
}

/* In front of its bucket, whose last one goes: that one may be told of twice. */
static void note_told(struct autopsy *a, const struct story *story)
{
	const uint64_t mark = hash_of(a, story->sk.netns, story->sk.cookie) | 1;
	uint64_t *bucket = told_bucket(a, mark);

	a->cut += bucket[TOLD_WAYS - 1] != 0;
	memmove(bucket + 1, bucket, (TOLD_WAYS - 1) * sizeof(*bucket));
	bucket[0] = mark;
}

bool story_was_told(struct autopsy *a, const struct socket_event *event)
{
	const uint64_t mark = hash_of(a, event->sk.netns, event->sk.cookie) | 1;
	uint64_t *bucket = told_bucket(a, mark);

	for (uint32_t i = 0; i < TOLD_WAYS; i++) {
		if (bucket[i] != mark)
			continue;
		memmove(bucket + i, bucket + i + 1, (TOLD_WAYS - 1 - i) * sizeof(*bucket));
		bucket[TOLD_WAYS - 1] = 0;
		return true;
	}
	return false;
}

/* The oldest makes room; what has ended is told as far as it is known. */
static void make_room(struct autopsy *a)
{
	struct story *oldest = story_at(a, a->lists[STORY_LIST_OLD].first);

	if (!oldest)
		return;
	if (oldest->end_ns)
		story_tell(a, oldest);
	a->cut += !oldest->told;
	if (oldest->told && oldest->filed && !oldest->destroyed)
		note_told(a, oldest);
	story_drop(a, oldest);
}

static struct story *story_new(struct autopsy *a, const struct socket_event *event)
{
	struct story *story;

	if (a->free == STORY_NONE && a->used == a->limits.open)
		make_room(a);
	if (a->free != STORY_NONE) {
		story = &a->stories[a->free];
		a->free = story->next;
	} else {
		story = &a->stories[a->used++];
	}
	a->open++;
	*story = (struct story){
		.sk = event->sk,
		.idle_ms = event->idle_ms,
		.last_ns = event->when_ns,
		.flow = STORY_NONE,
	};
	story_enlist(a, STORY_LIST_OLD, story);
	if (a->calls.remember && event->has_socket)
		a->calls.remember(a->calls.context, &event->sk, &story->memory);
	return story;
}

static struct story *find(struct autopsy *a, const struct socket_event *event, uint32_t slot)
{
	uint32_t i = a->slots[slot], tries;

	for (tries = 0; i != STORY_NONE && tries < CHAIN_MAX; tries++) {
		struct story *story = &a->stories[i];

		i = story->next;
		if (story->sk.cookie != event->sk.cookie || story->sk.netns != event->sk.netns)
			continue;
		story->last_ns = MAX(story->last_ns, event->when_ns);
		story_enlist(a, STORY_LIST_OLD, story);
		flow_touch(a, story);
		return story;
	}
	return NULL;
}

struct story *story_find(struct autopsy *a, const struct socket_event *event)
{
	return find(a, event, slot_of(a, event->sk.netns, event->sk.cookie));
}

static bool is_another(const struct story *story, const struct socket_event *event)
{
	const uint8_t was = event->kind == SOCKET_EVENT_STATE ? event->old_state : event->sk.state;

	return story->end_ns && event->kind != SOCKET_EVENT_DESTROYED && was != TCPDIAG_CLOSE &&
	       event->when_ns - story->end_ns >= STORY_GRACE_NS;
}

void story_remember(struct autopsy *a, struct story *story)
{
	struct autopsy_memory now;

	if (story->end_ns || story->memory.holder || story->memory.creator || !a->calls.remember ||
	    !a->calls.remember(a->calls.context, &story->sk, &now))
		return;
	if (story->memory.linger_known) {
		now.linger_known = true;
		now.linger = story->memory.linger;
	}
	story->memory = now;
}

struct story *story_of(struct autopsy *a, const struct socket_event *event)
{
	const uint32_t slot = slot_of(a, event->sk.netns, event->sk.cookie);
	struct story *story = find(a, event, slot);

	/* connect() again: another connection of the same socket. */
	if (story && is_another(story, event)) {
		story_tell(a, story);
		story_drop(a, story);
		story = NULL;
	}
	if (!story) {
		story = story_new(a, event);
		file(a, story, slot);
		flow_keep(a, story);
	}
	story->subflow |= event->sk.mptcp_subflow;
	return story;
}

struct story *story_stray(struct autopsy *a, const struct socket_event *event)
{
	return story_new(a, event);
}

/* ---- life ---- */

static uint32_t slots_for(uint32_t count)
{
	uint32_t slots = 16;

	while (slots < count)
		slots *= 2;
	return slots;
}

int story_slots(uint32_t count, uint32_t **ret, uint32_t *ret_mask)
{
	uint32_t slots = slots_for(count);

	*ret = malloc(slots * sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	memset(*ret, 0xff, slots * sizeof(**ret));
	*ret_mask = slots - 1;
	return 0;
}

int autopsy_new(const struct autopsy_calls *calls, const struct autopsy_limits *limits,
		struct autopsy **ret)
{
	struct autopsy *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->calls = *calls;
	a->limits = *limits;
	a->limits.open = MIN(MAX(limits->open, LIMIT_MIN), LIMIT_MAX);
	a->limits.closed = MIN(MAX(limits->closed, LIMIT_MIN), LIMIT_MAX);
	a->free = STORY_NONE;
	for (int i = 0; i < STORY_LIST_MAX; i++)
		a->lists[i].first = a->lists[i].last = STORY_NONE;
	a->stories = calloc(a->limits.open, sizeof(*a->stories));
	a->told_mask = slots_for(a->limits.open) - 1;
	a->told = calloc((size_t)a->told_mask + 1, TOLD_WAYS * sizeof(*a->told));
	if (!a->stories || !a->told || story_slots(a->limits.open, &a->slots, &a->slot_mask) < 0 ||
	    ends_table_init(&a->closed, a->limits.closed) < 0 ||
	    ends_table_init(&a->flows, a->limits.closed) < 0 ||
	    ends_table_init(&a->above, MAX(a->limits.closed / 8, LIMIT_MIN)) < 0) {
		autopsy_free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

struct autopsy *autopsy_free(struct autopsy *a)
{
	if (!a)
		return NULL;
	free(a->stories);
	free(a->slots);
	free(a->told);
	ends_table_done(&a->closed);
	ends_table_done(&a->flows);
	ends_table_done(&a->above);
	free(a);
	return NULL;
}

void autopsy_derive(struct autopsy *a, bool derive)
{
	a->limits.derive = derive;
}

uint32_t autopsy_open(const struct autopsy *a)
{
	return a->open;
}

uint64_t autopsy_cut(const struct autopsy *a)
{
	return a->cut;
}

/* ---- time ---- */

void autopsy_lose(struct autopsy *a, int64_t when_ns)
{
	a->losses++;
	a->lost_ns = when_ns;
}

void autopsy_take(struct autopsy *a, const struct socket_event *event, bool lost)
{
	if (lost)
		autopsy_lose(a, event->when_ns);
	steps_take(a, event);
}

/* It lies a moment back; or ahead, where a clock cannot be right. */
static bool is_past(int64_t now_ns, int64_t when_ns)
{
	return now_ns - when_ns >= STORY_GRACE_NS || when_ns - now_ns > NSEC_PER_SEC;
}

static void settle_operations(struct autopsy *a, int64_t now_ns)
{
	struct story *story;

	while ((story = story_at(a, a->lists[STORY_LIST_OPERATED].first))) {
		if (!is_past(now_ns, story->operation.when_ns))
			break;
		steps_operated(a, story);
	}
}

static void settle_orphans(struct autopsy *a, int64_t now_ns)
{
	struct story *story;

	while ((story = story_at(a, a->lists[STORY_LIST_ORPHANS].first))) {
		if (now_ns - story->orphaned_ns < a->limits.orphan_ns)
			break;
		story_delist(a, STORY_LIST_ORPHANS, story);
		/* Its end may be among what was lost. */
		if (!story->end_ns && !story->destroyed && a->lost_ns < story->orphaned_ns)
			story_tell_orphan(a, story, now_ns);
	}
}

void autopsy_settle(struct autopsy *a, int64_t now_ns, int64_t wall_ns)
{
	struct story *story;

	a->wall_offset_ns = wall_ns - now_ns;
	settle_operations(a, now_ns);
	while ((story = story_at(a, a->lists[STORY_LIST_READY].first))) {
		if (!is_past(now_ns, story->last_ns))
			break;
		story_tell(a, story);
		story_delist(a, STORY_LIST_READY, story);
		if (story->destroyed || !story->filed)
			story_drop(a, story);
	}
	settle_orphans(a, now_ns);
	listeners_settle(a, now_ns);
}
