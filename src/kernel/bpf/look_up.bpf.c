// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sockets by their four ends, in the network namespace of the caller.
 *
 * The program is never attached: BPF_PROG_TEST_RUN repeats it, and each run takes the next query. A loop
 * inside would need bpf_loop() (Linux 5.17).
 */
#include "settings.h"
#include "socket.h"

struct look_up_query queries[QUERIES_MAX];
struct settings_row answers[QUERIES_MAX];
struct socket_row rows[QUERIES_MAX]; /* where they are wanted */
__u32 next_query;
__u32 want_rows;

static __always_inline struct bpf_sock *find(struct __sk_buff *skb,
					     const struct look_up_query *query)
{
	struct bpf_sock_tuple tuple = {};

	if (query->v6) {
		__builtin_memcpy(tuple.ipv6.saddr, query->remote, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, query->local, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = query->remote_port;
		tuple.ipv6.dport = query->local_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(&tuple.ipv4.saddr, query->remote, sizeof(tuple.ipv4.saddr));
	__builtin_memcpy(&tuple.ipv4.daddr, query->local, sizeof(tuple.ipv4.daddr));
	tuple.ipv4.sport = query->remote_port;
	tuple.ipv4.dport = query->local_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

/*
 * Through sk_socket: none where the socket waits in an accept queue, or is an orphan. A close() that lingers
 * has taken the last reference already, but file and socket are there until it is through.
 */
static __always_inline void read_references(const struct sock *sk, struct settings_row *row)
{
	const struct socket *socket = sk->sk_socket;
	const struct file *file;

	if (!socket)
		return;
	file = socket->file;
	if (!file)
		return;
	row->references = saturate(count_references(file));
	row->flags |= ROW_KNOWS_REFERENCES;
}

static __always_inline void answer_mini(struct bpf_sock *found, const struct look_up_query *query,
					struct socket_row *row)
{
	const struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(found);

	if (tw && (__u64)tw->tw_sk.__tw_common.skc_cookie.counter == query->cookie)
		read_mini_row(&tw->tw_sk, row);
}

SEC("tc")
int look_up(struct __sk_buff *skb)
{
	__u32 i = next_query++;
	struct settings_row *answer;
	struct look_up_query *query;
	struct bpf_sock *found;
	struct tcp_sock *tp;

	if (i >= QUERIES_MAX)
		return 0;
	query = &queries[i];
	answer = &answers[i];
	found = find(skb, query);
	if (!found)
		return 0;
	/* Nothing where it is a minisocket. */
	tp = bpf_skc_to_tcp_sock(found);
	if (tp) {
		const struct sock *sk = (const void *)tp;

		if ((__u64)sk->__sk_common.skc_cookie.counter == query->cookie) {
			answer->cookie = query->cookie;
			read_sock(sk, answer);
			read_tcp_sock(tp, answer);
			read_references(sk, answer);
			if (want_rows)
				read_full_row(tp, &rows[i]);
		}
	} else if (want_rows) {
		answer_mini(found, query, &rows[i]);
	}
	bpf_sk_release(found);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
