/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows made by hand: what a running kernel does not show on demand, and what none would ever send.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "../harness.h"
#include "kernel/inet_diag.h"
#include "kernel/uapi.h"
#include "model/macro.h"

static struct {
	struct nlmsghdr header;
	struct inet_diag_msg msg;
	char attributes[2048];
} row;

static void begin(int family, int state)
{
	memset(&row, 0, sizeof(row));
	row.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	row.header.nlmsg_len = NLMSG_LENGTH(sizeof(row.msg));
	row.msg.idiag_family = family;
	row.msg.idiag_state = state;
}

static void add(uint16_t type, const void *payload, uint16_t size)
{
	struct nlattr attribute = { .nla_type = type, .nla_len = NLA_HDRLEN + size };
	char *at = (char *)&row + row.header.nlmsg_len;

	memcpy(at, &attribute, sizeof(attribute));
	if (size)
		memcpy(at + NLA_HDRLEN, payload, size);
	row.header.nlmsg_len += NLA_ALIGN(attribute.nla_len);
}

static void add_u8(uint16_t type, uint8_t value)
{
	add(type, &value, sizeof(value));
}

static void add_u32(uint16_t type, uint32_t value)
{
	add(type, &value, sizeof(value));
}

static int parse(int protocol, struct tcpdiag_socket *ret)
{
	return inet_diag_parse(&row.header, row.header.nlmsg_len, 9, protocol, ret);
}

/* What a state of the kernel's becomes, with and without the attribute that minisockets lack. */
static const struct {
	int state;
	enum tcpdiag_state full, mini;
	enum tcpdiag_kind mini_kind;
	enum tcpdiag_attachment full_attachment, mini_attachment;
} states[] = {
	{ 1, TCPDIAG_ESTABLISHED, TCPDIAG_ESTABLISHED, TCPDIAG_KIND_FULL, TCPDIAG_UNACCEPTED,
	  TCPDIAG_UNACCEPTED },
	{ 2, TCPDIAG_SYN_SENT, TCPDIAG_SYN_SENT, TCPDIAG_KIND_FULL, TCPDIAG_ATTACHMENT_UNKNOWN,
	  TCPDIAG_ATTACHMENT_UNKNOWN },
	{ 3, TCPDIAG_SYN_RECV, TCPDIAG_NEW_SYN_RECV, TCPDIAG_KIND_REQUEST, TCPDIAG_UNACCEPTED,
	  TCPDIAG_REQUEST },
	{ 4, TCPDIAG_FIN_WAIT1, TCPDIAG_FIN_WAIT1, TCPDIAG_KIND_FULL, TCPDIAG_ORPHAN,
	  TCPDIAG_ORPHAN },
	{ 5, TCPDIAG_FIN_WAIT2, TCPDIAG_FIN_WAIT2, TCPDIAG_KIND_TIMEWAIT, TCPDIAG_ORPHAN,
	  TCPDIAG_TIMEWAIT },
	{ 6, TCPDIAG_TIME_WAIT, TCPDIAG_TIME_WAIT, TCPDIAG_KIND_TIMEWAIT,
	  TCPDIAG_ATTACHMENT_UNKNOWN, TCPDIAG_TIMEWAIT },
	{ 7, TCPDIAG_BOUND_INACTIVE, TCPDIAG_CLOSE, TCPDIAG_KIND_FULL, TCPDIAG_ATTACHMENT_UNKNOWN,
	  TCPDIAG_ATTACHMENT_UNKNOWN },
	{ 8, TCPDIAG_CLOSE_WAIT, TCPDIAG_CLOSE_WAIT, TCPDIAG_KIND_FULL, TCPDIAG_UNACCEPTED,
	  TCPDIAG_UNACCEPTED },
	{ 9, TCPDIAG_LAST_ACK, TCPDIAG_LAST_ACK, TCPDIAG_KIND_FULL, TCPDIAG_ORPHAN,
	  TCPDIAG_ORPHAN },
	{ 11, TCPDIAG_CLOSING, TCPDIAG_CLOSING, TCPDIAG_KIND_FULL, TCPDIAG_ORPHAN, TCPDIAG_ORPHAN },
	{ 12, TCPDIAG_NEW_SYN_RECV, TCPDIAG_NEW_SYN_RECV, TCPDIAG_KIND_REQUEST,
	  TCPDIAG_ATTACHMENT_UNKNOWN, TCPDIAG_REQUEST },
};

