/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sums over outcomes, and what becomes of a connection both ends of which go down together.
 *
 * Two such ends do not end as each would alone: the second one closes in the state in which the first has left
 * it. A RST makes it a dead socket that has nothing to say; a FIN puts it into CLOSE-WAIT, CLOSING or TIME-WAIT
 * (RFC 9293, 3.10.7.4), unless the FIN waits behind data that the second end has no room for. So the oracle is
 * asked again, for the second end as it is then.
 *
 * What is not known of a socket counts only where it changes a number here: how long an orphan lives does not
 * make a verdict uncertain.
 */
#include "web/exit.h"

const char *exit_expect_name(enum exit_expect expect)
{
	static const char *const names[EXPECT_MAX] = {
		[EXPECT_CLEAN] = "clean",
		[EXPECT_HARMLESS] = "harmless",
		[EXPECT_IDLE] = "idle",
	};

	return expect < EXPECT_MAX ? names[expect] : NULL;
}

static int64_t longer(int64_t a, int64_t b)
{
	if (a == TCPDIAG_NOT_KNOWN || b == TCPDIAG_NOT_KNOWN)
		return TCPDIAG_NOT_KNOWN;
	return a > b ? a : b;
}

void exit_merge(struct exit_sums *sums, const struct exit_sums *other, int sign)
{
	int i;

	for (i = 0; i < EXIT_COUNT_MAX; i++)
		sums->count[i] += sign * other->count[i];
	for (i = 0; i < EXIT_SPOILS_MAX; i++)
		sums->unsure[i] += sign * other->unsure[i];
	sums->orphan_ms = longer(sums->orphan_ms, other->orphan_ms);
}

void exit_unsure(struct exit_sums *sums)
{
	int i;

	/* Less by something that is not sure is less all the same. */
	for (i = 0; i < EXIT_SPOILS_MAX; i++)
		sums->unsure[i] = sums->count[i] > 0 ? sums->count[i] : 0;
}

int64_t exit_sure(const struct exit_sums *sums, enum exit_count count)
{
	int64_t unsure = count < EXIT_SPOILS_MAX ? sums->unsure[count] : 0;

	return sums->count[count] > unsure ? sums->count[count] - unsure : 0;
}

/* ---- one socket ---- */

static bool same(const struct tcpdiag_result *a, const struct tcpdiag_result *b)
{
	return a->segment == b->segment && a->resets == b->resets &&
	       a->discards_receive == b->discards_receive &&
	       a->discards_unsent == b->discards_unsent;
}

/* The oracle's answer, and whether something that is not known could change what is counted of it. */
static int ask(const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env,
	       struct tcpdiag_result *ret, bool *ret_doubtful)
{
	const uint32_t decisive = TCPDIAG_KNOWS_LINGER | TCPDIAG_KNOWS_LINGER2 |
				  TCPDIAG_KNOWS_REPAIR;
	struct tcpdiag_outcome outcome;
	uint8_t i;
	int r;

	*ret_doubtful = false;
	/* Where all that could matter is known, trying what is not is a waste. */
	if ((sk->known & decisive) == decisive && !sk->mptcp && sk->state != TCPDIAG_LISTEN &&
	    sk->state != TCPDIAG_SYN_RECV)
		return tcpdiag_result(sk, TCPDIAG_OP_EXIT, env, ret);
	r = tcpdiag_outcome(sk, TCPDIAG_OP_EXIT, env, &outcome);
	if (r < 0)
		return r;
	*ret = outcome.result;
	for (i = 0; i < outcome.otherwise_count; i++)
		if (!same(&outcome.result, &outcome.otherwise[i].result))
			*ret_doubtful = true;
	return 0;
}

/*
 * The last data came in after the last went out, or nothing ever went out. Both times begin with the
 * connection and have a granularity of milliseconds, so bytes tell that case. One that has sent its FIN has
 * answered; a FIN that was received counts as a byte.
 */
static void count_answer(struct exit_sums *sums, const struct tcpdiag_socket *sk, uint8_t direction)
{
	if (direction != DIRECTION_INBOUND ||
	    (sk->state != TCPDIAG_ESTABLISHED && sk->state != TCPDIAG_CLOSE_WAIT))
		return;
	/* The times of an MPTCP socket are those of its connections. */
	if (sk->mptcp || !(sk->known & TCPDIAG_KNOWS_INFO) || !(sk->known & TCPDIAG_KNOWS_BYTES))
		sums->count[EXIT_DOUBT_ANSWERS]++;
	else if (sk->bytes_received > (sk->state == TCPDIAG_CLOSE_WAIT) &&
		 (sk->last_data_recv_ms < sk->last_data_sent_ms || !sk->bytes_sent))
		sums->count[EXIT_UNANSWERED]++;
}

