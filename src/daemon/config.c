/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * YAML in two passes over the same text. The first reads events and refuses what a configuration
 * does not need and a tree would hide: several documents, anchors and aliases (which make cycles),
 * tags, depth. The second loads libyaml's document tree, in which every node knows its line and
 * column, and walks it along the table of options. Nothing is converted by YAML's own rules: a
 * value is its text, read as on the command line, so that `010` or `yes` cannot become something
 * else.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "daemon/config.h"

#define DEPTH_MAX 8

struct walk {
	const char *name; /* of the file */
	yaml_document_t *document;
	struct options *options;
	struct faults *faults;
	bool out_of_memory;
};

static int fault_at(const char *name, yaml_mark_t mark, struct faults *faults, const char *format,
		    ...) PRINTF(4, 5);

static int fault_at(const char *name, yaml_mark_t mark, struct faults *faults, const char *format,
		    ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return faults_add(faults, "%s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, text);
}

/* What libyaml has against the text. The reader knows only a byte's offset. */
static int syntax_fault(const yaml_parser_t *parser, const char *text, size_t len, const char *name,
			struct faults *faults)
{
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		mark = (yaml_mark_t){};
		for (size_t i = 0; i < MIN(parser->problem_offset, len); i++) {
			mark.column = text[i] == '\n' ? 0 : mark.column + 1;
			mark.line += text[i] == '\n';
		}
	}
	return fault_at(name, mark, faults, "this is no YAML: %s%s%s", parser->problem,
			parser->context ? ", " : "", parser->context ? parser->context : "");
}

static const char *event_trouble(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "aliases (*name) are not taken here: write the value again";
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor)
			return "anchors (&name) are not taken here";
		return event->data.scalar.tag ? "tags (!type) are not taken here" : NULL;
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor)
			return "anchors (&name) are not taken here";
		return event->data.sequence_start.tag ? "tags (!type) are not taken here" : NULL;
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor)
			return "anchors (&name) are not taken here";
		return event->data.mapping_start.tag ? "tags (!type) are not taken here" : NULL;
	default:
		return NULL;
	}
}

/* Counts what opens and closes. Return: false where the rest is not worth reading. */
static bool event_fits(const yaml_event_t *event, const char *name, unsigned int *documents,
		       unsigned int *depth, struct faults *faults)
{
	const char *trouble = event_trouble(event);

	if (trouble)
		fault_at(name, event->start_mark, faults, "%s", trouble);
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++*documents > 1) {
			fault_at(name, event->start_mark, faults,
				 "a second document begins here: only one is taken");
			return false;
		}
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++*depth > DEPTH_MAX) {
			fault_at(name, event->start_mark, faults, "nested deeper than %d levels",
				 DEPTH_MAX);
			return false;
		}
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		break;
	default:
		break;
	}
	return !faults_full(faults);
}

/* First pass. */
static int check_shape(const char *text, size_t len, const char *name, struct faults *faults)
{
	unsigned int before = faults->count, documents = 0, depth = 0;
	yaml_parser_t parser;
	bool more = true;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (more) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			r = syntax_fault(&parser, text, len, name, faults);
			break;
		}
		more = event_fits(&event, name, &documents, &depth, faults) &&
		       event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (r == 0 && faults->count > before)
		r = -EINVAL;
	return r;
}

static const char *node_kind(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE	  ? "a mapping"
	       : node->type == YAML_SEQUENCE_NODE ? "a list"
						  : "a value";
}

