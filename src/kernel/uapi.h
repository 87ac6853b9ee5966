/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel tells and Debian 12's headers (Linux 6.1) do not declare.
 *
 * struct tcp_info only ever grows at its end (include/uapi/linux/tcp.h). It stands here under a name of
 * its own, so that newer headers do not collide with it. A member is there when the kernel's
 * attribute reaches beyond it.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

struct uapi_tcp_info {
	uint8_t state;
	uint8_t ca_state;
	uint8_t retransmits;
	uint8_t probes;
	uint8_t backoff;
	uint8_t options;
	uint8_t scales; /* two fields of four bits */
	uint8_t bits; /* delivery_rate_app_limited, fastopen_client_fail */

	uint32_t rto; /* microseconds, as rtt */
	uint32_t ato;
	uint32_t snd_mss;
	uint32_t rcv_mss;
	uint32_t unacked;
	uint32_t sacked;
	uint32_t lost;
	uint32_t retrans;
	uint32_t fackets;
	uint32_t last_data_sent; /* milliseconds ago */
	uint32_t last_ack_sent; /* always 0 */
	uint32_t last_data_recv;
	uint32_t last_ack_recv;
	uint32_t pmtu;
	uint32_t rcv_ssthresh;
	uint32_t rtt;
	uint32_t rttvar;
	uint32_t snd_ssthresh;
	uint32_t snd_cwnd;
	uint32_t advmss;
	uint32_t reordering;
	uint32_t rcv_rtt;
	uint32_t rcv_space;
	uint32_t total_retrans; /* the last one of 2.6 */

	uint64_t pacing_rate;
	uint64_t max_pacing_rate;
	uint64_t bytes_acked; /* 4.1 */
	uint64_t bytes_received;
	uint32_t segs_out;
	uint32_t segs_in;
	uint32_t notsent_bytes; /* 4.6 */
	uint32_t min_rtt;
	uint32_t data_segs_in;
	uint32_t data_segs_out;
	uint64_t delivery_rate;
	uint64_t busy_time;
	uint64_t rwnd_limited;
	uint64_t sndbuf_limited;
	uint32_t delivered;
	uint32_t delivered_ce;
	uint64_t bytes_sent; /* 4.19 */
	uint64_t bytes_retrans;
	uint32_t dsack_dups;
	uint32_t reord_seen;
	uint32_t rcv_ooopack;
	uint32_t snd_wnd; /* 5.4 */
	uint32_t rcv_wnd; /* 6.2, and not in Debian 12's headers */
	uint32_t rehash;
};

/* What comes next belongs to 6.7 and is not read. */
_Static_assert(offsetof(struct uapi_tcp_info, total_retrans) == 100, "struct tcp_info of 2.6");
_Static_assert(offsetof(struct uapi_tcp_info, notsent_bytes) == 144, "struct tcp_info of 4.6");
_Static_assert(offsetof(struct uapi_tcp_info, bytes_sent) == 200, "struct tcp_info of 4.19");
_Static_assert(offsetof(struct uapi_tcp_info, rcv_wnd) == 232, "struct tcp_info of 6.2");
