/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets as `ss -tanpoe` prints them: fixed columns, then name:(value) for what not all have. Widths are
 * fixed, since a list is printed while it is read; what does not fit pushes the rest to the right.
 */
#include <string.h>
#include <sys/socket.h>

#include "web/field.h"
#include "web/pieces.h"
#include "web/socket_list.h"

enum { COLUMN_STATE = 11, COLUMN_QUEUE = 7, COLUMN_ADDRESS = 20, COLUMN_PORT = 6 };

static void pad(struct buffer *b, size_t start, size_t width)
{
	do
		buffer_char(b, ' ');
	while (!b->error && b->len - start < width);
}

void text_header(struct buffer *b)
{
	buffer_printf(b, "%-*s%-*s%-*s%*s:%-*s%*s:%-*s Process\n", COLUMN_STATE, "State",
		      COLUMN_QUEUE, "Recv-Q", COLUMN_QUEUE, "Send-Q", COLUMN_ADDRESS,
		      "Local Address", COLUMN_PORT, "Port", COLUMN_ADDRESS, "Peer Address",
		      COLUMN_PORT, "Port");
}

static void print_port(struct buffer *b, uint16_t port)
{
	buffer_char(b, ':');
	if (port)
		buffer_u64(b, port);
	else
		buffer_char(b, '*');
}

static bool is_zero(const uint8_t address[static 16], size_t from)
{
	static const uint8_t zero[16];

	return !memcmp(address + from, zero, 16 - from);
}

/* Address right-aligned against the colon, the port left-aligned behind it. */
static void print_end(struct buffer *b, const struct tcpdiag_socket *sk,
		      const uint8_t address[static 16], uint16_t port)
{
	size_t start = b->len, len;
	struct buffer text = {};

	if (sk->family == AF_INET6 && is_zero(address, 0) && !sk->v6only && !sk->mapped) {
		buffer_char(&text, '*');
	} else if (sk->family == AF_INET && !sk->mapped) {
		buffer_address(&text, address, AF_INET);
	} else {
		buffer_char(&text, '[');
		buffer_address(&text, address, AF_INET6);
		buffer_char(&text, ']');
	}
	len = text.len;
	while (len++ < COLUMN_ADDRESS)
		buffer_char(b, ' ');
	buffer_add(b, text.data ? text.data : "", text.len);
	b->error = b->error ? b->error : text.error;
	buffer_done(&text);
	print_port(b, port);
	pad(b, start, COLUMN_ADDRESS + 1 + COLUMN_PORT);
}

static void print_process(struct view *view, struct buffer *b, const struct process *process)
{
	const char *comm = process ? snapshot_text(view->snapshot, process->comm) : "";

	/* A process names itself: nothing in it may move the cursor of a terminal. */
	buffer_literal(b, "(\"");
	plain_text(b, comm, SIZE_MAX, 64);
	buffer_literal(b, "\",pid=");
	if (process)
		buffer_s64(b, process->pid);
	else
		buffer_char(b, '?');
}

static void print_users(struct view *view, struct buffer *b)
{
	uint32_t i, count;
	const struct holder *holders = snapshot_holders(view->snapshot, view->record, &count);
	const struct process *creator = snapshot_process(view->snapshot, view->record->creator);

	if (count) {
		buffer_literal(b, " users:(");
		for (i = 0; i < count; i++) {
			if (i)
				buffer_char(b, ',');
			print_process(view, b,
				      snapshot_process(view->snapshot, holders[i].process));
			buffer_literal(b, ",fd=");
			buffer_s64(b, holders[i].fd);
			buffer_char(b, ')');
		}
		buffer_char(b, ')');
	} else if (creator) {
		buffer_literal(b, " creator:(");
		print_process(view, b, creator);
		buffer_literal(b, "))");
	}
}

/* "1min27sec", "9.5sec", "200ms" */
static void print_span(struct buffer *b, uint32_t ms)
{
	if (ms >= 60000) {
		buffer_u64(b, ms / 60000);
		buffer_literal(b, "min");
		if (ms < 600000 && ms / 1000 % 60) {
			buffer_u64(b, ms / 1000 % 60);
			buffer_literal(b, "sec");
		}
	} else if (ms >= 1000) {
		buffer_ms(b, ms >= 10000 ? ms / 1000 * 1000 : ms);
		buffer_literal(b, "sec");
	} else {
		buffer_u64(b, ms);
		buffer_literal(b, "ms");
	}
}

