# SPDX-License-Identifier: LGPL-2.1-or-later
"""URL THREADS: asks for it over and over."""
import json
import sys
import threading
import time
import urllib.request

answers = 0
lock = threading.Lock()


def ask():
    global answers
    while True:
        with urllib.request.urlopen(sys.argv[1]) as reply:
            assert reply.read() == b"hello\n"
        with lock:
            answers += 1


for _ in range(int(sys.argv[2])):
    threading.Thread(target=ask, daemon=True).start()
while True:
    print(json.dumps({"answers": answers}))
    time.sleep(1)
