# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of findings share: one is raised for the right process in the right words, and goes with its cause."""
import re
import unittest

import lib
import scenes

# The end of an actor's program: what it has, it has until the test goes on.
HOLD = """
say("ready")
step()
close_all()
say("closed")
step()
"""


class Sick(unittest.TestCase):
    """actors: by name, each ended by HOLD."""

    actors = {}

    def check(self, name, rule, severity, count, summary=(), cause=(), remedy=(), scope="process", by=None,
              **evidence):
        """
        The finding of a process once it is as severe as that; all of its words and numbers.

        by: how to ask for the sockets that it rests on, "" where it rests on none.
        """
        actor = self.actors[name]
        row = scenes.wait_finding(rule, pid=actor.pid, severity=severity)
        self.assertEqual((row["count"], row["scope"]), (count, scope), row)
        self.assertEqual(row["process"]["comm"], name)
        self.assertIn(f"{name} (pid {actor.pid}", row["summary"])
        self.assertEqual(row["documentation"], f"/rules/{rule}")
        for field, words in (("summary", summary), ("cause", cause), ("remedy", remedy)):
            for word in words:
                self.assertIn(word, row[field])
        self.assertEqual(row["evidence"]["count"], count)
        for field, value in evidence.items():
            self.assertEqual(row["evidence"][field], value, field)
        # The sockets that it rests on say so too.
        if by != "":
            by = by or f"pid={actor.pid}"
            self.assertGreaterEqual(len(lib.sockets(f"finding={rule}&{by}")), count)
        example = lib.request(f"/sockets/{row['socket']}")
        self.assertEqual(example.status, 200)
        # The report for people has it, too; of what is mere information only the first.
        if severity != "info":
            self.assertIn(row["summary"].split(",")[0].split(";")[0], " ".join(lib.get("/").split()))
        return row

    def clears(self, name, rule):
        actor = self.actors[name]
        standing = {row["id"] for row in scenes.findings(rule) if f"{name} (pid {actor.pid}" in row["summary"]}
        self.assertEqual(len(standing), 1)
        actor.go()
        self.assertEqual(actor.read(), ["closed"])

        def cleared():
            # To its last look it is a finding of that process, which holds none of its sockets any more.
            rows = [row for row in scenes.findings() if row["id"] in standing]
            self.assertEqual([row["process"]["pid"] for row in rows], [actor.pid] * len(rows))
            return not rows

        lib.wait_for(cleared, f"{rule} of {name} has cleared", 20, 0.1)
        self.assertIsNone(actor.process.poll())
        raised = re.search(rf'tcpdiag_findings_raised_total{{rule="{rule}"}} (\d+)', lib.get("/metrics"))
        self.assertGreaterEqual(int(raised[1]), 1)
