#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A build without BPF (BPF=0)."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import lib
import scenes


class Built(unittest.TestCase):
    """A build that does not have it needs neither libbpf nor clang, and runs."""

    def test_without_bpf(self):
        with tempfile.TemporaryDirectory(prefix="tcpdiag-bpf-") as folder, scenes.Scene() as scene:
            scenes.set_linger(scene.pair()[0], 0)
            os.chmod(folder, 0o755)
            # A compiler of BPF programs and a bpftool that fail when they are called.
            tools = pathlib.Path(folder, "tools")
            tools.mkdir()
            for name in ("clang", "bpftool"):
                (tools / name).write_text(f"#!/bin/sh\necho {name} was called >&2\nexit 1\n")
                (tools / name).chmod(0o755)
            clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "O", "CC")}
            clean["PATH"] = f"{tools}:{clean['PATH']}"
            done = subprocess.run(["make", "-j2", "BPF=0", f"O={folder}/build", f"{folder}/build/tcpdiagd"],
                                  cwd=lib.TOP, env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=240, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            program = f"{folder}/build/tcpdiagd"
            libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
            self.assertNotIn("libbpf", libraries)
            self.assertIn("libmnl", libraries)
            report = subprocess.run([program, "--once"], capture_output=True, text=True, check=True).stdout
            self.assertIn("BPF=0", " ".join(report.split()))
            rows = subprocess.run([program, "--once", "--format=json"], capture_output=True, text=True,
                                  check=True).stdout
            self.assertIn('"linger":null', rows)
            self.assertNotIn('"linger":{', rows)


if __name__ == "__main__":
    lib.main()
