#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole chain: real sockets end, the kernel's tracepoints tell, and /events says who did it, why, and what was lost.

The same with reasons of resets derived, as on kernels that tell none.
"""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import lib

NOW = struct.pack("ii", 1, 0)


def pair(port):
    """A connection on loopback: (listener, client, server)."""
    listener = socket.create_server(("127.0.0.1", port))
    client = socket.create_connection(("127.0.0.1", port))
    return listener, client, listener.accept()[0]


def child(program):
    """Another Python, which prints a line when it is ready."""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


class Chain:
    options = ()
    derived = False

    @classmethod
    def setUpClass(cls):
        cls.daemon = lib.Daemon("--interval=500ms", "--sweep-interval=1s", "--cpu-share=20",
                                "--no-collector.namespaces", "--collector.events-share=100", *cls.options)
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        source = lib.wait_for(lambda: cls.source(), "the source of events", 10)
        if source["state"] not in ("ok", "degraded"):
            raise unittest.SkipTest(f"no events: {source['reason']}")

    @staticmethod
    def source(name="events"):
        return next((s for s in lib.get("/status")["sources"] if s["name"] == name and s["state"] != "starting"), None)

    def event(self, query):
        """The only event of the query."""
        def found():
            return lib.get(f"/events?{query}")["events"]
        try:
            lib.wait_for(found, query, 20)
        except AssertionError as late:
            raise AssertionError(f"{late}; source: {self.source()}, {lib.get('/status')['events']}") from late
        time.sleep(0.3)
        events = found()
        self.assertEqual(len(events), 1, events)
        return events[0]

    def check(self, event, **expected):
        for name, value in expected.items():
            self.assertEqual(event[name], value, f"{name} of {event}")
        if event["kind"] == "reset-sent":
            self.assertEqual(event["derived"], self.derived)

    def test_unread(self):
        listener, client, server = pair(7101)
        with listener, client:
            client.sendall(b"x" * 4990)
            lib.wait_for(lambda: len(server.recv(9000, socket.MSG_PEEK)) == 4990, "data")
            port = client.getsockname()[1]
            server.close()
            event = self.event(f"kind=reset-sent&local.port=7101&remote.port={port}")
            self.check(event, reason="tcp-abort-on-close", actor="close", unread_bytes=4990, state="established",
                       bytes_received=4990)
            self.assertEqual(event["holder"]["pid"], os.getpid())
            self.assertEqual(event["predicted"]["segment"], "rst")
            self.assertRegex(event["cause"], "closed the connection with 4,990 bytes unread")
            event = self.event(f"kind=reset-received&local.port={port}&remote.port=7101")
            self.check(event, actor="peer", state="established", bytes_sent=4990)

    def test_linger_zero(self):
        listener, client, server = pair(7102)
        with listener, server:
            lib.wait_for(lambda: lib.get("/sockets?remote.port=7102&state=established")["sockets"], "the client in a poll")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
            client.close()
            event = self.event("kind=reset-sent&remote.port=7102")
            self.check(event, reason="tcp-state", actor="close", linger={"on": True, "seconds": 0})
            self.assertIn("SO_LINGER", event["cause"])
            self.assertEqual(event["holder"]["pid"], os.getpid())

    def test_killed(self):
        process = child("import socket, time\n"
                        "l = socket.create_server(('127.0.0.1', 7103))\n"
                        "print(flush=True)\ns = l.accept()[0]\ns.recv(3, socket.MSG_PEEK)\ntime.sleep(99)")
        with socket.create_connection(("127.0.0.1", 7103)) as client:
            client.sendall(b"abc")
            time.sleep(0.5)
            end(process)
            event = self.event("kind=reset-sent&local.port=7103")
            self.check(event, reason="tcp-abort-on-close", actor="exit", unread_bytes=3)
            self.assertEqual(event["holder"]["pid"], process.pid)
            self.assertTrue(event["holder"]["comm"].startswith("python"))

    def test_listener_with_waiting_clients(self):
        listener = socket.create_server(("127.0.0.1", 7104))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", 7104))) for _ in range(3)]
            clients[0].sendall(b"hello")
            time.sleep(0.2)
            listener.close()
            lib.wait_for(lambda: len(lib.get("/events?kind=reset-sent&local.port=7104")["events"]) == 3, "three resets", 20)
            events = lib.get("/events?kind=reset-sent&local.port=7104")["events"]
            for event in events:
                self.check(event, reason="tcp-state", actor="listener-close")
                self.assertEqual(event["holder"]["pid"], os.getpid())
                self.assertIn("7104", event["cause"])
            self.assertEqual(sorted(event["unread_bytes"] for event in events), [0, 0, 5])

    def test_refused(self):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 7105))
        event = self.event("kind=reset-sent&local.port=7105")
        self.check(event, reason="no-socket-syn", actor="kernel", holder=None, state=None)
        event = self.event("kind=reset-received&remote.port=7105")
        self.check(event, actor="peer", state="syn-sent")
        self.assertIn("refused", event["cause"])

    def test_race(self):
        listener, client, server = pair(7106)
        with listener, client:
            server.close()
            time.sleep(0.3)
            client.sendall(b"GET /")
            event = self.event("kind=reset-sent&local.port=7106")
            self.check(event, reason="tcp-timewait-socket", payload_bytes=5, holder=None)
            self.assertEqual(event["creator"]["pid"], os.getpid())
            self.assertTrue(0.2 < event["closed_seconds_ago"] < 10, event)
            self.assertIn("keep-alive", event["cause"])

    def test_late_data(self):
        listener, client, server = pair(7107)
        with listener, client, server:
            server.shutdown(socket.SHUT_RDWR)
            time.sleep(0.1)
            client.sendall(b"late")
            event = self.event("kind=reset-sent&local.port=7107")
            self.check(event, reason="tcp-abort-on-data", actor="kernel", state="fin-wait-2", payload_bytes=4)
            # It looks like a reset that came in, and is none.
            self.assertEqual(lib.get("/events?kind=reset-received&local.port=7107")["events"], [])

    def test_ordinary_end(self):
        listener, client, server = pair(7108)
        with listener:
            client.sendall(b"abc")
            server.recv(3)
            server.sendall(b"defg")
            client.recv(4)
            client.close()
            server.recv(1)
            server.close()
            event = self.event("kind=closed&remote.port=7108")
            self.check(event, actor="close", bytes_sent=3, bytes_received=4, unread_bytes=0)
            event = self.event("kind=closed&local.port=7108")
            self.check(event, actor="close", state="last-ack", bytes_sent=4, bytes_received=3)
            self.assertEqual([step["to"] for step in event["steps"]], ["close-wait", "last-ack", "closed"])

    def test_short_life(self):
        """Nobody polls so often: who had it comes with the event."""
        listener = socket.create_server(("127.0.0.1", 7109))
        with listener:
            done = subprocess.run([sys.executable, "-c", "import socket, struct\n"
                                   "c = socket.create_connection(('127.0.0.1', 7109))\n"
                                   "c.setsockopt(1, 13, struct.pack('ii', 1, 0))\nc.close()"], check=True)
            self.assertEqual(done.returncode, 0)
            event = self.event("kind=reset-sent&remote.port=7109")
            self.check(event, actor="close", reason="tcp-state")
            self.assertTrue(event["holder"]["comm"].startswith("python"), event)


    def test_creator_of_a_short_life(self):
        """What is left of it in the kernel has its process from the event of the close()."""
        lib.wait_for(lambda: self.source("processes"), "a walk over the owners", 60)
        with socket.create_server(("127.0.0.1", 7111)) as listener:
            process = subprocess.Popen([sys.executable, "-c", "import socket\n"
                                        "socket.create_connection(('127.0.0.1', 7111)).close()"])
            process.wait()
            with listener.accept()[0]:
                def left():
                    sockets = lib.get("/sockets?remote.port=7111&attachment=timewait")["sockets"]
                    return [s["creator"] for s in sockets if s["creator"] and s["creator"]["pid"] == process.pid]
                creators = lib.wait_for(left, "a minisocket with its creator", 30)
                self.assertEqual(len(creators), 1)
                self.assertTrue(creators[0]["comm"].startswith("python"), creators)


class Told(Chain, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.derived = not lib.get("/status")["events"]["reasons"]

    def test_metrics(self):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 7110))
        for sample in ('resets_sent_total{reason="no-socket-syn"} 0', 'resets_received_total{state="syn-sent"} 0'):
            lib.wait_for(lambda sample=sample: f"tcpdiag_{sample}\n" not in lib.get("/metrics"), f"more than {sample}", 20)


class Derived(Chain, unittest.TestCase):
    options = ("--no-collector.reset-reasons",)
    derived = True


class Off(unittest.TestCase):
    def test_off(self):
        for option in ("--no-collector.events", "--no-collector.bpf"):
            with self.subTest(option), lib.Daemon("--interval=500ms", option):
                source = next(s for s in lib.get("/status")["sources"] if s["name"] == "events")
                self.assertNotEqual(source["state"], "starting")
                self.assertTrue(source["reason"], source)
                self.assertEqual(lib.get("/events?kind=reset-sent")["events"], [])


if __name__ == "__main__":
    lib.main()
