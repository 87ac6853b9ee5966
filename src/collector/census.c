/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The search for network namespaces, as a lane: slices between polls, a fifth of a percent of a core.
 *
 * Which there are the processes and /run/netns say (kernel/netns.h). That there are others the pass over the
 * descriptors can tell: it meets sockets whose namespace has neither. Those are counted when two passes in a row have met
 * them, and a search that began in between has not found them.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "collector/private.h"
#include "model/macro.h"

#define FIRST_NS (200 * NSEC_PER_MSEC)

static void forget_ports(void *context, uint32_t inode)
{
	struct collector *c = context;

	listeners_forget(c->listeners, inode);
}

/* What is no longer there is closed at once. */
static int take_places(struct collector *c)
{
	const struct netns_place *places;
	uint32_t count;
	int r;

	/* Before the first result only the own one stands there. */
	if (!netns_result_ns(c->census.watch))
		return 0;
	places = netns_places(c->census.watch, &count);
	/* What the first search finds was there before: records of it may come from before a restart. */
	r = spaces_sync(&c->spaces, places, count, c->census.found ? clock_ns(CLOCK_MONOTONIC) : 0,
			forget_ports, c);
	/* Records of what it has not found have waited for it. */
	if (!c->census.found)
		c->spaces.lost = true;
	c->census.found = true;
	return r;
}

bool census_waits(const struct collector *c)
{
	return c->census.watch && !c->census.found && !c->census.error;
}

int census_open(struct collector *c)
{
	int r;

	if (c->census.watch || c->replay || !c->settings.namespaces)
		return 0;
	r = netns_watch_new("/proc", "/run/netns", c->settings.max_namespaces, &c->census.watch);
	c->census.error = r < 0 ? -r : 0;
	if (r < 0)
		c->census.watch = NULL;
	return r;
}

void census_close(struct collector *c)
{
	if (!c->census.watch)
		return;
	c->census.watch = netns_watch_free(c->census.watch);
	free(c->census.strays);
	c->census = (struct census_lane){};
	(void)spaces_sync(&c->spaces, NULL, 0, 0, forget_ports, c);
}

int census_step(struct collector *c, int64_t budget_ns)
{
	struct census_lane *census = &c->census;
	int64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	if (!census->watch)
		return -ENODATA;
	if (!census->running) {
		census->running = true;
		census->hurry = false;
		census->cost_ns = 0;
		census->cut_before = netns_cut(census->watch);
	}
	r = netns_step(census->watch, budget_ns, clock_ns(CLOCK_MONOTONIC));
	census->cost_ns += (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began);
	if (r != 0) {
		census->running = false;
		census->last_ns = clock_ns(CLOCK_MONOTONIC);
		census->error = r < 0 ? -r : 0;
	}
	if (r != 1)
		return r;
	census->cut = (uint32_t)(netns_cut(census->watch) - census->cut_before);
	sources_passed(&c->sources, SOURCE_NAMESPACES, netns_result_ns(census->watch),
		       (int64_t)census->cost_ns);
	r = take_places(c);
	return r < 0 ? r : 1;
}

void census_all(struct collector *c)
{
	int64_t end = c->timer ? clock_ns(CLOCK_MONOTONIC) + FIRST_NS : INT64_MAX;

	while (c->census.watch && census_step(c, FIRST_NS / 4) == 0)
		if (clock_ns(CLOCK_MONOTONIC) > end)
			break;
}

void census_changed(struct collector *c)
{
	if (!c->census.watch)
		return;
	if (netns_changed(c->census.watch))
		c->census.hurry = true;
	(void)take_places(c);
}

/* ---- what nobody can enter ---- */

