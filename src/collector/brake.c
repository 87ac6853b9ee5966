/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three levels and a second's patience, but for a flood.
 *
 * A step down takes seconds, in a flood tenths of one; a step up minutes, and one that was wrong takes twice as
 * long the next time: a host at the limit gets one level for a long while, not one after the other. Below the limit
 * but above a third of it nothing changes: at the middle level no more than a third of the rows of a connection are
 * left, so a release from above that would be a relapse.
 */
#include "collector/brake.h"

#include <math.h>

#include "model/macro.h"

/* Measured with a connection storm on a machine of 2026; and what a row may cost at most and at least. */
#define ROW_NS_ASSUMED 250.0
#define ROW_NS_MIN 100.0
#define ROW_NS_MAX 10000.0

#define FLOOD 500000.0 /* rows a second and per cent of the share, whatever they cost */
#define FLOOD_SHARES 10.0 /* times the share, whatever rows that is */
#define BURST_ROWS 40000.0 /* what the ring holds by itself (collector/events.c) */
#define LOOK_NS (50 * NSEC_PER_MSEC) /* drains follow each other closer before a poll */
#define STILL_FLOOD_NS (180 * NSEC_PER_MSEC) /* two drains at the middle level */
#define OVER_SECONDS 3 /* until the first step */
#define STILL_OVER_SECONDS 10 /* until the second */
#define CALM_SECONDS 30
#define DETACHED_SECONDS 60
#define RELAPSE_SECONDS 300 /* after a release */
#define RELAPSES_MAX 4
#define RELEASE_BELOW (1.0 / 3)
#define SMOOTH 0.5 /* weight of the last second */

#define MEASURE_EVERY (10 * NSEC_PER_SEC)
#define MEASURE_FOR NSEC_PER_SEC

void brake_init(struct brake *brake, double share_percent, int64_t now_ns)
{
	*brake = (struct brake){
		.share_max = share_percent / 100,
		.share = -1,
		.row_ns = ROW_NS_ASSUMED,
		.level_ns = now_ns,
	};
}

void brake_measured(struct brake *brake, int64_t wall_ns, uint64_t run_ns, uint64_t rows)
{
	/* A few rows say little: what they cost is mostly that of events that gave none. */
	if (wall_ns <= 0 || rows < 100)
		return;
	brake->measured = true;
	brake->row_ns = fmin(fmax((double)run_ns / (double)rows, ROW_NS_MIN), ROW_NS_MAX);
}

static void change(struct brake *brake, enum event_brake level, int64_t now_ns, uint64_t rows)
{
	if (level > brake->level) {
		brake->pulled++;
		if (brake->released_ns &&
		    now_ns - brake->released_ns < RELAPSE_SECONDS * NSEC_PER_SEC &&
		    brake->relapses < RELAPSES_MAX)
			brake->relapses++;
		/* Two steps of one flood are one relapse. */
		brake->released_ns = 0;
	} else {
		brake->released_ns = now_ns;
	}
	brake->level = (uint8_t)level;
	brake->level_ns = now_ns;
	brake->over = 0;
	brake->calm = 0;
	brake->look_ns = now_ns;
	brake->look_rows = rows;
	brake->flood_ns = 0;
}

/* Rows a second that are not waited for. */
static double flood_of(const struct brake *brake)
{
	const double share = brake->share_max * FLOOD_SHARES * NSEC_PER_SEC / brake->row_ns;

	return fmin(FLOOD * fmax(brake->share_max * 100, 1), share);
}

/* What has come since the last drain. Return: a flood is under way that is no burst. */
static bool look(struct brake *brake, int64_t now_ns, uint64_t rows)
{
	const int64_t passed_ns = now_ns - brake->look_ns;
	const int64_t look_ns = brake->look_ns;
	const uint64_t look_rows = brake->look_rows;

	if (passed_ns < LOOK_NS)
		return false;
	brake->look_ns = now_ns;
	brake->look_rows = rows;
	if ((double)(rows - look_rows) * NSEC_PER_SEC / (double)passed_ns <= flood_of(brake)) {
		brake->flood_ns = 0;
		return false;
	}
	if (!brake->flood_ns) {
		brake->flood_ns = look_ns;
		brake->flood_rows = look_rows;
	}
	return (double)(rows - brake->flood_rows) > BURST_ROWS;
}

/* At a flood that is no burst. */
static enum event_brake next_level(const struct brake *brake, int64_t now_ns)
{
	if (brake->level == EVENT_BRAKE_OFF)
		return EVENT_BRAKE_ENDS;
	return now_ns - brake->flood_ns >= STILL_FLOOD_NS ? EVENT_BRAKE_DETACHED
							  : (enum event_brake)brake->level;
}

/* One second has passed, with so many rows; @share: smoothed. */
static enum event_brake decide(struct brake *brake, double share, double per_second, int64_t now_ns)
{
	const int64_t at_level_ns = now_ns - brake->level_ns;
	const uint32_t patience = CALM_SECONDS << brake->relapses;

