# SPDX-License-Identifier: LGPL-2.1-or-later
"""The words of the peer: what it sends, and what a careful observer knows to be true from then on."""

import errno
import select

from packet import ACK, FIN, PSH, RST, SYN
from world import Truth, World

GAP = 10000


class PeerWords(World):
    def do_auto_ack(self):
        """From here on the peer acknowledges every probe, its window unchanged."""
        self.auto_ack = True

    def do_late(self, size):
        """Data that the truth takes no account of: only the answer counts."""
        self.peer.data(b"l" * int(size))

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
        """
        The descriptor's socket is dead; a minisocket has taken the connection over. Where the application has
        bound it, sock_diag has both: the question is about the descriptor's.
        """
        if self.bound and self.sock is not None:
            self.dead()
            self.no_minis = True
            return
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
                self.dead()
        self.send_on()

    def send_on(self):
        """Everything is acknowledged: what waited goes out, in one segment with the FIN, if it fits."""
        truth, fin = self.truth, self.truth.our_fin == "queued"
        if self.corked or not 0 < truth.unsent + fin <= self.window:
            return
        self.sent += truth.unsent + fin
        truth.unacked, truth.unsent = truth.unsent, 0
        if fin:
            truth.our_fin = "sent"
        self.await_sent()

    def do_ack_part(self, size):
        """The first @size bytes that are under way."""
        self.pump()
        self.peer.ack = self.peer.iss + 1 + self.sent - self.truth.unacked - (self.truth.our_fin == "sent") + \
            int(size)
        self.peer.send(ACK, seq=self.peer.top)
        self.truth.unacked -= int(size)

    def deadly(self):
        """New data is answered with a RST."""
        return self.truth.shutdown & 1 and self.truth.state.startswith("fin-wait")

    def late(self):
        """Nothing more is received in these states."""
        return self.truth.peer_fin or self.truth.state == "closed"

    def do_data(self, size):
        self.peer.data(b"d" * int(size))
        if self.late():
            return
        if self.deadly():
            self.dead(errno.ECONNRESET)
        else:
            self.truth.unread += int(size)
            self.received = True

    def do_overlap(self, old, new):
        """@old bytes that were received before, then @new ones."""
        self.peer.send(PSH | ACK, b"d" * (int(old) + int(new)), seq=self.peer.seq - int(old))
        self.peer.seq += int(new)
        self.truth.unread += int(new)

    def do_again(self, size):
        """Data that was received before."""
        self.peer.send(PSH | ACK, b"d" * int(size), seq=self.peer.seq - int(size))

    def do_gap(self, size, flags=0):
        """All but the first byte of what comes next, and perhaps a FIN behind it."""
        self.peer.ahead(b"o" * int(size), 1, flags)
        self.truth.ahead = True
        self.gap = (int(size), flags)

    def do_gap_fin(self, size):
        self.do_gap(size, FIN)

    def do_fill(self):
        """The byte that was missing."""
        size, flags = self.gap
        self.gap = None
        self.peer.data(b"f")
        if self.deadly():
            self.dead(errno.ECONNRESET)
            return
        self.truth.unread += 1 + size
        self.truth.ahead = self.far
        self.peer.seq += size + bool(flags & FIN)
        if flags & FIN:
            self.finished(True)

    def do_urgent(self, size):
        """The last of @size bytes is urgent. The truth: it counts as unread."""
        self.peer.urgent(b"u" * int(size))
        self.urgent = True
        self.truth.unread += int(size)

    def do_ahead(self, size, flags=0):
        """Out of order: waits behind a gap and is no part of the receive queue."""
        self.peer.ahead(b"o" * int(size), GAP, flags)
        self.truth.ahead = self.far = True

    def do_ahead_fin(self):
        self.truth.ahead = self.far = True
        self.peer.ahead(b"o", GAP, FIN)

    def do_fin(self):
        self.peer.fin()
        if self.loopback:
            poll = select.poll()
            poll.register(self.sock.fileno(), select.POLLRDHUP)
            poll.poll(500)
        if not self.truth.peer_fin:
            self.finished(self.truth.unread > 0)

    def do_fin_with(self, size):
        """In the segment of the last data."""
        self.peer.send(PSH | FIN | ACK, b"d" * int(size))
        self.truth.unread += int(size)
        self.finished(True)

    def finished(self, with_data):
        truth = self.truth
        truth.peer_fin = truth.fin_unread = True
        truth.fin_with_data = with_data
        truth.shutdown |= 1
        truth.ahead, self.gap = False, None
        if truth.state == "fin-wait-2":
            self.time_wait()
        else:
            truth.state = {"established": "close-wait", "fin-wait-1": "closing"}[truth.state]

    # ---- what a careful kernel takes no notice of ----

    def do_fin_again(self):
        self.peer.send(FIN | ACK, seq=self.peer.seq - 1)

    def do_after_fin(self, size):
        """Data beyond the FIN."""
        self.peer.send(PSH | ACK, b"x" * int(size), seq=self.peer.seq, beside=True)

    def do_syn_again(self):
        """RFC 5961: a SYN of a living connection is answered with an ACK."""
        self.peer.send(SYN, seq=self.peer.seq, ack=0, beside=True)

    def do_rst_beside(self, distance):
        """RFC 5961: only the exact number resets."""
        self.peer.send(RST, seq=self.peer.seq + int(distance), ack=0, beside=True)

    def do_icmp(self, kind):
        """host or port unreachable, for the kernel's last segment."""
        self.pump()
        self.wire.send_icmp(self.peer.local, self.peer.remote, self.peer.highest - 1, kind)
        self.untold = True  # a soft error shortens the life of an orphan
        if self.truth.state in ("syn-sent", "syn-recv"):
            self.dead(errno.ECONNREFUSED if kind == "port" else errno.EHOSTUNREACH)

    # ---- the end ----

    def dead(self, error=None):
        """The connection is over. A port that was asked for is kept by the descriptor."""
        kept = self.bound and self.sock is not None
        self.truth = Truth(state="bound-inactive" if kept else "closed", visible=kept,
                           holding=self.truth.holding, ahead=self.truth.ahead,
                           error=error)

    def do_rst(self):
        """The descriptor stays, its socket is dead."""
        self.peer.reset()
        self.waiting -= self.truth.attachment == "unaccepted"
        self.dead({"close-wait": errno.EPIPE, "syn-sent": errno.ECONNREFUSED}.get(
            self.truth.state, errno.ECONNRESET))
