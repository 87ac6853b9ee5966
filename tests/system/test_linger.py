#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""SO_LINGER, TCP_LINGER2 and TCP_REPAIR of real sockets: seen, in time, and what is foretold is what happens.

With BPF nothing of a verdict is unknown, so every prediction here must be certain; then the sockets are closed,
or their process killed, and the peers tell what they got.
"""
import contextlib
import socket
import time
import unittest

import lib
import scenes

INTERVAL = 0.25
OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.rst-on-close.info-age=1s"]
TCP_REPAIR = 19
# What may come late on a machine that is busy with other tests.
SLACK = 3.0


def linger2(sock, seconds):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, seconds)


def lingers(row, seconds):
    """Whether the row says that SO_LINGER is on with so many seconds."""
    return row["linger"] is not None and row["linger"]["on"] is True and row["linger"]["seconds"] == seconds


def uncertain(row):
    """The operations whose outcome is not certain, with what is said about them."""
    return {op: (o["unknown"], o["otherwise"]) for op, o in (row["outcomes"] or {}).items()
            if not o["certain"] or o["unknown"] or o["otherwise"]}


class Options(unittest.TestCase):
    """Options of this process's own sockets; none of them does anything by itself."""

    # name: (on, what setsockopt gets, what is seen)
    LINGER = {"zero": (1, 0, 0), "five": (1, 5, 5), "negative": (1, -1, "forever"), "huge": (1, 2**31 - 1, "forever"),
              "an-hour": (1, 3600, 3600)}
    # TCP_LINGER2: (the option as it is seen, seconds that a FIN-WAIT-2 orphan lives)
    LINGER2 = {1: (1, 1), 30: (30, 30), 60: (60, 60), 61: (61, 2), 90: (90, 60), 119: (119, 118), 120: (120, 120),
               500: (120, 120), -1: (-1, 0), -7: (-1, 0)}

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.scene = cls.stack.enter_context(scenes.Scene())
        cls.never, _ = cls.scene.pair()
        cls.sockets = {}
        for name, (on, seconds, _) in cls.LINGER.items():
            cls.sockets[name], _ = cls.scene.pair()
            scenes.set_linger(cls.sockets[name], seconds, on)
        cls.was_on, _ = cls.scene.pair()
        scenes.set_linger(cls.was_on, 7)
        scenes.set_linger(cls.was_on, 0, on=0)
        cls.linger2 = {}
        for seconds in cls.LINGER2:
            cls.linger2[seconds], _ = cls.scene.pair()
            linger2(cls.linger2[seconds], seconds)
        cls.repaired, _ = cls.scene.pair()
        cls.repaired.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        # These change while the daemon looks on; nothing moves on their connections.
        cls.later = {name: cls.scene.pair()[0] for name in ("on", "off", "fin-timeout", "repair")}
        scenes.set_linger(cls.later["off"], 9)
        # Children take over what their listener has when their handshake is over.
        cls.abrupt, cls.plain = cls.scene.listener(), cls.scene.listener()
        scenes.set_linger(cls.abrupt, 0)
        linger2(cls.abrupt, 61)
        cls.child, cls.child_with_data = cls.scene.connect(cls.abrupt), cls.scene.connect(cls.abrupt)
        cls.child_with_data.sendall(b"unread")
        cls.child_before = cls.scene.connect(cls.plain)
        scenes.set_linger(cls.plain, 0)
        cls.accepted_from = cls.scene.listener()
        scenes.set_linger(cls.accepted_from, 4)
        cls.accepted_client = cls.scene.connect(cls.accepted_from)
        cls.accepted = cls.scene.enter_context(cls.accepted_from.accept()[0])
        # Repair mode would leave its peer alone for ever.
        for sock in (cls.repaired, cls.later["repair"]):
            cls.stack.callback(sock.setsockopt, socket.IPPROTO_TCP, TCP_REPAIR, 0)
        cls.stack.enter_context(lib.Daemon(*OPTIONS))
        scenes.needs_bpf()

    def certain(self, row):
        self.assertEqual(uncertain(row), {}, row["flow"])
        return row

    def row(self, sock):
        return self.certain(scenes.wait_row(scenes.tuple_query(sock), lambda r: r["linger"] is not None,
                                            "its settings are known"))

    def child_row(self, client):
        return self.certain(scenes.wait_row(scenes.other_end(client), lambda r: r["linger"] is not None,
                                            "its settings are known"))

    def test_linger(self):
        for name, (_, _, seen) in self.LINGER.items():
            with self.subTest(name):
                row = self.row(self.sockets[name])
                self.assertTrue(lingers(row, seen), row["linger"])
                close, leave = row["outcomes"]["close"], row["outcomes"]["exit"]
                if name == "zero":
                    self.assertEqual((close["segment"], close["rule"], close["counter"], close["blocks_seconds"]),
                                     ("rst", "close-linger-zero", "TCPAbortOnData", 0))
                    self.assertEqual((leave["segment"], leave["rule"]), ("rst", "close-linger-zero"))
                else:
                    self.assertEqual((close["segment"], close["rule"], close["blocks_seconds"]),
                                     ("fin", "close-fin", seen))
                    # Who exits waits for nothing.
                    self.assertEqual((leave["segment"], leave["blocks_seconds"]), ("fin", 0))
                self.assertEqual(row["outcomes"]["shutdown_both"]["blocks_seconds"], 0)
        for sock in (self.never, self.was_on):
            row = self.row(sock)
            self.assertIs(row["linger"]["on"], False)
            self.assertEqual((row["outcomes"]["close"]["segment"], row["outcomes"]["close"]["blocks_seconds"]),
                             ("fin", 0))

    def test_linger2(self):
        self.assertEqual(self.row(self.never)["fin_timeout"], {"linger2_seconds": 0, "lifetime_seconds": 60})
        for seconds, (seen, lives) in self.LINGER2.items():
            with self.subTest(seconds):
                row = self.row(self.linger2[seconds])
                self.assertEqual(row["fin_timeout"], {"linger2_seconds": seen, "lifetime_seconds": lives})

    def test_repair(self):
        row = self.row(self.repaired)
        self.assertIs(row["repair"], True)
        self.assertEqual((row["outcomes"]["close"]["segment"], row["outcomes"]["close"]["rule"]),
                         ("none", "close-repair"))
        self.assertIs(self.row(self.never)["repair"], False)

    def test_children(self):
        for client in (self.child, self.child_with_data):
            row = self.child_row(client)
            self.assertEqual(row["attachment"], "unaccepted")
            self.assertTrue(lingers(row, 0), row["linger"])
            self.assertEqual(row["fin_timeout"], {"linger2_seconds": 61, "lifetime_seconds": 2})
            self.assertEqual((row["outcomes"]["listener_close"]["segment"], row["outcomes"]["listener_close"]["rule"]),
                             ("rst", "child-reset"))
            self.assertEqual(row["outcomes"]["close"]["segment"], "rst")
        rules = [self.child_row(c)["outcomes"]["close"]["rule"] for c in (self.child, self.child_with_data)]
        self.assertEqual(rules, ["close-linger-zero", "close-unread-data"])
        # Its listener got the option when it was there already: it is as it was born.
        row = self.child_row(self.child_before)
        self.assertEqual((row["attachment"], row["linger"]["on"]), ("unaccepted", False))
        self.assertEqual(row["outcomes"]["close"]["segment"], "fin")
        self.assertEqual(row["outcomes"]["listener_close"]["segment"], "rst")
        row = self.row(self.accepted)
        self.assertEqual(row["attachment"], "held")
        self.assertTrue(lingers(row, 4), row["linger"])
        # A listener itself: what it has, and that its close() does not wait.
        port = self.accepted_from.getsockname()[1]
        row = scenes.wait_row(f"state=listening&local.port={port}", lambda r: r["linger"] is not None, "known")
        self.assertTrue(lingers(row, 4), row["linger"])
        self.assertEqual(row["outcomes"]["close"]["blocks_seconds"], 0)

    def test_other_families(self):
        for host, through in (("::1", None), ("::", "127.0.0.1")):
            client, server = self.scene.pair(host, through)
            scenes.set_linger(server, 0)
            scenes.set_linger(client, 3)
            for sock, seconds in ((server, 0), (client, 3)):
                query = scenes.tuple_query(sock)
                row = scenes.wait_row(query, lambda r, s=seconds: lingers(r, s), f"linger {seconds}", 30)
                self.assertEqual(uncertain(row), {})

    def test_change_on_a_quiet_socket(self):
        first = {name: self.row(sock) for name, sock in self.later.items()}
        self.assertIs(first["on"]["linger"]["on"], False)
        self.assertTrue(lingers(first["off"], 9))
        interval = scenes.pass_seconds()
        changed = time.monotonic()
        scenes.set_linger(self.later["on"], 0)
        scenes.set_linger(self.later["off"], 0, on=0)
        linger2(self.later["fin-timeout"], 61)
        self.later["repair"].setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        wanted = {"on": lambda r: lingers(r, 0) and r["outcomes"]["close"]["segment"] == "rst",
                  "off": lambda r: r["linger"]["on"] is False and r["outcomes"]["close"]["blocks_seconds"] == 0,
                  "fin-timeout": lambda r: r["fin_timeout"]["lifetime_seconds"] == 2,
                  "repair": lambda r: r["outcomes"]["close"]["rule"] == "close-repair"}
        # Two passes over the descriptors, each of which begins at most an interval after the one before.
        for name, condition in wanted.items():
            left = max(0.0, 2 * interval + SLACK - (time.monotonic() - changed))
            self.certain(scenes.wait_row(scenes.tuple_query(self.later[name]), condition, f"{name} is seen", left))
            self.assertEqual(scenes.row(scenes.tuple_query(self.later[name]))["state"], "established")

    def test_new_within_a_fast_poll(self):
        listener = self.scene.listener()
        for seconds in (0, 6):
            client = self.scene.connect(listener)
            scenes.set_linger(client, seconds)
            server = self.scene.enter_context(listener.accept()[0])
            scenes.set_linger(server, seconds)
            for sock in (client, server):
                query = scenes.tuple_query(sock)
                scenes.wait_row(query, lambda r: True, "it is there")
                first = time.monotonic()
                row = scenes.wait_row(query, lambda r: r["linger"] is not None, "and its settings")
                self.assertLess(time.monotonic() - first, INTERVAL + SLACK)
                self.assertTrue(lingers(row, seconds), row["linger"])
                self.certain(row)

    def test_never_older_than_promised(self):
        """What is in teardown or flagged is read by each fast poll; what is quiet with each pass."""
        half, half_peer = self.scene.pair()
        half.shutdown(socket.SHUT_WR)
        sender, flagged = self.scene.pair()
        sender.sendall(b"nobody reads this")
        queries = {"fin-wait-2": scenes.tuple_query(half), "close-wait": scenes.tuple_query(half_peer),
                   "flagged": scenes.tuple_query(flagged), "quiet": scenes.tuple_query(self.never)}
        scenes.wait_row(queries["fin-wait-2"], lambda r: r["state"] == "fin-wait-2" and r["linger"], "in teardown")
        scenes.wait_row(queries["flagged"], lambda r: "rst-on-close" in r["findings"], "flagged", 20)
        oldest = dict.fromkeys(queries, 0.0)
        end = time.monotonic() + scenes.pass_seconds() / 2
        while time.monotonic() < end:
            for name, query in queries.items():
                row = scenes.row(query)
                self.assertIsNotNone(row["settings_seconds"], name)
                oldest[name] = max(oldest[name], row["settings_seconds"])
            time.sleep(0.1)
        interval = scenes.pass_seconds()
        self.assertLess(oldest.pop("quiet"), 2 * interval + SLACK)
        for name, seconds in oldest.items():
            self.assertLess(seconds, 2 * INTERVAL + SLACK, name)
        # And a change of theirs shows as soon.
        for sock, query in ((half, queries["fin-wait-2"]), (flagged, queries["flagged"])):
            scenes.set_linger(sock, 11)
            scenes.wait_row(query, lambda r: lingers(r, 11), "the change", INTERVAL + SLACK)


