/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets counted by one field or two: a hash table of what their values are, then sorted, most first.
 *
 * Bounded: what would open one group too many is counted in `ungrouped` instead.
 */
#include <errno.h>
#include <string.h>

#include "web/envelope.h"
#include "web/socket_list.h"
#include "web/sockets.h"

#define GROUP_KEYS_MAX 2
#define GROUPS_MAX (1U << 17)

struct group {
	struct value values[GROUP_KEYS_MAX];
	bool known[GROUP_KEYS_MAX];
	uint32_t example; /* record: the one longest in its state */
	uint64_t count;
	uint64_t unread_bytes;
	int64_t oldest_ns; /* -1: not known */
};

struct groups {
	struct document document; /* first */
	struct snapshot snapshot;
	struct filter filter;
	struct view view;
	struct field_path keys[GROUP_KEYS_MAX];
	char names[GROUP_KEYS_MAX][64];
	size_t key_count;
	struct group *groups; /* owned */
	uint32_t count, size;
	uint32_t *slots; /* group + 1; owned */
	uint32_t slot_count; /* a power of two */
	uint64_t matched, ungrouped;
	uint32_t returned, position;
	enum list_format format;
	bool begun;
	int64_t now_ns;
};

/* ---- counting ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len--)
		hash = (hash ^ *p++) * 0x100000001b3ULL; /* FNV-1a */
	return hash;
}

static uint64_t hash_group(const struct groups *groups, const struct group *group)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < groups->key_count; i++) {
		const struct value *value = &group->values[i];

		hash = hash_bytes(hash, &group->known[i], 1);
		if (!group->known[i])
			continue;
		switch ((enum field_type)field_path_leaf(&groups->keys[i])->type) {
		case FIELD_WORD:
		case FIELD_TEXT:
			hash = hash_bytes(hash, value->text, strlen(value->text));
			break;
		case FIELD_ADDRESS:
			hash = hash_bytes(hash, value->address, 16);
			break;
		default:
			hash = hash_bytes(hash, &value->number, sizeof(value->number));
		}
	}
	return hash ^ hash >> 29;
}

/* By their keys. */
static int compare_keys(const struct groups *groups, const struct group *a, const struct group *b)
{
	size_t i;

	for (i = 0; i < groups->key_count; i++) {
		int r;

		if (a->known[i] != b->known[i])
			return a->known[i] ? -1 : 1;
		if (!a->known[i])
			continue;
		r = field_value_compare(field_path_leaf(&groups->keys[i]), &a->values[i],
					&b->values[i]);
		if (r)
			return r;
	}
	return 0;
}

/* Most first, then in the order of the keys. */
static int compare_groups(const void *a, const void *b, void *context)
{
	const struct group *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_keys(context, x, y);
}

static uint32_t *find_slot(struct groups *groups, const struct group *group)
{
	uint32_t mask = groups->slot_count - 1;
	uint32_t i = (uint32_t)hash_group(groups, group) & mask;

	while (groups->slots[i] &&
	       compare_keys(groups, &groups->groups[groups->slots[i] - 1], group))
		i = (i + 1) & mask;
	return &groups->slots[i];
}

