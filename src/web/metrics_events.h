/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The families of metrics that come from events; rows of web/metrics_table.c.
 */
#pragma once

#include "web/metrics.h"

void metrics_resets_sent(struct scrape *scrape);
void metrics_resets_received(struct scrape *scrape);
void metrics_events_dropped(struct scrape *scrape);
void metrics_fast_lane_repairs(struct scrape *scrape);
void metrics_oracle_checks(struct scrape *scrape);