# name: (what its process does to the connection, what its peer does before, what it does after)
KINDS = {
    "plain": (None, None),
    "unread": (None, "send"),
    "linger-zero": ("linger(sock, 0)", None),
    "linger-five": ("linger(sock, 5)", None),
    "linger-off-again": ("linger(sock, 0); linger(sock, 0, on=0)", None),
    "linger-and-unread": ("linger(sock, 5)", "send"),
    "half-closed": ("sock.shutdown(socket.SHUT_WR)", None),
    "half-closed-linger-zero": ("sock.shutdown(socket.SHUT_WR); linger(sock, 0)", None),
    "half-closed-linger2": ("sock.shutdown(socket.SHUT_WR); linger2(sock, -1)", None),
    "no-more-reading": ("sock.shutdown(socket.SHUT_RD)", None),
    "peer-finished": (None, "shut"),
    "peer-finished-unread": (None, "send shut"),
    "peer-finished-linger-zero": ("linger(sock, 0)", "shut"),
    "peer-gone": (None, "reset"),
    "repair": ("repair(sock)", None),
    "repair-unread": ("repair(sock)", "send"),
    "unsent": ("fill(sock)", None),
    "unsent-linger-zero": ("fill(sock); linger(sock, 0)", None),
    "linger-blocked": ("fill(sock); sock.setblocking(True); linger(sock, 2)", None),
    "linger-blocked-nonblocking": ("fill(sock); sock.setblocking(False); linger(sock, 2)", None),
}
HOSTS = ("127.0.0.1", "::1")


