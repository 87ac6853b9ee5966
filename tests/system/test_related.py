#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both ends of a connection on one machine: each story names the other, though no poll has seen either.

Connections that live for milliseconds, between polls of half a minute: across a veth pair, over loopback, and where two
pairs of namespaces use the same addresses.
"""
import contextlib
import os
import subprocess
import sys
import time
import unittest

import lib

PORT = 7791

# Accepts one, waits for its data and closes without reading it.
SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print(flush=True)
for line in sys.stdin:
    sock = listener.accept()[0]
    sock.recv(5, socket.MSG_PEEK)
    sock.close()
    print(flush=True)
"""

# Connects from a port of its own, sends, and waits for the RST.
CLIENT = """
import socket, sys
for line in sys.stdin:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((sys.argv[1], int(line)))
    sock.connect((sys.argv[2], int(sys.argv[3])))
    sock.sendall(b"hello")
    try:
        sock.recv(1)
    except ConnectionResetError:
        pass
    sock.close()
    print(flush=True)
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Child:
    """A Python in a namespace, told what to do by lines."""

    def __init__(self, stack, netns, program, *arguments):
        where = ["ip", "netns", "exec", netns] if netns else []
        self.process = stack.enter_context(subprocess.Popen(
            [*where, sys.executable, "-c", program, *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True))
        stack.callback(self.process.stdin.close)
        stack.callback(self.process.kill)

    def read(self):
        if not self.process.stdout.readline():
            raise AssertionError("a child has ended")

    def go(self, text=""):
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()


class Related(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = lib.Daemon("--interval=30s", "--sweep-interval=30s", "--collector.events-share=100",
                                "--collector.namespaces")
        cls.daemon.__enter__()
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        source = lib.wait_for(lambda: next((s for s in lib.get("/status")["sources"]
                                            if s["name"] == "events" and s["state"] != "starting"), None), "events", 10)
        if source["state"] != "ok":
            raise unittest.SkipTest(f"no events: {source['reason']}")

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def network(self, number):
        """Two namespaces and the cable between them; every one has the same addresses."""
        names = [f"tcpdiag-related-{os.getpid()}-{number}{side}" for side in "ab"]
        for name in names:
            ip("netns", "add", name)
            self.stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for name, address in zip(names, ("10.78.0.2/24", "10.78.0.3/24")):
            ip("-n", name, "address", "add", address, "dev", "veth0")
            ip("-n", name, "link", "set", "veth0", "up")
        return names

    def pair(self, server_netns, client_netns, server, client):
        """A server and a client, ready."""
        listening = Child(self.stack, server_netns, SERVER, server, PORT)
        listening.read()
        return listening, Child(self.stack, client_netns, CLIENT, client, server, PORT)

    @staticmethod
    def connect(pairs, port):
        """One connection of each of them, at once, which the server resets."""
        for server, client in pairs:
            server.go()
            client.go(port)
        for server, client in pairs:
            server.read()
            client.read()

    @staticmethod
    def stories(port, count):
        def told():
            events = lib.get(f"/events?kind=reset-sent&kind=reset-received&port={PORT}")["events"]
            events = [e for e in events if port in (e["socket"]["local"]["port"], e["socket"]["remote"]["port"])]
            return len(events) >= count and events
        return lib.wait_for(told, "both stories of each", 20)

    def resets(self, pairs, port):
        self.connect(pairs, port)
        return self.stories(port, 2 * len(pairs))

    @staticmethod
    def lost():
        events = lib.get("/status")["events"]
        return events["dropped"], events["brake_pulled"]

    def unless_lost(self, body, port):
        """Once more from another port where the machine was so busy that events are lost."""
        for attempt in range(3):
            before = self.lost()
            try:
                return body(port + 1000 * attempt)
            except AssertionError:
                if attempt == 2 or self.lost() == before:
                    raise

    def check_each_other(self, events, netns_differ):
        sent, received = sorted(events, key=lambda event: event["kind"] != "reset-sent")
        self.assertEqual((sent["kind"], received["kind"]), ("reset-sent", "reset-received"))
        self.assertEqual(sent["related"], received["socket"]["id"], sent)
        self.assertEqual(received["related"], sent["socket"]["id"], received)
        self.assertEqual(sent["socket"]["netns"] != received["socket"]["netns"], netns_differ)
        # The client can be told who it was, from the one story to the other.
        self.assertEqual([e["actor"] for e in lib.get(f"/sockets/{received['related']}")["events"]], ["close"])

    def test_across_a_cable(self):
        client, server = self.network(1)
        pair = self.pair(server, client, "10.78.0.3", "10.78.0.2")
        self.unless_lost(lambda port: self.check_each_other(self.resets([pair], port), True), 40001)

    def test_loopback(self):
        pair = self.pair(None, None, "127.0.0.1", "127.0.0.1")
        self.unless_lost(lambda port: self.check_each_other(self.resets([pair], port), False), 40002)

    def test_loopback_of_several(self):
        """The same four numbers in two namespaces at once: each has its own."""
        pairs = [self.pair(name, name, "127.0.0.1", "127.0.0.1") for name in self.network(2)]

        def each_its_own(port):
            events = self.resets(pairs, port)
            self.assertEqual(len(events), 4)
            for netns in {event["socket"]["netns"] for event in events}:
                self.check_each_other([e for e in events if e["socket"]["netns"] == netns], False)
        self.unless_lost(each_its_own, 40003)

    def test_the_same_addresses_twice(self):
        """Nobody can tell which is whose, but by the time: none is named, or the right one."""
        others, pairs = {}, []
        for names in (self.network(3), self.network(4)):
            client, server = (os.stat(f"/run/netns/{name}").st_ino for name in names)
            others |= {client: server, server: client}
            pairs.append(self.pair(names[1], names[0], "10.78.0.3", "10.78.0.2"))

        def no_stranger(port):
            events = self.resets(pairs, port)
            self.assertEqual(len(events), 4)
            for event in events:
                if event["related"]:
                    self.assertEqual(int(event["related"].split("-")[0]), others[event["socket"]["netns"]], event)
        self.unless_lost(no_stranger, 40004)

    def test_the_port_again(self):
        """A client that binds its port, seconds later: the new one is named."""
        client, server = self.network(5)
        pair = self.pair(server, client, "10.78.0.3", "10.78.0.2")

        def again(port):
            known = {event["id"] for event in self.resets([pair], port)}
            time.sleep(1.5)
            self.connect([pair], port)
            self.check_each_other([e for e in self.stories(port, 4) if e["id"] not in known], True)
        self.unless_lost(again, 40005)


if __name__ == "__main__":
    lib.main()
