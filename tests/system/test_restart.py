#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the end of a process does, said before and seen after: RSTs, FINs and lost clients, counted one by one.

A process with some 300 sockets of all kinds is asked for, killed, and a sniffer on lo counts what goes out.
"""
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import lib
import scenes
import test_namespaces

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]
EACH = 15

# Connects to the test's port; what it makes is told by the number of each kind, which both sides know.
HOLDER = """
port, each = int(sys.argv[2]), int(sys.argv[3])
remote = ("127.0.0.1", port)


def out(kind, **options):
    sock = connect(remote, **options)
    sock.sendall(kind.encode().ljust(16))
    return sock


def half_close(sock):
    sock.shutdown(socket.SHUT_WR)


def reset_zero(sock):
    linger(sock, 0)


shared = []
for i in range(each):
    out("idle")
    out("unread")
    reset_zero(out("zero"))
    half_close(out("half"))
    half_close(out("half-unread"))
    sock = out("half-zero")
    half_close(sock)
    reset_zero(sock)
    sock = out("half-linger2")
    linger2(sock, -1)
    half_close(sock)
    out("finished")
    out("finished-unread")
    sock = out("both-shut")
    half_close(sock)
    shared.append(out("shared"))
    shared.append(out("shared-unread"))
    out("dead")
    fill(out("unsent", SO_SNDBUF=4096)) if i < 3 else out("idle")
    # Bound and never connected, and a bare one: nobody hears of their end.
    bare = socket.socket()
    bare.bind(("127.0.0.1", 0))
    keep.append(bare)

# Inbound.
serving = listen()
say(serving.getsockname()[1])
for i in range(3 * each):
    keep.append(serving.accept()[0])
answered = keep[-3 * each:]
for sock in answered:
    word = sock.recv(8, socket.MSG_PEEK).strip()
    if word == b"answer":
        sock.recv(8)
        time.sleep(0.01)
        sock.sendall(b"done")
    elif word == b"read":
        sock.recv(8)

# Two queues: one of clients that wait, one whose clients have gone with a RST.
waiting, gone = listen(64), listen(64)
say(waiting.getsockname()[1], gone.getsockname()[1])
step()


# Both ends in this process. The lower descriptor is the client's.
def inside(first=0, second=0, zero=None, half=None):
    client, server = pair(serving)
    assert client.fileno() < server.fileno()
    if first:
        server.sendall(bytes(first))
    if second:
        client.sendall(bytes(second))
    if zero is not None:
        reset_zero((client, server)[zero])
    if half is not None:
        half_close((client, server)[half])


inside()
inside(first=10)
inside(second=10)
inside(10, 10)
inside(zero=0)
inside(zero=1)
inside(zero=0, second=10)
inside(zero=1, first=10)
inside(half=0)
inside(half=1)
inside(half=0, first=10)
inside(half=1, second=10)
# The descriptor that counts is the highest of a socket.
client, server = pair(serving)
reset_zero(client)
high = os.dup2(client.fileno(), 4000)
client, server = pair(serving)
server.sendall(b"x")
high = os.dup2(client.fileno(), 4001)
client, server = pair(serving)
fill(client)
client, server = pair(serving)
fill(server)
# Its own client waits in its own queue, and one has closed hard before it is accepted.
queued = listen()
connect(queued.getsockname())
reset_zero(connect(queued.getsockname()))
connect(queued.getsockname()).sendall(b"hello")

child = os.fork()
if not child:
    mine = {sock.fileno() for sock in shared}
    for fd in range(3, 4096):
        if fd not in mine:
            try:
                os.close(fd)
            except OSError:
                pass
    time.sleep(1000)
say(child)
step()
"""


class Sniffer(threading.Thread):
    """Segments with RST or FIN that leave on lo, besides those of the daemon's own port."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.sock.bind(("lo", 0))
        self.rst, self.fin = [], set()

    def run(self):
        while True:
            packet, address = self.sock.recvfrom(128)
            # Each packet is seen when it leaves and when it comes.
            if address[2] != socket.PACKET_OUTGOING or packet[12:14] != b"\x08\x00" or packet[23] != 6:
                continue
            at = 14 + (packet[14] & 15) * 4
            source, target = struct.unpack_from("!HH", packet, at)
            flags = packet[at + 13]
            if lib.ADDRESS[1] in (source, target):
                continue
            if flags & 4:
                self.rst.append((source, target))
            elif flags & 1:
                self.fin.add((source, target))


