#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Random sockets of real programs on loopback, what --once says of each, and what the kernel then does.

The conformance table scripts one end; here both are the kernel's, so each acknowledgement comes at once. What
was done to a socket is said with a disagreement. TCPDIAG_SEED=N makes another walk, TCPDIAG_SECONDS a longer one.
"""
import collections
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

import lib

SEED = int(os.environ.get("TCPDIAG_SEED", "20261123"))
SECONDS = float(os.environ.get("TCPDIAG_SECONDS", "25"))
AT_ONCE = 60  # sockets of one question
SLACK = 1.0  # of a machine with other work
HAS_MPTCP = pathlib.Path("/proc/sys/net/mptcp/enabled")
MPTCP, TCP_REPAIR, IPV6_V6ONLY = 262, 19, 26
FIN, RST = 1, 4
COUNTERS = ("TCPAbortOnClose", "TCPAbortOnData", "TCPAbortOnLinger", "TCPMigrateReqSuccess", "MPFastcloseTx")
SHUTDOWNS = {"shutdown_read": 0, "shutdown_write": 1, "shutdown_both": 2}
STATES = ("", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait",
          "last-ack", "listening", "closing")
# What the acknowledgement makes of a state before anybody can look.
LATER = {"fin-wait-1": {"fin-wait-2", "closing", "time-wait", "closed"}, "last-ack": {"closed"}, "closing": {"closed"},
         "fin-wait-2": {"closed"}, "time-wait": {"closed"}, "bound-inactive": {"closed"}}


class Wire(threading.Thread):
    """Flags of every TCP segment that arrives on loopback, by its ports."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = collections.defaultdict(list)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE

    def run(self):
        while True:
            packet, address = self.sock.recvfrom(128)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            ip = packet[14:]
            protocol, length = (ip[9], (ip[0] & 15) * 4) if ip[0] >> 4 == 4 else (ip[6], 40)
            if protocol == socket.IPPROTO_TCP:
                self.seen[struct.unpack_from(">HH", ip, length)].append(ip[length + 13])


def counters():
    names = {}
    for path in ("/proc/net/netstat", "/proc/net/snmp"):
        lines = pathlib.Path(path).read_text().splitlines()
        for head, values in zip(lines[::2], lines[1::2]):
            names.update(zip(head.split()[1:], map(int, values.split()[1:])))
    return {name: names.get(name, 0) for name in (*COUNTERS, "OutRsts")}


def hold_only(number, until):
    """In a child: all other descriptors go, and it goes itself at the end of this pipe."""
    low, high = sorted((number, until))
    os.closerange(0, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, 4096)
    os.read(until, 1)
    os._exit(0)


