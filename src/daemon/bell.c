/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events come into the journal while other sources of the event loop are dispatched, so it is looked at behind each of
 * these (sd_event_add_post(3)): where nothing happens nothing is asked. A web process that has just begun finds
 * what there is by itself.
 */
#include <errno.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/bell.h"
#include "model/macro.h"

#define PAUSE_USEC 100000U

static void ring(struct bell *bell, uint64_t now)
{
	uint64_t newest = journal_newest(&bell->journal);

	/* One that does not read its channel is told the next time. */
	bell->rung_usec = now;
	if (web_child_events(bell->web, newest) != -EAGAIN)
		bell->told = newest;
}

static int after_others(sd_event_source *source, void *userdata)
{
	struct bell *bell = userdata;
	uint64_t now;
	int armed = SD_EVENT_OFF, r;

	if (journal_newest(&bell->journal) == bell->told)
		return 0;
	r = sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
	if (r < 0)
		return r;
	if (now - bell->rung_usec >= PAUSE_USEC) {
		ring(bell, now);
		return 0;
	}
	r = sd_event_source_get_enabled(bell->timer, &armed);
	if (r < 0 || armed != SD_EVENT_OFF)
		return MIN(r, 0);
	r = sd_event_source_set_time(bell->timer, bell->rung_usec + PAUSE_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(bell->timer, SD_EVENT_ONESHOT);
}

/* What was there when the pause had not been over; the look behind this source rings. */
static int pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	return 0;
}

int bell_open(struct bell *bell, struct sd_event *event, const struct journal *journal,
	      struct web_child *web)
{
	int r;

	bell->web = web;
	journal_view(journal, &bell->journal);
	r = sd_event_add_time(event, &bell->timer, CLOCK_MONOTONIC, 0, 1000, pause_over, bell);
	if (r >= 0)
		r = sd_event_source_set_enabled(bell->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_post(event, &bell->post, after_others, bell);
	if (r < 0)
		bell_close(bell);
	return MIN(r, 0);
}

void bell_close(struct bell *bell)
{
	bell->timer = sd_event_source_disable_unref(bell->timer);
	bell->post = sd_event_source_disable_unref(bell->post);
}
