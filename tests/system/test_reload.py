#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGHUP: a good file takes effect, a bad one changes nothing and says so."""
import contextlib
import json
import os
import re
import socket
import unittest

import lib

FIRST = """\
interval: 1s
sweep-interval: 2s
rules:
  close-wait-leak:
    inbound:
      info-age: 1h
"""
SECOND = FIRST.replace("1s", "300ms").replace("2s", "500ms").replace("1h", "1s")
BAD = SECOND.replace("500ms", "often")


class Reload(unittest.TestCase):
    def setUp(self):
        self.stack = self.enterContext(contextlib.ExitStack())
        self.daemon = self.stack.enter_context(lib.Daemon(config=FIRST))

    def metric(self, name):
        return float(re.search(rf"(?m)^tcpdiag_{re.escape(name)} (\S+)$", lib.get("/metrics"))[1])

    def wanted(self):
        return {lane["name"]: lane["wanted_seconds"] for lane in lib.get("/status")["lanes"]}

    def load(self, text):
        """Writes the file, sends SIGHUP, waits until /status tells of a reload later than the last."""
        before = lib.get("/status")["reload"]["time"]
        self.daemon.write_config(text)
        self.daemon.reload()
        return lib.wait_for(lambda: (now := lib.get("/status")["reload"])["time"] != before and now, "the reload")

    def leak(self):
        listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = socket.create_connection(listener.getsockname())
        self.stack.enter_context(listener.accept()[0])
        client.close()

    def test_good_bad_good(self):
        self.leak()
        self.assertEqual(lib.get("/status")["reload"], {"time": None, "ok": None, "error": None})
        self.assertEqual(self.metric("config_last_reload_successful"), 1)
        self.assertEqual((self.wanted()["fast"], self.wanted()["sweep"]), (1, 2))
        lib.wait_for(lambda: lib.sockets("state=close-wait&min_state_seconds=1"), "a leak that is old enough")
        self.assertEqual(lib.get("/findings")["findings"], [])
        web = self.daemon.web_pid()

        done = self.load(SECOND)
        self.assertEqual((done["ok"], done["error"]), (True, None))
        self.assertEqual((self.wanted()["fast"], self.wanted()["sweep"]), (0.3, 0.5))
        found = lib.wait_for(lambda: lib.get("/findings")["findings"], "a finding by the new threshold", 20)
        self.assertEqual((found[0]["rule"], found[0]["severity"], found[0]["count"]), ("close-wait-leak", "info", 1))
        self.assertIn(f"configuration reloaded: {self.daemon.config_path}", self.daemon.output())

        done = self.load(BAD)
        self.assertIs(done["ok"], False)
        self.assertIn(f"{self.daemon.config_path}:2:17", done["error"])
        self.assertIn("often", done["error"])
        self.assertEqual(self.metric("config_last_reload_successful"), 0)
        self.assertEqual((self.wanted()["fast"], self.wanted()["sweep"]), (0.3, 0.5))
        self.assertTrue(lib.get("/findings")["findings"])
        self.assertIn(done["error"], self.daemon.output())
        self.assertIn("stays in force", self.daemon.output())

        os.unlink(self.daemon.config_path)
        before = lib.get("/status")["reload"]["time"]
        self.daemon.reload()
        done = lib.wait_for(lambda: (now := lib.get("/status")["reload"])["time"] != before and now, "the reload")
        self.assertIs(done["ok"], False)
        self.assertIn("No such file", done["error"])

        done = self.load(SECOND)
        self.assertEqual((done["ok"], done["error"]), (True, None))
        self.assertEqual(self.metric("config_last_reload_successful"), 1)
        # Nothing of it needed another web process, and no history was lost.
        self.assertEqual(self.daemon.web_pid(), web)
        self.assertEqual(lib.get("/status")["web_restarts"], 0)
        self.assertEqual(lib.get("/findings")["findings"][0]["id"], found[0]["id"])

    def test_web_options(self):
        self.assertEqual(lib.request("/status", headers={"Host": "node.example"}).status, 421)
        self.load(FIRST + "web:\n  allowed-hosts: [node.example]\n  max-uri: 300\n")
        lib.wait_for(lambda: lib.request("/status", headers={"Host": "node.example"}).status == 200, "the host", 5)
        self.assertEqual(lib.request("/sockets?unit=" + "x" * 400).status, 414)
        self.load(FIRST)
        lib.wait_for(lambda: lib.request("/status", headers={"Host": "node.example"}).status == 421, "no host", 5)
        self.assertEqual(lib.request("/sockets?unit=" + "x" * 400).status, 200)

    def test_processes_can_be_switched(self):
        def state():
            return next(s["state"] for s in lib.get("/status")["sources"] if s["name"] == "processes")

        lib.wait_for(lambda: state() == "ok", "processes are read")
        self.load(FIRST + "collector:\n  processes: false\n")
        lib.wait_for(lambda: state() == "off", "processes are not read")
        self.assertTrue([line for line in lib.get("/status")["missing"] if line.startswith("processes")])
        self.load(FIRST)
        lib.wait_for(lambda: state() == "ok", "processes are read again", 20)

    def test_log_format(self):
        def said(text):
            return [line for line in self.daemon.output().splitlines() if text in line]

        self.load(FIRST + "log: {format: json}\n")
        line = json.loads(said("configuration reloaded")[-1])
        self.assertEqual((line["level"], line["process"]), ("info", "tcpdiagd"))
        self.load(FIRST + "log: {format: text}\nweb: {listen-address: ['127.0.0.1:19294']}\n")
        self.assertRegex(said("web.listen-address has changed")[-1], r"^(<4>)?tcpdiagd: ")
        self.assertEqual(said("log.format has changed"), [])

    def test_what_needs_a_restart(self):
        self.load(FIRST + "web:\n  listen-address: ['127.0.0.1:19294']\n")
        self.assertRegex(self.daemon.output(), r"web\.listen-address has changed.*restart")
        self.assertEqual(lib.request("/-/ready").status, 200)

    def test_many_at_once(self):
        for _ in range(50):
            self.daemon.reload()
        self.daemon.write_config(SECOND)
        self.daemon.reload()
        lib.wait_for(lambda: self.wanted()["fast"] == 0.3, "the last one is in force")
        self.assertEqual(lib.get("/status")["reload"]["ok"], True)


if __name__ == "__main__":
    lib.main()