/* Room for one more group, at most half of the slots used. */
static int make_room(struct groups *groups)
{
	uint32_t i, size = groups->size ? groups->size * 2 : 64;
	struct group *grown;
	uint32_t *slots;

	if (groups->count < groups->size)
		return 0;
	grown = reallocarray(groups->groups, size, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	groups->groups = grown;
	slots = calloc((size_t)size * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(groups->slots);
	groups->slots = slots;
	groups->slot_count = size * 2;
	groups->size = size;
	for (i = 0; i < groups->count; i++)
		*find_slot(groups, &groups->groups[i]) = i + 1;
	return 0;
}

static int64_t state_age(const struct snapshot *snapshot, const struct record *record)
{
	return record->state_since_ns ? snapshot_age(snapshot, record->state_since_ns) : -1;
}

static void count_record(struct groups *groups, struct group *group, uint32_t row)
{
	const struct record *record = &groups->snapshot.records[row];
	int64_t age = state_age(&groups->snapshot, record);

	group->count++;
	if (!record->sk.mptcp && !record->sk.mptcp_subflow)
		group->unread_bytes += tcpdiag_unread_bytes(&record->sk);
	if (age > group->oldest_ns) {
		group->oldest_ns = age;
		group->example = row;
	}
}

static int add_record(struct groups *groups, uint32_t row)
{
	struct group group = { .example = row, .oldest_ns = -1 };
	uint32_t *slot;
	size_t i;
	int r;

	view_set(&groups->view, &groups->snapshot.records[row]);
	for (i = 0; i < groups->key_count; i++)
		group.known[i] = field_path_get(&groups->keys[i], &groups->view, &group.values[i]);
	r = make_room(groups);
	if (r < 0)
		return r;
	slot = find_slot(groups, &group);
	if (!*slot) {
		if (groups->count == GROUPS_MAX) {
			groups->ungrouped++;
			return 0;
		}
		groups->groups[groups->count++] = group;
		*slot = groups->count;
	}
	count_record(groups, &groups->groups[*slot - 1], row);
	return 0;
}

static int count_all(struct groups *groups)
{
	uint32_t i;
	int r;

	for (i = 0; i < groups->snapshot.record_count; i++) {
		if (!filter_match(&groups->filter, &groups->snapshot.records[i]))
			continue;
		groups->matched++;
		r = add_record(groups, i);
		if (r < 0)
			return r;
	}
	if (groups->count)
		qsort_r(groups->groups, groups->count, sizeof(*groups->groups), compare_groups,
			groups);
	return 0;
}

/* ---- printing ---- */

static void print_value(const struct groups *groups, const struct group *group, size_t i,
			struct buffer *b)
{
	if (group->known[i])
		field_value_print(field_path_leaf(&groups->keys[i]), &group->values[i], b);
	else
		buffer_literal(b, "null");
}

static void print_json(const struct groups *groups, const struct group *group, struct buffer *b)
{
	size_t i;

	buffer_literal(b, "{\"key\":{");
	for (i = 0; i < groups->key_count; i++) {
		if (i)
			buffer_char(b, ',');
		buffer_json(b, groups->names[i]);
		buffer_char(b, ':');
		print_value(groups, group, i, b);
	}
	buffer_literal(b, "},\"count\":");
	buffer_u64(b, group->count);
	buffer_literal(b, ",\"unread_bytes\":");
	buffer_u64(b, group->unread_bytes);
	buffer_literal(b, ",\"oldest_seconds\":");
	if (group->oldest_ns >= 0)
		buffer_seconds(b, group->oldest_ns);
	else
		buffer_literal(b, "null");
	buffer_literal(b, ",\"example\":");
	sockets_print_id(b, &groups->snapshot.records[group->example]);
	buffer_char(b, '}');
}

/* For people: no quotation marks, and a dash where nothing is known. */
static void print_plain(const struct groups *groups, const struct group *group, size_t i,
			struct buffer *b)
{
	size_t start = b->len, len;

	if (!group->known[i]) {
		buffer_char(b, '-');
		return;
	}
	print_value(groups, group, i, b);
	len = b->len - start;
	if (b->error || len < 2 || b->data[start] != '"' || memchr(b->data + start, '\\', len))
		return;
	memmove(b->data + start, b->data + start + 1, len - 2);
	b->len -= 2;
}

static void print_text(const struct groups *groups, const struct group *group, struct buffer *b)
{
	size_t i;

	buffer_printf(b, "%8llu %12llu ", (unsigned long long)group->count,
		      (unsigned long long)group->unread_bytes);
	if (group->oldest_ns >= 0)
		buffer_printf(b, "%10lld", (long long)(group->oldest_ns / NSEC_PER_SEC));
	else
		buffer_printf(b, "%10s", "-");
	for (i = 0; i < groups->key_count; i++) {
		buffer_literal(b, "  ");
		print_plain(groups, group, i, b);
	}
	buffer_char(b, '\n');
}

static void print_head(struct groups *groups, struct buffer *b)
{
	size_t i;

	if (groups->format == LIST_TEXT) {
		buffer_printf(b, "%8s %12s %10s", "Count", "Unread", "Oldest");
		for (i = 0; i < groups->key_count; i++)
			buffer_printf(b, "  %s", groups->names[i]);
		buffer_char(b, '\n');
	}
	if (groups->format != LIST_JSON)
		return;
	buffer_char(b, '{');
	envelope_print(b, &groups->snapshot, groups->now_ns);
	buffer_printf(b,
		      ",\"matched\":%llu,\"returned\":%u,\"groups_total\":%u,\"ungrouped\":%llu,"
		      "\"groups\":[",
		      (unsigned long long)groups->matched, groups->returned, groups->count,
		      (unsigned long long)groups->ungrouped);
}

static int groups_more(struct document *document, struct buffer *b)
{
	struct groups *groups = (struct groups *)document;
	size_t enough = b->len + DOCUMENT_PIECE;

	if (!groups->begun)
		print_head(groups, b);
	groups->begun = true;
	while (groups->position < groups->returned && b->len < enough && !b->error) {
		const struct group *group = &groups->groups[groups->position];

		if (groups->format == LIST_TEXT) {
			print_text(groups, group, b);
		} else {
			if (groups->format == LIST_JSON && groups->position)
				buffer_literal(b, ",\n");
			print_json(groups, group, b);
			if (groups->format == LIST_NDJSON)
				buffer_char(b, '\n');
		}
		groups->position++;
	}
	if (b->error)
		return b->error;
	if (groups->position < groups->returned)
		return 1;
	if (groups->format == LIST_JSON)
		buffer_literal(b, "],\"next\":null}\n");
	return b->error;
}

static void groups_free(struct document *document)
{
	struct groups *groups = (struct groups *)document;

	if (!groups)
		return;
	filter_done(&groups->filter);
	free(groups->groups);
	free(groups->slots);
	free(groups);
}

/* ---- keys ---- */

static int add_key(struct groups *groups, const char *text, size_t len, struct problem *problem)
{
	size_t at = groups->key_count;

	if (at == GROUP_KEYS_MAX)
		return problem_set(problem, 400, "group", "at most %d fields can be grouped by",
				   GROUP_KEYS_MAX);
	if (len && len < sizeof(groups->names[at]) &&
	    !field_path_find(text, len, &groups->keys[at])) {
		memcpy(groups->names[at], text, len);
		groups->names[at][len] = '\0';
		if (at && !strcmp(groups->names[0], groups->names[at]))
			return problem_set(problem, 400, "group", "group names %s twice",
					   groups->names[at]);
		groups->key_count++;
		return 0;
	}
	return problem_set(problem, 400, "group",
			   "sockets cannot be grouped by '%.*s'; " FIELD_PATH_ALLOWED,
			   (int)MIN(len, (size_t)48), text);
}

static int read_keys(struct groups *groups, const char *text, struct problem *problem)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		int r = add_key(groups, text, len, problem);

		if (r < 0 || !text[len])
			return r;
		text += len + 1;
	}
}

