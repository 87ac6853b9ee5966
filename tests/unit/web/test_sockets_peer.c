/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a socket: who it is, why it is not known, and that the fields behind it are about the
 * socket itself again.
 */
#include "../harness.h"
#include "sockets_fixture.h"

/* Cookies; the records in this order. */
enum { STUCK = 0x100, FORGETFUL, WRITER, WAITING, SERVER, DOUBTFUL, ABROAD, OPEN, END };

static struct fixture machine;

static struct record *add(uint64_t cookie, enum tcpdiag_state state, bool swapped, uint16_t port)
{
	const char *local = swapped ? "10.0.0.2" : "10.0.0.1";
	const char *remote = swapped ? "10.0.0.1" : "10.0.0.2";

	return fixture_add(&machine, cookie, state, local, swapped ? 80 : port, remote,
			   swapped ? port : 80);
}

static void pair(struct record *a, struct record *b, uint32_t first)
{
	a->peer = first + 1;
	b->peer = first;
}

static void setup(void)
{
	struct record *a, *b;

	fixture_begin(&machine);
	add(STUCK, TCPDIAG_FIN_WAIT2, false, 1000);
	b = add(FORGETFUL, TCPDIAG_CLOSE_WAIT, true, 1000);
	b->sk.netns = OTHER_NETNS;
	b->sk.rqueue = 1;
	b->state_since_ns = NOW_NS - 300 * NSEC_PER_SEC;
	fixture_hold(&machine, b, JAVA, 77);
	a = b - 1;
	fixture_hold(&machine, a, NGINX, 5);
	pair(a, b, 0);

	add(WRITER, TCPDIAG_FIN_WAIT1, false, 1001);
	b = add(WAITING, TCPDIAG_ESTABLISHED, true, 1001);
	b->sk.attachment = TCPDIAG_UNACCEPTED;
	b->sk.rqueue = 900;
	b->sk.known |= TCPDIAG_KNOWS_RCV_WND;
	b->listener = 4;
	b->holder = b->creator = RECORD_NONE;
	a = b - 1;
	fixture_hold(&machine, a, NGINX, 6);
	pair(a, b, 2);

	a = fixture_add(&machine, SERVER, TCPDIAG_LISTEN, "10.0.0.2", 80, "0.0.0.0", 0);
	fixture_hold(&machine, a, GONE, 3);
	add(DOUBTFUL, TCPDIAG_FIN_WAIT1, false, 1002)->peer_unknown = PEER_SEVERAL;
	add(ABROAD, TCPDIAG_CLOSE_WAIT, false, 1003)->peer_unknown = PEER_NOT_HERE;
	add(OPEN, TCPDIAG_ESTABLISHED, false, 1004)->peer_unknown = PEER_NOT_LOOKED_FOR;
	fixture_seal(&machine);
}

static void teardown(void)
{
	fixture_done(&machine);
}

