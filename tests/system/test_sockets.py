#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real daemon beside sockets of every state and attachment that this process can make."""
import contextlib
import os
import socket
import struct
import subprocess
import unittest

import lib
from scenes import Scene, out_resets, tuple_query


class Attachments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.scene = cls.stack.enter_context(Scene())
        cls.make()
        cls.daemon = cls.stack.enter_context(lib.Daemon("--sweep-interval", "1s"))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @classmethod
    def make(cls):
        scene = cls.scene
        # Unread data on the server's side, and the same with the peer's FIN behind it.
        cls.client, cls.server = scene.pair()
        cls.client.sendall(b"x" * 34)
        cls.finished, cls.unread = scene.pair()
        cls.finished.sendall(b"y" * 7)
        cls.finished.shutdown(socket.SHUT_WR)
        # A FIN that nobody has read, and one that was read and forgotten.
        cls.half, cls.eof_unread = scene.pair()
        cls.half.shutdown(socket.SHUT_WR)
        closer, cls.eof_read = scene.pair()
        cls.closer_port = closer.getsockname()[1]
        closer.close()
        assert cls.eof_read.recv(1) == b""
        # Two in an accept queue, one of them with data.
        cls.queue = scene.listener()
        cls.waiting = [scene.connect(cls.queue) for _ in range(2)]
        cls.waiting[0].sendall(b"hello")
        # An orphan: closed with more to send than the peer's window takes.
        cls.sender, cls.stalled = scene.pair()
        cls.sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                cls.sender.send(b"z" * 65536)
        cls.orphan_query = tuple_query(cls.sender)
        cls.sender.close()
        # TIME-WAIT: both have closed.
        first, second = scene.pair()
        cls.timewait_query = tuple_query(first)
        first.close()
        second.recv(1)
        second.close()
        # IPv6, and IPv4 through an IPv6 listener.
        cls.six, _ = scene.pair("::1")
        cls.mapped_client, cls.mapped = scene.pair("::", "127.0.0.1")
        cls.bound = scene.enter_context(socket.socket())
        cls.bound.bind(("127.0.0.1", 0))
        # Half a handshake: the answer to the SYN is dropped on its way.
        cls.deaf = scene.listener()
        port = cls.deaf.getsockname()[1]
        subprocess.run(["nft", "-f", "-"], check=True, text=True, input=f"""
            table ip deaf {{
            chain output {{
                type filter hook output priority 0;
                tcp sport {port} tcp flags & (syn | ack) == (syn | ack) drop
            }}
            }}
            """)
        cls.attempt = scene.enter_context(socket.socket())
        cls.attempt.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            cls.attempt.connect(cls.deaf.getsockname())

    def row(self, query):
        return lib.wait_socket(query, query)

    def check(self, query, **want):
        row = self.row(query)
        for name, value in want.items():
            got = row
            for part in name.split("__"):
                got = got[part]
            self.assertEqual(got, value, f"{query}: {name} in {row}")
        return row

    def test_unread_data_resets(self):
        row = self.check(tuple_query(self.server), state="established", attachment="held", direction="inbound",
                         unread_bytes=34, fin_unread=False, receive_queue=34,
                         outcomes__close__segment="rst", outcomes__close__rule="close-unread-data",
                         outcomes__close__peer_finished=False, outcomes__close__discards__receive_bytes=34,
                         outcomes__close__unknown=[])
        self.assertEqual(row["bytes_received"], 34)
        self.check(tuple_query(self.client), state="established", direction="outbound", unread_bytes=0,
                   bytes_sent=34, outcomes__close__segment="fin", outcomes__close__state="fin-wait-1")

    def test_fin_is_not_data(self):
        self.check(tuple_query(self.unread), state="close-wait", unread_bytes=7, receive_queue=8, fin_unread=True,
                   outcomes__close__segment="rst", outcomes__close__peer_finished=True)
        self.check(tuple_query(self.eof_unread), state="close-wait", unread_bytes=0, receive_queue=1,
                   fin_unread=True, outcomes__close__segment="fin", outcomes__close__state="last-ack")
        self.check(tuple_query(self.eof_read), state="close-wait", unread_bytes=0, receive_queue=0,
                   fin_unread=False)

    def test_fin_wait_2_by_attachment(self):
        held = self.check(tuple_query(self.half), state="fin-wait-2", attachment="held", timer__kind="off")
        holders = lib.wait_for(lambda: self.row(tuple_query(self.half))["holders"], "who holds it")
        self.assertEqual((holders[0]["pid"], holders[0]["fd"]), (os.getpid(), self.half.fileno()))
        mini = self.check(f"state=fin-wait-2&local.port={self.closer_port}", attachment="timewait",
                          outcomes=None, shutdown=None, fate__ends_with="silent")
        self.assertGreater(mini["fate"]["at_most_seconds"], 0)
        self.assertLessEqual(mini["fate"]["at_most_seconds"], 60)

    def test_accept_queue(self):
        port = self.queue.getsockname()[1]
        self.check(f"state=listening&local.port={port}", receive_queue=2, send_queue=16, remote=None,
                   outcomes__close__resets=2, unread_bytes=None)
        row = self.check(f"attachment=unaccepted&local.port={port}&min_unread=1", state="established",
                         unread_bytes=5, inode=None, holders=[], outcomes__listener_close__segment="rst",
                         outcomes__listener_close__rule="child-reset")
        self.assertEqual(row["direction"], "inbound")
        rows = [r for r in lib.get("/listeners?limit=0")["listeners"] if r["local"]["port"] == port]
        self.assertEqual((rows[0]["queue"], rows[0]["limit"], rows[0]["resets"]), (2, 16, 2))

    def test_queue_counts_the_living(self):
        # One of three is reset by its client: it still counts in the queue, yet there is nobody to reset.
        listener = self.scene.listener()
        clients = [self.scene.connect(listener) for _ in range(3)]
        clients[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        clients[0].close()
        query = f"state=listening&local.port={listener.getsockname()[1]}"
        row = lib.wait_for(lambda: [r for r in lib.sockets(query) if r["outcomes"]["close"]["resets"] == 2],
                           "two of three live")[0]
        self.assertEqual(row["receive_queue"], 3)
        before = out_resets()
        listener.close()
        self.assertEqual(out_resets() - before, 2)

    def test_shared_port_counts_the_queue(self):
        # Two listeners of one port: whose child it is, is not known, so each queue counts as it stands.
        listeners = [self.scene.enter_context(socket.socket()) for _ in range(2)]
        for sock in listeners:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("127.0.0.1", listeners[0].getsockname()[1]))
            sock.listen(8)
        for _ in range(6):
            self.scene.connect(listeners[0])
        query = f"state=listening&local.port={listeners[0].getsockname()[1]}"
        rows = lib.wait_for(lambda: [r for r in [lib.sockets(query)] if sum(x["receive_queue"] for x in r) == 6],
                            "six wait")[0]
        self.assertEqual([r["outcomes"]["close"]["resets"] for r in rows], [r["receive_queue"] for r in rows])

    def test_orphan(self):
        row = self.check(self.orphan_query, state="fin-wait-1", attachment="orphan", inode=None, outcomes=None,
                         fate__ends_with="silent")
        self.assertGreater(row["unsent_bytes"], 0)
        self.assertGreaterEqual(lib.get("/summary")["orphans"]["count"], 1)

    def test_minisockets(self):
        self.check(self.timewait_query, state="time-wait", attachment="timewait", outcomes=None, uid=None,
                   unread_bytes=0, linger=None)
        port = self.deaf.getsockname()[1]
        self.check(f"state=new-syn-recv&local.port={port}", attachment="request", outcomes=None)
        self.check(f"state=syn-sent&remote.port={port}", attachment="held", outcomes__close__segment="none")

    def test_families(self):
        self.check(tuple_query(self.six), family="inet6", mapped=False, local__address="::1")
        self.check(tuple_query(self.mapped), family="inet", mapped=True, local__address="127.0.0.1")

    def test_bound(self):
        port = self.bound.getsockname()[1]
        self.check(f"local.port={port}&state=bound-inactive", attachment="held", remote=None,
                   outcomes__close__segment="none")

    def test_same_cookie_as_ss(self):
        row = self.row(tuple_query(self.server))
        out = subprocess.run(["ss", "-Htane"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"sk:{row['cookie']} ", out + " ")

    def test_detail(self):
        row = lib.get("/sockets/" + self.row(tuple_query(self.server))["id"])
        self.assertEqual(set(row["outcomes"]), {"close", "exit", "shutdown_read", "shutdown_write", "shutdown_both"})
        self.assertEqual(row["outcomes"]["shutdown_write"]["segment"], "fin")

    def test_summary_adds_up(self):
        # One request, one snapshot: states and attachments both count every socket.
        summary = lib.get("/summary")
        self.assertEqual(sum(summary["sockets"].values()), sum(summary["attachments"].values()))

    def test_history_goes_on_in_the_minisocket(self):
        left, right = self.scene.pair()
        query = tuple_query(left)
        born = self.row(query)["state_since"]
        left.shutdown(socket.SHUT_WR)
        row = lib.wait_socket(query + "&state=fin-wait-2", "held fin-wait-2")
        self.assertGreater(row["state_since"], born)
        cookie = row["cookie"]
        lib.wait_for(lambda: self.row(query)["holders"], "the holder is known", 20)
        left.close()
        row = lib.wait_socket(query + "&attachment=timewait", "its minisocket")
        self.assertEqual(row["cookie"], cookie)
        self.assertEqual(row["creator"]["comm"], "python3")
        right.close()


if __name__ == "__main__":
    lib.main()
