/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An interval timer: the signal may come just before the wait, then the next one ends it.
 */
#include "kernel/linger_guard.h"

#include <sys/time.h>

#define INTERVAL_US 10000

static void nothing(int number)
{
	(void)number;
}

void linger_guard_begin(struct linger_guard *guard)
{
	/* No SA_RESTART, but close() is not among the calls that start again anyway. */
	const struct sigaction action = { .sa_handler = nothing };
	const struct itimerval on = { { 0, INTERVAL_US }, { 0, INTERVAL_US } };

	sigaction(SIGALRM, &action, &guard->before);
	setitimer(ITIMER_REAL, &on, NULL);
}

void linger_guard_end(const struct linger_guard *guard)
{
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };

	/* In this order: what is on its way still meets the handler. */
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &guard->before, NULL);
}
