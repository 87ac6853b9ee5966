#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The catalogue, its documents, OpenAPI and the tests speak of the same rules: none is missing anywhere."""
import collections
import os
import re
import subprocess
import sys
import unittest

import lib

DOCUMENTS = lib.TOP / "docs/rules"
MEMBERS = {"id", "kind", "verified", "title", "condition", "because", "function", "file", "rfc", "counter",
           "reset_reason", "log_line", "example", "older", "remedy", "documentation"}


def conformance_rows():
    """Rule id: how many rows of tests/conformance are written to show it. That each shows it, the run itself says."""
    output = subprocess.run([sys.executable, str(lib.TOP / "tests/conformance/run"), "--list"], check=True,
                            stdout=subprocess.PIPE, text=True, env={**os.environ, "O": str(lib.BUILD)}).stdout
    return collections.Counter(line.rpartition(" | ")[2] for line in output.splitlines() if not line.endswith("| None"))


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with lib.Daemon():
            cls.rules = lib.get("/rules?limit=0")["rules"]
            cls.api = lib.get("/openapi.json")
            cls.texts = {rule["id"]: lib.get(rule["documentation"]) for rule in cls.rules}
        cls.ids = [rule["id"] for rule in cls.rules]

    def test_rows_are_full(self):
        for rule in self.rules:
            self.assertEqual(set(rule), MEMBERS, rule["id"])
            for member in ("title", "condition", "because", "function", "file", "example", "remedy"):
                self.assertTrue(rule[member], f"{rule['id']}: {member}")

    def test_documents(self):
        self.assertEqual({path.stem for path in DOCUMENTS.glob("*.md")} - {"README"}, set(self.ids))
        for name, text in self.texts.items():
            self.assertEqual((DOCUMENTS / f"{name}.md").read_text(), text, "make docs")
        index = (DOCUMENTS / "README.md").read_text()
        self.assertEqual(re.findall(r"^\| \[([^]]+)\]\(\1\.md\) ", index, re.M), self.ids)

    def test_openapi(self):
        schemas = self.api["components"]["schemas"]
        self.assertEqual(schemas["RuleId"]["enum"], self.ids)
        self.assertEqual(schemas["FindingRule"]["enum"], [r["id"] for r in self.rules if r["kind"] == "finding"])
        document = (lib.TOP / "docs/openapi.yaml").read_text()
        for name in self.ids:
            self.assertIn(f'- "{name}"\n', document, "make docs")

    def test_conformance(self):
        """What the catalogue says to be proven by the kernel has rows there; each row's rule is in the catalogue."""
        rows = conformance_rows()
        self.assertLessEqual(set(rows), set(self.ids))
        proven = [r["id"] for r in self.rules if r["verified"] == "kernel" and r["kind"] != "finding"]
        self.assertGreater(len(proven), 20)
        self.assertEqual([name for name in proven if not rows[name]], [], "no row of tests/conformance")

    def test_findings_are_tested(self):
        tests = "".join(path.read_text() for path in (lib.TOP / "tests/system").glob("test_*.py")
                        if path.name not in ("test_rules.py", "test_prometheus.py"))
        proven = [r["id"] for r in self.rules if r["verified"] == "kernel" and r["kind"] == "finding"]
        self.assertEqual([name for name in proven if f'"{name}"' not in tests], [], "no test of the daemon")


if __name__ == "__main__":
    lib.main()
