/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which listener answers for a local end, and who began a connection.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "../harness.h"
#include "collector/listeners.h"
#include "model/macro.h"

#define S NSEC_PER_SEC

static struct listeners *listeners;
static struct record records[16];
static uint32_t count;
static const uint16_t range[2] = { 32768, 60999 };

static struct tcpdiag_socket end(const char *address, uint16_t port)
{
	struct tcpdiag_socket sk = { .state = TCPDIAG_ESTABLISHED,
				     .attachment = TCPDIAG_HELD,
				     .netns = 1,
				     .local_port = port,
				     .family = AF_INET };

	if (strchr(address, ':')) {
		sk.family = AF_INET6;
		ck_assert_int_eq(inet_pton(AF_INET6, address, sk.local), 1);
		return sk;
	}
	sk.local[10] = sk.local[11] = 0xff;
	ck_assert_int_eq(inet_pton(AF_INET, address, sk.local + 12), 1);
	return sk;
}

static uint32_t listens(const char *address, uint16_t port, bool v6only)
{
	struct tcpdiag_socket *sk = &records[count].sk;

	*sk = end(address, port);
	sk->state = TCPDIAG_LISTEN;
	sk->v6only = v6only;
	ck_assert_int_eq(listeners_add(listeners, sk, count), 0);
	return count++;
}

static uint32_t found(const char *address, uint16_t port)
{
	const struct tcpdiag_socket sk = end(address, port);

	return listeners_find(listeners, records, &sk);
}

static void setup(void)
{
	count = 0;
	memset(records, 0, sizeof(records));
	ck_assert_int_eq(listeners_new(&listeners), 0);
	listeners_begin(listeners, 1000 * S);
}

static void teardown(void)
{
	listeners = listeners_free(listeners);
}

START_TEST(test_best_fit)
{
	uint32_t any4 = listens("0.0.0.0", 80, false), exact = listens("10.0.0.1", 80, false);
	uint32_t any6 = listens("::", 443, false), only6 = listens("::", 8080, true);
	uint32_t exact6 = listens("fe80::1", 443, false);

	ck_assert_uint_eq(found("10.0.0.1", 80), exact);
	ck_assert_uint_eq(found("10.0.0.2", 80), any4);
	ck_assert_uint_eq(found("fe80::1", 443), exact6);
	ck_assert_uint_eq(found("fe80::2", 443), any6);
	/* A dual-stack listener takes IPv4 too, unless told not to. */
	ck_assert_uint_eq(found("10.0.0.2", 443), any6);
	ck_assert_uint_eq(found("10.0.0.2", 8080), RECORD_NONE);
	ck_assert_uint_eq(found("::1", 8080), only6);
	ck_assert_uint_eq(found("::1", 80), RECORD_NONE);
	ck_assert_uint_eq(found("10.0.0.1", 81), RECORD_NONE);
	/* The same page of ports, another port. */
	ck_assert_uint_eq(found("10.0.0.1", 80 + 256), RECORD_NONE);
}
END_TEST

START_TEST(test_both_families)
{
	uint32_t any6 = listens("::", 80, true), any4 = listens("0.0.0.0", 80, false);

	ck_assert_uint_eq(found("10.0.0.2", 80), any4);
	ck_assert_uint_eq(found("fe80::2", 80), any6);
}
END_TEST

START_TEST(test_reuseport_is_stable)
{
	uint32_t one = listens("0.0.0.0", 80, false);

	listens("0.0.0.0", 80, false);
	listens("0.0.0.0", 80, false);
	ck_assert_uint_eq(found("10.0.0.1", 80), one);
}
END_TEST

START_TEST(test_namespaces_are_apart)
{
	struct tcpdiag_socket sk = end("10.0.0.1", 80);

	listens("0.0.0.0", 80, false);
	sk.netns = 2;
	ck_assert_uint_eq(listeners_find(listeners, records, &sk), RECORD_NONE);
	ck_assert(!listeners_had(listeners, &sk, range));
}
END_TEST

START_TEST(test_memory_of_ports)
{
	const struct tcpdiag_socket low = end("10.0.0.1", 80), high = end("10.0.0.1", 40000);

	listens("0.0.0.0", 80, false);
	listens("0.0.0.0", 40000, false);
	/* Both listeners close. */
	listeners_begin(listeners, 1001 * S);
	ck_assert_uint_eq(found("10.0.0.1", 80), RECORD_NONE);
	ck_assert(listeners_had(listeners, &low, range));
	ck_assert(listeners_had(listeners, &high, range));
	/* Minutes later the port of the ephemeral range may be a client's. */
	listeners_begin(listeners, 1062 * S);
	ck_assert(listeners_had(listeners, &high, range));
	listeners_begin(listeners, 1130 * S);
	ck_assert(listeners_had(listeners, &low, range));
	ck_assert(!listeners_had(listeners, &high, range));
	/* Where the range is not known, neither is sure for long. */
	ck_assert(!listeners_had(listeners, &low, (const uint16_t[2]){ 0, 0 }));
}
END_TEST