def before(peer, what):
    for word in (what or "").split():
        if word == "send":
            peer.sendall(b"hello")
        elif word == "shut":
            peer.shutdown(socket.SHUT_WR)
        else:
            scenes.set_linger(peer, 0)
            peer.close()


def seen(peer):
    """What has come on this connection: a RST (which CLOSE-WAIT shows in SO_ERROR alone), a FIN, or neither."""
    if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return "rst"
    peer.setblocking(False)
    try:
        while peer.recv(1 << 20):
            pass
        return "fin"
    except BlockingIOError:
        return "none"
    except ConnectionResetError:
        return "rst"


class Foretold(unittest.TestCase):
    """One process with a connection of each kind: what the daemon says it will do, and what its peers then get."""

    def setUp(self):
        self.stack = self.enterContext(contextlib.ExitStack())
        self.remote = self.stack.enter_context(scenes.Remote("ends"))
        self.peers, self.queries = {}, {}
        for host in HOSTS:
            for kind, (does, peer_does) in KINDS.items():
                name = f"{kind}@{host}"
                peer = self.stack.enter_context(self.remote.accept(name, host))
                self.peers[name] = peer
                query = scenes.other_end(peer)
                before(peer, peer_does)
                if does:
                    self.remote.do(name, does)
                if peer.fileno() >= 0:
                    self.queries[name] = query
        # And two that it never accepts, one of them with data.
        self.waiting = [self.stack.enter_context(socket.create_connection(("127.0.0.1", self.remote.port)))
                        for _ in range(2)]
        self.waiting[0].sendall(b"first")
        self.stack.enter_context(lib.Daemon(*OPTIONS))
        scenes.needs_bpf()

    def foretold(self, operation):
        """What /sockets says that it does to each, once it knows all of them; every word of it certain."""
        said = {}
        for name, query in self.queries.items():
            row = scenes.wait_row(query, lambda r: r["linger"] is not None and r["holders"], name, 20)
            self.assertEqual(uncertain(row), {}, name)
            said[name] = row["outcomes"][operation]
        return said

    def compare(self, said, was):
        """Whether each peer got what was foretold; was: what it had got before."""
        def agreed(name):
            got = seen(self.peers[name])
            return got == (said[name]["segment"] if said[name]["segment"] != "none" else was[name])

        for name in said:
            if said[name]["segment"] == "none":
                self.assertTrue(agreed(name), f"{name}: {said[name]}, and its peer got {seen(self.peers[name])}")
            else:
                lib.wait_for(lambda n=name: agreed(n), f"{name}: {said[name]['rule']}", 5, 0.01)

    def was(self):
        """What they have got so far; of those that are to be blocked nothing may be read."""
        return {name: "none" if "unsent" in name or "blocked" in name else seen(peer)
                for name, peer in self.peers.items() if name in self.queries}

    def test_killed(self):
        was, said = self.was(), self.foretold("exit")
        self.assertGreaterEqual(len({o["rule"] for o in said.values()}), 6, said)
        self.assertEqual({o["blocks_seconds"] for o in said.values()}, {0})
        listening = scenes.row(f"state=listening&local.port={self.remote.port}")
        self.assertEqual(listening["outcomes"]["exit"]["resets"], 2)
        resets = scenes.out_resets()
        killed = time.monotonic()
        self.remote.process.kill()
        self.remote.process.wait()
        self.assertLess(time.monotonic() - killed, 1.8, "somebody lingered")
        wanted = sum(o["segment"] == "rst" for o in said.values()) + listening["outcomes"]["exit"]["resets"]
        self.assertEqual(scenes.out_resets() - resets, wanted)
        for sock in self.waiting:
            self.assertEqual(seen(sock), "rst")
        self.compare(said, was)

    def test_closed(self):
        was, said = self.was(), self.foretold("close")
        self.assertGreaterEqual(len({o["rule"] for o in said.values()}), 6, said)
        self.assertEqual({n.split("@")[0] for n, o in said.items() if o["blocks_seconds"] == 2},
                         {"linger-blocked", "linger-blocked-nonblocking"})
        for name, outcome in said.items():
            resets = scenes.out_resets()
            took = self.remote.close(name)
            self.assertEqual(scenes.out_resets() - resets, outcome["segment"] == "rst", f"{name}: {outcome}")
            if "blocked" in name:
                self.assertTrue(1.9 < took < 2 + SLACK, f"{name}: {took} s")
            else:
                # Whose FIN is acknowledged at once does not wait, however long it may.
                self.assertLess(took, 1.8, f"{name}: {took} s")
        self.compare(said, was)

    def test_not_the_last(self):
        """A duplicate keeps the connection: the outcome is that of the last close(), and says that this is none."""
        peer = self.peers["plain@127.0.0.1"]
        self.remote.do("plain@127.0.0.1", "keep.append(sock.dup())")
        scenes.wait_row(self.queries["plain@127.0.0.1"], lambda r: r["outcomes"]["close"]["last"] is False,
                        "not the last", 40)
        self.remote.close("plain@127.0.0.1")
        time.sleep(0.3)
        self.assertEqual(seen(peer), "none")
        self.remote.do("none", "keep.pop().close()")
        lib.wait_for(lambda: seen(peer) == "fin", "the FIN of the last close()", 5)