START_TEST(full_and_mini)
{
	struct tcpdiag_socket sk;

	begin(AF_INET, states[_i].state);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_int_eq(sk.state, states[_i].mini);
	ck_assert_int_eq(sk.kind, states[_i].mini_kind);
	ck_assert_int_eq(sk.attachment, states[_i].mini_attachment);
	ck_assert_uint_eq(sk.known, 0);
	add_u8(INET_DIAG_SHUTDOWN, 3);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_int_eq(sk.state, states[_i].full);
	ck_assert_int_eq(sk.kind, TCPDIAG_KIND_FULL);
	ck_assert_int_eq(sk.attachment, states[_i].full_attachment);
	ck_assert_uint_eq(sk.sk_shutdown, 3);
	ck_assert_uint_eq(sk.known, TCPDIAG_KNOWS_SHUTDOWN);
}
END_TEST

START_TEST(header)
{
	struct tcpdiag_socket sk;

	begin(AF_INET, TCPDIAG_ESTABLISHED);
	row.header.nlmsg_type = TCPDIAG_GETSOCK;
	row.msg.id.idiag_sport = htons(443);
	row.msg.id.idiag_dport = htons(51234);
	row.msg.id.idiag_src[0] = htonl(0x0a000001);
	row.msg.id.idiag_dst[0] = htonl(0x0a090807);
	row.msg.id.idiag_src[1] =
		0xffffffff; /* what is behind an IPv4 address counts for nothing */
	row.msg.id.idiag_cookie[0] = 0x11223344;
	row.msg.id.idiag_cookie[1] = 0x55;
	row.msg.idiag_timer = TCPDIAG_TIMER_PROBE;
	row.msg.idiag_retrans = 4;
	row.msg.idiag_expires = 1234;
	row.msg.idiag_rqueue = 5;
	row.msg.idiag_wqueue = 6;
	row.msg.idiag_uid = 1000;
	row.msg.idiag_inode = 77;
	add_u8(INET_DIAG_SHUTDOWN, 0);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_mem_eq(sk.local, "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1", 16);
	ck_assert_mem_eq(sk.remote, "\0\0\0\0\0\0\0\0\0\0\377\377\12\11\10\7", 16);
	ck_assert_uint_eq(sk.local_port, 443);
	ck_assert_uint_eq(sk.remote_port, 51234);
	ck_assert_uint_eq(sk.cookie, 0x5511223344);
	ck_assert_uint_eq(sk.netns, 9);
	ck_assert_int_eq(sk.timer, TCPDIAG_TIMER_PROBE);
	ck_assert_uint_eq(sk.retransmits, 4);
	ck_assert_uint_eq(sk.expires_ms, 1234);
	ck_assert_uint_eq(sk.rqueue, 5);
	ck_assert_uint_eq(sk.wqueue, 6);
	ck_assert_uint_eq(sk.uid, 1000);
	ck_assert_uint_eq(sk.inode, 77);
	ck_assert_uint_eq(sk.known, TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_UID);
	/* No cookie was made. */
	row.msg.id.idiag_cookie[0] = row.msg.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_uint_eq(sk.cookie, 0);
	/* Older kernels say 0 for whoever has no file. */
	row.msg.idiag_inode = row.msg.idiag_uid = 0;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_uint_eq(sk.known & TCPDIAG_KNOWS_UID, 0);
}
END_TEST

