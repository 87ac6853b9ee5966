#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other end of a connection: found where it is on this machine, not guessed where it is not sure.

Who has not closed it, what it has read and what not, whose window is closed: of real processes. Across
network namespaces where the daemon reads them.
"""
import contextlib
import os
import socket
import subprocess
import sys
import unittest

import lib
import scenes
import sick

OPTIONS = [
    "--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.clear-hold=1s",
    "--rules.fin-wait-2-stuck.info-age=1s", "--rules.close-wait-leak.inbound.info-age=2s",
    "--rules.close-wait-leak.inbound.warning-age=1s", "--rules.fin-wait-1-stalled.info-age=2s",
    "--rules.last-ack-stalled.info-age=2s", "--rules.rst-on-close.info-age=1s",
]

# The upstream of a proxy: accepts, does to each what the third argument says, and never closes.
UPSTREAM = """
listener = listen(SO_RCVBUF=4096)
say(*listener.getsockname())
for _ in range(int(sys.argv[2])):
    sock = listener.accept()[0]
    keep.append(sock)
step()
for sock in keep[1:]:
    exec(sys.argv[3])
""" + sick.HOLD

PROXY = """
for _ in range(int(sys.argv[4])):
    sock = connect((sys.argv[2], int(sys.argv[3])), SO_SNDBUF=4096)
    exec(sys.argv[5])
    sock.shutdown(socket.SHUT_WR)
