#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What limits and counters tell, brought about with real sockets: ports that run out, TIME-WAIT that overflows.

The sysctls are those of the network namespace that this file has for itself (tests/system/run).
"""
import contextlib
import os
import socket
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


if __name__ == "__main__":
    lib.main()
