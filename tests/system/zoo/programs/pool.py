# SPDX-License-Identifier: LGPL-2.1-or-later
"""URL CERTIFICATES SIZE: a pool of urllib3, filled once; then a request each second, which needs one connection."""
import json
import sys
import threading
import time

import urllib3

url, certificates, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
pool = urllib3.connection_from_url(url, maxsize=size, block=True, ca_certs=certificates)
filled = threading.Barrier(size)


def fill():
    reply = pool.request("GET", "/", preload_content=False)
    filled.wait()
    assert reply.read() == b"hello\n"
    reply.release_conn()


threads = [threading.Thread(target=fill) for _ in range(size)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
requests = size
while True:
    print(json.dumps({"requests": requests}))
    time.sleep(1)
    requests += pool.request("GET", "/").status == 200
