#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sick zoo: incidents with real programs, each found under its name, with who is to blame and why.

All of them side by side, each in network namespaces of its own, under one daemon; tests/system/zoo/README.md.
"""
import unittest

import lib
from zoo import incidents, keeper, ward

# Ages are shortened; numbers and shares are as they come.
OPTIONS = [
    "--cpu-share=20", "--rules.rate-window=1m", "--rules.fin-wait-2-stuck.info-age=5s",
    "--rules.fin-wait-2-stuck.warning-age=8s", "--rules.close-wait-leak.inbound.info-age=5s",
    "--rules.close-wait-leak.inbound.warning-age=3s", "--rules.close-wait-leak.outbound.info-age=5s",
    "--rules.close-wait-leak.outbound.warning-age=3s", "--rules.orphan-stalled.info-age=5s",
    "--rules.orphan-stalled.info-ratio=0.1", "--rules.inherited-descriptor.info-age=5s",
    "--rules.rst-on-close.info-age=5s", "--rules.rst-on-close.warning-age=5s",
    "--rules.fin-wait-1-stalled.info-age=5s", "--rules.linger-blocks.info-age=5s",
]


@unittest.skipUnless(keeper.unpacked(), "the programs are not unpacked (make deps-zoo)")
class SickZoo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ward = ward.Ward(incidents.ALL, *OPTIONS)
        cls.ward.__enter__()
        cls.addClassCleanup(cls.ward.__exit__)

    def find(self, name, rule, severity, pid=None, holds=lambda row: True, seconds=60):
        """The finding in the rooms of an incident, of a process, once it is as severe as that."""
        incident = self.ward.incidents[name]
        seen = []

        def found():
            seen[:] = self.ward.findings(incident)
            rows = [row for row in seen if row["rule"] == rule and row["severity"] == severity and holds(row) and
                    (pid is None or row["process"] and row["process"]["pid"] == pid)]
            return rows

        try:
            rows = lib.wait_for(found, f"{severity} {rule}", seconds, 0.25)
        except AssertionError as late:
            told = [(row["severity"], row["rule"], row["summary"]) for row in seen]
            raise AssertionError(f"{name}: {late}; there is {told}") from None
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def says(self, row, field, *words):
        for word in words:
            self.assertRegex(row[field], word)

    def nothing_else(self, name):
        self.assertLessEqual(self.ward.rules[name], set(self.ward.incidents[name].found))

    def test_silent_upstream(self):
        incident = self.ward.incidents["silent"]
        count, proxy, worker = incident.CLIENTS, incident.proxy.pid, incident.worker
        row = self.find("silent", "fin-wait-2-stuck", "warning", proxy)
        self.assertEqual((row["count"], row["scope"]), (count, "process"))
        self.says(row, "summary", rf"^haproxy \(pid {proxy}\) holds {count} sockets in FIN-WAIT-2 that no timer ends",
                  rf"; python3 \(pid {worker}\) has not closed the other end of {count}$")
        self.says(row, "cause", r"127\.0\.0\.1:8100", rf"{count} have not read the end of file")
        self.assertEqual(row["evidence"]["peers_eof_unread"], count)
        # Both ends of the proxy are true; the words of the one lead to the other.
        row = self.find("silent", "close-wait-leak", "info", proxy)
        self.assertEqual(row["count"], count)
        self.says(row, "summary", rf"haproxy \(pid {proxy}\) holds {count} sockets in CLOSE-WAIT, inbound")
        self.says(row, "cause", rf"waits in FIN-WAIT-2 for the end of {count} other connections")
        self.says(row, "remedy", "Look at fin-wait-2-stuck")
        # The one to act on.
        row = self.find("silent", "close-wait-leak", "info", worker)
        self.assertEqual(row["count"], count)
        self.says(row, "cause", rf"{count} with end of file not read", rf"with haproxy \(pid {proxy}\)")
        self.assertNotIn("fin-wait-2", row["remedy"])
        self.nothing_else("silent")

    def test_full_accept_queue(self):
        incident = self.ward.incidents["queue"]
        row = self.find("queue", "listener-queue-at-risk", "critical")
        self.assertEqual(row["scope"], "listener")
        self.assertIn(row["process"]["pid"], (incident.server.pid, incident.worker))
        self.says(row, "summary", rf"^python3 \(pid \d+\): accept queue of \*:8100 at {incident.LIMIT + 1}/"
                                  rf"{incident.LIMIT} FULL for \d+ s")
        self.says(row, "cause", "accepts more slowly", "ListenOverflows")
        self.assertEqual((row["evidence"]["waiting"], row["evidence"]["limit"]), (incident.LIMIT + 1, incident.LIMIT))
        self.nothing_else("queue")

    def test_idle_pool(self):
        client = self.ward.incidents["pool"].client.process
        row = self.find("pool", "close-wait-leak", "info", client.pid)
        self.assertGreaterEqual(row["count"], 55)
        self.says(row, "summary", rf"^java \(pid {client.pid}\) holds \d+ sockets in CLOSE-WAIT, outbound")
        self.says(row, "cause", "typical of a pool of connections between requests")
        self.says(row, "remedy", "^Nothing, while their number stands still")
        self.nothing_else("pool")

    def test_growing_leak(self):
        incident = self.ward.incidents["leak"]
        # A tenth of its descriptors; then it is known when they are all gone.
        row = self.find("leak", "close-wait-leak", "critical", incident.client.pid,
                        lambda row: "growth_per_second" in row["evidence"], 90)
        self.says(row, "summary", rf"^python3 \(pid {incident.client.pid}\) holds \d+ sockets in CLOSE-WAIT, outbound, "
                  r"oldest \d+ s; growing [\d.]+/s; descriptors \d+ % of 1,000, full in \d+ (s|min)$")
        self.assertAlmostEqual(row["evidence"]["growth_per_second"], incident.PER_SECOND, delta=2)
        self.says(row, "remedy", r"has to close\(\)")
        self.assertIn("warning", self.ward.severities["leak"])
        self.nothing_else("leak")

    def test_broker(self):
        incident = self.ward.incidents["broker"]
        row = self.find("broker", "linger-zero", "info", incident.server.pid,
                        lambda row: row["count"] == incident.CLIENTS + 1)
        self.says(row, "summary", rf"SO_LINGER on with 0 seconds on {incident.CLIENTS} connections and 1 listener")
        self.says(row, "cause", "have it from their listener")
        document = lib.get(f"/processes/{incident.server.pid}")
        self.assertGreaterEqual(document["exit"]["rst_peer_open"], incident.CLIENTS)
        self.nothing_else("broker")

    def test_vanished_clients(self):
        incident = self.ward.incidents["vanish"]
        nginx = incident.server.process

        def created():
            return [row for row in lib.get("/findings?rule=orphan-stalled")["findings"]
                    if "nginx (pid " in row["cause"] and row["count"] >= incident.CLIENTS]

        row = lib.wait_for(created, "orphans of nginx", 60, 0.25)[0]
        self.assertEqual(row["scope"], "host")
        workers = "|".join(map(str, ward.children(nginx.pid)))
        self.says(row, "cause", rf"nginx \(pid ({workers})\) \d+ % \(FIN-WAIT-1 \d+", "the peers are gone")
        # Of every single one of them it is known who has closed it.
        rows = lib.sockets(f"netns={incident.netns[0]}&attachment=orphan&state=fin-wait-1")
        self.assertEqual({row["creator"]["comm"] if row["creator"] else None for row in rows}, {"nginx"})
        self.assertEqual({row["remote"]["address"] for row in rows}, {keeper.CLIENTS})
        self.nothing_else("vanish")

    def test_no_ports_left(self):
        incident = self.ward.incidents["ports"]
        row = self.find("ports", "port-exhaustion", "critical", incident.proxy.pid)
        self.assertEqual((row["scope"], row["evidence"]["limit"]), ("netns", incident.PORTS))
        self.says(row, "summary", rf"of {incident.PORTS} local ports \(\d+ %\) are used from 127\.0\.0\.1 to "
                  rf"127\.0\.0\.1:8200, \d+ of them by haproxy \(pid {incident.proxy.pid}\), "
                  r"in network namespace ports \(\d+\)$")
        self.says(row, "cause", "EADDRNOTAVAIL")
        self.nothing_else("ports")

    def test_cliff(self):
        row = self.find("cliff", "fin-timeout-cliff", "warning")
        self.assertEqual((row["scope"], row["process"]), ("netns", None))
        self.says(row, "summary", r"^net\.ipv4\.tcp_fin_timeout in network namespace cliff \(\d+\) is 61 s, and "
                                  r"FIN-WAIT-2 after close\(\) lasts 2 s")
        self.nothing_else("cliff")

    def test_inherited(self):
        incident = self.ward.incidents["inherited"]
        pids = lib.wait_for(lambda: len(found := incident.pids()) == incident.SESSIONS and found, "sleepers", 60)
        for pid in pids:
            row = self.find("inherited", "inherited-descriptor", "info", pid)
            self.assertEqual(row["count"], 1)
            self.says(row, "summary", rf"^sleep \(pid {pid}\) holds 1 connection that it has inherited")
            self.says(row, "summary", r"postgres \(pid \d+\)")
        self.nothing_else("inherited")

    def test_paused_reader(self):
        incident = self.ward.incidents["paused"]
        row = self.find("paused", "rst-on-close", "warning", incident.client.pid)
        self.assertEqual(row["count"], incident.CLIENTS)
        self.says(row, "summary",
                  rf"^wrk \(pid {incident.client.pid}\) has not read from {incident.CLIENTS} connections")
        self.says(row, "cause", rf"On {incident.CLIENTS} of them the receive window is closed", "the peer is blocked")
        self.nothing_else("paused")

    def test_zzz_half_close_is_healthy(self):
        incident = self.ward.incidents["half"]
        # It is there, for longer than what makes it stuck where no data comes.
        for state, comm in (("fin-wait-2", "nc.openbsd"), ("close-wait", "python3")):
            rows = lib.sockets(f"netns={incident.netns[0]}&state={state}&attachment=held&min_state_seconds=20")
            self.assertEqual([row["comm"] for row in rows], [comm] * incident.CLIENTS)
        self.assertEqual(self.ward.rules["half"], set())
        self.assertEqual(self.ward.errors, [])


if __name__ == "__main__":
    lib.main()
