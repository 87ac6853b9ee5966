/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process has a descriptor from another one when that is its parent, or when it began after the socket was there
 * (born_ns is the latest that may have been), so that somebody else has created it. systemd and inetd start
 * programs for connections that they have accepted: those are handed over.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/inherit.h"
#include "model/macro.h"

/* They accept connections for others (Accept=yes, nowait). */
static const char *const hand_over[] = { "systemd", "init", "inetd", "xinetd", "launchd" };

void inherit_add(struct inherit_rows *rows, uint32_t row)
{
	for (uint32_t i = 0; i < MIN(rows->count, INHERIT_MAX); i++)
		if (rows->row[i] == row)
			return;
	if (rows->count < INHERIT_MAX)
		rows->row[rows->count] = row;
	rows->count = MIN(rows->count + 1, INHERIT_MAX + 1);
}

static int64_t clock_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t inherit_clock_offset(void)
{
	return clock_now(CLOCK_BOOTTIME) - clock_now(CLOCK_MONOTONIC);
}

/*
 * Never earlier than it says: start times are cut to whole ticks, and a sleep of the machine since makes the
 * offset larger than it was.
 */
static bool began_after(const struct roster_kin *kin, int64_t when_ns, int64_t clock_offset_ns)
{
	const long ticks = sysconf(_SC_CLK_TCK);
	int64_t began;

	if (ticks <= 0 || !when_ns ||
	    __builtin_mul_overflow(kin->start_time, NSEC_PER_SEC / ticks, &began))
		return false;
	return began - clock_offset_ns > when_ns;
}

static bool is_child(const struct roster_kin *child, const struct roster_kin *parent)
{
	return child->parent == parent->pid && parent->start_time <= child->start_time;
}

static bool is_own(const struct roster_kin *kin)
{
	return kin->pid == getpid() || kin->parent == getpid();
}

static bool hands_over(const struct roster_kin *kin)
{
	for (size_t i = 0; i < ARRAY_SIZE(hand_over); i++)
		if (!strcmp(kin->comm, hand_over[i]))
			return true;
	return false;
}

/* Another program, of which it is known. */
static bool is_foreign(const struct roster_kin *kin, const struct roster_kin *origin)
{
	return kin->executable && kin->executable != origin->executable && !is_own(kin);
}

static bool may_be_origin(const struct roster_kin *kin)
{
	return kin->executable && !hands_over(kin) && !is_own(kin);
}

/* What there has to be of it, so that it can be seen whether somebody uses it. */
static bool is_followed(const struct record *record)
{
	return record->sk.kind == TCPDIAG_KIND_FULL && record->sk.state != TCPDIAG_LISTEN &&
	       record->sk.state != TCPDIAG_CLOSE && record->sk.known & TCPDIAG_KNOWS_BYTES;
}

bool inherit_holds(const struct roster *roster, const struct record *record, uint32_t origin,
		   const struct inherit_rows *now, int64_t clock_offset_ns)
{
	struct roster_kin from, kin;

	if (!is_followed(record) || !now->count || now->count > INHERIT_MAX ||
	    !roster_kin(roster, origin, &from) || !may_be_origin(&from))
		return false;
	for (uint32_t i = 0; i < now->count; i++)
		if (!roster_kin(roster, now->row[i], &kin) || !is_foreign(&kin, &from) ||
		    (!is_child(&kin, &from) &&
		     !began_after(&kin, record->born_ns, clock_offset_ns)))
			return false;
	return true;
}

bool inherit_from_parent(const struct roster *roster, const struct record *record, uint32_t parent,
			 const struct inherit_rows *now, int64_t clock_offset_ns)
{
	struct roster_kin from, kin;

	if (!inherit_holds(roster, record, parent, now, clock_offset_ns) ||
	    !roster_kin(roster, parent, &from))
		return false;
	for (uint32_t i = 0; i < now->count; i++)
		if (!roster_kin(roster, now->row[i], &kin) || !is_child(&kin, &from) ||
		    !began_after(&kin, record->born_ns, clock_offset_ns))
			return false;
	return true;
}

static bool has(const struct inherit_rows *rows, uint32_t row)
{
	for (uint32_t i = 0; i < MIN(rows->count, INHERIT_MAX); i++)
		if (rows->row[i] == row)
			return true;
	return false;
}

/* Of those who have let go the one that began first: the others have it from there. */
static uint32_t first_to_leave(const struct roster *roster, const struct inherit_rows *before,
			       const struct inherit_rows *now)
{
	struct roster_kin kin, first = {};
	uint32_t ret = RECORD_NONE;

	for (uint32_t i = 0; i < before->count; i++) {
		if (has(now, before->row[i]) || !roster_kin(roster, before->row[i], &kin))
			continue;
		if (ret != RECORD_NONE && first.start_time <= kin.start_time)
			continue;
		ret = before->row[i];
		first = kin;
	}
	return ret;
}

uint32_t inherit_origin(const struct roster *roster, const struct record *record,
			const struct inherit_rows *before, const struct inherit_rows *now,
			int64_t clock_offset_ns)
{
	uint32_t origin;

	if (before->count > INHERIT_MAX || now->count > INHERIT_MAX)
		return RECORD_NONE;
	origin = first_to_leave(roster, before, now);
	return inherit_holds(roster, record, origin, now, clock_offset_ns) ? origin : RECORD_NONE;
}
