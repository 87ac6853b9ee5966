/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A socket looked up by its ends is the one that a dump shows, member by member, in each state that a connection
 * comes through when it ends. What moves with time must lie between the dump before and the one after.
 */
#include "../harness.h"
#include "bpf_scene.h"

#define TRIES 50
#define MARK 77

static struct bpf_reader *reader;
static struct sock_diag *diag;

static void begin(void)
{
	scene_begin();
	reader = bpf_scene_open();
	diag = scene_open();
}

static void end(void)
{
	sock_diag_free(diag);
	bpf_reader_free(reader);
}

/* ---- how to come into a state: what is returned is the end to look at ---- */

enum side { CLIENT, SERVER };

static void fill(int fd)
{
	static const char bytes[65536];

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
}

static enum side established(const struct scene_pair *pair)
{
	ck_assert_int_eq(send(pair->client, "unread", 6, 0), 6);
	return SERVER;
}

static enum side fin_wait_1(const struct scene_pair *pair)
{
	fill(pair->client);
	shutdown(pair->client, SHUT_WR);
	return CLIENT;
}

static enum side fin_wait_1_orphan(const struct scene_pair *pair)
{
	fill(pair->client);
	close(pair->client);
	return CLIENT;
}

static enum side fin_wait_2(const struct scene_pair *pair)
{
	shutdown(pair->client, SHUT_WR);
	ck_assert_int_eq(send(pair->server, "unread", 6, 0), 6);
	return CLIENT;
}

static enum side fin_wait_2_orphan(const struct scene_pair *pair)
{
	const int seconds = 120;

	ck_assert_int_eq(
		setsockopt(pair->client, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)), 0);
	close(pair->client);
	return CLIENT;
}

static enum side fin_wait_2_mini(const struct scene_pair *pair)
{
	close(pair->client);
	return CLIENT;
}

static enum side time_wait(const struct scene_pair *pair)
{
	close(pair->client);
	close(pair->server);
	return CLIENT;
}

static enum side close_wait(const struct scene_pair *pair)
{
	ck_assert_int_eq(send(pair->client, "unread", 6, 0), 6);
	shutdown(pair->client, SHUT_WR);
	return SERVER;
}

static enum side last_ack(const struct scene_pair *pair)
{
	shutdown(pair->client, SHUT_WR);
	fill(pair->server);
	close(pair->server);
	return SERVER;
}

static enum side closing(const struct scene_pair *pair)
{
	fill(pair->client);
	shutdown(pair->client, SHUT_WR);
	shutdown(pair->server, SHUT_WR);
	return CLIENT;
}

static const struct {
	enum side (*make)(const struct scene_pair *pair);
	uint8_t state, kind;
} states[] = {
	{ established, TCPDIAG_ESTABLISHED, TCPDIAG_KIND_FULL },
	{ fin_wait_1, TCPDIAG_FIN_WAIT1, TCPDIAG_KIND_FULL },
	{ fin_wait_1_orphan, TCPDIAG_FIN_WAIT1, TCPDIAG_KIND_FULL },
	{ fin_wait_2, TCPDIAG_FIN_WAIT2, TCPDIAG_KIND_FULL },
	{ fin_wait_2_orphan, TCPDIAG_FIN_WAIT2, TCPDIAG_KIND_FULL },
	{ fin_wait_2_mini, TCPDIAG_FIN_WAIT2, TCPDIAG_KIND_TIMEWAIT },
	{ time_wait, TCPDIAG_TIME_WAIT, TCPDIAG_KIND_TIMEWAIT },
	{ close_wait, TCPDIAG_CLOSE_WAIT, TCPDIAG_KIND_FULL },
	{ last_ack, TCPDIAG_LAST_ACK, TCPDIAG_KIND_FULL },
	{ closing, TCPDIAG_CLOSING, TCPDIAG_KIND_FULL },
};

static const struct {
	int listen_family;
	const char *listen_on;
	int family;
	const char *to;
} families[] = {
	{ AF_INET, "127.0.0.1", AF_INET, "127.0.0.1" },
	{ AF_INET6, "::1", AF_INET6, "::1" },
	{ AF_INET6, "::", AF_INET, "127.0.0.1" },
};

/* ---- the comparison ---- */

/* Waits until the socket has come to rest there. */
static struct tcpdiag_socket settled(uint16_t local, uint16_t remote, size_t number)
{
	struct tcpdiag_socket sk = {};

