#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""MPTCP: the socket above is judged, never one of its connections, whatever the daemon may see."""
import os
import pathlib
import socket
import subprocess
import unittest

import lib

MPTCP = 262
ENABLED = pathlib.Path("/proc/sys/net/mptcp/enabled")


def knows_diag():
    """Whether sock_diag of this kernel shows MPTCP sockets (their own listener, here)."""
    with socket.create_server(("127.0.0.1", 0)), socket.socket(proto=MPTCP) as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        out = subprocess.run(["ss", "-HlMn"], capture_output=True, text=True, check=False).stdout
        return f":{one.getsockname()[1]} " in out


@unittest.skipUnless(ENABLED.exists() and ENABLED.read_text().strip() == "1", "this kernel has no MPTCP")
class Mptcp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not knows_diag():
            raise unittest.SkipTest("this kernel has no mptcp_diag")
        listener = socket.socket(proto=MPTCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        cls.port = listener.getsockname()[1]
        client = socket.socket(proto=MPTCP)
        client.connect(listener.getsockname())
        server = listener.accept()[0]
        client.sendall(b"hello")
        waiting = socket.socket(proto=MPTCP)
        waiting.connect(listener.getsockname())
        cls.sockets = [listener, client, server, waiting]
        cls.client_port = client.getsockname()[1]

    @classmethod
    def tearDownClass(cls):
        for sock in cls.sockets:
            sock.close()

    def check(self):
        rows = lib.wait_for(lambda: lib.sockets(f"port={self.port}"), "the sockets are seen")
        tcp = [r for r in rows if r["protocol"] == "tcp" and r["state"] == "established"]
        self.assertEqual(len(tcp), 4)
        for row in tcp:
            outcome = row["outcomes"]["close"]
            self.assertEqual((outcome["rule"], outcome["certain"], outcome["unknown"], row["unread_bytes"]),
                             ("close-subflow", False, ["mptcp"], None), row["flow"])
        server = [r for r in rows if r["protocol"] == "mptcp" and r["local"]["port"] == self.port
                  and (r["remote"] or {}).get("port") == self.client_port]
        outcome = server[0]["outcomes"]["close"]
        self.assertEqual((outcome["segment"], outcome["counter"]), ("rst", "MPFastcloseTx"))
        # The kernel counts memory there: how many bytes those are is not known.
        self.assertIsNone(server[0]["unread_bytes"])
        self.assertIsNone(outcome["discards"]["receive_bytes"])
        # (A request of this test may wait for the daemon for a moment.)
        nothing = {"peer_open": 0, "peer_finished": 0}
        lib.wait_for(lambda: (s := lib.get("/summary"))["listeners"]["waiting"] == 1 and s["unread_bytes"] == nothing,
                     "one waits, and no byte is counted as unread")
        queues = {r["protocol"]: r["resets"] for r in lib.get("/listeners")["listeners"]
                  if r["local"]["port"] == self.port}
        self.assertEqual(queues, {"tcp": None, "mptcp": 1})

    def test_as_root(self):
        with lib.Daemon():
            self.check()

    def test_without_privileges(self):
        # The kernel then names the protocol above a TCP socket to nobody.
        with lib.Daemon(prefix=["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]):
            self.check()


@unittest.skipUnless(ENABLED.exists() and ENABLED.read_text().strip() == "1", "this kernel has no MPTCP")
class Stories(unittest.TestCase):
    """Each TCP connection of an MPTCP socket has one story, which names who closed the socket above."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = lib.Daemon("--interval=500ms", "--sweep-interval=1s", "--collector.events-share=100")
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        source = lib.wait_for(lambda: next((s for s in lib.get("/status")["sources"]
                                            if s["name"] == "events" and s["state"] != "starting"), None), "events", 10)
        if source["state"] != "ok":
            raise unittest.SkipTest(f"no events: {source['reason']}")

    def pair(self, port):
        """A connection whose both ends have got something: (listener, client, server)."""
        listener = socket.socket(proto=MPTCP)
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", port))
        listener.listen(5)
        client = socket.socket(proto=MPTCP)
        self.addCleanup(client.close)
        client.connect(listener.getsockname())
        server = listener.accept()[0]
        self.addCleanup(server.close)
        client.sendall(b"hello")
        server.sendall(b"world")
        for sock in (client, server):
            self.assertEqual(len(sock.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)), 5)
        return listener, client, server

    def stories(self, port, kinds):
        """The stories of the server's and of the client's end."""
        query = f"/events?kind={kinds}&port={port}"
        events = lib.wait_for(lambda: len(lib.get(query)["events"]) >= 2 and lib.get(query)["events"], query, 20)
        self.assertEqual(len(events), 2, events)
        for event in events:
            self.assertEqual(event["socket"]["protocol"], "mptcp")
        return sorted(events, key=lambda event: event["socket"]["local"]["port"] != port)

    def check(self, event, actor, pid):
        self.assertEqual((event["actor"], (event["holder"] or {}).get("pid")), (actor, pid), event)

    def test_closed(self):
        """The FINs are sent by a worker of the kernel, whose process is nobody's."""
        _, client, server = self.pair(7141)
        server.recv(5)
        client.recv(5)
        server.close()
        self.assertEqual(client.recv(5), b"")
        client.close()
        for event in self.stories(7141, "closed,destroyed"):
            self.assertEqual(event["kind"], "closed")
            self.check(event, "close", os.getpid())

    def test_shutdown(self):
        _, client, server = self.pair(7142)
        server.recv(5)
        client.recv(5)
        server.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(5), b"")
        client.close()
        server.recv(5)
        server.close()
        first, second = self.stories(7142, "closed,destroyed")
        self.check(first, "shutdown", os.getpid())
        self.check(second, "close", os.getpid())

    def test_unread(self):
        self.pair(7143)[2].close()
        sent, received = self.stories(7143, "reset-sent,reset-received")
        self.assertEqual((sent["kind"], received["kind"]), ("reset-sent", "reset-received"))
        self.check(sent, "close", os.getpid())
        self.assertIn("MPTCP", sent["cause"])
        self.assertEqual(sent["related"], received["socket"]["id"])

    def test_listener(self):
        listener, _, _ = self.pair(7144)
        waiting = socket.socket(proto=MPTCP)
        self.addCleanup(waiting.close)
        waiting.connect(listener.getsockname())
        # It is in the queue once its handshake is complete.
        waiting.sendall(b"hello")
        lib.wait_for(lambda: [row for row in lib.get("/listeners")["listeners"]
                              if row["local"]["port"] == 7144 and row["queue"] == 1], "one waits", 10)
        listener.close()
        sent, received = self.stories(7144, "reset-sent,reset-received")
        self.assertEqual((sent["kind"], received["kind"]), ("reset-sent", "reset-received"))
        self.check(sent, "listener-close", os.getpid())
        self.assertIn("queue", sent["cause"])

    def test_plain_client(self):
        """A peer without MPTCP: an ordinary connection, with an ordinary story."""
        listener = socket.socket(proto=MPTCP)
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 7145))
        listener.listen(5)
        with socket.create_connection(("127.0.0.1", 7145)) as client:
            server = listener.accept()[0]
            client.sendall(b"abc")
            server.recv(3, socket.MSG_PEEK)
            server.close()
            query = "/events?kind=reset-sent&local.port=7145"
            event = lib.wait_for(lambda: lib.get(query)["events"], query, 20)[0]
        self.assertEqual(event["socket"]["protocol"], "tcp")
        self.assertEqual(event["unread_bytes"], 3)
        self.check(event, "close", os.getpid())


if __name__ == "__main__":
    lib.main()
