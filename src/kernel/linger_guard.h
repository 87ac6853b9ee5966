/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Against lingering for others.
 *
 * Whoever looks at the descriptors of a process holds each file for an instant: the BPF iterator
 * (kernel/bpf/task_iter.c), and /proc/PID/fd just as well (fs/proc/fd.c:proc_fd_link()). If the process closes its
 * descriptor in that instant, the last reference is the looker's, and the close happens where the looker
 * returns from its call. With SO_LINGER it would wait there, for ever if so set.
 *
 * A wait of that kind ends with any signal (net/core/stream.c:sk_stream_wait_close()), and the connection goes
 * on as an orphan: nobody but the waiting one is late. So a timer gives signals while such calls are made.
 */
#pragma once

#include <signal.h>

struct linger_guard {
	struct sigaction before;
};

/* SIGALRM is the guard's until linger_guard_end(); not to be nested. Cannot fail. */
void linger_guard_begin(struct linger_guard *guard);

void linger_guard_end(const struct linger_guard *guard);
