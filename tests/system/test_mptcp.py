#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""MPTCP: the socket above is judged, never one of its connections, whatever the daemon may see."""
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


if __name__ == "__main__":
    lib.main()
