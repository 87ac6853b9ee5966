/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of a socket, from its record.
 *
 * A value whose source is missing is null, never 0. Ages are as of the snapshot's own time. What the
 * queues of minisockets would hold is 0, not unknown: the kernel has thrown them away.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "web/envelope.h"
#include "web/field_parts.h"
#include "web/sockets.h"

/*
 * Its receive queue counts bytes of this stream: not of a listener, nor where MPTCP keeps the data
 * elsewhere (a subflow) or counts memory (the MPTCP socket) unless that is empty.
 */
static bool has_bytes(const struct view *view)
{
	const struct tcpdiag_socket *sk = &view->record->sk;

	return sk->state != TCPDIAG_LISTEN && !sk->mptcp_subflow && !(sk->mptcp && sk->rqueue);
}

static GETTER(always)
{
	return true;
}

static void id_print(struct view *view, struct buffer *b)
{
	sockets_print_id(b, view->record);
}

static GETTER(cookie_get)
{
	ret->number = (int64_t)view->record->sk.cookie;
	return true;
}

static void end_print(struct buffer *b, const uint8_t *address, uint8_t family, uint16_t port)
{
	if (family != AF_INET)
		buffer_char(b, '[');
	buffer_address(b, address, family);
	if (family != AF_INET)
		buffer_char(b, ']');
	buffer_char(b, ':');
	if (port)
		buffer_u64(b, port);
	else
		buffer_char(b, '*');
}

static void flow_print(struct view *view, struct buffer *b)
{
	const struct tcpdiag_socket *sk = &view->record->sk;

	buffer_char(b, '"');
	end_print(b, sk->local, sk->family, sk->local_port);
	if (sk->remote_port) {
		buffer_literal(b, " > ");
		end_print(b, sk->remote, sk->family, sk->remote_port);
	}
	buffer_char(b, '"');
}

static GETTER(netns_get)
{
	ret->number = view->record->sk.netns;
	return ret->number;
}

static GETTER(family_get)
{
	ret->text = family_words.name(view->record->sk.family != AF_INET);
	return true;
}

static GETTER(mapped_get)
{
	ret->number = view->record->sk.mapped;
	return true;
}

static GETTER(protocol_get)
{
	ret->text = protocol_words.name(view->record->sk.mptcp);
	return true;
}

static GETTER(state_get)
{
	ret->text = tcpdiag_state_name(view->record->sk.state);
	return ret->text;
}

static GETTER(attachment_get)
{
	ret->text = tcpdiag_attachment_name(view->record->sk.attachment);
	return ret->text;
}

static GETTER(direction_get)
{
	ret->text = direction_name(view->record->direction);
	return ret->text;
}

static GETTER(local_address_get)
{
	ret->address = view->record->sk.local;
	ret->number = view->record->sk.family;
	return true;
}

static GETTER(local_port_get)
{
	ret->number = view->record->sk.local_port;
	return true;
}

static GETTER(remote_get)
{
	return view->record->sk.remote_port;
}

static GETTER(remote_address_get)
{
	ret->address = view->record->sk.remote;
	ret->number = view->record->sk.family;
	return true;
}

static GETTER(remote_port_get)
{
	ret->number = view->record->sk.remote_port;
	return true;
}

static GETTER(interface_get)
{
	ret->number = view->record->sk.ifindex;
	return ret->number;
}

static GETTER(uid_get)
{
	ret->number = view->record->sk.uid;
	return knows(view, TCPDIAG_KNOWS_UID);
}

static GETTER(inode_get)
{
	ret->number = view->record->sk.inode;
	return ret->number;
}

static GETTER(mark_get)
{
	ret->number = view->record->sk.mark;
	return knows(view, TCPDIAG_KNOWS_MARK);
}

static GETTER(receive_queue_get)
{
	ret->number = view->record->sk.rqueue;
	return true;
}

static GETTER(send_queue_get)
{
	ret->number = view->record->sk.wqueue;
	return true;
}

