#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Processes fork, exec and die with their sockets, pids are reused, and network namespaces come and go, named and not,
as fast as it goes. What was made is known, so every holder and creator that is told meanwhile can be checked; and at
the end nothing is left behind: no descriptor, no memory, no namespace that somebody still keeps.

TCPDIAG_SECONDS: how long. The whole test lives in a PID namespace of its own, where pids can be given out again.
"""
import collections
import contextlib
import ctypes
import fcntl
import http.client
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import lib
import scenes

SECONDS = float(os.environ.get("TCPDIAG_SECONDS", "12"))
OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--limits.history=4096", "--limits.ended=256"]
INSIDE = "TCPDIAG_CHURN_INSIDE"
CLONE_NEWNET = 0x40000000
FIRST_PID = 2000
# Of fixed size, and touched as they fill: 8,192 sockets that have just gone, changes, ends.
RINGS = 4 << 20
AT_ONCE = 60
NAMED = pathlib.Path("/run/netns")
libc = ctypes.CDLL(None, use_errno=True)

# Forks as fast as it goes. Each child has a name and an address of its own, a connection from there to there, some in a
# namespace that is gone with it a moment later; most end at once, every second resets its connection by that.
STORM = """
import ctypes, fcntl, os, socket, struct, sys, time
libc = ctypes.CDLL(None)
seconds, spaces, number = float(sys.argv[1]), sys.argv[2] == "spaces", int(sys.argv[3])
end, alive, made = time.monotonic() + seconds, 0, 0
open("/proc/self/comm", "w").write("storm")
while time.monotonic() < end:
    number, made = number + 1, made + 1
    if not os.fork():
        open("/proc/self/comm", "w").write(f"storm{number}")
        if spaces:
            if libc.unshare(0x40000000):
                os._exit(3)
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
        address = f"127.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        listener = socket.create_server((address, 0))
        client = socket.create_connection(listener.getsockname(), 5, (address, 0))
        server = listener.accept()[0]
        if number % 2:
            client.send(b"x")
        if number % 8 == 0:
            time.sleep(0.4)
        os._exit(0)
    alive += 1
    while alive and os.waitpid(-1, 0 if alive >= 12 else os.WNOHANG)[0]:
        alive -= 1
while alive:
    os.wait()
    alive -= 1
