# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A network namespace of one's own with a TUN device, whose other end is this process.

Making one is cheap, but the kernel takes them away one after the other, slowly: a worker keeps its own for
many scenarios. Each has ports of its own, so what a former one has left behind is not heard.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import time

import packet

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIGKILL = 9
TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TUN, IFF_NO_PI, IFF_UP, IFF_RUNNING = 1, 0x1000, 1, 0x40
ETH_P_ALL, PACKET_OUTGOING = 3, 4
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8914
RTF_LOCAL = 0x80000000

FIRST_PORT, FIRST_BOUND = 10000, 2000
# No scenario leaves something for the next: no round-trip times, no memory of failed fast opens.
ISOLATION = (("ipv4/tcp_no_metrics_save", 1), ("ipv4/tcp_fastopen_blackhole_timeout_sec", 0))

LOCAL = {"4": "10.0.0.1", "6": "fd00::1", "mapped": "10.0.0.1"}
REMOTE = {"4": "10.0.0.2", "6": "fd00::2", "mapped": "10.0.0.2"}

libc = ctypes.CDLL(None, use_errno=True)


def unshare():
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL)


def sysctl(name, value):
    """Of the namespace this thread is in, never of the machine. Returns what it was."""
    with open("/proc/sys/net/" + name, "r+", encoding="ascii") as file:
        before = file.read().strip()
        file.seek(0)
        file.write(str(value))
    return before


def bring_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = interface.encode()
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", name, IFF_UP | IFF_RUNNING))


def add_addresses(interface):
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, address in ((SIOCSIFADDR, LOCAL["4"]), (SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(control, request, struct.pack(
                "16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address)))
    index = socket.if_nametoindex(interface)
    address = socket.inet_pton(socket.AF_INET6, LOCAL["6"])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16sIi", address, 64, index))


def await_ipv6():
    """A worker of the kernel's makes the address usable: it has its local route then."""
    wanted = socket.inet_pton(socket.AF_INET6, LOCAL["6"]).hex() + " 80"
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with open("/proc/net/ipv6_route", encoding="ascii") as routes:
            for route in routes:
                if route.startswith(wanted) and int(route.split()[8], 16) & RTF_LOCAL:
                    return
        time.sleep(0.002)


class Wire:
    """The TUN device: everything the kernel sends, in order, and a way to answer."""

    def __init__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"peer", IFF_TUN | IFF_NO_PI))
        # Left to the end of the namespace, where the kernel takes many devices away in one go.
        fcntl.ioctl(self.tun, TUNSETPERSIST, 1)
        bring_up("lo")
        bring_up("peer")
        add_addresses("peer")
        await_ipv6()
        for name, value in ISOLATION:
            try:
                sysctl(name, value)
            except OSError:
                pass
        self.next_port = FIRST_PORT
        self.next_bound = FIRST_BOUND
        self.tap = None
        self.begin()

    def begin(self):
        """A new scenario."""
        self.seen = []  # all segments of the subject's side, in order
        self.pending = []  # of these the ones not handed out yet
        self.sources = [self.tun]
        self.ports = set()  # the other ends'
        while self.read(self.tun) is not None:
            pass

    def end(self):
        if self.tap:
            self.tap.close()
            self.tap = None
        self.ports = set()

    def new_port(self):
        """For a peer: no two scenarios share one."""
        port = self.next_port
        self.next_port += 1
        self.ports.add(port)
        return port

    def new_bound(self):
        """For a socket of the subject's side that binds: below those that the kernel chooses."""
        self.next_bound += 1
        return self.next_bound

    def sniff_loopback(self, foreign):
        """What the kernel's sockets send each other, to @foreign: the port that is not in question."""
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK,
                            socket.htons(ETH_P_ALL))
        tap.bind(("lo", ETH_P_ALL))
        self.tap = tap
        self.ports.add(foreign)
        self.sources.append(tap.fileno())

    def read(self, source):
        """A packet, b"" for one to be left aside, or None."""
        try:
            if source == self.tun:
                return os.read(self.tun, 65536)
            data, address = self.tap.recvfrom(65536)
            return data if address[2] == PACKET_OUTGOING else b""
        except BlockingIOError:
            return None

    def send(self, segment):
        os.write(self.tun, packet.build(segment))

    def send_icmp(self, local, remote, seq, kind):
        os.write(self.tun, packet.unreachable(local, remote, seq, kind))

    def receive(self, timeout):
        """The next TCP segment of the kernel, or None after @timeout seconds."""
        end = time.monotonic() + timeout
        while True:
            packets = [data for data in map(self.read, self.sources) if data is not None]
            segments = [segment for segment in map(packet.parse, packets)
                        if segment and segment.target[1] in self.ports]
            for segment in segments:
                segment.time = time.monotonic()
            self.seen += segments
            self.pending += segments
            if self.pending:
                return self.pending.pop(0)
            if packets:
                continue
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select(self.sources, [], [], left)


def counters():
    """Every counter of this namespace by name, of all three files."""
    values = {}
    for name in ("/proc/net/netstat", "/proc/net/snmp"):
        with open(name, encoding="ascii") as file:
            for names, numbers in zip(file, file):
                values.update(zip(names.split()[1:], map(int, numbers.split()[1:])))
    return values
