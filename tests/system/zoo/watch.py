# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at what the daemon finds, several times a second, and keeps all of it; samples of the sockets besides."""
import http.client
import threading
import time

import lib

STATES = ("established", "close-wait", "fin-wait-1", "fin-wait-2", "last-ack", "closing", "time-wait", "syn-sent",
          "new-syn-recv", "listening", "closed", "bound-inactive")


class Watch:
    """
    A context. findings: by id, as last seen, with "worst" and "until"; bad: whatever is more than information.

    netns: the namespaces to look at, by inode; others on this machine may be sick. What is the machine's counts.
    """

    def __init__(self, netns, period=0.25, sample=10):
        self.netns = {*netns, None}
        self.period, self.sample = period, sample
        self.began = time.monotonic()
        self.looks = self.most_infos = 0
        self.snapshots = set()
        self.findings = {}
        self.standing = []
        self.failed = []
        self.samples = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def seconds(self):
        return time.monotonic() - self.began

    def look(self):
        document = lib.get("/findings?limit=0")
        self.looks += 1
        self.snapshots.add(document["snapshot"]["id"])
        now = self.seconds()
        self.standing = [row for row in document["findings"] if row["netns"] in self.netns]
        for row in self.standing:
            known = self.findings.get(row["id"], {"worst": "info", "from": now})
            worst = max(known["worst"], row["severity"], key=("info", "warning", "critical").index)
            self.findings[row["id"]] = {**row, "worst": worst, "from": known["from"], "until": now}
        self.most_infos = max(self.most_infos, self.infos())
        if not self.samples or now - self.samples[-1][0] >= self.sample:
            self.samples.append((now, lib.get("/summary")["sockets"]))

    def infos(self):
        return sum(row["severity"] == "info" for row in self.standing)

    def bad(self):
        return [row for row in self.findings.values() if row["worst"] != "info"]

    def watch(self):
        while not self.stopping.wait(self.period):
            try:
                self.look()
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.failed.append(f"at {self.seconds():.0f} s: {error!r}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def states(self, rows=12):
        """Sockets by state over time, as lines of a table."""
        used = [name for name in STATES if any(sample.get(name) for _, sample in self.samples)]
        yield "seconds" + "".join(f"{name:>14}" for name in used)
        step = max(1, -(-len(self.samples) // rows))
        for now, sample in self.samples[::step]:
            yield f"{now:7.0f}" + "".join(f"{sample.get(name, 0):14,}" for name in used)

    def told(self):
        """The findings, worst first, as lines of a table."""
        order = {"critical": 0, "warning": 1, "info": 2}
        for row in sorted(self.findings.values(), key=lambda row: (order[row["worst"]], row["from"])):
            stands = " still there" if row["id"] in {r["id"] for r in self.standing} else ""
            yield f"{row['worst']:8} {row['rule']:24} {row['from']:5.0f}-{row['until']:.0f} s{stands}: {row['summary']}"
