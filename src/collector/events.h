/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lane of the events: drains the kernel's ring ten times a second and before each poll, gives each event to the
 * autopsy and to whoever follows the teardown states, and writes the stories that come of it into the journal.
 *
 * It runs only where an event loop does: one look alone sees nothing happen. Whatever it lacks is said in its source; an
 * event that is lost is counted and never takes the daemon with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/events.h"
#include "model/event.h"
#include "model/snapshot.h"

struct collector;
struct events_lane;

/*
 * Opens what tells of events, as the settings say; also after a change of them. Says in its source what it cannot.
 * What was counted stays.
 *
 * Return: 0; -ENOMEM, then there is no lane.
 */
int events_lane_open(struct collector *c);

/* Detaches the programs; what is under way is told no more. */
void events_lane_close(struct collector *c);

/* All that has come since. Does nothing without a lane. */
void events_lane_drain(struct collector *c);

/* Stories that found no room beside too many others, since the start: told without what led to their end. */
uint64_t events_lane_cut(const struct collector *c);

/* The header's part. */
void events_lane_publish(const struct collector *c, struct event_totals *ret);

/* Frees everything. Accepts NULL; returns NULL. */
struct events_lane *events_lane_free(struct events_lane *lane);
