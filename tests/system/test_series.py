#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics that were promised, one by one, and how many series there are where there are very many names."""
import contextlib
import socket
import subprocess
import tempfile
import unittest

import cgroups
import lib
from test_prometheus import parse

# Family: its labels.
PROMISED = {
    "build_info": ["version"], "snapshot_timestamp_seconds": [], "collector_duration_seconds": ["collector"],
    "collector_success": ["collector"], "poll_interval_seconds": ["lane"], "network_namespaces": ["state"],
    "sockets": ["state"], "sockets_attachment": ["attachment"], "teardown_sockets": ["state", "attachment"],
    "close_outcomes": ["segment", "rule"], "unread_bytes": ["peer"], "unsent_bytes": [], "oldest_seconds": ["state"],
    "orphans": [], "orphans_peak": [], "listener_queue_connections": [], "listener_queue_ratio_max": [],
    "listener_overflows_total": [], "listener_drops_total": [], "port_range_used_ratio_max": [],
    "findings": ["rule", "severity"], "findings_raised_total": ["rule"], "aborts_total": ["cause"],
    "unit_sockets": ["systemd_unit", "state"], "unit_close_resets": ["systemd_unit"],
    "unit_orphans": ["systemd_unit"], "unit_listener_queue_ratio": ["systemd_unit"], "snapshots_skipped_total": [],
    "web_restarts_total": [], "config_last_reload_successful": [],
}
UNITS, PODS, NAMESPACES = 200, 100, 60


class Series(unittest.TestCase):
    def test_each_that_was_promised(self):
        with lib.Daemon("--sweep-interval=1s"):
            samples = lib.wait_for(self.walked, "the processes have been walked", 30)
        for family, labels in PROMISED.items():
            with self.subTest(family=family):
                found = [dict(have) for name, have in samples if name == "tcpdiag_" + family]
                self.assertTrue(found)
                for have in found:
                    self.assertLessEqual(set(labels), set(have))

    @staticmethod
    def walked():
        samples = parse(lib.get("/metrics"))
        return samples if any(name == "tcpdiag_unit_orphans" for name, _ in samples) else None

    def test_very_many_names(self):
        """Processes in units, pods and namespaces of their own: what is shown stays within 500 series."""
        with contextlib.ExitStack() as stack:
            top = cgroups.make(stack, stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiagd-cgroup-")))
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            paths = [f"system.slice/many-{n}.service" for n in range(UNITS)]
            paths += [f"kubepods.slice/kubepods-pod{n:032x}.slice/cri-containerd-{n:064x}.scope" for n in range(PODS)]
            # One process after the other in each group: a shell that holds a connection and waits.
            code = "exec 3<>/dev/tcp/127.0.0.1/$1; echo 0 > $2; exec sleep 600"
            for path in paths:
                (top / path).mkdir(parents=True)
                stack.enter_context(self.process(["bash", "-c", code, "bash", str(listener.getsockname()[1]),
                                                  str(top / path / "cgroup.procs")]))
            for _ in range(NAMESPACES):
                stack.enter_context(self.process(["unshare", "--net", "sleep", "600"]))
            stack.enter_context(lib.Daemon("--collector.namespaces", "--sweep-interval=1s"))
            lib.wait_for(self.walked, "the processes have been walked", 60)
            lib.wait_for(lambda: len(lib.get("/units?limit=0&fields=name")["units"]) >= UNITS, "all units", 60, 0.5)
            samples = parse(lib.get("/metrics"))
            names = {dict(labels)["systemd_unit"] for name, labels in samples if name == "tcpdiag_unit_sockets"}
            self.assertEqual(len(names), 21)
            self.assertIn("~other", names)
            self.assertLessEqual(len(samples), 500)
            for name in names:
                self.assertNotRegex(name, "[0-9a-f]{12}|scope")

    @staticmethod
    @contextlib.contextmanager
    def process(command):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield child
        finally:
            child.kill()
            child.wait()


if __name__ == "__main__":
    lib.main()
