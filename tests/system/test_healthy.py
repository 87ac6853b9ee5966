#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A busy machine on which nothing is wrong: not one warning, whatever a careless look could take for a leak.

Ages are shortened to a thirtieth, so that 60 s are 2 s here; counts and shares stay as they are.
"""
import contextlib
import http.client
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest

import lib
import scenes

# No age is taken for less than two looks, hence quick ones.
OPTIONS = ["--interval=200ms", "--sweep-interval=400ms", "--cpu-share=50"] + [
    f"--rules.{name}={seconds}s" for name, seconds in {
        "rst-on-close.info-age": 2, "rst-on-close.warning-age": 4,
        "fin-wait-2-stuck.info-age": 4, "fin-wait-2-stuck.warning-age": 10,
        "close-wait-leak.inbound.info-age": 10, "close-wait-leak.inbound.warning-age": 2,
        "close-wait-leak.outbound.info-age": 10, "close-wait-leak.outbound.warning-age": 2,
        "close-wait-leak.unaccepted.warning-age": 1, "close-wait-leak.unaccepted.critical-age": 1,
        "listener-queue-at-risk.warning-age": 2, "listener-queue-at-risk.critical-age": 2,
        "linger-blocks.info-age": 1, "linger-blocks.warning-age": 1, "dead-descriptor.info-age": 10,
        "clear-hold": 2}.items()]
LASTS = 20  # seconds of watching

# A pool of 30 connections that have each got an answer; then the server closes them for being idle.
POOL = """
version, folder = sys.argv[2], sys.argv[3]
server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
client_context = ssl.create_default_context(cafile=folder + "/cert.pem")
client_context.minimum_version = client_context.maximum_version = ssl.TLSVersion[version]
listener = listen()


def serve():
    for _ in range(30):
        sock = server_context.wrap_socket(listener.accept()[0], server_side=True)
        sock.recv(100)
        sock.sendall(b"200")
        idle.append(sock)


idle = []
server = threading.Thread(target=serve)
server.start()
for _ in range(30):
    sock = client_context.wrap_socket(connect(listener.getsockname()), server_hostname="localhost")
    sock.sendall(b"GET")
    assert sock.recv(100) == b"200"
    keep.append(sock)
server.join()
say("ready")
step()
for sock in idle:
    sock.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):
        sock.unwrap()
    sock.close()
say("closed")
step()
"""

# A shipper of logs: writes for ever, and never reads the session tickets of TLS 1.3.
WRITER = """
folder = sys.argv[2]
server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
client_context = ssl.create_default_context(cafile=folder + "/cert.pem")
client_context.minimum_version = ssl.TLSVersion.TLSv1_3
listener = listen()


def serve():
    sock = server_context.wrap_socket(listener.accept()[0], server_side=True)
    while sock.recv(1000):
        pass


threading.Thread(target=serve, daemon=True).start()
sock = client_context.wrap_socket(connect(listener.getsockname()), server_hostname="localhost")
sock.sendall(b"a line\\n")
say("ready", sock.getsockname()[1])
while True:
    sock.sendall(b"a line\\n")
    time.sleep(0.1)
"""

# The reader of one connection is blocked in recv(); that of another is paused with data waiting.
READERS = """
listener = listen()
client, server = pair(listener)
server.settimeout(None)
threading.Thread(target=lambda: server.recv(1), daemon=True).start()
for _ in range(10):
    paused, other = pair(listener)
    other.sendall(bytes(1000))
say("ready")
step()
"""

# An upload: the reader is always behind, and always reads.
UPLOAD = """
listener = listen(SO_RCVBUF=65536)
client, server = pair(listener)
client.settimeout(None)
server.settimeout(None)


def write():
    while True:
        client.sendall(bytes(65536))


threading.Thread(target=write, daemon=True).start()
say("ready", server.getpeername()[1])
while True:
    server.recv(2048)
    time.sleep(0.001)
"""

# Thirty requests that end with a half-close, and long answers to them.
HALF_CLOSE = """
listener = listen()
pairs = []
for _ in range(30):
    client, server = pair(listener)
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    server.recv(100)
    assert server.recv(100) == b""
    pairs.append((client, server))
