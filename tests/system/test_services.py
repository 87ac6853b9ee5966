#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Two services under a real systemd, one of which leaks: the finding names its unit, and what /units says that a kill, a
stop or a restart does is what its clients see. The daemon runs as it is installed. Runs twice, as test_systemd.py does.
"""
import contextlib
import json
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
import test_systemd

UNITS = pathlib.Path("/run/systemd/system")
# A plain one, an instance of a template, and a name that systemd escapes.
NAMES = {"leaky.service": 4001, "worker@blue.service": 4002, "odd\\x2dname.service": 4003}
CONFIG = """
interval: 250ms
sweep-interval: 500ms
cpu-share: 50
rules:
  close-wait-leak:
    inbound: {info-age: 2s}
"""
# Takes everybody; reads when it is told so by a file, and closes nothing unless it is told so.
SERVER = """
import os, select, socket, sys, time
name, port = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", port), backlog=64)
taken = []
while True:
    if not os.path.exists("/run/server-full"):
        if select.select([listener], [], [], 0.05)[0]:
            taken.append(listener.accept()[0])
    else:
        time.sleep(0.05)
    if os.path.exists("/run/server-read"):
        for sock in taken:
            sock.setblocking(False)
            try:
                if sock.recv(4096):
                    sock.sendall(b"answer")
            except BlockingIOError:
                pass
