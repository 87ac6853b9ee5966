#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that cannot see who holds the sockets of its namespace, as in many containers: it must say so."""
import os
import pathlib
import signal
import unittest

import lib
import scenes

FAST = ("--interval", "500ms", "--sweep-interval", "1s")


class Blind(unittest.TestCase):
    def nobody_is_unheld(self, reason):
        """Two passes find no holder of this test's sockets: that is no proof that there is none."""
        self.assertIn(reason, scenes.wait_source("processes", "degraded")["reason"])
        scenes.wait_passes("owners", 2)
        rows = [scenes.row(scenes.tuple_query(sock)) for sock in self.ends]
        for row in rows:
            self.assertEqual((row["attachment"], row["holders"], row["unheld_because"]), ("held", [], None))
            self.assertIsNotNone(row["outcomes"]["exit"])
            self.assertIsNone(row["outcomes"]["close"]["last"])
        snapshot = lib.get("/sockets")["snapshot"]
        self.assertIs(snapshot["complete"], False)
        self.assertTrue([line for line in snapshot["missing"] if reason in line], snapshot)

    def test_without_capabilities(self):
        """Root without CAP_SYS_PTRACE may list the descriptors of others, not read them."""
        prefix = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
        with scenes.Scene() as scene, lib.Daemon(*FAST, prefix=prefix):
            self.ends = scene.pair()
            self.nobody_is_unheld("cannot be read")

    def test_in_a_pid_namespace(self):
        prefix = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        with scenes.Scene() as scene, lib.Daemon(*FAST, prefix=prefix) as daemon:
            self.ends = scene.pair()
            self.nobody_is_unheld("outside of this PID namespace")
            children = pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
            os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
            daemon.process.wait(10)


if __name__ == "__main__":
    lib.main()
