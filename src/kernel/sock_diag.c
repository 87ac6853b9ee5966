/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A dump is one request and datagrams of up to 32 KiB of messages, ended by NLMSG_DONE (net/netlink/
 * af_netlink.c:netlink_dump()).
 *
 * The kernel fills the first datagram while it takes the request and the next one whenever one is received,
 * so there is never anything to wait for: an empty queue in the middle of a dump means that the dump
 * has died in the kernel. mnl_cb_run() is not used: it gives up a whole buffer for one message that
 * it does not like.
 *
 * TCPDIAG_GETSOCK, the request before SOCK_DIAG_BY_FAMILY, is answered for AF_UNSPEC (net/ipv4/
 * inet_diag.c:inet_diag_dump_compat()): one walk instead of two. It knows no other protocol than TCP.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/dump_file.h"
#include "kernel/inet_diag.h"
#include "kernel/message.h"
#include "kernel/sock_diag.h"
#include "kernel/uapi.h"
#include "kernel/witness.h"
#include "model/macro.h"

#define BUFFER_SIZE 32768

/* Of a protocol that is no protocol number of IP: what the attribute says counts. */
#define PROTOCOL_IN_ATTRIBUTE 254

/* Whoever floods our port with messages that we never asked for ends the dump, not the program. */
#define FOREIGN_MAX 4096

/* One for all that were opened as another: a dump is read to its end before the next one begins. */
struct diag_buffer {
	uint32_t references;
	const struct sock_diag *user; /* whose dump it holds */
	_Alignas(struct nlmsghdr) char bytes[BUFFER_SIZE];
};

struct sock_diag {
	struct mnl_socket *netlink; /* NULL: a file */
	struct dump_file file;
	uint32_t netns;
	ino_t thread_netns; /* where it was opened, 0: not known */
	uint32_t seq; /* of the request whose answer is awaited */
	bool single_pass;

	struct sock_diag_request request;
	bool running; /* rows may follow */
	bool pending; /* the kernel may be in the middle of a dump */
	bool flagged; /* this dump said NLM_F_DUMP_INTR */
	uint8_t family; /* of the pass: AF_UNSPEC, AF_INET, AF_INET6 */

	const struct nlmsghdr *message; /* next in the buffer */
	size_t left; /* bytes from there */
	uint32_t foreign; /* in this dump */
	struct sock_diag_stats stats;

	struct diag_buffer *buffer;
};

/* Where the calling thread is; 0 where /proc does not say. */
static ino_t current_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) < 0 ? 0 : st.st_ino;
}

static int open_netlink(struct mnl_socket **ret)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int r;

	if (!netlink)
		return -errno;
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(netlink);
		return r;
	}
	*ret = netlink;
	return 0;
}

/* A dump that died in the kernel blocks its socket for ever (-EBUSY): only another one helps. */
static int reopen(struct sock_diag *diag)
{
	struct mnl_socket *netlink = NULL;
	int r;

	if (!diag->thread_netns || current_netns() != diag->thread_netns)
		return -ESTALE;
	r = open_netlink(&netlink);
	if (r < 0)
		return r;
	mnl_socket_close(diag->netlink);
	diag->netlink = netlink;
	diag->pending = false;
	return 0;
}

static uint8_t extensions(const struct sock_diag_request *request)
{
	return request->info ? 1U << (INET_DIAG_INFO - 1) | 1U << (INET_DIAG_SKMEMINFO - 1) : 0;
}

static void put_request(struct nlmsghdr *header, const struct sock_diag *diag)
{
	const struct sock_diag_request *request = &diag->request;

	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = diag->seq;
	if (diag->family == AF_UNSPEC) {
		struct inet_diag_req *old = mnl_nlmsg_put_extra_header(header, sizeof(*old));

		header->nlmsg_type = TCPDIAG_GETSOCK;
		old->idiag_family = AF_INET;
		old->idiag_ext = extensions(request);
		old->idiag_states = request->states;
	} else {
		struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(header, sizeof(*req));
		bool wide = request->protocol > UINT8_MAX;

		header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
		req->sdiag_family = diag->family;
		/* A kernel that overlooks the attribute must not answer for 262 & 255, which is TCP. */
		req->sdiag_protocol = wide ? PROTOCOL_IN_ATTRIBUTE : request->protocol;
		req->idiag_ext = extensions(request);
		req->idiag_states = request->states;
		if (wide)
			mnl_attr_put_u32(header, INET_DIAG_REQ_PROTOCOL, request->protocol);
	}
}

