#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Every network namespace: named ones, those that only a process is in, idle ones by the dozen, one with a hash table of its
own, and those that tcpdiagd may not enter. What is said of a socket is compared with what its namespace is set to.
"""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import unittest

import lib
import scenes

OPTIONS = ["--collector.namespaces", "--interval=200ms", "--sweep-interval=500ms", "--cpu-share=50"]
NAMED = pathlib.Path("/run/netns")
IDLE = 50

# A connection in this namespace: the client lingers, the server has not read what came.
PAIR = '''
listener = listen()
client, server = pair(listener)
linger(client, 0)
client.send(b"unread")
say(os.stat("/proc/self/ns/net").st_ino, listener.getsockname()[1], client.getsockname()[1])
while word := step():
    if word == "orphan":
        other, left = pair(listener)
        other.close()
        keep.remove(other)
        say(left.getpeername()[1])
    elif word == "close":
        server.close()
        keep.remove(server)
        try:
            client.recv(1)
            say("fin")
        except ConnectionResetError:
            say("rst")
    elif word == "counters":
        names, values = (line.split() for line in open("/proc/thread-self/net/snmp") if line.startswith("Tcp:"))
        say(values[names.index("OutRsts")])
'''


class Inside(scenes.Actor):
    """A program like those of scenes.Actor, in a namespace of its own or in one of /run/netns."""

    def __init__(self, comm, code, enter):
        self.comm = comm
        self.process = subprocess.Popen([*enter, sys.executable, "-c", scenes.PRELUDE + code, comm], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid


UNNAMED = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def inode(name):
    return os.stat(NAMED / name).st_ino


def space(number):
    """The namespace's entry in /status, None where it has none."""
    return next((n for n in lib.get("/status")["namespaces"] if n["inode"] == number), None)


def wait_space(number, condition, what, seconds=20):
    last = []

    def found():
        last[:] = [space(number)]
        return last[0] and condition(last[0]) and last[0]

    try:
        return lib.wait_for(found, what, seconds, 0.1)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is {last}, {scenes.source('namespaces')}") from None


class Namespaces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Names of our own: other tests make some at the same time.
        NAMED.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "names", str(NAMED)], check=True)

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def named(self, name, **sysctls):
        ip("netns", "add", name)
        self.stack.callback(lambda: (NAMED / name).exists() and ip("netns", "del", name))
        ip("-n", name, "link", "set", "lo", "up")
        for key, value in sysctls.items():
            subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv4.{key}={value}"], check=True)
        return inode(name)

    def inside(self, comm, enter, code=PAIR):
        return self.stack.enter_context(Inside(comm, code, enter))


