# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets of the test and of processes of their own, held in a certain way; what the daemon says about them."""
import contextlib
import pathlib
import socket
import struct
import subprocess
import sys
import time
import unittest

import lib

PRELUDE = '''\
import array, contextlib, os, select, socket, ssl, struct, sys, threading, time
keep = []


def linger(sock, seconds, on=1):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))


def linger2(sock, seconds):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, seconds)


def repair(sock):
    sock.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR


def listen(backlog=128, host="127.0.0.1", **options):
    sock = socket.socket()
    for option, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    sock.bind((host, 0))
    sock.listen(backlog)
    keep.append(sock)
    return sock


def connect(address, **options):
    sock = socket.socket()
    for option, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    sock.settimeout(10)
    sock.connect(address)
    keep.append(sock)
    return sock


def pair(listener, **options):
    """(client, server)"""
    client = connect(listener.getsockname(), **options)
    server = listener.accept()[0]
    keep.append(server)
    return client, server


def fill(sock):
    """Sends until neither end takes any more."""
    sock.setblocking(False)
    for _ in range(3):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        time.sleep(0.05)


def say(*words):
    print(*words, flush=True)


def step():
    """Waits for the test to go on."""
    return sys.stdin.readline().strip()


def close_all():
    while keep:
        keep.pop().close()


open("/proc/self/comm", "w").write(sys.argv[1])
'''


