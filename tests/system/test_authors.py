#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resets as people meet them, of the programs that they use: /events names who did it, and why.

nginx cuts an upload, curl is killed in a download, a server closes with a request unread, an upstream dies behind a proxy,
and a client uses a connection that its server has just given up.
"""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import lib
from zoo import keeper

NGINX = """\
daemon off;
master_process off;
error_log stderr warn;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/t;
    proxy_temp_path {folder}/t;
    fastcgi_temp_path {folder}/t;
    uwsgi_temp_path {folder}/t;
    scgi_temp_path {folder}/t;
    client_max_body_size 10k;
    lingering_time 500ms;
    lingering_timeout 500ms;
    server {{
        listen 127.0.0.1:8080;
        location /big {{ alias {folder}/big; limit_rate 100k; }}
        location / {{ return 200 "hello"; }}
    }}
}}
"""

HAPROXY = """\
global
    maxconn 50
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:8000
    server upstream 127.0.0.1:8100
"""

# Answers early and closes, with the rest of the request unread.
EARLY = """
import socket
listener = socket.create_server(("127.0.0.1", 8200))
while True:
    server = listener.accept()[0]
    server.recv(10)
    server.sendall(b"HTTP/1.1 400 Bad Request\\r\\nContent-Length: 0\\r\\n\\r\\n")
    server.close()
"""

# Takes a connection and does nothing.
UPSTREAM = """
import socket, time
listener = socket.create_server(("127.0.0.1", 8100))
keep = []
while True:
    keep.append(listener.accept()[0])
"""

# Gives a connection up that was idle for 300 ms.
IMPATIENT = """
import socket
listener = socket.create_server(("127.0.0.1", 8300))
while True:
    server = listener.accept()[0]
    server.settimeout(0.3)
    try:
        while server.recv(1000):
            server.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except TimeoutError:
        pass
    server.close()
