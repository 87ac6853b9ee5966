#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections that a program has by accident, since it was started by their server: whose they were is said."""
import contextlib
import os
import socket
import unittest

import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.clear-hold=1s",
           "--rules.inherited-descriptor.info-age=1s"]
CONNECTIONS = 3

# Accepts, reads what has come, and then does what it is told, a word a line.
SERVER = """
import signal, subprocess
listener = socket.create_server(("127.0.0.1", 0))
say(listener.getsockname()[1])
conns = [listener.accept()[0] for _ in range(3)]
for conn in conns:
    conn.recv(100)
say("accepted")
while word := step():
    if word == "start":  # another program; descriptors of Python are closed at exec() unless it is told otherwise
        for sock in conns + [listener]:
            sock.set_inheritable(True)
        child = subprocess.Popen(["sleep", "600"], close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        say(child.pid)
        continue
    if word == "start-clean":
        child = subprocess.Popen(["sleep", "600"], close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        say(child.pid)
        continue
    if word == "hand-over":  # as inetd does
        child = subprocess.Popen(["sleep", "600"], stdin=conns[0], stdout=conns[0], stderr=conns[0])
        say(child.pid)
        continue
    if word == "fork":
        pid = os.fork()
        if not pid:
            signal.pause()
        say(pid)
        continue
    if word == "shutdown":
        for conn in conns:
            conn.shutdown(socket.SHUT_WR)
    if word == "close":
        for conn in conns:
            conn.close()
    say("done")
"""


class Inherited(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def server(self, comm, how):
        """A server, its peers and the process that it has started, once all of that is seen: (server, child's pid)."""
        server = self.stack.enter_context(scenes.Actor(comm, SERVER))
        port = int(server.read()[0])
        self.peers = [self.stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CONNECTIONS)]
        self.port = port
        for peer in self.peers:
            peer.send(b"hello")
        self.assertEqual(server.read(), ["accepted"])
        self.stack.enter_context(lib.Daemon(*OPTIONS))
        lib.wait_for(lambda: len(self.held_by(server.pid)) == CONNECTIONS, "its connections are known", 30)
        server.go(how)
        child = int(server.read()[0])
        # Nobody waits for it once its server has been killed.
        self.stack.callback(self.end, child)
        return server, child

    @staticmethod
    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)

    def held_by(self, pid, query="state=established"):
        """Its ends of the connections."""
        return [row for row in lib.sockets(f"{query}&local.port={self.port}")
                if row["state"] != "listening" and pid in [holder["pid"] for holder in row["holders"]]]

    def tell(self, server, word):
        server.go(word)
        self.assertEqual(server.read(), ["done"])

    def wait_shared(self, child, count=CONNECTIONS):
        lib.wait_for(lambda: len(self.held_by(child)) == count, "the child has them too", 30)
        self.assertEqual(scenes.findings("inherited-descriptor"), [])

    def finish(self):
        for peer in self.peers:
            peer.shutdown(socket.SHUT_WR)

    def check(self, child, state, *words):
        row = scenes.wait_finding("inherited-descriptor", 40, pid=child)
        self.assertEqual((row["count"], row["severity"], row["scope"], row["process"]["comm"]),
                         (CONNECTIONS, "info", "process", "sleep"))
        self.assertIn(f"sleep (pid {child}) holds 3 connections that it has inherited and does not use ({state} 3) from ",
                      row["summary"])
        for word in words:
            self.assertIn(word, row["summary"])
        for sock in self.peers:
            found = scenes.row(scenes.other_end(sock))
            self.assertEqual(found["findings"].count("inherited-descriptor"), 1)
            self.assertEqual([holder["pid"] for holder in found["holders"]], [child])
        self.assertIn("sleep", " ".join(lib.get("/").split()))

    def clears(self, child):
        self.end(child)
        lib.wait_for(lambda: not scenes.findings("inherited-descriptor"), "it has cleared", 30)
        for peer in self.peers:
            peer.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(peer.recv(1), b"")

    def silent(self, child, state, count=CONNECTIONS):
        """The child alone has them for a while, and that is well."""
        lib.wait_for(lambda: len(self.held_by(child, f"state={state}&min_state_seconds=3")) == count, "they stay", 40)
        scenes.wait_passes("owners", 1)
        self.assertEqual(len(self.held_by(child, f"state={state}")), count)
        self.assertEqual(scenes.findings("inherited-descriptor"), [])

    def test_server_closes(self):
        server, child = self.server("careless", "start")
        self.wait_shared(child)
        self.tell(server, "close")
        self.finish()
        self.check(child, "CLOSE-WAIT", f"from careless (pid {server.pid})")
        self.clears(child)

    def test_server_has_shut_down(self):
        server, child = self.server("half-careless", "start")
        self.wait_shared(child)
        self.tell(server, "shutdown")
        self.tell(server, "close")
        self.check(child, "FIN-WAIT-2", f"from half-careless (pid {server.pid})")
        self.clears(child)

    def test_server_dies(self):
        server, child = self.server("short-lived", "start")
        self.wait_shared(child)
        server.process.kill()
        server.process.wait(10)
        self.finish()
        self.check(child, "CLOSE-WAIT", f"from short-lived (pid {server.pid})")
        # It has the listener, too, and that is no finding: nobody waits for what it does.
        rows = lib.sockets(f"state=listening&local.port={self.port}")
        self.assertEqual([[holder["pid"] for holder in row["holders"]] for row in rows], [[child]])
        self.assertNotIn("inherited-descriptor", rows[0]["findings"])
        self.clears(child)

    def test_workers_of_one_program(self):
        server, child = self.server("prefork", "fork")
        self.wait_shared(child)
        self.tell(server, "close")
        self.finish()
        self.silent(child, "close-wait")

    def test_both_keep_it(self):
        """As the two processes of each ssh login do."""
        server, child = self.server("pair", "fork")
        self.wait_shared(child)
        self.finish()
        self.silent(child, "close-wait")
        self.assertEqual(len(self.held_by(server.pid, "state=close-wait")), CONNECTIONS)

    def test_the_server_still_has_them(self):
        """They are not used by the child, yet who does is there."""
        server, child = self.server("busy", "start")
        self.wait_shared(child)
        self.finish()
        self.silent(child, "close-wait")
        self.assertEqual(len(self.held_by(server.pid, "state=close-wait")), CONNECTIONS)

    def test_handed_over(self):
        """Standard input is no accident."""
        server, child = self.server("inet", "hand-over")
        self.wait_shared(child, 1)
        self.tell(server, "close")
        self.finish()
        self.silent(child, "close-wait", 1)

    def test_closed_on_exec(self):
        server, child = self.server("careful", "start-clean")
        scenes.wait_passes("owners", 1)
        self.assertEqual(self.held_by(child), [])
        self.tell(server, "close")
        self.finish()
        lib.wait_for(lambda: not self.held_by(server.pid, f"port={self.port}"), "they are closed", 20)
        scenes.wait_passes("owners", 1)
        self.assertEqual(scenes.findings("inherited-descriptor"), [])


if __name__ == "__main__":
    lib.main()