class Conversation:
    """One socket, its peer, and what was done to them."""

    def __init__(self, rng):
        self.rng = rng
        self.said = []
        self.sock = self.peer = self.listener = None
        self.others = []  # besides the socket: sockets and functions that let go of it
        self.keep = []
        self.child = self.how = None
        kind = rng.choice(["pair"] * 12 + ["waiting", "waiting", "syn-sent", "listener", "listener", "unbound", "bound"]
                          + ["mptcp"] * (HAS_MPTCP.exists() and HAS_MPTCP.read_text().strip() == "1"))
        self.kind = kind
        self.said.append(kind)
        {"waiting": self.make_waiting, "syn-sent": self.make_syn_sent, "listener": self.make_listener,
         "unbound": self.make_unbound, "bound": self.make_bound}.get(kind, self.make_pair)()

    def note(self, *words):
        self.said.append(" ".join(map(str, words)))

    def listen(self, protocol=0):
        rng = self.rng
        family = rng.choice(["4", "6", "mapped"])
        listener = socket.socket(socket.AF_INET if family == "4" else socket.AF_INET6, socket.SOCK_STREAM, protocol)
        if family != "4":
            listener.setsockopt(socket.IPPROTO_IPV6, IPV6_V6ONLY, 0)
        self.note(family)
        if rng.random() < 0.25:
            self.linger(listener, "listener linger")
        self.small = rng.random() < 0.4
        if self.small:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self.note("small")
        listener.bind(("127.0.0.1" if family == "4" else "::", 0))
        listener.listen(4)
        self.to = ("::1" if family == "6" else "127.0.0.1", listener.getsockname()[1])
        self.protocol = protocol
        return listener

    def connect(self):
        peer = socket.socket(socket.AF_INET6 if ":" in self.to[0] else socket.AF_INET, socket.SOCK_STREAM,
                             self.protocol)
        if self.small:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.connect(self.to)
        return peer

    def make_pair(self):
        self.listener = self.listen(MPTCP if self.kind == "mptcp" else 0)
        client = self.connect()
        server = self.listener.accept()[0]
        ends = [client, server]
        if self.rng.random() < 0.5:
            ends.reverse()
        self.note("connected" if ends[0] is client else "accepted")
        self.sock, self.peer = ends
        self.ports = (self.sock.getsockname()[1], self.sock.getpeername()[1])
        self.listener.close()

    def make_waiting(self):
        self.listener = self.listen()
        self.peer = self.connect()
        self.ports = (self.to[1], self.peer.getsockname()[1])

    def make_listener(self):
        self.sock = self.listen()
        self.children = self.rng.randrange(4)
        self.keep = [self.connect() for _ in range(self.children)]
        self.note("children", self.children)
        for client in self.keep:
            if self.rng.random() < 0.3:
                client.send(b"x")
        if self.keep and self.rng.random() < 0.4:
            self.note("one of them reset")
            self.keep[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.keep.pop(0).close()
        self.ports = (self.to[1], None)

    def make_syn_sent(self):
        """A listener whose queue is full does not answer."""
        self.listener = full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.keep = [socket.create_connection(full.getsockname())]
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(full.getsockname())
        self.ports = (self.sock.getsockname()[1], full.getsockname()[1])

    def make_unbound(self):
        self.sock = socket.socket()
        self.ports = None

    def make_bound(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.ports = (self.sock.getsockname()[1], None)

    def linger(self, sock=None, word="to"):
        value = self.rng.choice([(1, 0), (1, 0), (1, 1), (1, -1), (0, 5), (1, 2)])
        (sock or self.sock).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *value))
        self.note(word, *value)

    def step(self):
        """One random thing; what a socket refuses is noted, too."""
        mine = ["read", "write", "linger", "linger", "linger2", "fill", "shut-wr", "shut-rd", "shut-rdwr", "peek", "repair",
                "user-timeout", "keepalive"]
        peers = ["peer-write", "peer-write", "peer-write", "peer-shut-wr", "peer-urgent", "peer-close", "peer-reset", "peer-fill",
                 "peer-read", "peer-close-unread"]
        word = self.rng.choice(mine * (self.sock is not None) + peers * (self.peer is not None))
        self.note(word)
        try:
            getattr(self, word.replace("-", "_"))()
        except OSError as error:
            self.note("!" + errno.errorcode[error.errno])

    def moves(self):
        """Whether something waits in a send queue, and may get through at any time."""
        return bool({"fill", "peer-fill", "small"} & set(self.said))

    def some(self, *more):
        return self.rng.choice([1, 5, 100, 3000, *more])

    def read(self):
        self.sock.setblocking(False)
        self.note(len(self.sock.recv(self.some(1 << 20))))

    def peek(self):
        self.sock.setblocking(False)
        self.sock.recv(self.some(), socket.MSG_PEEK)

    def write(self):
        self.sock.setblocking(False)
        self.sock.send(bytes(self.some()))

    def fill(self):
        self.sock.setblocking(False)
        for _ in range(200):
            self.sock.send(bytes(65536))

    def linger2(self):
        value = self.rng.choice([-1, 1, 20, 61, 90])
        self.note(value)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, value)

    def shut_wr(self):
        self.sock.shutdown(socket.SHUT_WR)

    def shut_rd(self):
        if self.kind == "listener":
            self.note("-")
        else:
            self.sock.shutdown(socket.SHUT_RD)

    def shut_rdwr(self):
        self.shut_rd()
        self.shut_wr()

    def repair(self):
        if self.rng.random() < 0.3 and self.kind != "mptcp":
            self.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        else:
            self.note("-")

    def user_timeout(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60000)

    def keepalive(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def peer_write(self):
        self.peer.setblocking(False)
        self.peer.send(bytes(self.some()))

    def peer_fill(self):
        self.peer.setblocking(False)
        for _ in range(200):
            self.peer.send(bytes(65536))

    def peer_read(self):
        self.peer.setblocking(False)
        self.peer.recv(1 << 20)

    def peer_shut_wr(self):
        self.peer.shutdown(socket.SHUT_WR)

    def peer_urgent(self):
        self.peer.send(b"u", socket.MSG_OOB)

    def peer_close(self):
        with contextlib.suppress(BlockingIOError):
            self.peer_read()
        self.peer_close_unread()

    def peer_close_unread(self):
        """Without a linger of its listener, that would have it wait here."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        self.peer.close()

    def peer_reset(self):
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def hold(self):
        """Who else holds it, at times."""
        how = self.rng.choice([None] * 8 + ["duplicate", "fork", "message", "child", "child"])
        if how is None or self.sock is None:
            return
        self.note(how)
        if how == "duplicate":
            self.others.append(self.sock.dup().close)
        elif how in ("fork", "child"):
            until, self.until = os.pipe()
            self.child = os.fork()
            if not self.child:
                hold_only(self.sock.fileno(), until)
            os.close(until)
            if how == "child":
                self.sock.close()
            else:
                self.others.append(self.kill)
        elif how == "message":
            ends = socket.socketpair()
            socket.send_fds(ends[0], [b"x"], [self.sock.fileno()])
            self.keep += ends
            self.others.append(ends[1].close)
        self.how = how

    def kill(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.until)
        self.child = None

    def end(self):
        while self.others:
            self.others.pop()()
        if self.child:
            self.kill()
        for sock in (self.peer, self.sock, self.listener, *self.keep):
            if sock is not None and sock.fileno() >= 0:
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()


def ask(*options):
    """The rows that --once prints, by their ports."""
    out = subprocess.run([str(lib.TCPDIAGD), "--once", "--format", "json", *options], capture_output=True, text=True,
                         check=True).stdout
    rows = collections.defaultdict(list)
    for row in json.loads(out)["sockets"]:
        rows[row["local"]["port"], row["remote"] and row["remote"]["port"]].append(row)
    return rows


class Disagreement(Exception):
    pass


class Judge:
    """Does what was asked about to one socket, and holds what comes against what was said."""

    def __init__(self, wire, talk, row, blind):
        self.wire = wire
        self.talk = talk
        self.row = row
        self.blind = blind
        self.closing = []  # threads in close()
        self.since = 0  # segments before are of what was done before

    def agree(self, what, said, came):
        if said != came:
            raise Disagreement(f"{what}: said {said!r}, came {came!r}")

    def segments(self):
        return self.wire.seen[self.talk.ports][self.since:]

    def flags(self):
        segments = self.segments()
        return "rst" if any(f & RST for f in segments) else "fin" if any(f & FIN for f in segments) else "none"

    def segment(self, outcome):
        """What was sent, as soon as it is what was foretold, else after a moment."""
        end = time.monotonic() + (0.02 if outcome["segment"] == "none" else 0.5)
        while self.flags() != outcome["segment"] and time.monotonic() < end:
            time.sleep(0.001)
        return self.flags()

    def let_go(self, outcome):
        """All but the last reference: nothing may happen, and it was said."""
        talk = self.talk
        self.since = len(self.wire.seen[talk.ports])
        if talk.how in ("duplicate", "fork"):
            self.agree("last", False, outcome["last"])
            self.agree("held by", ["duplicate" if talk.how == "duplicate" else "process"], outcome["held_by"])
        elif talk.how == "message":
            self.agree("last is not", True, outcome["last"] is not True)
        elif outcome["last"] is False:
            raise Disagreement(f"last is false: {self.row['references']} {outcome['held_by']} {self.row['holders']}")
        while talk.others:
            talk.others.pop()()
        if talk.how:
            self.agree("before the last close()", "none", self.flags())

    def close(self, outcome):
        """Seconds that the last close() took; of one that may block, in a thread that goes on."""
        blocks = outcome["blocks_seconds"]
        number = self.talk.sock.detach()
        began = time.monotonic()
        if not blocks:
            os.close(number)
            took = time.monotonic() - began
            if took > 0.5:
                raise Disagreement(f"close() took {took} s")
            return
        ended = []

        def closing():
            os.close(number)
            ended.append(time.monotonic() - began)

        thread = threading.Thread(target=closing, daemon=True)
        thread.start()
        thread.join(0.03)
        if blocks != "forever":
            self.closing.append((thread, began + blocks + SLACK))

    def do(self, name, outcome):
        talk = self.talk
        error = None
        if name == "exit":
            talk.kill()
        elif name == "listener_close":
            talk.listener.close()
        elif name == "close":
            self.close(outcome)
        else:
            try:
                talk.sock.shutdown(SHUTDOWNS[name])
            except OSError as failed:
                error = errno.errorcode[failed.errno]
            state = STATES[talk.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]
            if state not in {outcome["state"], *LATER.get(outcome["state"], ())} and talk.kind != "mptcp":
                raise Disagreement(f"state: said {outcome['state']}, came {state}")
        self.agree("error", outcome["error"], error)

    def operation(self):
        talk = self.talk
        if talk.kind == "waiting":
            return "listener_close"
        if talk.how == "child":
            return "exit"
        return talk.rng.choice(["close", "close", "close", "shutdown_read", "shutdown_write", "shutdown_both"])

    def numbers(self):
        """The kernel's own, by ioctl and getsockopt, and what was said of them."""
        row, sock = self.row, self.talk.sock
        queues = [struct.unpack("i", fcntl.ioctl(sock, request, bytes(4)))[0]
                  for request in (termios.FIONREAD, termios.TIOCOUTQ)]
        on, seconds = struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
        state = STATES[sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]
        said = [row["unread_bytes"], row["send_queue"], row["linger"]["on"], row["linger"]["seconds"],
                row["fin_timeout"]["linger2_seconds"] or 60, row["state"]]
        came = [*queues, bool(on), seconds, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2), state]
        if "peer-urgent" in self.talk.said:
            said[0] = came[0]
        if said[3] == "forever":
            said[3] = came[3]
        return said, came

    def still(self):
        """Whether it is as it was when the question was asked."""
        talk = self.talk
        if talk.kind != "pair" or self.row["state"] == "closed":
            return True
        if talk.sock.fileno() < 0:  # a child has it: nobody can ask its kernel
            return not talk.moves()
        said, came = self.numbers()
        if not talk.moves():
            self.agree("numbers", said, came)
        return said == came

    def judge(self):
        name = self.operation()
        self.talk.note("|", name)
        outcome = self.row["outcomes"][name]
        blind = self.blind["outcomes"][name] if self.blind and self.blind["outcomes"] else None
        # Nothing tells which of two rules for MPTCP and linger 0 this kernel has.
        if not outcome["certain"] and (self.talk.kind, outcome["unknown"]) != ("mptcp", ["kernel"]):
            raise Disagreement(f"not certain: {outcome['unknown']}")
        if not self.still():
            return None
        if name == "close":
            self.let_go(outcome)
        self.since, before = len(self.wire.seen[self.talk.ports]), counters()
        self.do(name, outcome)
        came = self.segment(outcome)
        said = outcome["segment"]
        # Behind data that the peer does not take, or with the last subflow of MPTCP, it comes later.
        waits = said == "fin" and came == "none" and (self.row["unacked_bytes"] or self.row["unsent_bytes"] or
                                                     self.row["state"] == "syn-recv" or self.talk.kind == "mptcp")
        late = said == "fin" and self.refusable(outcome)
        if not waits and not (late and came == "rst"):
            self.agree("segment", said, came)
        if blind and said not in {blind["segment"], *(o["segment"] for o in blind["otherwise"])}:
            raise Disagreement(f"without BPF: {blind}")
        if late:
            return name
        self.count(outcome, before)
        return name

    def refusable(self, outcome):
        """Whether a RST may follow the FIN at any moment: it answers the FIN's acknowledgement, or data that came late."""
        if (outcome["then"] or {}).get("ends_with") == "rst":
            return True
        waits = self.row["unacked_bytes"] or self.row["unsent_bytes"]
        return self.talk.moves() and bool(waits or any(f & FIN for f in self.segments()))

    def count(self, outcome, before):
        """Others count, too, now and then: what was foretold is among it, and what was not did not reset this one."""
        now = counters()
        wanted = outcome["resets"] + (outcome["segment"] == "rst")
        if self.talk.kind != "mptcp" and now["OutRsts"] - before["OutRsts"] < wanted:
            raise Disagreement(f"resets: said {wanted}, came {now['OutRsts'] - before['OutRsts']}")
        counter = outcome["counter"]
        if counter and now[counter] == before[counter]:
            raise Disagreement(f"counter: {counter} stands still")
        came = sum(bool(f & RST) for f in self.segments())
        if self.talk.kind not in ("mptcp", "listener"):
            self.agree("resets of this one", int(outcome["segment"] == "rst"), came)


