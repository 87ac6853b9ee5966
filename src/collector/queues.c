/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What net/core/sock.c:__sk_mem_raise_allocated() charges is what lies in the queues: sk_rmem_alloc and
 * sk_wmem_queued, with the overhead of each buffer, in pages; forward allocation is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/queues.h"
#include "model/macro.h"

void queues_begin(struct queues *queues, const struct tcpdiag_environment *env)
{
	/* Below 70 % nothing stands: clear-ratio. */
	queues->wanted = env->known & TCPDIAG_ENV_MEMORY && env->tcp_mem[2] &&
			 env->memory_pages >= env->tcp_mem[0] / 100 * 60;
	queues->failed = false;
	queues->nobody = 0;
	queues->count = 0;
}

static bool make_room(struct queues *queues, uint32_t row)
{
	uint32_t room = MAX(MAX(queues->room * 2, 256U), row + 1);
	uint64_t *more;

	if (row < queues->room)
		return true;
	more = reallocarray(queues->bytes, room, sizeof(*more));
	if (!more)
		return false;
	queues->bytes = more;
	queues->room = room;
	return true;
}

void queues_add(struct queues *queues, const struct record *record, uint32_t row)
{
	const struct tcpdiag_socket *sk = &record->sk;
	uint64_t bytes;

	if (!queues->wanted || sk->state == TCPDIAG_LISTEN || sk->mptcp ||
	    !(sk->known & TCPDIAG_KNOWS_SKMEM))
		return;
	bytes = (uint64_t)sk->rmem_alloc + sk->wmem_queued;
	if (!bytes)
		return;
	if (row == RECORD_NONE) {
		queues->nobody += bytes;
		return;
	}
	if (!make_room(queues, row)) {
		queues->failed = true;
		return;
	}
	if (row >= queues->count) {
		memset(queues->bytes + queues->count, 0,
		       (row + 1 - queues->count) * sizeof(*queues->bytes));
		queues->count = row + 1;
	}
	queues->bytes[row] += bytes;
}

void queues_done(struct queues *queues)
{
	free(queues->bytes);
	*queues = (struct queues){};
}
