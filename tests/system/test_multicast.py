#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events without BPF: sock_diag tells that sockets have ended, and what it cannot tell is said."""
import contextlib
import socket
import struct
import unittest

import lib

OPTIONS = ["--interval=500ms", "--sweep-interval=1s", "--no-collector.bpf"]
PORT = 19467


def status():
    return lib.get("/status")


def source():
    return next(s for s in status()["sources"] if s["name"] == "events")


def metric(name):
    lines = lib.request("/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)}


class Multicast(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.listener = self.stack.enter_context(socket.create_server(("127.0.0.1", PORT), backlog=64))

    def connect(self):
        client = socket.create_connection(("127.0.0.1", PORT))
        return client, self.listener.accept()[0]

    def test_ends_are_told(self):
        with lib.Daemon(*OPTIONS):
            lib.wait_for(lambda: source()["state"] == "degraded", "the source")
            why = source()["reason"]
            self.assertIn("--no-collector.bpf", why)
            self.assertIn("every reset stay unknown", why)
            client, server = self.connect()
            local = client.getsockname()[1]
            client.sendall(b"hello")
            server.recv(9)
            server.close()
            client.close()
            found = lib.wait_for(
                lambda: [e for e in lib.get(f"/events?kind=destroyed&local.port={local}")["events"]], "its end", 20)
            self.assertEqual(len(found), 1)
            event = found[0]
            self.assertEqual(event["kind"], "destroyed")
            self.assertEqual(event["bytes_sent"], 5)
            self.assertIsNone(event["actor"])
            self.assertIsNone(event["unread_bytes"])
            self.assertIsNone(event["unsent_bytes"])
            self.assertIsNone(event["reason"])
            self.assertIsNone(event["predicted"])
            self.assertLess(event["idle_seconds"], 10)

    def test_a_reset_is_no_more_than_an_end(self):
        with lib.Daemon(*OPTIONS):
            lib.wait_for(lambda: source()["state"] == "degraded", "the source")
            before = status()["events"]["read"]
            client, server = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            server.close()
            lib.wait_for(lambda: status()["events"]["read"] >= before + 2, "both ends", 20)
            self.assertEqual(status()["events"]["from"], "multicast")
            self.assertIsNone(status()["events"]["oracle_checks"]["agreed"])
            self.assertEqual(metric("tcpdiag_resets_"), {})
            self.assertEqual(metric("tcpdiag_oracle_"), {})
            self.assertEqual(metric("tcpdiag_events_dropped_total"),
                             {'tcpdiag_events_dropped_total{source="multicast"}': 0})
            self.assertEqual(metric("tcpdiag_collector_success{collector=\"events\"}").popitem()[1], 1)

    def test_off(self):
        with lib.Daemon(*OPTIONS, "--no-collector.events"):
            self.assertEqual(source()["state"], "off")
            self.assertIsNone(status()["events"]["from"])
            self.assertEqual(metric("tcpdiag_events_"), {})


if __name__ == "__main__":
    lib.main()
