#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each finding, made for real: raised for the right process, in the right words, and gone with its cause.

Ages and counts are shortened; what needs a window of growth is in test_growth.py.
"""
import contextlib
import os
import re
import subprocess
import tempfile
import unittest

import lib
import scenes
import sick

OPTIONS = [
    "--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.clear-hold=1s",
    "--rules.rst-on-close.info-age=1s", "--rules.rst-on-close.warning-count=5", "--rules.rst-on-close.warning-age=1s",
    "--rules.fin-wait-2-stuck.info-age=1s", "--rules.fin-wait-2-stuck.warning-age=2s",
    "--rules.close-wait-leak.inbound.info-age=2s", "--rules.close-wait-leak.inbound.warning-age=1s",
    "--rules.close-wait-leak.outbound.info-age=2s", "--rules.close-wait-leak.outbound.warning-age=1s",
    "--rules.close-wait-leak.unaccepted.warning-age=1s", "--rules.close-wait-leak.unaccepted.critical-age=1s",
    "--rules.orphan-stalled.info-age=1s", "--rules.orphan-stalled.info-count=5", "--rules.orphan-stalled.info-ratio=0.1",
    "--rules.listener-queue-at-risk.warning-age=1s", "--rules.listener-queue-at-risk.critical-age=2s",
]

ACTORS = {
    # name: (limit of descriptors, program)
    "eof-unread": (None, """
listener = listen()
for _ in range(12):
    client, server = pair(listener)
    client.close()
"""),
    "eof-forgotten": (None, """
listener = listen()
for _ in range(8):
    client, server = pair(listener)
    client.close()
    assert server.recv(1) == b""
"""),
    "data-unread": (None, """
listener = listen()
for _ in range(5):
    client, server = pair(listener)
    client.sendall(bytes(100))
    client.close()
"""),
    "descriptors": (64, """
listener = listen()
for _ in range(40):
    client, server = pair(listener)
    keep.remove(client)
    client.close()
"""),
    "never-accepts": (None, """
listener = listen(64)
for _ in range(15):
    client = connect(listener.getsockname())
    keep.remove(client)
    client.close()
"""),
    "full-of-dead": (None, """
listener = listen(10)
for _ in range(11):
    client = connect(listener.getsockname())
    keep.remove(client)
    client.close()
"""),
    "idle-pool": (None, """
listener = listen()
for _ in range(55):
    client, server = pair(listener)
    client.sendall(b"GET")
    server.recv(3)
    server.sendall(b"200")
    client.recv(3)
    keep.remove(server)
    server.close()
"""),
    "does-not-read": (None, """
listener = listen(SO_RCVBUF=4096)
for _ in range(6):
    client, server = pair(listener, SO_SNDBUF=4096)
    fill(client)
"""),
    "paused": (None, """
listener = listen()
for _ in range(3):
    client, server = pair(listener)
    client.sendall(bytes(100))
"""),
    "full-queue": (None, """
listener = listen(16)
for _ in range(17):
    connect(listener.getsockname())
for _ in range(4):
    sock = socket.socket()
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        sock.connect(listener.getsockname())
    keep.append(sock)
"""),
}

# Two processes: one waits for a FIN that the other owes.
OWES = """
listener = listen()
say(*listener.getsockname())
for _ in range(25):
    keep.append(listener.accept()[0])
say("ready")
step()
close_all()
say("closed")
step()
"""
WAITS = """
for _ in range(25):
    sock = connect((sys.argv[2], int(sys.argv[3])))
    sock.shutdown(socket.SHUT_WR)
say("ready")
step()
close_all()
say("closed")
step()
"""

ORPHANS = """
listener = listen(SO_SNDBUF=4096)
clients, servers = [], []
for _ in range(int(sys.argv[2])):
    client, server = pair(listener, SO_RCVBUF=4096)
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            server.send(bytes(4096))
    clients.append(client)
    servers.append(server)
keep.clear()
say("ready")
step()
while servers:
    servers.pop().close()
say("orphaned")
step()
while clients:
    clients.pop().close()