class Actor:
    """A Python program beside the test, named comm. Each say() of it is one read(), each step() one go()."""

    def __init__(self, comm, code, *arguments, limit=None):
        self.comm = comm
        command = [sys.executable, "-c", PRELUDE + code, comm, *map(str, arguments)]
        if limit:
            command = ["prlimit", f"--nofile={limit}:{limit}", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # At its end it closes by exiting; one that hangs is ended.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read(self):
        line = self.process.stdout.readline().split()
        if not line:
            raise AssertionError(f"{self.comm} has ended: {self.process.wait(10)}")
        return line

    def go(self, word="go"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


# Accepts, does and closes what it is told, one line each.
REMOTE = """
listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
socks = {}
say(listener.getsockname()[1])
while True:
    what, name, code = (step() + "  ").split(" ", 2)
    if what == "accept":
        socks[name] = listener.accept()[0]
    elif what == "do":
        exec(code, globals(), {"sock": socks.get(name)})
    elif what == "close":
        began = time.monotonic()
        socks.pop(name).close()
        say(time.monotonic() - began)
        continue
    else:
        break
    say("done")
"""


class Remote(Actor):
    """A process that accepts connections by name, and does to them what the test says."""

    def __init__(self, comm):
        super().__init__(comm, REMOTE)
        self.port = int(self.read()[0])

    def accept(self, name, host="127.0.0.1"):
        """This end of a new connection that the process knows by that name."""
        sock = socket.create_connection((host, self.port), 10)
        self.go(f"accept {name}")
        assert self.read() == ["done"]
        return sock

    def do(self, name, code):
        """One line of Python in which sock is the socket of that name."""
        self.go(f"do {name} {code}")
        assert self.read() == ["done"]

    def close(self, name):
        """How many seconds its close() took."""
        self.go(f"close {name}")
        return float(self.read()[0])


def findings(rule=None, pid=None, **where):
    """Rows of GET /findings."""
    rows = lib.get("/findings?limit=0")["findings"]
    return [row for row in rows if (rule is None or row["rule"] == rule)
            and (pid is None or (row["process"] or {}).get("pid") == pid)
            and all(row[name] == value for name, value in where.items())]


def wait_finding(rule, seconds=20, **where):
    """The only finding that matches, once there is one."""
    def found():
        rows = findings(rule, **where)
        if len(rows) > 1:
            raise AssertionError(f"more than one: {rows}")
        return rows

    try:
        return lib.wait_for(found, f"{rule} {where}", seconds, 0.1)[0]
    except AssertionError as late:
        raise AssertionError(f"{late}; there is {[(r['rule'], r['severity'], r['summary']) for r in findings()]}") \
            from None


def tuple_query(sock):
    """The query that finds exactly this end of a connection."""
    local, remote = sock.getsockname(), sock.getpeername()
    return f"local.port={local[1]}&remote.port={remote[1]}"


def other_end(sock):
    """The query that finds exactly the other end."""
    local, remote = sock.getsockname(), sock.getpeername()
    return f"local.port={remote[1]}&remote.port={local[1]}"


def out_resets():
    """Tcp OutRsts of this namespace."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("OutRsts")])


def set_linger(sock, seconds, on=1):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))


def fill(sock):
    """Sends until neither end takes any more."""
    timeout = sock.gettimeout()
    sock.setblocking(False)
    for _ in range(3):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        time.sleep(0.05)
    sock.settimeout(timeout)


class Scene(contextlib.ExitStack):
    """Sockets that stay as they are until the end of the test."""

    def listener(self, host="127.0.0.1", port=0, backlog=16):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = self.enter_context(socket.socket(family))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(backlog)
        return sock

    def connect(self, listener, host=None):
        address = listener.getsockname()
        return self.enter_context(socket.create_connection((host or address[0], address[1]), 5))

    def pair(self, host="127.0.0.1", through=None):
        """(client, server)"""
        listener = self.listener(host)
        client = self.connect(listener, through)
        server = self.enter_context(listener.accept()[0])
        return client, server


def row(query, detail=True):
    """The only socket that matches, in full; None where there is none."""
    rows = lib.sockets(query + ("&detail=full" if detail else ""))
    if len(rows) > 1:
        raise AssertionError(f"{query}: more than one: {[r['flow'] for r in rows]}")
    return rows[0] if rows else None


def wait_row(query, condition, what, seconds=10):
    """The only socket that matches, once it is as the condition says; what it is when that never comes."""
    last = []

    def found():
        last[:] = [row(query)]
        return last[0] and condition(last[0]) and last[0]

    try:
        return lib.wait_for(found, f"{query}: {what}", seconds)
    except AssertionError as late:
        telling = ("flow", "state", "attachment", "holders", "linger", "fin_timeout", "references", "unheld_because",
                   "error", "repair", "settings_seconds", "findings")
        seen = {name: last[0][name] for name in telling} if last[0] else None
        close = ((last[0] or {}).get("outcomes") or {}).get("close") or {}
        close = {name: close.get(name) for name in ("rule", "segment", "blocks_seconds", "last", "held_by", "unknown")}
        raise AssertionError(f"{late}; it is {seen}, close() {close}") from None


def source(name):
    """The source's entry in /status, None where there is none."""
    return next((s for s in lib.get("/status")["sources"] if s["name"] == name), None)


def wait_source(name, state, seconds=20):
    """The source's entry in /status, once it is in this state."""
    try:
        return lib.wait_for(lambda: (s := source(name)) and s["state"] == state and s, f"{name} is {state}", seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}; there is {lib.get('/status')['sources']}") from None


def needs_bpf():
    """Skips the test where this kernel or build has no BPF; the daemon runs already."""
    state = lib.wait_for(lambda: (s := source("bpf")) and s["state"] not in ("starting", None) and s, "bpf or not", 20)
    if state["state"] in ("failed", "off"):
        raise unittest.SkipTest(f"without BPF: {state['reason']}")


def lane(name):
    """The lane's entry in /status."""
    return next(entry for entry in lib.get("/status")["lanes"] if entry["name"] == name)


def pass_seconds():
    """The time from one pass over the descriptors to the next, known from the first on."""
    return lib.wait_for(lambda: lane("owners")["interval_seconds"], "the interval of the passes", 20)


def wait_passes(name, count, seconds=60):
    """Until so many more passes of the lane are complete."""
    before = lane(name)["passes"]
    lib.wait_for(lambda: lane(name)["passes"] >= before + count, f"{count} passes of {name}", seconds)


def fake_sysctls(folder, **values):
    """
    net.ipv4 with other values, for who reads it in this mount namespace: limits of the whole machine
    cannot be seen from a network namespace, and are not to be changed by a test.
    """
    folder = pathlib.Path(folder)
    for path in pathlib.Path("/proc/sys/net/ipv4").iterdir():
        with contextlib.suppress(OSError):
            if path.is_file():
                (folder / path.name).write_text(path.read_text())
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")
    subprocess.run(["mount", "--bind", str(folder), "/proc/sys/net/ipv4"], check=True)
