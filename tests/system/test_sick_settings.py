#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The findings that rest on what BPF reads: linger, TCP_LINGER2, descriptors of dead connections, and late data.

Beside each a process that does the like in a healthy way, and is accused of nothing.
"""
import contextlib
import pathlib
import socket
import unittest

import lib
import scenes
import sick

OPTIONS = [
    "--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.clear-hold=1s",
    "--rules.dead-descriptor.info-age=1s", "--rules.rst-on-close.info-age=1h", "--rules.fin-wait-2-stuck.info-age=1h",
    "--rules.close-wait-leak.inbound.info-age=1h", "--rules.close-wait-leak.outbound.info-age=1h",
]

ACTORS = {
    # A broker that sets it on its listener, as RabbitMQ does.
    "linger-zero": (None, """
listener = listen()
linger(listener, 0)
for _ in range(7):
    pair(listener)
"""),
    # Its time is long, and the peer acknowledges nothing: a close() would wait.
    "linger-might": (None, """
listener = listen(SO_RCVBUF=4096)
for _ in range(3):
    client, server = pair(listener, SO_SNDBUF=4096)
    fill(client)
    linger(client, 30)
"""),
    # Two threads that wait in close(), from when the daemon has seen whose the sockets are.
    "linger-does": (None, """
listener = listen(SO_RCVBUF=4096)
clients = []
for _ in range(2):
    client, server = pair(listener, SO_SNDBUF=4096)
    fill(client)
    client.setblocking(True)
    linger(client, 120)
    keep.remove(client)
    clients.append(client)
say("made")
step()
for client in clients:
    threading.Thread(target=client.close, daemon=True).start()
"""),
    "cliff": (None, """
listener = listen()
for seconds in (61, 62, 90, 119):
    client, server = pair(listener)
    linger2(client, seconds)
"""),
    # Both directions shut, and the other end, of the same process, has more to send.
    "late-data": (None, """
listener = listen(SO_SNDBUF=4096)
for _ in range(12):
    client, server = pair(listener, SO_RCVBUF=4096)
    fill(server)
    client.shutdown(socket.SHUT_RDWR)
"""),
    "dead": (None, """
listener = listen()
for _ in range(24):
    client, server = pair(listener)
    linger(server, 0)
    keep.remove(server)
    server.close()
"""),
    "dead-many": (64, """
listener = listen()
for _ in range(40):
    client, server = pair(listener)
    linger(server, 0)
    keep.remove(server)
    server.close()
"""),
}

HEALTHY = {
    # kubelet sets a second on each of its probes; a long time on an idle connection is nothing either.
    "linger-idle": """
listener = listen()
for _ in range(20):
    linger(pair(listener)[0], 1)
    linger(pair(listener)[0], 3600)
    linger(pair(listener)[0], 0, on=0)
""",
    # A time that is long, and data that flows.
    "linger-flows": """
listener = listen()
client, server = pair(listener)
linger(client, 30)
client.settimeout(None)
server.settimeout(None)


def write():
    with contextlib.suppress(OSError):
        while True:
            client.sendall(bytes(65536))


def read():
    with contextlib.suppress(OSError):
        while True:
            server.recv(4096)
            time.sleep(0.0005)


for function in (write, read):
    threading.Thread(target=function, daemon=True).start()
""",
    # A second each, and closed: each waits for one acknowledgement.
    "probes": """
listener = listen()


def probe():
    with contextlib.suppress(OSError, ValueError):
        while True:
            client = socket.create_connection(listener.getsockname())
            server = listener.accept()[0]
            linger(client, 1)
            client.sendall(b"GET")
            server.recv(3)
            client.close()
            server.close()
            time.sleep(0.02)


threading.Thread(target=probe, daemon=True).start()
""",
    "linger2": """
listener = listen()
for seconds in (1, 30, 60, 120, -1):
    linger2(pair(listener)[0], seconds)
""",
    # A half-close, and the answer flows in; and one that is shut both ways whose peer has nothing to say.
    "half-close": """
listener = listen()
client, server = pair(listener)
client.shutdown(socket.SHUT_WR)
for _ in range(12):
    pair(listener)[0].shutdown(socket.SHUT_RDWR)


def answer():
    with contextlib.suppress(OSError):
        while True:
            server.sendall(bytes(1000))
            client.recv(1000)
            time.sleep(0.01)


threading.Thread(target=answer, daemon=True).start()
""",
    # Fewer than are worth a word, and sockets that have not been connected yet.
    "few-dead": """
listener = listen()
for _ in range(10):
    client, server = pair(listener)
    linger(server, 0)
    keep.remove(server)
    server.close()
for _ in range(30):
    keep.append(socket.socket())
