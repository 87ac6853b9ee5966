# SPDX-License-Identifier: LGPL-2.1-or-later
"""TCP segments in IPv4 and IPv6 packets, put together and taken apart by hand (RFC 9293, 791, 8200)."""

import socket
import struct
from dataclasses import dataclass, field

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
NAMES = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"), (URG, "URG"))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@dataclass
class Segment:
    source: tuple
    target: tuple
    seq: int
    ack: int
    flags: int
    window: int = 65535
    data: bytes = b""
    urgent: int = 0
    options: bytes = b""
    time: float = field(default=0.0, compare=False)

    @property
    def length(self):
        """In sequence space."""
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def data_fin(self):
        """The FIN of MPTCP, in a DSS option of any segment (RFC 8684, 3.3)."""
        options = self.options
        while options and options[0] != 0:
            length = 1 if options[0] == 1 or len(options) < 2 else max(2, options[1])
            if options[0] == 30 and length >= 4 and options[2] >> 4 == 2 and options[3] & 0x10:
                return True
            options = options[length:]
        return False

    def __str__(self):
        flags = ",".join(name for bit, name in NAMES if self.flags & bit) or "-"
        return (f"{self.source[1]}>{self.target[1]} {flags} seq {self.seq} ack {self.ack} "
                f"len {len(self.data)} win {self.window}")


def ipv4(source, target, protocol, length):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0, source, target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def ipv6(source, target, protocol, length):
    return struct.pack("!IHBB16s16s", 6 << 28, length, protocol, 64, source, target)


# Type and code of ICMP and ICMPv6.
UNREACHABLE = {"host": ((3, 1), (1, 3)), "port": ((3, 3), (1, 4))}


def unreachable(local, remote, seq, kind):
    """A router's or the peer's answer to the segment with @seq from @local to @remote."""
    source, target = packed(local[0]), packed(remote[0])
    v6 = len(source) == 16
    inner = (ipv6 if v6 else ipv4)(source, target, socket.IPPROTO_TCP, 20) + \
        struct.pack("!HHII", local[1], remote[1], seq & 0xFFFFFFFF, 0) + bytes(8)
    body = struct.pack("!BBHI", *UNREACHABLE[kind][v6], 0, 0) + inner
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    pseudo = target + source + struct.pack("!II", len(body), protocol) if v6 else b""
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return (ipv6 if v6 else ipv4)(target, source, protocol, len(body)) + body


def build(segment):
    source, target = packed(segment.source[0]), packed(segment.target[0])
    options = segment.options + b"\1" * (-len(segment.options) % 4)
    header = struct.pack("!HHIIBBHHH", segment.source[1], segment.target[1], segment.seq & 0xFFFFFFFF,
                         segment.ack & 0xFFFFFFFF, (5 + len(options) // 4) << 4, segment.flags,
                         segment.window, 0, segment.urgent) + options
    length = len(header) + len(segment.data)
    if len(source) == 4:
        pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, length)
        ip = ipv4(source, target, socket.IPPROTO_TCP, length)
    else:
        pseudo = source + target + struct.pack("!II", length, socket.IPPROTO_TCP)
        ip = ipv6(source, target, socket.IPPROTO_TCP, length)
    tcp = header[:16] + struct.pack("!H", checksum(pseudo + header + segment.data)) + header[18:]
    return ip + tcp + segment.data


def parse(packet):
    """A Segment, or None for what is not TCP."""
    if len(packet) < 20:
        return None
    if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP:
        source, target = (socket.inet_ntop(socket.AF_INET, packet[i:i + 4]) for i in (12, 16))
        tcp = packet[(packet[0] & 15) * 4:struct.unpack("!H", packet[2:4])[0]]
    elif packet[0] >> 4 == 6 and len(packet) >= 40 and packet[6] == socket.IPPROTO_TCP:
        source, target = (socket.inet_ntop(socket.AF_INET6, packet[i:i + 16]) for i in (8, 24))
        tcp = packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
    else:
        return None
    if len(tcp) < 20:
        return None
    sport, dport, seq, ack, offset, flags, window, _, urgent = struct.unpack("!HHIIBBHHH", tcp[:20])
    start = (offset >> 4) * 4
    return Segment((source, sport), (target, dport), seq, ack, flags & 63, window, tcp[start:], urgent,
                   tcp[20:start])