	for (int i = 0; i < TRIES; i++) {
		int found = scene_count(diag, SCENE_NOT_LISTENING, IPPROTO_TCP, local, remote, &sk);

		if (found == 1 && sk.state == states[number].state &&
		    sk.kind == states[number].kind)
			return sk;
		scene_nap(20);
	}
	ck_abort_msg("row %zu: the socket is in %s", number, tcpdiag_state_name(sk.state));
}

#define BETWEEN(member) (before->member <= sk->member && sk->member <= after->member)

/* Whether nothing has happened to it between the two dumps but the time that went by. */
static bool is_quiet(const struct tcpdiag_socket *before, const struct tcpdiag_socket *after)
{
	return before->timer == after->timer && before->retransmits == after->retransmits &&
	       before->expires_ms >= after->expires_ms && before->unacked == after->unacked &&
	       before->last_ack_recv_ms <= after->last_ack_recv_ms &&
	       before->last_data_recv_ms <= after->last_data_recv_ms &&
	       before->last_data_sent_ms <= after->last_data_sent_ms &&
	       before->wmem_queued == after->wmem_queued && before->probes == after->probes;
}

static void compare_fixed(const struct tcpdiag_socket *dump, const struct tcpdiag_socket *sk)
{
#define SAME(member) \
	ck_assert_msg(dump->member == sk->member, #member ": %llu in the dump, %llu looked up", \
		      (unsigned long long)dump->member, (unsigned long long)sk->member)
	SAME(cookie);
	ck_assert_mem_eq(dump->local, sk->local, sizeof(sk->local));
	ck_assert_mem_eq(dump->remote, sk->remote, sizeof(sk->remote));
	SAME(local_port);
	SAME(remote_port);
	SAME(netns);
	SAME(known);
	SAME(inode);
	SAME(uid);
	SAME(ifindex);
	SAME(mark);
	SAME(rqueue);
	SAME(wqueue);
	SAME(rmem_alloc);
	SAME(rcvbuf);
	SAME(wmem_queued);
	SAME(sndbuf);
	SAME(rto_us);
	SAME(rtt_us);
	SAME(unacked);
	SAME(notsent_bytes);
	SAME(snd_wnd);
	SAME(rcv_wnd);
	SAME(bytes_acked);
	SAME(bytes_received);
	SAME(bytes_sent);
	SAME(state);
	SAME(kind);
	SAME(attachment);
	SAME(family);
	SAME(sk_shutdown);
	SAME(timer);
	SAME(retransmits);
	SAME(backoff);
	SAME(probes);
	SAME(mapped);
	SAME(mptcp);
	SAME(mptcp_subflow);
	SAME(v6only);
#undef SAME
}

/* Everything else must be the same to the last bit: there is no member that this test does not know. */
static void compare_rest(struct tcpdiag_socket dump, struct tcpdiag_socket sk)
{
	dump.expires_ms = sk.expires_ms = 0;
	dump.last_data_sent_ms = sk.last_data_sent_ms = 0;
	dump.last_data_recv_ms = sk.last_data_recv_ms = 0;
	dump.last_ack_recv_ms = sk.last_ack_recv_ms = 0;
	ck_assert_int_eq(memcmp(&dump, &sk, sizeof(sk)), 0);
}

/* What is known of it from before: its ends are asked for, nothing else of it counts. */
static struct tcpdiag_socket ends_of(const struct tcpdiag_socket *dump)
{
	struct tcpdiag_socket asked = {
		.cookie = dump->cookie,
		.local_port = dump->local_port,
		.remote_port = dump->remote_port,
		.netns = dump->netns,
		.ifindex = dump->ifindex,
		.state = TCPDIAG_FIN_WAIT1,
		.family = dump->family,
		.mapped = dump->mapped,
		.mark = 123456,
		.rqueue = 99,
	};

	memcpy(asked.local, dump->local, sizeof(asked.local));
	memcpy(asked.remote, dump->remote, sizeof(asked.remote));
	return asked;
}