"""


def tell(word, on=True):
    path = pathlib.Path(f"/run/server-{word}")
    path.touch() if on else path.unlink(missing_ok=True)


class Services(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        test_systemd.run("make", "install")
        test_systemd.CONFIG.write_text(CONFIG)
        pathlib.Path("/run/server.py").write_text(SERVER)
        UNITS.mkdir(parents=True, exist_ok=True)
        for name, port in NAMES.items():
            name = name.replace("blue", "")
            (UNITS / name).write_text(f"[Service]\nExecStart={sys.executable} /run/server.py x {port}\n"
                                      "KillMode=control-group\n")
        test_systemd.systemctl("daemon-reload")
        test_systemd.systemctl("start", test_systemd.SERVICE)
        scenes.needs_bpf()

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        tell("full", False)
        tell("read", False)
        for name in NAMES:
            test_systemd.systemctl("restart", name)
        for name in NAMES:
            lib.wait_for(lambda: self.waiting(name) is not None, f"{name} listens")

    def clients(self, name, count, act=None):
        socks = [self.stack.enter_context(socket.create_connection(("127.0.0.1", NAMES[name]), 10))
                 for _ in range(count)]
        for sock in socks:
            if act in ("send", "both"):
                sock.sendall(b"question")
            if act in ("half", "both"):
                sock.shutdown(socket.SHUT_WR)
        return socks

    def unit(self, name, condition):
        """What /units says once the condition holds, twice in a row."""
        last = {}

        def settled():
            reply = lib.request(f"/units/{name}")
            last["text"] = reply.text
            said = reply.status == 200 and reply.json()
            return said and said["exit"]["certain"] and not said["exit"]["unseen"] and condition(said["exit"]) and said

        try:
            lib.wait_for(settled, name, 40)
            time.sleep(1.2)
            return lib.wait_for(settled, name, 40)
        except AssertionError as late:
            raise AssertionError(f"{late}; there is {last}") from None

    def ended(self, socks):
        """How many were reset, and how many ended by a FIN."""
        resets = fins = 0
        for sock in socks:
            sock.settimeout(10)
            try:
                while sock.recv(4096):
                    pass
                fins += 1
            except ConnectionResetError:
                resets += 1
        return resets, fins

    def scene(self, name):
        """20 that are idle, 15 unread, 10 that have finished, 12 of these unread, and 6 wait."""
        taken = self.clients(name, 20) + self.clients(name, 15, "send") + self.clients(name, 10, "half") + \
            self.clients(name, 12, "both")
        lib.wait_for(lambda: self.waiting(name) == 0, "all are taken")
        tell("full")
        time.sleep(0.2)
        return taken, self.clients(name, 6)

    @staticmethod
    def waiting(name):
        out = subprocess.run(["ss", "-Hltn", f"sport = :{NAMES[name]}"], capture_output=True, text=True, check=True)
        return int(out.stdout.split()[1]) if out.stdout else None

    def compare(self, name, short, do):
        """What was said of a unit, and what its clients see when it is done."""
        taken, waiting = self.scene(name)
        said = self.unit(short, lambda end: end["rst"] == 27 and end["listener_resets"] == 6)
        end = said["exit"]
        self.assertEqual((said["name"], said["comm"]), (name, "python3"))
        self.assertEqual((end["rst_peer_open"], end["rst_peer_finished"], end["clean"], end["harmless"]),
                         (15, 12, False, False), end)
        self.assertEqual(end["fin"], 20 + 10, end)
        before = scenes.out_resets()
        do()
        counted = scenes.out_resets() - before
        self.assertEqual(counted, end["rst"] + end["listener_resets"], end)
        resets, _ = self.ended(waiting)
        self.assertEqual(resets, 6)
        resets, fins = self.ended(taken[:35])
        self.assertEqual((resets, fins), (15, 20))
        errors = [bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) for sock in taken[35:]]
        self.assertEqual(errors, [False] * 10 + [True] * 12, "those that had finished")

    def test_kill(self):
        self.compare("leaky.service", "leaky",
                     lambda: (test_systemd.systemctl("kill", "--signal=KILL", "leaky.service"), time.sleep(1)))

    def test_restart(self):
        self.compare("worker@blue.service", "worker@blue",
                     lambda: test_systemd.systemctl("restart", "worker@blue.service"))

    def test_stop(self):
        self.compare("odd\\x2dname.service", "odd%5Cx2dname",
                     lambda: test_systemd.systemctl("stop", "odd\\x2dname.service"))

    def test_leak(self):
        """The finding names the unit that leaks, and no other."""
        self.clients("leaky.service", 30, "half")
        self.clients("worker@blue.service", 30)
        # The first poll that finds some may have come before the last of them was accepted.
        found = lib.wait_for(lambda: next((row for row in scenes.findings("close-wait-leak")
                                           if row["count"] >= 30 and row["process"]["pid"] == self.pid("leaky.service")),
                                          None), "30 leak", 40)
        self.assertEqual(found["unit"], "leaky.service")
        # (Those of processes of the other tests are kept for a while.)
        self.assertEqual({row["unit"] for row in scenes.findings("close-wait-leak") if row["count"]}, {"leaky.service"})
        self.assertIn("leaky.service", found["summary"])
        metrics = lib.get("/metrics")
        self.assertIn('tcpdiag_unit_sockets{systemd_unit="leaky.service",state="close-wait"} 30\n', metrics)
        self.assertIn('tcpdiag_unit_sockets{systemd_unit="worker@.service",state="established"} 30\n'
                      if 'systemd_unit="worker@.service"' in metrics else
                      'tcpdiag_unit_sockets{systemd_unit="worker@blue.service",state="established"} 30\n', metrics)

    @staticmethod
    def pid(name):
        return int(test_systemd.systemctl("show", "--value", "--property=MainPID", name))

    def test_drain(self):
        """curl -f ... && systemctl restart: waits until nobody is hurt, or says why not."""
        name = "leaky.service"
        self.clients(name, 10, "send")
        self.unit("leaky", lambda end: end["rst_peer_open"] == 10)
        url = "http://127.0.0.1:19293/units/leaky?expect=harmless&within="
        first = self.pid(name)
        step = f"curl -fsS '{url}%s' >/run/answer && systemctl restart {name}"
        self.assertEqual(subprocess.run(step % "1s", shell=True, stderr=subprocess.DEVNULL).returncode, 22)
        self.assertEqual(self.pid(name), first, "it was restarted all the same")
        refused = lib.request("/units/leaky?expect=harmless")
        self.assertEqual(refused.status, 409)
        self.assertIn("10", " ".join(refused.json()["reasons"]))
        self.assertEqual(self.once("leaky"), 5)
        threading.Timer(2, tell, ["read"]).start()
        began = time.monotonic()
        self.assertEqual(subprocess.run(step % "60s", shell=True).returncode, 0)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertNotEqual(self.pid(name), first)
        self.unit("leaky", lambda end: end["rst"] == 0 and end["listener_resets"] == 0)
        self.assertEqual(self.once("leaky"), 0)
        tell("read", False)
        self.clients(name, 3, "both")
        self.unit("leaky", lambda end: end["rst_peer_finished"] == 3)
        self.assertEqual(self.once("leaky.service"), 4)
        self.assertEqual(self.once("no-such"), 6)

    @staticmethod
    def once(name):
        return subprocess.run(["/usr/local/sbin/tcpdiagd", "--once", f"--unit={name}"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        test_systemd.inside()
    else:
        test_systemd.outside(lib.result_path(), __file__)