"""


@unittest.skipUnless(keeper.unpacked(), "the programs are not unpacked (make deps-zoo)")
class Authors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keeper = keeper.Keeper()
        cls.keeper.__enter__()
        cls.addClassCleanup(cls.keeper.__exit__)
        folder = cls.keeper.folder("authors")
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
        (folder / "big").write_bytes(bytes(5_000_000))
        (folder / "haproxy.cfg").write_text(HAPROXY)
        cls.nginx = cls.keeper.spawn("nginx", keeper.HOME / "nginx/usr/sbin/nginx", "-c", folder / "nginx.conf",
                                     "-p", folder, "-e", "stderr")
        cls.haproxy = cls.keeper.spawn("haproxy", cls.keeper.tool("usr/sbin/haproxy"), "-db", "-f", folder / "haproxy.cfg")
        cls.python = {name: cls.keeper.spawn(name, sys.executable, "-c", program)
                      for name, program in (("early", EARLY), ("upstream", UPSTREAM), ("impatient", IMPATIENT))}
        # On loopback both ends are seen, and each tells its own story.
        cls.daemon = lib.Daemon("--interval=500ms", "--sweep-interval=1s", "--cpu-share=20", "--collector.events-share=100")
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        state = next(s for s in lib.get("/status")["sources"] if s["name"] == "events")
        if state["state"] not in ("ok", "degraded"):
            raise unittest.SkipTest(f"no events: {state['reason']}")
        for port in (8000, 8080, 8100, 8200, 8300):
            lib.wait_for(lambda port=port: cls.listens(port), f"a listener at {port}")
        time.sleep(1.5)  # a sweep has seen who listens

    @staticmethod
    def listens(port):
        return f":{port} " in subprocess.run(["ss", "-Hltn"], check=True, capture_output=True, text=True).stdout

    def one(self, query, holds=lambda event: True):
        """The event of this query, of which there must be one."""
        def found():
            return [event for event in lib.get(f"/events?since=-1m&{query}")["events"] if holds(event)]
        events = lib.wait_for(found, query, 10)
        time.sleep(0.3)
        events = found()
        self.assertEqual(len(events), 1, events)
        return events[0]

    def test_nginx_cuts_an_upload(self):
        """413 at once, but the client goes on: nginx reads on for a while, then closes what still comes."""
        client = socket.create_connection(("127.0.0.1", 8080))
        port = client.getsockname()[1]
        # A walk over the descriptors has seen who has it: a RST that comes in says nothing about that.
        lib.wait_for(lambda: lib.get(f"/sockets?local.port={port}&pid={os.getpid()}")["matched"], "the client is seen", 20)
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            end = time.monotonic() + 10
            while time.monotonic() < end:
                client.sendall(bytes(20000))
                time.sleep(0.01)
        client.close()
        event = self.one(f"kind=reset-sent&local.port=8080&remote.port={port}")
        self.assertEqual(event["holder"]["pid"], self.nginx.pid)
        self.assertEqual(event["holder"]["comm"], "nginx")
        # By close() with data unread, or by data after it: the upload does not stop to be looked at.
        self.assertIn((event["reason"], event["actor"]), [("tcp-abort-on-close", "close"), ("tcp-abort-on-data", "kernel")])
        self.assertEqual(event["socket"]["direction"], "inbound")
        received = self.one(f"kind=reset-received&local.port={port}&remote.port=8080")
        self.assertEqual(received["actor"], "peer")
        self.assertEqual(received["holder"]["pid"], os.getpid())

    def test_curl_is_killed_in_a_download(self):
        curl = subprocess.Popen(["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8080/big"])
        time.sleep(2.5)
        curl.send_signal(signal.SIGSTOP)
        time.sleep(1)
        curl.kill()
        curl.wait()
        event = self.one("kind=reset-sent&remote.port=8080&comm=curl")
        self.assertEqual((event["reason"], event["actor"]), ("tcp-abort-on-close", "exit"))
        self.assertEqual(event["holder"]["pid"], curl.pid)
        self.assertGreater(event["unread_bytes"], 0)
        self.assertGreater(event["bytes_received"], event["unread_bytes"])
        self.assertRegex(event["cause"], f"curl.*{event['unread_bytes']:,}|curl.*{event['unread_bytes']}")

    def test_a_server_that_does_not_read_the_request(self):
        client = socket.create_connection(("127.0.0.1", 8200))
        port = client.getsockname()[1]
        client.sendall(b"x" * 5000)
        self.assertTrue(client.recv(1000) is not None)
        event = self.one(f"kind=reset-sent&local.port=8200&remote.port={port}")
        self.assertEqual((event["reason"], event["actor"], event["holder"]["pid"]),
                         ("tcp-abort-on-close", "close", self.python["early"].pid))
        self.assertEqual(event["unread_bytes"], 4990)
        self.assertEqual(event["predicted"]["segment"], "rst")
        client.close()

    def test_an_upstream_dies_behind_a_proxy(self):
        client = socket.create_connection(("127.0.0.1", 8000))
        client.sendall(b"request")
        time.sleep(1.5)
        upstream = self.python["upstream"]
        upstream.kill()
        upstream.wait()
        # The upstream had the request unread: its end resets the proxy's connection.
        event = self.one("kind=reset-sent&local.port=8100")
        self.assertEqual((event["reason"], event["actor"], event["holder"]["pid"], event["unread_bytes"]),
                         ("tcp-abort-on-close", "exit", upstream.pid, 7))
        received = self.one("kind=reset-received&remote.port=8100")
        self.assertEqual(received["holder"]["comm"], "haproxy")
        self.assertEqual(client.recv(100), b"")
        client.close()

    def test_a_keep_alive_race(self):
        """Two faces: our FIN not acknowledged yet cannot be made on loopback; this one meets the minisocket."""
        client = socket.create_connection(("127.0.0.1", 8300))
        port = client.getsockname()[1]
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        client.recv(1000)
        # A pool that does not look at its connections before it uses them.
        time.sleep(0.6)
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        event = self.one(f"kind=reset-sent&local.port=8300&remote.port={port}")
        self.assertIn(event["reason"], ("tcp-timewait-socket", "tcp-abort-on-data"))
        self.assertLess(event["closed_seconds_ago"], 5)
        self.assertGreater(event["closed_seconds_ago"], 0.05)
        who = event["creator"] or event["holder"]
        self.assertEqual(who["pid"], self.python["impatient"].pid)
        self.assertRegex(event["cause"], "keep-alive")
        client.close()

    def test_the_refused_one(self):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 9))
        event = self.one("kind=reset-sent&local.port=9")
        self.assertEqual((event["reason"], event["holder"]), ("no-socket-syn", None))


if __name__ == "__main__":
    lib.main()
