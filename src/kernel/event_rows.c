/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's numbers are taken as they are, but nothing is believed that an array could be indexed with.
 *
 * Progress is in the same words as in a dump (net/ipv4/tcp.c:tcp_get_info()), so that one oracle serves both: the
 * receive queue counts the FIN while nobody has read it, the send queue a FIN that is not acknowledged. The tracepoint
 * passes in the middle of it: the peer's FIN has moved rcv_nxt already when the state is still the old one, our own
 * has not been queued when the state is the new one. That is put right here, for the state after and for the one before.
 */
#include "kernel/event_rows.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/settings_rows.h"
#include "model/macro.h"

_Static_assert(sizeof(struct event_row) == 184, "a hole would carry what is not written");
_Static_assert((int)EVENT_ROW_STATE == SOCKET_EVENT_STATE &&
		       (int)EVENT_ROW_RESET_SENT == SOCKET_EVENT_RESET_SENT &&
		       (int)EVENT_ROW_RESET_RECEIVED == SOCKET_EVENT_RESET_RECEIVED &&
		       (int)EVENT_ROW_DESTROYED == SOCKET_EVENT_DESTROYED &&
		       (int)EVENT_ROW_KINDS == SOCKET_EVENT_KIND_MAX,
	       "both sides must mean the same kinds");

/* In which states a dump counts the peer's FIN in the receive queue (model/socket.c). */
static bool counts_fin(uint8_t state)
{
	return state == TCPDIAG_CLOSE_WAIT || state == TCPDIAG_LAST_ACK || state == TCPDIAG_CLOSING;
}

/* The state changes first (net/ipv4/tcp.c:tcp_close_state()), then the FIN is queued. */
static bool fin_follows(const struct event_row *row)
{
	if (row->kind != EVENT_ROW_STATE)
		return false;
	return (row->state == TCPDIAG_FIN_WAIT1 || row->state == TCPDIAG_LAST_ACK) &&
	       row->state != row->old_state;
}

/* Until it closes: afterwards nothing waits in it. */
static bool was_listening(const struct event_row *row)
{
	return row->kind == EVENT_ROW_STATE && row->old_state == TCPDIAG_LISTEN;
}

static void fill_progress(const struct event_row *row, struct tcpdiag_socket *sk)
{
	const bool fin_unread = row->flags & EVENT_ROW_FIN && row->rqueue;

	sk->known |= TCPDIAG_KNOWS_BYTES | TCPDIAG_KNOWS_NOTSENT;
	sk->rqueue = row->rqueue - fin_unread + (fin_unread && counts_fin(row->state));
	sk->wqueue = row->wqueue + fin_follows(row);
	sk->notsent_bytes = row->unsent + fin_follows(row);
	sk->bytes_received = row->bytes_received;
	sk->bytes_acked = row->bytes_acked;
	sk->bytes_sent = row->bytes_sent;
}

/*
 * Since the last payload either way; a connection that had none counts from its start. A RST that meets unacknowledged
 * data most likely answers it: how long nothing had passed before that is what tells of a NAT that has forgotten.
 */
static int64_t idle_ms(const struct event_row *row, uint32_t hz)
{
	const uint32_t jiffies = MIN(row->received_ago, row->sent_ago);

	if (!hz || !(row->flags & EVENT_ROW_FULL) || row->settings.flags & ROW_MPTCP ||
	    row->state == TCPDIAG_LISTEN)
		return -1;
	return (int64_t)jiffies * 1000 / hz;
}

static enum tcpdiag_kind kind_of(const struct event_row *row)
{
	if (!(row->flags & EVENT_ROW_MINI))
		return TCPDIAG_KIND_FULL;
	return row->state == TCPDIAG_NEW_SYN_RECV ? TCPDIAG_KIND_REQUEST : TCPDIAG_KIND_TIMEWAIT;
}

