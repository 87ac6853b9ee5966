# SPDX-License-Identifier: LGPL-2.1-or-later
"""
One scenario's world: a namespace, a wire, the socket in question, its peers, and what is true of them.

`Truth` is what a careful observer of the calls and packets knows, by RFC 9293's state diagram and nothing
of the oracle's.
"""

import socket
import struct
import time
from dataclasses import dataclass, field

import net
from packet import ACK, RST
from peer import Peer


IPPROTO_MPTCP = 262


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
    fin_with_data: bool = False  # tcp_try_coalesce(): who reads the last byte before it has read it, too
    peer_fin: bool = False
    our_fin: str = ""  # queued, sent, acked
    shutdown: int = 0
    keepalive: bool = False
    ahead: bool = False  # something waits behind a gap
    error: int = None  # what the next call gets, where that is clear
    holding: set = field(default_factory=set)  # what refers to the file besides one descriptor


class World:
    def __init__(self, wire, family="4"):
        self.wire = wire
        wire.begin()
        self.sockets = []  # all that were made, to be closed when nobody asks any more
        self.settings = {}  # what was changed, as it was
        self.family = family
        self.truth = Truth()
        self.told = {"linger": "off", "linger2": 0, "repair": 0}
        self.user_timeout = self.siblings = 0
        self.untold = False  # BPF reads something that is not among `told`
        self.mptcp = False
        self.no_minis = False  # leave the connection's minisocket aside
        self.far = False  # something waits behind a gap that stays
        self.corked = self.urgent = self.received = False
        self.gap = None  # (size, flags) of what waits behind one missing byte
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
        self.said = []  # by a walk
        self.question = self.aimed = None
        self.loopback = None
        self.others = []  # what holds the subject besides its descriptor
        self.bound = False
        self.auto_ack = False
        self.measured = False  # the lifetime of what is left will be

    # ---- the wire ----

    def address(self, table, port):
        return (table[self.family], port)

    def new_peer(self, local):
        port = self.wire.new_port()
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

    def keep(self, sock):
        self.sockets.append(sock)
        return sock

    def set_sysctl(self, name, value):
        before = net.sysctl(name, value)
        self.settings.setdefault(name, before)

    def end(self):
        """Leaves nothing to the next scenario."""
        for sock in self.sockets:
            try:
                if sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            sock.close()
        self.pump()
        for peer in self.peers.values():
            peer.forget()
        self.pump()
        self.wire.end()
        for name, value in self.settings.items():
            net.sysctl(name, value)

    def new_socket(self):
        kind = socket.AF_INET if self.family == "4" else socket.AF_INET6
        try:
            sock = self.keep(socket.socket(kind, socket.SOCK_STREAM, IPPROTO_MPTCP if self.mptcp else 0))
        except OSError as error:
            raise CannotMake(f"no MPTCP: {error}") from error
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

    def subject(self):
        return self.sock if self.sock is not None else self.listener
