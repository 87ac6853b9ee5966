#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The fast lane by events looks at what nothing happens to in turns, and at what an event tells of at once. Whether it does
that or dumps is decided by what both cost: with a hash table that is much too small for its sockets, the dump.
"""
import contextlib
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import unittest

import lib
import test_fast_lane

# What other tests do to the machine's connections pulls no brake.
NO_BRAKE = "--collector.events-share=50"
# No sweep comes to the rescue within the test.
OPTIONS = ["--interval=200ms", "--sweep-interval=10m", "--cpu-share=50", NO_BRAKE]

# Holds pairs, of which one end of that many is shut for writing: the first argument, and the second.
HOLDER = r"""
import fcntl, resource, socket, struct, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(lo, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
pairs = []
for _ in range(int(sys.argv[1])):
    client = socket.create_connection(("127.0.0.1", 8080))
    pairs.append((client, listener.accept()[0]))
for client, _ in pairs[:int(sys.argv[2])]:
    client.shutdown(socket.SHUT_WR)
print("ok", flush=True)
sys.stdin.read()
"""


class Resting(unittest.TestCase):
    """One pair: a FIN-WAIT-2 and a CLOSE-WAIT with ten unread bytes."""

    CAP = 8  # seconds, as the manual says

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = self.stack.enter_context(socket.create_connection(listener.getsockname()))
            self.server = self.stack.enter_context(listener.accept()[0])
        self.port = self.client.getsockname()[1]
        self.client.send(b"0123456789")
        self.client.shutdown(socket.SHUT_WR)
        self.stack.enter_context(lib.Daemon(*OPTIONS))
        if not test_fast_lane.has_events():
            self.skipTest("the kernel tells of no events here")
        lib.wait_for(lambda: test_fast_lane.fast_lane()["by"] == "events", "the fast lane follows events", 30)

    def seen(self):
        return next(iter(lib.sockets(f"state=close-wait&remote.port={self.port}")), None)

    def test_looked_at_in_turns(self):
        ages = []

        def is_shown_anew():
            """After it has been left alone for longer than a few intervals."""
            ages.append(self.seen()["seen_seconds"])
            return max(ages) > 1 and ages[-1] < max(ages) / 2

        for _ in range(3):
            lib.wait_for(is_shown_anew, "it is looked at again", 40, 0.1)
            # What the machine is too busy for comes on top.
            self.assertLess(max(ages), self.CAP + test_fast_lane.lane()["interval_seconds"] + 10)
            print(f"at most {max(ages):.1f} s old")
            ages.clear()
        lib.wait_for(lambda: test_fast_lane.fast_lane()["left_alone"], "one is left alone", 20)
        # A byte that is read is no event.
        self.assertEqual(self.seen()["unread_bytes"], 10)
        self.server.recv(4)
        lib.wait_for(lambda: self.seen()["unread_bytes"] == 6, "what was read is shown", self.CAP + 20)

    def test_an_event_is_shown_at_once(self):
        lib.wait_for(lambda: self.seen()["seen_seconds"] > 1, "it is left alone", 40, 0.1)
        before = test_fast_lane.fast_lane()["reads"]
        self.server.close()
        lib.wait_for(lambda: not self.seen(), "its end is shown", 40, 0.02)
        # In passes, not in time: one may be under way, and one may have passed before this question.
        self.assertLessEqual(test_fast_lane.fast_lane()["reads"] - before, 4)


class Cheapest(unittest.TestCase):
    """Which way is taken, with real sockets in teardown states."""

    PAIRS = 3000
    PASSES = 12
    KEY = pathlib.Path("/proc/sys/net/ipv4/tcp_child_ehash_entries")

    def watch(self, way, half, entries=0):
        """Holds pairs in a namespace of their own until so many passes in a row have gone that way; returns fast_lane."""
        pairs = self.PAIRS
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * pairs + 100:
            self.skipTest("there are too few descriptors")
        self.KEY.write_text(f"{entries}\n")  # of this test's namespace, for those made in it
        with contextlib.ExitStack() as stack:
            command = ["unshare", "--net", sys.executable, "-c", HOLDER, str(pairs), str(half)]
            holder = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            stack.callback(holder.stdin.close)
            self.assertEqual(holder.stdout.readline(), "ok\n")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiagd-test-"))
            address = f"{folder}/socket"
            stack.enter_context(lib.Daemon(f"--web.listen-address=unix:{address}", NO_BRAKE, "--cpu-share=50", address=address,
                                           prefix=["nsenter", f"--net=/proc/{holder.pid}/ns/net"]))

            def status():
                return lib.get("/status", address=address)

            if not any(s["name"] == "events" and s["state"] in ("ok", "degraded") for s in status()["sources"]):
                self.skipTest("the kernel tells of no events here")
            lib.wait_for(lambda: status()["fast_lane"]["look_up_seconds"], "a look-up has been measured", 60, 0.2)
            gaps, since = None, 0

            def is_decided():
                """What rests is known to rest after some passes, and what both cost then."""
                nonlocal gaps, since
                lane = status()["fast_lane"]
                passes = lane["reads"] + lane["dumps"]
                # Without events, or with gaps in them, there is no choice.
                if not lane["followed"] or lane["by"] != way or lane["gaps"] != gaps:
                    gaps, since = lane["gaps"], passes
                return lane if passes >= since + self.PASSES else None

            found = lib.wait_for(is_decided, f"the lane goes by {way}", 120, 0.2)
        print(f"{pairs} pairs, {half} half-closed, table of {entries or 'the machine'}: {found}")
        return found

    def test_events_where_few_are_in_teardown_states(self):
        # A pass that looks nothing up has measured nothing.
        found = self.watch("events", self.PAIRS // 100)
        self.assertLess(found["looked_up"] * found["look_up_seconds"], found["dump_seconds"])

    def test_the_dump_where_it_is_cheaper(self):
        if not self.KEY.exists():
            self.skipTest("this kernel has no hash tables of a namespace's own")
        # All in one chain: a look-up walks half of it, a dump comes by sixteen at a time.
        found = self.watch("dump", self.PAIRS, 1)
        self.assertGreater(self.PAIRS * 2 * found["look_up_seconds"], found["dump_seconds"])
        # The same sockets in a table that has room for them.
        self.watch("events", self.PAIRS)


if __name__ == "__main__":
    lib.main()