static int send_request(struct sock_diag *diag)
{
	_Alignas(struct nlmsghdr) char bytes[256];
	struct nlmsghdr *header = mnl_nlmsg_put_header(bytes);

	diag->seq++;
	put_request(header, diag);
	while (mnl_socket_sendto(diag->netlink, header, header->nlmsg_len) < 0)
		if (errno != EINTR)
			return -errno;
	diag->pending = true;
	return 0;
}

/*
 * The next datagram of the kernel into the buffer. Return: 0; -EPIPE where the dump has died; -EPROTO where
 * others do not let us read it; -errno.
 */
static int receive(struct sock_diag *diag)
{
	while (diag->foreign < FOREIGN_MAX) {
		struct sockaddr_nl from = {};
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(mnl_socket_get_fd(diag->netlink), diag->buffer->bytes,
				     BUFFER_SIZE, MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)&from, &length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EPIPE : -errno;
		if (length != sizeof(from) || from.nl_pid != 0) {
			diag->foreign++;
			diag->stats.foreign++;
			continue;
		}
		if (n > BUFFER_SIZE) {
			diag->stats.truncated++;
			n = BUFFER_SIZE;
		}
		diag->message = (const struct nlmsghdr *)diag->buffer->bytes;
		diag->left = n;
		return 0;
	}
	return -EPROTO;
}

static int refill(struct sock_diag *diag)
{
	int r;

	if (diag->left > 0) /* a message that does not fit into its datagram */
		diag->stats.truncated++;
	diag->left = 0;
	if (diag->netlink)
		return receive(diag);
	r = dump_file_read(&diag->file, diag->buffer->bytes, BUFFER_SIZE);
	if (r == -EBADMSG)
		diag->stats.truncated++;
	if (r < 0)
		return r;
	if (r == 0)
		diag->running = false;
	diag->message = (const struct nlmsghdr *)diag->buffer->bytes;
	diag->left = r;
	return 0;
}

/* The errno in an NLMSG_ERROR or NLMSG_DONE, 0 where there is none. */
static int message_error(const struct nlmsghdr *message)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
		memcpy(&error, message + 1, sizeof(error));
	/* inet_diag_lock_handler() has no handler; without tcp_diag at all some kernels say EINVAL. */
	if (error == -ENOENT)
		return -EOPNOTSUPP;
	return error < 0 && error > -4096 ? error : 0;
}

static bool is_ours(struct sock_diag *diag, const struct nlmsghdr *message)
{
	return !diag->netlink || (message->nlmsg_seq == diag->seq &&
				  message->nlmsg_pid == mnl_socket_get_portid(diag->netlink));
}

/* The end of one pass. Return: 0 and @running says whether there is another; -errno. */
static int end_pass(struct sock_diag *diag, const struct nlmsghdr *message)
{
	int r = message_error(message);

	diag->pending = false;
	if (r < 0)
		return r;
	if (!diag->netlink) /* the end is where the file ends */
		return 0;
	if (diag->family != AF_INET) {
		diag->running = false;
		return 0;
	}
	diag->family = AF_INET6;
	diag->left = 0;
	r = send_request(diag);
	return r < 0 ? r : receive(diag);
}

/* Return: 1 when @ret is a row that was asked for; 0 to go on; -errno where the dump ends here. */
static int take_message(struct sock_diag *diag, const struct nlmsghdr *message,
			struct tcpdiag_socket *ret)
{
	int r;

