#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who else refers to a socket: duplicates, children, messages under way, threads that sleep in a call.

And what nobody holds any more: a close() that lingers right now, a descriptor of a connection that is long gone.
"""
import contextlib
import socket
import time
import unittest

import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]

# One process with everything; each line is what it says before it waits.
HOLDER = """
listener = listen()


def connection():
    client, server = pair(listener)
    peers.append(server)
    keep.remove(server)
    keep.remove(client)
    return client


def told(name, sock):
    say(name, sock.getsockname()[1], sock.getpeername()[1], sock.fileno())
    return sock


def start(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def no_complaint(function, *arguments):
    with contextlib.suppress(OSError):
        function(*arguments)


peers, mine = [], {}
for name in ("idle", "epoll", "dup", "fork", "both", "passed", "copied", "recv", "poll", "select", "left-in-recv"):
    mine[name] = told(name, connection())
epoll = select.epoll()
epoll.register(mine["epoll"])
copies = [mine["dup"].dup(), mine["both"].dup()]
channel = socket.socketpair()
for name in ("passed", "copied"):
    channel[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [mine[name].fileno()]))])
mine.pop("passed").close()

ends = os.pipe()
child = os.fork()
if child == 0:
    os.close(ends[1])
    for sock in [*mine.values(), *copies, *peers, listener, epoll, *channel]:
        if sock not in (mine["fork"], mine["both"]):
            sock.close()
    os.read(ends[0], 1)  # until its parent is gone
    os._exit(0)
for name in ("recv", "poll", "select", "left-in-recv"):
    mine[name].settimeout(None)
start(no_complaint, mine["recv"].recv, 1)
poll = select.poll()
poll.register(mine["poll"], select.POLLIN)
start(poll.poll)
start(select.select, [mine["select"]], [], [])
start(no_complaint, mine["left-in-recv"].recv, 1)
time.sleep(0.3)
os.close(mine["left-in-recv"].detach())
say("child", child)
step()

# Some time later: no reference but the descriptor is left.
for sock in copies:
    sock.close()
os.kill(child, 9)
os.waitpid(child, 0)
for _ in range(2):
    for fd in socket.recv_fds(channel[1], 1, 1)[1]:
        os.close(fd)
for peer in peers:
    peer.sendall(b"x")
say("done")
step()
"""

# A close() that waits for a peer that reads nothing, and dead connections whose descriptors are still there.
LEAVER = """
listener = listen(SO_RCVBUF=4096)
blocked, reader = pair(listener, SO_SNDBUF=4096)
fill(blocked)
blocked.setblocking(True)
linger(blocked, 60)
say(blocked.getsockname()[1], blocked.getpeername()[1])
keep.remove(blocked)
threading.Thread(target=blocked.close, daemon=True).start()
step()
taken = 0
reader.settimeout(10)
while reader.recv(65536):
    pass
say("read")
step()
"""

DEAD = """
listener = listen()
pairs = [pair(listener) for _ in range(4)]
quiet, unread, half_closed, finished = pairs
for client, server in pairs:
    say(client.getsockname()[1], client.fileno())
unread[1].sendall(b"never read")
half_closed[0].shutdown(socket.SHUT_WR)
finished[1].sendall(b"nor this")
finished[1].shutdown(socket.SHUT_WR)
step()
for client, server in pairs:
    linger(server, 0)
    keep.remove(server)
    server.close()
say("reset")
step()
"""

# A blocking client and its server, as healthy as can be: one waits in recv(), one in poll() (a Python timeout).
BLOCKING = """
listener = listen()
for _ in range(30):
    client, server = pair(listener)
    client.settimeout(None)
    server.settimeout(1000)
    for sock in (client, server):
        threading.Thread(target=sock.recv, args=(1,), daemon=True).start()
