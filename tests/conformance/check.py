# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the oracle said against what was seen: a list of sentences, empty where they agree."""

ABORTS = ("TCPAbortOnData", "TCPAbortOnClose", "TCPAbortOnMemory", "TCPAbortOnTimeout",
          "TCPAbortOnLinger", "TCPAbortFailed")
LIVE = ("established", "close-wait")
# Seconds that a call which does not block may take on a busy machine: with SO_LINGER it could, else it has
# nothing to wait for.
SLOW, SLOW_WITHOUT_LINGER = 0.6, 4


def row_against_truth(row, truth):
    """What sock_diag and its reader say of the queues, against what the scenario did."""
    wrong = []
    attachment = "timewait" if truth.mini and truth.attachment == "held" else truth.attachment
    pairs = [("state", truth.state), ("attachment", attachment)]
    if row["mptcp"]:  # memory, no bytes: only whether there is any counts
        pairs.append(("unread", row["unread"] if truth.unread else 0))
    elif row["mptcp_subflow"]:  # the data is in the MPTCP socket
        pairs.append(("unread", 0))
    elif not truth.mini:
        pairs += [("unread", truth.unread), ("fin_unread", truth.fin_unread),
                  ("unsent", truth.unsent), ("unacked", truth.unacked),
                  ("peer_finished", truth.peer_fin and not truth.unsent and not truth.unacked)]
        if truth.state == "fin-wait-2" and truth.attachment == "held":
            pairs.append(("timer", 2 if truth.keepalive else 0))  # no other while a process has it
        if row["state"] != "bound-inactive":
            pairs.append(("shutdown", truth.shutdown))
    for key, value in pairs:
        if row[key] != value:
            wrong.append(f"truth: {key} is {value}, the row says {row[key]}")
    return wrong


def settings(read, scene):
    """What BPF reads of the socket, against what was set."""
    truth = scene.truth
    wanted = dict(scene.told, out_of_order=int(truth.ahead), user_timeout=scene.user_timeout)
    if scene.protocol == "mptcp":
        wanted = {"linger": wanted["linger"]}
    if truth.error is not None and scene.aimed == "flow":
        wanted["error"] = truth.error
    return [f"settings: {name} is {value}, {read[name]} was read" for name, value in wanted.items()
            if read[name] != value]


def same_answer(read, told, scene):
    """Known settings give the answer that the same settings give when they are told."""
    if scene.siblings or scene.user_timeout or scene.untold:  # nobody tells of those
        return []
    return [] if read["result"] == told["result"] else [f"read: {read['result']}, told: {told['result']}"]


def holding(outcome, truth):
    return [] if set(outcome["holding"]) == truth.holding else \
        [f"holding: {sorted(truth.holding)} expected, {outcome['holding']} said"]


def fin_is_held_back(scene):
    """By unsent data, a closed window, a loss or a handshake."""
    truth, lossy = scene.truth, scene.peer.retransmissions > 0
    return truth.unsent > 0 or lossy or truth.state == "syn-recv" or scene.window <= truth.unacked


def segment(result, seen, scene):
    wrong = []
    expected = result["segment"]
    if expected == "fin" and not seen.new_fin and not seen.resets and fin_is_held_back(scene):
        # Where the end is waited for, nothing may be released before.
        seen.new_fin = scene.measured or seen.later_fin or scene.release()
    got = "rst" if seen.resets else "fin" if seen.new_fin else "none"
    if got != expected:
        wrong.append(f"segment: {expected} expected, {got} seen")
    if expected == "rst" and seen.new_fin:
        wrong.append("segment: a FIN beside the RST")
    if seen.resets > 1:
        wrong.append(f"segment: {seen.resets} RSTs")
    if seen.other_resets != result["resets"] + scene.besides:
        wrong.append(f"resets: {result['resets'] + scene.besides} expected, {seen.other_resets} seen")
    return wrong


def next_state(result, seen, gone):
    """@gone: the descriptor has no row of its own from the start."""
    expected = result["state"]
    if seen.descriptor_state is not None:
        numbers = {"closed": 7, "bound-inactive": 7, "established": 1, "syn-sent": 2, "syn-recv": 3,
                   "fin-wait-1": 4, "fin-wait-2": 5, "close-wait": 8, "last-ack": 9, "listening": 10,
                   "closing": 11}
        if numbers.get(expected) != seen.descriptor_state:
            return [f"state: {expected} expected, tcpi_state is {seen.descriptor_state}"]
        return []
    states = [row["state"] for row in seen.rows if not gone]
    if expected == "closed":
        return [] if not states else [f"state: closed expected, {states} seen"]
    return [] if states == [expected] else [f"state: {expected} expected, {states or 'nothing'} seen"]


def left(result, seen, gone, ended):
    """What is left behind when a descriptor is gone."""
    if seen.interrupted:
        return []
    if not ended or gone:
        return [] if not result["then"] or not ended else ["then: something, of a dead descriptor"]
    expected = result["then"]["attachment"] if result["then"] else None
    got = seen.rows[0]["attachment"] if seen.rows else None
    return [] if got == expected else [f"then: {expected} expected, {got} seen"]


