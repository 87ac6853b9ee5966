#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What BPF tells is said to be missing where it does not run, for whatever reason; and its reading disturbs nobody."""
import collections
import contextlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import time
import unittest

import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]
SLACK = 3.0


def opened(pid):
    """What its descriptors refer to, by number."""
    targets = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets[fd] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return targets


def of_bpf(pid):
    """Its programs, maps, links and type information, by kind; an iterator comes and goes."""
    return collections.Counter(t for t in opened(pid).values() if re.search("bpf[-_](map|prog|link)|btf", t))


class Sockets(scenes.Scene):
    """A few of this process, with an option that matters each."""

    def __init__(self):
        super().__init__()
        self.plain, _ = self.pair()
        self.zero, self.zero_peer = self.pair()
        scenes.set_linger(self.zero, 0)
        self.duplicated, _ = self.pair()
        self.enter_context(self.duplicated.dup())


class Without(unittest.TestCase):
    """It runs on, and what it cannot know is null, uncertain and said."""

    def setUp(self):
        self.scene = self.enterContext(Sockets())

    def unknown(self, state, reason):
        """Everything that depends on BPF, once the holders are known."""
        source = scenes.wait_source("bpf", state)
        self.assertRegex(source["reason"], reason)
        status = lib.get("/status")
        self.assertIn("bpf", [line.split(":")[0] for line in status["missing"]])
        self.assertEqual(lib.request("/-/ready").status, 200)
        self.assertEqual(lib.request("/-/healthy").status, 200)
        for sock in (self.scene.plain, self.scene.zero, self.scene.duplicated):
            row = scenes.wait_row(scenes.tuple_query(sock), lambda r: r["holders"], "held", 30)
            self.assertEqual((row["linger"], row["references"], row["repair"], row["settings_seconds"], row["error"]),
                             (None,) * 5)
            self.assertIsNone(row["fin_timeout"]["linger2_seconds"])
            close = row["outcomes"]["close"]
            self.assertEqual((close["segment"], close["certain"]), ("fin", False))
            self.assertIn("linger", close["unknown"])
            self.assertIn("rst", [o["segment"] for o in close["otherwise"]])
        # Two descriptors are seen in /proc as well, one reference only is not.
        row = scenes.wait_row(scenes.tuple_query(self.scene.duplicated), lambda r: len(r["holders"]) == 2, "both", 30)
        self.assertIs(row["outcomes"]["close"]["last"], False)
        self.assertEqual(row["outcomes"]["close"]["held_by"], ["duplicate"])
        self.assertIsNone(scenes.row(scenes.tuple_query(self.scene.plain))["outcomes"]["close"]["last"])
        # No metric says 0 for it.
        self.assertRegex(lib.get("/metrics"), r'(?m)^tcpdiag_collector_success\{collector="bpf"\} 0$')
        self.assertEqual([s["state"] for s in status["sources"] if s["name"] in ("sock_diag", "counters")],
                         ["ok", "ok"])

    def test_switched_off(self):
        with lib.Daemon(*OPTIONS, "--no-collector.bpf"):
            self.unknown("off", "--no-collector.bpf")

    def test_without_the_capabilities(self):
        # CAP_SYS_ADMIN stands for both of them.
        drop = ["capsh", "--drop=cap_bpf,cap_perfmon,cap_sys_admin", "--", "-c", 'exec "$@"', "sh"]
        with lib.Daemon(*OPTIONS, prefix=drop):
            self.unknown("failed", "CAP_BPF")

    def test_without_btf(self):
        hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
        with lib.Daemon(*OPTIONS, prefix=hide):
            self.unknown("failed", "BTF|btf")

    def test_once(self):
        # The report for people says it as well.
        done = subprocess.run([lib.TCPDIAGD, "--once", "--no-collector.bpf"], capture_output=True, text=True,
                              check=False)
        self.assertIn("--no-collector.bpf", " ".join(done.stdout.split()))
        query = "--once --format=json"
        with_bpf = subprocess.run([lib.TCPDIAGD, *query.split()], capture_output=True, text=True, check=True).stdout
        self.assertRegex(with_bpf, r'"linger":\{"on":true,"seconds":0\b')


