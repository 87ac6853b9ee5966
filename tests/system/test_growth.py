#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What only growth tells: it takes the shortest windows there are, a minute and two, nearly all of it waiting.

Everything grows side by side under one daemon, and beside each a pool or a leak that stands still.
"""
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import unittest

import lib
import scenes

WINDOW = 60
OPTIONS = [
    "--interval=500ms", "--sweep-interval=1s", "--cpu-share=50", "--rules.clear-hold=1s", "--rules.rate-window=1m",
    "--rules.close-wait-leak.inbound.warning-age=1s", "--rules.close-wait-leak.inbound.warning-window=1m",
    "--rules.close-wait-leak.outbound.warning-age=1s", "--rules.close-wait-leak.outbound.info-age=2s",
    "--rules.close-wait-leak.outbound.warning-window=1m", "--rules.fin-wait-2-stuck.info-age=1s",
    "--rules.fin-wait-2-stuck.warning-growth-window=1m", "--rules.fin-wait-2-stuck.warning-count=1000",
    "--rules.orphan-accumulation.info-count=20", "--rules.orphan-accumulation.info-growth-window=1s",
    "--rules.orphan-accumulation.warning-horizon=1s",
]

# first: how many there are at once; then one each so many seconds.
LEAKS = """
first, every, end = int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
# Small buffers: what an orphan cannot get rid of is kernel memory.
small = end == "orphan"
listener = listen(**({"SO_SNDBUF": 4096} if small else {}))


def leak():
    client, server = pair(listener, **({"SO_RCVBUF": 4096} if small else {}))
    if end == "inbound":
        keep.remove(client)
        client.close()
    elif end == "outbound":
        keep.remove(server)
        server.close()
    elif end == "fin-wait-2":
        client.shutdown(socket.SHUT_WR)
    else:
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                server.send(bytes(4096))
        keep.remove(server)
        server.close()


for _ in range(first):
    leak()
say("ready")
due = time.monotonic()
while every:
    leak()
    due += every
    time.sleep(max(0, due - time.monotonic()))
step()
"""


class Growth(unittest.TestCase):
    def orphans(self, folder):
        """
        They are the machine's: what others make and end moves their growth, so the limit follows it. Where
        others end more than we make there is no growth to be told.
        """
        def growth():
            return lib.get("/summary")["orphans"]["growth_per_second"]

        def found():
            rate, count = growth(), lib.get("/summary")["orphans"]["count"]
            self.assertIsNotNone(rate, "growth is known after a minute")
            if rate < 1:
                return "no growth"
            # A quarter of the limit in half an hour.
            with open(f"{folder}/tcp_max_orphans", "w") as file:
                file.write(f"{int(4 * (count + 1800 * rate))}\n")
            return scenes.findings("orphan-accumulation", severity="info")

        rows = lib.wait_for(found, "orphans that grow", 30, 0.5)
        if rows != "no growth":
            self.assertRegex(rows[0]["summary"], r"orphaned sockets of [\d,]+ .*; growing [\d.,]+/s, at the limit in ")
            self.assertGreater(rows[0]["evidence"]["seconds_to_limit"], 600)
            self.assertGreater(rows[0]["evidence"]["growth_per_second"], 0.5)
        else:
            print("no growth of orphans: others on this machine end more of them", file=sys.stderr)

    def test_growth(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(folder, 0o755)
            scenes.fake_sysctls(folder, tcp_max_orphans=4000000)
            stack.callback(subprocess.run, ["umount", "/proc/sys/net/ipv4"], check=True)
            actors = {
                name: stack.enter_context(scenes.Actor(name, LEAKS, *arguments)) for name, arguments in {
                    "in-grows": (20, 1, "inbound"), "in-stands": (60, 0, "inbound"),
                    "out-grows": (20, 0.5, "outbound"), "out-stands": (60, 0, "outbound"),
                    "fw2-grows": (5, 1, "fin-wait-2"), "fw2-stands": (30, 0, "fin-wait-2"),
                    "orphans-grow": (30, 0.25, "orphan")}.items()}
            for actor in actors.values():
                actor.read()
            stack.enter_context(lib.Daemon(*OPTIONS))
            started = time.monotonic()

            def finding(name, rule, severity, seconds):
                return scenes.wait_finding(rule, seconds, pid=actors[name].pid, severity=severity)

            def judged_late(row, least):
                self.assertGreater(time.monotonic() - started, least, row)

            def growing(name, rule):
                """The rate is reckoned anew each half minute."""
                return lib.wait_for(lambda: [row for row in scenes.findings(rule, pid=actors[name].pid)
                                             if "growth_per_second" in row["evidence"]], f"the rate of {name}", 60)[0]

            row = finding("in-grows", "close-wait-leak", "warning", WINDOW + 60)
            judged_late(row, WINDOW)
            self.assertGreater(row["count"], 50)
            row = growing("in-grows", "close-wait-leak")
            self.assertRegex(row["summary"], r"in-grows .* in CLOSE-WAIT, inbound, .*; growing [\d.]+/s")
            self.assertTrue(0.3 < row["evidence"]["growth_per_second"] < 2, row)

            row = finding("fw2-grows", "fin-wait-2-stuck", "warning", WINDOW)
            judged_late(row, WINDOW)
            self.assertIn("; growing ", growing("fw2-grows", "fin-wait-2-stuck")["summary"])

            # One that grew in one window may be a pool that fills; in two it is a leak.
            self.assertFalse(scenes.findings("close-wait-leak", pid=actors["out-grows"].pid, severity="warning"))
            row = finding("out-grows", "close-wait-leak", "warning", 2 * WINDOW)
            judged_late(row, 2 * WINDOW)
            self.assertRegex(row["summary"], r"out-grows .* in CLOSE-WAIT, outbound, .*; growing [\d.]+/s")
            self.assertGreater(row["evidence"]["growth_per_second"], 0.6)

            # What stands still is information for ever, and a pool is told to be one.
            row = growing("out-stands", "close-wait-leak")
            self.assertEqual(row["severity"], "info")
            self.assertIn("not growing", row["cause"])
            self.assertIn("typical of a pool", row["cause"])
            for name in ("in-stands", "fw2-stands"):
                for row in scenes.findings(pid=actors[name].pid):
                    self.assertEqual(row["severity"], "info", row)

            self.orphans(folder)
            self.assertTrue(lib.get("/status")["warming_up"], "until a quarter of an hour has passed")


if __name__ == "__main__":
    lib.main()
