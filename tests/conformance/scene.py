# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asking the oracle about a world, doing the operation in it, and watching what comes of it."""

import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field

import net
from packet import RST
from words import SETTLE, Words
from world import CannotMake


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


class Scene(Words):
    def __init__(self, ask_program, family="4"):
        super().__init__(family)
        self.ask = Ask(ask_program)

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
            self.peer.acknowledge()
            self.pump(0.05, lambda: self.peer.fins > 0)
        return self.peer.fins > 0

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
            self.pump(pause)