static const struct {
	const char *what;
	uint16_t port;
	uint8_t state, kind, attachment;
	bool complete, known;
	enum direction direction;
} directions[] = {
	{ "a server's port", 80, TCPDIAG_ESTABLISHED, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_INBOUND },
	{ "its TIME-WAIT", 80, TCPDIAG_TIME_WAIT, TCPDIAG_KIND_TIMEWAIT, TCPDIAG_TIMEWAIT, true,
	  true, DIRECTION_INBOUND },
	{ "a client's port", 40000, TCPDIAG_CLOSE_WAIT, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_OUTBOUND },
	{ "listeners not seen yet", 40000, TCPDIAG_CLOSE_WAIT, 0, TCPDIAG_HELD, false, true,
	  DIRECTION_UNKNOWN },
	{ "the range is not known", 40000, TCPDIAG_CLOSE_WAIT, 0, TCPDIAG_HELD, true, false,
	  DIRECTION_UNKNOWN },
	{ "a low port without a listener", 81, TCPDIAG_ESTABLISHED, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_UNKNOWN },
	{ "connect() under way", 81, TCPDIAG_SYN_SENT, 0, TCPDIAG_HELD, false, false,
	  DIRECTION_OUTBOUND },
	{ "in an accept queue", 81, TCPDIAG_ESTABLISHED, 0, TCPDIAG_UNACCEPTED, false, false,
	  DIRECTION_INBOUND },
	{ "half a handshake", 81, TCPDIAG_NEW_SYN_RECV, TCPDIAG_KIND_REQUEST, TCPDIAG_REQUEST,
	  false, false, DIRECTION_INBOUND },
	{ "a listener has no direction", 80, TCPDIAG_LISTEN, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_UNKNOWN },
	{ "nor has a bound one", 40000, TCPDIAG_BOUND_INACTIVE, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_UNKNOWN },
	{ "a connection that is dead came in", 80, TCPDIAG_CLOSE, 0, TCPDIAG_HELD, true, true,
	  DIRECTION_INBOUND },
	{ "or went out", 40000, TCPDIAG_CLOSE, 0, TCPDIAG_HELD, true, true, DIRECTION_OUTBOUND },
};

START_TEST(test_never_connected)
{
	struct tcpdiag_socket sk = end("10.0.0.1", 80);

	listens("0.0.0.0", 80, false);
	sk.state = TCPDIAG_CLOSE;
	sk.remote_port = 0;
	sk.attachment = TCPDIAG_HELD;
	ck_assert_int_eq(
		direction_of(listeners, &sk, listeners_find(listeners, records, &sk), range, true),
		DIRECTION_UNKNOWN);
}
END_TEST

START_TEST(test_direction)
{
	struct tcpdiag_socket sk = end("10.0.0.1", directions[_i].port);
	const uint16_t unknown[2] = { 0, 0 };

	listens("0.0.0.0", 80, false);
	sk.state = directions[_i].state;
	sk.kind = directions[_i].kind;
	sk.attachment = directions[_i].attachment;
	sk.remote_port = 1;
	ck_assert_msg(direction_of(listeners, &sk, listeners_find(listeners, records, &sk),
				   directions[_i].known ? range : unknown,
				   directions[_i].complete) == directions[_i].direction,
		      "%s", directions[_i].what);
}
END_TEST

START_TEST(test_many_namespaces)
{
	struct tcpdiag_socket sk = end("0.0.0.0", 80);
	uint32_t i, failed = 0;

	for (i = 0; i < 5000; i++) {
		sk.netns = i + 10;
		failed += listeners_add(listeners, &sk, 0) < 0;
	}
	ck_assert_uint_eq(failed, 5000 - 4096);
	sk.netns = 10;
	ck_assert(listeners_had(listeners, &sk, range));
	sk.netns = 5009;
	ck_assert(!listeners_had(listeners, &sk, range));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("listeners");
	TCase *tc = tcase_create("listeners");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_best_fit);
	tcase_add_test(tc, test_both_families);
	tcase_add_test(tc, test_reuseport_is_stable);
	tcase_add_test(tc, test_namespaces_are_apart);
	tcase_add_test(tc, test_memory_of_ports);
	tcase_add_test(tc, test_never_connected);
	tcase_add_loop_test(tc, test_direction, 0, ARRAY_SIZE(directions));
	tcase_add_test(tc, test_many_namespaces);
	suite_add_tcase(s, tc);
	return s;
}
