#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The healthy zoo for a minute: real programs at work together, and nothing worse than a few informations.

Servers and clients are in namespaces of their own, as between containers. `make zoo MINUTES=10 [ARGS=--apart]` is
the same for as long as one likes, and prints what it saw.
"""
import unittest

import lib
from zoo import keeper, visit

SECONDS = 60


@unittest.skipUnless(keeper.unpacked(), "the programs are not unpacked (make deps-zoo)")
class Zoo(unittest.TestCase):
    def test_a_minute(self):
        seen = visit.Visit(SECONDS, apart=True)
        seen.visit()
        self.assertEqual(seen.faults(), [], "\n".join(seen.tell()))


if __name__ == "__main__":
    lib.main()
