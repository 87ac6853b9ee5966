#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The brake of the events: programs that cost more than they may see less, then nothing, and /status says so."""
import contextlib
import socket
import struct
import threading
import time
import unittest

import lib

# A hundred thousandth of a core: some hundred changes a second are too many.
OPTIONS = ["--interval=500ms", "--sweep-interval=1s", "--collector.events-share=0.01"]
PORT = 19571
RESET = struct.pack("ii", 1, 0)


def source():
    return next(s for s in lib.get("/status")["sources"] if s["name"] == "events")


def brake():
    return lib.get("/status")["events"]["brake"]


def metrics():
    lines = [line.rsplit(" ", 1) for line in lib.request("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


class Load(threading.Thread):
    """Connections that come and go, until told to stop."""

    def __init__(self):
        super().__init__()
        self.over = threading.Event()

    def run(self):
        with socket.create_server(("127.0.0.1", PORT), backlog=64) as listener:
            while not self.over.wait(0.002):
                with socket.create_connection(("127.0.0.1", PORT)) as client, listener.accept()[0]:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@contextlib.contextmanager
def load():
    thread = Load()
    thread.start()
    try:
        yield
    finally:
        thread.over.set()
        thread.join()


class Brake(unittest.TestCase):
    def test_pulled(self):
        # A flood that others on this machine make takes both steps at once: then once more.
        for _ in range(4):
            with lib.Daemon(*OPTIONS):
                lib.wait_for(lambda: source()["state"] != "starting", "the source")
                if lib.get("/status")["events"]["from"] != "bpf":
                    self.skipTest(f"no events: {source()['reason']}")
                with load():
                    lib.wait_for(lambda: brake() != "off", "a step", 30)
                    if brake() == "ends":
                        self.both_steps()
                        return
        self.fail("the first step never was alone")

    def both_steps(self):
        self.assertEqual(source()["state"], "degraded")
        self.assertIn("collector.events-share", source()["reason"])
        # Resets are still seen.
        before = metrics()
        lib.wait_for(lambda: metrics()['tcpdiag_resets_sent_total{reason="tcp-state"}'] >
                     before['tcpdiag_resets_sent_total{reason="tcp-state"}'] + 10, "resets", 10)
        lib.wait_for(lambda: brake() == "detached", "the second step", 60)
        lib.wait_for(lambda: source()["state"] == "failed", "what /status says")
        now = metrics()
        self.assertEqual(now["tcpdiag_events_brake"], 2)
        self.assertEqual(now["tcpdiag_events_brake_pulled_total"], 2)
        self.assertEqual(now['tcpdiag_collector_success{collector="events"}'], 0)
        self.assertFalse([name for name in now if name.startswith("tcpdiag_resets_")])
        self.assertFalse(lib.get("/sockets?limit=1")["snapshot"]["complete"])
        self.assertTrue(lib.get("/status")["events"]["brake_since"])
        # What nobody watches is not counted, and that is said.
        lib.wait_for(lambda: lib.get("/resets?since=-5m")["unseen_seconds"] >= 2, "time that is not covered")
        self.assertGreaterEqual(lib.get("/events?since=-5m")["unseen_seconds"], 2)

    def test_off(self):
        """Also where nobody has watched from the start."""
        with lib.Daemon("--no-collector.events", "--interval=200ms", "--sweep-interval=1s"):
            began = time.monotonic()
            lib.wait_for(lambda: lib.get("/resets?since=-5m")["unseen_seconds"] >= 3, "time that is not covered", 20)
            seconds = lib.get("/resets?since=-5m")["unseen_seconds"]
            self.assertLess(seconds, time.monotonic() - began + 10)


if __name__ == "__main__":
    lib.main()
