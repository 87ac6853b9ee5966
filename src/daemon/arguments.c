/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: --name VALUE, --name=VALUE, --switch, --no-switch. Names are given in full: an
 * abbreviation that works today would mean something else when an option is added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "model/channel.h"

static const struct option_origin here = { .source = ORIGIN_COMMAND_LINE };

static bool nth_name(void *context, size_t row, char ret[static QUANTITY_WORD])
{
	struct option_info info;

	(void)context;
	if (row >= options_count())
		return false;
	option_get(row, &info);
	snprintf(ret, QUANTITY_WORD, "%s", info.name);
	return true;
}

/* "--web.listen-adress": what was meant? */
static int unknown(const char *argument, size_t len, struct faults *faults)
{
	char name[QUANTITY_WORD], nearest[QUANTITY_WORD];

	snprintf(name, sizeof(name), "%.*s", (int)MIN(len, sizeof(name)), argument);
	if (nearest_word(!strncmp(name, "no-", 3) ? name + 3 : name, nth_name, NULL, nearest))
		return faults_add(faults, "--%s: no such option; did you mean --%s?", name,
				  nearest);
	return faults_add(faults, "--%s: no such option; --help lists them", name);
}

/* A switch. @value: behind '=', or NULL. */
static int apply_switch(struct options *options, int row, const struct option_info *info, bool on,
			const char *value, struct faults *faults)
{
	char why[QUANTITY_WHY];

	if (value)
		return faults_add(faults, "--%s takes no value: write --%s%s", info->name,
				  info->name, info->flags & OPTION_ACTION ? "" : " or --no-...");
	return option_set(options, (size_t)row, on ? "true" : "false", here, why);
}

/* Several hosts or names may stand in one argument, with commas; no address has them. */
static int apply_hosts(struct options *options, int row, const struct option_info *info,
		       const char *value, struct faults *faults)
{
	for (;;) {
		size_t len = strcspn(value, ",");
		char item[256], why[QUANTITY_WHY] = "";
		int r;

		snprintf(item, sizeof(item), "%.*s", (int)MIN(len, sizeof(item)), value);
		r = option_set(options, (size_t)row, item, here, why);
		if (r == -EINVAL)
			return faults_add(faults, "--%s: %s", info->name, why);
		if (r < 0 || !value[len])
			return r;
		value += len + 1;
	}
}

static int apply_value(struct options *options, int row, const struct option_info *info,
		       const char *value, struct faults *faults)
{
	char why[QUANTITY_WHY];
	int r;

	if (!value) {
		option_expects(info, why);
		return faults_add(faults, "--%s needs a value: %s", info->name, why);
	}
	if (info->type == OPTION_HOSTS || info->type == OPTION_NAMES)
		return apply_hosts(options, row, info, value, faults);
	r = option_set(options, (size_t)row, value, here, why);
	if (r == -EINVAL)
		return faults_add(faults, "--%s: %s", info->name, why);
	return r;
}

/* One argument, and the next one where it is its value. Return: how many were used, or -errno. */
static int apply_one(struct options *options, char **argv, struct faults *faults)
{
	const char *name = argv[0] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const char *value = equals ? equals + 1 : NULL;
	struct option_info info;
	bool on = true;
	int row, r;

	row = option_find(name, len, &info);
	if (row < 0 && len > 3 && !strncmp(name, "no-", 3)) {
		row = option_find(name + 3, len - 3, &info);
		if (row >= 0 && (info.type != OPTION_SWITCH || info.flags & OPTION_ACTION))
			row = -ENOENT;
		on = false;
	}
	if (row < 0)
		return unknown(name, len, faults);
	if (info.type == OPTION_SWITCH) {
		r = apply_switch(options, row, &info, on, value, faults);
		return r < 0 ? r : 1;
	}
	if (!value && argv[1]) {
		r = apply_value(options, row, &info, argv[1], faults);
		return r < 0 && r != -EINVAL ? r : 2;
	}
	r = apply_value(options, row, &info, value, faults);
	return r < 0 ? r : 1;
}

