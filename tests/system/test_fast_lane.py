#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The fast lane by events: connections come to their end in several network namespaces as fast as they can, and what
/sockets then says of teardown states is what ss says in each of them, without a dump. With events lost on purpose a dump
repairs it, and that is counted.
"""
import contextlib
import os
import signal
import subprocess
import sys
import unittest

import lib

# No sweep comes to the rescue within the test.
OPTIONS = ["--collector.namespaces", "--interval=200ms", "--sweep-interval=10m", "--cpu-share=50"]
SPACES = 4
STATES = ("fin-wait-1", "fin-wait-2", "close-wait", "last-ack", "closing")
COLUMNS = {"FIN-WAIT-1": "fin-wait-1", "FIN-WAIT-2": "fin-wait-2", "CLOSE-WAIT": "close-wait", "LAST-ACK": "last-ack",
           "CLOSING": "closing"}

# A random walk in a namespace of its own: "walk SECONDS" is answered with the steps it made, "leave N" with N
# connections more of which one end has said goodbye. Both stay as they are then.
ACTOR = r"""
import fcntl, os, random, socket, struct, sys, time
keep = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(keep, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
listener = socket.create_server(("127.0.0.1", 8080), backlog=512)
random.seed(int(sys.argv[1]))
pairs = []

def connect():
    client = socket.create_connection(("127.0.0.1", 8080))
    server = listener.accept()[0]
    for end in client, server:
        end.setblocking(False)
    return [client, server]

def send(end):
    try:
        end.send(bytes(random.choice((10, 400000))))
    except OSError:
        pass

def shut(end):
    try:
        end.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def step():
    if len(pairs) < 40:
        pairs.append(connect())
        return
    pair = random.choice(pairs)
    end = random.choice(pair)
    what = random.random()
    if what < 0.2:
        send(end)
    elif what < 0.6:
        shut(end)
    else:
        pair.remove(end)
        end.close()
        if not pair:
            pairs.remove(pair)

for line in sys.stdin:
    word, number = line.split()
    steps = 0
    if word == "walk":
        end = time.monotonic() + float(number)
        while time.monotonic() < end:
            step()
            steps += 1
    else:
        for _ in range(int(number)):
            pairs.append(connect())
            shut(pairs[-1][0])
            steps += 1
    print(steps, flush=True)
"""


class Actor:
    def __init__(self, seed):
        self.process = subprocess.Popen(["unshare", "--net", sys.executable, "-c", ACTOR, str(seed)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.tell("walk 0.01")
        self.hear()
        self.netns = os.stat(f"/proc/{self.process.pid}/ns/net").st_ino

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        return int(self.process.stdout.readline())

    def seen_by_ss(self):
        out = subprocess.run(["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "ss", "-Htan"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        rows = (line.split() for line in out.splitlines())
        return {(COLUMNS[row[0]], row[3], row[4]) for row in rows if row[0] in COLUMNS}

    def seen_by_us(self):
        def text(end):
            return f"{end['address']}:{end['port']}"

        query = "&".join(f"state={state}" for state in STATES)
        return {(s["state"], text(s["local"]), text(s["remote"])) for s in lib.sockets(f"{query}&netns={self.netns}")}

    def agree(self):
        """ss before and after: what moves in between is nobody's fault."""
        before, ours, after = self.seen_by_ss(), self.seen_by_us(), self.seen_by_ss()
        self.last = (len(before), len(ours), sorted(before ^ ours)[:5])
        return before == after == ours and (ours or self.last[0] == 0)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def fast_lane():
    return lib.get("/status")["fast_lane"]


def lane():
    return next(lane for lane in lib.get("/status")["lanes"] if lane["name"] == "fast")


def has_events():
    return next((s for s in lib.get("/status")["sources"] if s["name"] == "events"), {}).get("state") in ("ok", "degraded")


class FastLane(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.actors = [Actor(i) for i in range(SPACES)]
        for actor in self.actors:
            self.stack.callback(actor.close)

    def daemon(self, *options):
        daemon = self.stack.enter_context(lib.Daemon(*OPTIONS, *options))
        if not has_events():
            self.skipTest("the kernel tells of no events here")
        known = {actor.netns for actor in self.actors}
        lib.wait_for(lambda: known <= {n["inode"] for n in lib.get("/status")["namespaces"] if n["state"] == "ok"},
                     "the namespaces are read", 30)
        return daemon

    def walk(self, seconds):
        for actor in self.actors:
            actor.tell(f"walk {seconds}")
        return sum(actor.hear() for actor in self.actors)

    def all_agree(self, seconds=60):
        for actor in self.actors:
            try:
                lib.wait_for(actor.agree, "ss and /sockets are of one opinion", seconds, 0.3)
            except AssertionError as late:
                raise AssertionError(f"{late}: {actor.last}, {fast_lane()}") from None
            self.assertGreater(actor.last[0], 0)

    def test_followed(self):
        self.daemon()
        lib.wait_for(lambda: fast_lane()["by"] == "events", "the fast lane follows events", 30)
        self.assertEqual(lane()["by"], "events")
        before = fast_lane()
        steps = self.walk(6)
        self.all_agree()
        after = fast_lane()
        print(f"{steps} steps, {after['entered'] - before['entered']} changes, {after['reads'] - before['reads']} reads, "
              f"{after['dumps'] - before['dumps']} dumps, {after['gaps'] - before['gaps']} gaps, {after['repairs']}")
        self.assertGreater(after["entered"] - before["entered"], 1000)
        self.assertGreater(after["reads"], before["reads"])
        metrics = lib.get("/metrics")
        for kind, count in fast_lane()["repairs"].items():
            self.assertIn(f'tcpdiag_fast_lane_repairs_total{{kind="{kind}"}} {count}', metrics)
        # What else runs on this machine fills the same ring.
        if after["gaps"] == before["gaps"]:
            self.assertEqual(after["repairs"]["lost"], 0)
            # One that has gone while the audit's dump walked the table looks like one too many.
            self.assertLessEqual(after["repairs"]["extra"], after["entered"] // 10000)

    def test_lost_events_are_repaired(self):
        daemon = self.daemon()
        lib.wait_for(lambda: fast_lane()["by"] == "events", "the fast lane follows events", 30)
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            # Until the ring is full, and then some that it has no room for.
            for _ in range(6):
                self.walk(3)
            for actor in self.actors:
                actor.tell("leave 50")
                actor.hear()
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        lib.wait_for(lambda: lib.get("/status")["events"]["dropped"], "events were dropped", 30)
        self.all_agree()
        found = lib.wait_for(lambda: fast_lane()["repairs"]["lost"] and fast_lane(), "the repairs are counted", 30)
        self.assertGreater(found["gaps"], 0)
        lib.wait_for(lambda: fast_lane()["by"] == "events", "events are trusted again", 30)
        metrics = lib.get("/metrics")
        self.assertIn(f'tcpdiag_fast_lane_repairs_total{{kind="lost"}} {fast_lane()["repairs"]["lost"]}', metrics)

    def test_without_events(self):
        with lib.Daemon(*OPTIONS, "--no-collector.events"):
            self.assertEqual(fast_lane()["by"], "dump")
            self.assertEqual(lane()["by"], "dump")
            self.walk(1)
            self.all_agree()
            self.assertNotIn("tcpdiag_fast_lane_repairs_total{", lib.get("/metrics"))


if __name__ == "__main__":
    lib.main()
