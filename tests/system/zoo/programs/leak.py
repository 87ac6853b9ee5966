# SPDX-License-Identifier: LGPL-2.1-or-later
"""URL RATE DESCRIPTORS: so many requests a second, whose connections never go back to the pool."""
import resource
import sys
import time

import urllib3

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), int(sys.argv[3])))
pool = urllib3.PoolManager()
forgotten = []
due = time.monotonic()
while True:
    forgotten.append(pool.request("GET", sys.argv[1], preload_content=False))
    due += 1 / float(sys.argv[2])
    time.sleep(max(0, due - time.monotonic()))