int arguments_apply(struct options *options, int argc, char **argv, struct faults *faults)
{
	unsigned int before = faults->count;
	int used;

	for (int i = 1; i < argc; i += used) {
		used = 1;
		if (!strcmp(argv[i], "-h")) {
			options->help = true;
			continue;
		}
		if (strncmp(argv[i], "--", 2) != 0 || !argv[i][2]) {
			faults_add(faults, "\"%.64s\" is no option: every option begins with --",
				   argv[i]);
			continue;
		}
		used = apply_one(options, argv + i, faults);
		if (used == -EINVAL)
			used = 1;
		else if (used < 0)
			return used;
	}
	return faults->count > before ? -EINVAL : 0;
}

#define PLACE 4160 /* PATH_MAX, and two numbers */

/* "FILE:LINE:COLUMN: " of the first of these options that the file has, else nothing. */
static const char *place_of(const struct options *options, const char *const names[],
			    char ret[static PLACE])
{
	const char *path = options->config ? options->config : TCPDIAGD_CONFIG;

	for (; *names; names++) {
		const struct option_origin *origin;
		struct option_info info;
		int row = option_find(*names, strlen(*names), &info);

		if (row < 0)
			continue;
		origin = &options->origins[row];
		if (origin->source != ORIGIN_FILE)
			continue;
		snprintf(ret, PLACE, "%s:%u:%u: ", path, origin->line, origin->column);
		return ret;
	}
	return "";
}

#define PLACE_OF(options, ...) \
	place_of(options, (const char *const[]){ __VA_ARGS__, NULL }, (char[PLACE]){ 0 })

/* With a character between them. */
static size_t list_length(const struct option_list *list)
{
	size_t length = 0;

	for (size_t i = 0; i < list->count; i++)
		length += strlen(list->items[i]) + 1;
	return length;
}

int options_check(const struct options *options, struct faults *faults)
{
	unsigned int before = faults->count;
	size_t count = options_count(), length;

	for (size_t row = 0; row < count && !options->once; row++) {
		struct option_info info;

		option_get(row, &info);
		if (info.flags & OPTION_WITH_ONCE && options->origins[row].source != ORIGIN_DEFAULT)
			faults_add(faults, "--%s says something with --once only", info.name);
	}
	if (options->unit && options->pid)
		faults_add(faults, "--unit and --pid: one of them");
	if ((options->unit || options->pid) && options->replay)
		faults_add(faults, "--%s: a dump does not say who holds its sockets",
			   options->unit ? "unit" : "pid");
	if ((options->unit || options->pid) && options->fail_on != FAIL_ON_NEVER)
		faults_add(faults, "--%s has exit statuses of its own, --fail-on says nothing",
			   options->unit ? "unit" : "pid");
	if (options->sweep_interval_ns < options->interval_ns) {
		char sweep[QUANTITY_TEXT], fast[QUANTITY_TEXT];

		quantity_print_duration(options->sweep_interval_ns, sweep);
		quantity_print_duration(options->interval_ns, fast);
		faults_add(faults, "%ssweep-interval (%s) is shorter than interval (%s)",
			   PLACE_OF(options, "sweep-interval", "interval"), sweep, fast);
	}
	length = list_length(&options->allowed_hosts);
	if (length >= CHANNEL_HOSTS_MAX)
		faults_add(faults,
			   "%sweb.allowed-hosts: all names together have %zu characters, at most "
			   "%d fit",
			   PLACE_OF(options, "web.allowed-hosts"), length, CHANNEL_HOSTS_MAX - 1);
	length = list_length(&options->linger_zero_allow);
	if (length >= THRESHOLD_NAMES_MAX)
		faults_add(faults,
			   "%srules.linger-zero.allow: all names together have %zu characters, at "
			   "most %d fit",
			   PLACE_OF(options, "rules.linger-zero.allow"), length,
			   THRESHOLD_NAMES_MAX - 1);
	if (options->listen_addresses.count == 0)
		faults_add(faults, "%sweb.listen-address: at least one address is needed",
			   PLACE_OF(options, "web.listen-address"));
	return faults->count > before ? -EINVAL : 0;
}