class Afterwards(unittest.TestCase):
    """How long a FIN-WAIT-2 that nobody holds lives: 61 s are two, and it is said before and after the close()."""

    def test_the_cliff(self):
        with scenes.Scene() as scene, lib.Daemon(*OPTIONS):
            scenes.needs_bpf()
            ends = {}
            for seconds, attachment in ((61, "orphan"), (3, "timewait"), (-1, None)):
                sock, _ = scene.pair()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, seconds)
                sock.shutdown(socket.SHUT_WR)
                ends[seconds] = (sock, scenes.tuple_query(sock), attachment)
            lives = {61: 2, 3: 3}
            for seconds, (sock, query, attachment) in ends.items():
                row = scenes.wait_row(query, lambda r: r["state"] == "fin-wait-2" and r["linger"] is not None, "known")
                close = row["outcomes"]["close"]
                self.assertIs(close["certain"], True)
                if attachment is None:
                    self.assertEqual((close["segment"], close["rule"]), ("rst", "close-linger2-negative"))
                    continue
                self.assertEqual((close["then"]["attachment"], close["then"]["at_most_seconds"]),
                                 (attachment, lives[seconds]))
                sock.close()
                closed = time.monotonic()
                # A quick look may find it already gone; what is seen of it must be right.
                after = scenes.wait_row(query, lambda r: r["attachment"] != "held", "without its process")
                self.assertEqual(after["attachment"], attachment)
                self.assertTrue(0 < after["fate"]["at_most_seconds"] <= lives[seconds], after["fate"])
                lib.wait_for(lambda q=query: not lib.sockets(q), "its end", 10, 0.02)
                # Kernel timers of seconds run up to an eighth late.
                self.assertTrue(lives[seconds] - 0.3 < time.monotonic() - closed < lives[seconds] + SLACK)


if __name__ == "__main__":
    lib.main()