static void print_timer(const struct tcpdiag_socket *sk, struct buffer *b)
{
	static const char *const names[] = {
		[TCPDIAG_TIMER_OFF] = NULL,
		[TCPDIAG_TIMER_RETRANSMIT] = "on",
		[TCPDIAG_TIMER_KEEPALIVE] = "keepalive",
		[TCPDIAG_TIMER_TIMEWAIT] = "timewait",
		[TCPDIAG_TIMER_PROBE] = "persist",
	};

	if (sk->timer >= ARRAY_SIZE(names) || !names[sk->timer])
		return;
	buffer_literal(b, " timer:(");
	buffer_text(b, names[sk->timer]);
	buffer_char(b, ',');
	print_span(b, sk->expires_ms);
	buffer_char(b, ',');
	buffer_u64(b, sk->retransmits);
	buffer_char(b, ')');
}

/* What ss has no words for: only what is out of the ordinary, and a question mark where it is not known. */
static void print_linger(const struct record *record, struct buffer *b)
{
	const struct tcpdiag_socket *sk = &record->sk;

	if (!(sk->known & TCPDIAG_KNOWS_LINGER)) {
		if (record->close_rule && sk->state != TCPDIAG_LISTEN && !sk->mptcp_subflow)
			buffer_literal(b, " linger:?");
		return;
	}
	if (!sk->linger)
		return;
	buffer_literal(b, " linger:(");
	if (linger_kind(sk) == LINGER_ENDLESS)
		buffer_literal(b, "forever");
	else if (linger_kind(sk) == LINGER_ZERO)
		buffer_char(b, '0');
	else
		print_span(b, (uint32_t)MIN(sk->sk_lingertime_ms, (int64_t)UINT32_MAX));
	buffer_text(b, sk->inherited ? ",inherited)" : ")");
}

static void print_settings(const struct record *record, struct buffer *b)
{
	const struct tcpdiag_socket *sk = &record->sk;
	const char *error = sk->sk_err ? strerrorname_np(sk->sk_err) : NULL;

	print_linger(record, b);
	if (sk->known & TCPDIAG_KNOWS_REFERENCES && sk->references != record->holders) {
		buffer_literal(b, " refs:");
		buffer_u64(b, sk->references);
	}
	if (sk->known & TCPDIAG_KNOWS_ERROR && error) {
		buffer_literal(b, " error:");
		buffer_text(b, error);
	}
}

static void print_fate(struct view *view, struct buffer *b)
{
	const struct record *record = view->record;
	const char *rule = tcpdiag_rule_id(record->close_rule);
	const char *segment = tcpdiag_segment_name(record->close_segment);
	const char *attachment = tcpdiag_attachment_name(record->sk.attachment);

	if (rule && segment) {
		buffer_literal(b, " close:(");
		buffer_text(b, segment);
		buffer_char(b, ',');
		buffer_text(b, rule);
		buffer_char(b, ')');
	}
	if (attachment && record->sk.attachment != TCPDIAG_HELD) {
		buffer_char(b, ' ');
		buffer_text(b, attachment);
	}
	if (record->sk.attachment == TCPDIAG_UNHELD) {
		buffer_literal(b, ":(");
		buffer_text(b, tcpdiag_unheld_name(tcpdiag_unheld_reason(&record->sk)));
		buffer_char(b, ')');
	}
}

void text_row(struct view *view, struct buffer *b)
{
	const struct tcpdiag_socket *sk = &view->record->sk;
	const char *state = tcpdiag_state_column(sk->state);
	size_t start = b->len;

	buffer_text(b, state ? state : "UNKNOWN");
	pad(b, start, COLUMN_STATE);
	start = b->len;
	buffer_u64(b, sk->rqueue);
	pad(b, start, COLUMN_QUEUE);
	start = b->len;
	buffer_u64(b, sk->wqueue);
	pad(b, start, COLUMN_QUEUE);
	print_end(b, sk, sk->local, sk->local_port);
	print_end(b, sk, sk->remote, sk->remote_port);
	if (b->len && b->data[b->len - 1] == ' ')
		b->len--;
	print_users(view, b);
	print_timer(sk, b);
	if (sk->known & TCPDIAG_KNOWS_UID && sk->uid) {
		buffer_literal(b, " uid:");
		buffer_u64(b, sk->uid);
	}
	if (sk->inode) {
		buffer_literal(b, " ino:");
		buffer_u64(b, sk->inode);
	}
	buffer_literal(b, " sk:");
	buffer_hex(b, sk->cookie);
	print_settings(view->record, b);
	print_fate(view, b);
	buffer_char(b, '\n');
}

void text_footer(struct buffer *b, const struct snapshot *snapshot, uint64_t matched,
		 uint64_t returned)
{
	const char *missing = snapshot_text(snapshot, snapshot->header->missing);

	if (returned < matched)
		buffer_printf(b, "# %llu of %llu sockets; limit=0 shows all\n",
			      (unsigned long long)returned, (unsigned long long)matched);
	while (*missing) {
		size_t len = strcspn(missing, "\n");

		buffer_literal(b, "# not complete: ");
		buffer_add(b, missing, len);
		buffer_char(b, '\n');
		missing += len;
		missing += *missing == '\n';
	}
}
