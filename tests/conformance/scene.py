# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asking the oracle about a world, doing the operation in it, and watching what comes of it."""

import errno
import os
import select
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import net
from check import ABORTS
from holders import Sleeper, child_that_waits
from packet import ACK, FIN, RST
from words import Words
from world import CannotMake

# The kernel answers a call or a packet before the call returns; only loopback goes through a queue.
SETTLE, SETTLE_LOOPBACK = 0.002, 0.04
BLOCKS = 0.15  # a call that has not returned by then blocks
# Seconds between question and operation, or that a sleep is late by: then timers have changed what was asked
# about, and a disagreement says nothing.
STALE = 0.25


def waited():
    """Seconds that this thread was ready and had no processor."""
    with open("/proc/thread-self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


@dataclass
class Observation:
    error: str = None
    seconds: float = 0.0
    segments: list = field(default_factory=list)
    counters: dict = field(default_factory=dict)
    new_fin: bool = False
    later_fin: bool = False  # after the call was ended from outside
    resets: int = 0  # of the flow in question
    other_resets: int = 0
    answers: int = 0  # resets that answer segments for nobody
    rows: list = field(default_factory=list)
    descriptor_state: int = None  # tcpi_state, where the descriptor is still open
    interrupted: bool = False  # the call was ended from outside: the rows are from before that


class Scene(Words):
    def __init__(self, wire, ask, family="4"):
        super().__init__(wire, family)
        self.ask, self.reader = ask, ask.reader
        self.number = wire.next_port  # of the scenario in its namespace
        self.holder = None  # a child that has become the sole holder
        self.calling = None  # the thread of the operation
        self.waited, self.asked, self.lateness = waited(), 0.0, 0.0

    def stalled(self):
        """Why nothing can be said of times, or None: the machine was busy with something else."""
        seconds = waited() - self.waited
        if seconds > STALE:
            return f"{seconds:.2f} s without a processor"
        return f"{self.lateness:.2f} s late" if self.lateness > STALE else None

    def settle(self):
        self.pump(SETTLE_LOOPBACK if self.loopback else SETTLE)

    def end(self):
        for other in self.others:
            other.release()
        if self.holder:
            os.kill(self.holder, signal.SIGKILL)
            os.waitpid(self.holder, 0)
        super().end()

    # ---- questions ----

    def aim(self, at):
        """What the questions are about: the "flow" with the peer, or the "listener"."""
        self.aimed = at
        subject = self.listener if at == "listener" else self.subject()
        self.inode = os.fstat(subject.fileno()).st_ino if subject is not None else 0
        if at == "flow" and self.peer:
            self.question = ["socket", self.protocol, *self.peer.local, *self.peer.remote]
        else:
            self.question = ["socket", self.protocol, *self.name_of(subject), "::", 0]

    def inputs(self):
        self.asked = time.monotonic()
        told = dict(self.told, user_timeout=self.user_timeout)
        if self.aimed == "listener":
            told["siblings"] = self.siblings
        return ["holders"] * self.count_holders() + [f"{key}={value}" for key, value in told.items()]

    def count_holders(self):
        """A pass over all descriptors of the machine is made where somebody else holds it, and now and then."""
        return bool(self.truth.holding) or self.number % 8 == 0

    def look_at_closed(self):
        """What no dump shows."""
        if not self.reader["descriptors"]:
            return self.ask("blank", *self.inputs())["rows"][0]
        rows = self.ask("closed", self.inode, *self.inputs())["rows"]
        if len(rows) != 1:
            raise CannotMake(f"{len(rows)} descriptors of a closed socket")
        return rows[0]

    def look(self, told=False):
        """@told: the question before the operation, with everything."""
        begun = time.monotonic()
        rows = self.ask(*self.question, *(self.inputs() if told else []))["rows"]
        self.lateness = max(self.lateness, time.monotonic() - begun)
        return [row for row in rows if (self.aimed != "listener" or row["inode"] in (0, self.inode)) and
                (row["kind"] == "full" or not self.no_minis)]

    # ---- operations ----

    def drop_subject(self):
        subject = self.subject()
        if subject is self.listener:
            self.listener = None
        else:
            self.sock = None
        subject.close()

    def only_child(self, polling):
        """A child becomes the sole holder of the subject."""
        def sleep(descriptor):
            if polling:
                poll = select.poll()
                poll.register(descriptor, 0)
                poll.poll()
            signal.pause()
        self.holder = child_that_waits(self.subject(), sleep)

    def kill_child(self):
        child, self.holder = self.holder, None
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def operation(self, name):
        """
        The calls to make, in their order: all but the last let go of one of several references, which
        nobody must notice.
        """
        how = {"shutdown_read": socket.SHUT_RD, "shutdown_write": socket.SHUT_WR,
               "shutdown_both": socket.SHUT_RDWR}
        if name in how:
            subject = self.subject()
            return [lambda: subject.shutdown(how[name])]
        if name == "listener_close":
            return [self.do_close_listener]
        others, self.others = self.others, []
        first = [other.release for other in others if not other.subject_first]
        rest = [other.release for other in others if other.subject_first]
        if name == "close":
            return first + [self.drop_subject] + rest
        if name == "exit":
            self.only_child(any(isinstance(other, Sleeper) for other in others))
            if others:
                return first + [self.drop_subject] + rest + [self.kill_child]
            self.drop_subject()
            return [self.kill_child]
        raise ValueError(name)

    def unnoticed(self, call):
        """Lets go of one reference of several. Returns what came of it: nothing should."""
        before, mark, rows = net.counters(), len(self.wire.seen), self.look()
        start = time.monotonic()
        call()
        seconds = time.monotonic() - start
        self.settle()
        after = net.counters()
        wrong = [f"{name} has moved" for name in (*ABORTS, "OutRsts", "EstabResets")
                 if after.get(name) != before.get(name)]
        wrong += [str(segment) for segment in self.wire.seen[mark:] if segment.flags & (FIN | RST)
                  and segment.seq + segment.length > (self.peer.highest or 0)]
        if [row["state"] for row in self.look()] != [row["state"] for row in rows]:
            wrong.append(f"{[row['state'] for row in rows]} has changed")
        if seconds > BLOCKS * 3:
            wrong.append(f"it took {seconds:.2f} s")
        return [f"one of several: {text}" for text in wrong]

    def mark(self):
        return len(self.wire.seen), self.peer.fins if self.peer else 0

    def note_segments(self, seen, mark, fins):
        """What was sent since @mark; @fins had been seen before."""
        seen.segments = self.wire.seen[mark:]
        seen.new_fin = bool(self.peer and self.peer.fins > fins)
        resets = [s for s in seen.segments if s.flags & RST]
        if self.loopback:  # what the other kernel had under way meets no socket any more: RFC 9293, 3.10.7.1
            seen.answers = sum(not s.flags & ACK for s in resets)
            resets = [s for s in resets if s.flags & ACK]
        seen.resets = sum(self.aimed == "flow" and self.peer is not None and
                          s.target == self.peer.remote for s in resets)
        seen.other_resets = len(resets) - seen.resets

    def call(self, seen, call, patience, after, mark):
        """In a thread: it may block, for @patience seconds, then @after() must end it."""
        def run():
            start = time.monotonic()
            try:
                call()
            except OSError as error:
                seen.error = errno.errorcode.get(error.errno, str(error.errno))
            seen.seconds = time.monotonic() - start

        self.calling = threading.Thread(target=run, daemon=True)
        self.calling.start()
        begun = time.monotonic()
        self.calling.join(BLOCKS)
        self.lateness = max(self.lateness, time.monotonic() - begun - BLOCKS)
        if not self.calling.is_alive():
            return
        seen.rows = self.look()
        self.pump(patience, lambda: not self.calling.is_alive())
        if self.calling.is_alive() and after:
            seen.interrupted = True
            self.note_segments(seen, *mark)
            after()
            seen.later_fin = bool(self.peer and self.peer.fins > mark[1])
        self.calling.join(2)
        if self.calling.is_alive():
            raise CannotMake("the call does not return")

    def held_by_a_reader(self):
        """
        Who reads all descriptors of the machine, with BPF or in /proc, has each file for an instant: a close()
        in that instant is not the last, and what it does is done, and waited for, by that reader.
        """
        return any(row["inode"] == self.inode for row in self.look())

    def do_interrupt(self):
        """A signal for the thread that is in the call."""
        signal.pthread_kill(self.calling.ident, signal.SIGUSR1)

    def operate(self, name, patience=0.0, after=None):
        """Does it and watches. Returns the observation, and what other references have shown."""
        calls = self.operation(name)
        self.pump()
        wrong = [text for call in calls[:-1] for text in self.unnoticed(call)]
        before, seen = net.counters(), Observation()
        mark = self.mark()
        self.lateness = max(self.lateness, time.monotonic() - self.asked)
        self.call(seen, calls[-1], patience, after, mark)
        if name in ("close", "exit") and not seen.interrupted and self.held_by_a_reader():
            raise CannotMake("somebody who read descriptors had it in that instant")
        self.settle()
        seen.counters = {key: value - before.get(key, 0) for key, value in net.counters().items()}
        if not seen.interrupted:
            self.note_segments(seen, *mark)
            seen.rows = self.look()
        if name.startswith("shutdown") and self.subject() is not None:
            seen.descriptor_state = self.subject().getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return seen, wrong

    def release(self):
        """Opens the window and acknowledges, until a FIN has been sent or a second has gone by."""
        end = time.monotonic() + (5 if self.loopback else 1)  # its retransmissions have backed off
        if self.loopback:
            while not self.peer.fins and time.monotonic() < end:
                self.peer.read_all()
                self.pump(0.02, lambda: self.peer.fins > 0)
            return self.peer.fins > 0
        self.do_window(65535)
        if self.peer.ack < self.peer.iss + 1:
            self.peer.ack = self.peer.iss + 1
        while not self.peer.fins and time.monotonic() < end:
            self.peer.acknowledge()
            self.pump(0.05, lambda: self.peer.fins > 0)
        return self.peer.fins > 0

    def do_release(self):
        """The peer takes everything, up to the FIN, and acknowledges it."""
        self.release()
        if not self.loopback:
            self.peer.acknowledge()

    # ---- what is left ----

    def resets_seen(self):
        return sum(peer.resets for peer in self.peers.values())

    def lifetime(self, limit):
        """Seconds until sock_diag has no row of this flow any more; None when @limit was too short."""
        start = time.monotonic()
        pause = min(1.0, max(0.05, limit / 50))
        while True:
            if not self.look():
                return time.monotonic() - start
            if time.monotonic() - start > limit:
                return None
            begun = time.monotonic()
            self.pump(pause)
            self.lateness = max(self.lateness, time.monotonic() - begun - pause)
