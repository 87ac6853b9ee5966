/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the ephemeral ports of each namespace go, looked at with each sweep: in between only the fast lane's
 * states are asked for, which is not where connections stand.
 */
#include "collector/private.h"

void ports_begin(struct poll *p)
{
	struct collector *c = p->c;
	uint32_t i;

	if (p->pass != PASS_SWEEP)
		return;
	port_usage_begin(&c->usage);
	for (i = 0; i < c->spaces.count; i++) {
		const struct space *space = c->spaces.rows[i];

		port_usage_space(&c->usage, space->inode, space->port_range, space->reserved_ports,
				 &space->environment);
	}
}

void ports_end(struct poll *p, const struct record *records, uint32_t count)
{
	struct collector *c = p->c;
	uint32_t i;

	if (p->pass != PASS_SWEEP) {
		if (p->before.header)
			p->totals.port_range_ratio_max =
				p->before.header->totals.port_range_ratio_max;
		return;
	}
	p->totals.port_range_ratio_max = port_usage_ratio(&c->usage);
	p->ports_looked = true;
	if (!port_usage_choose(&c->usage))
		return;
	for (i = 0; i < count; i++)
		port_usage_look(&c->usage, &records[i], poll_owner_row(c, &records[i]));
}