/* A scalar's text; NULL where it holds a NUL. */
static const char *scalar_text(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* `key:` with nothing behind it. */
static bool is_nothing(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void set_scalar(struct walk *walk, size_t row, const struct option_info *info,
		       const yaml_node_t *node)
{
	struct option_origin origin = {
		.source = ORIGIN_FILE,
		.line = (unsigned int)node->start_mark.line + 1,
		.column = (unsigned int)node->start_mark.column + 1,
	};
	const char *text = scalar_text(node);
	char why[QUANTITY_WHY];
	int r;

	if (!text) {
		fault_at(walk->name, node->start_mark, walk->faults, "%s: a NUL in a text",
			 info->name);
		return;
	}
	/* "true" in quotes is a text to YAML, and so it is here. */
	if (info->type == OPTION_SWITCH && node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
		fault_at(walk->name, node->start_mark, walk->faults,
			 "%s: a text in quotes; expected true or false", info->name);
		return;
	}
	r = option_set(walk->options, row, text, origin, why);
	if (r == -EINVAL)
		fault_at(walk->name, node->start_mark, walk->faults, "%s: %s", info->name, why);
	else if (r < 0)
		walk->out_of_memory = true;
}

static void set_list(struct walk *walk, size_t row, const struct option_info *info,
		     const yaml_node_t *node)
{
	struct option_origin origin = {
		.source = ORIGIN_FILE,
		.line = (unsigned int)node->start_mark.line + 1,
		.column = (unsigned int)node->start_mark.column + 1,
	};
	const yaml_node_item_t *item;

	option_clear(walk->options, row, origin);
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *value = yaml_document_get_node(walk->document, *item);

		if (faults_full(walk->faults))
			return;
		if (value->type == YAML_SCALAR_NODE)
			set_scalar(walk, row, info, value);
		else
			fault_at(walk->name, value->start_mark, walk->faults,
				 "%s: %s in the list; expected a text", info->name,
				 node_kind(value));
	}
	/* Each value has left its own place; what is said of the list is said of its beginning. */
	walk->options->origins[row] = origin;
}

static void set_option(struct walk *walk, size_t row, const struct option_info *info,
		       const yaml_node_t *node)
{
	bool list = option_is_list(info->type);
	char expects[QUANTITY_WHY];

	option_expects(info, expects);
	if (is_nothing(node))
		fault_at(walk->name, node->start_mark, walk->faults, "%s: no value; expected %s",
			 info->name, expects);
	else if (node->type == YAML_SCALAR_NODE)
		set_scalar(walk, row, info, node);
	else if (node->type == YAML_SEQUENCE_NODE && list)
		set_list(walk, row, info, node);
	else
		fault_at(walk->name, node->start_mark, walk->faults, "%s: %s; expected %s",
			 info->name, node_kind(node), expects);
}

/* Does an option of the file begin with this section's name and a dot? */
static bool is_section(const char *name)
{
	size_t count = options_count(), len = strlen(name);

	for (size_t row = 0; row < count; row++) {
		struct option_info info;

		option_get(row, &info);
		if (!strncmp(info.name, name, len) && info.name[len] == '.')
			return true;
	}
	return false;
}

/* The keys that may stand below a prefix: one word of each option's name. */
static bool nth_word(void *context, size_t row, char ret[static QUANTITY_WORD])
{
	const char *prefix = context;
	size_t len = strlen(prefix);
	struct option_info info;
	const char *name = "";

	if (row >= options_count())
		return false;
	option_get(row, &info);
	if (!strncmp(info.name, prefix, len) && !(info.flags & OPTION_COMMAND_LINE))
		name = info.name + len;
	snprintf(ret, QUANTITY_WORD, "%.*s", (int)strcspn(name, "."), name);
	return true;
}

static void unknown_key(struct walk *walk, const yaml_node_t *key, char *prefix, const char *word)
{
	char nearest[QUANTITY_WORD];

	if (strchr(word, '.'))
		fault_at(walk->name, key->start_mark, walk->faults,
			 "%.64s: keys are nested at the dots: write %.*s: and %s indented on the "
			 "next line",
			 word, (int)strcspn(word, "."), word, strchr(word, '.') + 1);
	else if (nearest_word(word, nth_word, prefix, nearest))
		fault_at(walk->name, key->start_mark, walk->faults,
			 "%s%.64s: unknown key; did you mean %s?", prefix, word, nearest);
	else
		fault_at(walk->name, key->start_mark, walk->faults, "%s%.64s: unknown key", prefix,
			 word);
}

static void walk_mapping(struct walk *walk, const yaml_node_t *mapping, char *prefix);

/* A section opens once; an empty one is one whose keys are all commented out. */
static void walk_section(struct walk *walk, const char *name, const yaml_node_t *value)
{
	char prefix[QUANTITY_WORD + 1];

	snprintf(prefix, sizeof(prefix), "%s.", name);
	if (value->type == YAML_MAPPING_NODE)
		walk_mapping(walk, value, prefix);
	else if (!is_nothing(value))
		fault_at(walk->name, value->start_mark, walk->faults,
			 "%s: %s; expected keys below it, indented", name, node_kind(value));
}

/*
 * Did an earlier key of this mapping say the same? Faulty keys are few: the walk ends when there
 * are many.
 */
static bool is_duplicate(const struct walk *walk, const yaml_node_t *mapping,
			 const yaml_node_pair_t *pair, const char *word)
{
	const yaml_node_pair_t *other;

	for (other = mapping->data.mapping.pairs.start; other < pair; other++) {
		const yaml_node_t *key = yaml_document_get_node(walk->document, other->key);
		const char *text = key->type == YAML_SCALAR_NODE ? scalar_text(key) : NULL;

		if (text && !strcmp(text, word))
			return true;
	}
	return false;
}

static void walk_pair(struct walk *walk, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
		      char *prefix)
{
	const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
	const yaml_node_t *value = yaml_document_get_node(walk->document, pair->value);
	const char *word = key->type == YAML_SCALAR_NODE ? scalar_text(key) : NULL;
	char name[QUANTITY_WORD];
	struct option_info info;
	int row, len;

	if (!word || !*word) {
		fault_at(walk->name, key->start_mark, walk->faults, "%s where a key should stand",
			 key->type == YAML_SCALAR_NODE ? "an empty text" : node_kind(key));
		return;
	}
	if (is_duplicate(walk, mapping, pair, word)) {
		fault_at(walk->name, key->start_mark, walk->faults, "%s%.64s: stands twice", prefix,
			 word);
		return;
	}
	len = snprintf(name, sizeof(name), "%s%s", prefix, word);
	if (strchr(word, '.') || len < 0 || (size_t)len >= sizeof(name)) {
		unknown_key(walk, key, prefix, word);
		return;
	}
	row = option_find(name, (size_t)len, &info);
	if (row >= 0 && info.flags & OPTION_COMMAND_LINE)
		fault_at(walk->name, key->start_mark, walk->faults,
			 "%s: belongs on the command line, as --%s", name, name);
	else if (row >= 0)
		set_option(walk, (size_t)row, &info, value);
	else if (is_section(name))
		walk_section(walk, name, value);
	else
		unknown_key(walk, key, prefix, word);
}

static void walk_mapping(struct walk *walk, const yaml_node_t *mapping, char *prefix)
{
	const yaml_node_pair_t *pair;

	for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
	     pair++)
		if (!faults_full(walk->faults) && !walk->out_of_memory)
			walk_pair(walk, mapping, pair, prefix);
}

