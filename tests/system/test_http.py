#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP as a client meets it: wrong requests, negotiation, addresses, paging, and the same sockets as ss."""
import contextlib
import gzip
import http.client
import ipaddress
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest

import lib

OUTSIDE = "10.99.0.1"  # an address of this namespace that is not loopback


class Sockets(contextlib.ExitStack):
    """count connections over IPv4 and IPv6, both ends open, all with one port of this server at one end."""

    def __init__(self, count):
        super().__init__()
        self.listener = self.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6,
                                                                dualstack_ipv6=True, backlog=64))
        self.port = self.listener.getsockname()[1]
        for i in range(count):
            host = "::1" if i % 4 == 3 else "127.0.0.1"
            self.enter_context(socket.create_connection((host, self.port), 5))
            self.enter_context(self.listener.accept()[0])


def raw(request, address=lib.ADDRESS, timeout=10):
    """Sends bytes; what comes back until the end."""
    got = b""
    with socket.create_connection(address, timeout) as sock:
        sock.sendall(request)
        while piece := sock.recv(65536):
            got += piece
    return got


class OneDaemon(unittest.TestCase):
    COUNT = 500
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.sockets = cls.stack.enter_context(Sockets(cls.COUNT))
        cls.daemon = cls.stack.enter_context(lib.Daemon("--interval", "500ms", "--sweep-interval", "500ms",
                                                        "--cpu-share", "50", *cls.OPTIONS))
        cls.all = 2 * cls.COUNT + 1
        cls.filter = f"port={cls.sockets.port}"
        lib.wait_for(lambda: len(lib.sockets(cls.filter)) == cls.all, "all sockets", 20)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()