def peer_of(sock, kind):
    """What the other end does to a connection of that kind, before anybody is asked."""
    if kind.endswith("unread"):
        sock.sendall(bytes(100))
    if kind.startswith("finished") or kind == "both-shut":
        sock.shutdown(socket.SHUT_WR)
    if kind == "dead":
        scenes.set_linger(sock, 0)
        sock.close()


class Restart(unittest.TestCase):
    def peers(self, stack, listener, count):
        """The test's ends, by kind."""
        peers = {}
        for _ in range(count):
            sock = stack.enter_context(listener.accept()[0])
            sock.settimeout(10)
            word = b""
            while len(word) < 16:
                word += sock.recv(16 - len(word))
            kind = word.strip().decode()
            peers.setdefault(kind, []).append(sock)
        for kind, socks in peers.items():
            for sock in socks:
                peer_of(sock, kind)
        return peers

    def clients(self, stack, port, count, send=b""):
        socks = []
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            if send:
                sock.sendall(send)
            socks.append(sock)
        return socks

    def test_kill(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            holder = stack.enter_context(scenes.Actor("holder", HOLDER, listener.getsockname()[1], EACH,
                                                      limit=8192))
            peers = self.peers(stack, listener, 14 * EACH)
            serving = int(holder.read()[0])
            # Answered; asked and read; asked and not even read.
            self.clients(stack, serving, EACH, b"answer")
            self.clients(stack, serving, EACH, b"read")
            self.clients(stack, serving, EACH, b"lies")
            waiting, gone = map(int, holder.read())
            self.clients(stack, waiting, 20)
            for sock in self.clients(stack, gone, 12)[:7]:
                scenes.set_linger(sock, 0)
                sock.close()
            holder.go()
            child = int(holder.read()[0])
            stack.callback(os.kill, child, signal.SIGKILL)
            stack.enter_context(lib.Daemon(*OPTIONS))
            scenes.needs_bpf()

            expected = {
                "rst_peer_open": EACH * (1 + 1 + 1 + 1 + 1) + EACH,
                "rst_peer_finished": EACH,
                "survive": 2 * EACH,
            }
            path = f"/processes/{holder.pid}"

            def settled():
                reply = lib.request(path)
                if reply.status != 200:
                    return None
                said = reply.json()
                certain = said["exit"]["certain"] and not said["exit"]["unseen"]
                return certain and said["sockets"]["closed"] >= EACH and said

            said = lib.wait_for(settled, "every socket and every holder", 40)
            # Once more when all of it is at rest.
            time.sleep(1.5)
            said = lib.wait_for(settled, "every socket and every holder", 40)
            end = said["exit"]
            self.assertEqual(end["rst"], end["rst_peer_open"] + end["rst_peer_finished"])
            for name, least in expected.items():
                self.assertGreaterEqual(end[name], least, (name, end))
            self.assertEqual(end["survive"], expected["survive"])
            # 20 of the clients of the test, 5 of those that have not gone, 3 or less of its own.
            self.assertGreaterEqual(end["listener_resets"], 25)
            # And some of its own, two of which have an answer within the same millisecond.
            self.assertIn(end["unanswered"], range(2 * EACH + 3, 2 * EACH + 6))
            self.assertEqual((end["clean"], end["harmless"], end["idle"]), (False, False, False))
            self.assertEqual(end["pairs"], 19, end)
            self.assertEqual(said["comm"], "holder")
            self.assertGreaterEqual(sum(said["sockets"].values()), 290, said["sockets"])
            self.assertAlmostEqual(time.time(), time.mktime(time.strptime(
                said["started"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone, delta=100)

            self.expectations(path, holder.pid)

            sniffer = Sniffer()
            sniffer.start()
            before = scenes.out_resets()
            os.kill(holder.pid, signal.SIGKILL)
            holder.process.wait()
            for sock in peers["unsent"]:
                # The FIN waits behind what was not read.
                while sock.recv(1 << 20):
                    pass
            time.sleep(1)
            counted = scenes.out_resets() - before
            told = end["rst"] + end["listener_resets"]
            self.assertEqual(counted, told, f"Tcp OutRsts, {end}")
            self.assertEqual(len(sniffer.rst), told, end)
            self.assertEqual(len(sniffer.fin), end["fin"], end)
            for kind, socks in peers.items():
                if kind == "dead":
                    continue
                errors = {sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for sock in socks}
                reset = kind in ("unread", "zero", "half-unread", "half-zero", "half-linger2", "finished-unread")
                # One that has sent its FIN, too, is told by EPIPE.
                self.assertEqual(bool(errors - {0}), reset, (kind, errors))
                self.assertEqual(len(errors), 1, kind)
            self.assertEqual(lib.wait_for(lambda: lib.request(path).status != 200 and 404, "it has ended", 20), 404)

    def expectations(self, path, pid):
        """The same verdict as a status, a line for people and an exit status."""
        for expect in ("clean", "harmless", "idle"):
            reply = lib.request(f"{path}?expect={expect}")
            self.assertEqual((reply.status, reply.headers["content-type"]), (409, "application/problem+json"))
            problem = reply.json()
            self.assertIn(f"would not be {expect}", problem["detail"])
            self.assertIn("reset", " ".join(problem["reasons"]))
            self.assertEqual(problem["exit"]["pairs"], 19)
        self.assertEqual(lib.request(f"{path}?expect=nothing").status, 400)
        self.assertEqual(lib.request(f"{path}?within=1s").status, 400)
        self.assertEqual(lib.request(f"{path}?expect=clean&within=6m").status, 400)
        began = time.monotonic()
        self.assertEqual(lib.request(f"{path}?expect=clean&within=1500ms").status, 409)
        self.assertGreater(time.monotonic() - began, 1.4)
        self.assertLess(time.monotonic() - began, 6)
        done = subprocess.run([lib.TCPDIAGD, "--once", f"--pid={pid}", "--format=json"], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (5, b""))
        once, served = json.loads(done.stdout)["exit"], lib.get(path)["exit"]
        # Retransmission timeouts move on, and connections of others are too new to be anybody's.
        for moving in ("orphan_seconds", "unseen"):
            once.pop(moving), served.pop(moving)
        self.assertEqual(once, served)
        done = subprocess.run([lib.TCPDIAGD, "--once", f"--pid={pid}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 5)
        self.assertIn("Verdict   clean: no; harmless: no", done.stdout)


# Two processes of one unit: connections between them, and clients of a listener that both hold.
UNIT = '''
group = sys.argv[2]
open(group + "/cgroup.procs", "w").write(str(os.getpid()))
listener = listen(64)
say(listener.getsockname()[1])
unread = sys.argv[3] == "unread"
step()
mine = [connect(listener.getsockname()) for _ in range(10)]
theirs = [listener.accept()[0] for _ in range(10)]
outside = listener.accept()[0]
child = os.fork()
if child:
    # The ends of the child alone.
    for sock in theirs:
        sock.close()
    time.sleep(0.2)
    for sock in mine:
        if unread:
            sock.sendall(b"never read")
    say(child)
    step()
else:
    for sock in mine:
        sock.close()
    time.sleep(1000)
'''


# Its connections come and go, each with a byte that nobody reads: there is always one that no holder is seen of. Its
# child holds one that a kill resets.
BUSY = '''
listener = listen()
child = os.fork()
if not child:
    held = connect(listener.getsockname())
    time.sleep(1000)
open_end = listener.accept()[0]
open_end.sendall(b"never read")
say(child)
churn = []
while True:
    client = socket.create_connection(listener.getsockname())
    server = listener.accept()[0]
    server.sendall(b"x")
    churn.append((client, server))
    time.sleep(0.02)
    for sock in churn.pop(0) if len(churn) > 20 else ():
        sock.close()
'''
IDLE = '''
pair(listen())
say("ready")
step()
'''


class Strangers(unittest.TestCase):
    def test_busy_neighbour(self):
        """A service is asked for while another one's sockets are too new to be anybody's."""
        with contextlib.ExitStack() as stack:
            busy = stack.enter_context(test_namespaces.Inside("busy", BUSY, test_namespaces.UNNAMED))
            victim = int(busy.read()[0])
            stack.callback(os.kill, victim, signal.SIGKILL)
            idle = stack.enter_context(test_namespaces.Inside("idle", IDLE, test_namespaces.UNNAMED))
            idle.read()
            stack.enter_context(lib.Daemon(*OPTIONS, "--collector.namespaces"))
            scenes.needs_bpf()
            quiet, reset = f"/processes/{idle.pid}?expect=clean", f"/processes/{victim}?expect=harmless"
            lib.wait_for(lambda: lib.request(quiet).status == 200, "an idle service", 40)
            lib.wait_for(lambda: lib.request(reset).status == 409, "a connection that is reset", 40)
            doubts = 0
            for _ in range(40):
                reply = lib.request(quiet)
                self.assertEqual(reply.status, 200, reply.text)
                reply = lib.request(reset)
                self.assertEqual(reply.status, 409, reply.text)
                end = reply.json()["exit"]
                self.assertEqual(reply.json()["reasons"], ["1 connection is reset while its peer is open"])
                self.assertEqual((end["clean"], end["harmless"], end["idle"]),
                                 (False, False, False) if end["certain"] else (None, None, None))
                doubts += not end["certain"]
                time.sleep(0.1)
            self.assertGreater(doubts, 0, "no stranger was seen")


class Unit(unittest.TestCase):
    def setUp(self):
        folder = "/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup"
        self.group = f"{folder}/tcpdiag-drain.service"
        try:
            os.mkdir(self.group)
        except OSError as error:
            self.skipTest(f"no control group can be made: {error}")
        self.addCleanup(self.remove)

    def remove(self):
        for pid in open(f"{self.group}/cgroup.procs").read().split():
            os.kill(int(pid), signal.SIGKILL)
        lib.wait_for(lambda: not open(f"{self.group}/cgroup.procs").read(), "its processes have ended")
        os.rmdir(self.group)

    def ask(self, stack, how):
        actor = stack.enter_context(scenes.Actor("prefork", UNIT, self.group, how))
        port = int(actor.read()[0])
        actor.go()
        time.sleep(0.5)
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        child = int(actor.read()[0])
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(5)]
        stack.enter_context(lib.Daemon(*OPTIONS))
        scenes.needs_bpf()

        def settled():
            reply = lib.request("/units/tcpdiag-drain")
            said = reply.status == 200 and reply.json()
            return said and sorted(said["pids"]) == sorted([actor.pid, child]) and said["exit"]["pairs"] == 10 \
                and said["exit"]["listener_resets"] == 5 and said["exit"]["unseen"] == 0 and said
        return actor, child, [client, *waiting], lib.wait_for(settled, "the unit", 40)

    def test_two_processes(self):
        """A listener of both ends with the unit, not with one of its processes."""
        with contextlib.ExitStack() as stack:
            actor, child, outside, said = self.ask(stack, "quiet")
            self.assertEqual((said["name"], said["unit"]), ("tcpdiag-drain.service", "tcpdiag-drain.service"))
            end = said["exit"]
            self.assertEqual((end["certain"], end["rst"], end["fin"], end["survive"]), (True, 0, 21, 0), end)
            one = lib.get(f"/processes/{child}")["exit"]
            self.assertEqual((one["survive"], one["listener_resets"], one["fin"], one["pairs"]), (2, 0, 10, 0), one)
            self.assertIn("tcpdiag-drain.service", [unit["name"] for unit in lib.get("/units")["units"]])
            once = subprocess.run([lib.TCPDIAGD, "--once", "--unit=tcpdiag-drain"], capture_output=True, text=True)
            self.assertEqual(once.returncode, 5, once)
            self.assertIn("5 connections that wait to be accepted are reset", once.stdout)
            before = scenes.out_resets()
            for pid in (actor.pid, child):
                os.kill(pid, signal.SIGKILL)
            actor.process.wait()
            lib.wait_for(lambda: scenes.out_resets() - before >= 5, "resets")
            time.sleep(0.3)
            self.assertEqual(scenes.out_resets() - before, end["rst"] + end["listener_resets"])
            self.assertEqual(outside[0].recv(1), b"")
            for sock in outside[1:]:
                self.assertRaises(ConnectionResetError, sock.recv, 1)

    def test_whoever_ends_first(self):
        """Unread data on one side: 10 resets or 10 resets and 10 FINs, and nobody knows."""
        with contextlib.ExitStack() as stack:
            _, _, _, said = self.ask(stack, "unread")
            end = said["exit"]
            self.assertEqual((end["certain"], end["clean"], end["harmless"]), (False, None, None), end)
            self.assertEqual(end["uncertain_because"],
                             ["10 connections inside end by which of their two processes ends first"])
            # Those that wait are reset whoever ends first, and so is the one that was accepted.
            reply = lib.request("/units/tcpdiag-drain?expect=harmless")
            self.assertEqual(reply.status, 409)
            self.assertEqual(reply.json()["reasons"], ["5 connections that wait to be accepted are reset"])


# Says who it is; drains when it is told to.
SERVER = """
listener = listen()
say(listener.getsockname()[1])
socks = [listener.accept()[0] for _ in range(20)]
say("accepted")
step()
for sock in socks:
    sock.recv(100)
say("read")
step()
for sock in socks:
    sock.sendall(b"answer")
say("answered")
step()
"""


class Drain(unittest.TestCase):
    def test_within(self):
        """curl -f waits until the requests have been read, and answered."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(scenes.Actor("server", SERVER))
            port = int(server.read()[0])
            peers = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(20)]
            for sock in peers:
                sock.sendall(b"question")
            self.assertEqual(server.read(), ["accepted"])
            stack.enter_context(lib.Daemon(*OPTIONS))
            scenes.needs_bpf()
            url = f"http://127.0.0.1:{lib.ADDRESS[1]}/processes/{server.pid}"

            def settled(count):
                reply = lib.request(f"/processes/{server.pid}")
                return reply.status == 200 and reply.json()["exit"]["certain"] and \
                    reply.json()["exit"]["rst"] == count and reply.json()

            lib.wait_for(lambda: settled(20), "20 unread requests", 30)
            self.assertEqual(self.curl(url + "?expect=harmless").wait(10), 22)
            # Many wait at the same time, and nobody else waits for them.
            harmless = [self.curl(url + "?expect=harmless&within=60s") for _ in range(20)]
            idle = self.curl(url + "?expect=idle&within=60s")
            web = lib.wait_for(lambda: (w := lib.get("/status")["web"])["requests_waiting"] == 21 and w, "21 wait")
            self.assertEqual(web["waits_refused"], 0)
            self.assertTrue(all(one.poll() is None for one in harmless))
            server.go()
            self.assertEqual(server.read(), ["read"])
            for one in harmless:
                self.assertEqual(one.wait(20), 0)
            time.sleep(1.5)
            self.assertIsNone(idle.poll(), "nothing is answered yet")
            server.go()
            self.assertEqual(server.read(), ["answered"])
            self.assertEqual(idle.wait(20), 0)
            self.assertEqual(lib.get("/status")["web"]["requests_waiting"], 0)
            said = lib.get(f"/processes/{server.pid}")["exit"]
            self.assertEqual((said["clean"], said["fin"], said["unanswered"]), (True, 20, 0))
            once = subprocess.run([lib.TCPDIAGD, "--once", f"--pid={server.pid}"], capture_output=True)
            self.assertEqual(once.returncode, 0, once)
            # Unread data of a peer that has finished: harmless, not clean.
            for sock in peers:
                sock.sendall(b"never read")
                sock.shutdown(socket.SHUT_WR)
            lib.wait_for(lambda: settled(20), "20 finished peers", 30)
            once = subprocess.run([lib.TCPDIAGD, "--once", f"--pid={server.pid}"], capture_output=True)
            self.assertEqual(once.returncode, 4, once)
            # One that waits while the daemon ends is let go.
            last = self.curl(url + "?expect=clean&within=60s")
            lib.wait_for(lambda: lib.get("/status")["web"]["requests_waiting"] == 1, "it waits")
        self.assertNotEqual(last.wait(10), 0)

    def curl(self, url):
        process = subprocess.Popen(["curl", "-fsS", "--noproxy", "*", url], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        return process

    def test_not_known(self):
        """Without BPF nobody knows SO_LINGER: 503, and 6."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(scenes.Actor("server", SERVER))
            port = int(server.read()[0])
            for _ in range(20):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            server.read()
            stack.enter_context(lib.Daemon("--no-collector.bpf", *OPTIONS))
            path = f"/processes/{server.pid}"
            said = lib.wait_for(lambda: (r := lib.request(path)).status == 200 and r.json()["exit"]["fin"] == 20
                                and r.json(), "its sockets", 30)
            end = said["exit"]
            self.assertEqual((end["certain"], end["clean"], end["harmless"], end["idle"]), (False, None, None, None))
            self.assertIn("option that is not known", " ".join(end["uncertain_because"]))
            reply = lib.request(path + "?expect=harmless")
            self.assertEqual((reply.status, reply.headers["retry-after"]), (503, "1"))
            self.assertIn("option", reply.json()["detail"])
            once = subprocess.run([lib.TCPDIAGD, "--once", f"--pid={server.pid}", "--no-collector.bpf"],
                                  capture_output=True)
            self.assertEqual(once.returncode, 6, once)
            once = subprocess.run([lib.TCPDIAGD, "--once", "--unit=no-such-unit"], capture_output=True, text=True)
            self.assertEqual(once.returncode, 6)
            self.assertIn("no unit no-such-unit holds a TCP socket", once.stderr)
            self.assertEqual(lib.request("/processes/1999999").status, 404)
            self.assertEqual(lib.request("/units/no-such-unit?expect=clean").status, 404)
            listed = lib.get("/processes?limit=0")["processes"]
            self.assertEqual([p["pid"] for p in listed], sorted(p["pid"] for p in listed))
            self.assertIn(said["pid"], [p["pid"] for p in listed])


if __name__ == "__main__":
    lib.main()
