#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The history of a socket, while it lives, after its end, and over restarts of the daemon.

A manager that keeps descriptors as systemd does stands in for it here; under the real one the same is tried in
test_systemd.py.
"""
import array
import contextlib
import datetime
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

import lib
import scenes

# linux/fcntl.h: SHRINK, GROW and FUTURE_WRITE.
ADD_SEALS, SEALS = 1033, 0x2 | 0x4 | 0x10
OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]
FINDING = ["--rules.clear-hold=1s", "--rules.fin-wait-2-stuck.info-age=1s", "--rules.fin-wait-2-stuck.warning-age=2s"]

# Opens what it is told, becomes the daemon.
EXEC = """
import os, sys
count = int(sys.argv[1])
opened = [os.open(path, os.O_RDONLY) for path in sys.argv[2:2 + count]]
moved = [os.dup2(fd, 100 + i) for i, fd in enumerate(opened)]
for i, fd in enumerate(moved):
    os.dup2(fd, 3 + i)
if count:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class Manager:
    """Keeps descriptors by name, as systemd's store does, and hands them to the next daemon."""

    def __init__(self):
        self.path = f"/tmp/tcpdiagd-notify-{os.getpid()}-{id(self)}"
        self.kept = []
        self.heard = 0
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        # Whoever says something waits while nobody listens.
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def __enter__(self):
        return self

    def say(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), self.path)

    def __exit__(self, *_):
        self.say("END=1")
        self.thread.join()
        self.socket.close()
        os.unlink(self.path)
        for _, fd in self.kept:
            os.close(fd)

    def listen(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 4096)
            fds = array.array("i")
            for level, kind, more in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(more)
            said = dict(line.split("=", 1) for line in data.decode().splitlines())
            with self.lock:
                self.heard += "SYNC" in said
                if said.get("FDSTORE") == "1":
                    self.kept += [(said["FDNAME"], fd) for fd in fds]
                elif said.get("FDSTOREREMOVE") == "1":
                    for name, fd in [entry for entry in self.kept if entry[0] == said["FDNAME"]]:
                        os.close(fd)
                        self.kept.remove((name, fd))
            if "END" in said:
                return

    def sync(self):
        """Until now everything has been heard."""
        before = self.heard
        self.say("SYNC=1")
        lib.wait_for(lambda: self.heard > before, "the manager to listen")

    def names(self):
        self.sync()
        return {name for name, _ in self.kept}

    def contents(self, sort):
        """What is kept of a sort: "snapshot" or "journal"."""
        self.sync()
        return [os.pread(fd, os.fstat(fd).st_size, 0) for name, fd in self.kept if name.startswith(f"{sort}-")]

    def keep(self, content, seals=SEALS, name=None):
        """Something that another program has left."""
        fd = os.memfd_create("foreign", os.MFD_ALLOW_SEALING)
        os.write(fd, content)
        fcntl.fcntl(fd, ADD_SEALS, seals)
        self.kept.append((name or f"foreign-{len(self.kept)}", fd))

    def daemon(self, *options, more=()):
        """The next one, with what is kept."""
        self.sync()
        paths = [f"/proc/{os.getpid()}/fd/{fd}" for _, fd in self.kept]
        env = dict(os.environ, NOTIFY_SOCKET=self.path)
        if paths:
            env |= {"LISTEN_FDS": str(len(paths)), "LISTEN_FDNAMES": ":".join(name for name, _ in self.kept)}
        prefix = [sys.executable, "-c", EXEC, str(len(paths)), *paths]
        return lib.Daemon(*OPTIONS, *options, env=env, prefix=prefix)


class Left(Manager):
    """A manager with which others have left something."""

    def __init__(self, *contents, seals=SEALS):
        super().__init__()
        for content in contents:
            self.keep(content, seals)


def kill(daemon):
    daemon.process.kill()
    daemon.process.wait()


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def socket_of(sock):
    return scenes.wait_row(scenes.tuple_query(sock), lambda row: True, "the socket")["id"]


def history(ident):
    return lib.get(f"/sockets/{ident}")["history"]


def brief(lines):
    return [line.get("state") or line.get("attachment") or line.get("finding") or line["kind"] for line in lines]


