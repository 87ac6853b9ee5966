#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Sockets in other network namespaces over a restart of the daemon and a SIGKILL of its collector, under a real systemd:
times, history, creators and findings stay as they were. Runs twice, as test_systemd.py does.
"""
import contextlib
import os
import signal
import subprocess
import sys
import time
import unittest

import lib
import scenes
import test_systemd
from test_history import history, when
from test_namespaces import UNNAMED, Inside

CONFIG = """
interval: 250ms
sweep-interval: 500ms
cpu-share: 50
rules:
  fin-wait-2-stuck: {info-age: 1s, warning-age: 2s, warning-count: 1}
"""
NAME = "kept"
# A connection that is half closed when told so, one that stays, one that is left as an orphan.
CODE = """
listener = listen()
stuck, plain, orphan = [pair(listener)[0] for _ in range(3)]
say(os.stat("/proc/self/ns/net").st_ino, *(sock.getsockname()[1] for sock in (stuck, plain, orphan)))
step()
stuck.shutdown(socket.SHUT_WR)
fill(orphan)
keep.remove(orphan)
orphan.close()
step()
"""


class Restart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test_systemd.run("make", "install")
        test_systemd.CONFIG.write_text(CONFIG)
        test_systemd.systemctl("daemon-reload")

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        subprocess.run(["ip", "netns", "add", NAME], check=True)
        self.stack.callback(subprocess.run, ["ip", "netns", "del", NAME], check=True)
        subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "up"], check=True)
        test_systemd.systemctl("restart", test_systemd.SERVICE)
        self.addCleanup(test_systemd.systemctl, "stop", test_systemd.SERVICE)
        self.known = {}
        for comm, enter in (("named", ["ip", "netns", "exec", NAME]), ("unnamed", UNNAMED)):
            self.known[comm] = self.learn(self.stack.enter_context(Inside(comm, CODE, enter)))

    @staticmethod
    def learn(actor):
        """What is known of its sockets: rows, histories, the finding."""
        netns, *ports = map(int, actor.read())
        query = f"netns={netns}&local.port="
        for port in ports:
            scenes.wait_row(query + str(port), lambda r: r["holders"], "held", 30)
        actor.go()
        conditions = (lambda r: r["state"] == "fin-wait-2" and r["findings"], lambda r: r["holders"],
                      lambda r: r["attachment"] == "orphan" and r["creator"])
        rows = [scenes.wait_row(query + str(port), condition, "as it will stay", 30)
                for port, condition in zip(ports, conditions)]
        return {"actor": actor, "rows": rows, "history": [history(row["id"]) for row in rows],
                "finding": scenes.wait_finding("fin-wait-2-stuck", 30, pid=actor.pid)}

    def goes_on(self, restarts):
        lib.wait_for(test_systemd.answers, "an answer after the restart", 30)
        self.assertEqual(lib.get("/status")["history"]["restarts"], restarts)
        # From its first snapshot on, and when everything has been read anew.
        for passes in (0, 3):
            if passes:
                scenes.wait_passes("sweep", passes)
                scenes.wait_passes("owners", 2)
            for comm, known in self.known.items():
                for row, lines in zip(known["rows"], known["history"]):
                    with self.subTest(comm, socket=row["flow"], passes=passes, restarts=restarts):
                        self.same(row, lines, restarts)
                with self.subTest(comm, passes=passes, restarts=restarts):
                    finding = scenes.wait_finding("fin-wait-2-stuck", pid=known["actor"].pid)
                    self.assertEqual(finding["id"], known["finding"]["id"])
                    self.assertAlmostEqual(when(finding["since"]), when(known["finding"]["since"]), delta=0.01)

    def same(self, row, lines, restarts):
        now = lib.get(f"/sockets/{row['id']}")
        self.assertIsNone(now["ended"])
        self.assertEqual((now["state"], now["state_exact"], now["comm"], now["netns"]),
                         (row["state"], row["state_exact"], row["comm"], row["netns"]))
        self.assertAlmostEqual(when(now["state_since"]), when(row["state_since"]), delta=0.01)
        if row["creator"]:
            self.assertEqual((now["creator"]["pid"], now["creator"]["comm"]),
                             (row["creator"]["pid"], row["creator"]["comm"]))
        kept = [line for line in now["history"] if line["kind"] != "restart"]
        self.assertEqual(len(now["history"]) - len(kept), restarts)
        self.assertGreaterEqual(len(kept), len(lines))
        for old, new in zip(lines, kept):
            self.assertEqual({**old, "time": None}, {**new, "time": None})
            self.assertAlmostEqual(when(old["time"]), when(new["time"]), delta=0.01)

    def test_restarted_and_killed(self):
        # A change of state was seen as it came: on a loaded machine not each of them is.
        self.assertIn(True, [known["rows"][0]["state_exact"] for known in self.known.values()])
        test_systemd.systemctl("restart", test_systemd.SERVICE)
        self.goes_on(1)
        collector = test_systemd.main_pid()
        os.kill(collector, signal.SIGKILL)
        lib.wait_for(lambda: test_systemd.main_pid() not in (0, collector)
                     and test_systemd.show("ActiveState") == "active", "it is back", 30)
        self.goes_on(2)
        # What ends now has an end, and one that is told.
        known = self.known["named"]
        known["actor"].__exit__()
        gone = lib.wait_for(lambda: (d := lib.get(f"/sockets/{known['rows'][1]['id']}"))["ended"] and d, "its end", 30)
        self.assertEqual(gone["creator"]["comm"], "named")
        self.assertLess(time.time() - when(gone["ended"]["time"]), 30)


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        test_systemd.inside()
    else:
        test_systemd.outside(lib.result_path(), __file__)