	brake->over = share > brake->share_max ? brake->over + 1 : 0;
	brake->calm = share < brake->share_max * RELEASE_BELOW &&
				      per_second < flood_of(brake) * RELEASE_BELOW
			      ? brake->calm + 1
			      : 0;
	switch (brake->level) {
	case EVENT_BRAKE_OFF:
		if (at_level_ns > 2 * (int64_t)RELAPSE_SECONDS * NSEC_PER_SEC)
			brake->relapses = 0;
		return brake->over >= OVER_SECONDS ? EVENT_BRAKE_ENDS : EVENT_BRAKE_OFF;
	case EVENT_BRAKE_ENDS:
		if (brake->over >= STILL_OVER_SECONDS)
			return EVENT_BRAKE_DETACHED;
		return brake->calm >= patience ? EVENT_BRAKE_OFF : EVENT_BRAKE_ENDS;
	default:
		/* Nothing is seen: whether it is calm, only a try can tell. */
		return at_level_ns >= ((int64_t)DETACHED_SECONDS << brake->relapses) * NSEC_PER_SEC
			       ? EVENT_BRAKE_ENDS
			       : EVENT_BRAKE_DETACHED;
	}
}

static void begin_again(struct brake *brake, int64_t now_ns, uint64_t rows)
{
	brake->second_ns = brake->look_ns = now_ns;
	brake->rows = brake->look_rows = rows;
	brake->flood_ns = 0;
}

/* Once a second. Return: the level that follows from it. */
static enum event_brake step_second(struct brake *brake, int64_t now_ns, uint64_t rows)
{
	const int64_t passed_ns = now_ns - brake->second_ns;
	double per_second, share;

	if (passed_ns < NSEC_PER_SEC)
		return (enum event_brake)brake->level;
	per_second = (double)(rows - brake->rows) * NSEC_PER_SEC / (double)passed_ns;
	share = per_second * brake->row_ns / NSEC_PER_SEC;
	brake->second_ns = now_ns;
	brake->rows = rows;
	brake->share = brake->share < 0 ? share : SMOOTH * share + (1 - SMOOTH) * brake->share;
	if (brake->share_max <= 0)
		return (enum event_brake)brake->level;
	return decide(brake, brake->share, per_second, now_ns);
}

bool brake_step(struct brake *brake, int64_t now_ns, uint64_t rows)
{
	enum event_brake level;

	if (!brake->second_ns || now_ns < brake->second_ns || now_ns < brake->look_ns ||
	    rows < brake->rows || rows < brake->look_rows) {
		begin_again(brake, now_ns, rows);
		return false;
	}
	level = step_second(brake, now_ns, rows);
	if (level == brake->level && brake->share_max > 0 && brake->level != EVENT_BRAKE_DETACHED &&
	    look(brake, now_ns, rows))
		level = next_level(brake, now_ns);
	if (level == brake->level)
		return false;
	change(brake, level, now_ns, rows);
	return true;
}

/* ---- with a reader ---- */

void brake_lane_init(struct brake_lane *lane, double share_percent, int64_t now_ns)
{
	*lane = (struct brake_lane){ .next_ns = now_ns };
	brake_init(&lane->brake, share_percent, now_ns);
}

static void measure_begin(struct brake_lane *lane, struct event_reader *reader, int64_t now_ns,
			  uint64_t rows)
{
	lane->next_ns = now_ns + MEASURE_EVERY;
	if (lane->refused || lane->brake.level == EVENT_BRAKE_DETACHED)
		return;
	if (events_measure(reader, true) < 0) {
		lane->refused = true;
		return;
	}
	if (events_cost(reader, &lane->run_ns) < 0) {
		events_measure(reader, false);
		return;
	}
	lane->measuring = true;
	lane->begin_ns = now_ns;
	lane->rows = rows;
	lane->next_ns = now_ns + MEASURE_FOR;
}

static void measure_end(struct brake_lane *lane, struct event_reader *reader, int64_t now_ns,
			uint64_t rows)
{
	uint64_t run_ns;

	if (events_cost(reader, &run_ns) == 0 && run_ns >= lane->run_ns && rows >= lane->rows)
		brake_measured(&lane->brake, now_ns - lane->begin_ns, run_ns - lane->run_ns,
			       rows - lane->rows);
	events_measure(reader, false);
	lane->measuring = false;
	lane->next_ns = now_ns + MEASURE_EVERY - MEASURE_FOR;
}

int brake_lane_step(struct brake_lane *lane, struct event_reader *reader, int64_t now_ns,
		    uint64_t rows)
{
	int r;

	if (now_ns >= lane->next_ns) {
		if (lane->measuring)
			measure_end(lane, reader, now_ns, rows);
		else
			measure_begin(lane, reader, now_ns, rows);
	}
	if (!brake_step(&lane->brake, now_ns, rows))
		return 0;
	/* What is measured across a change is of neither level. */
	if (lane->measuring) {
		events_measure(reader, false);
		lane->measuring = false;
	}
	r = events_thin(reader, (enum events_level)lane->brake.level);
	return r < 0 ? r : 1;
}

const char *brake_says(enum event_brake level)
{
	static const char *const says[EVENT_BRAKE_MAX] = {
		[EVENT_BRAKE_ENDS] =
			"the programs took more than collector.events-share of a core: only "
			"resets and the ends of sockets are seen",
		[EVENT_BRAKE_DETACHED] =
			"the programs took more than collector.events-share of a core even so, "
			"and are detached for a while: nothing is seen",
	};

	return level < EVENT_BRAKE_MAX ? says[level] : NULL;
}
