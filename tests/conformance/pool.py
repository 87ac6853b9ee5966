# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Workers, each a process with a network namespace of its own, which take row after row.

Two kinds: a few for rows that only need the processor, many for those that wait for the kernel's timers. A
row that could not be made is made once more in a fresh namespace. One that disagrees is, too, so that both
can be read; it stays one that disagrees.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import replace

import net
from oracle import Ask
from scenario import LIMIT, scenario

ROWS_OF_A_NAMESPACE = 400
TRIES, RETRIES = 3, 4  # of a row that could not be made; at a time
PATIENCE = 30  # seconds for a row that should not take one
SHRINKING = 5  # seconds
SLOW = 0.4  # seconds from which on a row is one that waits


class Namespace:
    """What a worker keeps from row to row."""

    def __init__(self):
        net.unshare()
        self.wire = net.Wire()
        self.ask = Ask()
        self.rows = 0

    def end(self):
        self.wire.end()
        os.close(self.wire.tun)
        self.ask.end()


def shrunk(row, report, namespace):
    """A walk that disagrees, without the words that it does not need for that. Begins with the same."""
    words, kind = report["said"].split("; "), [text.split(":")[0] for text in report["wrong"]]
    begun, number = time.monotonic(), len(words)
    while number > 1 and time.monotonic() - begun < SHRINKING:
        number -= 1
        less = "; ".join(words[:number] + words[number + 1:])
        again = scenario(replace(row, steps=less), namespace.wire, namespace.ask)
        if [text.split(":")[0] for text in again["wrong"]] == kind:
            words = less.split("; ")
    return "; ".join(words)


def work(channel, rows):
    """The worker: the number of a row comes in, its report goes out."""
    stream = channel.makefile("rw", encoding="utf-8", newline="\n")
    namespace = None
    for line in stream:
        number, fresh = json.loads(line)
        row = rows[number]
        if namespace and (fresh or row.fresh or namespace.rows >= ROWS_OF_A_NAMESPACE):
            namespace.end()
            namespace = None
        begun = time.monotonic()
        try:
            namespace = namespace or Namespace()
            report = scenario(row, namespace.wire, namespace.ask)
        except Exception as error:  # of the surroundings: the next row gets others
            report = {"wrong": [f"{type(error).__name__}: {error}", traceback.format_exc()], "rule": None,
                      "note": "", "said": "", "shrunk": ""}
        report["seconds"] = time.monotonic() - begun
        if report["wrong"] and report["said"]:
            report["shrunk"] = shrunk(row, report, namespace)
        if namespace:
            namespace.rows += 1
            if report["wrong"] or "unmade" in report or row.fresh:
                namespace.rows = ROWS_OF_A_NAMESPACE
        stream.write(json.dumps(report) + "\n")
        stream.flush()


class Worker:
    def __init__(self, rows, slow):
        self.slow, self.rows = slow, rows
        self.start()

    def start(self):
        self.channel, other = socket.socketpair()
        self.row, self.begun, self.chunks = None, 0.0, []
        self.process = os.fork()
        if self.process:
            other.close()
            return
        status = 1
        try:
            net.die_with_parent()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGUSR1, lambda *_: None)
            if not self.slow:
                os.nice(5)  # those that measure times come first
            os.closerange(3, other.fileno())
            os.closerange(other.fileno() + 1, 512)
            work(other, self.rows)
            status = 0
        finally:
            os._exit(status)

    def give(self, number, fresh):
        self.row, self.begun, self.chunks = number, time.monotonic(), []
        self.channel.sendall((json.dumps([number, fresh]) + "\n").encode())

    def take(self):
        """The report, or None while it is not complete."""
        chunk = self.channel.recv(1 << 20)
        self.chunks.append(chunk)
        if chunk and not chunk.endswith(b"\n"):
            return None
        report = json.loads(b"".join(self.chunks)) if chunk else self.renew("the worker ended")
        self.row = None
        return report

    def renew(self, why):
        """For one that has ended, or has to."""
        seconds = time.monotonic() - self.begun
        self.end()
        self.start()
        return {"unmade": why, "wrong": [], "rule": None, "note": "", "said": "",
                "shrunk": "", "seconds": seconds}

    def end(self):
        self.channel.close()
        try:
            os.kill(self.process, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.process, 0)


def queues(rows):
    """Two stacks, quick and slow, what shall come first on top."""
    numbers = sorted(range(len(rows)), key=lambda number: (rows[number].seconds, -number))
    return ([number for number in numbers if rows[number].seconds < SLOW],
            [number for number in numbers if rows[number].seconds >= SLOW])


def run_rows(rows, quick, slow, show):
    """Runs all with @quick and @slow workers. @show(row, report, again) is called for each report."""
    gc.freeze()
    stacks = queues(rows)
    retry, again, tries = [], set(), [0] * len(rows)
    workers = [Worker(rows, kind) for kind in [False] * min(quick, len(stacks[0])) +
               [True] * min(slow, len(stacks[1]))]
    reports = [None] * len(rows)

    def next_for(worker):
        for stack in stacks[worker.slow:]:  # those for slow rows take no quick ones
            if stack:
                return stack.pop(), False
        # Last, and a few at a time: what could not be made was perhaps disturbed.
        if retry and not stacks[0] and len(again) < RETRIES:
            again.add(retry[-1])
            return retry.pop(), True
        return None

    def done(number, report):
        first = reports[number]
        tries[number] += 1
        again.discard(number)
        if "unmade" in report and tries[number] < TRIES or report["wrong"] and tries[number] < 2:
            retry.append(number)
        show(rows[number], report, first is not None)
        # A second look never makes a disagreement undone.
        if first is None or not first["wrong"]:
            reports[number] = report

    while True:
        for worker in workers:
            if worker.row is None:
                job = next_for(worker)
                if job:
                    worker.give(*job)
        busy = {worker.channel: worker for worker in workers if worker.row is not None}
        if not busy:
            break
        ready = select.select(list(busy), [], [], 1.0)[0]
        for channel, worker in busy.items():
            number = worker.row
            if channel in ready:
                report = worker.take()
            elif time.monotonic() - worker.begun > (LIMIT if rows[number].seconds else PATIENCE):
                report = worker.renew("not done in time")
            else:
                continue
            if report:
                done(number, report)
        sys.stdout.flush()
    for worker in workers:
        worker.end()
    return {row.name: report for row, report in zip(rows, reports)}