static GETTER(unread_get)
{
	ret->number = tcpdiag_unread_bytes(&view->record->sk);
	return has_bytes(view);
}

static GETTER(fin_unread_get)
{
	const struct tcpdiag_socket *sk = &view->record->sk;

	ret->number = tcpdiag_fin_unread(sk);
	return has_bytes(view) && !(is_dead(sk) && sk->rqueue);
}

static GETTER(unread_seconds_get)
{
	return age_of(view, view->record->read_since_ns, ret);
}

static GETTER(unsent_get)
{
	ret->number = tcpdiag_unsent_bytes(&view->record->sk);
	return is_mini(view) ||
	       (view->record->sk.state != TCPDIAG_LISTEN && knows(view, TCPDIAG_KNOWS_NOTSENT));
}

static GETTER(unacked_get)
{
	ret->number = tcpdiag_unacked_bytes(&view->record->sk);
	return is_mini(view) ||
	       (view->record->sk.state != TCPDIAG_LISTEN && knows(view, TCPDIAG_KNOWS_NOTSENT));
}

static GETTER(bytes_received_get)
{
	ret->number = (int64_t)view->record->sk.bytes_received;
	return knows(view, TCPDIAG_KNOWS_BYTES) && view->record->sk.state != TCPDIAG_LISTEN;
}

static GETTER(bytes_sent_get)
{
	ret->number = (int64_t)view->record->sk.bytes_sent;
	return knows(view, TCPDIAG_KNOWS_BYTES) && view->record->sk.state != TCPDIAG_LISTEN;
}

static GETTER(idle_get)
{
	return age_of(view, view->record->data_since_ns, ret);
}

static GETTER(age_get)
{
	return age_of(view, view->record->born_ns, ret) && view->record->flags & RECORD_BORN_SEEN;
}

static GETTER(shutdown_get)
{
	return !is_mini(view) && knows(view, TCPDIAG_KNOWS_SHUTDOWN);
}

static GETTER(shutdown_bit_get)
{
	ret->number = !!(view->record->sk.sk_shutdown & field->argument);
	return true;
}

static const char *timer_word(int number)
{
	static const char *const names[] = { "off",	 "retransmit", "keepalive",
					     "timewait", "probe",      "fin-wait-2" };

	return (size_t)number < ARRAY_SIZE(names) ? names[number] : NULL;
}

static const struct vocabulary timer_words = { 0, 6, timer_word };

static GETTER(timer_kind_get)
{
	const struct tcpdiag_socket *sk = &view->record->sk;

	/* One timer of the kernel serves keepalive while held, and FIN_WAIT2 after close(). */
	if (sk->timer == TCPDIAG_TIMER_KEEPALIVE && sk->state == TCPDIAG_FIN_WAIT2 &&
	    sk->attachment == TCPDIAG_ORPHAN)
		ret->text = "fin-wait-2";
	else
		ret->text = timer_word(sk->timer);
	return ret->text;
}

static GETTER(timer_expires_get)
{
	ret->number = view->record->sk.expires_ms;
	return view->record->sk.timer != TCPDIAG_TIMER_OFF;
}

static GETTER(timer_retransmits_get)
{
	ret->number = view->record->sk.retransmits;
	return true;
}

static GETTER(state_since_get)
{
	ret->number = snapshot_wall(view->snapshot, view->record->state_since_ns);
	return view->record->state_since_ns;
}

static GETTER(state_seconds_get)
{
	return age_of(view, view->record->state_since_ns, ret);
}

static GETTER(state_exact_get)
{
	ret->number = !!(view->record->flags & RECORD_STATE_EXACT);
	return true;
}

static GETTER(seen_get)
{
	ret->number = snapshot_age(view->snapshot, view->record->seen_ns) / NSEC_PER_MSEC;
	return view->record->seen_ns;
}

