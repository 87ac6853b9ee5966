# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What else can hold a socket besides one descriptor: a duplicate, a forked child, a message under way, a call.

Each has release(), which lets go, and `subject_first`: whether the descriptor goes before it, since nobody
can close what is in a message or in a call.
"""

import os
import select
import signal
import socket
import threading
import time

import net


class Duplicate:
    """dup(): a second descriptor of the same process."""

    holding, subject_first = "duplicate", False

    def __init__(self, subject):
        self.sock = subject.dup()

    def release(self):
        self.sock.close()


def child_that_waits(subject, call):
    """A process that has @subject and nothing else of ours, and sleeps in @call. Returns its id."""
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            net.die_with_parent()
            keep = subject.fileno()
            os.dup2(done, 2)
            os.closerange(3, keep)
            os.closerange(keep + 1, 512)
            os.write(2, b".")
            call(keep)
        finally:
            os._exit(0)
    os.close(done)
    os.read(ready, 1)
    os.close(ready)
    return child


class Child:
    """fork(): another process."""

    holding, subject_first = "process", False

    def __init__(self, subject):
        self.child = child_that_waits(subject, lambda fd: signal.pause())

    def release(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = None


class Message:
    """SCM_RIGHTS: in a message that nobody has received."""

    holding, subject_first = "call", True

    def __init__(self, subject):
        self.ends = socket.socketpair()
        socket.send_fds(self.ends[0], [b"."], [subject.fileno()])

    def release(self):
        for end in self.ends:
            end.close()


class Sleeper:
    """A thread in poll(), which keeps every file that it waits for."""

    holding, subject_first = "call", True

    def __init__(self, subject):
        self.wake, other = os.pipe(), threading.Event()
        poll = select.poll()
        poll.register(subject.fileno(), 0)
        poll.register(self.wake[0], select.POLLIN)

        def sleep():
            other.set()
            poll.poll()

        self.thread = threading.Thread(target=sleep, daemon=True)
        self.thread.start()
        other.wait()
        self.asleep()

    def asleep(self):
        """Until the kernel says that it sleeps. Where the poll() returns at once it ends instead."""
        path = f"/proc/self/task/{self.thread.native_id}/stat"
        end = time.monotonic() + 1
        calm = 0
        while calm < 3 and time.monotonic() < end and self.thread.is_alive():
            time.sleep(0.0005)
            try:
                with open(path, encoding="ascii", errors="replace") as file:
                    calm = calm + 1 if file.read().rpartition(")")[2].split()[0] == "S" else 0
            except FileNotFoundError:
                return

    def release(self):
        if self.wake:
            os.write(self.wake[1], b".")
            self.thread.join()
            for end in self.wake:
                os.close(end)
            self.wake = None


class Receiver(Sleeper):
    """A thread in recv(), which a signal ends."""

    def __init__(self, subject):
        subject.setblocking(True)
        descriptor, begun = subject.fileno(), threading.Event()

        def sleep():
            begun.set()
            net.libc.recv(descriptor, bytes(1), 1, 0)

        self.thread = threading.Thread(target=sleep, daemon=True)
        self.thread.start()
        begun.wait()
        self.asleep()

    def release(self):
        while self.thread.is_alive():
            signal.pthread_kill(self.thread.ident, signal.SIGUSR1)
            self.thread.join(0.05)


KINDS = {"dup": Duplicate, "fork": Child, "message": Message, "poll": Sleeper, "recv": Receiver}