class Life(lib.unittest.TestCase):
    def test_states_with_their_times_and_the_end(self):
        with lib.Daemon(*OPTIONS), scenes.Scene() as scene:
            client, server = scene.pair()
            times = {"established": time.time()}
            ident, other = socket_of(client), scenes.wait_row(scenes.other_end(client), bool, "the server")["id"]
            # So long that it is an age of its own.
            time.sleep(1.5)
            client.shutdown(socket.SHUT_WR)
            times["fin-wait-2"] = time.time()
            scenes.wait_row(scenes.tuple_query(client), lambda row: row["state"] == "fin-wait-2", "half closed")
            time.sleep(1)
            lines = history(ident)
            self.assertEqual(brief(lines), ["established", "fin-wait-2"])
            for line in lines:
                self.assertTrue(line["exact"], line)
                self.assertAlmostEqual(when(line["time"]), times[line["state"]], delta=1.2)
            self.assertEqual(brief(history(other)), ["established", "close-wait"])
            rows = lib.sockets("detail=full&" + scenes.tuple_query(client))
            self.assertEqual(rows[0]["history"], lines, "a list in full says the same")
            self.assertIsNone(rows[0]["ended"])

            query = scenes.tuple_query(client)
            scenes.wait_row(query, lambda row: row["holders"], "its holder")
            client.close()
            server.close()
            scenes.wait_row(query, lambda row: row["state"] == "time-wait", "TIME-WAIT")
            self.assertEqual(brief(history(ident)), ["established", "fin-wait-2", "time-wait"])
            self.assertEqual(lib.get(f"/sockets/{ident}")["creator"]["pid"], os.getpid())

            # The server's end was there in one look and not in the next.
            gone = lib.wait_for(lambda: (d := lib.get(f"/sockets/{other}"))["ended"] and d["ended"]["certain"] and d,
                                "the end of the server's socket")
            self.assertEqual(gone["id"], other)
            self.assertIn(gone["state"], ("close-wait", "last-ack"))
            self.assertEqual(gone["history"][-1]["kind"], "ended")
            self.assertEqual(gone["history"][-1]["time"], gone["ended"]["time"])
            self.assertLessEqual(when(gone["ended"]["seen"]), when(gone["ended"]["time"]))
            self.assertAlmostEqual(when(gone["ended"]["time"]), time.time(), delta=3)
            self.assertEqual((gone["outcomes"], gone["fate"], gone["peer"], gone["holders"]), (None, None, None, []))
            self.assertEqual(gone["creator"]["pid"], os.getpid())
            self.assertLess(gone["state_seconds"], 3)
            later = lib.wait_for(lambda: (d := lib.get(f"/sockets/{other}"))["seen_seconds"] >= 2 and d, "it ages")
            self.assertEqual(later["state_seconds"], gone["state_seconds"], "its age is that of its end")
            self.assertNotIn(other, [row["id"] for row in lib.sockets()])
            self.assertEqual(lib.request(f"/sockets/{ident}f").status, 404)

    def test_findings_and_who_held_it(self):
        code = """
client, server = pair(listen())
say(f"local.port={client.getsockname()[1]}&remote.port={client.getpeername()[1]}")
client.shutdown(socket.SHUT_WR)
step()
child = os.fork()
if child == 0:
    client.close()
    server.close()
    time.sleep(60)
    os._exit(0)
say(child)
step()
os.kill(child, 9)
server.close()
step()
"""
        with lib.Daemon(*OPTIONS, *FINDING, "--rules.fin-wait-2-stuck.warning-count=1") as daemon, \
                scenes.Actor("stuck", code) as actor:
            query = actor.read()[0]
            row = scenes.wait_row(query, lambda r: r["findings"], "a finding", 20)
            lines = history(row["id"])
            self.assertEqual([l for l in lines if l["kind"] == "finding-raised"][0]["finding"], "fin-wait-2-stuck")
            self.assertIn(row["findings"][0], brief(lines))
            # A child that has closed its copies changes nothing.
            actor.go()
            actor.read()
            actor.go()
            lib.wait_for(lambda: lib.get(f"/sockets/{row['id']}")["state"] != "fin-wait-2"
                         or lib.get(f"/sockets/{row['id']}")["ended"], "its end")
            lib.wait_for(lambda: "finding-cleared" in [l["kind"] for l in history(row["id"])], "cleared", 20)
            self.assertNotIn("holder", [l["kind"] for l in history(row["id"])])
            self.assertIsNone(daemon.process.poll())

    def test_another_process_takes_it_over(self):
        code = """
client, server = pair(listen())
say(f"local.port={client.getsockname()[1]}&remote.port={client.getpeername()[1]}")
step()
child = os.fork()
if child == 0:
    open("/proc/self/comm", "w").write("heir")
    time.sleep(60)
    os._exit(0)
client.close()
say(child)
step()
os.kill(child, 9)
"""
        with lib.Daemon(*OPTIONS), scenes.Actor("testator", code) as actor:
            query = actor.read()[0]
            row = scenes.wait_row(query, lambda r: r["holders"], "its holder", 20)
            actor.go()
            child = int(actor.read()[0])
            scenes.wait_row(query, lambda r: [h["pid"] for h in r["holders"]] == [child], "the heir", 40)
            line = [l for l in history(row["id"]) if l["kind"] == "holder"][0]
            self.assertEqual((line["before"]["pid"], line["before"]["comm"]), (actor.pid, "testator"))
            self.assertFalse(line["exact"])
            actor.go()

    def test_bounded(self):
        # With events an end is told of for longer than by these two rings.
        bounds = ["--no-collector.events", "--limits.history=256", "--limits.ended=16"]
        with lib.Daemon(*OPTIONS, *bounds), scenes.Scene() as scene:
            listener = scene.listener(backlog=128)
            first = None
            for _ in range(8):
                with contextlib.ExitStack() as stack:
                    socks = []
                    for _ in range(60):
                        socks.append(stack.enter_context(socket.create_connection(listener.getsockname(), 5)))
                        stack.enter_context(listener.accept()[0])
                    scenes.wait_row(scenes.tuple_query(socks[-1]), bool, "the newest")
                    first = first or scenes.row(scenes.tuple_query(socks[0]))["id"]
                    for sock in socks:
                        sock.shutdown(socket.SHUT_WR)
                    scenes.wait_row(scenes.tuple_query(socks[-1]), lambda r: r["state"] == "fin-wait-2", "half closed")
                    for sock in socks:
                        # No TIME-WAIT: it is gone at once.
                        scenes.set_linger(sock, 0)
                        sock.close()
                lib.wait_for(lambda: not lib.sockets("state=fin-wait-2"), "all are gone")
            status = lib.get("/status")["history"]
            self.assertLessEqual(status["entries"], 256)
            self.assertLessEqual(status["ended"], 16)
            self.assertGreater(status["overwritten"], 0)
            self.assertGreater(status["ended"], 4)
            self.assertEqual(lib.request(f"/sockets/{first}").status, 404, lib.request(f"/sockets/{first}").text)
            self.assertGreater(lib.get("/status")["limits"]["ended"], 0)