""",
}


class Settings(sick.Sick):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.actors = {name: cls.stack.enter_context(scenes.Actor(name, code + sick.HOLD, limit=limit))
                      for name, (limit, code) in ACTORS.items()}
        cls.healthy = {name: cls.stack.enter_context(scenes.Actor(name, code + sick.HOLD))
                       for name, code in HEALTHY.items()}
        for actor in (*cls.actors.values(), *cls.healthy.values()):
            actor.read()
        cls.stack.enter_context(lib.Daemon(*OPTIONS))
        scenes.needs_bpf()

    def one(self, rule, severity, count):
        """The finding of a unit, or where there is none of the process: there is only one of that rule."""
        row = scenes.wait_finding(rule, 30, severity=severity)
        self.assertEqual(row["count"], count, row)
        self.assertIn(row["scope"], ("process", "unit"))
        self.assertEqual(row["documentation"], f"/rules/{rule}")
        self.assertEqual(lib.request(f"/rules/{rule}").status, 200)
        return row

    def test_linger_zero(self):
        row = self.one("linger-zero", "info", 8)
        self.assertIn("7 connections and 1 listener", row["summary"])
        self.assertIn("from their listener", row["cause"])
        self.assertEqual(len(lib.sockets(f"finding=linger-zero&pid={self.actors['linger-zero'].pid}")), 8)
        self.assertEqual(len(lib.sockets("finding=linger-zero")), 8)
        self.clears("linger-zero", "linger-zero")

    def test_linger_might(self):
        self.check("linger-might", "linger-blocks", "info", 3, ["would wait in close() of 3 connections"],
                   ["O_NONBLOCK"], ["shutdown()"])
        self.clears("linger-might", "linger-blocks")

    def test_linger_does(self):
        actor = self.actors["linger-does"]
        lib.wait_for(lambda: len(lib.sockets(f"pid={actor.pid}&linger=positive")) == 2, "they are known", 30)
        actor.go()
        self.assertEqual(actor.read(), ["ready"])
        row = self.check("linger-does", "linger-blocks", "warning", 2, ["waits in 2 calls of close()"],
                         ["for up to 120 s"], by="attachment=unheld")
        self.assertGreaterEqual(row["evidence"]["oldest_seconds"], 2)
        # close_all() ends the readers: their RST sets both threads free.
        self.clears("linger-does", "linger-blocks")

    def test_cliff(self):
        row = self.one("fin-timeout-cliff", "info", 4)
        self.assertIn("TCP_LINGER2", row["summary"] + row["cause"])
        self.clears("cliff", "fin-timeout-cliff")

    def test_late_data(self):
        actor = self.actors["late-data"]
        row = scenes.wait_finding("late-data-reset", 30, pid=actor.pid)
        self.assertEqual((row["count"], row["scope"]), (12, "process"), row)
        # Ten of them within a minute.
        row = scenes.wait_finding("late-data-reset", 30, pid=actor.pid, severity="warning")
        rows = lib.sockets(f"finding=late-data-reset&pid={actor.pid}")
        self.assertEqual({(r["shutdown"]["receive"], r["shutdown"]["send"]) for r in rows}, {(True, True)})
        self.assertLessEqual({r["state"] for r in rows}, {"fin-wait-1", "fin-wait-2"})
        for r in rows:
            self.assertIsNotNone(r["peer"])
            self.assertEqual(lib.get(f"/sockets/{r['peer']}")["peer"], r["id"])
        self.clears("late-data", "late-data-reset")

    def test_dead_descriptors(self):
        self.check("dead", "dead-descriptor", "info", 24, ["24 "])
        rows = lib.sockets(f"finding=dead-descriptor&pid={self.actors['dead'].pid}")
        self.assertEqual({(r["state"], r["attachment"], r["error"]) for r in rows}, {("closed", "held", "ECONNRESET")})
        self.clears("dead", "dead-descriptor")

    def test_dead_descriptors_fill_the_table(self):
        row = self.check("dead-many", "dead-descriptor", "critical", 40, ["% of 64"], descriptor_limit=64)
        self.assertGreater(row["evidence"]["descriptors"], 40)
        self.clears("dead-many", "dead-descriptor")

    def test_zz_nobody_else(self):
        """Last: the daemon has looked for long enough to accuse the healthy ones, had it wanted to."""
        scenes.wait_passes("owners", 1)
        for name, actor in self.healthy.items():
            self.assertIsNone(actor.process.poll(), name)
            self.assertGreater(len(lib.sockets(f"pid={actor.pid}")), 0, name)
            self.assertEqual(scenes.findings(pid=actor.pid), [], name)


class Sysctl(unittest.TestCase):
    """net.ipv4.tcp_fin_timeout of this test's own namespace."""

    PATH = pathlib.Path("/proc/sys/net/ipv4/tcp_fin_timeout")

    def setUp(self):
        before = self.PATH.read_text()
        self.addCleanup(self.PATH.write_text, before)

    def cliff(self):
        row = scenes.wait_finding("fin-timeout-cliff", 20)
        self.assertEqual(row["severity"], "warning")
        self.assertIn(row["scope"], ("netns", "host"))
        self.assertIn("61", row["summary"])
        self.assertIn("tcp_fin_timeout", row["summary"] + row["cause"])

    def cleared(self):
        lib.wait_for(lambda: not scenes.findings("fin-timeout-cliff"), "it clears", 20, 0.2)

    def test_cliff(self):
        with scenes.Scene() as scene, lib.Daemon(*OPTIONS):
            scenes.needs_bpf()
            sock, _ = scene.pair()
            query = scenes.tuple_query(sock)
            scenes.wait_row(query, lambda r: r["fin_timeout"]["lifetime_seconds"] == 60, "60 s are 60 s")
            for seconds, lives in ((120, 120), (60, 60), (30, 30)):
                self.PATH.write_text(f"{seconds}\n")
                scenes.wait_row(query, lambda r, s=lives: r["fin_timeout"]["lifetime_seconds"] == s, f"{seconds} s")
                self.assertEqual(scenes.findings("fin-timeout-cliff"), [], seconds)
            self.PATH.write_text("61\n")
            self.cliff()
            scenes.wait_row(query, lambda r: r["fin_timeout"]["lifetime_seconds"] == 2, "61 s are 2 s")
            self.PATH.write_text("60\n")
            self.cleared()

    def test_it_needs_no_bpf(self):
        self.PATH.write_text("61\n")
        with lib.Daemon(*OPTIONS, "--no-collector.bpf"):
            self.cliff()
            self.PATH.write_text("60\n")
            self.cleared()


if __name__ == "__main__":
    lib.main()