say("ready")
while True:
    for client, server in pairs:
        server.sendall(bytes(500))
        client.recv(1000)
    time.sleep(0.2)
"""

# A server of few workers: bursts wait in its queue for a moment, and are then answered.
BURSTS = """
listener = listen(128)
listener.settimeout(10)
say("ready")
while True:
    clients = [connect(listener.getsockname()) for _ in range(110)]
    for client in clients:
        client.sendall(b"GET")
    time.sleep(0.1)
    for _ in clients:
        sock = listener.accept()[0]
        sock.recv(3)
        sock.sendall(b"200")
        sock.close()
    for client in clients:
        assert client.recv(3) == b"200"
        client.close()
    keep[:] = [listener]
    time.sleep(0.7)
"""

# As kubelet probes: a second of linger on each connection, which is closed as soon as there is an answer.
PROBES = """
listener = listen()
say("ready")
while True:
    probe, server = pair(listener)
    linger(probe, 1)
    probe.sendall(b"GET")
    server.recv(3)
    server.sendall(b"200")
    probe.recv(3)
    probe.close()
    server.close()
    keep[:] = [listener]
    time.sleep(0.05)
"""

# Clients of a database: a thread each, asleep in recv(), or in poll() for the sake of a timeout; a long linger
# besides, and a fork that still has what its parent has.
BLOCKING = """
listener = listen()
for i in range(40):
    client, server = pair(listener)
    linger(client, 30)
    client.settimeout(1000 if i % 2 else None)
    threading.Thread(target=client.recv, args=(1,), daemon=True).start()
ends = os.pipe()
if os.fork() == 0:
    os.close(ends[1])
    os.read(ends[0], 1)
    os._exit(0)
say("ready")
step()
"""

# A pool whose connections a firewall has forgotten: some were reset, and it has not looked yet.
FORGOTTEN = """
listener = listen()
for _ in range(15):
    client, server = pair(listener)
    linger(server, 0)
    keep.remove(server)
    server.close()