static void findings_print(struct view *view, struct buffer *b)
{
	uint32_t bits = view->record->findings;
	bool more = false;

	buffer_char(b, '[');
	while (bits) {
		const char *id = tcpdiag_rule_id(TCPDIAG_RULE_FINDING_FIRST + __builtin_ctz(bits));

		bits &= bits - 1;
		if (!id)
			continue;
		if (more)
			buffer_char(b, ',');
		buffer_char(b, '"');
		buffer_text(b, id);
		buffer_char(b, '"');
		more = true;
	}
	buffer_char(b, ']');
}

static const struct field local_fields[] = {
	FIELD("address", FIELD_ADDRESS, BOTH, local_address_get, "The local address."),
	FIELD("port", FIELD_INTEGER, BOTH, local_port_get, "The local port."),
	{},
};

static const struct field remote_fields[] = {
	FIELD("address", FIELD_ADDRESS, BOTH, remote_address_get, "The peer's address."),
	FIELD("port", FIELD_INTEGER, BOTH, remote_port_get, "The peer's port."),
	{},
};

static const struct field shutdown_fields[] = {
	FIELD_ARGUMENT("receive", FIELD_BOOL, BOTH, shutdown_bit_get, TCPDIAG_RCV_SHUTDOWN,
		       "RCV_SHUTDOWN."),
	FIELD_ARGUMENT("send", FIELD_BOOL, BOTH, shutdown_bit_get, TCPDIAG_SEND_SHUTDOWN,
		       "SEND_SHUTDOWN."),
	{},
};

static const struct field timer_fields[] = {
	FIELD_WORDS("kind", BOTH_NULL, timer_kind_get, &timer_words, "Which timer runs."),
	FIELD("expires_seconds", FIELD_SECONDS, BOTH_NULL, timer_expires_get,
	      "When it fires, from the poll on; null when it is off."),
	FIELD("retransmits", FIELD_INTEGER, BOTH, timer_retransmits_get,
	      "Retransmissions or probes without an answer."),
	{},
};

static const struct field peer_socket_fields[] = {
	{ .name = "id",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = id_print,
	  .schema = "\"type\":\"string\"",
	  .text = "The same as peer." },
	FIELD("netns", FIELD_INTEGER, BOTH_NULL, netns_get, "Its network namespace."),
	FIELD_WORDS("state", BOTH_NULL, state_get, &state_words, "Its state."),
	FIELD_WORDS("attachment", BOTH_NULL, attachment_get, &attachment_words, "Who has it."),
	FIELD("state_since", FIELD_TIME, BOTH_NULL, state_since_get,
	      "In this state at least since then."),
	FIELD("state_seconds", FIELD_SECONDS, BOTH_NULL, state_seconds_get,
	      "For how long, at snapshot.time."),
	FIELD("state_exact", FIELD_BOOL, BOTH, state_exact_get,
	      "Whether it entered the state then."),
	FIELD("seen_seconds", FIELD_SECONDS, BOTH_NULL, seen_get,
	      "How old what is shown of it was at snapshot.time."),
	FIELD("receive_queue", FIELD_INTEGER, BOTH, receive_queue_get, "Recv-Q."),
	FIELD("send_queue", FIELD_INTEGER, BOTH, send_queue_get, "Send-Q."),
	FIELD("unread_bytes", FIELD_INTEGER, BOTH_NULL, unread_get,
	      "Data its application has not read, without the FIN."),
	FIELD("unread_seconds", FIELD_SECONDS, BOTH_NULL, unread_seconds_get,
	      "Since its application last took a byte while some were waiting."),
	FIELD("fin_unread", FIELD_BOOL, BOTH_NULL, fin_unread_get,
	      "Its application has not read the FIN of this end."),
	FIELD("receive_window_bytes", FIELD_INTEGER, BOTH_NULL, receive_window_get,
	      "What it lets this end send; null where the kernel does not tell."),
	FIELD_CHILDREN("holder", FIELD_OBJECT, BOTH_NULL, first_holder_get, holder_fields,
		       "Who holds it, the first of them; else its creator, or the process in whose "
		       "queue it waits; null where nobody is known."),
	{},
};