static void compare(size_t number, uint16_t local, uint16_t remote)
{
	for (int i = 0; i < TRIES; i++) {
		const struct tcpdiag_socket first = settled(local, remote, number);
		const struct tcpdiag_socket asked = ends_of(&first), *ask = &asked;
		struct tcpdiag_socket looked_up, second, *sk = &looked_up;
		const struct tcpdiag_socket *before = &first, *after = &second;
		struct socket_settings settings;

		ck_assert_int_eq(sockets_look_up(reader, &ask, 1, sk, &settings), 1);
		second = settled(local, remote, number);
		if (!is_quiet(before, after)) {
			scene_nap(10);
			continue;
		}
		compare_fixed(before, sk);
		ck_assert(after->expires_ms <= sk->expires_ms &&
			  sk->expires_ms <= before->expires_ms);
		ck_assert(BETWEEN(last_data_sent_ms));
		ck_assert(BETWEEN(last_data_recv_ms));
		ck_assert(BETWEEN(last_ack_recv_ms));
		compare_rest(first, looked_up);
		ck_assert_uint_eq(settings.cookie, sk->kind == TCPDIAG_KIND_FULL ? sk->cookie : 0);
		return;
	}
	ck_abort_msg("the socket never came to rest");
}

static void prepare(const struct scene_pair *pair)
{
	const int mark = MARK;

	/* A minisocket has the cookie of its socket if that had one. */
	ck_assert_uint_ne(scene_cookie(pair->client), 0);
	ck_assert_uint_ne(scene_cookie(pair->server), 0);
	(void)setsockopt(pair->client, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static void one(const struct scene_pair *pair, size_t number)
{
	prepare(pair);
	if (states[number].make(pair) == CLIENT)
		compare(number, pair->client_port, pair->server_port);
	else
		compare(number, pair->server_port, pair->client_port);
}

START_TEST(as_in_a_dump)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct scene_pair pair =
			scene_connected(families[i].listen_family, families[i].listen_on,
					families[i].family, families[i].to, 0);

		one(&pair, (size_t)_i);
	}
}
END_TEST

START_TEST(bound_to_a_device)
{
	const struct scene_pair pair = scene_pair();

	ck_assert_int_eq(setsockopt(pair.client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	ck_assert_int_eq(setsockopt(pair.server, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	one(&pair, (size_t)_i);
}
END_TEST

START_TEST(a_device_that_has_gone_is_said)
{
	const struct tcpdiag_socket asked = {
		.cookie = 1,
		.local_port = 1,
		.remote_port = 2,
		.ifindex = 4711,
		.state = TCPDIAG_FIN_WAIT2,
		.family = AF_INET,
	};
	const struct tcpdiag_socket *ask = &asked;
	struct socket_settings settings;
	struct tcpdiag_socket sk;

	ck_assert_int_eq(sockets_look_up(reader, &ask, 1, &sk, &settings), -ENODEV);
	ck_assert_int_eq(settings_look_up(reader, &ask, 1, &settings), 0);
}
END_TEST

START_TEST(what_is_not_there_and_what_cannot_be_asked_for)
{
	const struct scene_pair pair = scene_pair();
	struct tcpdiag_socket asked[4], ret[4];
	const struct tcpdiag_socket *ask[4] = { &asked[0], &asked[1], &asked[2], &asked[3] };
	struct socket_settings settings[4];

	prepare(&pair);
	asked[0] = asked[1] = asked[2] = asked[3] = settled(pair.client_port, pair.server_port, 0);
	asked[0].cookie++;
	asked[1].mptcp = true;
	asked[2].local_port = 0;
	ck_assert_int_eq(sockets_look_up(reader, ask, 4, ret, settings), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(ret[i].cookie, 0);
	ck_assert_uint_eq(ret[3].cookie, asked[3].cookie);
	/* Settings alone do not touch them. */
	ck_assert_int_eq(settings_look_up(reader, ask, 4, settings), 1);
	ck_assert_uint_eq(settings[3].cookie, asked[3].cookie);
}
END_TEST

Suite *suite(void)
{
	TCase *tcase = tcase_create("kernel");
	Suite *suite = suite_create("socket_rows");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, as_in_a_dump, 0, (int)ARRAY_SIZE(states));
	tcase_add_loop_test(tcase, bound_to_a_device, 0, (int)ARRAY_SIZE(states));
	tcase_add_test(tcase, a_device_that_has_gone_is_said);
	tcase_add_test(tcase, what_is_not_there_and_what_cannot_be_asked_for);
	suite_add_tcase(suite, tcase);
	return suite;
}