static void count_orphan(struct exit_sums *sums, const struct tcpdiag_socket *sk,
			 const struct tcpdiag_then *then)
{
	if (then->attachment != TCPDIAG_ORPHAN)
		return;
	sums->count[EXIT_ORPHANS]++;
	sums->count[EXIT_ORPHAN_BYTES] += (int64_t)tcpdiag_unacked_bytes(sk) +
					  tcpdiag_unsent_bytes(sk);
	sums->orphan_ms = longer(sums->orphan_ms,
				 then->unknown ? TCPDIAG_NOT_KNOWN : then->at_most_ms);
}

static void count_result(struct exit_sums *sums, const struct tcpdiag_socket *sk,
			 const struct tcpdiag_result *result)
{
	sums->count[EXIT_LISTENER_RESETS] += result->resets;
	if (result->segment == TCPDIAG_SEGMENT_RST)
		sums->count[tcpdiag_peer_finished(sk) ? EXIT_RST_PEER_FINISHED
						      : EXIT_RST_PEER_OPEN]++;
	else if (result->segment == TCPDIAG_SEGMENT_FIN)
		sums->count[EXIT_FIN]++;
	else
		sums->count[EXIT_NONE]++;
	/* The queue of an MPTCP socket counts memory: how many bytes those are is not known. */
	if (!sk->mptcp)
		sums->count[EXIT_UNREAD_BYTES] += result->discards_receive;
	sums->count[EXIT_UNSENT_BYTES] += result->discards_unsent;
	count_orphan(sums, sk, &result->then);
}

void exit_add(struct exit_sums *sums, const struct tcpdiag_socket *sk, uint8_t direction,
	      const struct tcpdiag_environment *env)
{
	struct tcpdiag_result result;
	bool doubtful;

	if (ask(sk, env, &result, &doubtful) < 0)
		return;
	if (doubtful) {
		struct exit_sums one = { .count[EXIT_DOUBT_INPUT] = 1 };

		count_result(&one, sk, &result);
		exit_unsure(&one);
		exit_merge(sums, &one, 1);
	} else {
		count_result(sums, sk, &result);
	}
	/* That a request is open does not hang on an option. */
	count_answer(sums, sk, direction);
}

void exit_add_unseen(struct exit_sums *sums, const struct tcpdiag_socket *sk,
		     const struct tcpdiag_environment *env)
{
	struct exit_sums one = {};
	struct exit_verdict verdict;

	exit_add(&one, sk, DIRECTION_UNKNOWN, env);
	verdict = exit_judge(&one);
	sums->count[verdict.certain && verdict.clean ? EXIT_UNSEEN : EXIT_DOUBT_HOLDERS]++;
}

/* ---- both ends ---- */

/* A FIN is delivered once nothing stands before it, and where the window takes its sequence number. */
static bool fin_arrives(const struct tcpdiag_socket *from)
{
	return !from->wqueue && !(from->known & TCPDIAG_KNOWS_SND_WND && !from->snd_wnd);
}

/* tcp_fin() */
static void receive_fin(struct tcpdiag_socket *sk)
{
	switch (sk->state) {
	case TCPDIAG_SYN_RECV:
	case TCPDIAG_ESTABLISHED:
		sk->state = TCPDIAG_CLOSE_WAIT;
		break;
	case TCPDIAG_FIN_WAIT1:
		sk->state = TCPDIAG_CLOSING;
		break;
	case TCPDIAG_FIN_WAIT2:
		/* A minisocket takes over; the program's end is closed. */
		sk->state = TCPDIAG_CLOSE;
		return;
	default:
		return;
	}
	sk->rqueue++;
	sk->sk_shutdown |= TCPDIAG_RCV_SHUTDOWN;
}

static int result_of(const struct exit_end *end, const struct tcpdiag_socket *sk,
		     const struct tcpdiag_environment *env, struct tcpdiag_result *ret)
{
	return tcpdiag_result(sk, end->queued ? TCPDIAG_OP_LISTENER_CLOSE : TCPDIAG_OP_EXIT, env,
			      ret);
}

static void add_end(struct exit_sums *sums, const struct exit_end *end,
		    const struct tcpdiag_socket *sk, const struct tcpdiag_environment *env)
{
	if (!end->queued)
		exit_add(sums, sk, end->record->direction, env);
}

/* What a RST leaves of it, and takes with it. */
static void receive_rst(struct exit_sums *sums, const struct exit_end *end,
			struct tcpdiag_socket *sk)
{
	if (end->queued)
		sums->count[EXIT_LISTENER_RESETS]--;
	else
		sums->count[EXIT_UNSENT_BYTES] += tcpdiag_unsent_bytes(sk);
	sk->state = TCPDIAG_CLOSE;
	sk->rqueue = sk->wqueue = 0;
}

