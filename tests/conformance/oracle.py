# SPDX-License-Identifier: LGPL-2.1-or-later
"""The oracle, in a co-process of its own in the caller's network namespace."""

import json
import os
import subprocess

import net
from world import CannotMake

PROGRAM = os.path.join(os.environ.get("O", "build"), "tests/conformance/ask")


class Ask:
    options = []  # "--no-bpf"

    def __init__(self):
        self.process = subprocess.Popen([PROGRAM, *self.options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, preexec_fn=net.die_with_parent)
        self.reader = self("reader")

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        line = self.process.stdout.readline()
        if not line:
            raise CannotMake("the oracle's process ended")
        reply = json.loads(line)
        for part in (reply, *reply.get("rows", [])):
            if "error" in part:
                raise CannotMake(f"ask {' '.join(map(str, words))}: {part['error']}")
        return reply

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
