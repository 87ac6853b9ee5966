/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a source. A source that is not there is said, with the errno and the way out.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "collector/sources.h"

void sources_init(struct sources *sources)
{
	int i;

	memset(sources, 0, sizeof(*sources));
	for (i = 0; i < SOURCE_MAX; i++) {
		sources->text[i].row.id = (uint8_t)i;
		sources->text[i].row.state = SOURCE_STARTING;
	}
	sources->text[SOURCE_EVENTS].row.state = SOURCE_OFF; /* until collector/events.c opens it */
}

void sources_set(struct sources *sources, enum source_id id, enum source_state state,
		 const char *format, ...)
{
	struct source_text *text = &sources->text[id];
	va_list arguments;

	text->row.state = (uint8_t)state;
	if (state == SOURCE_OK || state == SOURCE_OFF)
		text->row.error = 0;
	text->reason[0] = '\0';
	if (!format)
		return;
	va_start(arguments, format);
	vsnprintf(text->reason, sizeof(text->reason), format, arguments);
	va_end(arguments);
}

void sources_passed(struct sources *sources, enum source_id id, int64_t now_ns, int64_t cost_ns)
{
	struct source *row = &sources->text[id].row;

	row->passes++;
	row->last_ns = now_ns;
	row->cost_ns = cost_ns;
}

void sources_failed(struct sources *sources, enum source_id id, int error, const char *what,
		    const char *remedy)
{
	sources_set(sources, id, SOURCE_FAILED, "%s: %s%s%s", what, strerror(error),
		    *remedy ? "; " : "", remedy);
	sources->text[id].row.error = error;
	sources->text[id].row.passes++;
	sources->text[id].row.failures++;
}

int sources_publish(const struct sources *sources, struct snapshot_writer *w)
{
	struct source *rows;
	int i;

	rows = snapshot_section(w, SECTION_SOURCES, SOURCE_MAX, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < SOURCE_MAX; i++) {
		const struct source_text *text = &sources->text[i];

		rows[i] = text->row;
		rows[i].reason = snapshot_string(w, text->reason, strlen(text->reason));
	}
	return 0;
}