print(made)
"""

# What a child has: its number, pid, namespace, its ports and the names it goes by.
Made = collections.namedtuple("Made", "number pid netns ports comms")


def inode(path):
    return os.stat(path).st_ino


def lo_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


def child(number, seed, folder, report, go):
    """Never returns. Writes what it has before anything can be said about it, and ends in some way."""
    dice = random.Random(seed)
    low, high = sorted((report, go))
    for first, end in ((3, low), (low + 1, high), (high + 1, 1024)):
        os.closerange(first, end)
    comm = f"churn{number}"
    pathlib.Path("/proc/self/comm").write_text(comm)
    if number % 3 == 0:
        if libc.unshare(CLONE_NEWNET):
            os._exit(3)
        lo_up()
    netns = inode("/proc/self/ns/net")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    pairs = [socket.socket() for _ in range(3)]
    for sock in pairs:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in [listener, *pairs]]
    os.write(report, struct.pack("=IIQ4H", number, os.getpid(), netns, *ports))
    os.read(go, 1)
    listener.listen(8)
    keep = []
    for sock in pairs:
        sock.connect(listener.getsockname())
        keep.append(listener.accept()[0])
    pairs[0].sendall(b"x" * 1000)
    time.sleep(dice.random() * 0.6)
    if number % 5 == 1:
        # Leaves orphans: what is not read holds up its FIN.
        for sock in pairs:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.send(bytes(65536))
            sock.close()
        time.sleep(dice.random() * 0.6)
    if number % 4 == 2:
        for sock in [listener, *pairs, *keep]:
            with contextlib.suppress(OSError):
                sock.set_inheritable(True)
        os.execv(f"{folder}/exec{number}", [f"exec{number}", str(dice.random() * 0.6)])
    os._exit(0)


class Churn:
    """Makes processes and remembers them; one thread."""

    def __init__(self, folder, reuse):
        self.folder, self.reuse = pathlib.Path(folder), reuse
        self.made, self.alive, self.pids = {}, {}, collections.Counter()
        self.number = self.veths = self.again = 0
        self.lock = threading.Lock()

    def one(self):
        self.number += 1
        number = self.number
        if self.reuse and time.monotonic() > self.again:
            self.again = time.monotonic() + 1
            pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(FIRST_PID))
        if number % 4 == 2:
            (self.folder / f"exec{number}").symlink_to("/bin/sleep")
        (reading, report), (go, going) = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            try:
                child(number, number, self.folder, report, go)
            finally:
                os._exit(4)
        os.close(report), os.close(go)
        got = os.read(reading, 64)
        os.close(reading)
        if len(got) == struct.calcsize("=IIQ4H"):
            _, seen, netns, *ports = struct.unpack("=IIQ4H", got)
            with self.lock:
                self.made[number] = Made(number, seen, netns, set(ports), {f"churn{number}", f"exec{number}"})
            self.pids[seen] += 1
            if number % 3 == 0:
                self.namespace(number, pid)
        os.write(going, b"x")
        os.close(going)
        self.alive[pid] = number

    def namespace(self, number, pid):
        """Some get a name, some one end of a cable: that is there as long as its namespace is."""
        if number % 6 == 0:
            path = NAMED / f"churn{number}"
            path.touch()
            subprocess.run(["mount", "--bind", f"/proc/{pid}/ns/net", str(path)], check=True)
        if number % 9 == 0:
            self.veths += 1
            subprocess.run(["ip", "link", "add", f"churn{number}", "type", "veth", "peer", "name", "end", "netns",
                            str(pid)], check=True)

    def bury(self, block=False):
        while self.alive:
            pid, _ = os.waitpid(-1, 0 if block else os.WNOHANG)
            if not pid:
                return
            number = self.alive.pop(pid, None)
            path = NAMED / f"churn{number}"
            if number and number % 6 == 0 and path.exists():
                subprocess.run(["umount", str(path)], check=True)
                path.unlink()
            (self.folder / f"exec{number}").unlink(missing_ok=True)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.bury()
            if len(self.alive) < AT_ONCE:
                self.one()
            else:
                time.sleep(0.005)
        self.bury(block=True)


class Watch(threading.Thread):
    """Asks all the time, and checks each name that it is told."""

    def __init__(self, churn, daemon):
        super().__init__(daemon=True)
        self.churn, self.daemon, self.stopped = churn, daemon, threading.Event()
        self.wrong, self.failed, self.checked, self.answers = [], [], collections.Counter(), 0
        self.peak = 0

    def run(self):
        paths = ("/sockets?limit=0", "/processes?limit=0", "/units", "/summary", "/findings", "/metrics", "/status",
                 "/listeners", "/", "/containers")
        turn = 0
        while not self.stopped.is_set():
            turn += 1
            path = paths[0] if turn % 2 else paths[turn // 2 % len(paths)]
            try:
                reply = lib.request(path, timeout=30)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{path}: {error!r}")
                continue
            self.answers += 1
            self.peak = max(self.peak, self.opened())
            if reply.status != 200:
                self.failed.append(f"{path}: {reply.status} {reply.text[:200]}")
            elif path == paths[0]:
                self.check(reply.json()["sockets"])

    def opened(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def check(self, rows):
        with self.churn.lock:
            made = dict(self.churn.made)
        for row in rows:
            # A child has the test's own connection for a moment.
            if lib.ADDRESS[1] in (row["local"]["port"], (row["remote"] or {}).get("port")):
                continue
            for role, owner in [("holder", one) for one in row["holders"]] + [("creator", row["creator"])]:
                if owner:
                    self.check_owner(row, role, owner, made)

    def check_owner(self, row, role, owner, made):
        comm = owner["comm"]
        if comm.startswith("storm") and comm[5:].isdigit():
            self.check_storm(row, role, owner, int(comm[5:]))
            return
        digits = comm.removeprefix("churn").removeprefix("exec")
        if comm[:4] not in ("chur", "exec") or not digits.isdigit():
            return
        self.checked[role] += 1
        one = made.get(int(digits))
        # What it connects from and what it accepts at; a socket that is seen between socket() and connect() has none.
        port = row["local"]["port"]
        unbound = row["state"] == "closed" and not port
        if not one or owner["pid"] != one.pid or row["netns"] != one.netns or not (unbound or port in one.ports):
            self.wrong.append((role, owner["pid"], comm, row["flow"], row["netns"], row["state"], one))


    def check_storm(self, row, role, owner, number):
        """Its address is its number, once it has one."""
        if row["local"]["address"] == "0.0.0.0" and row["state"] == "closed":
            return
        self.checked[f"storm {role}"] += 1
        address = f"127.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        if row["local"]["address"] != address:
            self.wrong.append((role, owner["pid"], owner["comm"], row["flow"], row["netns"], row["state"], None))


class Storm:
    """Two programs beside the churn: one in this namespace, one whose children have their own."""

    def __init__(self, seconds, first):
        self.programs = [subprocess.Popen([sys.executable, "-c", STORM, str(seconds), what, str(first + more)],
                                          stdout=subprocess.PIPE, text=True)
                         for what, more in (("here", 0), ("spaces", 1 << 22))]

    def end(self):
        """How many children each of them had."""
        counts = [int(program.communicate(timeout=120)[0]) for program in self.programs]
        if any(program.returncode for program in self.programs):
            raise AssertionError("a storm has failed")
        return counts


def metric(name):
    for line in lib.get("/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(name)


class Faults(unittest.TestCase):
    def test_churn(self):
        NAMED.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "churn", str(NAMED)], check=True)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiagd-churn-"))
            daemon = stack.enter_context(lib.Daemon(*OPTIONS, "--collector.namespaces"))
            scenes.needs_bpf()
            reuse = os.getpid() < 1000
            churn = Churn(folder, reuse)
            # So many that what grows once and stays has grown.
            storm = Storm(min(SECONDS / 3, 20), 0)
            churn.run(min(SECONDS / 3, 20))
            storm.end()
            before = self.rest(daemon)
            watch = Watch(churn, daemon)
            watch.start()
            began, first = time.monotonic(), churn.number
            storm = Storm(SECONDS, 1 << 20)
            churn.run(SECONDS)
            storms = storm.end()
            took = time.monotonic() - began
            watch.stopped.set()
            watch.join(60)
            after = self.rest(daemon)
            reused = sum(1 for times in churn.pids.values() if times > 1)
            said = sum("degraded" in line for line in daemon.output().splitlines())
            print(f"\n{churn.number - first} processes, and {storms} of the storms, in {took:.0f} s, {reused} pids used "
                  f"again, {churn.veths} cables; {watch.answers} answers, {dict(watch.checked)} names checked; "
                  f"{before} -> {after}, at most {watch.peak} descriptors; {said} times degraded")
            self.assertEqual(watch.failed, [])
            self.assertEqual(watch.wrong[:5], [], f"{len(watch.wrong)} wrong of {watch.checked}")
            self.assertGreater(watch.checked["holder"], 30)
            self.assertGreater(watch.checked["storm holder"], 20)
            self.assertGreater(watch.checked["storm creator"], 100)
            self.assertGreater(min(storms), 2 * SECONDS)
            if reuse:
                self.assertGreater(reused, SECONDS / 4)
            for process in ("collector", "web"):
                self.assertLessEqual(after[process]["fds"], before[process]["fds"] + 3)
                self.assertLess(after[process]["memory"], before[process]["memory"] * 1.25 + RINGS)
            self.assertEqual(metric("tcpdiag_web_restarts_total"), 0)

    @staticmethod
    def memory(pid):
        """Bytes of its own, without the snapshots, which all share."""
        status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))

    def rest(self, daemon):
        """What is open when nothing is left of the churn: cables vanish with their namespaces."""
        def links():
            return [name for name in os.listdir("/sys/class/net") if name.startswith("churn")]

        def kept():
            have = [os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}")
                    for fd in os.listdir(f"/proc/{daemon.process.pid}/fd")
                    if os.path.lexists(f"/proc/{daemon.process.pid}/fd/{fd}")]
            return [name for name in have if name.startswith("net:")]

        if not os.path.isdir("/sys/class/net/lo"):
            self.fail("no /sys of this namespace")
        try:
            lib.wait_for(lambda: not links(), "the namespaces have ended", 40, 0.2)
        except AssertionError as late:
            raise AssertionError(f"{late}: {links()}, the collector has {kept()}") from None
        for _ in range(2):
            lib.wait_for(lambda: scenes.lane("owners")["passes"], "a pass")
            scenes.wait_passes("owners", 1)
        rest = {}
        for name, pid in ("collector", daemon.process.pid), ("web", daemon.web_pid()):
            rest[name] = {"fds": len(os.listdir(f"/proc/{pid}/fd")), "memory": self.memory(pid)}
        return rest


def inside():
    """A PID namespace, with /proc and /sys of these namespaces."""
    os.environ[INSIDE] = "1"
    command = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "sh", "-c",
               'mount -t sysfs sysfs /sys && exec "$@"', "sh", sys.executable, *sys.argv]
    with subprocess.Popen(command) as process:
        sys.exit(process.wait())


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        lib.main()
    else:
        inside()