/* Second pass. */
static int walk_tree(const char *text, size_t len, const char *name, struct options *options,
		     struct faults *faults)
{
	struct walk walk = { .name = name, .options = options, .faults = faults };
	unsigned int before = faults->count;
	yaml_document_t document;
	yaml_parser_t parser;
	yaml_node_t *root;
	char prefix[] = "";
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &document)) {
		r = syntax_fault(&parser, text, len, name, faults);
		yaml_parser_delete(&parser);
		return r;
	}
	walk.document = &document;
	root = yaml_document_get_root_node(&document);
	if (root && root->type == YAML_MAPPING_NODE)
		walk_mapping(&walk, root, prefix);
	else if (root && !is_nothing(root))
		fault_at(name, root->start_mark, faults,
			 "%s; expected keys such as \"interval: 1s\"", node_kind(root));
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	if (walk.out_of_memory)
		return -ENOMEM;
	return faults->count > before ? -EINVAL : 0;
}

int config_parse(const char *text, size_t len, const char *name, struct options *options,
		 struct faults *faults)
{
	int r;

	if (len > CONFIG_BYTES_MAX)
		return faults_add(faults, "%s: larger than %u bytes: this is no configuration",
				  name, CONFIG_BYTES_MAX);
	r = check_shape(text, len, name, faults);
	if (r < 0)
		return r;
	return walk_tree(text, len, name, options, faults);
}