void exit_pair(const struct exit_end *first, const struct exit_end *second,
	       const struct tcpdiag_environment *env, struct exit_sums *ret)
{
	struct tcpdiag_socket other = second->record->sk;
	const struct tcpdiag_socket *sk = &first->record->sk;
	struct tcpdiag_result close, then = {};
	bool stuck = false;

	*ret = (struct exit_sums){ .count[EXIT_PAIRS] = 1 };
	add_end(ret, first, sk, env);
	if (result_of(first, sk, env, &close) < 0)
		close = (struct tcpdiag_result){};
	if (close.segment == TCPDIAG_SEGMENT_RST)
		receive_rst(ret, second, &other);
	else if (close.segment == TCPDIAG_SEGMENT_FIN && fin_arrives(sk))
		receive_fin(&other);
	else
		stuck = close.then.attachment == TCPDIAG_ORPHAN;
	add_end(ret, second, &other, env);
	if (other.state != TCPDIAG_CLOSE)
		(void)result_of(second, &other, env, &then);
	/*
	 * Whatever the first end has left behind is answered by the end of the second, or reset: then what waits
	 * is lost, and a FIN behind it never goes out.
	 */
	if (stuck && then.segment == TCPDIAG_SEGMENT_RST) {
		ret->count[EXIT_UNSENT_BYTES] += tcpdiag_unsent_bytes(sk);
		if (close.segment == TCPDIAG_SEGMENT_FIN) {
			ret->count[EXIT_FIN]--;
			ret->count[EXIT_NONE]++;
		}
	}
	if (!stuck || then.segment == TCPDIAG_SEGMENT_RST) {
		ret->count[EXIT_ORPHANS] = ret->count[EXIT_ORPHAN_BYTES] = 0;
		ret->orphan_ms = 0;
	}
	/* It is the first end's state before anything was closed that tells an open request. */
	ret->count[EXIT_UNANSWERED] = ret->count[EXIT_DOUBT_ANSWERS] = 0;
	if (!first->queued)
		count_answer(ret, sk, first->record->direction);
	if (!second->queued)
		count_answer(ret, &second->record->sk, second->record->direction);
}

/* ---- the verdict ---- */

struct exit_verdict exit_judge(const struct exit_sums *sums)
{
	const int64_t *count = sums->count;
	struct exit_verdict verdict = { .certain = true };
	int i;

	for (i = EXIT_DOUBT_INPUT; i < EXIT_DOUBT_ANSWERS; i++)
		if (count[i])
			verdict.certain = false;
	verdict.harmless = !count[EXIT_RST_PEER_OPEN] && !count[EXIT_UNSENT_BYTES] &&
			   !count[EXIT_LISTENER_RESETS];
	verdict.clean = verdict.harmless && !count[EXIT_RST_PEER_FINISHED] &&
			!count[EXIT_UNREAD_BYTES];
	verdict.idle = verdict.harmless && !count[EXIT_UNANSWERED];
	/* One open request that is seen is enough. */
	verdict.idle_known = verdict.certain && (!verdict.idle || !count[EXIT_DOUBT_ANSWERS]);
	return verdict;
}

/* The same, of what is sure alone. */
static struct exit_verdict judge_sure(const struct exit_sums *sums)
{
	struct exit_sums sure = {};
	int i;

	for (i = 0; i < EXIT_SPOILS_MAX; i++)
		sure.count[i] = exit_sure(sums, (enum exit_count)i);
	return exit_judge(&sure);
}

static bool holds(const struct exit_verdict *verdict, enum exit_expect expect)
{
	switch (expect) {
	case EXPECT_CLEAN:
		return verdict->clean;
	case EXPECT_HARMLESS:
		return verdict->harmless;
	case EXPECT_IDLE:
		return verdict->idle;
	default:
		return true;
	}
}

enum exit_answer exit_expected(const struct exit_sums *sums, enum exit_expect expect)
{
	const struct exit_verdict verdict = exit_judge(sums), sure = judge_sure(sums);
	bool known = expect == EXPECT_IDLE ? verdict.idle_known : verdict.certain;

	if (expect == EXPECT_NOTHING || expect >= EXPECT_MAX)
		return EXIT_ANSWER_YES;
	if (!holds(&sure, expect))
		return EXIT_ANSWER_NO;
	if (!known)
		return EXIT_ANSWER_UNKNOWN;
	return holds(&verdict, expect) ? EXIT_ANSWER_YES : EXIT_ANSWER_NO;
}