static bool listed(const uint32_t *numbers, uint32_t count, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* The namespaces of a new walk that nobody has found, compared with those of the walk before. */
static void find_strays(struct collector *c)
{
	struct census_lane *census = &c->census;
	const uint32_t *met;
	uint32_t count = owners_namespaces(c->walk.owners, &met), found = 0, i;
	uint32_t *strays = calloc(MAX(count, 1U), sizeof(*strays));

	if (!strays)
		return;
	census->confirmed = 0;
	for (i = 0; i < count; i++) {
		if (spaces_find(&c->spaces, met[i]))
			continue;
		strays[found++] = met[i];
		census->confirmed += listed(census->strays, census->stray_count, met[i]);
	}
	if (found)
		census->hurry = true;
	free(census->strays);
	census->strays = strays;
	census->stray_count = found;
	census->judged_ns = owners_result_ns(c->walk.owners);
}

/* ---- how well ---- */

struct unread {
	uint32_t failed, waiting, count;
	const struct space *example; /* that failed */
};

static struct unread unread(const struct collector *c)
{
	struct unread sums = {};
	uint32_t i;

	for (i = 0; i < c->spaces.count; i++) {
		const struct space *space = c->spaces.rows[i];

		/* Gone half-way, as each container that ends may: the search that comes next will say. */
		const bool going = space->error == ENOENT && space->failures < 2;

		if (space->own)
			continue;
		if (space->error && !going) {
			sums.failed++;
			sums.example = sums.example ? sums.example : space;
		} else if (!space->error && !space->sweep_ns && !space->cut) {
			sums.waiting++;
		}
		sums.count += !space->sweep_ns;
	}
	return sums;
}

int64_t census_others(const struct collector *c)
{
	const struct census_lane *census = &c->census;

	if (census->watch)
		return netns_result_ns(census->watch)
			       ? (int64_t)unread(c).count + census->confirmed + census->cut
			       : -1;
	if (!c->walk.owners || !owners_result_ns(c->walk.owners))
		return -1;
	return owners_other_namespaces(c->walk.owners, c->self.netns);
}

/* Processes whose namespace nobody can tell. Where BPF lists the sockets it would show as a stray. */
static uint32_t hidden(const struct collector *c)
{
	return c->walk.bpf ? 0 : netns_unreadable(c->census.watch);
}

bool census_is_complete(const struct collector *c)
{
	const struct census_lane *census = &c->census;

	if (!census->watch)
		return census_others(c) == 0;
	return census_others(c) == 0 && !census->stray_count && !unread(c).failed && !hidden(c);
}

static void say_off(struct collector *c)
{
	int64_t others = census_others(c);

	if (others < 0)
		sources_set(
			&c->sources, SOURCE_NAMESPACES, SOURCE_OFF,
			"switched off by --no-collector.namespaces: only tcpdiagd's own network "
			"namespace is read");
	else
		sources_set(&c->sources, SOURCE_NAMESPACES, SOURCE_OFF,
			    "switched off by --no-collector.namespaces: %lld other network "
			    "namespace%s (containers) %s not read",
			    (long long)others, others == 1 ? "" : "s", others == 1 ? "is" : "are");
}

struct parts {
	char text[440];
	size_t used;
};

PRINTF(2, 3) static void part(struct parts *parts, const char *format, ...)
{
	const char *separator = parts->used ? "; " : "";
	size_t left = sizeof(parts->text) - parts->used;
	va_list arguments;
	char text[320];
	int n;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	n = snprintf(parts->text + parts->used, left, "%s%s", separator, text);
	if (n > 0)
		parts->used += MIN((size_t)n, left - 1);
}

/* All of them together; each by itself stands in its row. */
static void say_unread(struct collector *c)
{
	const struct census_lane *census = &c->census;
	uint32_t concealed = hidden(c);
	struct unread sums = unread(c);
	struct parts parts = {};

	if (sums.failed)
		part(&parts, "%u of %u other network namespaces cannot be read (%u%s%s: %s: %s)%s",
		     sums.failed, c->spaces.count - 1, sums.example->inode,
		     sums.example->name[0] ? ", " : "", sums.example->name, sums.example->what,
		     strerror(sums.example->error),
		     sums.example->error == EPERM ? ": CAP_SYS_ADMIN is needed" : "");
	if (census->confirmed)
		part(&parts,
		     "%u network namespace%s with sockets but neither a process nor a name cannot "
		     "be "
		     "entered",
		     census->confirmed, census->confirmed == 1 ? "" : "s");
	if (concealed)
		part(&parts,
		     "the network namespace of %u process%s cannot be seen: CAP_SYS_PTRACE is "
		     "needed",
		     concealed, concealed == 1 ? "" : "es");
	if (census->cut)
		part(&parts, "%u network namespaces are above limits.namespaces (%u)", census->cut,
		     c->settings.max_namespaces);
	if (sums.waiting)
		part(&parts, "%u network namespace%s been found and not been read yet",
		     sums.waiting, sums.waiting == 1 ? " has" : "s have");
	if (parts.used)
		sources_set(&c->sources, SOURCE_NAMESPACES, SOURCE_DEGRADED, "%s", parts.text);
	else
		sources_set(&c->sources, SOURCE_NAMESPACES, SOURCE_OK, NULL);
}

void census_say(struct collector *c)
{
	struct census_lane *census = &c->census;

	if (c->replay)
		return;
	if (!c->settings.namespaces) {
		say_off(c);
		return;
	}
	if (!census->watch || census->error) {
		sources_failed(&c->sources, SOURCE_NAMESPACES, census->error,
			       "network namespaces cannot be searched for below /proc", "");
		return;
	}
	if (!netns_result_ns(census->watch)) {
		sources_set(&c->sources, SOURCE_NAMESPACES, SOURCE_STARTING,
			    "the first search for network namespaces is not complete: only "
			    "tcpdiagd's own is read");
		return;
	}
	if (c->walk.owners && owners_result_ns(c->walk.owners) > census->judged_ns)
		find_strays(c);
	say_unread(c);
}