	if (!is_ours(diag, message)) {
		diag->foreign++;
		diag->stats.foreign++;
		return 0;
	}
	if (message->nlmsg_flags & NLM_F_DUMP_INTR && !diag->flagged) {
		diag->flagged = true;
		diag->stats.interrupted++;
	}
	switch (message->nlmsg_type) {
	case NLMSG_DONE:
		return end_pass(diag, message);
	case NLMSG_NOOP:
		return 0;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	case NLMSG_ERROR:
		diag->pending = false;
		r = message_error(message);
		return r < 0 ? r : -EBADMSG;
	default:
		break;
	}
	r = inet_diag_parse(message, message->nlmsg_len, diag->netns, diag->request.protocol, ret);
	if (r == -EPROTO)
		diag->stats.foreign++;
	else if (r < 0)
		diag->stats.truncated++;
	/* The kernel answers for NEW_SYN_RECV when it is asked for SYN_RECV; a file has everything. */
	if (r < 0 || !(diag->request.states & TCPDIAG_STATE_BIT(ret->state)))
		return 0;
	return 1;
}

static int broke_off(struct sock_diag *diag, int error)
{
	diag->running = false;
	diag->left = 0;
	diag->stats.restarts++;
	return error;
}

/* Reads what the kernel still has of a dump that nobody wants; a new socket where that fails. */
static int drain(struct sock_diag *diag)
{
	diag->foreign = 0;
	while (diag->pending) {
		while (message_ok(diag->message, diag->left)) {
			if (is_ours(diag, diag->message) &&
			    (diag->message->nlmsg_type == NLMSG_DONE ||
			     diag->message->nlmsg_type == NLMSG_ERROR))
				diag->pending = false;
			diag->message = message_next(diag->message, &diag->left);
		}
		diag->left = 0;
		if (diag->pending && receive(diag) < 0)
			return reopen(diag);
	}
	return 0;
}

static int start(struct sock_diag *diag, uint8_t family)
{
	int r;

	diag->left = 0;
	diag->foreign = 0;
	diag->flagged = false;
	diag->family = family;
	r = send_request(diag);
	if (r < 0)
		return r;
	r = receive(diag);
	if (r < 0)
		return r;
	/* What is wrong with the request is said at once. */
	if (message_ok(diag->message, diag->left) && is_ours(diag, diag->message) &&
	    (diag->message->nlmsg_type == NLMSG_ERROR || diag->message->nlmsg_type == NLMSG_DONE)) {
		r = message_error(diag->message);
		diag->pending = r >= 0;
	}
	return r;
}

int sock_diag_dump(struct sock_diag *diag, const struct sock_diag_request *request)
{
	bool single = diag->single_pass && request->protocol == IPPROTO_TCP;
	uint8_t family = single ? AF_UNSPEC : AF_INET;
	int r;

	/* What it held of ours has been written over. */
	if (diag->buffer->user != diag)
		diag->left = 0;
	diag->buffer->user = diag;

	if (!diag->netlink) {
		/* ss writes TCP only. */
		if (request->protocol != IPPROTO_TCP)
			return -EOPNOTSUPP;
		diag->request = *request;
		diag->left = 0;
		diag->foreign = 0;
		diag->flagged = false;
		diag->running = true;
		dump_file_rewind(&diag->file);
		return 0;
	}
	diag->running = false;
	r = drain(diag);
	if (r < 0)
		return r;
	diag->request = *request;
	r = start(diag, family);
	if (r == -EBUSY || r == -EPIPE || r == -ENOBUFS) {
		diag->stats.restarts++;
		r = reopen(diag);
		if (r >= 0)
			r = start(diag, family);
	}
	diag->running = r >= 0;
	return r;
}

int sock_diag_next(struct sock_diag *diag, struct tcpdiag_socket *ret)
{
	if (diag->running && diag->buffer->user != diag)
		return broke_off(diag, -EBUSY);
	while (diag->running) {
		const struct nlmsghdr *message = diag->message;
		int r;

		if (!message_ok(message, diag->left)) {
			r = refill(diag);
		} else {
			diag->message = message_next(message, &diag->left);
			r = take_message(diag, message, ret);
		}
		if (r < 0)
			return broke_off(diag, r);
		if (r > 0) {
			diag->stats.rows++;
			return 1;
		}
	}
	return 0;
}

