#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Findings in the journal of a real systemd, with ids, fields and the catalogue's text; events that outlive the collector.
Runs twice, as test_systemd.py does.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import sys
import unittest

import lib
import scenes
import test_systemd

SERVICE = test_systemd.SERVICE
RULE = "fin-wait-2-stuck"
CATALOG = pathlib.Path("/usr/local/lib/systemd/catalog/tcpdiagd.catalog")
CONFIG = f"""
interval: 250ms
sweep-interval: 500ms
cpu-share: 50
rules:
  clear-hold: 1s
  {RULE}: {{info-age: 1s, warning-age: 2s, warning-count: 1}}
"""


def catalogued():
    """Ids of the catalogue, by the rule that their text names; "" for the one that names none."""
    entries = re.split(r"^-- ([0-9a-f]{32})$", CATALOG.read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for number, text in zip(entries[::2], entries[1::2]):
        rule = re.search(r"/rules/([a-z0-9-]+)\.", text.replace("\n", ""))
        found[rule[1] if rule else ""] = number
    return found


def entries(*matches):
    """What the journal has of it, oldest first."""
    test_systemd.run("journalctl", "--sync")
    lines = test_systemd.run("journalctl", "--output=json", "--no-pager", *matches, check=False).splitlines()
    return [json.loads(line) for line in lines]


def events(query=""):
    return lib.get(f"/events?limit=0&kind=finding-raised&kind=finding-cleared{query}")["events"]


class Journal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test_systemd.run("make", "install")
        test_systemd.CONFIG.write_text(CONFIG)
        cls.ids = catalogued()

    def setUp(self):
        test_systemd.systemctl("stop", SERVICE)
        test_systemd.systemctl("reset-failed", SERVICE, check=False)

    def start(self):
        test_systemd.systemctl("start", SERVICE)
        lib.wait_for(test_systemd.answers, "an answer", 20)

    @contextlib.contextmanager
    def stuck(self):
        """A finding that is a warning; when it ends, so does its cause."""
        with scenes.Scene() as scene:
            sock, _ = scene.pair()
            scenes.wait_row(scenes.tuple_query(sock), bool, "the connection")
            sock.shutdown(socket.SHUT_WR)
            yield scenes.wait_finding(RULE, pid=os.getpid(), severity="warning", seconds=30)

    def of(self, finding):
        """Entries of a finding, once there are any."""
        return lib.wait_for(lambda: entries(f"TCPDIAGD_FINDING={finding['id']}"), "it is in the journal", 20, 0.5)

    def test_a_warning(self):
        self.start()
        with self.stuck() as finding:
            raised = self.of(finding)
            self.assertEqual(len(raised), 1, raised)
            entry = raised[0]
            self.assertEqual(entries(f"MESSAGE_ID={self.ids[RULE]}")[-1]["__CURSOR"], entry["__CURSOR"])
            self.assertEqual(
                {name: entry[name] for name in ("PRIORITY", "SYSLOG_IDENTIFIER", "TCPDIAGD_RULE", "TCPDIAGD_SEVERITY",
                                                "TCPDIAGD_SCOPE", "OBJECT_PID", "TCPDIAGD_SOCKET", "TCPDIAGD_REMEDY",
                                                "DOCUMENTATION")},
                {"PRIORITY": "4", "SYSLOG_IDENTIFIER": "tcpdiagd", "TCPDIAGD_RULE": RULE,
                 "TCPDIAGD_SEVERITY": "warning", "TCPDIAGD_SCOPE": "process", "OBJECT_PID": str(os.getpid()),
                 "TCPDIAGD_SOCKET": finding["socket"], "TCPDIAGD_REMEDY": finding["remedy"],
                 "DOCUMENTATION": f"http://127.0.0.1:19293/rules/{RULE}"})
            self.assertTrue(entry["MESSAGE"].startswith("warning: "), entry["MESSAGE"])
            self.assertIn(f"(pid {os.getpid()}", entry["MESSAGE"])
            self.assertTrue(entry["TCPDIAGD_CAUSE"])
            # What it points to is there.
            self.assertEqual(lib.request(f"/rules/{RULE}").status, 200)
            self.assertEqual(lib.request(f"/sockets/{entry['TCPDIAGD_SOCKET']}").status, 200)
            # The catalogue explains it, with the words of this one.
            text = " ".join(test_systemd.run("journalctl", "--no-pager", "-x", "--cursor", entry["__CURSOR"],
                                             "--lines=1").split())
            self.assertIn("Subject: FIN-WAIT-2", text)
            self.assertIn("What to do: ", text)
            self.assertIn(" ".join(entry["TCPDIAGD_CAUSE"].split()), text)
            self.assertIn(finding["id"], text)
            # Many looks later it has not been said again.
            scenes.wait_passes("fast", 10)
            self.assertEqual(len(self.of(finding)), 1)
        lib.wait_for(lambda: len(self.of(finding)) == 2, "it is said that it has cleared", 30, 0.5)
        entry = self.of(finding)[1]
        self.assertEqual((entry["MESSAGE_ID"], entry["PRIORITY"], entry["TCPDIAGD_RULE"]), (self.ids[""], "6", RULE))
        self.assertRegex(entry["MESSAGE"], r"^cleared after \d+ s: ")
        self.assertGreater(float(entry["TCPDIAGD_SECONDS"]), 1)

    def test_catalogue(self):
        listed = test_systemd.run("journalctl", "--list-catalog", "--no-pager").splitlines()
        listed = {line.split()[0] for line in listed if " tcpdiagd: " in line}
        self.assertEqual(listed, set(self.ids.values()))
        self.start()
        rules = {rule["id"] for rule in lib.get("/rules?limit=0")["rules"] if rule["kind"] == "finding"}
        self.assertEqual(set(self.ids), rules | {""})

    def test_events_outlive_the_collector(self):
        self.start()
        with self.stuck() as finding:
            def raised():
                return [e for e in events() if (e["finding"] or {}).get("id") == finding["id"]]
            # As information, then as a warning: both stay as they are.
            before = lib.wait_for(raised, "the events", 20)
            self.assertEqual([e["kind"] for e in before], ["finding-raised"] * len(before))
            test_systemd.systemctl("restart", SERVICE)
            lib.wait_for(test_systemd.answers, "an answer after the restart", 20)
            self.assertEqual(raised(), before)
            # Nobody has watched in between.
            if lib.get("/status")["events"]["from"] == "bpf":
                unseen = lib.wait_for(lambda: lib.get("/resets?since=-5m")["unseen_seconds"], "time that is not covered", 10)
                self.assertLess(unseen, 60)
            collector = test_systemd.main_pid()
            os.kill(collector, signal.SIGKILL)
            lib.wait_for(lambda: test_systemd.main_pid() not in (0, collector)
                         and test_systemd.show("ActiveState") == "active", "it is back", 20)
            lib.wait_for(test_systemd.answers, "an answer after SIGKILL", 20)
            # Looked at several times, it is not raised again.
            scenes.wait_passes("fast", 4)
            self.assertEqual(raised(), before)
        # Ids go on behind those of two collectors ago.
        lib.wait_for(lambda: len(raised()) > len(before), "it has cleared", 30)
        cleared = raised()[-1]
        self.assertEqual(cleared["kind"], "finding-cleared")
        self.assertGreater(int(cleared["id"]), int(before[-1]["id"]))
        said = lib.get("/status")["journal"]
        self.assertGreaterEqual(said["newest"], int(cleared["id"]))
        self.assertEqual(said["overwritten"]["findings"], 0)
        # One journal in the store, not one for each start.
        self.assertLessEqual(int(test_systemd.show("NFileDescriptorStore")), 6)
        # An end that is asked for is one.
        test_systemd.systemctl("stop", SERVICE)
        self.start()
        self.assertEqual(raised(), [])


def inside():
    program = unittest.main(module="__main__", exit=False, verbosity=2, argv=sys.argv)
    sys.stderr.flush()
    counts = lib.counts(program.result)
    if counts["failed"]:
        print(test_systemd.run("journalctl", "--no-pager", "--lines=100", "--unit", SERVICE, check=False))
    print(json.dumps(counts))


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        inside()
    else:
        test_systemd.outside(lib.result_path(), __file__)
