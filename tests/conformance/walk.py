# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A random walk: words in an order that nobody thought of, each one possible where it is said.

The same number gives the same walk. What was said stands in the report of a row that fails, and is a row
for rows.py then.
"""

import random

from row import OPS, Row

STARTS = ("connect", "connect", "window 0; connect", "window 4; connect", "listen; arrive; accept",
          "crossed", "listen; fastopen 3; accept", "connecting; age 0.05; answer")
STEPS = 8


def possible(world):
    """What can be said now, weighted by repetition."""
    truth = world.truth
    receiving = not truth.peer_fin and truth.state in ("established", "fin-wait-1", "fin-wait-2")
    fatal = truth.shutdown & 1 and truth.state != "established"  # late data
    words = ["linger 0", "linger off", "linger 1", "linger2 -1", "linger2 0", "linger2 10", "linger2 90",
             "keepalive"]
    if truth.state == "syn-recv":
        words += ["complete"] * 6
    else:
        words += ["ack"] * 2
        words += ["window 65535; ack"] * (world.window < 65535)
    words += ["shut rd", "shut wr", "shut wr", "shut rdwr"]
    if receiving:
        words += ["fin"] * 4 + ["data 1", "data 7"]
        if not fatal:
            words += ["data 3", "data 50", "ahead 4"]
    if truth.state in ("established", "close-wait") and not truth.shutdown & 2:
        words += ["write 1", "write 2", "write 3"]
    if truth.unread:
        words += [f"read {truth.unread}", "read 1", "peek"]
    elif truth.fin_unread:
        words += ["eof"] * 3
    return words


def walk(world, seed, speak):
    rng = random.Random(seed)
    said = [rng.choice(STARTS)]
    speak(world, said[-1])
    for _ in range(rng.randrange(STEPS + 1)):
        if not world.truth.visible:
            break
        said.append(rng.choice(possible(world)))
        world.said = said
        speak(world, said[-1])
    world.said = said


def walks(count, first):
    return [Row(f"walk/{seed}", f"walk {seed}", OPS[seed % len(OPS)] if seed % 3 else "close",
                family=("4", "6", "mapped")[seed % 7 % 3], patience=1.5)
            for seed in range(first, first + count)]
