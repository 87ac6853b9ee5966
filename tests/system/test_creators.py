#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who has left it: of each kind of orphan and minisocket the process is named long after its end, and whoever has its pid now is not."""
import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
import unittest

import cgroups
import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50", "--rules.clear-hold=1s"]
SOURCES = {"bpf": [], "proc": ["--no-collector.bpf"]}
CONTAINER = "c7" * 32

# By what its process has done before its end; each: the state that is left, who has it, what the other end does before
# and after.
KINDS = {
    "full": ("fin-wait-1", "orphan", None, None),
    "answered": ("last-ack", "orphan", "finish", None),
    "crossed": ("closing", "orphan", None, "finish"),
    "patient": ("fin-wait-2", "orphan", None, None),
    "plain": ("fin-wait-2", "timewait", None, None),
    "done": ("time-wait", "timewait", None, "close"),
}
ORPHANS = [kind for kind, row in KINDS.items() if row[1] == "orphan"]

# Never reads.
PEER = """
listener = listen()
conns = {}
say(os.stat("/proc/self/ns/net").st_ino, listener.getsockname()[1])
while word := step():
    what, port = word.split()
    if what == "accept":
        conn, address = listener.accept()
        conns[address[1]] = conn
    elif what == "finish":
        conns[int(port)].shutdown(socket.SHUT_WR)
    else:
        conns.pop(int(port)).close()
    say("done")
"""

LEAVER = """
if sys.argv[3]:
    open(sys.argv[3], "w").write("0")
for kind in sys.argv[4:]:
    sock = connect(("127.0.0.1", int(sys.argv[2])))
    if kind in ("full", "answered", "crossed"):
        fill(sock)
    if kind == "patient":
        linger2(sock, 110)
    say(sock.getsockname()[1])
step()
"""


