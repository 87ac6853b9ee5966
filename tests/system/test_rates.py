#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What limits and counters tell, brought about with real sockets: ports that run out, TIME-WAIT that overflows.

The sysctls are those of the network namespace that this file has for itself (tests/system/run).
"""
import contextlib
import os
import socket
import struct
import subprocess
import unittest

import lib

OPTIONS = ["--interval=500ms", "--sweep-interval=1s", "--cpu-share=50", "--rules.clear-hold=1s"]
PORT = 19871


def sysctl(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(value)


def finding(rule):
    found = [f for f in lib.get("/findings?limit=0")["findings"] if f["rule"] == rule]
    return found[0] if found else None


class Rates(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.listener = self.stack.enter_context(socket.create_server(("127.0.0.1", PORT), backlog=512))

    def connect(self):
        client = self.stack.enter_context(socket.create_connection(("127.0.0.1", PORT)))
        server = self.stack.enter_context(self.listener.accept()[0])
        return client, server

    def test_ports_run_out(self):
        sysctl("ip_local_port_range", "40000 40199")
        self.addCleanup(sysctl, "ip_local_port_range", "32768 60999")
        pairs = [self.connect() for _ in range(165)]
        with lib.Daemon(*OPTIONS):
            found = lib.wait_for(lambda: finding("port-exhaustion"), "a finding")
            self.assertEqual(found["severity"], "warning")
            self.assertEqual((found["count"], found["evidence"]["limit"]), (165, 200))
            self.assertEqual(found["evidence"]["time_wait"], 0)
            owner = lib.wait_for(lambda: finding("port-exhaustion")["process"], "who has them")
            self.assertEqual(owner["pid"], os.getpid())
            self.assertIn(f"from 127.0.0.1 to 127.0.0.1:{PORT}", found["summary"])
            pairs += [self.connect() for _ in range(30)]
            lib.wait_for(lambda: finding("port-exhaustion")["severity"] == "critical", "critical")
            # The server's end closes first: TIME-WAIT is there, and the ports are free.
            for client, server in pairs[50:]:
                server.close()
                client.close()
            lib.wait_for(lambda: (finding("port-exhaustion") or {}).get("severity") != "critical", "less", 20)

    def test_reserved_ports_are_not_there(self):
        """connect() fails where all that is not reserved is used, and that is what the finding says."""
        sysctl("ip_local_port_range", "41000 41199")
        self.addCleanup(sysctl, "ip_local_port_range", "32768 60999")
        sysctl("ip_local_reserved_ports", "80,40000-41099,41150")
        self.addCleanup(sysctl, "ip_local_reserved_ports", "\n")
        with lib.Daemon(*OPTIONS):
            for _ in range(99):
                self.connect()
            with self.assertRaises(OSError):
                self.connect()
            found = lib.wait_for(lambda: (f := finding("port-exhaustion")) and f["count"] == 99 and f, "a finding", 20)
            self.assertEqual((found["severity"], found["evidence"]["limit"]), ("critical", 99))
            self.assertIn("101 ports of the range are reserved", found["cause"])
            # What is reserved is left: more can be used again at once.
            sysctl("ip_local_reserved_ports", "\n")
            lib.wait_for(lambda: finding("port-exhaustion")["severity"] == "info", "half of the range", 20)

    def test_time_wait_overflows(self):
        sysctl("tcp_max_tw_buckets", "50")
        with lib.Daemon(*OPTIONS):
            lib.wait_for(lambda: lib.get("/status")["snapshot"], "a snapshot")
            for client, server in [self.connect() for _ in range(80)]:
                client.close()
                server.close()
            found = lib.wait_for(lambda: finding("time-wait-overflow"), "a finding", 20)
            self.assertEqual(found["severity"], "info")
            self.assertEqual(found["evidence"]["limit"], 50)
            self.assertIn("tcp_max_tw_buckets", found["summary"])
            warming = {r["rule"]: r["seconds_left"] for r in lib.get("/status")["warming_rules"]}
            self.assertGreater(warming["aborts-rising"], 800)

    def break_off(self, count):
        """So many connections whose server closes them although it has not read everything."""
        pairs = [self.connect() for _ in range(count)]
        for client, _ in pairs:
            client.send(b"unread")
        # A poll sees that nobody has finished, so that somebody may be hurt.
        lib.wait_for(lambda: len(lib.sockets(f"local.port={PORT}&min_unread=6")) >= count, "unread data", 20)
        for client, server in pairs:
            server.close()
            client.close()

    def test_aborts_rise(self):
        with lib.Daemon(*OPTIONS, "--rules.aborts-rising.history=60s", "--rules.aborts-rising.info-age=2s"):
            lib.wait_for(lambda: lib.get("/status")["snapshot"], "a snapshot")
            # Before it is known what is usual nothing is unusual.
            self.break_off(5)
            left = lib.wait_for(lambda: self.warming("aborts-rising"), "it warms up")
            self.assertLessEqual(left, 60)
            lib.wait_for(lambda: self.warming("aborts-rising") is None, "what is usual is known", 90, 1)
            self.assertIsNone(finding("aborts-rising"))
            self.break_off(180)
            found = lib.wait_for(lambda: finding("aborts-rising"), "a finding", 30)
            self.assertEqual((found["severity"], found["scope"]), ("info", "host"))
            self.assertRegex(found["summary"], r"^The kernel aborts connections: TCPAbortOnClose [\d.]+/s, usually 0")
            self.assertGreaterEqual(found["evidence"]["rate_per_second"], 180 / 60)
            self.assertIn("data that nobody has read", found["cause"])

    def test_resets_that_cannot_be_sent(self):
        """A RST without a route is counted by the kernel, and the peer never learns of it."""
        def rules(*commands):
            for command in commands:
                subprocess.run(["ip", "rule", *command.split()], check=True)

        with lib.Daemon(*OPTIONS):
            lib.wait_for(lambda: lib.get("/status")["snapshot"], "a snapshot")
            client = self.stack.enter_context(socket.create_connection(("127.7.7.7", self.wide().getsockname()[1])))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The table of local addresses comes first, unless it is moved.
            rules("add pref 10 lookup local", "add pref 5 to 127.7.7.7 unreachable", "del pref 0")
            self.addCleanup(rules, "add pref 0 lookup local", "del pref 5", "del pref 10")
            client.close()
            found = lib.wait_for(lambda: finding("aborts-rising"), "a finding", 20)
            self.assertEqual(found["severity"], "warning")
            self.assertIn("1 RST could not be sent in the last minute", found["summary"])
            self.assertIn("TCPAbortFailed", found["cause"])

    def wide(self):
        return self.stack.enter_context(socket.create_server(("127.7.7.7", 0)))

    @staticmethod
    def warming(rule):
        """Seconds that are left of it."""
        return {row["rule"]: row["seconds_left"] for row in lib.get("/status")["warming_rules"]}.get(rule)


if __name__ == "__main__":
    lib.main()
