# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes of their own that hold sockets in a certain way, for the tests of findings."""
import contextlib
import pathlib
import subprocess
import sys

import lib

PRELUDE = '''\
import contextlib, os, socket, ssl, sys, threading, time
keep = []


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
