#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A process with 1,000 sockets in every state a process can hold one in is killed: what was said before, socket by
socket and as sums, is compared with what each of its peers saw.

And a server of several processes that share: the end of one, and the end of its unit.
"""
import collections
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import resource
import signal
import socket
import struct
import termios
import threading
import time
import unittest

import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]
MPTCP = 262
EACH = 32
BYTES = 100

# Name: the state it is in at last; what the process does first; what the peer does; what the process does then.
# "fill": until the peer's window is closed, so that a FIN waits behind what was not sent.
KINDS = {
    "idle": ("established", [], [], []),
    "unread": ("established", [], ["send"], []),
    "unsent": ("established", ["fill"], [], []),
    "zero": ("established", ["zero"], [], []),
    "zero-unsent": ("established", ["fill", "zero"], [], []),
    "unread-unsent": ("established", ["fill"], ["send"], []),
    "linger": ("established", ["linger"], [], []),
    "deaf": ("established", ["deaf"], ["send"], []),
    "fw1": ("fin-wait-1", ["fill", "half"], [], []),
    "fw1-zero": ("fin-wait-1", ["fill", "half", "zero"], [], []),
    "fw1-unread": ("fin-wait-1", ["fill", "half"], ["send"], []),
    "fw1-linger": ("fin-wait-1", ["fill", "half", "linger"], [], []),
    "fw2": ("fin-wait-2", ["half"], [], []),
    "fw2-zero": ("fin-wait-2", ["half", "zero"], [], []),
    "fw2-unread": ("fin-wait-2", ["half"], ["send"], []),
    "fw2-linger": ("fin-wait-2", ["half", "linger"], [], []),
    "fw2-linger2": ("fin-wait-2", ["half", "linger2"], [], []),
    "cw": ("close-wait", [], ["half"], []),
    "cw-eof": ("close-wait", [], ["half"], ["eof"]),
    "cw-zero": ("close-wait", ["zero"], ["half"], []),
    "cw-unread": ("close-wait", [], ["send", "half"], []),
    "cw-unsent": ("close-wait", ["fill"], ["half"], []),
    "cw-linger": ("close-wait", ["linger"], ["half"], []),
    "la": ("last-ack", ["fill"], ["half"], ["eof", "half"]),
    "la-zero": ("last-ack", ["fill", "zero"], ["half"], ["eof", "half"]),
    "la-unread": ("last-ack", ["fill"], ["send", "half"], ["half"]),
    "closing": ("closing", ["fill", "half"], ["half"], []),
    "closing-zero": ("closing", ["fill", "half", "zero"], ["half"], []),
    "closing-unread": ("closing", ["fill", "half"], ["send", "half"], []),
    "tw": ("closed", ["half"], ["half"], []),
    "dead": ("closed", [], ["reset"], []),
}

HOLDER = """
import json
port, each, kinds, silent, mptcp = int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]), int(sys.argv[5]), \\
    int(sys.argv[6])
acts = {
    "zero": lambda sock: linger(sock, 0),
    "linger": lambda sock: linger(sock, 5),
    "linger2": lambda sock: linger2(sock, -1),
    "half": lambda sock: sock.shutdown(socket.SHUT_WR),
    "deaf": lambda sock: sock.shutdown(socket.SHUT_RD),
    "eof": lambda sock: sock.recv(1),
}
made = []
for number in range(each):
    for kind in kinds:
        # IPv4, IPv6, and IPv4 through a socket of IPv6.
        family, host = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
                        (socket.AF_INET6, "::ffff:127.0.0.1"))[number % 3]
        sock = socket.socket(family)
        if "fill" in kinds[kind][1]:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.connect((host, port))
        sock.sendall(kind.encode().ljust(16))
        made.append((sock, kind))

# Until neither end has taken anything for a while.
sent = {}
filled = [sock for sock, kind in made if "fill" in kinds[kind][1]]
for sock in filled:
    sock.setblocking(False)
for _ in range(5):
    for sock in filled:
        with contextlib.suppress(BlockingIOError):
            while True:
                sent[sock] = sent.get(sock, 0) + sock.send(bytes(4096))
    time.sleep(0.2)
for sock, kind in made:
    for act in kinds[kind][1]:
        if act != "fill":
            acts[act](sock)
say("connected")
step()
for sock, kind in made:
    for act in kinds[kind][3]:
        acts[act](sock)