class Inside(scenes.Actor):
    """A program beside the test, in another network namespace."""

    def __init__(self, comm, code, *arguments, enter=()):
        self.comm = comm
        self.process = subprocess.Popen([*enter, sys.executable, "-c", scenes.PRELUDE + code, comm, *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid


class Peer(Inside):
    def __init__(self, enter=()):
        super().__init__("peer", PEER, enter=enter)
        self.netns, self.port = map(int, self.read())

    def tell(self, what, port=0):
        self.go(f"{what} {port}")
        assert self.read() == ["done"]


class Leaver(Inside):
    """Has one connection of each kind, the ports of which are here by kind."""

    def __init__(self, comm, peer, group=None, kinds=tuple(KINDS), enter=()):
        super().__init__(comm, LEAVER, peer.port, group / "cgroup.procs" if group else "", *kinds, enter=enter)
        self.peer = peer
        self.ports = []
        for kind in kinds:
            port = int(self.read()[0])
            peer.tell("accept")
            if KINDS[kind][2]:
                peer.tell(KINDS[kind][2], port)
            self.ports.append((kind, port))

    def rows(self):
        """What there is of its own ends, by port."""
        rows = lib.sockets(f"netns={self.peer.netns}&remote.port={self.peer.port}&detail=full")
        return {row["local"]["port"]: row for row in rows}

    def are_known(self):
        rows = self.rows()
        return all([holder["pid"] for holder in rows.get(port, {"holders": []})["holders"]] == [self.pid]
                   for _, port in self.ports)

    def wait_known(self):
        lib.wait_for(self.are_known, f"the sockets of {self.comm} are seen", 30, 0.1)

    def die(self):
        """At once, and nothing of it is left but its sockets."""
        self.process.kill()
        self.process.wait(10)
        # What the other end does now meets a socket without a process.
        for kind, port in self.ports:
            if KINDS[kind][3]:
                self.peer.tell(KINDS[kind][3], port)

    def are_left(self):
        rows = self.rows()
        return all(port in rows and (rows[port]["state"], rows[port]["attachment"]) == KINDS[kind][:2]
                   for kind, port in self.ports) and rows

    def wait_left(self):
        return lib.wait_for(self.are_left, f"what {self.comm} has left", 20, 0.1)


def fork_as(pid, argv):
    """A child with that pid, which is free: clone3() with set_tid; None where the kernel refuses."""
    class Arguments(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint64) for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
            "set_tid_size", "cgroup")]

    clone3 = ctypes.CDLL(None, use_errno=True).syscall
    tids = (ctypes.c_int32 * 1)(pid)
    arguments = Arguments(exit_signal=17, set_tid=ctypes.addressof(tids), set_tid_size=1)
    child = clone3(435, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if child == 0:
        try:
            os.execv(argv[0], argv)
        finally:
            os._exit(127)
    return child if child > 0 else None


class Creators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        top = cgroups.make(cls.stack, cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiagd-cgroup-")))
        cls.groups = {"unit": top / "system.slice/leaver.service", "container": top / f"docker/{CONTAINER}"}
        for path in cls.groups.values():
            path.mkdir(parents=True)

    def setUp(self):
        self.actors = contextlib.ExitStack()
        self.addCleanup(self.actors.close)

    def leaver(self, comm, peer, group=None, **more):
        return self.actors.enter_context(Leaver(comm, peer, self.groups.get(group), **more))

    def check(self, leaver, unit, container, rows):
        for kind, port in leaver.ports:
            with self.subTest(kind=kind, comm=leaver.comm):
                row = rows[port]
                self.assertEqual((row["state"], row["attachment"]), KINDS[kind][:2])
                creator = row["creator"]
                self.assertIsNotNone(creator, row)
                self.assertEqual((creator["pid"], creator["comm"]), (leaver.pid, leaver.comm))
                self.assertEqual((creator["unit"], creator["container"]), (unit, container))
                self.assertEqual((row["comm"], row["unit"], row["holders"]), (leaver.comm, unit, []))
                self.assertEqual(lib.get(f"/sockets/{row['id']}")["creator"], creator)

    def lives_of_all(self, options, enter=()):
        """Three processes with the same sockets die; what is left says so, now and after more looks for its holders."""
        peer = self.actors.enter_context(Peer(enter))
        inside = ["nsenter", f"--net=/proc/{peer.pid}/ns/net"] if enter else ()
        leavers = {self.leaver("in-unit", peer, "unit", enter=inside): ("leaver.service", None),
                   self.leaver("in-container", peer, "container", enter=inside): (None, CONTAINER),
                   self.leaver("alone", peer, enter=inside): (None, None)}
        with lib.Daemon(*OPTIONS, *options):
            for leaver in leavers:
                leaver.wait_known()
            for leaver in leavers:
                leaver.die()
            for again in range(2):
                if again:
                    scenes.wait_passes("owners", 2)
                for leaver, (unit, container) in leavers.items():
                    self.check(leaver, unit, container, leaver.wait_left())
            self.check_sums(leavers)
            # As text, and by the filter.
            rows = lib.sockets(f"creator.unit=leaver.service&netns={peer.netns}")
            self.assertEqual({row["comm"] for row in rows}, {"in-unit"})
            self.assertEqual(len(rows), len(KINDS))

    def check_sums(self, leavers):
        # Orphans of others in this namespace would be counted, too: there are none.
        orphans = lib.get("/summary")["orphans"]
        rows = {row["comm"]: row for row in orphans["creators"]}
        for leaver, (unit, container) in leavers.items():
            row = rows[leaver.comm]
            self.assertEqual((row["unit"], row["container"], row["pid"], row["processes"]),
                             (unit, container, leaver.pid, 1))
            self.assertEqual(row["count"], len(ORPHANS))
            self.assertEqual(row["states"], {"fin-wait-1": 1, "fin-wait-2": 1, "last-ack": 1, "closing": 1})
            self.assertGreater(row["bytes"], 3 * 65536)
        scraped = lib.get("/metrics").splitlines()
        for unit, count in (("leaver.service", len(ORPHANS)), ("docker.service", len(ORPHANS))):
            self.assertIn(f'tcpdiag_unit_orphans{{systemd_unit="{unit}"}} {count}', scraped)
        known = sum(int(line.split()[1]) for line in scraped if line.startswith("tcpdiag_unit_orphans{"))
        self.assertEqual(known, lib.get("/summary")["orphans"]["seen"])

    def test_with_bpf(self):
        with lib.Daemon(*OPTIONS):
            scenes.needs_bpf()
        self.lives_of_all(SOURCES["bpf"])

    def test_without_bpf(self):
        self.lives_of_all(SOURCES["proc"])

    def test_another_namespace(self):
        self.lives_of_all(["--collector.namespaces"], ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])

    def test_a_pid_that_is_used_again(self):
        peer = self.actors.enter_context(Peer())
        first = self.leaver("first", peer, "unit")
        code = scenes.PRELUDE + LEAVER.replace("step()\n", "time.sleep(600)\n")
        with lib.Daemon(*OPTIONS):
            first.wait_known()
            first.die()
            first.wait_left()
            argv = [sys.executable, "-c", code, "second", str(peer.port), "", "plain"]
            second = fork_as(first.pid, argv)
            if not second:
                self.skipTest("no process with a pid of choice: " + os.strerror(ctypes.get_errno()))
            self.addCleanup(os.waitpid, second, 0)
            self.addCleanup(os.kill, second, 9)
            self.assertEqual(second, first.pid)
            peer.tell("accept")
            rows = lib.wait_for(lambda: lib.sockets(f"remote.port={peer.port}&comm=second"), "its own socket", 20)
            self.assertEqual([(row["unit"], row["holders"][0]["pid"]) for row in rows], [(None, second)])
            scenes.wait_passes("owners", 2)
            self.check(first, "leaver.service", None, first.wait_left())
            # It is asked for by its pid: the one that lives.
            process = lib.get(f"/processes/{second}")
            self.assertEqual((process["comm"], process["unit"]), ("second", None))
            self.assertEqual(sum(process["sockets"].values()), 1)
            row = next(row for row in lib.get("/summary")["orphans"]["creators"] if row["comm"] == "first")
            self.assertEqual((row["unit"], row["count"]), ("leaver.service", len(ORPHANS)))

    def test_lived_before_the_daemon(self):
        """Nobody has seen who: said, in each place, and laid to nobody."""
        peer = self.actors.enter_context(Peer())
        leaver = self.leaver("unseen", peer, "unit")
        leaver.die()
        with lib.Daemon(*OPTIONS):
            rows = leaver.wait_left()
            scenes.wait_passes("owners", 2)
            for _, port in leaver.ports:
                self.assertIsNone(rows[port]["creator"])
                self.assertIsNone(rows[port]["unit"])
            orphans = lib.get("/summary")["orphans"]
            self.assertEqual((orphans["creators"], orphans["creators_total"]), ([], 0))
            self.assertEqual(orphans["unknown_creator"]["count"], len(ORPHANS))
            self.assertEqual(orphans["unknown_creator"]["states"]["closing"], 1)
            self.assertIn(f'tcpdiag_unit_orphans{{systemd_unit="~unknown"}} {len(ORPHANS)}', lib.get("/metrics").splitlines())

    def test_accumulation_names_the_unit(self):
        """Two processes of one unit leave most of what there is; a third one the rest."""
        with tempfile.TemporaryDirectory() as folder:
            # A limit that they reach half of, whatever others on this machine have left.
            scenes.fake_sysctls(folder, tcp_max_orphans=16)
            self.addCleanup(subprocess.run, ["umount", "/proc/sys/net/ipv4"], check=True)
            peer = self.actors.enter_context(Peer())
            leavers = [self.leaver("left-one", peer, "unit", kinds=["full"] * 5),
                       self.leaver("left-two", peer, "unit", kinds=["full"] * 2 + ["answered"] * 2),
                       self.leaver("other", peer, kinds=["patient"])]
            with lib.Daemon(*OPTIONS):
                for leaver in leavers:
                    leaver.wait_known()
                for leaver in leavers:
                    leaver.die()
                    leaver.wait_left()
                row = lib.wait_for(lambda: next(iter(scenes.findings("orphan-accumulation", unit="leaver.service")), None),
                                   "the unit is named", 30, 0.1)
                self.assertEqual((row["severity"], row["scope"]), ("critical", "host"))
                self.assertIn("Created by leaver.service 90 % (FIN-WAIT-1 7, LAST-ACK 2), other (pid ", row["cause"])
                self.assertEqual((row["evidence"]["creator_unknown"], row["evidence"]["creator_ratio"]), (0, 0.9))
                orphans = lib.get("/summary")["orphans"]
                self.assertEqual([(row["unit"], row["processes"], row["count"]) for row in orphans["creators"]],
                                 [("leaver.service", 2, 9), (None, 1, 1)])
                self.assertIn('tcpdiag_unit_orphans{systemd_unit="leaver.service"} 9', lib.get("/metrics").splitlines())
                self.assertIn("leaver.service", lib.get("/"))


if __name__ == "__main__":
    lib.main()