class Verdicts(unittest.TestCase):
    def round(self, wire, rng):
        """Sockets, one question, and each answer tried."""
        talks, judges = [], []
        try:
            for _ in range(AT_ONCE):
                talk = Conversation(rng)
                talks.append(talk)
                for _ in range(rng.randrange(8)):
                    talk.step()
                talk.hold()
            time.sleep(0.1)
            rows, blind = ask(), ask("--no-collector.bpf")
            for talk in talks:
                judge = self.one(wire, talk, rows, blind)
                if judge:
                    judges.append(judge)
            for judge in judges:
                for thread, until in judge.closing:
                    thread.join(max(0, until - time.monotonic()))
                    if thread.is_alive():
                        self.wrong.append(f"close() blocks longer than it may: {judge.talk.said}")
        finally:
            for talk in talks:
                talk.end()

    def find(self, rows, talk):
        """Its row: of one that a minisocket stands beside, or that has never been bound, the one that is held."""
        if talk.ports is None:
            return None
        attachment = "unaccepted" if talk.kind == "waiting" else "held"
        protocol = "mptcp" if talk.kind == "mptcp" else "tcp"
        found = [row for row in rows.get(talk.ports, ()) if row["attachment"] == attachment
                 and row["protocol"] == protocol]
        return found[0] if len(found) == 1 else None

    def one(self, wire, talk, rows, blind):
        row = self.find(rows, talk)
        if not row:
            # What was never bound, and what has lost its ports, shows none; of the waiting the dead are hidden.
            self.tried["no row"] += 1
            # A minisocket hides its dead socket where somebody has asked for the cookie before: any daemon here.
            minisocket = any(r["attachment"] == "timewait" for r in rows.get(talk.ports, ()))
            if talk.kind in ("pair", "listener", "bound") and not talk.moves() and not minisocket:
                self.wrong.append(f"{len(rows.get(talk.ports, ()))} rows: {talk.said}")
            return None
        judge = Judge(wire, talk, row, self.find(blind, talk))
        try:
            name = judge.judge()
            self.tried[row["outcomes"][name]["rule"] if name else "moved"] += 1
        except Disagreement as why:
            self.wrong.append(f"{why}; {row['state']}, linger {row['linger']}; said and done: {talk.said}")
        return judge

    def test_what_comes_is_what_was_said(self):
        if any("bpf" in reason for reason in self.missing()):
            self.skipTest("without BPF")
        wire, rng, end = Wire(), random.Random(SEED), time.monotonic() + SECONDS
        wire.start()
        self.tried, self.wrong = collections.Counter(), []
        while time.monotonic() < end:
            self.round(wire, rng)
        print(f"seed {SEED}: {dict(self.tried.most_common())}")
        self.assertFalse(self.wrong, f"seed {SEED}: " + "\n".join(self.wrong))
        self.assertGreater(len(self.tried), 10, self.tried)

    def missing(self):
        out = subprocess.run([str(lib.TCPDIAGD), "--once", "--format", "json"], capture_output=True, check=True).stdout
        return json.loads(out)["snapshot"].get("missing", [])


if __name__ == "__main__":
    lib.main()