/* Whether a dump of the listeners shows both sockets of ours. */
static int probe_single_pass(struct sock_diag *diag)
{
	const struct sock_diag_request listeners = {
		.states = TCPDIAG_STATE_BIT(TCPDIAG_LISTEN),
		.protocol = IPPROTO_TCP,
	};
	struct tcpdiag_socket sk = {};
	struct witness witness;
	int r;

	r = witness_open(&witness);
	if (r >= 0) {
		diag->single_pass = true;
		r = sock_diag_dump(diag, &listeners);
	}
	while (r >= 0) {
		r = sock_diag_next(diag, &sk);
		if (r <= 0)
			break;
		if (witness_saw(&witness, sk.inode))
			break;
	}
	/* 1: both were seen before the dump ended. */
	diag->single_pass = r == 1;
	witness_done(&witness);
	return r;
}

/* Finds out how to ask. Return: 0; -errno where neither way works. */
static int probe(struct sock_diag *diag)
{
	const struct sock_diag_request listeners = {
		.states = TCPDIAG_STATE_BIT(TCPDIAG_LISTEN),
		.protocol = IPPROTO_TCP,
	};
	int r;

	if (probe_single_pass(diag) == 1)
		return 0;
	r = sock_diag_dump(diag, &listeners);
	return r == -EOPNOTSUPP || r == -EINVAL ? -EPROTONOSUPPORT : r;
}

/* All but what it reads from. @model: shares its buffer; NULL: one of its own. */
static struct sock_diag *new_diag(const struct sock_diag *model)
{
	struct sock_diag *diag = calloc(1, sizeof(*diag));

	if (!diag)
		return NULL;
	diag->file = (struct dump_file)DUMP_FILE_INIT;
	diag->buffer = model ? model->buffer : calloc(1, sizeof(*diag->buffer));
	if (!diag->buffer) {
		free(diag);
		return NULL;
	}
	diag->buffer->references++;
	return diag;
}

static int open_here(const struct sock_diag *model, uint32_t netns, struct sock_diag **ret)
{
	struct sock_diag *diag = new_diag(model);
	int r;

	if (!diag)
		return -ENOMEM;
	diag->netns = netns;
	diag->thread_netns = current_netns();
	r = open_netlink(&diag->netlink);
	if (model)
		diag->single_pass = model->single_pass;
	else if (r >= 0)
		r = probe(diag);
	if (r < 0) {
		sock_diag_free(diag);
		return r;
	}
	diag->stats = (struct sock_diag_stats){};
	*ret = diag;
	return 0;
}

int sock_diag_open(uint32_t netns, struct sock_diag **ret)
{
	return open_here(NULL, netns, ret);
}

int sock_diag_open_as(const struct sock_diag *model, uint32_t netns, struct sock_diag **ret)
{
	return open_here(model, netns, ret);
}

int sock_diag_open_file(const char *path, struct sock_diag **ret)
{
	struct sock_diag *diag = new_diag(NULL);
	int r;

	if (!diag)
		return -ENOMEM;
	r = dump_file_open(&diag->file, path);
	if (r < 0) {
		sock_diag_free(diag);
		return r;
	}
	diag->single_pass = true;
	*ret = diag;
	return 0;
}

struct sock_diag *sock_diag_free(struct sock_diag *diag)
{
	if (!diag)
		return NULL;
	if (diag->netlink)
		mnl_socket_close(diag->netlink);
	dump_file_done(&diag->file);
	if (diag->buffer->user == diag)
		diag->buffer->user = NULL;
	if (!--diag->buffer->references)
		free(diag->buffer);
	free(diag);
	return NULL;
}

const struct sock_diag_stats *sock_diag_stats(const struct sock_diag *diag)
{
	return &diag->stats;
}

bool sock_diag_single_pass(const struct sock_diag *diag)
{
	return diag->single_pass;
}