say(*(f"{int(sock.getsockname()[0] == '::1')}:{sock.getsockname()[1]}:{sent.get(sock, 0)}" for sock, kind in made))

# Nobody answers these.
for number in range(20):
    sock = socket.socket()
    sock.setblocking(False)
    if number % 2:
        linger(sock, 0)
    sock.connect_ex(("127.0.0.1", silent))
    keep.append(sock)
# Bound, and not even that.
for number in range(20):
    sock = socket.socket()
    if number % 2:
        sock.bind(("127.0.0.1", 0))
    keep.append(sock)
# Queues: connections as they are; whose peers have sent, finished, and gone; and one without any.
queues = [listen(64, host) for host in ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1")]
linger(queues[1], 0)
say(*(queue.getsockname()[1] for queue in queues))
for kind in (("mptcp", "mptcp-unread") * 5 if mptcp else ()):
    sock = socket.socket(proto=262)
    sock.connect(("127.0.0.1", mptcp))
    sock.sendall(kind.encode().ljust(16))
    keep.append(sock)
# Both ends inside.
inside = listen()
for number in range(each):
    client, server = pair(inside)
    if number % 2:
        client.sendall(b"never read")
say("ready")
step()
"""


class Wire(threading.Thread):
    """
    Segments with RST or FIN that leave on lo, besides those of the daemon's own port. A flow is told by three
    numbers: 1 for IPv6, and the ports of its source and target.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.sock.bind(("lo", 0))
        self.rst, self.fin = collections.Counter(), set()
        self.start()

    def run(self):
        while True:
            packet, address = self.sock.recvfrom(160)
            # Each packet is seen when it leaves and when it comes.
            if address[2] != socket.PACKET_OUTGOING:
                continue
            if packet[12:14] == b"\x08\x00" and packet[23] == 6:
                at = 14 + (packet[14] & 15) * 4
            elif packet[12:14] == b"\x86\xdd" and packet[20] == 6:
                at = 54
            else:
                continue
            ports = struct.unpack_from("!HH", packet, at)
            if lib.ADDRESS[1] in ports:
                continue
            flow = (int(packet[12] == 0x86), *ports)
            if packet[at + 13] & 4:
                self.rst[flow] += 1
            elif packet[at + 13] & 1:
                self.fin.add(flow)


class Peer:
    """The test's end of one connection, and what it saw."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(10)
        word = b""
        while len(word) < 16:
            word += sock.recv(16 - len(word))
        self.kind = word.strip().decode()
        remote = sock.getpeername()
        self.flow = (int(remote[0] == "::1"), remote[1], sock.getsockname()[1])  # towards us
        self.before = self.after = 0

    def do(self, act):
        if act == "send":
            self.sock.sendall(bytes(BYTES))
        elif act == "half":
            self.sock.shutdown(socket.SHUT_WR)
        elif act == "reset":
            scenes.set_linger(self.sock, 0)
            self.sock.close()

    def waiting(self):
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.FIONREAD, bytes(4)))[0]

    def drain(self):
        """Reads all that comes; returns how it ended: "rst" or "fin", or what had not happened within a second."""
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.sock.settimeout(1)
        try:
            while more := self.sock.recv(1 << 20):
                self.after += len(more)
        except TimeoutError:
            return "nothing"
        except ConnectionResetError:
            return "rst"
        # One that has had a FIN before is told of a reset by EPIPE alone.
        return "rst" if error in (errno.EPIPE, errno.ECONNRESET) else "fin"


def accept_peers(stack, listener, count):
    return [Peer(stack.enter_context(listener.accept()[0])) for _ in range(count)]


def dual_stack(stack):
    listener = stack.enter_context(socket.socket(socket.AF_INET6))
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # A small window is soon full.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("::", 0))
    listener.listen(4096)
    return listener


def silent_listener(stack):
    """A listener whose queue is full drops what asks to connect."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    stack.enter_context(socket.create_connection(listener.getsockname(), 5))
    return listener.getsockname()[1]


def mptcp_listener(stack):
    enabled = pathlib.Path("/proc/sys/net/mptcp/enabled")
    if not enabled.exists() or enabled.read_text().strip() != "1":
        return None
    listener = stack.enter_context(socket.socket(proto=MPTCP))
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


class Killed(unittest.TestCase):
    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
        pathlib.Path("/proc/sys/net/core/somaxconn").write_text("4096")

    def scene(self, stack):
        """(holder, its peers, what it has sent by port, the clients that wait and live, by what they did)"""
        listener, mptcp = dual_stack(stack), mptcp_listener(stack)
        holder = stack.enter_context(scenes.Actor("killed", HOLDER, listener.getsockname()[1], EACH, json.dumps(KINDS),
                                                  silent_listener(stack), mptcp.getsockname()[1] if mptcp else 0,
                                                  limit=8192))
        peers = accept_peers(stack, listener, EACH * len(KINDS))
        self.assertEqual(holder.read(), ["connected"])
        for peer in peers:
            for act in KINDS[peer.kind][2]:
                peer.do(act)
        time.sleep(0.2)
        holder.go()
        sent = {(int(six), int(port)): int(count) for six, port, count in (word.split(":") for word in holder.read())}
        queues = [int(word) for word in holder.read()]
        waiting = {act: [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(20)]
                   for act, port in zip(("idle", "linger", "send", "half", "reset"), queues)}
        for sock in waiting["send"]:
            sock.sendall(bytes(BYTES))
        for sock in waiting["half"]:
            sock.shutdown(socket.SHUT_WR)
        for sock in waiting["reset"]:
            scenes.set_linger(sock, 0)
            sock.close()
        self.over = accept_peers(stack, mptcp, 10) if mptcp else []
        for peer in self.over:
            if peer.kind == "mptcp-unread":
                peer.do("send")
        self.assertEqual(holder.read(), ["ready"])
        return holder, peers, sent, {act: socks for act, socks in waiting.items() if act != "reset"}

    def settled(self, pid):
        reply = lib.request(f"/processes/{pid}")
        said = reply.status == 200 and reply.json()
        if not said:
            return None
        self.last = said["sockets"], said["exit"]
        # One in TIME-WAIT has the cookie of its minisocket, which then stands for both; or it was never asked for.
        return said["exit"]["certain"] and not said["exit"]["unseen"] and said["exit"]["pairs"] == EACH and \
            said["sockets"]["closed"] in (EACH + 10, 2 * EACH + 10) and said

    def wait_settled(self, pid):
        try:
            return lib.wait_for(lambda: self.settled(pid), "every socket and every holder", 60)
        except AssertionError as late:
            raise AssertionError(f"{late}; there is {self.last}") from None

    def test_thousand(self):
        with contextlib.ExitStack() as stack:
            holder, peers, sent, waiting = self.scene(stack)
            stack.enter_context(lib.Daemon(*OPTIONS))
            scenes.needs_bpf()
            self.wait_settled(holder.pid)
            time.sleep(2)  # and all of it at rest
            said = self.wait_settled(holder.pid)
            rows = self.rows(holder.pid, said)
            self.states(said, rows, peers)
            wire, before = Wire(), scenes.out_resets()
            for peer in peers:
                if peer.kind != "dead":
                    peer.before = peer.waiting()
            os.kill(holder.pid, signal.SIGKILL)
            holder.process.wait()
            time.sleep(1)
            self.resets(said["exit"], rows, wire, scenes.out_resets() - before)
            seen = self.drained(peers)
            time.sleep(0.5)
            self.ends(said["exit"], rows, wire, peers, seen)
            self.bytes(said["exit"], rows, peers, sent, seen)
            self.queues(said["exit"], waiting)
            self.table(rows, peers, seen)

    def rows(self, pid, said):
        """Its sockets that have another end, by their flows; they have to be those that were added up."""
        # Of an MPTCP socket and its connection the one above.
        rows = [row for row in lib.sockets(f"pid={pid}&detail=full") if row["outcomes"]["exit"]["rule"] != "close-subflow"]
        self.assertEqual(len(rows), sum(said["sockets"].values()))
        self.assertGreaterEqual(len(rows), 1000)
        return {(int(row["family"] == "inet6"), row["local"]["port"], row["remote"]["port"]): row for row in rows
                if row["local"] and row["remote"] and row["remote"]["port"]}

    def states(self, said, rows, peers):
        """What is to be proven is there: each kind in its state, and as many as were made."""
        gone = 0
        for peer in peers:
            row = rows.get(peer.flow)
            if KINDS[peer.kind][0] == "closed":
                gone += 1
                continue
            self.assertIsNotNone(row, peer.kind)
            self.assertEqual(row["state"], KINDS[peer.kind][0], (peer.kind, row))
        for state, least in collections.Counter(kind[0] for kind in KINDS.values() if kind[0] != "closed").items():
            self.assertGreaterEqual(said["sockets"][state], least * EACH, state)
        self.assertEqual(said["sockets"]["syn-sent"], 20)
        self.assertEqual(said["sockets"]["listening"], 6)
        self.assertEqual(gone, 2 * EACH)

    def resets(self, end, rows, wire, counted):
        """As many as were said, and of those sockets of which they were said."""
        self.assertEqual(counted, end["rst"] + end["listener_resets"], f"Tcp OutRsts, {end}")
        self.assertEqual(sum(wire.rst.values()), counted, end)
        wrong = [(flow, row["state"], row["outcomes"]["exit"]["rule"], wire.rst[flow]) for flow, row in rows.items()
                 if (row["outcomes"]["exit"]["segment"] == "rst") != (wire.rst[flow] == 1)
                 and not self.inside(rows, flow)]
        self.assertEqual(wrong, [])

    @staticmethod
    def inside(rows, flow):
        """Both ends are the process's: which of them resets is said in the sums."""
        return (flow[0], flow[2], flow[1]) in rows

    def drained(self, peers):
        return {peer: peer.drain() for peer in peers if peer.kind != "dead"}

    def ends(self, end, rows, wire, peers, seen):
        """RST, FIN or neither at each peer."""
        late = set()
        for peer, how in seen.items():
            row = rows.get(peer.flow)
            if not row:
                self.assertEqual((peer.kind, how), ("tw", "fin"))
                continue
            segment = row["outcomes"]["exit"]["segment"]
            # A FIN of before that waits behind what was not sent is no work of the end.
            if segment == "none" and row["unsent_bytes"]:
                late.add(peer.flow)
            self.assertEqual(how, "rst" if segment == "rst" else "fin", (peer.kind, row["outcomes"]["exit"]))
            self.assertEqual(peer.flow in wire.fin, segment == "fin" or peer.flow in late, (peer.kind, row))
        # An MPTCP socket says by an option of an acknowledgement that it ends.
        above = [peer for peer in self.over if peer.kind == "mptcp"]
        self.assertEqual([(peer.kind, peer.drain()) for peer in self.over],
                         [("mptcp", "fin"), ("mptcp-unread", "rst")] * (len(self.over) // 2))
        self.assertEqual(len(wire.fin - late - self.answers(wire, rows)) + len(above), end["fin"], end)
        self.assertEqual(len(late), 3 * EACH + EACH, "FIN-WAIT-1 twice, LAST-ACK and CLOSING")

    @staticmethod
    def answers(wire, rows):
        """FINs of the peers."""
        return {flow for flow in wire.fin if flow not in rows}

    def bytes(self, end, rows, peers, sent, seen):
        """What was said to be lost, and what went on being delivered, is what came and did not come."""
        lost = delivered = unread = 0
        for peer, how in seen.items():
            row = rows.get(peer.flow)
            if not row:
                continue
            came = peer.after
            if how == "rst":
                # What had come before the reset can still be read.
                self.assertEqual(came, peer.before, peer.kind)
                lost += sent[peer.flow[:2]] - came
                unread += BYTES if "send" in KINDS[peer.kind][2] else 0
            else:
                self.assertEqual(came, sent[peer.flow[:2]], peer.kind)
                delivered += came - peer.before
        self.assertGreater(lost, 100000)
        self.assertGreater(delivered, 100000)
        inside = (EACH // 2) * len("never read")
        self.assertEqual(end["unread_bytes"], unread + inside)
        self.assertEqual(end["unsent_bytes"], lost)
        self.assertEqual(end["orphan_bytes"], delivered)

    def queues(self, end, waiting):
        """Those of clients that had gone before are not counted, and get nothing."""
        for act, socks in waiting.items():
            for sock in socks:
                self.assertIn(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), (errno.ECONNRESET,), act)
        self.assertEqual(end["listener_resets"], sum(map(len, waiting.values())))

    def table(self, rows, peers, seen):
        """For people: one line a kind."""
        counted = collections.Counter()
        for peer, how in seen.items():
            row = rows.get(peer.flow)
            counted[peer.kind, row["state"] if row else "-", row["outcomes"]["exit"]["segment"] if row else "none", how] += 1
        print(f"\n{'kind':<16}{'state':<14}{'said':<8}{'seen':<8}count")
        for (kind, state, said, how), count in counted.items():
            print(f"{kind:<16}{state:<14}{said:<8}{how:<8}{count}")


# A listener, five connections that all have, and ten that are a worker's own.
SERVER = """
with open(sys.argv[2] + "/cgroup.procs", "w") as group:
    group.write(str(os.getpid()))
listener = listen(64)
say(listener.getsockname()[1])
step()
shared = [listener.accept()[0] for _ in range(5)]
workers = []
for number in range(4):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        mine = [listener.accept()[0] for _ in range(10)]
        if number == 1:
            for sock in mine:
                linger(sock, 0)
        os.write(writing, b"x")
        time.sleep(1000)
    os.read(reading, 1)
    workers.append(child)
say(*workers)
step()
"""


class Prefork(unittest.TestCase):
    def setUp(self):
        folder = "/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup"
        self.group = f"{folder}/tcpdiag-prefork.service"
        try:
            os.mkdir(self.group)
        except OSError as error:
            self.skipTest(f"no control group can be made: {error}")
        self.addCleanup(self.remove)

    def members(self):
        with open(f"{self.group}/cgroup.procs", encoding="ascii") as group:
            return [int(pid) for pid in group.read().split()]

    def remove(self):
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        lib.wait_for(lambda: not self.members(), "its processes have ended")
        os.rmdir(self.group)

    def connections(self, stack, port, count, act=None):
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(count)]
        for sock in socks if act == "send" else ():
            sock.sendall(bytes(BYTES))
        return socks

    def test_workers(self):
        """One worker: its own connections end, the shared ones live on. Then all of them."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(scenes.Actor("prefork", SERVER, self.group))
            port = int(server.read()[0])
            shared = self.connections(stack, port, 5)
            # The third worker does not read.
            own = [self.connections(stack, port, 10, "send" if number == 2 else None) for number in range(4)]
            server.go()
            workers = [int(word) for word in server.read()]
            waiting = self.connections(stack, port, 6)
            stack.enter_context(lib.Daemon(*OPTIONS))
            scenes.needs_bpf()
            for number, worker in enumerate(workers):
                end = self.ask(f"/processes/{worker}", lambda said: said["exit"]["survive"] == 6)
                resets = 10 if number in (1, 2) else 0
                self.assertEqual((end["rst"], end["fin"], end["survive"], end["listener_resets"]),
                                 (resets, 10 - resets, 6, 0), end)
            for number in (2, 3):
                self.kill(workers[number], (own[number], "rst" if number == 2 else "fin"), shared, waiting)
            end = self.ask("/units/tcpdiag-prefork", lambda said: sum(said["sockets"].values()) == 26)
            self.assertEqual((end["rst"], end["rst_peer_open"], end["fin"], end["none"], end["survive"],
                              end["listener_resets"]), (10, 10, 15, 1, 0, 6), end)
            self.all(end, own, shared, waiting)

    def ask(self, path, condition):
        last = {}

        def settled():
            reply = lib.request(path)
            last["reply"] = reply.text
            said = reply.status == 200 and reply.json()
            return said and said["exit"]["certain"] and not said["exit"]["unseen"] and condition(said) and said["exit"]

        try:
            return lib.wait_for(settled, path, 40)
        except AssertionError as late:
            raise AssertionError(f"{late}; there is {last}") from None

    def kill(self, pid, own, *others):
        """Of its own connections each ends as said, and of the others nobody hears anything."""
        socks, how = own
        before = scenes.out_resets()
        os.kill(pid, signal.SIGKILL)
        for sock in socks:
            self.assertEqual(self.ended(sock), how)
        self.assertEqual(scenes.out_resets() - before, len(socks) if how == "rst" else 0)
        for sock in (sock for some in others for sock in some):
            sock.settimeout(0.02)
            self.assertRaises(TimeoutError, sock.recv, 1)

    @staticmethod
    def ended(sock):
        sock.settimeout(10)
        try:
            return "fin" if sock.recv(1) == b"" else "data"
        except ConnectionResetError:
            return "rst"

    def all(self, end, own, shared, waiting):
        before = scenes.out_resets()
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        for socks, how in ((own[0], "fin"), (own[1], "rst"), (shared, "fin"), (waiting, "rst")):
            for sock in socks:
                self.assertEqual(self.ended(sock), how)
        self.assertEqual(scenes.out_resets() - before, end["rst"] + end["listener_resets"])


if __name__ == "__main__":
    lib.main()