/* What only makes sense in a list of sockets. */
static int check_options(const struct socket_options *options, struct problem *problem)
{
	const char *name = options->sort	  ? "sort"
			   : options->list.after  ? "after"
			   : options->field_count ? "fields"
						  : NULL;

	if (!name)
		return 0;
	return problem_set(problem, 400, name,
			   "%s does not go with group: groups stand with the most sockets first, "
			   "limit=0 shows all",
			   name);
}

static int groups_prepare(struct groups *groups, const struct request *request,
			  const struct socket_options *options, struct problem *problem)
{
	int r;

	groups->snapshot = *request->snapshot;
	groups->now_ns = request->now_ns;
	groups->format = options->list.format;
	view_init(&groups->view, &groups->snapshot);
	r = read_keys(groups, options->group, problem);
	if (r < 0)
		return r;
	r = filter_compile(request->query, &groups->snapshot, &groups->filter, problem);
	if (r < 0)
		return r;
	r = count_all(groups);
	if (r < 0)
		return r;
	groups->returned = options->list.limit ? MIN(groups->count, options->list.limit)
					       : groups->count;
	return 0;
}

int group_document(const struct request *request, const struct socket_options *options,
		   struct document **ret, struct problem *problem)
{
	struct groups *groups;
	int r;

	r = check_options(options, problem);
	if (r < 0)
		return r;
	groups = calloc(1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	groups->document = (struct document){
		.status = 200,
		.content_type = list_content_type(options->list.format),
		.cacheable = true,
		.more = groups_more,
		.free = groups_free,
	};
	r = groups_prepare(groups, request, options, problem);
	if (r < 0) {
		groups_free(&groups->document);
		return r;
	}
	*ret = &groups->document;
	return 0;
}