say("ready")
step()
"""

NGINX = """\
daemon off;
master_process on;
worker_processes 2;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_timeout 1s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:8080;
        location / {{ return 200 "hello\\n"; }}
        location /big {{ root {folder}; }}
    }}
    server {{
        listen 127.0.0.1:8081;
        location / {{ proxy_pass http://127.0.0.1:8080; }}
    }}
}}
"""


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)


class Watch:
    """Asks for the findings several times a second and keeps all that is more than information. A context."""

    def __init__(self):
        self.looks = 0
        self.snapshots = set()
        self.infos = {}
        self.bad = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def look(self):
        document = lib.get("/findings?limit=0")
        self.looks += 1
        self.snapshots.add(document["snapshot"]["id"])
        for row in document["findings"]:
            if row["severity"] == "info":
                self.infos[row["rule"], (row["process"] or {}).get("comm")] = row
            else:
                self.bad.append((row["severity"], row["summary"]))

    def watch(self):
        while not self.stop.is_set():
            try:
                self.look()
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.bad.append(("no answer", repr(error)))
            time.sleep(0.2)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Healthy(unittest.TestCase):
    def nginx(self, stack, folder):
        """A real one with a proxy before it, under a small load; None where it was not unpacked."""
        program = lib.TOOLS / "usr" / "sbin" / "nginx"
        if not program.exists():
            return None
        (pathlib.Path(folder) / "big").write_bytes(bytes(300000))
        pathlib.Path(folder, "nginx.conf").write_text(NGINX.format(folder=folder))
        process = subprocess.Popen([str(program), "-c", f"{folder}/nginx.conf", "-p", folder, "-e",
                                    f"{folder}/error.log"], stdin=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        stop, served, failed = threading.Event(), [], []

        def load(keep):
            """Asks until the end, over one connection, or over a new one each time."""
            connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=10)
            while not stop.is_set():
                try:
                    for path in ("/", "/big", "/"):
                        connection.request("GET", path)
                        served.append(len(connection.getresponse().read()))
                except (OSError, http.client.HTTPException) as error:
                    failed.append(error)
                    connection.close()
                if not keep:
                    connection.close()  # the next request connects
                time.sleep(0.02)
            connection.close()

        def listening():
            with contextlib.suppress(OSError):
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", 8081, timeout=1)) as connection:
                    connection.connect()
                    return True

        lib.wait_for(listening, "nginx listens", 10)
        threads = [threading.Thread(target=load, args=(i % 2,)) for i in range(4)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        return served, failed

    def actors(self, stack, folder):
        programs = {"pool-12": (POOL, "TLSv1_2", folder), "pool-13": (POOL, "TLSv1_3", folder),
                    "writer": (WRITER, folder), "readers": (READERS,), "upload": (UPLOAD,),
                    "half-close": (HALF_CLOSE,), "bursts": (BURSTS,), "probes": (PROBES,), "blocking": (BLOCKING,),
                    "forgotten": (FORGOTTEN,)}
        actors = {name: stack.enter_context(scenes.Actor(name, *program)) for name, program in programs.items()}
        return actors, {name: actor.read() for name, actor in actors.items()}

    def test_no_warning(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(folder, 0o755)
            certificate(folder)
            actors, said = self.actors(stack, folder)
            nginx = self.nginx(stack, folder)
            stack.enter_context(lib.Daemon(*OPTIONS))
            with Watch() as watch:
                started = time.monotonic()
                for name in ("pool-12", "pool-13"):
                    actors[name].go()
                    self.assertEqual(actors[name].read(), ["closed"])

                # What a careless look would take for a leak is there, and is told as it is.
                for name, unread in (("pool-12", 31), ("pool-13", 24)):
                    query = f"state=close-wait&pid={actors[name].pid}"
                    rows = lib.wait_for(lambda q=query: len(found := lib.sockets(q)) == 30 and found, query, 25)
                    self.assertEqual({(r["unread_bytes"], r["fin_unread"], r["direction"]) for r in rows},
                                     {(unread, True, "outbound")})
                    self.assertEqual({(r["outcomes"]["close"]["segment"], r["outcomes"]["close"]["peer_finished"])
                                      for r in rows}, {("rst", True)})
                writer = lib.wait_socket(f"local.port={said['writer'][1]}", "the writer")
                self.assertGreater(writer["unread_bytes"], 100)
                upload = lib.wait_socket(f"remote.port={said['upload'][1]}", "the upload")
                lib.wait_for(lambda: lib.wait_socket(f"remote.port={said['upload'][1]}", "")["unread_bytes"] > 0,
                             "the upload is behind")
                self.assertEqual(upload["state"], "established")
                half = lib.sockets(f"state=fin-wait-2&pid={actors['half-close'].pid}")
                self.assertEqual(len(half), 30)
                lib.wait_for(lambda: time.monotonic() - started > LASTS, "the time is over", 2 * LASTS)

                # The reader that is behind makes progress: its age does not grow.
                upload = lib.wait_socket(f"remote.port={said['upload'][1]}", "the upload")
                self.assertLess(upload["unread_seconds"] or 0, 5)
                self.assertEqual(lib.sockets(f"finding=fin-wait-2-stuck&pid={actors['half-close'].pid}"), [])
                self.assertEqual(lib.sockets(f"finding=rst-on-close&pid={actors['upload'].pid}"), [])
            for actor in actors.values():
                self.assertIsNone(actor.process.poll(), actor.comm)
        self.assertEqual(watch.bad, [])
        self.assertGreater(watch.looks, 2 * LASTS)
        self.assertGreater(len(watch.snapshots), LASTS)
        # The daemon was awake: what is only worth knowing it has told.
        self.assertIn(("rst-on-close", "readers"), watch.infos)
        self.assertIn(("rst-on-close", "writer"), watch.infos)
        accused = {comm for _, comm in watch.infos}
        for name in ("upload", "half-close", "probes", "blocking", "forgotten", "nginx"):
            self.assertNotIn(name, accused)
        if nginx is None:
            self.skipTest("nginx is not unpacked (make deps-test); the rest is as it should be")
        served, failed = nginx
        self.assertGreater(len(served), 200)
        self.assertIn(300000, served)
        self.assertLess(len(failed), len(served) / 10, failed[:3])


if __name__ == "__main__":
    lib.main()
