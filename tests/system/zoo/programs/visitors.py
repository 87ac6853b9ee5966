# SPDX-License-Identifier: LGPL-2.1-or-later
"""HOST PORT COUNT: so many connections, a request on each, and nothing more."""
import http.client
import json
import sys
import time

connections = []
for _ in range(int(sys.argv[3])):
    connections.append(http.client.HTTPConnection(sys.argv[1], int(sys.argv[2])))
    connections[-1].request("GET", "/")
    assert connections[-1].getresponse().read() == b"hello\n"
print(json.dumps({"answers": len(connections)}), flush=True)
time.sleep(100000)