class WrongRequests(OneDaemon):
    COUNT = 2

    def problem(self, reply, status, parameter=None, words=""):
        self.assertEqual(reply.status, status, reply.text)
        self.assertEqual(reply.headers["content-type"].split(";")[0], "application/problem+json")
        problem = reply.json()
        self.assertLessEqual({"type", "title", "status", "detail"}, set(problem))
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem.get("parameter"), parameter, problem)
        self.assertIn(words, problem["detail"])

    def test_parameters(self):
        for query, parameter in (("nosuch=1", "nosuch"), ("limit=x", "limit"), ("limit=-1", "limit"),
                                 ("state=open", "state"), ("remote=10.0.0.0/99", "remote"), ("port=65536", "port"),
                                 ("sort=beauty", "sort"), ("fields=id,beauty", "fields"), ("format=xml", "format"),
                                 ("min_unread=few", "min_unread"), ("after=there", "after"), ("group=a,b,c", "group"),
                                 ("closes_with=love", "closes_with")):
            with self.subTest(query):
                self.problem(lib.request("/sockets?" + query), 400, parameter)
        self.problem(lib.request("/findings?severity=awful"), 400, "severity")
        self.problem(lib.request("/status?verbose=1"), 400, "verbose")
        self.problem(lib.request("/sockets?state=%zz"), 400, "state")
        self.problem(lib.request("/sockets?limit=1&limit=2"), 400, "limit")

    def test_paths(self):
        for path, status in (("/nosuch", 404), ("/sockets/", 404), ("/sockets/1-0", 404), ("/sockets/no-id", 400),
                             ("/rules/nosuch", 404), ("/%zz", 400), ("/-/", 404), ("//sockets", 404),
                             ("/../etc/passwd", 404), ("/SOCKETS", 404)):
            with self.subTest(path):
                self.problem(lib.request(path), status)

    def test_methods(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            with self.subTest(method):
                reply = lib.request("/sockets", method=method)
                self.problem(reply, 405)
                self.assertEqual(reply.headers["allow"], "GET, HEAD")

    def test_host(self):
        for host in ("evil.example", "evil.example:19293", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil"):
            with self.subTest(host):
                self.problem(lib.request("/metrics", headers={"Host": host}), 421, words="--web.allowed-hosts")
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:19293", "[::1]"):
            with self.subTest(host):
                self.assertEqual(lib.request("/metrics", headers={"Host": host}).status, 200)
        self.assertTrue(raw(b"GET /status HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 "))

    def test_sizes(self):
        self.problem(lib.request("/sockets?unit=" + "x" * 9000), 414)
        self.assertEqual(lib.request("/sockets?unit=" + "x" * 7000).status, 200)
        # Beyond what the library keeps it says so by itself, without a document.
        self.assertIn(lib.request("/" + "x" * 60000).status, (414, 431))
        self.assertEqual(lib.request("/status", headers={"X-Long": "x" * 20000}).status, 431)

    def test_a_body_is_not_read_for_ever(self):
        reply = lib.request("/status", method="POST", headers={"Content-Length": str(1 << 40)})
        self.problem(reply, 405)

    def test_garbage(self):
        for garbage in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
                        b"GET / HTTP/9.9\r\n\r\n"):
            with self.subTest(garbage):
                with contextlib.suppress(ConnectionResetError, TimeoutError):
                    self.assertNotIn(b" 200 ", raw(garbage, timeout=1)[:15])
        self.assertEqual(lib.request("/-/healthy").status, 200)

    def test_no_cors(self):
        reply = lib.request("/sockets", headers={"Origin": "http://evil.example"})
        self.assertFalse([name for name in reply.headers if name.startswith("access-control-")])


class Negotiation(OneDaemon):
    COUNT = 50

    def test_every_route(self):
        paths = lib.get("/openapi.json")["paths"]
        socket_id = lib.sockets(self.filter)[0]["id"]
        rule = lib.get("/rules")["rules"][0]["id"]
        # Who holds what is known a moment later than the sockets.
        lib.wait_for(lambda: lib.request("/processes").status == 200, "holders", 20)
        process = lib.get("/processes")["processes"][0]["pid"]
        for path in paths:
            with self.subTest(path):
                # There need not be a unit or a container here.
                if path in ("/units/{name}", "/containers/{id}"):
                    path = path[:path.index("{")] + "none-of-that-name"
                    self.assertEqual(lib.request(path).status, 404)
                    continue
                path = path.replace("{id}", rule if path.startswith("/rules") else socket_id)
                path = path.replace("{pid}", str(process)).replace("{file}", "page.js")
                reply = lib.request(path)
                self.assertEqual(reply.status, 200, reply.text)
                if reply.headers["content-type"].startswith("application/json"):
                    self.assertIsInstance(reply.json(), dict)
                else:
                    kind = {"/page/page.js": "text/javascript"}.get(path, "text/plain")
                    self.assertTrue(reply.headers["content-type"].startswith(kind), reply.headers)
                    self.assertTrue(reply.text)
                head = lib.request(path, method="HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual(head.headers["content-type"], reply.headers["content-type"])
        self.assertGreaterEqual(len(paths), 20)

    def test_live_documents_name_their_snapshot(self):
        for path in ("/sockets", "/findings", "/summary", "/listeners", "/status", "/events", "/resets"):
            snapshot = lib.get(path)["snapshot"]
            self.assertLessEqual({"id", "time", "age_seconds", "sweep_age_seconds", "complete"}, set(snapshot), path)
            self.assertEqual("missing" in snapshot, not snapshot["complete"], path)
        self.assertEqual(lib.get("/status")["api"], "1")

    def test_head_leaves_the_connection_usable(self):
        with contextlib.closing(http.client.HTTPConnection(*lib.ADDRESS, timeout=10)) as connection:
            for path in ("/status", "/sockets?limit=0", "/metrics"):
                connection.request("HEAD", path)
                response = connection.getresponse()
                self.assertEqual((response.status, response.read()), (200, b""))
                connection.request("GET", "/-/healthy")
                response = connection.getresponse()
                self.assertEqual(response.status, 200)
                response.read()

    def test_gzip(self):
        for path in (f"/sockets?limit=0&{self.filter}", "/metrics", "/openapi.json"):
            plain = lib.request(path)
            self.assertNotIn("content-encoding", plain.headers)
            packed = lib.request(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
            self.assertEqual(packed.headers["content-encoding"], "gzip", path)
            self.assertIn("Accept-Encoding", packed.headers["vary"])
            self.assertLess(len(packed.body), len(plain.body))
            text = gzip.decompress(packed.body)
            if path.startswith("/sockets"):
                self.assertEqual(len(json.loads(text)["sockets"]), self.all)
        refused = lib.request("/metrics", headers={"Accept-Encoding": "gzip;q=0"})
        self.assertNotIn("content-encoding", refused.headers)

    def test_etag_of_a_rule(self):
        for path in ("/rules", "/rules/close-unread-data", "/rules/close-unread-data?format=text"):
            etag = lib.request(path).headers["etag"]
            self.assertRegex(etag, r'\AW/".+"\Z')
            lib.wait_for(lambda: lib.request(path, headers={"If-None-Match": lib.request(path).headers["etag"]}).status == 304,
                         f"{path} is not sent again")

    def test_etag(self):
        # A new snapshot may come in between: then the next try hits.
        def unchanged():
            first = lib.request("/summary")
            etag = first.headers["etag"]
            self.assertRegex(etag, r'\AW/".+"\Z')
            again = lib.request("/summary", headers={"If-None-Match": f'"x", {etag}'})
            if again.status == 304:
                self.assertEqual(again.body, b"")
                self.assertEqual(again.headers["etag"], etag)
            return again.status == 304

        lib.wait_for(unchanged, "304 within one snapshot")
        etag = lib.request("/summary").headers["etag"]
        self.assertEqual(lib.request("/summary", headers={"If-None-Match": '"x"'}).status, 200)
        lib.wait_for(lambda: lib.request("/summary", headers={"If-None-Match": etag}).status == 200,
                     "a new snapshot has another one", 5)
        # One encoding's validator is not the other's (the part behind the number of the snapshot).
        packed = lib.request("/summary", headers={"Accept-Encoding": "gzip"}).headers["etag"]
        plain = lib.request("/summary").headers["etag"]
        self.assertNotEqual(packed.split("-", 1)[1], plain.split("-", 1)[1])

    def test_ndjson_is_lines(self):
        for query in ("format=ndjson", "format=ndjson&detail=full"):
            reply = lib.request(f"/sockets?limit=0&{self.filter}&{query}")
            self.assertEqual(reply.headers["content-type"], "application/x-ndjson")
            self.assertTrue(reply.body.endswith(b"\n"))
            rows = [json.loads(line) for line in reply.text.splitlines()]
            self.assertEqual(len(rows), self.all)
            self.assertTrue(all("id" in row for row in rows))
        by_accept = lib.request("/sockets?limit=1", headers={"Accept": "application/x-ndjson"})
        self.assertEqual(len(by_accept.text.splitlines()), 1)

    def test_text(self):
        reply = lib.request(f"/sockets?limit=0&format=text&{self.filter}")
        self.assertTrue(reply.headers["content-type"].startswith("text/plain"))
        lines = reply.text.splitlines()
        self.assertEqual(len([line for line in lines if f":{self.sockets.port}" in line]), self.all)
        self.assertRegex(lines[0], r"(?i)state\s+recv-q\s+send-q")
        report = lib.request("/")
        self.assertTrue(report.headers["content-type"].startswith("text/plain"))
        self.assertTrue(report.text.startswith("tcpdiagd "))
        self.assertLessEqual(max(map(len, report.text.splitlines())), 100)

    def test_fields_and_groups(self):
        rows = lib.sockets(self.filter + "&fields=id,local.port,state")
        self.assertEqual({tuple(sorted(row)) for row in rows}, {("id", "local", "state")})
        self.assertEqual({tuple(row["local"]) for row in rows}, {("port",)})
        groups = lib.get(f"/sockets?{self.filter}&group=state")["groups"]
        count = {group["key"]["state"] if isinstance(group["key"], dict) else group["key"][0]
                 if isinstance(group["key"], list) else group["key"]: group["count"] for group in groups}
        self.assertEqual(count, {"established": self.all - 1, "listening": 1})


class Lists(OneDaemon):
    """A thousand sockets."""

    def test_paging_gives_each_once(self):
        seen, path, pages = [], f"/sockets?limit=7&fields=id&{self.filter}", 0
        with contextlib.closing(http.client.HTTPConnection(*lib.ADDRESS, timeout=10)) as connection:
            while path:
                connection.request("GET", path)
                response = connection.getresponse()
                page = json.loads(response.read())
                self.assertEqual(response.status, 200, page)
                self.assertEqual(page["matched"], self.all)
                self.assertEqual(page["returned"], len(page["sockets"]))
                self.assertLessEqual(page["returned"], 7)
                seen += [row["id"] for row in page["sockets"]]
                pages += 1
                path = None
                if page["next"] is not None:
                    self.assertIn('rel="next"', response.getheader("link"))
                    path = f"/sockets?limit=7&fields=id&{self.filter}&after={page['next']}"
        self.assertEqual(pages, -(-self.all // 7))
        self.assertEqual(len(seen), self.all)
        self.assertEqual(len(set(seen)), self.all)

    def test_links_lead_through_all(self):
        seen, path = [], f"/sockets?limit=300&{self.filter}"
        while path:
            reply = lib.request(path)
            seen += [row["id"] for row in reply.json()["sockets"]]
            link = reply.headers.get("link")
            path = link.split(">")[0].lstrip("<") if link else None
        self.assertEqual((len(seen), len(set(seen))), (self.all, self.all))

    @staticmethod
    def end_of(text):
        """An address and a port as ss prints them; without brackets and mapping."""
        host, _, port = text.rpartition(":")
        host = host.strip("[]").partition("%")[0]
        if host in ("*", ""):
            return None, port
        address = ipaddress.ip_address(host)
        return str(getattr(address, "ipv4_mapped", None) or address), port

    def test_the_same_as_ss(self):
        own = str(lib.ADDRESS[1])

        def by_ss():
            out = subprocess.run(["ss", "-Htan"], capture_output=True, text=True, check=True).stdout
            rows = set()
            for line in out.splitlines():
                (a, p), (b, q) = (self.end_of(text) for text in line.split()[3:5])
                if own not in (p, q):
                    rows.add((a if q != "*" else None, p, b, q))
            return rows

        def by_us():
            rows = set()
            for row in lib.sockets("fields=local,remote,state"):
                local, remote = row["local"], row["remote"]
                if own in (str(local["port"]), str(remote and remote["port"])):
                    continue
                if remote:
                    rows.add((local["address"], str(local["port"]), remote["address"], str(remote["port"])))
                else:
                    rows.add((None, str(local["port"]), None, "*"))
            return rows

        lib.wait_for(lambda: by_ss() == by_us(), "the same four-tuples as ss", 10)
        self.assertGreaterEqual(len(by_us()), self.all)

    def test_all_in_one_reply(self):
        reply = lib.request("/sockets?limit=0&detail=full")
        document = reply.json()
        self.assertEqual(document["matched"], document["returned"])
        self.assertEqual(document["returned"], len(document["sockets"]))
        self.assertIsNone(document["next"])
        self.assertEqual(reply.headers.get("transfer-encoding"), "chunked")
        self.assertEqual(len(lib.get("/sockets")["sockets"]), 1000)


class Addresses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["ip", "address", "add", f"{OUTSIDE}/32", "dev", "lo"], check=True)

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["ip", "address", "del", f"{OUTSIDE}/32", "dev", "lo"], check=True)

    def test_outside_only_metrics_and_health(self):
        outside = (OUTSIDE, 19293)
        with lib.Daemon("--web.listen-address", "127.0.0.1:19293", "--web.listen-address", f"{OUTSIDE}:19293"):
            for path in ("/", "/sockets", "/findings", "/summary", "/listeners", "/status", "/openapi.json", "/rules"):
                reply = lib.request(path, address=outside)
                self.assertEqual(reply.status, 403, path)
                self.assertEqual(reply.headers["content-type"].split(";")[0], "application/problem+json")
                self.assertIn("--web.expose-api", reply.json()["detail"])
                self.assertEqual(lib.request(path).status, 200, path)
            for path in ("/metrics", "/-/healthy", "/-/ready", "/healthz", "/readyz"):
                self.assertEqual(lib.request(path, address=outside).status, 200, path)
            # Whatever it calls itself: no rebinding to fear there.
            self.assertEqual(lib.request("/metrics", address=outside, headers={"Host": "node.example"}).status, 200)

    def test_expose_api(self):
        with lib.Daemon("--web.listen-address", ":19293", "--web.expose-api") as daemon:
            for address in ((OUTSIDE, 19293), ("127.0.0.1", 19293), ("::1", 19293)):
                self.assertEqual(lib.request("/sockets", address=address).status, 200, address)
            self.assertIn("web.expose-api", daemon.output())

    def test_all_addresses_are_not_loopback(self):
        with lib.Daemon("--web.listen-address", ":19293") as daemon:
            self.assertEqual(lib.request("/sockets").status, 403)
            # What it says to try is what works.
            self.assertIn("try: curl -s http://localhost:19293/metrics ", daemon.output())
            # Whoever comes over loopback may be somebody's browser; others name it as they like.
            for address, host, status in ((("127.0.0.1", 19293), "evil.example", 421), (("::1", 19293), "evil.example", 421),
                                          (("127.0.0.1", 19293), "localhost:1", 200), ((OUTSIDE, 19293), "node.example", 200)):
                reply = lib.request("/metrics", address=address, headers={"Host": host})
                self.assertEqual(reply.status, status, (address, host))

    def test_ipv6_loopback(self):
        with lib.Daemon("--web.listen-address", "[::1]:19293", wait=False):
            six = ("::1", 19293)

            def ready():
                with contextlib.suppress(OSError):
                    return lib.request("/-/ready", address=six).status == 200

            lib.wait_for(ready, "ready on [::1]", 15)
            self.assertEqual(lib.request("/sockets", address=six).status, 200)
            self.assertEqual(lib.request("/sockets", address=six, headers={"Host": "evil.example"}).status, 421)
            with self.assertRaises(OSError):
                lib.request("/sockets")

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/tcpdiagd.sock"
            with lib.Daemon("--web.listen-address", "unix:" + path, wait=False):

                def ready():
                    with contextlib.suppress(OSError):
                        return lib.request("/-/ready", address=path).status == 200

                lib.wait_for(ready, "ready on a unix socket", 15)
                self.assertIn("sockets", lib.request("/sockets", address=path).json())
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
                with self.assertRaises(OSError):
                    lib.request("/sockets")
            self.assertFalse(os.path.exists(path))
            # One that a killed daemon has left is no obstacle.
            with lib.Daemon("--web.listen-address", "unix:" + path, wait=False) as daemon:
                lib.wait_for(ready, "ready", 15)
                daemon.process.kill()
                daemon.process.wait()
            with lib.Daemon("--web.listen-address", "unix:" + path, wait=False):
                lib.wait_for(ready, "ready again", 15)

    def test_allowed_hosts(self):
        with lib.Daemon("--web.allowed-hosts", "node.example", "--web.allowed-hosts", "other.example"):
            for host, status in (("node.example", 200), ("other.example:80", 200), ("third.example", 421)):
                self.assertEqual(lib.request("/status", headers={"Host": host}).status, status, host)

    def test_idle_connection_is_closed(self):
        with lib.Daemon("--web.idle-timeout", "1s"):
            with socket.create_connection(lib.ADDRESS, 10) as sock:
                started = time.monotonic()
                self.assertEqual(sock.recv(1), b"")
                self.assertGreater(time.monotonic() - started, 0.5)


if __name__ == "__main__":
    lib.main()
