# SPDX-License-Identifier: LGPL-2.1-or-later
"""
One scenario's world: a namespace, the socket in question, its peer, and what is true of them.

The words of a scenario ("connect; write 4; peer-fin") are the methods whose names begin with do_. Each
does its work through the real calls and packets, and keeps `truth`: what a careful observer of those
calls and packets knows, by RFC 9293's state diagram and nothing of the oracle's.
"""

import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field

import net
from packet import ACK, FIN, PSH, RST, SYN
from peer import ISN, KernelPeer, Peer

TCP_LINGER2, TCP_REPAIR, TCP_FASTOPEN, TCP_USER_TIMEOUT = 8, 19, 23, 18
IPPROTO_MPTCP = 262
TCP_CLOSE = 7
SETTLE = 0.04  # the kernel answers a call at once; this is for a busy machine
FIRST_PORT, BOUND_PORT = 20000, 30000


class CannotMake(Exception):
    """The kernel did not come into the state that was wanted."""


@dataclass
class Truth:
    state: str = "closed"
    attachment: str = "held"
    visible: bool = False  # sock_diag has a row for the descriptor's own socket
    mini: bool = False  # sock_diag has a minisocket of this flow
    unread: int = 0
    unacked: int = 0
    unsent: int = 0
    fin_unread: bool = False
    peer_fin: bool = False
    our_fin: str = ""  # queued, sent, acked
    shutdown: int = 0
    urgent_mark: bool = False


@dataclass
class Observation:
    error: str = None
    seconds: float = 0.0
    segments: list = field(default_factory=list)
    counters: dict = field(default_factory=dict)
    new_fin: bool = False
    resets: int = 0  # of the flow in question
    other_resets: int = 0
    rows: list = field(default_factory=list)
    descriptor_state: int = None  # tcpi_state, where the descriptor is still open
    interrupted: bool = False  # the call was ended by the peer: the rows are from before that


