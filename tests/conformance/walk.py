# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A random walk: words in an order that nobody thought of, each one possible where it is said.

The same number gives the same walk. What was said stands in the report of a row that disagrees, and is a row
for rows.py then.
"""

import random

from row import OPS, Row

INHERITED = ("linger 0", "linger 1", "linger forever", "linger2 -1", "linger2 7", "user-timeout 30000",
             "keepalive")
# (start, weight)
FLOWS = (("connect", 6), ("window 0; connect", 2), ("window 4; connect", 2), ("listen; arrive; accept", 2),
         ("listen; {option}; arrive; accept", 2), ("bind; connect", 1), ("crossed", 2),
         ("listen; fastopen 3; accept", 2), ("listen; {option}; fastopen 3; accept", 1),
         ("connecting; age 0.05; answer", 1), ("connecting", 1), ("connecting-with-data 4", 1), ("socket", 1),
         ("bind", 1))
LISTENERS = ("listen", "listen; arrive", "listen; arrive 3", "listen; syn", "listen; arrive; fin",
             "listen; {option}; arrive 2", "listen; arrive; data 5")
CHILDREN = ("listen; arrive", "listen; {option}; arrive", "listen; arrive; data 5", "listen; arrive; fin",
            "listen; fastopen 4")
STEPS = 9
SYNCHRONIZED = ("established", "fin-wait-1", "fin-wait-2", "close-wait", "closing", "last-ack")
SETTINGS = ["linger 0", "linger off", "linger 1", "linger forever", "linger 100000", "linger2 -1", "linger2 0",
            "linger2 10", "linger2 90", "linger2 1000", "keepalive", "user-timeout 30000"]


def peers_words(world):
    """What the peer can do now, weighted by repetition."""
    truth, words = world.truth, []
    if truth.state not in SYNCHRONIZED:
        return words
    words += ["syn-again", "rst-beside 3", "rst-beside 70000", "icmp host", "icmp port"]
    receiving = not truth.peer_fin and truth.state in ("established", "fin-wait-1", "fin-wait-2")
    deadly = truth.shutdown & 1 and truth.state != "established"  # data is answered with a RST
    if truth.peer_fin:
        words += ["fin-again", "after-fin 3"]
    elif world.gap:
        words += ["fill"] * 6
    elif receiving and deadly:
        words += ["fin"] * 3 + ["data 1"]
    elif receiving:
        words += ["fin"] * 4 + ["fin-with 3", "data 1", "data 7", "data 50", "ahead 4", "ahead-fin", "gap 5",
                                "gap-fin 2", "data 3"]
        words += ["urgent 3", "urgent 1"] * (not world.urgent)
        if world.received:
            words += ["overlap 1 2", "again 1"]
    if not world.gap:
        words += ["rst"]
    return words


def process_words(world):
    truth = world.truth
    words = list(SETTINGS)
    if truth.state in (*SYNCHRONIZED, "syn-recv"):
        words += ["shut rd", "shut wr", "shut wr", "shut rdwr"]
    if truth.state in ("established", "close-wait") and not truth.shutdown & 2:
        words += ["write 1", "write 2", "write 3", "cork"]
    if truth.unread and not world.urgent:
        words += [f"read {truth.unread}", "read 1", "peek", "peek"]
    elif truth.fin_unread and not truth.unread:
        words += ["eof"] * 3
    if len(world.others) < 2:
        words += ["hold dup", "hold fork", "hold message"]
    if world.others:
        words += ["let-go"]
    return words


def acknowledging(world):
    truth, words = world.truth, []
    if truth.state == "syn-recv":
        return ["complete"] * 6
    if truth.state == "syn-sent":
        return ["answer"] * 6
    if truth.state in SYNCHRONIZED:
        words += ["ack"] * 2
        words += ["window 65535; ack"] * (world.window < 65535)
        words += ["window 0; ack", "window 5; ack"]
        if truth.unacked > 1 and not truth.unsent and truth.our_fin != "queued":
            words += ["ack-part 1"] * 2
    return words


def possible(world):
    if world.truth.attachment == "unaccepted":
        return [word for word in peers_words(world) + acknowledging(world)
                if word not in ("rst", "icmp host", "icmp port")]
    return peers_words(world) + process_words(world) + acknowledging(world)


def start_of(rng):
    """(words, what it is about)"""
    about = rng.choices(("flow", "listener", "child"), (10, 1, 2))[0]
    if about == "flow":
        words = rng.choices([words for words, _ in FLOWS], [weight for _, weight in FLOWS])[0]
    else:
        words = rng.choice(LISTENERS if about == "listener" else CHILDREN)
    return words.format(option=rng.choice(INHERITED)), about


def walk(world, seed, speak):
    rng = random.Random(int(seed))
    start, about = start_of(rng)
    world.said = [start]
    speak(world, start)
    for _ in range(rng.randrange(STEPS + 1)):
        if about == "listener":
            choice = rng.choice(("arrive", "linger 0", "linger 1", "hold dup", "hold fork"))
        elif not world.truth.visible or world.truth.state == "closed":
            break
        else:
            choice = rng.choice(possible(world))
        world.said.append(choice)
        speak(world, choice)
    if about != "child" and rng.randrange(4) == 0 and not world.others:
        world.said.append("hold " + rng.choice(("dup", "fork", "message")))
        speak(world, world.said[-1])


def row_of(seed):
    rng = random.Random(seed)
    start, about = start_of(rng)
    rng = random.Random(-seed)
    op = rng.choice(OPS) if rng.randrange(3) else "close"
    prepare = ""
    if about == "child":
        op, prepare = ("listener_close", "") if rng.randrange(3) == 0 else (op, "accept")
    silent = rng.randrange(8) == 0  # the peer never answers a call that blocks
    return Row(f"walk/{seed}", f"walk {seed}", op, prepare=prepare, family=("4", "6", "mapped")[seed % 7 % 3],
               about="listener" if about == "listener" else "flow", patience=1.5 if silent else 0.05,
               after="interrupt")


def walks(count, first):
    return [row_of(seed) for seed in range(first, first + count)]
