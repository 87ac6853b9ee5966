# SPDX-License-Identifier: LGPL-2.1-or-later
"""HOST PORT CERTIFICATES: sends ten lines a second, reads nothing."""
import json
import socket
import ssl
import sys
import time

context = ssl.create_default_context(cafile=sys.argv[3])
sock = context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))), server_hostname=sys.argv[1])
lines = 0
while True:
    sock.sendall(b"a line of some log\n")
    lines += 1
    print(json.dumps({"lines": lines}))
    time.sleep(0.1)