say("closed")
step()
"""


class Sick(sick.Sick):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.actors = {name: cls.stack.enter_context(scenes.Actor(name, code + sick.HOLD, limit=limit))
                      for name, (limit, code) in ACTORS.items()}
        owes = cls.actors["owes-fin"] = cls.stack.enter_context(scenes.Actor("owes-fin", OWES))
        cls.address = owes.read()
        cls.actors["waits-for-fin"] = cls.stack.enter_context(scenes.Actor("waits-for-fin", WAITS, *cls.address))
        for actor in cls.actors.values():
            actor.read()
        cls.daemon = cls.stack.enter_context(lib.Daemon(*OPTIONS))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def test_close_wait_end_of_file_unread(self):
        self.check("eof-unread", "close-wait-leak", "info", 12, ["12 sockets in CLOSE-WAIT, inbound"],
                   ["12 with end of file not read"], ["close()"], eof_unread=12, eof_read=0, data_unread=0)
        self.clears("eof-unread", "close-wait-leak")

    def test_close_wait_end_of_file_forgotten(self):
        self.check("eof-forgotten", "close-wait-leak", "info", 8, ["8 sockets in CLOSE-WAIT, inbound"],
                   ["8 with everything read up to the end of file and the descriptor forgotten (Recv-Q 0)"],
                   eof_read=8, eof_unread=0)
        self.clears("eof-forgotten", "close-wait-leak")

    def test_close_wait_data_unread(self):
        self.check("data-unread", "close-wait-leak", "info", 5, ["5 sockets in CLOSE-WAIT, inbound"],
                   ["5 with data not read: close() sends a RST"], data_unread=5, unread_bytes=500)
        self.assertEqual(scenes.findings("rst-on-close", pid=self.actors["data-unread"].pid), [])
        self.clears("data-unread", "close-wait-leak")

    def test_close_wait_fills_the_table_of_descriptors(self):
        row = self.check("descriptors", "close-wait-leak", "critical", 40, ["40 sockets in CLOSE-WAIT", "% of 64"],
                         descriptor_limit=64)
        self.assertGreater(row["evidence"]["descriptors"], 40)
        self.clears("descriptors", "close-wait-leak")

    def test_close_wait_never_accepted(self):
        self.check("never-accepts", "close-wait-leak", "warning", 15, ["has not accepted 15 connections"],
                   ["Never accepted", "accept()"], ["accept()", "Restarting it resets"], by="attachment=unaccepted", unaccepted=15)
        self.clears("never-accepts", "close-wait-leak")

    def test_close_wait_never_accepted_and_full(self):
        self.check("full-of-dead", "close-wait-leak", "critical", 11, ["has not accepted 11 connections"],
                   ["Never accepted", "the queue is full"], by="attachment=unaccepted", unaccepted=11)
        self.clears("full-of-dead", "close-wait-leak")

    def test_close_wait_idle_pool(self):
        self.check("idle-pool", "close-wait-leak", "info", 55, ["55 sockets in CLOSE-WAIT, outbound"],
                   ["typical of a pool of connections between requests"], ["Nothing, while their number stands still"])
        self.clears("idle-pool", "close-wait-leak")

    def test_fin_wait_2(self):
        row = self.check("waits-for-fin", "fin-wait-2-stuck", "warning", 25,
                         ["25 sockets in FIN-WAIT-2 that no timer ends"],
                         ["tcp_fin_timeout is for closed sockets", f"{self.address[0]}:{self.address[1]}"])
        self.assertGreaterEqual(row["evidence"]["oldest_seconds"], 2)
        # The other end is another finding, of who owes the FIN.
        self.check("owes-fin", "close-wait-leak", "info", 25, ["25 sockets in CLOSE-WAIT, inbound"])
        self.clears("owes-fin", "close-wait-leak")
        lib.wait_for(lambda: not scenes.findings("fin-wait-2-stuck"), "cleared by the FIN", 20, 0.1)

    def test_rst_on_close_peers_blocked(self):
        row = self.check("does-not-read", "rst-on-close", "warning", 6, ["has not read from 6 connections"],
                         ["On 6 of them the receive window is closed", "the peer is blocked"], ["Look why the process does not read"])
        self.assertGreater(row["evidence"]["unread_bytes"], 6000)
        self.clears("does-not-read", "rst-on-close")

    def test_rst_on_close_paused(self):
        self.check("paused", "rst-on-close", "info", 3, ["has not read from 3 connections with 300 bytes waiting"],
                   unread_bytes=300)
        self.clears("paused", "rst-on-close")

    def test_listener_queue(self):
        row = self.check("full-queue", "listener-queue-at-risk", "critical", 1, ["at 17/16 FULL", "dropped"],
                         ["ListenOverflows", "gets a RST"], ["accept()", "somaxconn"], scope="listener",
                         by="", waiting=17, limit=16)
        self.assertGreater(row["evidence"]["overflows_per_second"], 0)
        self.clears("full-queue", "listener-queue-at-risk")

    def test_accused_of_nothing_else(self):
        wanted = {name: {"close-wait-leak"} for name in self.actors}
        wanted |= {"does-not-read": {"rst-on-close"}, "paused": {"rst-on-close"},
                   "waits-for-fin": {"fin-wait-2-stuck"}, "full-queue": {"listener-queue-at-risk"},
                   "full-of-dead": {"close-wait-leak", "listener-queue-at-risk"}}
        lib.wait_for(lambda: len(scenes.findings()) >= len(self.actors), "they have all been found", 20)
        for row in scenes.findings():
            self.assertIn(row["rule"], wanted[row["process"]["comm"]], row)


class Orphans(unittest.TestCase):
    """The number is the machine's, so the limit follows what others on it do."""

    COUNT = 300

    def raised(self, share, severity):
        """The finding as severe as that, with orphans at that share of the limit."""
        def found():
            with open("/proc/net/sockstat") as file:
                count = int(re.search(r"orphan (\d+)", file.read())[1])
            with open(f"{self.folder}/tcp_max_orphans", "w") as file:
                file.write(f"{int(max(count, 1) / share)}\n")
            rows = scenes.findings("orphan-accumulation")
            return [row["severity"] for row in rows] == ([severity] if severity else []) and (rows or True)

        return lib.wait_for(found, f"orphans at {share} of the limit: {severity}", 20, 0.3)

    def test_orphans(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(self.folder, 0o755)
            scenes.fake_sysctls(self.folder, tcp_max_orphans=1000000)
            stack.callback(subprocess.run, ["umount", "/proc/sys/net/ipv4"], check=True)
            actor = stack.enter_context(scenes.Actor("orphan-maker", ORPHANS, self.COUNT))
            actor.read()
            stack.enter_context(lib.Daemon(*OPTIONS))
            lib.wait_for(lambda: any(r["holders"] for r in lib.sockets(f"pid={actor.pid}")), "its holder is known", 20)
            self.assertEqual(scenes.findings("orphan-accumulation"), [])

            actor.go()
            self.assertEqual(actor.read(), ["orphaned"])
            lib.wait_for(lambda: len(lib.sockets("attachment=orphan")) == self.COUNT, "the orphans are seen")
            row = self.raised(0.35, "warning")[0]
            self.assertEqual(row["scope"], "host")
            self.assertGreaterEqual(row["count"], self.COUNT)
            self.assertRegex(row["summary"],
                             rf"^[\d,]+ orphaned sockets of [\d,]+ \(3\d %\) \(FIN-WAIT-1 {self.COUNT}")
            self.assertIn("too many orphaned sockets", row["cause"])
            self.assertRegex(row["cause"], rf"Created by .*orphan-maker \(pid {actor.pid}.* 100 %")
            # Their peers are silent: that is a finding of its own.
            stalled = scenes.wait_finding("orphan-stalled")
            self.assertGreaterEqual(stalled["count"], self.COUNT)
            self.assertIn(f"orphan-maker (pid {actor.pid}", stalled["summary"] + stalled["cause"])
            self.assertGreaterEqual(lib.get("/summary")["orphans"]["count"], self.COUNT)
            row = self.raised(0.6, "critical")[0]
            self.assertGreaterEqual(row["evidence"]["ratio"], 0.5)
            metrics = lib.get("/metrics")
            for name in ("orphans", "orphans_peak", "orphans_limit"):
                self.assertGreaterEqual(int(re.search(rf"(?m)^tcpdiag_{name} (\d+)$", metrics)[1]), self.COUNT)

            # Their peers end: a RST for each, and nothing is left.
            actor.go()
            self.assertEqual(actor.read(), ["closed"])
            lib.wait_for(lambda: not lib.sockets("attachment=orphan"), "they are gone", 20)
            self.raised(0.01, None)


if __name__ == "__main__":
    lib.main()