static void fill_socket(const struct event_row *row, uint32_t hz, struct tcpdiag_socket *sk)
{
	const bool mapped = row->settings.flags & ROW_MAPPED;
	struct socket_settings settings;

	*sk = (struct tcpdiag_socket){
		.cookie = row->settings.cookie,
		.netns = row->netns,
		.state = row->state,
		.kind = (uint8_t)kind_of(row),
		.family = mapped ? AF_INET : (uint8_t)row->family,
		.mapped = mapped,
		.v6only = row->settings.flags & ROW_V6ONLY,
		.mptcp = row->settings.flags & ROW_MPTCP,
		.local_port = row->local_port,
		.remote_port = row->remote_port,
		.ifindex = row->ifindex,
		.known = row->ifindex ? TCPDIAG_KNOWS_INTERFACE : 0,
	};
	memcpy(sk->local, row->local, sizeof(sk->local));
	memcpy(sk->remote, row->remote, sizeof(sk->remote));
	if (!(row->flags & EVENT_ROW_FULL))
		return;
	sk->known |= TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_UID | TCPDIAG_KNOWS_MARK;
	sk->sk_shutdown = row->shutdown & (TCPDIAG_RCV_SHUTDOWN | TCPDIAG_SEND_SHUTDOWN);
	sk->uid = row->uid;
	sk->mark = row->mark;
	if (was_listening(row) || sk->mptcp) {
		sk->rqueue = row->rqueue;
		sk->wqueue = row->wqueue;
	} else if (row->state != TCPDIAG_LISTEN) {
		fill_progress(row, sk);
	}
	if (!hz)
		return;
	settings = settings_from_row(&row->settings, hz);
	settings_apply(&settings, sk);
}

void event_before(const struct socket_event *event, struct tcpdiag_socket *ret)
{
	*ret = event->sk;
	if (event->kind != SOCKET_EVENT_STATE)
		return;
	ret->state = event->old_state;
	if (event->fin_unread)
		ret->rqueue += counts_fin(event->old_state) - counts_fin(event->sk.state);
	ret->wqueue -= event->fin_follows;
	ret->notsent_bytes -= event->fin_follows;
}

static bool is_state(uint8_t state)
{
	return state > TCPDIAG_STATE_NONE && state < TCPDIAG_STATE_MAX;
}

static bool is_right(const struct event_row *row)
{
	const bool has_socket = row->flags & (EVENT_ROW_FULL | EVENT_ROW_MINI);

	if (row->kind >= EVENT_ROW_KINDS || row->pid < 0)
		return false;
	if (has_socket ? !is_state(row->state) : row->kind != EVENT_ROW_RESET_SENT)
		return false;
	if (row->kind == EVENT_ROW_STATE && !is_state(row->old_state))
		return false;
	return row->family == AF_INET || row->family == AF_INET6;
}

/* A SYN that is answered with a RST is a refusal. */
static enum reset_reason reason_of(const struct event_row *row,
				   const uint8_t reasons[EVENT_REASONS_MAX])
{
	enum reset_reason reason;

	if (!(row->flags & EVENT_ROW_REASON))
		return RESET_REASON_NONE;
	reason = row->reason < EVENT_REASONS_MAX ? reasons[row->reason] : RESET_REASON_OTHER;
	if (reason == RESET_REASON_NO_SOCKET && (row->segment_flags & (TH_SYN | TH_ACK)) == TH_SYN)
		return RESET_REASON_NO_SOCKET_SYN;
	return reason;
}

int event_from_row(const void *data, size_t size, uint32_t hz,
		   const uint8_t reasons[EVENT_REASONS_MAX], struct socket_event *ret)
{
	struct event_row row;

	if (size < sizeof(row))
		return -EBADMSG;
	memcpy(&row, data, sizeof(row));
	if (!is_right(&row))
		return -EBADMSG;
	*ret = (struct socket_event){
		.when_ns = (int64_t)MIN(row.when_ns, (uint64_t)INT64_MAX),
		.kind = row.kind,
		.old_state = row.kind == EVENT_ROW_STATE ? row.old_state : 0,
		.segment_flags = row.segment_flags,
		.has_socket = row.flags & (EVENT_ROW_FULL | EVENT_ROW_MINI),
		.passive = row.flags & EVENT_ROW_PASSIVE,
		.released = row.flags & (EVENT_ROW_RELEASED | EVENT_ROW_DEAD),
		.orphaned = row.flags & EVENT_ROW_DEAD,
		.unaccepted = row.flags & EVENT_ROW_UNACCEPTED,
		.exiting = row.flags & EVENT_ROW_EXITING,
		.owned = row.flags & EVENT_ROW_OWNED,
		.reason = (uint8_t)reason_of(&row, reasons),
		.payload = row.payload,
		.idle_ms = idle_ms(&row, hz),
		.pid = row.pid,
		.cgroup = row.cgroup,
		.dropped = row.dropped,
	};
	memcpy(ret->comm, row.comm, sizeof(ret->comm));
	ret->comm[sizeof(ret->comm) - 1] = '\0';
	fill_socket(&row, hz, &ret->sk);
	if (ret->sk.known & TCPDIAG_KNOWS_BYTES) {
		ret->fin_unread = row.flags & EVENT_ROW_FIN && row.rqueue;
		ret->fin_follows = fin_follows(&row);
	}
	return 0;
}