class Reloaded(unittest.TestCase):
    def test_off_and_on(self):
        config = "interval: 250ms\nsweep-interval: 500ms\ncpu-share: 50\n"
        with Sockets() as scene, lib.Daemon(config=config) as daemon:
            scenes.needs_bpf()
            query = scenes.tuple_query(scene.zero)

            def known():
                scenes.wait_source("bpf", "ok")
                row = scenes.wait_row(query, lambda r: r["linger"] is not None and r["references"] is not None,
                                      "known", 30)
                self.assertEqual((row["linger"]["on"], row["linger"]["seconds"], row["references"]), (True, 0, 1))
                self.assertEqual((row["outcomes"]["close"]["segment"], row["outcomes"]["close"]["unknown"]),
                                 ("rst", []))
                self.assertRegex(lib.get("/metrics"), r'(?m)^tcpdiag_collector_success\{collector="bpf"\} 1$')

            known()
            programs = of_bpf(daemon.process.pid)
            self.assertGreater(programs.total(), 1)
            for _ in range(2):
                daemon.write_config(config + "collector:\n  bpf: false\n")
                daemon.reload()
                self.assertIn("--no-collector.bpf", scenes.wait_source("bpf", "off")["reason"])
                row = scenes.wait_row(query, lambda r: r["linger"] is None, "not known any more", 10)
                self.assertEqual((row["references"], row["settings_seconds"]), (None, None))
                self.assertIn("linger", row["outcomes"]["close"]["unknown"])
                self.assertRegex(lib.get("/metrics"), r'(?m)^tcpdiag_collector_success\{collector="bpf"\} 0$')
                # Nothing of it is left in the kernel either.
                self.assertEqual(of_bpf(daemon.process.pid), {})
                daemon.write_config(config)
                daemon.reload()
                known()
                self.assertEqual(of_bpf(daemon.process.pid), programs)
            # It has lost nothing else: the same daemon, the same web process.
            self.assertEqual(lib.get("/status")["web_restarts"], 0)


class NoDisturbance(unittest.TestCase):
    POLLS = 200

    @staticmethod
    def resident(pid):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", text)[1])

    @staticmethod
    def files():
        """Open on the whole machine: a pass holds a row for each that is a socket, whoever's it is."""
        return int(pathlib.Path("/proc/sys/fs/file-nr").read_text().split()[0])

    def test_for_200_polls(self):
        """No descriptor and no memory grows, nobody's socket is among ours, and a close() is one at once."""
        with scenes.Scene() as scene:
            listener = scene.listener()
            keep = [scene.connect(listener) for _ in range(12)]
            held = [scene.enter_context(listener.accept()[0]) for _ in keep]
            mine = {f"socket:[{os.fstat(s.fileno()).st_ino}]" for s in (*keep, *held, listener)}
            daemon = scene.enter_context(lib.Daemon("--interval=100ms", "--sweep-interval=200ms", "--cpu-share=50"))
            pid = daemon.process.pid
            scenes.needs_bpf()
            scenes.wait_passes("fast", 20)
            began = scenes.lane("fast")["passes"]
            counts, memory, files, slowest, closed = [], [], [], 0.0, 0
            while scenes.lane("fast")["passes"] < began + self.POLLS:
                # Linger is on: whoever held its last reference would do the waiting.
                client = socket.create_connection(listener.getsockname())
                server = listener.accept()[0]
                scenes.set_linger(client, 5)
                started = time.monotonic()
                client.close()
                server.settimeout(5)
                self.assertEqual(server.recv(1), b"")
                slowest = max(slowest, time.monotonic() - started)
                server.close()
                closed += 1
                now = opened(pid)
                self.assertEqual(mine & set(now.values()), set())
                counts.append(len(now))
                memory.append(self.resident(pid))
                files.append(self.files())
                time.sleep(0.1)
            self.assertGreater(closed, 50)
            self.assertLess(slowest, 1.0, "a close() had to wait for somebody else")
            # A connection that is being answered and an iterator that is being read come and go.
            self.assertLessEqual(max(counts) - min(counts), 8, counts)
            third = len(memory) // 3
            self.assertLessEqual(statistics.median(counts[-third:]), statistics.median(counts[:third]) + 1, counts)
            others = max(files) - min(files)  # of which each may take half a kilobyte
            self.assertLess(max(memory[-third:]), 1.1 * max(memory[:third]) + 256 + others / 2, memory)
            # And nothing still refers to what it looked at so many times.
            for sock in keep:
                row = scenes.wait_row(scenes.tuple_query(sock), lambda r: r["references"] is not None, "read", 30)
                self.assertEqual((row["references"], row["outcomes"]["close"]["last"]), (1, True))


if __name__ == "__main__":
    lib.main()
