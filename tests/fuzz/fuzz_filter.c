/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any query of GET /sockets, over any records, is refused with a reason or answered with a whole document:
 * one that jansson can parse, with as many sockets as it says.
 *
 * The first line is the query; what follows is laid over the records of a small snapshot.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/snapshot.h"
#include "web/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 8U
#define NOW_NS (1000 * NSEC_PER_SEC)

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void *grow(void *context, size_t size)
{
	void **block = context;

	*block = realloc(*block, size);
	return *block;
}

static void fill_record(struct record *record, uint32_t i)
{
	struct tcpdiag_socket *sk = &record->sk;

	sk->cookie = i + 1;
	sk->netns = 4026531840;
	sk->family = i % 3 ? AF_INET : AF_INET6;
	sk->state = (uint8_t)(1 + i % (TCPDIAG_STATE_MAX - 1));
	sk->attachment = (uint8_t)(i % TCPDIAG_ATTACHMENT_MAX);
	sk->local_port = 80;
	sk->remote_port = (uint16_t)(i * 1000);
	sk->rqueue = i * 10;
	sk->known = TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_SHUTDOWN;
	record->holders = i % 2;
	record->holder = 0;
	record->state_since_ns = NOW_NS - i * NSEC_PER_SEC;
}

/*
 * Bytes of the input over those of the records. Values that only the collector computes, and where it
 * checks them, stay as they are: enums of the oracle's own, durations in 64 bits.
 */
static void lay_over(struct record *records, const uint8_t *data, size_t size)
{
	uint8_t *bytes = (uint8_t *)records;
	size_t i;

	for (i = 0; i < size && i < RECORDS * sizeof(*records); i++)
		bytes[i] ^= data[i];
	for (i = 0; i < RECORDS; i++) {
		records[i].sk.sk_lingertime_ms &= INT32_MAX;
		records[i].sk.linger2_ms &= INT32_MAX;
	}
}

static void build(struct snapshot_writer *w, const uint8_t *data, size_t size)
{
	struct process *process;
	struct holder *holder;
	uint32_t i, count;

	require(!snapshot_begin(w));
	for (i = 0; i < RECORDS; i++)
		fill_record(snapshot_add(w), i);
	lay_over(snapshot_writer_records(w, &count), data, size);
	process = snapshot_section(w, SECTION_PROCESSES, 1, sizeof(*process));
	process->pid = 1;
	process->comm = snapshot_string(w, "init", 4);
	process->unit = snapshot_string(w, "init.scope", 10);
	holder = snapshot_section(w, SECTION_HOLDERS, 1, sizeof(*holder));
	holder->fd = 3;
	w->header->now_ns = NOW_NS;
	w->header->wall_ns = NOW_NS;
	require(!snapshot_seal(w));
}

static void check_answer(const struct buffer *b, const char *type)
{
	json_error_t error;
	json_t *json, *list;

	if (strcmp(type, "application/json"))
		return;
	json = json_loadb(b->data, b->len, 0, &error);
	require(json);
	list = json_object_get(json, "sockets");
	if (!list)
		list = json_object_get(json, "groups");
	require((json_int_t)json_array_size(list) ==
		json_integer_value(json_object_get(json, "returned")));
	json_decref(json);
}

static void ask(const struct snapshot *snapshot, const char *query)
{
	struct problem problem = {};
	struct document *document;
	struct buffer b = {};
	int r;

	r = sockets_document(snapshot, query, NOW_NS, NOW_NS, &document, &problem);
	if (r < 0) {
		require(r == -EINVAL && problem.status == 400 && problem.detail[0]);
		return;
	}
	do
		r = document->more(document, &b);
	while (r > 0);
	require(!r);
	check_answer(&b, document->content_type);
	document_free(document);
	buffer_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	char *query = strndup((const char *)data, len);
	uint64_t limits[LIMIT_MAX] = {};
	struct snapshot snapshot;
	void *block = NULL;
	struct snapshot_writer w = {
		.grow = grow,
		.context = &block,
		.max_records = RECORDS,
		.string_max = 4096,
		.limits = limits,
	};

	require(query);
	build(&w, end ? end + 1 : data, end ? size - len - 1 : 0);
	require(!snapshot_open(w.header, w.header->bytes, &snapshot));
	ask(&snapshot, query);
	snapshot_writer_done(&w);
	free(block);
	free(query);
	return 0;
}