say("ready")
step()
"""


def holders(row):
    return sorted((h["pid"], h["fd"]) for h in row["holders"])


class References(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.holder = cls.stack.enter_context(scenes.Actor("holder", HOLDER))
        cls.queries, cls.fds = {}, {}
        while (said := cls.holder.read())[0] != "child":
            cls.queries[said[0]] = f"local.port={said[1]}&remote.port={said[2]}"
            cls.fds[said[0]] = int(said[3])
        cls.child = int(said[1])
        cls.blocking = cls.stack.enter_context(scenes.Actor("blocking", BLOCKING))
        cls.blocking.read()
        cls.stack.enter_context(lib.Daemon(*OPTIONS))
        scenes.needs_bpf()

    def row(self, name, condition, what):
        return scenes.wait_row(self.queries[name], condition, f"{name}: {what}", 40)

    def known(self, name, references):
        """Its row once two passes agree on it: then one that is held by a call only is said to be so."""
        return self.row(name, lambda r: r["references"] == references and r["outcomes"]["close"]["last"] is not None,
                        f"{references} references")

    def test_all(self):
        """One after the other, since what comes last changes what was before."""
        me, child = self.holder.pid, self.child
        # What a thread sleeps in is said only when two readings agree: until then nothing is said.
        early = {name: scenes.row(self.queries[name]) for name in ("recv", "poll", "select", "copied")}
        if scenes.lane("owners")["passes"] == 1:
            for name, row in early.items():
                self.assertIsNone(row["outcomes"]["close"]["last"], name)

        with self.subTest("one descriptor and nothing else"):
            for name in ("idle", "epoll"):
                row = self.known(name, 1)
                self.assertEqual(holders(row), [(me, self.fds[name])])
                self.assertIs(row["outcomes"]["close"]["last"], True)
                self.assertEqual(row["outcomes"]["close"]["held_by"], [])

        with self.subTest("a duplicate"):
            row = self.known("dup", 2)
            self.assertEqual([pid for pid, _ in holders(row)], [me, me])
            self.assertEqual((row["outcomes"]["close"]["last"], row["outcomes"]["close"]["held_by"]),
                             (False, ["duplicate"]))
        with self.subTest("a forked child"):
            row = self.known("fork", 2)
            self.assertEqual(holders(row), sorted([(me, self.fds["fork"]), (child, self.fds["fork"])]))
            self.assertEqual((row["outcomes"]["close"]["last"], row["outcomes"]["close"]["held_by"]),
                             (False, ["process"]))
        with self.subTest("a duplicate and a child"):
            row = self.known("both", 3)
            self.assertEqual({pid for pid, _ in holders(row)}, {me, child})
            self.assertEqual(sorted(row["outcomes"]["close"]["held_by"]), ["duplicate", "process"])
        with self.subTest("asleep in a call, or a copy in a message"):
            for name in ("recv", "poll", "select", "copied"):
                row = self.known(name, 2)
                self.assertEqual(holders(row), [(me, self.fds[name])], name)
                self.assertEqual((row["outcomes"]["close"]["last"], row["outcomes"]["close"]["held_by"]),
                                 (False, ["call"]), name)
                self.assertEqual(row["findings"], [], name)
        with self.subTest("nobody holds it"):
            for name in ("passed", "left-in-recv"):
                row = self.row(name, lambda r: r["attachment"] == "unheld" and r["unheld_because"] != "unknown",
                               "unheld, and why")
                self.assertEqual((row["unheld_because"], row["holders"]), ("passed", []), name)
                # There is no process whose exit could end it.
                self.assertIsNone(row["outcomes"]["exit"], name)
                self.assertEqual((row["state"], row["findings"]), ("established", []), name)
        self.assertEqual(scenes.findings(pid=me), [])

        with self.subTest("and all of them go again"):
            self.holder.go()
            self.assertEqual(self.holder.read(), ["done"])
            for name in ("dup", "fork", "both", "copied", "recv", "poll", "select"):
                row = self.known(name, 1)
                self.assertEqual(holders(row), [(me, self.fds[name])], name)
                self.assertIs(row["outcomes"]["close"]["last"], True, name)

        with self.subTest("healthy blocking clients are silent"):
            rows = lib.sockets(f"pid={self.blocking.pid}&state=established&detail=full")
            self.assertEqual({(r["references"], tuple(r["outcomes"]["close"]["held_by"])) for r in rows},
                             {(2, ("call",))})
            self.assertEqual(len(rows), 60)
            for row in rows:
                self.assertEqual((row["attachment"], row["findings"], row["unheld_because"]), ("held", [], None))
                self.assertEqual(row["outcomes"]["exit"]["segment"], "fin")
                self.assertIs(row["outcomes"]["exit"]["certain"], True)
            self.assertEqual(scenes.findings(pid=self.blocking.pid), [])


class CloseThatLingers(unittest.TestCase):
    def test_right_now(self):
        with scenes.Actor("leaver", LEAVER) as leaver, lib.Daemon(*OPTIONS):
            scenes.needs_bpf()
            local, remote = leaver.read()
            query = f"local.port={local}&remote.port={remote}"
            row = scenes.wait_row(query, lambda r: r["attachment"] == "unheld" and r["unheld_because"] ==
                                  "close-in-progress", "a close() under way", 40)
            self.assertEqual((row["state"], row["references"], row["holders"]), ("fin-wait-1", 0, []))
            self.assertEqual((row["linger"]["on"], row["linger"]["seconds"]), (True, 60))
            leaver.go()
            self.assertEqual(leaver.read(), ["read"])
            lib.wait_for(lambda: not lib.sockets(query + "&state=fin-wait-1"), "its FIN was acknowledged", 10)

    def test_finding(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            remote = stack.enter_context(scenes.Remote("closes-slowly"))
            peer = stack.enter_context(remote.accept("slow"))
            remote.do("slow", "fill(sock); sock.setblocking(True); linger(sock, 60)")
            query = scenes.other_end(peer)
            stack.enter_context(lib.Daemon(*OPTIONS))
            scenes.needs_bpf()
            scenes.wait_row(query, lambda r: r["holders"] and r["linger"], "its holder and linger", 20)
            self.assertEqual(scenes.findings("linger-blocks", severity="warning"), [])
            closed = time.monotonic()
            remote.go("close slow")
            found = scenes.wait_finding("linger-blocks", 30, severity="warning")
            self.assertGreater(time.monotonic() - closed, 1.5, "it has not blocked for 2 s yet")
            self.assertEqual(found["process"]["pid"], remote.pid)
            self.assertIn(f"closes-slowly (pid {remote.pid}", found["summary"])
            self.assertEqual(found["count"], 1)
            row = scenes.row(query)
            self.assertEqual((row["attachment"], row["unheld_because"]), ("unheld", "close-in-progress"))
            self.assertEqual(row["creator"]["pid"], remote.pid)
            self.assertIn("linger-blocks", row["findings"])
            # Its peer reads: close() returns.
            peer.settimeout(10)
            while peer.recv(1 << 20):
                pass
            self.assertGreater(float(remote.read()[0]), 1.5)


class DeadDescriptors(unittest.TestCase):
    def test_dead(self):
        with scenes.Actor("undead", DEAD) as actor, lib.Daemon(*OPTIONS):
            scenes.needs_bpf()
            unread = {"quiet": 0, "unread": 10, "half-closed": 0, "finished": 8}
            ends = dict(zip(unread, [actor.read() for _ in unread]))
            lib.wait_for(lambda: len(lib.sockets(f"pid={actor.pid}&state=established")) >= 4, "alive", 20)
            self.assertEqual(lib.sockets(f"pid={actor.pid}&state=closed"), [])
            actor.go()
            self.assertEqual(actor.read(), ["reset"])

            def dead():
                rows = {h["fd"]: r for r in lib.sockets(f"pid={actor.pid}&state=closed&detail=full")
                        for h in r["holders"]}
                return len(rows) == len(unread) and rows

            rows = lib.wait_for(dead, "the descriptors of dead connections", 40)
            for name, (_, fd) in ends.items():
                row = rows[int(fd)]
                self.assertEqual((row["state"], row["attachment"]), ("closed", "held"), name)
                self.assertEqual([(h["pid"], h["comm"]) for h in row["holders"]], [(actor.pid, "undead")])
                self.assertEqual(row["outcomes"]["close"]["segment"], "none", name)
                self.assertIs(row["outcomes"]["close"]["certain"], True, name)
                # A FIN that was not read is no data.
                self.assertEqual(row["unread_bytes"], unread[name], name)
                self.assertEqual(row["error"], "EPIPE" if name == "finished" else "ECONNRESET", name)
            # A few of them are no finding.
            self.assertEqual(scenes.findings("dead-descriptor"), [])
            actor.go()
            actor.process.wait(10)
            lib.wait_for(lambda: not lib.sockets("state=closed"), "gone with their process", 40)


if __name__ == "__main__":
    lib.main()
