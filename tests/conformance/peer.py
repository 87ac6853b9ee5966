# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The other end of one connection, which does only what it is told.

It acknowledges nothing by itself: states that a kernel passes through in an instant stay as long as the
scenario wants them to.
"""

import socket

from packet import ACK, FIN, PSH, RST, SYN, URG, Segment

ISN = 1000


class Peer:
    def __init__(self, wire, local, remote):
        """@local is the kernel's end, @remote this one: (address, port)."""
        self.wire, self.local, self.remote = wire, local, remote
        self.seq = ISN  # next of ours
        self.top = ISN  # end of all that was sent, gaps or not
        self.ack = 0  # next that we expect
        self.window = 65535
        self.inbox = []  # segments of this flow not looked at yet
        self.fins = 0  # first sendings of the kernel's FIN: 0 or 1
        self.resets = 0
        self.retransmissions = 0  # after a loss a FIN waits for the congestion window
        self.highest = None  # end of the highest sequence number seen
        self.theirs = None  # the kernel's newest acknowledgement

    def send(self, flags, data=b"", seq=None, ack=None, urgent=0, options=b"", beside=False):
        """@beside: a segment that the kernel leaves aside."""
        start = self.seq if seq is None else seq
        segment = Segment(self.remote, self.local, start, self.ack if ack is None else ack, flags,
                          self.window, data, urgent, options)
        if seq is None:
            self.seq += segment.length
        if not beside:
            self.top = max(self.top, start + segment.length)
        self.wire.send(segment)

    def take(self, segment):
        """One segment of the kernel's for this flow."""
        self.inbox.append(segment)
        if segment.flags & RST:
            self.resets += 1
            return
        self.theirs = segment.ack
        end = segment.seq + segment.length
        if (segment.flags & FIN or segment.data_fin) and not self.fins:
            self.fins = 1
        if segment.length and self.highest is not None and end <= self.highest:
            self.retransmissions += 1
        if self.highest is None or end > self.highest:
            self.highest = end

    def acknowledge(self):
        """Everything the kernel has sent so far. A window counts only beside the newest number."""
        if self.highest is not None:
            self.ack = self.highest
        self.send(ACK, seq=self.top)

    def data(self, payload):
        self.send(PSH | ACK, payload)

    def fin(self):
        self.send(FIN | ACK)

    def reset(self):
        self.send(RST | ACK)

    def forget(self):
        """Ends whatever the kernel still has of this connection."""
        for seq in {self.seq, self.theirs} - {None, 0}:
            self.send(RST | ACK, seq=seq)

    def urgent(self, payload):
        """The last byte of @payload is the urgent one."""
        self.send(URG | PSH | ACK, payload, urgent=len(payload))

    def ahead(self, payload, gap, flags=0):
        """Behind a gap of @gap bytes, which stays."""
        self.send(PSH | ACK | flags, payload, seq=self.seq + gap)

    def syn(self, data=b"", options=b""):
        self.send(SYN, data, ack=0, options=options)


class KernelPeer(Peer):
    """A socket of the same kernel at the other end, for what only two kernels can speak."""

    def __init__(self, wire, local, remote, sock):
        super().__init__(wire, local, remote)
        self.sock = sock

    def forget(self):
        pass

    def read_all(self):
        """Opens its window."""
        try:
            while self.sock.recv(1 << 20, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            pass

    def data(self, payload):
        self.sock.send(payload)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)