def counters(result, seen, before, scene):
    wrong = []
    resets = result["resets"] + scene.besides
    expected = {name: 0 for name in ABORTS}
    if result["counter"] in expected:
        expected[result["counter"]] = 1
    elif result["counter"]:
        moved = seen.counters.get(result["counter"], 0)
        if moved != max(1, scene.waiting):
            wrong.append(f"counters: {result['counter']} has moved by {moved}")
    expected["OutRsts"] = (result["segment"] == "rst") + resets + seen.answers
    expected["EstabResets"] = int(before in LIVE and result["state"] == "closed") + resets
    if scene.loopback:  # the other end counts, too
        del expected["EstabResets"]
    for name, value in expected.items():
        if seen.counters.get(name, 0) != value:
            wrong.append(f"counters: {name} by {value} expected, by {seen.counters.get(name, 0)} seen")
    return wrong


def call(result, seen, silent, exact, slow):
    """@silent: the peer does not answer. Not @exact: forever stands for any time, since linger is not known."""
    wrong = []
    if result["error"] != seen.error:
        wrong.append(f"error: {result['error']} expected, {seen.error} seen")
    blocks = result["blocks_ms"]
    if blocks == "forever":
        if not seen.interrupted and silent and (exact or seen.seconds < 0.9):
            wrong.append(f"blocks: forever expected, {seen.seconds:.3f} s seen")
    elif blocks is None:
        wrong.append("blocks: not known")
    elif seen.seconds > blocks / 1000 + slow:
        wrong.append(f"blocks: {blocks} ms at most expected, {seen.seconds:.3f} s seen")
    elif blocks and seen.seconds < blocks / 1000 * 0.9 and not seen.interrupted and silent:
        wrong.append(f"blocks: {blocks} ms of a silent peer expected, {seen.seconds:.3f} s seen")
    return wrong


def discards(result, truth):
    """Thrown away with a RST, or without a word where the socket is gone."""
    if result["segment"] == "rst" or (result["state"] == "closed" and result["error"] is None):
        expected = (truth.unread, truth.unsent + truth.unacked, truth.unsent)
    else:
        expected = (0, 0, 0)
    got = (result["discards_receive"], result["discards_send"], result["discards_unsent"])
    return [] if got == expected else [f"discards: {expected} expected by what was done, {got} said"]


def result_against_kernel(result, seen, scene, before, exact):
    """One result of the oracle. @before: the truth before the operation."""
    gone = not before.visible
    slow = SLOW_WITHOUT_LINGER if scene.told["linger"] == "off" else SLOW
    wrong = segment(result, seen, scene) + call(result, seen, not scene.loopback, exact, slow)
    if not scene.loopback:  # a kernel at the other end answers at once, and the state goes on
        wrong += next_state(result, seen, gone)
        wrong += left(result, seen, gone, seen.descriptor_state is None)
    wrong += counters(result, seen, before.state if before.visible else "closed",
                      scene)
    if before.visible and before.state != "listening" and scene.protocol == "tcp":
        wrong += discards(result, before)
    return wrong


def outcome_is_sound(outcome, truth, protocol):
    """What can be said of an outcome without looking at the kernel."""
    wrong = []
    if outcome["result"]["rule"] == "close-subflow":
        return wrong
    results = [outcome["result"]] + [other["result"] for other in outcome["otherwise"]]
    if any(results.count(result) > 1 for result in results):
        wrong.append("otherwise: the same result twice")
    if outcome["certain"] == bool(outcome["otherwise"]) or outcome["certain"] == bool(outcome["unknown"]):
        wrong.append(f"certain is {outcome['certain']} with unknown {outcome['unknown']} and "
                     f"{len(outcome['otherwise'])} other results")
    finished = truth.visible and truth.peer_fin and not truth.unsent and not truth.unacked
    # What an MPTCP socket has not sent yet stands in no row: then nobody is told that the peer has everything.
    if outcome["peer_finished"] != (finished and protocol == "tcp"):
        wrong.append(f"peer_finished: {finished} by what was done")
    return wrong


def fate(expected, life, resets, least):
    """@life: seconds until it was gone, None when it was still there after all that was promised."""
    most = expected["at_most_ms"] / 1000
    wrong = []
    # The kernel's timer wheel may be late by an eighth.
    if life is None or life > most * 9 / 8 + 0.5:
        wrong.append(f"lifetime: {most} s at most expected, {life} s seen")
    elif life < most * least - 0.5:
        wrong.append(f"lifetime: {most} s at most expected, {life:.2f} s seen, less than {least} of it")
    if (expected["ends_with"] == "rst") != bool(resets):
        wrong.append(f"ends with {expected['ends_with']} expected, {resets} RSTs seen")
    return wrong
