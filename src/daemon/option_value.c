/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One option's value: from text, checked against its row, back to text.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/listen.h"
#include "daemon/options.h"

static void *member(struct options *options, const struct option_info *info)
{
	return (char *)options + info->offset;
}

static const void *const_member(const struct options *options, const struct option_info *info)
{
	return (const char *)options + info->offset;
}

static void list_clear(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	*list = (struct option_list){};
}

/* A limit or a default in the option's own unit. */
static void print_number(const struct option_info *info, double number,
			 char ret[static QUANTITY_TEXT])
{
	switch (info->type) {
	case OPTION_DURATION:
		quantity_print_duration((int64_t)(number * (double)NSEC_PER_SEC + 0.5), ret);
		break;
	case OPTION_BYTES:
		quantity_print_bytes((int64_t)number, ret);
		break;
	case OPTION_PERCENT:
		quantity_print_percent(number, ret);
		break;
	default:
		snprintf(ret, QUANTITY_TEXT, "%.0f", number);
		break;
	}
}

static void join_choices(const struct option_info *info, char ret[static QUANTITY_TEXT * 2])
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; info->choices[i] && used < QUANTITY_TEXT * 2; i++)
		used += (size_t)snprintf(ret + used, QUANTITY_TEXT * 2 - used, "%s%s",
					 i == 0			? ""
					 : info->choices[i + 1] ? ", "
								: " or ",
					 info->choices[i]);
}

void option_expects(const struct option_info *info, char ret[static QUANTITY_WHY])
{
	static const char *const kinds[] = {
		[OPTION_SWITCH] = "true or false",
		[OPTION_DURATION] = "a duration such as 500ms or 1m30s",
		[OPTION_COUNT] = "a whole number",
		[OPTION_BYTES] = "a size such as 65536 or 64KiB",
		[OPTION_PERCENT] = "a number of percent",
		[OPTION_TEXT] = "a path",
		[OPTION_ADDRESSES] =
			"an address or a list of them, such as 127.0.0.1:19293 or unix:/path",
		[OPTION_HOSTS] = "a host name, or a list of host names",
		[OPTION_NAMES] = "the name of a systemd unit or a command, or a list of them",
	};
	char min[QUANTITY_TEXT], max[QUANTITY_TEXT], choices[QUANTITY_TEXT * 2];

	if (info->type == OPTION_CHOICE) {
		join_choices(info, choices);
		snprintf(ret, QUANTITY_WHY, "%s", choices);
		return;
	}
	if (info->max <= 0) {
		snprintf(ret, QUANTITY_WHY, "%s", kinds[info->type]);
		return;
	}
	print_number(info, info->min, min);
	print_number(info, info->max, max);
	snprintf(ret, QUANTITY_WHY, "%s, from %s to %s", kinds[info->type], min, max);
}

/* The range, in the unit of the row's limits. */
static int in_range(const struct option_info *info, const char *text, double number,
		    char ret_why[static QUANTITY_WHY])
{
	char min[QUANTITY_TEXT], max[QUANTITY_TEXT];

	if (info->max <= 0 || (number >= info->min && number <= info->max))
		return 0;
	print_number(info, info->min, min);
	print_number(info, info->max, max);
	return quantity_wrong(ret_why, "%.64s is out of range: from %s to %s", text, min, max);
}

static int set_number(struct options *options, const struct option_info *info, const char *text,
		      char ret_why[static QUANTITY_WHY])
{
	int64_t value = 0;
	double percent = 0;
	int r;

	switch (info->type) {
	case OPTION_DURATION:
		r = quantity_duration(text, &value, ret_why);
		break;
	case OPTION_BYTES:
		r = quantity_bytes(text, &value, ret_why);
		break;
	case OPTION_PERCENT:
		r = quantity_percent(text, &percent, ret_why);
		break;
	default:
		r = quantity_count(text, &value, ret_why);
		break;
	}
	if (r < 0)
		return r;
	if (info->type == OPTION_PERCENT) {
		r = in_range(info, text, percent, ret_why);
		if (r == 0)
			*(double *)member(options, info) = percent;
		return r;
	}
	r = in_range(info, text,
		     info->type == OPTION_DURATION ? (double)value / (double)NSEC_PER_SEC
						   : (double)value,
		     ret_why);
	if (r == 0)
		*(int64_t *)member(options, info) = value;
	return r;
}

static int set_switch(struct options *options, const struct option_info *info, const char *text,
		      char ret_why[static QUANTITY_WHY])
{
	bool on = !strcmp(text, "true");

	if (!on && strcmp(text, "false") != 0)
		return quantity_wrong(ret_why, "\"%.64s\" is neither true nor false", text);
	*(bool *)member(options, info) = on;
	return 0;
}

static int set_choice(struct options *options, const struct option_info *info, const char *text,
		      char ret_why[static QUANTITY_WHY])
{
	char choices[QUANTITY_TEXT * 2];

	for (int i = 0; info->choices[i]; i++)
		if (!strcmp(info->choices[i], text)) {
			*(int *)member(options, info) = i;
			return 0;
		}
	join_choices(info, choices);
	return quantity_wrong(ret_why, "\"%.64s\" is none of %s", text, choices);
}