START_TEST(mapped_listener)
{
	struct tcpdiag_socket sk;

	begin(AF_INET6, TCPDIAG_LISTEN);
	row.msg.id.idiag_src[2] = htonl(0xffff);
	row.msg.id.idiag_src[3] = htonl(0xc0000201);
	add_u8(INET_DIAG_SHUTDOWN, 0);
	add_u8(INET_DIAG_SKV6ONLY, 1);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_int_eq(sk.family, AF_INET);
	ck_assert(sk.mapped && sk.v6only);
	ck_assert_mem_eq(sk.remote, "\0\0\0\0\0\0\0\0\0\0\377\377\0\0\0\0", 16);
}
END_TEST

/* Who may not see marks is not told the protocol above either, and that is not "none". */
START_TEST(protocol_above)
{
	static const char *const names[] = { "mptcp", "tls", "mptcpx", "" };
	const struct uapi_tcp_info info = { .rto = 200000 };
	struct tcpdiag_socket sk;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char nested[64] = {};
		struct nlattr name = { .nla_type = INET_ULP_INFO_NAME,
				       .nla_len = NLA_HDRLEN + strlen(names[i]) + 1 };

		memcpy(nested, &name, sizeof(name));
		memcpy(nested + NLA_HDRLEN, names[i], strlen(names[i]) + 1);
		begin(AF_INET, TCPDIAG_ESTABLISHED);
		add_u8(INET_DIAG_SHUTDOWN, 0);
		add(INET_DIAG_INFO, &info, sizeof(info));
		ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
		ck_assert_uint_eq(sk.known & (TCPDIAG_KNOWS_ULP | TCPDIAG_KNOWS_MARK), 0);
		add_u32(INET_DIAG_MARK, 0);
		add(INET_DIAG_ULP_INFO | NLA_F_NESTED, nested, NLA_ALIGN(name.nla_len));
		ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
		ck_assert_uint_ne(sk.known & TCPDIAG_KNOWS_ULP, 0);
		ck_assert_int_eq(sk.mptcp_subflow, i == 0);
		ck_assert_uint_eq(sk.rto_us, 200000);
	}
}
END_TEST

/* An MPTCP socket's attribute is another struct. */
START_TEST(mptcp_info_is_no_tcp_info)
{
	const struct uapi_tcp_info info = { .rto = 1 };
	struct tcpdiag_socket sk;

	begin(AF_INET, TCPDIAG_CLOSE);
	add_u8(INET_DIAG_SHUTDOWN, 0);
	add_u32(INET_DIAG_MARK, 1);
	add(INET_DIAG_INFO, &info, sizeof(info));
	ck_assert_int_eq(parse(IPPROTO_MPTCP, &sk), 0);
	ck_assert(sk.mptcp && !sk.mptcp_subflow);
	ck_assert_int_eq(sk.state, TCPDIAG_CLOSE);
	ck_assert_uint_eq(sk.known,
			  TCPDIAG_KNOWS_SHUTDOWN | TCPDIAG_KNOWS_MARK | TCPDIAG_KNOWS_FALLBACK);
}
END_TEST

/* struct mptcp_info: the additional subflows, and among the flags that the peer speaks TCP only. */
START_TEST(mptcp_fallback)
{
	static const struct {
		size_t size;
		uint8_t subflows, flags;
		bool known, fallback;
	} rows[] = {
		{ 12, 0, 1, true, true },
		{ 96, 2, 2, true, false },
		{ 96, 0, 3, true, true },
		{ 11, 0, 1, false, false },
	};
	struct tcpdiag_socket sk;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t info[96] = { rows[i].subflows };

		info[8] = rows[i].flags;
		begin(AF_INET, TCPDIAG_ESTABLISHED);
		add(INET_DIAG_INFO, info, rows[i].size);
		ck_assert_int_eq(parse(IPPROTO_MPTCP, &sk), 0);
		ck_assert_int_eq(!!(sk.known & TCPDIAG_KNOWS_FALLBACK), rows[i].known);
		ck_assert_int_eq(sk.mptcp_fallback, rows[i].fallback);
		ck_assert_int_eq(sk.mptcp_subflows, rows[i].known ? rows[i].subflows : 0);
	}
}
END_TEST

