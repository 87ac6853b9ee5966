/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ?expect= and &within=: a verdict as a status, so that `curl -f` is a step of a script.
 */
#pragma once

#include "web/exit.h"
#include "web/route.h"

#define WITHIN_MAX_MS 300000U

struct expectation {
	enum exit_expect expect;
	int64_t within_ns; /* 0: now or never */
};

/* Return: 0; -EINVAL with @problem. */
int expectation_parse(const struct query *query, struct expectation *ret, struct problem *problem);

/**
 * expectation_waits() - whether the answer is to be asked for again at the next snapshot
 *
 * Says until when in @request->until_ns.
 */
bool expectation_waits(const struct expectation *expectation, enum exit_answer answer,
		       const struct request *request);

/* 200, 409 where it would do what is not wanted, 503 where it is not known. */
unsigned int expectation_status(enum exit_answer answer);

/* Calls @say with one sentence for each reason why @expect surely does not hold, or else is not known. */
void expectation_reasons(const struct exit_sums *sums, enum exit_expect expect,
			 void (*say)(void *context, const char *text), void *context);

/* The same for each reason why something is not known of it. */
void expectation_doubts(const struct exit_sums *sums, enum exit_expect expect,
			void (*say)(void *context, const char *text), void *context);