""" + sick.HOLD

# name: (connections, what the upstream does, what the proxy does before its shutdown())
SCENES = {
    "unread": (3, "pass", "pass"),
    "forgot": (2, "assert sock.recv(1) == b''", "pass"),
    "data": (2, "pass", "sock.sendall(bytes(100))"),
    "full": (2, "pass", "fill(sock)"),
    "last": (2, "fill(sock); sock.shutdown(socket.SHUT_WR)", "pass"),
}


class OneNamespace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.upstreams, cls.proxies = {}, {}
        for name, (count, server, client) in SCENES.items():
            upstream = cls.stack.enter_context(scenes.Actor(f"up-{name}", UPSTREAM, count, server))
            address = upstream.read()
            proxy = cls.stack.enter_context(scenes.Actor(f"px-{name}", PROXY, *address, count, client))
            proxy.read()
            upstream.go()
            upstream.read()
            cls.upstreams[name], cls.proxies[name] = upstream, proxy
        cls.stack.enter_context(lib.Daemon(*OPTIONS))

    def finding(self, rule, name, count):
        """The finding of the proxy, once all of its sockets and their holders are in it."""
        proxy, upstream = self.proxies[name], self.upstreams[name]

        def complete():
            rows = scenes.findings(rule, pid=proxy.pid)
            return (rows and rows[0]["count"] == count and rows[0]["evidence"]["peers_here"] == count
                    and f"(pid {upstream.pid}" in rows[0]["summary"] and rows[0])

        return lib.wait_for(complete, f"{rule} of px-{name} with its peers", 20, 0.1)

    def check(self, name, words, eof_read, eof_unread):
        count, upstream = SCENES[name][0], self.upstreams[name]
        row = self.finding("fin-wait-2-stuck", name, count)
        self.assertIn(f"up-{name} (pid {upstream.pid}", row["summary"])
        self.assertIn("has not closed the other end", row["summary"])
        self.assertIn(words, row["cause"])
        self.assertIn("in CLOSE-WAIT for", row["cause"])
        self.assertEqual(row["evidence"]["peers_not_here"], 0)
        self.assertEqual(row["evidence"]["peers_eof_read"], eof_read)
        self.assertEqual(row["evidence"]["peers_eof_unread"], eof_unread)
        # And the other way round: who leaks names who waits.
        leak = lib.wait_for(lambda: [r for r in scenes.findings("close-wait-leak", pid=upstream.pid)
                                     if f"(pid {self.proxies[name].pid}" in r["cause"]],
                            f"close-wait-leak of up-{name} names the proxy", 20, 0.1)[0]
        self.assertEqual(leak["evidence"]["peers_here"], count)

    def test_end_of_file_not_read(self):
        self.check("unread", "3 have not read the end of file", 0, 3)

    def test_end_of_file_read_and_forgotten(self):
        self.check("forgot", "2 have read everything up to the end of file and forgotten", 2, 0)

    def test_data_not_read(self):
        self.check("data", "2 have not even read the data before it", 0, 2)

    def test_window_closed(self):
        row = self.finding("fin-wait-1-stalled", "full", 2)
        upstream = self.upstreams["full"]
        self.assertIn("2 sockets in FIN-WAIT-1 whose peers acknowledge nothing more", row["summary"])
        self.assertIn(f"up-full (pid {upstream.pid}", row["summary"])
        self.assertIn("does not read", row["summary"])
        self.assertIn("The peer's window is closed: it does not read", row["cause"])
        self.assertEqual(row["evidence"]["window_closed"], 2)
        self.assertEqual(row["evidence"]["silent"], 0)
        self.assertGreater(row["evidence"]["peers_unread_bytes"], 1000)

    def test_last_ack(self):
        upstream, proxy = self.upstreams["last"], self.proxies["last"]
        row = lib.wait_for(lambda: [r for r in scenes.findings("last-ack-stalled", pid=upstream.pid)
                                    if r["count"] == 2 and f"(pid {proxy.pid}" in r["summary"]],
                           "last-ack-stalled names who does not read", 20, 0.1)[0]
        self.assertIn("2 sockets in LAST-ACK whose peers acknowledge nothing more", row["summary"])
        self.assertEqual((row["evidence"]["window_closed"], row["evidence"]["peers_here"]), (2, 2))

    def test_peer_in_full(self):
        proxy, upstream = self.proxies["unread"], self.upstreams["unread"]
        lib.wait_for(lambda: len(lib.sockets(f"pid={upstream.pid}&state=close-wait")) == 3, "their holder is known")
        row = lib.sockets(f"pid={proxy.pid}&state=fin-wait-2&detail=full")[0]
        other = row["peer_socket"]
        self.assertEqual(row["peer"], other["id"])
        self.assertIsNone(row["peer_unknown"])
        self.assertEqual((other["state"], other["fin_unread"], other["unread_bytes"]), ("close-wait", True, 0))
        self.assertEqual((other["holder"]["pid"], other["holder"]["comm"]), (upstream.pid, "up-unread"))
        link = os.readlink(f"/proc/{upstream.pid}/fd/{other['holder']['fd']}")
        back = lib.get(f"/sockets/{other['id']}")
        self.assertEqual(link, f"socket:[{back['inode']}]")
        self.assertEqual(back["peer"], row["id"])
        groups = lib.get(f"/sockets?pid={proxy.pid}&group=peer_socket.holder.comm")["groups"]
        self.assertEqual(groups[0]["count"], 3)

    def test_v4_mapped(self):
        with socket.socket(socket.AF_INET6) as listener:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
            listener.listen()
            client = socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 10)
            server = listener.accept()[0]
            with client, server:
                client.shutdown(socket.SHUT_WR)
                query = scenes.tuple_query(client)
                row = lib.wait_for(lambda: [r for r in lib.sockets(query + "&detail=full") if r["peer"]], "its peer")[0]
                self.assertEqual(row["peer_socket"]["state"], "close-wait")
                self.assertTrue(lib.get(f"/sockets/{row['peer']}")["mapped"])

    def test_open_connections_are_not_looked_for(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as client:
                row = lib.wait_socket(scenes.tuple_query(client), "an open connection")
                self.assertIsNone(row["peer"])
                self.assertEqual(row["peer_unknown"], "not-looked-for")

    def test_translated(self):
        """DNAT: the client calls another address than the server has; nobody is guessed."""
        rules = """table ip peers_dnat {
            chain output {
                type nat hook output priority -100;
                ip daddr 192.0.2.80 tcp dport 80 dnat to 127.0.0.9:PORT
            }
        }"""
        with socket.create_server(("127.0.0.9", 0)) as listener:
            subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "lo"], check=True)
            self.addCleanup(subprocess.run, ["ip", "address", "del", "192.0.2.1/24", "dev", "lo"], check=True)
            done = subprocess.run(["nft", "-f", "-"], text=True, capture_output=True,
                                  input=rules.replace("PORT", str(listener.getsockname()[1])))
            if done.returncode:
                self.skipTest(f"no NAT in this kernel: {done.stderr.strip().splitlines()[0]}")
            self.addCleanup(subprocess.run, ["nft", "delete", "table", "ip", "peers_dnat"], check=True)
            client = socket.create_connection(("192.0.2.80", 80), 10)
            server = listener.accept()[0]
            with client, server:
                client.shutdown(socket.SHUT_WR)
                row = lib.wait_for(lambda: lib.sockets(scenes.tuple_query(client) + "&state=fin-wait-2"),
                                   "the client's end")[0]
                self.assertIsNone(row["peer"])
                self.assertIn(row["peer_unknown"], ("not-here", "not-seen", "not-found"))
                other = lib.wait_for(lambda: lib.sockets(scenes.tuple_query(server) + "&state=close-wait"),
                                     "the server's end")[0]
                self.assertIsNone(other["peer"])


# One end of a connection, in a namespace of its own: serves, or connects and shuts its sending side.
END = """
if sys.argv[2] == "serve":
    listener = socket.create_server(("10.77.0.3", 7780))
    keep.append(listener)
    say("ready")
    keep.append(listener.accept()[0])
