/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The BPF reader as a source: opened at the start and by a reload, and what is lost without it.
 */
#include <string.h>

#include "collector/private.h"
#include "model/macro.h"

int reader_open(struct collector *c)
{
	int r;

	if (c->bpf || c->replay)
		return 0;
	if (!c->settings.bpf) {
		sources_set(&c->sources, SOURCE_BPF, SOURCE_OFF,
			    "switched off by --no-collector.bpf: SO_LINGER, TCP_LINGER2, "
			    "references and descriptors of dead connections are not known");
		return 0;
	}
	r = bpf_reader_new(&c->bpf);
	if (r < 0) {
		c->bpf = NULL;
		sources_failed(&c->sources, SOURCE_BPF, -r,
			       "SO_LINGER, TCP_LINGER2, references and descriptors of dead "
			       "connections are not known",
			       bpf_reader_lacks(NULL, r));
		return r;
	}
	sources_set(&c->sources, SOURCE_BPF, SOURCE_STARTING,
		    "SO_LINGER, TCP_LINGER2 and references have not been read yet");
	return 0;
}

void reader_close(struct collector *c)
{
	c->bpf = bpf_reader_free(c->bpf);
	c->settings_ns = 0;
	c->reader = (struct reader_state){};
}

bool reader_works(const struct collector *c)
{
	enum source_state state = c->sources.text[SOURCE_BPF].row.state;

	return c->bpf && (state == SOURCE_OK || state == SOURCE_DEGRADED);
}

bool reader_reads(const struct collector *c)
{
	return c->walk.bpf || (c->bpf && bpf_reader_has_look_up(c->bpf));
}

/* What works, works; what has failed is said until it works again. */
static void say(struct collector *c)
{
	const struct reader_state *reader = &c->reader;
	const char *lacks = bpf_reader_lacks(c->bpf, 0);
	int error = reader->pass_error ? reader->pass_error : reader->look_up_error;

	if (!error && !*lacks) {
		sources_set(&c->sources, SOURCE_BPF, SOURCE_OK, NULL);
		return;
	}
	sources_set(&c->sources, SOURCE_BPF, SOURCE_DEGRADED, "%s%s%s%s%s",
		    reader->pass_error ? "the pass over the descriptors broke off: " : "",
		    !reader->pass_error && reader->look_up_error
			    ? "sockets could not be looked up: "
			    : "",
		    error ? strerror(-error) : "", error && *lacks ? "; " : "", lacks);
	c->sources.text[SOURCE_BPF].row.error = -error;
}

void reader_answered(struct collector *c, int64_t now_ns)
{
	say(c);
	sources_passed(&c->sources, SOURCE_BPF, now_ns, c->reader.pass_ns + c->reader.look_up_ns);
}

void reader_broke_off(struct collector *c)
{
	say(c);
	c->sources.text[SOURCE_BPF].row.passes++;
	c->sources.text[SOURCE_BPF].row.failures++;
}