class Sockets(Namespaces):
    def test_named_and_unnamed(self):
        """Sockets of both with namespace, holder and settings; what close() is said to do it does."""
        self.named("quick", tcp_fin_timeout=30)
        with lib.Daemon(*OPTIONS):
            for comm, enter, seconds in (("named", ["ip", "netns", "exec", "quick"], 30), ("unnamed", UNNAMED, 60)):
                with self.subTest(comm):
                    self.check_pair(self.inside(comm, enter), seconds)

    def check_pair(self, actor, seconds):
        netns, listening, port = map(int, actor.read())
        where = f"netns={netns}&local.port={listening}&remote.port={port}"
        server = scenes.wait_row(where, lambda r: r["unread_bytes"] == 6 and r["holders"], "read and held", 20)
        self.assertEqual(server["netns"], netns)
        self.assertTrue(server["id"].startswith(f"{netns}-"))
        self.assertEqual([(h["pid"], h["comm"]) for h in server["holders"]], [(actor.pid, actor.comm)])
        self.assertEqual(server["direction"], "inbound")
        self.assertEqual(server["outcomes"]["close"]["segment"], "rst")
        client = scenes.wait_row(f"netns={netns}&local.port={port}", lambda r: r["holders"], "held", 20)
        if scenes.source("bpf")["state"] in ("ok", "degraded"):
            self.assertEqual(client["linger"]["on"], True)
            self.assertEqual(client["linger"]["seconds"], 0)
            # By the namespace's own setting.
            self.assertEqual(server["fin_timeout"]["lifetime_seconds"], seconds)
        actor.go("orphan")
        orphan = actor.read()[0]
        left = f"netns={netns}&local.port={listening}&remote.port={orphan}"
        orphan = scenes.wait_row(f"netns={netns}&local.port={orphan}", lambda r: r["state"] == "fin-wait-2", "FIN-WAIT-2", 20)
        self.assertEqual(orphan["attachment"], "timewait")
        self.assertLessEqual(orphan["fate"]["at_most_seconds"], seconds)
        self.assertGreater(orphan["fate"]["at_most_seconds"], seconds - 25)
        left = scenes.wait_row(left, lambda r: r["peer"], "it knows its peer", 20)
        self.assertEqual((left["state"], left["peer"]), ("close-wait", orphan["id"]))
        # The prediction, and what the kernel does.
        actor.go("close")
        self.assertEqual(actor.read(), ["rst"])

    def test_sysctls_and_counters(self):
        number = self.named("slow", tcp_fin_timeout=77, ip_local_port_range="40000 40999", tcp_max_tw_buckets=1234)
        with lib.Daemon(*OPTIONS):
            entry = wait_space(number, lambda n: n["state"] == "ok", "it is read")
            self.assertEqual(entry["name"], "slow")
            self.assertFalse(entry["own"])
            self.assertEqual(entry["sysctls"]["tcp_fin_timeout"], 77)
            self.assertEqual(entry["sysctls"]["ip_local_port_range"], [40000, 40999])
            self.assertEqual(entry["sysctls"]["tcp_max_tw_buckets"], 1234)
            own = next(n for n in lib.get("/status")["namespaces"] if n["own"])
            self.assertNotEqual(own["sysctls"]["tcp_fin_timeout"], 77)

            before = self.aborts()
            actor = self.inside("aborter", ["ip", "netns", "exec", "slow"])
            actor.read()
            actor.go("close")
            self.assertEqual(actor.read(), ["rst"])
            lib.wait_for(lambda: self.aborts() > before, "its counter is in the sum", 20)
            # Its end takes nothing out of the sum.
            after = self.aborts()
            actor.__exit__()
            ip("netns", "del", "slow")
            lib.wait_for(lambda: space(number) is None, "it is gone", 20)
            scenes.wait_passes("fast", 3)
            self.assertGreaterEqual(self.aborts(), after)

    @staticmethod
    def aborts():
        return lib.get("/summary")["counters"]["TCPAbortOnClose"]