class Ask:
    """The oracle in its co-process."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, preexec_fn=net.die_with_parent)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        line = self.process.stdout.readline()
        if not line:
            raise CannotMake("the oracle's process ended")
        reply = json.loads(line)
        if "error" in reply:
            raise CannotMake(f"ask {' '.join(map(str, words))}: {reply['error']}")
        return reply.get("rows", reply.get("rules"))


class Scene:
    def __init__(self, ask_program, family="4"):
        self.wire = net.Wire()
        if family == "6":
            net.await_ipv6()
        self.family = family
        self.ask = Ask(ask_program)
        self.truth = Truth()
        self.told = {"linger": "off", "linger2": 0, "repair": 0}
        self.protocol = "tcp"
        self.sock = None
        self.listener = None
        self.sibling = None
        self.peer = None
        self.peers = {}  # by the peer's port
        self.besides = 0  # connections that an operation resets and a row does not speak of
        self.waiting = 0  # living connections in the listener's queue
        self.window = 65535
        self.sent = 0  # sequence numbers after the kernel's SYN that must have been on the wire
        self.question = self.aimed = None
        self.loopback = None
        self.bound = False
        self.auto_ack = False

    # ---- the wire ----

    def address(self, table, port):
        return (table[self.family], port)

    def new_peer(self, local):
        port = FIRST_PORT + len(self.peers)
        peer = Peer(self.wire, local, self.address(net.REMOTE, port))
        peer.window = self.window
        self.peers[port] = peer
        return peer

    def pump(self, timeout=0.0, until=None):
        """Hands out what the kernel sends, for @timeout seconds or until @until() holds."""
        end = time.monotonic() + timeout
        while True:
            if until and until():
                return True
            segment = self.wire.receive(max(0.0, end - time.monotonic()))
            if segment is None:
                return until is None
            peer = self.peers.get(segment.target[1])
            if peer:
                peer.take(segment)
                if self.auto_ack and segment.length == 0 and not segment.flags & RST:
                    peer.send(ACK)

    def await_segment(self, peer, flags, what):
        def found():
            return any(s.flags & flags == flags for s in peer.inbox)
        if not self.pump(2.0, found):
            raise CannotMake(f"no {what} from the kernel")
        return next(s for s in peer.inbox if s.flags & flags == flags)

    def await_sent(self):
        """Until everything that fits into the window has been seen."""
        peer = self.peer
        want = peer.iss + 1 + self.sent
        if not self.pump(2.0, lambda: peer.highest is not None and peer.highest >= want):
            raise CannotMake(f"the kernel has sent up to {peer.highest - peer.iss - 1} of {self.sent}")

    # ---- sockets ----

    def new_socket(self):
        kind = socket.AF_INET if self.family == "4" else socket.AF_INET6
        sock = socket.socket(kind, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.family == "mapped":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        return sock

    def sockaddr(self, address):
        return ("::ffff:" + address[0], address[1]) if self.family == "mapped" else address

    def name_of(self, sock):
        return self.address(net.LOCAL, sock.getsockname()[1])

    def need_socket(self):
        if self.sock is None:
            self.sock = self.new_socket()

    def do_socket(self):
        self.need_socket()

    def do_bind(self):
        """To a port of the application's choice: that one is kept after the connection's end."""
        self.need_socket()
        self.sock.bind(self.sockaddr(self.address(net.LOCAL, BOUND_PORT)))
        self.truth.state, self.truth.visible, self.bound = "bound-inactive", True, True

    def do_sysctl(self, name, value):
        net.sysctl(name, value)

    def do_linger(self, value):
        """off, a number of seconds, or forever."""
        on, seconds = value != "off", -1 if value == "forever" else 0 if value == "off" else int(value)
        self.subject().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))
        self.told["linger"] = value if value in ("off", "forever") else seconds * 1000

    def do_linger2(self, seconds):
        self.subject().setsockopt(socket.IPPROTO_TCP, TCP_LINGER2, int(seconds))
        self.told["linger2"] = int(seconds) * 1000 if int(seconds) >= 0 else -1

    def do_repair(self):
        self.subject().setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.told["repair"] = 1

    def do_keepalive(self):
        self.subject().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def do_window(self, size):
        """What the peer will advertise from its next segment on; before the handshake: in it."""
        self.window = int(size)
        for peer in self.peers.values():
            peer.window = self.window

    # ---- handshakes ----

    def start_connect(self):
        self.need_socket()
        self.sock.setblocking(False)
        probe = Peer(self.wire, None, self.address(net.REMOTE, FIRST_PORT + len(self.peers)))
        r = self.sock.connect_ex(self.sockaddr(probe.remote))
        if r != errno.EINPROGRESS:
            raise CannotMake(f"connect(): {errno.errorcode.get(r, r)}")
        self.peer = self.new_peer(self.name_of(self.sock))
        self.truth.state, self.truth.visible = "syn-sent", True
        self.peer.iss = self.await_segment(self.peer, SYN, "SYN").seq

    def do_connecting(self):
        self.start_connect()

    def do_crossed(self):
        """Both SYNs cross: SYN-SENT to SYN-RECEIVED."""
        self.start_connect()
        self.peer.syn()
        self.peer.ack = self.peer.iss + 1
        self.await_segment(self.peer, SYN | ACK, "SYN,ACK")
        self.truth.state = "syn-recv"

    def do_connect(self):
        self.start_connect()
        self.peer.ack = self.peer.iss + 1
        self.peer.send(SYN | ACK)
        self.await_segment(self.peer, ACK, "ACK")
        self.truth.state = "established"

    def do_complete(self):
        """The peer's ACK ends the handshake."""
        self.peer.ack = self.peer.iss + 1
        self.peer.send(ACK)
        if self.truth.state == "syn-recv":
            self.truth.state = "established"
        if self.truth.attachment == "request":
            self.truth.attachment, self.truth.visible = "unaccepted", True
            self.truth.mini = False
            self.truth.state = "established"
            self.waiting += 1

    def do_listen(self, backlog="16"):
        self.listener = self.new_socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.listener.bind(self.sockaddr(self.address(net.LOCAL, 0)))
        self.listener.listen(int(backlog))
        self.truth.state, self.truth.visible = "listening", True

    def do_pair(self, protocol):
        """Both ends are this kernel's, over loopback; tcp or mptcp. The client is in question."""
        number = IPPROTO_MPTCP if protocol == "mptcp" else socket.IPPROTO_TCP
        try:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, number)
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, number)
        except OSError as error:
            raise CannotMake(f"no {protocol}: {error}") from error
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        remote = listener.getsockname()
        self.wire.sniff_loopback(remote[1])
        self.sock.connect(remote)
        other = listener.accept()[0]
        self.peer = KernelPeer(self.wire, self.sock.getsockname(), remote, other)
        self.peers[remote[1]] = self.peer
        self.loopback = (listener, other)
        self.truth.state, self.truth.visible = "established", True
        # Until both know that the other speaks it.
        self.do_write("1")
        other.recv(1)
        self.truth.unacked = 0
        self.pump(SETTLE)

    def do_sibling(self):
        """Another listener on the same port."""
        self.sibling = self.new_socket()
        self.sibling.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.sibling.bind(self.sockaddr(self.name_of(self.listener)))
        self.sibling.listen(16)

    def do_syn(self, payload="0", options=b""):
        """A SYN for the listener, no more."""
        self.peer = self.new_peer(self.name_of(self.listener))
        self.peer.syn(b"x" * int(payload), options)
        self.peer.iss = self.await_segment(self.peer, SYN | ACK, "SYN,ACK").seq
        self.truth.state, self.truth.attachment = "new-syn-recv", "request"
        self.truth.mini, self.truth.visible = True, False

    def do_arrive(self, count="1"):
        """Connections that nobody accepts."""
        for _ in range(int(count)):
            self.do_syn()
            self.do_complete()
        self.sent = 0

    def do_accept(self):
        self.listener.settimeout(2)
        try:
            self.sock, _ = self.listener.accept()
        except TimeoutError as error:
            raise CannotMake("accept() has nothing") from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.truth.attachment = "held"
        self.waiting -= 1

    def do_fastopen(self, payload):
        """A SYN with data makes a child before the handshake is over (RFC 7413)."""
        net.sysctl("ipv4/tcp_fastopen", 0x203)
        self.listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
        self.do_syn(payload)
        self.peer.seq = ISN + 1 + int(payload)
        self.peer.ack = self.peer.iss + 1
        self.truth = Truth(state="syn-recv", attachment="unaccepted", visible=True, unread=int(payload))
        self.waiting += 1

    # ---- what the process does ----

    def subject(self):
        return self.sock if self.sock is not None else self.listener

    def fits(self, size):
        return self.truth.unsent == 0 and self.truth.our_fin in ("", "acked") and \
            size <= self.window - self.truth.unacked

    def do_write(self, size):
        size = int(size)
        if self.sock.send(b"w" * size) != size:
            raise CannotMake("short send()")
        if self.fits(size):
            self.truth.unacked += size
            self.sent += size
            if not self.loopback:
                self.await_sent()
        else:
            self.truth.unsent += size

    def do_read(self, size):
        if len(self.sock.recv(int(size))) != int(size):
            raise CannotMake("short recv()")
        self.truth.unread -= int(size)

    def do_peek(self):
        self.sock.recv(1000, socket.MSG_PEEK)

    def do_read_oob(self):
        """The urgent byte is out of the stream, yet counts until a recv() passes it."""
        if len(self.sock.recv(1, socket.MSG_OOB)) != 1:
            raise CannotMake("no urgent byte")

    def do_eof(self):
        if self.sock.recv(1) != b"":
            raise CannotMake("no end of file")
        self.truth.fin_unread = False

    def our_fin(self):
        if self.truth.our_fin:
            return
        self.truth.state = {"established": "fin-wait-1", "syn-recv": "fin-wait-1",
                            "close-wait": "last-ack"}.get(self.truth.state, self.truth.state)
        if self.fits(1):
            self.truth.our_fin = "sent"
            self.sent += 1
            self.await_sent()
        else:
            self.truth.our_fin = "queued"

    def do_shut(self, how):
        ways = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}
        self.sock.shutdown(ways[how])
        self.truth.shutdown |= ways[how] + 1
        if ways[how] != socket.SHUT_RD and self.truth.state in ("established", "close-wait"):
            self.our_fin()

    def do_close(self):
        """Makes an orphan."""
        clean = self.truth.unread == 0
        self.sock.close()
        self.sock = None
        if not clean or self.truth.state in ("closed", "syn-sent", "bound-inactive"):
            self.truth.state, self.truth.visible = "closed", False
            return
        self.truth.attachment, self.truth.shutdown = "orphan", 3
        if self.truth.state == "fin-wait-2":
            self.orphan_fin_wait2()
        elif self.truth.mini:
            self.truth.attachment = "timewait"
        else:
            self.our_fin()

    def do_reset_close(self):
        self.do_linger("0")
        self.sock.close()
        self.sock = None
        self.truth.state, self.truth.visible = "closed", False

    def do_close_listener(self):
        self.listener.close()
        self.listener = None

    def do_late(self, size):
        """Data that the truth takes no account of: only the answer counts."""
        self.peer.data(b"l" * int(size))

    def do_age(self, seconds):
        """Time passes."""
        self.pump(float(seconds))

    def do_auto_ack(self):
        """From here on the peer acknowledges every probe, its window unchanged."""
        self.auto_ack = True

    # ---- what the peer does ----

    def orphan_fin_wait2(self):
        """tcp_fin_timeout up to 60 s: a minisocket."""
        with open("/proc/sys/net/ipv4/tcp_fin_timeout", encoding="ascii") as file:
            seconds = int(file.read())
        if self.told["linger2"]:
            seconds = min(self.told["linger2"] / 1000, 120)
        if seconds <= 60:
            self.truth.attachment = "timewait"
            self.truth.mini, self.truth.visible = True, False

    def time_wait(self):
        """The descriptor's socket is dead; a minisocket has taken the connection over."""
        self.truth.state, self.truth.mini, self.truth.visible = "time-wait", True, False
        self.truth.unread, self.truth.fin_unread = 0, False
        if self.truth.attachment != "held":
            self.truth.attachment = "timewait"

    def do_ack(self):
        """Everything that the kernel has sent is acknowledged, and nothing else said."""
        self.pump()
        truth = self.truth
        self.peer.acknowledge()
        truth.unacked = 0
        if truth.our_fin == "sent":
            truth.our_fin = "acked"
            if truth.state == "fin-wait-1":
                truth.state = "fin-wait-2"
                if truth.attachment == "orphan":
                    self.orphan_fin_wait2()
            elif truth.state == "closing":
                self.time_wait()
            elif truth.state == "last-ack":
                truth.state, truth.visible = "closed", False
        if self.window and truth.unsent and truth.unsent <= self.window:
            self.sent += truth.unsent
            truth.unacked, truth.unsent = truth.unsent, 0
            if truth.our_fin == "queued" and truth.unacked < self.window:
                truth.our_fin = "sent"
                self.sent += 1
            self.await_sent()
        elif self.window and truth.our_fin == "queued" and not truth.unsent:
            truth.our_fin = "sent"
            self.sent += 1
            self.await_sent()

    def late(self):
        """Nothing more is received in these states."""
        return self.truth.peer_fin or self.truth.state == "closed"

    def do_data(self, size):
        self.peer.data(b"d" * int(size))
        if self.late():
            return
        if self.truth.shutdown & 1 and self.truth.state.startswith("fin-wait"):
            self.truth.state, self.truth.visible, self.truth.mini = "closed", False, False
            self.truth.unread = 0
        else:
            self.truth.unread += int(size)

    def do_urgent(self, size):
        """The last of @size bytes is urgent. The truth: it counts as unread."""
        self.peer.urgent(b"u" * int(size))
        self.truth.unread += int(size)

    def do_ahead(self, size, flags=0):
        """Out of order: waits behind a gap of 100 bytes and is no part of the receive queue."""
        self.peer.ahead(b"o" * int(size), 100, flags)

    def do_ahead_fin(self):
        self.peer.ahead(b"o", 100, FIN)

    def do_fin(self):
        self.peer.fin()
        truth = self.truth
        if truth.peer_fin:
            return
        truth.peer_fin = truth.fin_unread = True
        truth.shutdown |= 1
        if truth.state == "fin-wait-2":
            self.time_wait()
        else:
            truth.state = {"established": "close-wait", "fin-wait-1": "closing"}[truth.state]

    def do_rst(self):
        """The descriptor stays, its socket is dead."""
        self.peer.reset()
        self.waiting -= self.truth.attachment == "unaccepted"
        self.truth = Truth(state="bound-inactive" if self.bound else "closed", visible=self.bound)

    # ---- asking and doing ----

    def aim(self, at):
        """What the questions are about: the "flow" with the peer, or the "listener"."""
        self.aimed = at
        if at == "flow" and self.peer:
            self.question = ["socket", self.protocol, *self.peer.local, *self.peer.remote]
        else:
            subject = self.listener if at == "listener" else self.subject()
            self.question = ["socket", self.protocol, *self.name_of(subject), "::", 0]
            self.inode = os.fstat(subject.fileno()).st_ino  # not a sibling's of the same name

    def look(self, told=False):
        inputs = [f"{key}={value}" for key, value in self.told.items()] if told else []
        rows = self.ask(*self.question, *inputs)
        return [row for row in rows if self.aimed != "listener" or row["inode"] in (0, self.inode)]

    def exit_holder(self):
        """A child becomes the sole holder of the subject. Returns what kills it and waits."""
        ready, done = os.pipe()
        child = os.fork()
        if child == 0:
            net.die_with_parent()
            os.write(done, b".")
            while True:
                signal.pause()
        os.read(ready, 1)
        os.close(ready)
        os.close(done)
        self.drop_subject()

        def kill():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return kill

    def drop_subject(self):
        subject = self.subject()
        if subject is self.listener:
            self.listener = None
        else:
            self.sock = None
        subject.close()

    def operation(self, name):
        """The call to make; what has to be arranged first is."""
        how = {"shutdown_read": socket.SHUT_RD, "shutdown_write": socket.SHUT_WR,
               "shutdown_both": socket.SHUT_RDWR}
        if name in how:
            subject = self.subject()
            return lambda: subject.shutdown(how[name])
        if name == "close":
            return self.drop_subject
        if name == "exit":
            return self.exit_holder()
        if name == "listener_close":
            return self.do_close_listener
        raise ValueError(name)

    def operate(self, name, patience=0.0, after=None):
        """
        Does it and watches. A call that blocks is given @patience seconds, then @after (a word of the
        peer's) is done so that it returns.
        """
        call = self.operation(name)
        self.pump()
        before, mark = net.counters(), len(self.wire.seen)
        fins = self.peer.fins if self.peer else 0
        seen = Observation()

        def run():
            start = time.monotonic()
            try:
                call()
            except OSError as error:
                seen.error = errno.errorcode.get(error.errno, str(error.errno))
            seen.seconds = time.monotonic() - start

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(0.15)
        blocked = thread.is_alive()
        if blocked:
            seen.rows = self.look()
            self.pump(patience, lambda: not thread.is_alive())
            if thread.is_alive() and after:
                after()
            thread.join(2)
            if thread.is_alive():
                raise CannotMake(f"{name} does not return")
        self.pump(SETTLE)
        seen.segments = self.wire.seen[mark:]
        seen.counters = {key: value - before.get(key, 0) for key, value in net.counters().items()}
        seen.new_fin = bool(self.peer and self.peer.fins > fins)
        resets = [s for s in seen.segments if s.flags & RST]
        seen.resets = sum(self.aimed == "flow" and self.peer is not None and
                          s.target == self.peer.remote for s in resets)
        seen.other_resets = len(resets) - seen.resets
        seen.interrupted = blocked and after is not None
        if not seen.interrupted:
            seen.rows = self.look()
        if name.startswith("shutdown") and self.subject() is not None:
            seen.descriptor_state = self.subject().getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return seen

    def release(self):
        """Opens the window and acknowledges, until a FIN has been sent or a second has gone by."""
        self.do_window(65535)
        end = time.monotonic() + 1
        if self.peer.ack < self.peer.iss + 1:
            self.peer.ack = self.peer.iss + 1
        while not self.peer.fins and time.monotonic() < end:
            self.peer.acknowledge(seq=self.peer.top)
            self.pump(0.05, lambda: self.peer.fins > 0)
        return self.peer.fins > 0

    def lifetime(self, limit):
        """Seconds until sock_diag has no row of this flow any more; None when @limit was too short."""
        start = time.monotonic()
        pause = min(1.0, max(0.05, limit / 50))
        while True:
            if not self.look():
                return time.monotonic() - start
            if time.monotonic() - start > limit:
                return None
            self.pump(pause)