const struct field socket_fields[] = {
	{ .name = "id",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = id_print,
	  .schema = "\"type\":\"string\"",
	  .text = "Namespace and cookie: what /sockets/{id} takes." },
	FIELD("cookie", FIELD_HEX, BOTH, cookie_get,
	      "Hexadecimal, as `ss -e` prints it behind sk:."),
	{ .name = "flow",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = flow_print,
	  .schema = "\"type\":\"string\"",
	  .text = "Both ends in one line; IPv6 in brackets." },
	FIELD("netns", FIELD_INTEGER, BOTH_NULL, netns_get,
	      "Inode number of the network namespace."),
	FIELD_WORDS("family", BOTH, family_get, &family_words,
		    "inet or inet6; a v4-mapped connection is inet."),
	FIELD("mapped", FIELD_BOOL, BOTH, mapped_get, "A v4-mapped connection of an IPv6 socket."),
	FIELD_WORDS("protocol", BOTH, protocol_get, &protocol_words, "tcp or mptcp."),
	FIELD_WORDS("state", BOTH_NULL, state_get, &state_words,
		    "The state, as `ss state` spells it."),
	FIELD_WORDS(
		"attachment", BOTH_NULL, attachment_get, &attachment_words,
		"Who has it. A socket with a file is held until two walks over all processes have "
		"found nobody: then it is unheld."),
	FIELD_WORDS("direction", BOTH_NULL, direction_get, &direction_words,
		    "inbound: its local port has or had a listener here."),
	FIELD_CHILDREN("local", FIELD_OBJECT, BOTH, always, local_fields, "This end."),
	FIELD_CHILDREN("remote", FIELD_OBJECT, BOTH_NULL, remote_get, remote_fields,
		       "The other end; null where there is none."),
	FIELD("interface", FIELD_INTEGER, BOTH_NULL, interface_get,
	      "Index of the interface it is bound to; null for none."),
	FIELD("uid", FIELD_INTEGER, BOTH_NULL, uid_get,
	      "User id of its owner; null for minisockets."),
	FIELD("inode", FIELD_INTEGER, BOTH_NULL, inode_get,
	      "Inode number of its file; null where it has none."),
	FIELD("mark", FIELD_INTEGER, BOTH_NULL, mark_get,
	      "SO_MARK; null where the kernel does not tell."),
	FIELD("receive_queue", FIELD_INTEGER, BOTH, receive_queue_get,
	      "Recv-Q: bytes, of a listener connections waiting."),
	FIELD("send_queue", FIELD_INTEGER, BOTH, send_queue_get,
	      "Send-Q: bytes, of a listener the limit."),
	FIELD("unread_bytes", FIELD_INTEGER, BOTH_NULL, unread_get,
	      "Data the application has not read, without the FIN (of a dead connection a FIN may "
	      "count as one); null for listeners, and where MPTCP keeps it elsewhere."),
	FIELD("fin_unread", FIELD_BOOL, BOTH_NULL, fin_unread_get,
	      "The application has not read the peer's FIN; null where that is not known."),
	FIELD("unread_seconds", FIELD_SECONDS, BOTH_NULL, unread_seconds_get,
	      "Since the application last took a byte while some were waiting; null while nothing "
	      "waits."),
	FIELD("unsent_bytes", FIELD_INTEGER, BOTH_NULL, unsent_get,
	      "Written and not sent yet, without a SYN or FIN."),
	FIELD("unacked_bytes", FIELD_INTEGER, BOTH_NULL, unacked_get,
	      "Sent and not acknowledged, without a SYN or FIN."),
	FIELD("bytes_received", FIELD_INTEGER, BOTH_NULL, bytes_received_get,
	      "In the life of the connection; the peer's FIN counts as one, as in ss."),
	FIELD("bytes_sent", FIELD_INTEGER, BOTH_NULL, bytes_sent_get,
	      "In the life of the connection, with retransmissions."),
	FIELD("idle_seconds", FIELD_SECONDS, BOTH_NULL, idle_get,
	      "Since data last went either way."),
	FIELD("age_seconds", FIELD_SECONDS, BOTH_NULL, age_get,
	      "Of the connection; null where its birth was not seen."),
	FIELD_CHILDREN("shutdown", FIELD_OBJECT, BOTH_NULL, shutdown_get, shutdown_fields,
		       "Directions shut; null for minisockets."),
	FIELD_CHILDREN("linger", FIELD_OBJECT, BOTH_NULL, linger_get, linger_fields,
		       "SO_LINGER; null where it is not known: see missing, and the source bpf in "
		       "/status."),
	FIELD_CHILDREN("fin_timeout", FIELD_OBJECT, BOTH_NULL, fin_timeout_get, fin_timeout_fields,
		       "Of FIN-WAIT-2; null for minisockets."),
	FIELD_CHILDREN("timer", FIELD_OBJECT, BOTH, always, timer_fields, "The kernel's timer."),
	FIELD("references", FIELD_INTEGER, BOTH_NULL, references_get,
	      "References to its file; more than descriptors is normal while a call sleeps in poll "
	      "or recv; 0: its last close() is under way; null where it is not known."),
	FIELD_WORDS("unheld_because", BOTH_NULL, unheld_get, &unheld_words,
		    "Why no process holds it: its last close() lingers, or a message, a sleeping "
		    "call or io_uring has the reference; null unless it is unheld."),
	FIELD("error", FIELD_WORD, BOTH_NULL, error_get,
	      "Name of the errno that the next call gets, of a dead connection; null for none, and "
	      "where settings_seconds is null."),
	FIELD("settings_seconds", FIELD_SECONDS, BOTH_NULL, settings_age_get,
	      "How old linger, references and what else BPF reads is, at snapshot.time; null: "
	      "never "
	      "read."),
	FIELD_CHILDREN("holders", FIELD_ARRAY, BOTH, always, holder_fields,
		       "Every descriptor that refers to it."),
	FIELD_CHILDREN("creator", FIELD_OBJECT, BOTH_NULL, creator_get, holder_fields,
		       "The last known holder of what has none."),
	FIELD_ARGUMENT("unit", FIELD_TEXT, BOTH_NULL, owner_text_get, PROCESS_UNIT,
		       "systemd unit of the first holder, else of the creator."),
	FIELD_ARGUMENT("comm", FIELD_TEXT, BOTH_NULL, owner_text_get, PROCESS_COMM,
		       "Command of the first holder, else of the creator."),
	FIELD("pid", FIELD_INTEGER, FIELD_NULLABLE, owner_pid_get,
	      "Process of the first holder, else of the creator; on request."),
	FIELD_ARGUMENT("container", FIELD_TEXT, FIELD_NULLABLE, owner_text_get, PROCESS_CONTAINER,
		       "Container of the first holder, else of the creator; on request."),
	FIELD_ARGUMENT("container_name", FIELD_TEXT, FIELD_NULLABLE, owner_text_get,
		       PROCESS_CONTAINER_TITLE, "Its name, as in holders; on request."),
	FIELD_WORDS("closes_with", FIELD_NULLABLE, closes_with_get, &segment_words,
		    "What close() sends; on request."),
	FIELD("state_since", FIELD_TIME, BOTH_NULL, state_since_get,
	      "In this state at least since then."),
	FIELD("state_seconds", FIELD_SECONDS, BOTH_NULL, state_seconds_get,
	      "For how long, at snapshot.time."),
	FIELD("state_exact", FIELD_BOOL, BOTH, state_exact_get,
	      "Whether it entered the state then; false: it was in it already."),
	FIELD("seen_seconds", FIELD_SECONDS, BOTH_NULL, seen_get,
	      "How old what is shown was at snapshot.time."),
	{ .name = "peer",
	  .type = FIELD_OTHER,
	  .flags = BOTH_NULL,
	  .print = peer_print,
	  .schema = "\"type\":[\"string\",\"null\"]",
	  .text = "Id of the other end when it is on this machine, in any namespace; null where "
		  "that is not known." },
	FIELD_WORDS(
		"peer_unknown", BOTH_NULL, peer_unknown_get, &peer_unknown_words,
		"Why peer is null; null where it is not, or there is no other end. Looked for "
		"are the other ends of connections that are being torn down. several: more than "
		"one socket fits, as where networks of containers use the same addresses; "
		"not-found: the address is one that sockets of this machine use, yet none fits "
		"(NAT, or it is gone); not-seen: none fits, and not all sockets of this machine "
		"are seen."),
	FIELD_CHILDREN("peer_socket", FIELD_OBJECT, DETAIL_NULL | FIELD_TURNS, peer_socket_get,
		       peer_socket_fields, "What is known of the other end; null as peer."),
	{ .name = "listener",
	  .type = FIELD_OTHER,
	  .flags = DETAIL_NULL,
	  .print = listener_print,
	  .schema = "\"type\":[\"string\",\"null\"]",
	  .text = "Id of the listener in whose queue it waits, or of its port." },
	FIELD("repair", FIELD_BOOL, DETAIL_NULL, repair_get,
	      "TCP_REPAIR is on; null where it is not known."),
	FIELD("user_timeout_seconds", FIELD_SECONDS, DETAIL_NULL, user_timeout_get,
	      "TCP_USER_TIMEOUT, 0 for none; null where it is not known."),
	FIELD("out_of_order", FIELD_BOOL, DETAIL_NULL, out_of_order_get,
	      "Data waits behind a gap; null where it is not known."),
	FIELD("soft_error", FIELD_BOOL, DETAIL_NULL, soft_error_get,
	      "An ICMP error has come since the last progress; null where it is not known."),
	FIELD("siblings", FIELD_INTEGER, DETAIL_NULL, siblings_get,
	      "Other listeners that would take the queue over (SO_REUSEPORT); null where it is not "
	      "known."),
	FIELD_CHILDREN("memory", FIELD_OBJECT, DETAIL_NULL, memory_get, memory_fields,
		       "Kernel memory, from INET_DIAG_SKMEMINFO."),
	FIELD_CHILDREN("tcp", FIELD_OBJECT, DETAIL_NULL, tcp_get, tcp_fields,
		       "From struct tcp_info."),
	FIELD_CHILDREN(
		"outcomes", FIELD_OBJECT, BOTH_NULL, outcomes_get, outcomes_fields,
		"What each operation would do now; null for what no process can operate on."),
	FIELD_CHILDREN("fate", FIELD_OBJECT, BOTH_NULL, fate_get, fate_fields,
		       "What becomes of an orphan, timewait or request socket."),
	{ .name = "findings",
	  .type = FIELD_OTHER,
	  .flags = BOTH,
	  .print = findings_print,
	  .schema = "\"type\":\"array\",\"items\":{\"type\":\"string\"}",
	  .text = "Ids of the rules of the findings it belongs to." },
	FIELD_CHILDREN("ended", FIELD_OBJECT, DETAIL_NULL, ended_get, ended_fields,
		       "Of a socket that is gone, and shown as it was last seen, at its age then; "
		       "null of one that lives."),
	{ .name = "history",
	  .type = FIELD_OTHER,
	  .flags = DETAIL,
	  .print = history_print,
	  .schema = "\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Moment\"}",
	  .text = "What has become of it, oldest first, as far as limits.history reaches back." },
	{ .name = "events",
	  .type = FIELD_OTHER,
	  .flags = DETAIL_NULL,
	  .print = socket_events_print,
	  .schema = "\"type\":[\"array\",\"null\"],\"items\":{\"$ref\":\"#/components/schemas/"
		    "Event\"}",
	  .text = "What the journal of events tells of it, oldest first; null in lists, and where "
		  "there is no journal." },
	{},
};
