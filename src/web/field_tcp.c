/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in detail only: memory, and the members of struct tcp_info that explain a verdict.
 */
#include "web/field_parts.h"
#include "web/sockets.h"

void listener_print(struct view *view, struct buffer *b)
{
	sockets_print_row_id(b, view->snapshot, view->record->listener);
}

GETTER(memory_get)
{
	return knows(view, TCPDIAG_KNOWS_SKMEM);
}

enum memory { MEMORY_RECEIVE, MEMORY_RECEIVE_LIMIT, MEMORY_SEND, MEMORY_SEND_LIMIT };

static GETTER(memory_part_get)
{
	const struct tcpdiag_socket *sk = &view->record->sk;
	const uint32_t parts[] = {
		[MEMORY_RECEIVE] = sk->rmem_alloc,
		[MEMORY_RECEIVE_LIMIT] = sk->rcvbuf,
		[MEMORY_SEND] = sk->wmem_queued,
		[MEMORY_SEND_LIMIT] = sk->sndbuf,
	};

	ret->number = parts[field->argument];
	return true;
}

GETTER(tcp_get)
{
	return knows(view, TCPDIAG_KNOWS_INFO) && view->record->sk.state != TCPDIAG_LISTEN;
}

enum info { INFO_RTO, INFO_RTT, INFO_SENT, INFO_RECEIVED, INFO_ACK };

static GETTER(info_get)
{
	const struct tcpdiag_socket *sk = &view->record->sk;
	const uint32_t parts[] = {
		[INFO_RTO] = sk->rto_us / 1000,	     [INFO_RTT] = sk->rtt_us / 1000,
		[INFO_SENT] = sk->last_data_sent_ms, [INFO_RECEIVED] = sk->last_data_recv_ms,
		[INFO_ACK] = sk->last_ack_recv_ms,
	};

	ret->number = parts[field->argument];
	return true;
}

static GETTER(unacked_segments_get)
{
	ret->number = view->record->sk.unacked;
	return true;
}

GETTER(send_window_get)
{
	ret->number = view->record->sk.snd_wnd;
	return knows(view, TCPDIAG_KNOWS_SND_WND);
}

GETTER(receive_window_get)
{
	ret->number = view->record->sk.rcv_wnd;
	return knows(view, TCPDIAG_KNOWS_RCV_WND);
}

const struct field memory_fields[] = {
	FIELD_ARGUMENT("receive_bytes", FIELD_INTEGER, BOTH, memory_part_get, MEMORY_RECEIVE,
		       "Of the receive queue, with overhead."),
	FIELD_ARGUMENT("receive_limit_bytes", FIELD_INTEGER, BOTH, memory_part_get,
		       MEMORY_RECEIVE_LIMIT, "SO_RCVBUF in force."),
	FIELD_ARGUMENT("send_bytes", FIELD_INTEGER, BOTH, memory_part_get, MEMORY_SEND,
		       "Of the send queue, with overhead."),
	FIELD_ARGUMENT("send_limit_bytes", FIELD_INTEGER, BOTH, memory_part_get, MEMORY_SEND_LIMIT,
		       "SO_SNDBUF in force."),
	{},
};

const struct field tcp_fields[] = {
	FIELD_ARGUMENT("retransmission_timeout_seconds", FIELD_SECONDS, BOTH, info_get, INFO_RTO,
		       "RTO."),
	FIELD_ARGUMENT("round_trip_seconds", FIELD_SECONDS, BOTH, info_get, INFO_RTT,
		       "Smoothed round-trip time."),
	FIELD_ARGUMENT("data_sent_seconds", FIELD_SECONDS, BOTH, info_get, INFO_SENT,
		       "Since data was last sent, at the poll."),
	FIELD_ARGUMENT("data_received_seconds", FIELD_SECONDS, BOTH, info_get, INFO_RECEIVED,
		       "Since data last came in, at the poll."),
	FIELD_ARGUMENT("ack_received_seconds", FIELD_SECONDS, BOTH, info_get, INFO_ACK,
		       "Since an acknowledgement last came in, at the poll."),
	FIELD("unacked_segments", FIELD_INTEGER, BOTH, unacked_segments_get, "Segments in flight."),
	FIELD("send_window_bytes", FIELD_INTEGER, BOTH_NULL, send_window_get,
	      "What the peer lets us send."),
	FIELD("receive_window_bytes", FIELD_INTEGER, BOTH_NULL, receive_window_get,
	      "What we let the peer send."),
	{},
};
