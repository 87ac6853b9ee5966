/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interval = max(configured, cost / share). Three fifths of the share are the fast lane's, two fifths the
 * sweep's. Where the fast lane is stretched, the listeners alone are asked in between, for a fifth of it.
 */
#include "collector/lanes.h"
#include "model/macro.h"

#define SHARE_FAST 0.6
#define SHARE_SWEEP 0.4
#define SHARE_LISTENERS 0.12 /* of both: a fifth of the fast lane's */
#define SMOOTHING 0.5

static void stretch(struct pass_state *pass)
{
	double stretched = pass->share > 0 ? pass->cost_ns / pass->share : 0;

	pass->interval_ns = MAX(pass->wanted_ns, (int64_t)MIN(stretched, 3600e9));
}

void lanes_configure(struct lanes *lanes, int64_t interval_ns, int64_t sweep_interval_ns,
		     double cpu_share, int64_t now_ns, bool restart)
{
	static const double shares[PASS_MAX] = {
		[PASS_LISTENERS] = SHARE_LISTENERS,
		[PASS_FAST] = SHARE_FAST,
		[PASS_SWEEP] = SHARE_SWEEP,
	};
	int i;

	for (i = 0; i < PASS_MAX; i++) {
		struct pass_state *pass = &lanes->passes[i];

		pass->wanted_ns = i == PASS_SWEEP ? sweep_interval_ns : interval_ns;
		pass->share = shares[i] * cpu_share / 100;
		stretch(pass);
		if (restart)
			pass->next_ns = now_ns;
		else
			pass->next_ns = MIN(pass->next_ns, now_ns + pass->interval_ns);
	}
}

/* The next one on the grid of the interval; one that fell out is not made up for. */
static void advance(struct pass_state *pass, int64_t began_ns)
{
	int64_t next = pass->next_ns + pass->interval_ns;

	if (next <= began_ns || next > began_ns + pass->interval_ns)
		next = began_ns + pass->interval_ns;
	pass->next_ns = next;
}

void lanes_passed(struct lanes *lanes, enum pass pass, int64_t began_ns, int64_t cost_ns)
{
	struct pass_state *state = &lanes->passes[pass];
	int i;

	state->cost_ns = state->cost_ns > 0
				 ? SMOOTHING * (double)cost_ns + (1 - SMOOTHING) * state->cost_ns
				 : (double)cost_ns;
	stretch(state);
	/* Each pass does also what the smaller ones do. */
	for (i = 0; i <= (int)pass; i++)
		advance(&lanes->passes[i], began_ns);
}

enum pass lanes_due(const struct lanes *lanes, int64_t now_ns)
{
	int i;

	for (i = PASS_MAX - 1; i >= 0; i--)
		if (lanes->passes[i].next_ns <= now_ns)
			return (enum pass)i;
	return PASS_MAX;
}

int64_t lanes_next(const struct lanes *lanes)
{
	int64_t next = INT64_MAX;
	int i;

	for (i = 0; i < PASS_MAX; i++)
		next = MIN(next, lanes->passes[i].next_ns);
	return next;
}
