# SPDX-License-Identifier: LGPL-2.1-or-later
"""URL: downloads it over and over, as slowly as the server sends."""
import json
import sys
import urllib.request

count = 0
while True:
    with urllib.request.urlopen(sys.argv[1]) as reply:
        while piece := reply.read(4096):
            count += len(piece)
            print(json.dumps({"bytes": count}))
