/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as people read them at night: grouped by thousands, few digits, a unit that fits.
 */
#include "rules/sentence.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

void sentence_add(struct sentence *s, const char *format, ...)
{
	size_t room = sizeof(s->text) - s->len;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(s->text + s->len, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		s->len += MIN((size_t)n, room - 1);
}

void sentence_number(struct sentence *s, uint64_t number)
{
	if (number >= 1000) {
		sentence_number(s, number / 1000);
		sentence_add(s, ",%03u", (unsigned int)(number % 1000));
	} else {
		sentence_add(s, "%u", (unsigned int)number);
	}
}

void sentence_count(struct sentence *s, uint64_t number, const char *singular, const char *plural)
{
	sentence_number(s, number);
	sentence_add(s, " %s", number == 1 ? singular : plural);
}

void sentence_rate(struct sentence *s, double rate)
{
	if (rate < 9.95)
		sentence_add(s, "%.2g", rate);
	else
		sentence_number(s, (uint64_t)(rate + 0.5));
}

void sentence_duration(struct sentence *s, double seconds)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "h" }, { 60, "min" } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (seconds >= 20 * units[i].seconds)
			break;
	if (i == ARRAY_SIZE(units))
		sentence_add(s, "%.0f s", seconds);
	else
		sentence_add(s, "%.0f %s", seconds / units[i].seconds, units[i].name);
}

void sentence_address(struct sentence *s, const uint8_t address[16], uint16_t port)
{
	static const uint8_t zero[16], mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];

	if (!memcmp(address, zero, 16) ||
	    (!memcmp(address, mapped, 12) && !memcmp(address + 12, zero, 4)))
		sentence_add(s, "*:%u", port);
	else if (!memcmp(address, mapped, 12) &&
		 inet_ntop(AF_INET, address + 12, text, sizeof(text)))
		sentence_add(s, "%s:%u", text, port);
	else if (inet_ntop(AF_INET6, address, text, sizeof(text)))
		sentence_add(s, "[%s]:%u", text, port);
}