class Ends(Namespaces):
    def test_it_vanishes_and_nothing_keeps_it(self):
        """What waits for its end, the other end of its cable, does not wait for tcpdiagd."""
        number = self.named("shortlived")
        cable = f"tdv{os.getpid()}"
        ip("link", "add", cable, "type", "veth", "peer", "name", "inner", "netns", "shortlived")
        self.stack.callback(subprocess.run, ["ip", "link", "del", cable], stderr=subprocess.DEVNULL)
        with lib.Daemon(*OPTIONS):
            actor = self.inside("dying", ["ip", "netns", "exec", "shortlived"])
            actor.read()
            lib.wait_for(lambda: len(lib.sockets(f"netns={number}")) >= 3, "its sockets", 20)
            # The name goes, the process keeps it.
            ip("netns", "del", "shortlived")
            wait_space(number, lambda n: n["name"] is None and n["pid"], "it lives by a process")
            self.assertTrue(lib.sockets(f"netns={number}"))
            actor.__exit__()
            lib.wait_for(lambda: not os.path.exists(f"/sys/class/net/{cable}") and not self.has_link(cable),
                         "the cable's other end went with the namespace", 20)
            lib.wait_for(lambda: not lib.sockets(f"netns={number}"), "its sockets are no longer shown", 20)
            lib.wait_for(lambda: space(number) is None, "nor is it listed", 20)

    @staticmethod
    def has_link(name):
        return subprocess.run(["ip", "link", "show", "dev", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0


class Refused(Namespaces):
    def test_without_sys_admin(self):
        """Each is named with its reason; the own one goes on."""
        numbers = [self.named(name) for name in ("one", "two")]
        prefix = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
        with lib.Daemon(*OPTIONS, prefix=prefix), scenes.Scene() as scene:
            client, _ = scene.pair()
            for number in numbers:
                entry = wait_space(number, lambda n: n["state"] == "failed", "it is refused")
                self.assertIn("CAP_SYS_ADMIN", entry["reason"])
                self.assertIsNone(entry["sockets"])
            source = scenes.wait_source("namespaces", "degraded")
            self.assertIn("CAP_SYS_ADMIN", source["reason"])
            answer = lib.get("/sockets?limit=1")["snapshot"]
            self.assertFalse(answer["complete"])
            self.assertEqual(len([line for line in answer["missing"] if line.startswith("namespaces: ")]), 1)
            self.assertGreaterEqual(answer["namespaces"]["not_read"], 2)
            self.assertEqual(answer["namespaces"]["read"], 1)
            scenes.wait_row(scenes.tuple_query(client), lambda r: r["state"] == "established", "the own one is read")

    def test_limit(self):
        """What is above limits.namespaces is counted and said, and the own one is never above."""
        for name in ("a", "b", "c"):
            self.named(name)
        with lib.Daemon(*OPTIONS, "--limits.namespaces=2"):
            source = scenes.wait_source("namespaces", "degraded")
            self.assertIn("above limits.namespaces (2)", source["reason"])
            status = lib.get("/status")
            self.assertEqual(len(status["namespaces"]), 2)
            self.assertEqual(len([n for n in status["namespaces"] if n["own"]]), 1)
            self.assertGreaterEqual(status["limits"]["namespaces"], 2)
            self.assertGreaterEqual(status["snapshot"]["namespaces"]["not_read"], 2)

    def test_switched_off_and_on(self):
        """By option, and by a reload: what was shown of the others goes, and comes back."""
        number = self.named("switched")
        actor = self.inside("switched", ["ip", "netns", "exec", "switched"])
        actor.read()
        text = "interval: 200ms\nsweep-interval: 500ms\ncpu-share: 50\ncollector:\n  namespaces: {}\n"
        with Switched(config=text.format("false")) as daemon:
            source = scenes.wait_source("namespaces", "off")
            self.assertIn("--no-collector.namespaces", source["reason"])
            self.assertEqual([n["own"] for n in lib.get("/status")["namespaces"]], [True])
            self.assertFalse(lib.sockets(f"netns={number}"))
            for value, shown in (("true", True), ("false", False), ("true", True)):
                daemon.write_config(text.format(value))
                daemon.reload()
                lib.wait_for(lambda expected=shown: bool(lib.sockets(f"netns={number}")) == expected,
                             f"shown: {shown}", 20)
            self.assertIsNotNone(space(number))


class Switched(lib.Daemon):
    """With what its file says of namespaces."""

    def __init__(self, **more):
        super().__init__(**more)
        self.options.remove("--no-collector.namespaces")


def processor_seconds(daemon):
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Idle(Namespaces):
    def test_many_idle_ones(self):
        """Each is read once, and then left alone until something happens in it."""
        numbers = [self.named(f"idle{i}") for i in range(IDLE)]
        with lib.Daemon("--collector.namespaces") as daemon:
            def entries():
                listed = {n["inode"]: n for n in lib.get("/status")["namespaces"]}
                return [listed[n] for n in numbers if n in listed]

            lib.wait_for(lambda: len([n for n in entries() if n["state"] == "ok" and n["idle"]]) == IDLE, "all are read", 60)
            before, spent = {n["inode"]: n["reads"] for n in entries()}, processor_seconds(daemon)
            passes = scenes.lane("fast")["passes"], scenes.lane("sweep")["passes"]
            time.sleep(10)
            passes = [scenes.lane(name)["passes"] - n for name, n in zip(("fast", "sweep"), passes)]
            after, spent = {n["inode"]: n["reads"] for n in entries()}, processor_seconds(daemon) - spent
            dumps = sum(after.values()) - sum(before.values())
            print(f"{IDLE} idle namespaces: {spent / 10:.2%} of a core, {dumps} dumps of them in {sum(passes)} passes",
                  file=sys.stderr)
            self.assertGreaterEqual(sum(passes), 5)
            # Read each minute, all of them: some may have had their turn. Without a plan it would be IDLE a pass.
            self.assertLessEqual(dumps, IDLE)
            for entry in entries():
                self.assertLess(entry["checked_age_seconds"], 10)

            # Something happens in one of them.
            actor = self.inside("awake", ["ip", "netns", "exec", "idle7"])
            actor.read()
            lib.wait_for(lambda: lib.sockets(f"netns={numbers[7]}"), "its sockets are shown", 20)
            self.assertFalse(space(numbers[7])["sweep_age_seconds"] > 60)

    def test_own_table(self):
        """tcp_child_ehash_entries: a namespace that is cheap to read is known by what it costs."""
        with self.parent_of_own_table() as number, lib.Daemon(*OPTIONS):
            shared = self.named("shared")
            own = next(n for n in lib.get("/status")["namespaces"] if n["own"])
            cheap = wait_space(number, lambda n: n["state"] == "ok", "it is read")
            self.wake(number)
            try:
                cheap = wait_space(number, lambda n: n["own_table"], "it is cheap", 30)
            except AssertionError:
                # The walk over a small table of the machine costs no more.
                buckets = abs(int(pathlib.Path("/proc/sys/net/ipv4/tcp_ehash_entries").read_text()))
                if buckets < 65536:
                    self.skipTest(f"the machine's table has {buckets} buckets only")
                raise
            wait_space(shared, lambda n: n["state"] == "ok", "the other one is read, too")
            self.assertFalse(own["own_table"])
            self.assertFalse(space(shared)["own_table"])
            print(f"own table: {cheap['cost_seconds'] * 1e6:.0f} us, shared: {space(shared)['cost_seconds'] * 1e6:.0f} us",
                  file=sys.stderr)

    @contextlib.contextmanager
    def parent_of_own_table(self):
        """The number of a namespace that was made where tcp_child_ehash_entries is set."""
        ready, done = threading.Event(), threading.Event()
        made = []

        def program():
            command = ["unshare", "--net", "sh", "-c", "sysctl -qw net.ipv4.tcp_child_ehash_entries=4096 && "
                       "exec unshare --net sh -c 'ip link set lo up; readlink /proc/self/ns/net; exec \"$@\"' sh \"$@\"", "sh",
                       sys.executable, "-c", WAKE]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                made.append(int(process.stdout.readline().split("[")[1].rstrip("]\n")))
                self.waker = process
                ready.set()
                done.wait()
                process.stdin.close()

        thread = threading.Thread(target=program)
        thread.start()
        try:
            if not ready.wait(20):
                self.fail("no namespace was made")
            yield made[0]
        finally:
            done.set()
            thread.join()

    def wake(self, number):
        """Traffic in it, so that it is read again and again."""
        self.waker.stdin.write("go\n")
        self.waker.stdin.flush()
        before = space(number)["reads"]
        wait_space(number, lambda n: n["reads"] >= before + 4, "it is read as something happens in it", 30)


# Connections that come and go, once told to.
WAKE = '''
import socket, sys, threading, time
sys.stdin.readline()
def run():
    listener = socket.create_server(("127.0.0.1", 0))
    while True:
        client = socket.create_connection(listener.getsockname())
        listener.accept()[0].close()
        client.close()
        time.sleep(0.05)
threading.Thread(target=run, daemon=True).start()
sys.stdin.read()
'''


if __name__ == "__main__":
    lib.main()