class Restart(lib.unittest.TestCase):
    def restarted(self, end, *options):
        """What was known before, and after."""
        code = """
client, server = pair(listen())
client.shutdown(socket.SHUT_WR)
again, other = pair(listen())
orphan, far = pair(listen())
for sock in client, again, orphan:
    say(f"local.port={sock.getsockname()[1]}&remote.port={sock.getpeername()[1]}")
fill(orphan)
orphan.close()
step()
"""
        with Manager() as manager, scenes.Actor("stuck", code) as actor, \
                manager.daemon(*FINDING, *options, "--rules.fin-wait-2-stuck.warning-count=1") as daemon:
            queries = [actor.read()[0] for _ in range(3)]
            stuck = scenes.wait_row(queries[0], lambda r: r["findings"] and r["holders"], "a finding", 20)
            finding = scenes.wait_finding("fin-wait-2-stuck")
            plain = scenes.wait_row(queries[1], lambda r: r["holders"], "its holder")
            lib.wait_for(lambda: scenes.row(queries[2]), "the orphan")
            orphan = scenes.row(queries[2])
            lines = {row["id"]: history(row["id"]) for row in (stuck, plain, orphan)}
            time.sleep(1.5)
            before = lib.get("/status")
            names = manager.names()
            self.assertTrue(names)
            end(daemon)
            self.assertGreaterEqual(manager.names(), names & manager.names())
            self.assertTrue(manager.names(), "nothing was kept")
            with manager.daemon(*FINDING, *options, "--rules.fin-wait-2-stuck.warning-count=1") as second:
                self.assertIn("going on with snapshot", second.output())
                self.assertFalse(manager.names() & names, "what was gone on with is let go of")
                self.assertTrue(manager.names())
                for row in (stuck, plain, orphan):
                    now = lib.get(f"/sockets/{row['id']}")
                    self.assertIsNone(now["ended"])
                    self.assertAlmostEqual(when(now["state_since"]), when(row["state_since"]), delta=0.01)
                    self.assertEqual(now["state_exact"], row["state_exact"])
                    self.assertEqual((now["comm"], now["pid"] if "pid" in now else None), (row["comm"], None))
                    kept = [line for line in now["history"] if line["kind"] != "restart"]
                    for old, new in zip(lines[row["id"]], kept):
                        self.assertAlmostEqual(when(old.pop("time")), when(new.pop("time")), delta=0.01)
                        self.assertEqual(old, new)
                    lost = [line for line in now["history"] if line["kind"] == "restart"]
                    self.assertEqual(len(lost), 1)
                    self.assertLess(lost[0]["unwatched_seconds"], 10)
                self.assertEqual(lib.get(f"/sockets/{orphan['id']}")["creator"], orphan["creator"])
                again = scenes.wait_finding("fin-wait-2-stuck")
                self.assertEqual(again["id"], finding["id"])
                self.assertAlmostEqual(when(again["since"]), when(finding["since"]), delta=0.01)
                status = lib.get("/status")
                self.assertGreater(status["snapshot"]["id"], before["snapshot"]["id"])
                self.assertEqual(status["history"]["restarts"], 1)
                self.assertAlmostEqual(when(status["history"]["since"]), when(before["history"]["since"]), delta=0.01)
                # And once more.
                kill(second)
            with manager.daemon(*FINDING, *options, "--rules.fin-wait-2-stuck.warning-count=1"):
                self.assertEqual(scenes.wait_finding("fin-wait-2-stuck")["id"], finding["id"])
                self.assertEqual(lib.get("/status")["history"]["restarts"], 2)
                # Who has closed it is known.
                actor.go()
                gone = lib.wait_for(lambda: not (d := lib.get(f"/sockets/{plain['id']}"))["holders"] and d, "its end")
                self.assertEqual(gone["creator"]["comm"], "stuck")

    def test_killed(self):
        self.restarted(kill)

    def test_stopped(self):
        self.restarted(lambda daemon: daemon.stop())

    def test_stopped_without_bpf(self):
        self.restarted(lambda daemon: daemon.stop(), "--no-collector.bpf")

    def test_dead_descriptor(self):
        """A dead connection stands in no dump: the first pass over the descriptors after the restart shows it again."""
        with Manager() as manager, scenes.Scene() as scene:
            client, server = scene.pair()
            query = scenes.tuple_query(client)
            with manager.daemon() as daemon:
                scenes.needs_bpf()
                ident = socket_of(client)
                scenes.set_linger(server, 0)
                server.close()

                def dead():
                    reply = lib.get(f"/sockets/{ident}")
                    self.assertFalse((reply["ended"] or {}).get("certain"), "it is still open")
                    return reply["state"] == "closed" and reply

                before = lib.wait_for(dead, "the dead connection", 30)
                self.assertEqual(brief(before["history"]), ["established", "closed"])
                kill(daemon)
            with manager.daemon():
                end = time.monotonic() + 4
                while time.monotonic() < end:
                    now = lib.get(f"/sockets/{ident}")
                    self.assertIsNone(now["ended"])
                    self.assertAlmostEqual(when(now["state_since"]), when(before["state_since"]), delta=0.01)
                    time.sleep(0.1)
                self.assertEqual(brief(now["history"]), ["established", "closed", "restart"])
                client.close()
                lib.wait_for(lambda: (lib.get(f"/sockets/{ident}")["ended"] or {}).get("certain"), "its end", 30)
                self.assertEqual(lib.sockets(query), [])

    def test_killed_at_any_moment(self):
        """In the midst of a poll, of a start, of a publication: there is always a whole one to go on with."""
        draw = random.Random(11)
        with Manager() as manager, scenes.Scene() as scene:
            # Enough of them for a poll to take its time.
            listener = scene.listener(backlog=128)
            for _ in range(1500):
                scene.connect(listener)
                scene.enter_context(listener.accept()[0])
            client, _ = scene.pair()
            with manager.daemon() as daemon:
                ident = socket_of(client)
                client.shutdown(socket.SHUT_WR)
                scenes.wait_row(scenes.tuple_query(client), lambda row: row["state"] == "fin-wait-2", "half closed")
                # The other end acknowledges a moment later: a poll may come between.
                lines = [line for line in history(ident) if line.get("state") != "fin-wait-1"]
                kill(daemon)
            for turn in range(12):
                names = manager.names()
                daemon = manager.daemon("--interval=100ms", "--sweep-interval=100ms")
                daemon.wait = False
                with daemon:
                    # Three that do not get to their first snapshot in a row would be too many.
                    if turn % 2:
                        lib.wait_for(lambda: not manager.names() & {f"{name}{more}" for name in names
                                                                    for more in ("", "~1", "~2", "~3")}, "a snapshot")
                    time.sleep(draw.uniform(0.02, 0.3))
                    kill(daemon)
            with manager.daemon() as daemon:
                self.assertIn("going on with snapshot", daemon.output())
                kept = [line for line in history(ident)
                        if line["kind"] != "restart" and line.get("state") != "fin-wait-1"]
                self.assertEqual(brief(kept), ["established", "fin-wait-2"])
                for old, new in zip(lines, kept):
                    self.assertAlmostEqual(when(old["time"]), when(new["time"]), delta=0.05)
                    self.assertEqual(old["exact"], new["exact"])
                self.assertGreater(lib.get("/status")["history"]["restarts"], 1)
                # Nothing piles up: its own few, and perhaps what it went on with.
                self.assertLessEqual(len(manager.names()), 6)

    def test_one_look_keeps_nothing(self):
        with Manager() as manager:
            env = dict(os.environ, NOTIFY_SOCKET=manager.path)
            subprocess.run([lib.TCPDIAGD, "--once"], env=env, stdout=subprocess.DEVNULL, check=True)
            self.assertEqual(manager.names(), set())

    def test_what_cannot_be_used_is_dropped(self):
        with Manager() as manager:
            with manager.daemon() as daemon:
                kill(daemon)
            whole = max(manager.contents("snapshot"), key=lambda content: struct.unpack_from("QIIIIQQ", content)[5])

            def patched(offset, *values, form="I"):
                content = bytearray(whole)
                struct.pack_into(form, content, offset, *values)
                return bytes(content)

            sections = 40  # offset, count, stride of the records
            first = struct.unpack_from("Q", whole, sections)[0]
            cases = {
                "the layout of another version": patched(8, 3),
                "of another build": patched(12, 17),
                "damaged": patched(sections + 8, 1 << 30),
                "out of range": patched(first + 216, 1 << 62, form="Q"),
                None: patched(0, 0),  # torn: nobody need know
            }
            for why, content in cases.items():
                with self.subTest(why), Left(content) as other, other.daemon() as daemon:
                    said = daemon.output()
                    self.assertNotIn("going on with", said)
                    if why:
                        self.assertEqual(said.count(why), 1, said)
                    else:
                        self.assertNotIn("dropped", said)
                    self.assertEqual(lib.get("/status")["history"]["restarts"], 0)
                    self.assertNotIn("foreign-0", other.names())
            # Unsealed it could be cut short at any time; a file that is nothing at all; both beside a good one.
            with Left(whole, seals=0) as other, other.daemon() as daemon:
                self.assertNotIn("going on with", daemon.output())
            with Left(b"nothing", whole, bytes(100000)) as other, other.daemon() as daemon:
                self.assertIn("going on with", daemon.output())
                self.assertFalse({name for name in other.names() if name.startswith("foreign")})

    def test_a_journal_that_cannot_be_used_is_dropped(self):
        with Manager() as manager:
            with manager.daemon() as daemon:
                kill(daemon)
            whole, = manager.contents("journal")
            cases = {
                "it is of another version": whole[:8] + struct.pack("I", 99) + whole[12:],
                "it is damaged": whole[:24] + struct.pack("I", 17) + whole[28:],
                "it is of another boot": whole[:52] + b"00000000" + whole[60:],
                None: whole,
            }
            for why, content in cases.items():
                with self.subTest(why), Manager() as other:
                    other.keep(content, name="journal-1")
                    with other.daemon() as daemon:
                        said = daemon.output()
                        self.assertEqual(said.count("its events are lost"), 1 if why else 0, said)
                        self.assertIn(why or "", said)
                        # Its own is there, and one only.
                        names = {name for name in other.names() if name.startswith("journal-")}
                        self.assertEqual((len(names), names & {"journal-1", "journal-1~1"}), (1, set()))


if __name__ == "__main__":
    lib.main()