/* What can stand in a Host header without its port: a name, an address, an address in brackets. */
static int check_host(const char *text, char ret_why[static QUANTITY_WHY])
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-._:[]", text[i]))
			return quantity_wrong(ret_why, "\"%.64s\" is no host name", text);
	if (len == 0 || len > 253)
		return quantity_wrong(ret_why, "a host name has 1 to 253 characters");
	return 0;
}

/* Of a unit or of a command: no blanks, which separate them later. */
static int check_name(const char *text, char ret_why[static QUANTITY_WHY])
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]))
			return quantity_wrong(ret_why, "\"%.64s\" has a character that no unit has",
					      text);
	if (len == 0 || len > 255)
		return quantity_wrong(ret_why, "a name has 1 to 255 characters");
	return 0;
}

static int check_item(enum option_type type, const char *text, char ret_why[static QUANTITY_WHY])
{
	struct listen_address address;

	if (type == OPTION_ADDRESSES)
		return listen_parse(text, &address, ret_why);
	return type == OPTION_HOSTS ? check_host(text, ret_why) : check_name(text, ret_why);
}

static int add_to_list(struct options *options, const struct option_info *info, const char *text,
		       char ret_why[static QUANTITY_WHY])
{
	struct option_list *list = member(options, info);
	int r;

	r = check_item(info->type, text, ret_why);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], text))
			return quantity_wrong(ret_why, "\"%.64s\" stands twice", text);
	if (list->count >= OPTION_LIST_MAX)
		return quantity_wrong(ret_why, "more than %d values", OPTION_LIST_MAX);
	list->items[list->count] = strdup(text);
	if (!list->items[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

static int set_text(struct options *options, const struct option_info *info, const char *text,
		    char ret_why[static QUANTITY_WHY])
{
	char **place = member(options, info), *copy;

	if (!*text)
		return quantity_wrong(ret_why, "empty; write a path");
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

void option_clear(struct options *options, size_t row, struct option_origin origin)
{
	struct option_info info;

	option_get(row, &info);
	if (option_is_list(info.type))
		list_clear(member(options, &info));
	options->origins[row] = origin;
}

typedef int setter(struct options *options, const struct option_info *info, const char *text,
		   char ret_why[static QUANTITY_WHY]);

static setter *const setters[] = {
	[OPTION_SWITCH] = set_switch,  [OPTION_DURATION] = set_number,
	[OPTION_COUNT] = set_number,   [OPTION_BYTES] = set_number,
	[OPTION_PERCENT] = set_number, [OPTION_CHOICE] = set_choice,
	[OPTION_TEXT] = set_text,      [OPTION_ADDRESSES] = add_to_list,
	[OPTION_HOSTS] = add_to_list,  [OPTION_NAMES] = add_to_list,
};

int option_set(struct options *options, size_t row, const char *text, struct option_origin origin,
	       char ret_why[static QUANTITY_WHY])
{
	struct option_info info;
	int r;

	option_get(row, &info);
	if (option_is_list(info.type) && options->origins[row].source != origin.source)
		option_clear(options, row, origin);
	r = setters[info.type](options, &info, text, ret_why);
	if (r == 0)
		options->origins[row] = origin;
	return r;
}

int options_default(struct options *ret)
{
	size_t count = options_count();
	int r = 0;

	*ret = (struct options){};
	thresholds_default(&ret->thresholds);
	for (size_t row = 0; row < count && r == 0; row++) {
		char text[QUANTITY_TEXT], why[QUANTITY_WHY];
		struct option_info info;

		option_get(row, &info);
		option_default(&info, text);
		if (*text)
			r = option_set(ret, row, text, (struct option_origin){}, why);
	}
	return r;
}

void options_done(struct options *options)
{
	size_t count = options_count();

	for (size_t row = 0; row < count; row++) {
		struct option_info info;

		option_get(row, &info);
		if (option_is_list(info.type)) {
			list_clear(member(options, &info));
		} else if (info.type == OPTION_TEXT) {
			char **text = member(options, &info);

			free(*text);
			*text = NULL;
		}
	}
}

static bool list_equal(const struct option_list *a, const struct option_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool option_equal(const struct options *a, const struct options *b, size_t row)
{
	static const size_t sizes[] = {
		[OPTION_SWITCH] = sizeof(bool),	   [OPTION_DURATION] = sizeof(int64_t),
		[OPTION_COUNT] = sizeof(int64_t),  [OPTION_BYTES] = sizeof(int64_t),
		[OPTION_PERCENT] = sizeof(double), [OPTION_CHOICE] = sizeof(int),
	};
	struct option_info info;

	option_get(row, &info);
	if (option_is_list(info.type))
		return list_equal(const_member(a, &info), const_member(b, &info));
	if (info.type == OPTION_TEXT) {
		const char *const *x = const_member(a, &info), *const *y = const_member(b, &info);

		return *x && *y ? !strcmp(*x, *y) : *x == *y;
	}
	return !memcmp(const_member(a, &info), const_member(b, &info), sizes[info.type]);
}