static const struct {
	size_t size;
	uint32_t known;
} infos[] = {
	{ 0, 0 },
	{ 103, 0 },
	{ 104, TCPDIAG_KNOWS_INFO },
	{ 136, TCPDIAG_KNOWS_INFO }, /* 4.1: bytes, but not those sent */
	{ 148, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT },
	{ 208, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_BYTES },
	{ 232, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_BYTES |
		       TCPDIAG_KNOWS_SND_WND },
	{ 236, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_BYTES |
		       TCPDIAG_KNOWS_SND_WND | TCPDIAG_KNOWS_RCV_WND },
	{ 1000, TCPDIAG_KNOWS_INFO | TCPDIAG_KNOWS_NOTSENT | TCPDIAG_KNOWS_BYTES |
			TCPDIAG_KNOWS_SND_WND | TCPDIAG_KNOWS_RCV_WND },
};

START_TEST(tcp_info_of_each_kernel)
{
	struct tcpdiag_socket sk;
	uint8_t bytes[1000];

	memset(bytes, 1, sizeof(bytes));
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add_u8(INET_DIAG_SHUTDOWN, 0);
	add(INET_DIAG_INFO, bytes, infos[_i].size);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
	ck_assert_uint_eq(sk.known & ~TCPDIAG_KNOWS_SHUTDOWN, infos[_i].known);
	ck_assert_uint_eq(sk.rtt_us, infos[_i].known & TCPDIAG_KNOWS_INFO ? 0x01010101 : 0);
	ck_assert_uint_eq(sk.bytes_received,
			  infos[_i].known & TCPDIAG_KNOWS_BYTES ? 0x0101010101010101 : 0);
	ck_assert_uint_eq(sk.rcv_wnd, infos[_i].known & TCPDIAG_KNOWS_RCV_WND ? 0x01010101 : 0);
}
END_TEST

START_TEST(malformed)
{
	const uint32_t skmeminfo[4] = {};
	struct tcpdiag_socket sk;

	begin(AF_INET, TCPDIAG_ESTABLISHED);
	for (size_t length = 0; length < row.header.nlmsg_len; length++)
		ck_assert_int_eq(inet_diag_parse(&row.header, length, 0, IPPROTO_TCP, &sk),
				 -EBADMSG);
	row.header.nlmsg_len = NLMSG_HDRLEN;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_UNIX, TCPDIAG_ESTABLISHED);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EPROTO);
	begin(AF_INET, 0);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, 13);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	row.header.nlmsg_type = NLMSG_DONE;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EPROTO);

	/* Attributes: too short for what they are, reaching beyond the end, of no length. */
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add(INET_DIAG_SKMEMINFO, skmeminfo, sizeof(skmeminfo));
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add(INET_DIAG_SHUTDOWN, NULL, 0);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add(INET_DIAG_MARK, skmeminfo, 3);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add(INET_DIAG_INFO, skmeminfo, sizeof(skmeminfo));
	row.header.nlmsg_len -= 4;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	memset(row.attributes, 0, 4);
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	row.header.nlmsg_len += 2;
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), -EBADMSG);
	/* One that nobody here knows is passed over. */
	begin(AF_INET, TCPDIAG_ESTABLISHED);
	add(999, skmeminfo, sizeof(skmeminfo));
	ck_assert_int_eq(parse(IPPROTO_TCP, &sk), 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("inet_diag");
	TCase *c = tcase_create("rows");

	tcase_add_loop_test(c, full_and_mini, 0, ARRAY_SIZE(states));
	tcase_add_test(c, header);
	tcase_add_test(c, mapped_listener);
	tcase_add_test(c, protocol_above);
	tcase_add_test(c, mptcp_info_is_no_tcp_info);
	tcase_add_test(c, mptcp_fallback);
	tcase_add_loop_test(c, tcp_info_of_each_kernel, 0, ARRAY_SIZE(infos));
	tcase_add_test(c, malformed);
	suite_add_tcase(s, c);
	return s;
}