else:
    sock = socket.socket()
    sock.bind(("10.77.0.2", 40077))
    sock.connect(("10.77.0.3", 7780))
    keep.append(sock)
    sock.shutdown(socket.SHUT_WR)
say("ready")
step()
"""


class InNamespace(scenes.Actor):
    """The program above, entered into a namespace of `ip netns`."""

    def __init__(self, comm, netns, what):
        self.comm = comm
        self.process = subprocess.Popen(["ip", "netns", "exec", netns, sys.executable, "-c", scenes.PRELUDE + END, comm, what],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class AcrossNamespaces(unittest.TestCase):
    """Two namespaces with a veth pair between them; then two more with the same addresses."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.stack.enter_context(lib.Daemon(*OPTIONS, "--collector.namespaces"))
        if len(lib.get("/status").get("namespaces", [])) < 1:
            self.skipTest("namespaces are not listed")

    def network(self, number):
        """A pair of namespaces, 10.77.0.2 and 10.77.0.3, whatever others there are."""
        names = [f"tcpdiag-peers-{os.getpid()}-{number}{side}" for side in "ab"]
        for name in names:
            ip("netns", "add", name)
            self.stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for name, address in zip(names, ("10.77.0.2/24", "10.77.0.3/24")):
            ip("-n", name, "address", "add", address, "dev", "veth0")
            ip("-n", name, "link", "set", "veth0", "up")
        server = self.stack.enter_context(InNamespace(f"srv-{number}", names[1], "serve"))
        server.read()
        client = self.stack.enter_context(InNamespace(f"cli-{number}", names[0], "connect"))
        client.read()
        server.read()
        return client, server

    def ends(self):
        return lib.sockets("port=7780&state=fin-wait-2&detail=full")

    def test_pair_and_overlapping_addresses(self):
        _, server = self.network(1)
        try:
            lib.wait_for(self.ends, "the end in another namespace is shown", 10, 0.2)
        except AssertionError:
            self.skipTest("this daemon does not read other namespaces")
        row = lib.wait_for(lambda: [r for r in self.ends() if r["peer"] and r["peer_socket"]["holder"]],
                           "its peer across the veth pair", 20, 0.2)[0]
        other = row["peer_socket"]
        self.assertEqual(other["holder"]["comm"], server.comm)
        self.assertNotEqual(other["netns"], row["netns"])
        self.assertEqual(other["state"], "close-wait")

        # The same four numbers once more, in two other namespaces: now nobody can tell.
        self.network(2)
        rows = lib.wait_for(lambda: len(self.ends()) == 2 and all(r["peer_unknown"] == "several" for r in self.ends())
                            and self.ends(), "several fit", 20, 0.2)
        self.assertEqual([r["peer"] for r in rows], [None, None])


if __name__ == "__main__":
    lib.main()
