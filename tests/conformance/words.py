# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The words of the scenarios ("connect; write 4; fin"): the methods whose names begin with do_.

Each does its work through the real calls and packets, and keeps `truth`. What the peer does stands in
peer_words.py.
"""

import errno
import socket
import struct
import time

import net
from holders import KINDS
from packet import ACK, SYN
from peer import ISN, KernelPeer
from walk import walk
from peer_words import PeerWords
from world import IPPROTO_MPTCP, CannotMake, Truth

TCP_LINGER2, TCP_USER_TIMEOUT, TCP_REPAIR, TCP_FASTOPEN = 8, 18, 19, 23
MSG_FASTOPEN = 0x20000000


def speak(world, text):
    """Does every word of a row."""
    for sentence in filter(None, (part.strip() for part in text.split(";"))):
        word, *arguments = sentence.split()
        getattr(world, "do_" + word.replace("-", "_"))(*arguments)


class Words(PeerWords):
    def do_walk(self, seed):
        walk(self, seed, speak)

    # ---- sockets and their options ----

    def do_mptcp(self):
        """What is made from here on speaks it."""
        self.mptcp = True

    def do_socket(self):
        self.need_socket()

    def do_bind(self):
        """To a port of the application's choice: that one is kept after the connection's end."""
        self.need_socket()
        self.sock.bind(self.sockaddr(self.address(net.LOCAL, self.wire.new_bound())))
        if not self.mptcp:  # whose diagnostics have no row for it
            self.truth.state, self.truth.visible, self.bound = "bound-inactive", True, True

    def do_sysctl(self, name, value):
        self.set_sysctl(name, value)

    def do_linger(self, value):
        """off, a number of seconds, or forever."""
        on, seconds = value != "off", -1 if value == "forever" else 0 if value == "off" else int(value)
        self.subject().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))
        self.told["linger"] = value if value in ("off", "forever") else seconds * 1000

    def do_linger2(self, seconds):
        self.subject().setsockopt(socket.IPPROTO_TCP, TCP_LINGER2, int(seconds))
        self.told["linger2"] = min(int(seconds), 120) * 1000 if int(seconds) >= 0 else -1

    def do_repair(self):
        self.subject().setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.told["repair"] = 1

    def do_keepalive(self):
        self.truth.keepalive = True
        self.subject().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def do_cork(self):
        """What does not fill a segment waits, for 200 ms."""
        self.subject().setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.corked = True

    def do_user_timeout(self, milliseconds):
        self.subject().setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, int(milliseconds))
        self.user_timeout = int(milliseconds)

    def do_let_go(self):
        """One of several references goes, and nobody notices."""
        other = self.others.pop()
        other.release()
        self.truth.holding = {other.holding for other in self.others}

    def do_hold(self, kind):
        """A second reference to the socket: dup, fork, message or poll."""
        other = KINDS[kind](self.subject())
        self.others.append(other)
        self.truth.holding |= {other.holding}

    def do_window(self, size):
        """What the peer will advertise from its next segment on; before the handshake: in it."""
        self.window = int(size)
        for peer in self.peers.values():
            peer.window = self.window

    # ---- handshakes ----

    def start_connect(self):
        self.need_socket()
        self.sock.setblocking(False)
        peer = self.new_peer(None)
        r = self.sock.connect_ex(self.sockaddr(peer.remote))
        if r != errno.EINPROGRESS:
            raise CannotMake(f"connect(): {errno.errorcode.get(r, r)}")
        self.begun(peer)

    def begun(self, peer):
        """The SYN is out."""
        self.peer = peer
        peer.local = self.name_of(self.sock)
        self.truth.state, self.truth.visible = "syn-sent", True
        peer.iss = self.await_segment(peer, SYN, "SYN").seq

    def do_connecting(self):
        self.start_connect()

    def do_crossed(self):
        """Both SYNs cross: SYN-SENT to SYN-RECEIVED."""
        self.start_connect()
        self.peer.syn()
        self.peer.ack = self.peer.iss + 1
        self.await_segment(self.peer, SYN | ACK, "SYN,ACK")
        self.truth.state = "syn-recv"

    def do_connecting_with_data(self, size):
        """A client's fast open: the data goes with the SYN, or waits behind it."""
        self.set_sysctl("ipv4/tcp_fastopen", 5)
        self.need_socket()
        self.sock.setblocking(False)
        peer = self.new_peer(None)
        try:
            self.sock.sendto(b"w" * int(size), MSG_FASTOPEN, self.sockaddr(peer.remote))
        except BlockingIOError:
            pass
        self.truth.unacked = int(size)
        self.begun(peer)

    def do_answer(self):
        """SYN,ACK to what connecting has begun."""
        self.peer.ack = self.peer.iss + 1
        self.peer.send(SYN | ACK)
        self.await_segment(self.peer, ACK, "ACK")
        self.truth.state = "established"
        self.sent += self.truth.unacked  # of a fast open: not acknowledged with the SYN

    def do_connect(self):
        self.start_connect()
        self.do_answer()

    def do_time_wait_besides(self):
        """Another connection, which is in TIME-WAIT."""
        mine = self.sock, self.peer, self.truth, self.sent
        self.sock, self.truth, self.sent = None, Truth(), 0
        for word in ("connect", "close", "ack", "fin"):
            getattr(self, "do_" + word)()
        self.sock, self.peer, self.truth, self.sent = mine

    def do_complete(self):
        """The peer's ACK ends the handshake."""
        self.peer.ack = self.peer.iss + 1
        self.peer.send(ACK)
        if self.truth.state == "syn-recv":
            self.truth.state = "established"
            if self.truth.shutdown & 2:
                self.our_fin()
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
        """Both ends are this kernel's, over loopback; tcp, mptcp, or mptcp that falls back. The client is in question."""
        number = socket.IPPROTO_TCP if protocol == "tcp" else IPPROTO_MPTCP
        other_number = IPPROTO_MPTCP if protocol == "mptcp" else socket.IPPROTO_TCP
        try:
            listener = self.keep(socket.socket(socket.AF_INET, socket.SOCK_STREAM, other_number))
            self.sock = self.keep(socket.socket(socket.AF_INET, socket.SOCK_STREAM, number))
        except OSError as error:
            raise CannotMake(f"no {protocol}: {error}") from error
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # not much makes it full
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        remote = listener.getsockname()
        self.wire.sniff_loopback(remote[1])
        self.sock.connect(remote)
        other = self.keep(listener.accept()[0])
        self.peer = KernelPeer(self.wire, self.sock.getsockname(), remote, other)
        self.peers[remote[1]] = self.peer
        self.loopback = (listener, other)
        self.truth.state, self.truth.visible = "established", True
        # Until both know that the other speaks it.
        self.do_write("1")
        other.recv(1)
        self.truth.unacked = 0
        self.pump(0.04)

    def do_flood(self):
        """Two kernels: until the other's window is closed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        self.sock.setblocking(False)
        try:
            while True:
                self.sock.send(bytes(4096))
        except BlockingIOError:
            pass
        self.pump(0.05)
        self.truth.unsent = 1  # how much, nobody counts

    def do_shut_acked(self):
        """Two kernels: the FIN, which is acknowledged at once, or as soon as there is a processor."""
        self.do_shut("wr")
        self.pump(0.05)
        self.aim("flow")
        end = time.monotonic() + 1
        while any(row["state"] == "fin-wait-1" for row in self.look()) and time.monotonic() < end:
            self.pump(0.05)
        self.truth.state = "fin-wait-2"

    def do_sibling(self):
        """Another listener on the same port."""
        self.siblings += 1
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
            self.sock = self.keep(self.listener.accept()[0])
        except TimeoutError as error:
            raise CannotMake("accept() has nothing") from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.truth.attachment = "held"
        self.waiting -= 1

    def do_fastopen(self, payload):
        """A SYN with data makes a child before the handshake is over (RFC 7413)."""
        self.set_sysctl("ipv4/tcp_fastopen", 0x203)
        self.listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
        self.do_syn(payload)
        self.peer.seq = ISN + 1 + int(payload)
        self.peer.ack = self.peer.iss + 1
        self.truth = Truth(state="syn-recv", attachment="unaccepted", visible=True, unread=int(payload),
                           keepalive=self.truth.keepalive)
        self.waiting += 1

    # ---- what the process does ----

    def fits(self, size):
        return self.truth.unsent == 0 and not self.corked and self.truth.our_fin in ("", "acked") and \
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
        if self.truth.fin_with_data and not self.truth.unread:
            self.truth.fin_unread = False

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
        corked, self.corked = self.corked, False  # tcp_send_fin() pushes what was held back
        size = self.truth.unsent if corked else 0
        if self.truth.unsent == size and size + 1 <= self.window - self.truth.unacked:
            self.truth.unacked += size
            self.truth.unsent = 0
            self.truth.our_fin = "sent"
            self.sent += size + 1
            if not self.loopback:
                self.await_sent()
        else:
            self.truth.our_fin = "queued"

    def do_shut(self, how):
        ways = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}
        try:
            self.sock.shutdown(ways[how])
        except OSError as error:
            raise CannotMake(f"shutdown(): {error}") from error
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

    def do_age(self, seconds):
        """Time passes."""
        self.pump(float(seconds))

