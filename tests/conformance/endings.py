# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Ways for a connection to end, each made on real sockets with the scripted peer, and the story that must be told of it.

A row is words (words.py, and those below) and the events that they must give, in their order, no more and no less. What
an event says is written as `what | member=value ...`:

    reset-sent | reason=tcp-abort-on-close actor=close state=established unread=5

What follows `derived:` is another value where the kernel tells no reason (before Linux 6.10).
"""

import os
import signal
import socket
import struct
import subprocess
from dataclasses import dataclass

import net
from holders import child_that_waits
from packet import ACK, RST, SYN
from scene import Scene
from words import speak
from world import CannotMake, World

TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT = 4, 5, 6


class NoOracle:
    """A scene that asks nothing."""

    reader = {"descriptors": False, "look_up": False}


class Ending(Scene):
    """The words that end connections."""

    def __init__(self, wire, family):
        super().__init__(wire, NoOracle, family)

    def do_exit(self):
        """SIGKILL of the sole holder."""
        if self.listener is not None and self.sock is None:
            subject, self.listener = self.listener, None
        else:
            subject, self.sock = self.sock, None
        child = child_that_waits(subject, lambda _: signal.pause())
        subject.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def do_shutdown(self, how):
        """Whatever comes of it."""
        try:
            self.subject().shutdown({"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}[how])
        except OSError as error:
            raise CannotMake(f"shutdown(): {error}") from error

    def do_drop(self):
        """close(), without a word about what becomes of it."""
        self.sock.close()
        self.sock = None

    def do_knock(self, payload="0"):
        """A SYN for a port that nobody listens on."""
        self.peer = self.new_peer(self.address(net.LOCAL, 9))
        self.peer.syn(b"x" * int(payload))

    def do_stray(self, payload="5"):
        """A segment in the midst of a connection that nobody knows."""
        self.peer = self.new_peer(self.address(net.LOCAL, 9))
        self.peer.send(ACK, b"s" * int(payload), ack=77)

    def do_stray_ack(self):
        """The same for a port on which somebody listens."""
        self.peer = self.new_peer(self.name_of(self.listener))
        self.peer.send(ACK, ack=77)

    def do_wrong_answer(self):
        """SYN,ACK for a number that was not sent."""
        self.peer.send(SYN | ACK, ack=self.peer.iss + 1000)

    def do_old_answer(self):
        """SYN,ACK that echoes a timestamp which was never sent."""
        self.peer.ack = self.peer.iss + 1
        self.peer.send(SYN | ACK, options=b"\x08\x0a" + struct.pack("!II", 1, 1))

    def do_ack_of(self, distance):
        """An ACK that many bytes beyond our first number, whose data begins where it should."""
        self.peer.send(ACK, ack=self.peer.iss + int(distance))

    def do_syn_inside(self):
        """A SYN in the window of a request that waits for its ACK."""
        self.peer.send(SYN, seq=self.peer.seq + 5, ack=0, beside=True)

    def do_destroy(self):
        """SOCK_DESTROY, as `ss -K` does it."""
        done = subprocess.run(["ss", "-K", "-tan", "dport", "=", f":{self.peer.remote[1]}"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode or str(self.peer.remote[1]) not in done.stdout:
            raise CannotMake(f"ss -K: {done.stdout}")

    def do_hear(self):
        """connect() tells what became of the attempt before."""
        self.pump(0.1)
        if not self.sock.connect_ex(self.sockaddr(self.peer.remote)):
            raise CannotMake("connect() has worked")
        self.truth.state = "closed"

    def do_probes(self):
        """Keepalive that gives up after two seconds."""
        for option, value in ((TCP_KEEPIDLE, 1), (TCP_KEEPINTVL, 1), (TCP_KEEPCNT, 1)):
            self.sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def do_other_end(self, what):
        """Of a pair: the other kernel socket does it."""
        other = self.loopback[1]
        if what == "close":
            other.close()
        elif what == "reset":
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
        else:
            other.send(b"d" * int(what))
        self.pump(0.05)


@dataclass
class Row:
    name: str
    words: str
    events: list
    family: str = "4"
    slow: bool = False  # waits for the kernel: in a namespace and a process of its own
    optional: str = ""  # why not every kernel gives it


ROWS = []


def add(name, words, *events, **more):
    ROWS.append(Row(name, words, list(events), **more))


# close() with unread data: RFC 2525, 2.17; __tcp_close()
UNREAD = "reset-sent | reason=tcp-abort-on-close actor=close"
for state, words in (("established", "connect; data 5"), ("close-wait", "connect; fin-with 5"),
                     ("fin-wait-1", "connect; data 5; shut wr"), ("fin-wait-2", "connect; data 5; shut wr; ack"),
                     ("closing", "connect; shut wr; fin-with 5"), ("last-ack", "connect; fin-with 5; shut wr")):
    add(f"unread/{state}", f"{words}; drop", f"{UNREAD} state={state} unread=5")
    add(f"unread-exit/{state}", f"{words}; exit", f"{UNREAD.replace('actor=close', 'actor=exit')} state={state} unread=5")
add("unread/inbound", "listen; arrive; accept; data 7; drop", f"{UNREAD} state=established unread=7")
add("unread/v6", "connect; data 5; drop", f"{UNREAD} state=established unread=5", family="6")
add("unread/mapped", "connect; data 5; drop", f"{UNREAD} state=established unread=5", family="mapped")
add("unread/with-unsent", "window 4; connect; write 4; write 16; data 5; drop", f"{UNREAD} unread=5 unsent=16")
add("unread/fastopen", "listen; fastopen 5; accept; drop", f"{UNREAD} state=syn-recv unread=5")

# SO_LINGER with 0 seconds: tcp_disconnect(); the counter says data, the reason state
for state, words in (("established", "connect"), ("close-wait", "connect; fin"), ("fin-wait-1", "connect; shut wr"),
                     ("fin-wait-2", "connect; shut wr; ack"), ("syn-recv", "crossed")):
    for actor, word in (("close", "drop"), ("exit", "exit")):
        add(f"linger-0-{actor}/{state}", f"{words}; linger 0; {word}",
            f"reset-sent | reason=tcp-state actor={actor} state={state} linger=0")
add("linger-0/last-ack-unsent", "window 4; connect; write 4; fin; write 3; shut wr; linger 0; drop",
    "reset-sent | reason=tcp-disconnect-with-data actor=close state=last-ack linger=0 derived:reason=tcp-disconnect-with-data")
add("linger-0/last-ack", "connect; fin; shut wr; linger 0; drop", "closed | actor=shutdown state=last-ack")
add("linger-0/closing", "connect; shut wr; fin; linger 0; drop", "closed | actor=shutdown state=closing")

# TCP_LINGER2 below 0
add("linger2/fin-wait-2", "connect; linger2 -1; shut wr; ack; drop",
    "reset-sent | reason=tcp-abort-on-linger actor=close state=fin-wait-2")
add("linger2/acked-later", "connect; linger2 -1; drop; ack", "reset-sent | reason=tcp-abort-on-data actor=close")

# A listener goes, and with it who waits
add("listener/close", "listen; arrive; close-listener", "reset-sent | reason=tcp-state actor=listener-close state=established")
add("listener/exit", "listen; arrive; exit", "reset-sent | reason=tcp-state actor=listener-close state=established")
add("listener/shutdown", "listen; arrive; shutdown rd", "reset-sent | reason=tcp-state actor=listener-close state=established")
add("listener/unread", "listen; arrive; data 5; close-listener", "reset-sent | reason=tcp-state actor=listener-close unread=5")
add("listener/close-wait", "listen; arrive; fin; close-listener", "reset-sent | reason=tcp-state actor=listener-close state=close-wait")

# Late data: RFC 1122, 4.2.2.13
LATE = "reset-sent | reason=tcp-abort-on-data"
add("late/fin-wait-1", "connect; drop; late 5", f"{LATE} state=fin-wait-1 payload=5 closed-ago=yes")
add("late/fin-wait-1-exit", "connect; exit; late 5", f"{LATE} state=fin-wait-1 payload=5 closed-ago=yes")
add("late/held", "connect; shut rdwr; late 5", f"{LATE} state=fin-wait-1 payload=5")
add("late/held-fin-wait-2", "connect; shut rdwr; ack; late 5", f"{LATE} state=fin-wait-2 payload=5")
add("late/full-orphan", "connect; linger2 90; drop; ack; late 5", f"{LATE} state=fin-wait-2 payload=5 closed-ago=yes")
add("late/minisocket", "connect; drop; ack; late 5", "closed | actor=close",
    "reset-sent | reason=tcp-timewait-socket payload=5 closed-ago=yes")
add("late/nobody", "connect; linger 0; drop; late 5", "reset-sent | reason=tcp-state actor=close",
    "reset-sent | reason=no-socket payload=5 closed-ago=yes")

# Nobody there
add("nobody/syn", "knock", "reset-sent | reason=no-socket-syn socket=none")
add("nobody/syn-v6", "knock", "reset-sent | reason=no-socket-syn socket=none", family="6")
add("nobody/segment", "stray 5", "reset-sent | reason=no-socket socket=none payload=5")

# What a handshake refuses
add("refuse/answer", "connecting; wrong-answer; drop", "reset-sent | reason=tcp-invalid-ack-sequence state=syn-sent actor=kernel "
    "derived:reason=not-specified", "closed | actor=close state=syn-sent")
add("refuse/timestamp", "connecting; old-answer; drop", "reset-sent | reason=tcp-rfc7323-paws state=syn-sent actor=kernel "
    "derived:reason=not-specified", "closed | actor=close state=syn-sent")
add("refuse/unsent", "crossed; ack-of 5000; linger 0; drop", "reset-sent | reason=tcp-ack-unsent-data state=syn-recv actor=kernel "
    "derived:reason=not-specified", "reset-sent | reason=tcp-state actor=close state=syn-recv", optional="6.12 and newer have a word for it")
add("refuse/old", "crossed; ack-of -1; linger 0; drop", "reset-sent | reason=tcp-too-old-ack state=syn-recv actor=kernel "
    "derived:reason=not-specified", "reset-sent | reason=tcp-state actor=close state=syn-recv", optional="6.12 and newer have a word for it")
add("refuse/flags", "listen; stray-ack", "reset-sent | reason=tcp-flags actor=kernel derived:reason=not-specified",
    optional="6.12 and newer have a word for it")
add("refuse/syn", "listen; syn; syn-inside", "reset-sent | reason=invalid-syn actor=kernel derived:reason=not-specified")

# By somebody else's hand, or the clock
add("destroy/established", "connect; destroy", "reset-sent | reason=tcp-state actor=kernel state=established "
    "derived:reason=tcp-state/not-specified")
add("destroy/close-wait", "connect; fin; destroy", "reset-sent | reason=tcp-state actor=kernel state=close-wait "
    "derived:reason=tcp-state/not-specified")
add("keepalive", "connect; probes; age 3", "reset-sent | reason=tcp-keepalive-timeout actor=timer state=established "
    "derived:reason=not-specified", slow=True)
add("user-timeout", "connect; user-timeout 500; write 5; age 4", "timed-out | actor=timer state=established", slow=True)
add("syn-timeout", "sysctl ipv4/tcp_syn_retries 1; connecting; age 4", "timed-out | actor=timer state=syn-sent", slow=True)
add("icmp/established", "connect; user-timeout 500; write 5; icmp host; age 4", "timed-out | actor=timer state=established",
    slow=True)
add("icmp/syn-sent-host", "sysctl ipv4/tcp_syn_retries 1; connecting; icmp host; age 4", "closed | actor=kernel state=syn-sent",
    slow=True)
add("orphan-retries", "sysctl ipv4/tcp_orphan_retries 1; connect; write 5; drop; age 4",
    "timed-out | actor=timer state=fin-wait-1 unacked=5 orphan=1..4", slow=True)
add("orphan-probes", "sysctl ipv4/tcp_orphan_retries 1; window 0; connect; write 5; drop; age 4",
    "timed-out | actor=timer state=fin-wait-1 unsent=5 orphan=0.3..4", slow=True)
add("orphan-last-ack", "sysctl ipv4/tcp_orphan_retries 1; connect; fin; drop; age 4",
    "timed-out | actor=timer state=last-ack orphan=1..4", slow=True)
add("orphan-fin-wait-2", "connect; linger2 62; drop; ack; age 5.5", "closed | actor=close orphan=1..5", slow=True)
add("icmp/syn-sent", "connecting; icmp port", "closed | state=syn-sent actor=peer")

# A RST that comes in
for state, words in (("established", "connect"), ("close-wait", "connect; fin"), ("fin-wait-1", "connect; shut wr"),
                     ("fin-wait-2", "connect; shut wr; ack"), ("closing", "connect; shut wr; fin"),
                     ("last-ack", "connect; fin; shut wr"), ("syn-sent", "connecting")):
    add(f"reset/{state}", f"{words}; rst" if state != "syn-sent" else "connecting; refused",
        f"reset-received | state={state} actor=peer")
add("reset/unread", "connect; data 5; rst", "reset-received | state=established actor=peer unread=5")
add("reset/unacked", "connect; write 5; rst", "reset-received | state=established actor=peer unacked=5")
add("reset/orphan", "connect; drop; rst", "reset-received | state=fin-wait-1 actor=peer closed-ago=yes")
add("reset/unaccepted", "listen; arrive; rst; age 0.05; close-listener", "reset-received | state=established actor=peer")

# Ordinary ends
add("fin/ours-first", "connect; drop; ack; fin", "closed | actor=close")
add("fin/ours-first-exit", "connect; exit; ack; fin", "closed | actor=exit")
add("fin/theirs-first", "connect; fin; drop; ack", "closed | actor=close")
add("fin/both-at-once", "connect; drop; fin; ack", "closed | actor=close")
add("fin/shutdown-first", "connect; shut wr; ack; fin; drop", "closed | actor=shutdown")
add("fin/shutdown-last", "connect; fin; shut wr; ack; drop", "closed | actor=shutdown")
add("fin/with-data", "connect; write 5; data 3; read 3; drop; ack; fin", "closed | actor=close received=3 sent=5")
add("fin/no-buckets", "sysctl ipv4/tcp_max_tw_buckets 0; connect; drop; ack", "closed | actor=close")
add("connecting/close", "connecting; drop", "closed | actor=close state=syn-sent")
add("connecting/exit", "connecting; exit", "closed | actor=exit state=syn-sent")
add("connecting/shutdown", "connecting; shutdown wr; drop", "closed | actor=shutdown state=syn-sent")
add("repair", "connect; data 5; repair; drop", "closed | actor=close state=established")

# Another connection of the same socket
add("again/unread", "connecting; refused; hear; connecting; answer; data 5; drop", f"{UNREAD} state=established unread=5")
add("again/reset", "connecting; refused; hear; connecting; answer; rst", "reset-received | state=established actor=peer")

# No connection, no story
add("none/unbound", "socket; drop")
add("none/bound", "bind; drop")
add("none/listener", "listen; close-listener")
add("none/request", "listen; syn; close-listener")


def do_refused(self):
    """A RST answers the SYN."""
    self.peer.send(RST | ACK, seq=0, ack=self.peer.iss + 1)


Ending.do_refused = do_refused


def make(row, wire):
    """Returns (port of the peer, why it could not be made)."""
    scene = Ending(wire, row.family)
    reason = ""
    try:
        speak(scene, row.words)
        scene.pump(0.02)
    except CannotMake as error:
        reason = str(error)
    port = scene.peer.remote[1] if scene.peer else 0
    # What is still there ends by a RST of the peer's: not part of the story.
    World.end(scene)
    return port, reason