static const struct {
	uint64_t cookie;
	const char *path, *value;
} values[] = {
	{ STUCK, "peer", "\"4026532000-101\"" },
	{ STUCK, "peer_unknown", "null" },
	{ STUCK, "peer_socket.id", "\"4026532000-101\"" },
	{ STUCK, "peer_socket.netns", "4026532000" },
	{ STUCK, "peer_socket.state", "\"close-wait\"" },
	{ STUCK, "peer_socket.attachment", "\"held\"" },
	{ STUCK, "peer_socket.state_seconds", "300" },
	{ STUCK, "peer_socket.receive_queue", "1" },
	{ STUCK, "peer_socket.unread_bytes", "0" },
	{ STUCK, "peer_socket.fin_unread", "true" },
	{ STUCK, "peer_socket.receive_window_bytes", "null" },
	{ STUCK, "peer_socket.holder.pid", "200" },
	{ STUCK, "peer_socket.holder.fd", "77" },
	{ STUCK, "peer_socket.holder.comm", "\"java\"" },
	{ STUCK, "peer_socket.holder.unit", "\"app.service\"" },
	{ STUCK, "peer_socket.holder.container_name", "\"payments/api-7d9f-x2/envoy\"" },
	/* Behind it stands the socket itself again. */
	{ STUCK, "state", "\"fin-wait-2\"" },
	{ STUCK, "outcomes.close.rule", "\"close-fin-wait-2\"" },
	{ STUCK, "tcp.send_window_bytes", "null" },
	{ FORGETFUL, "peer_socket.state", "\"fin-wait-2\"" },
	{ FORGETFUL, "peer_socket.holder.comm", "\"nginx\"" },
	{ FORGETFUL, "outcomes.close.rule", "\"close-fin\"" },
	/* What nobody has accepted: the process that listens, and no descriptor. */
	{ WRITER, "peer_socket.attachment", "\"unaccepted\"" },
	{ WRITER, "peer_socket.unread_bytes", "900" },
	{ WRITER, "peer_socket.receive_window_bytes", "0" },
	{ WRITER, "peer_socket.holder.comm", "\"curl\"" },
	{ WRITER, "peer_socket.holder.fd", "null" },
	{ DOUBTFUL, "peer", "null" },
	{ DOUBTFUL, "peer_unknown", "\"several\"" },
	{ DOUBTFUL, "peer_socket", "null" },
	{ ABROAD, "peer_unknown", "\"not-here\"" },
	{ OPEN, "peer_unknown", "\"not-looked-for\"" },
	{ SERVER, "peer", "null" },
	{ SERVER, "peer_unknown", "null" },
	{ SERVER, "peer_socket", "null" },
};

static char *value_of(json_t *list, uint64_t cookie, const char *path)
{
	return json_dumps(at(socket_of(list, cookie), path),
			  JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
}

START_TEST(value_of_a_peer)
{
	json_t *list = fixture_get(&machine, "detail=full");
	_cleanup_free_ char *text = value_of(list, values[_i].cookie, values[_i].path);

	ck_assert_msg(text && !strcmp(text, values[_i].value), "%llx %s: %s, expected %s",
		      (unsigned long long)values[_i].cookie, values[_i].path, text,
		      values[_i].value);
	json_decref(list);
}
END_TEST

/* In lists on request, whatever else is asked for; to sort and to group by. */
START_TEST(on_request)
{
	json_t *list = fixture_get(&machine, ""), *first;
	char *text;

	ck_assert_ptr_null(json_object_get(socket_of(list, STUCK), "peer_socket"));
	ck_assert_ptr_nonnull(json_object_get(socket_of(list, STUCK), "peer_unknown"));
	json_decref(list);
	list = fixture_get(&machine, "fields=cookie,state,peer_socket.state,findings,"
				     "peer_socket.holder.comm");
	text = value_of(list, STUCK, "peer_socket");
	ck_assert_str_eq(text, "{\"state\":\"close-wait\",\"holder\":{\"comm\":\"java\"}}");
	free(text);
	text = value_of(list, STUCK, "state");
	ck_assert_str_eq(text, "\"fin-wait-2\"");
	free(text);
	json_decref(list);

	list = fixture_get(&machine, "sort=-peer_socket.state_seconds&fields=cookie,state");
	first = json_array_get(json_object_get(list, "sockets"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "state")), "fin-wait-2");
	json_decref(list);

	list = fixture_get(&machine, "state=fin-wait-2&group=peer_socket.holder.comm");
	first = json_array_get(json_object_get(list, "groups"), 0);
	text = json_dumps(json_object_get(first, "key"), JSON_COMPACT);
	ck_assert_ptr_nonnull(strstr(text, "java"));
	free(text);
	json_decref(list);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("sockets: peer");
	TCase *tc = tcase_create("peer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, value_of_a_peer, 0, ARRAY_SIZE(values));
	tcase_add_test(tc, on_request);
	suite_add_tcase(s, tc);
	return s;
}
