#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make install` and the units under a real systemd: start, watchdog, reload, sockets, hardening, uninstall.

This file runs twice: first as every test does, to start itself again under tests/system/sandbox, where
systemd is PID 1 and everything installed is thrown away; there with --inside, where the tests are.
"""
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import lib
import scenes

SERVICE = "tcpdiagd.service"
UNITS = pathlib.Path("/usr/local/lib/systemd/system")
DROP_INS = pathlib.Path("/etc/systemd/system/tcpdiagd.service.d")
CONFIG = pathlib.Path("/etc/tcpdiagd/tcpdiagd.yaml")
UNIX = "/run/tcpdiagd/tcpdiagd.sock"
# The numbers of linux/capability.h.
CAPABILITIES = {"dac_read_search": 2, "net_admin": 12, "sys_ptrace": 19, "sys_admin": 21, "perfmon": 38, "bpf": 39}
SIX = sum(1 << bit for bit in CAPABILITIES.values())
PLACES = ("/usr", "/etc", "/lib/systemd")


def run(*command, check=True, **more):
    """A command's standard output; what it said is in the error when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def systemctl(*arguments, **more):
    return run("systemctl", *arguments, **more)


def show(*names):
    """Properties of the service, one as text, more as a dict."""
    lines = systemctl("show", SERVICE, *(f"--property={name}" for name in names)).splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return values if len(names) > 1 else values[names[0]]


def main_pid():
    return int(show("MainPID"))


def web_pid(collector):
    with contextlib.suppress(OSError):
        children = pathlib.Path(f"/proc/{collector}/task/{collector}/children").read_text().split()
        return int(children[0]) if children else None


def status_of(pid):
    """/proc/PID/status as a dict."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def opened(pid):
    """What its descriptors refer to."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return names


def journal():
    """What the current run of tests has left in the journal of the service, oldest first."""
    run("journalctl", "--sync")
    lines = run("journalctl", "--unit", SERVICE, "--output=json", "--no-pager").splitlines()
    return [json.loads(line) for line in lines]


def answers(path="/-/ready", **more):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return lib.request(path, **more).status == 200


def drop_in(text):
    """Replaces the drop-in of the test; None removes it."""
    if text is None:
        shutil.rmtree(DROP_INS, ignore_errors=True)
    else:
        DROP_INS.mkdir(parents=True, exist_ok=True)
        (DROP_INS / "test.conf").write_text(text)
    systemctl("daemon-reload")


def files():
    """Every file below the places where something may be installed."""
    found = set()
    for place in PLACES:
        for folder, _, names in os.walk(place):
            found.update(os.path.join(folder, name) for name in names)
    return found


@contextlib.contextmanager
def another_user(uid):
    """A process of that user that listens; gives its pid and port."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(uid)
        listener = socket.create_server(("127.0.0.1", 0))
        os.write(writing, b"%d" % listener.getsockname()[1])
        os.close(writing)
        time.sleep(300)
        os._exit(0)
    os.close(writing)
    try:
        with open(reading, encoding="ascii") as answer:
            yield pid, int(answer.read())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = files()
        run("make", "install")
        cls.original = CONFIG.read_text()
        # What PID 1 says about the service shall be found there, too.
        systemctl("log-target", "journal")

    def setUp(self):
        systemctl("stop", "tcpdiagd.socket", SERVICE)
        systemctl("reset-failed", SERVICE, "tcpdiagd.socket", check=False)
        CONFIG.write_text(self.original)
        drop_in(None)

    def start(self):
        """Type=notify: when systemctl comes back the daemon has said that it is ready."""
        systemctl("start", SERVICE)
        self.assertEqual(show("ActiveState"), "active")
        return main_pid()

    def source(self, name, state="ok"):
        """The source's entry in /status, once it is in this state."""
        def entry():
            return [s for s in lib.get("/status")["sources"] if s["name"] == name and s["state"] == state]
        try:
            return lib.wait_for(entry, name, 20)[0]
        except AssertionError:
            self.fail(f"{name} is not {state}: {lib.get('/status')['sources']}")

    def test_start_and_status(self):
        self.start()
        self.assertTrue(answers(), "ready, and it does not answer")
        rows = lib.sockets("state=listening&local.port=19293")
        self.assertEqual(len(rows), 1)
        self.assertIn('"sockets"', run("curl", "-fsS", "127.0.0.1:19293/sockets"))
        text = show("StatusText")
        self.assertRegex(text, r"^\d+ sockets?, .*finding.*, fast poll .* ms")
        self.assertIn(text.split(",")[0].split()[1], systemctl("status", SERVICE, "--no-pager"))
        # It goes on saying how it is.
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            lib.wait_for(lambda: int(show("StatusText").split()[0]) > 200, "STATUS follows", 20)

    def test_who_it_is(self):
        collector = self.start()
        web = web_pid(collector)
        for pid in (collector, web):
            status = status_of(pid)
            uids = {int(word) for word in status["Uid"].split()}
            self.assertTrue(all(61184 <= uid <= 65519 for uid in uids), f"not of a dynamic user: {status['Uid']}")
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        status = status_of(collector)
        for which in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(status[which], 16) & ~SIX, 0, f"{which} has more than the six")
        self.assertEqual(int(status["CapEff"], 16), SIX)
        status = status_of(web)
        for which in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            self.assertEqual(int(status[which], 16), 0, f"the web process has {which}")
        # BPF is the collector's: it has a program or an iterator open, the web process none.
        self.source("bpf")
        self.assertTrue([name for name in opened(collector) if "bpf" in name], opened(collector))
        self.assertEqual([name for name in opened(web) if "bpf" in name], [])
        self.assertEqual(pathlib.Path(f"/proc/{collector}/oom_score_adj").read_text().strip(), "500")

    def test_sources_see_through_the_hardening(self):
        self.start()
        for name in ("sock_diag", "counters", "bpf"):
            self.source(name)
        # The sandbox is a PID namespace of its own; every process in it can be read.
        self.assertIn("PID namespace", self.source("processes", "degraded")["reason"])
        self.assertIn(self.source("mptcp_diag")["reason"], (None, ""))
        # Root's own sockets, and who holds them.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            row = lib.wait_for(lambda: [r for r in lib.sockets(f"state=listening&local.port={port}") if r["holders"]],
                               "the holder of root's listener", 20)[0]
            self.assertEqual((row["holders"][0]["pid"], row["holders"][0]["fd"]), (os.getpid(), listener.fileno()))
        # Another user's process, too.
        with another_user(65534) as (pid, port):
            row = lib.wait_for(lambda: [r for r in lib.sockets(f"state=listening&local.port={port}") if r["holders"]],
                               "the holder of another user's listener", 20)[0]
            self.assertEqual((row["holders"][0]["pid"], row["uid"]), (pid, 65534))
        # What only BPF tells, of a socket of another process.
        with scenes.Scene() as scene:
            sock, _ = scene.pair()
            scenes.set_linger(sock, 0)
            row = scenes.wait_row(scenes.tuple_query(sock), lambda r: r["linger"] and r["references"], "linger", 30)
            self.assertEqual((row["linger"]["on"], row["linger"]["seconds"], row["references"]), (True, 0, 1))
            self.assertEqual((row["outcomes"]["close"]["rule"], row["outcomes"]["close"]["certain"]),
                             ("close-linger-zero", True))
        document = lib.get("/status")
        self.assertFalse([m for m in document["missing"] if m.startswith(("bpf", "sock_diag", "counters"))],
                         document["missing"])
        # Its own unit is the one that systemd gave it.
        row = lib.wait_for(lambda: [r for r in lib.sockets("local.port=19293&state=listening") if r["holders"]],
                           "its own listener's holders", 20)[0]
        self.assertEqual(row["unit"], SERVICE)

    def test_journal(self):
        started = self.start()
        mine = [entry for entry in journal() if entry.get("_PID") == str(started)]
        self.assertTrue(mine, "nothing in the journal")
        for entry in mine:
            # By the journal's own protocol: not a line of standard error with a guessed priority.
            self.assertEqual(entry["_TRANSPORT"], "journal", entry)
            self.assertIn(int(entry["PRIORITY"]), range(8))
            self.assertNotRegex(entry["MESSAGE"], r"^<\d>")
        self.assertTrue([e for e in mine if e["MESSAGE"].startswith("listening on 127.0.0.1:19293")])

    def test_web_process_killed(self):
        collector = self.start()
        lib.wait_for(answers, "an answer")
        web = web_pid(collector)
        restarts = lib.get("/status")["web_restarts"]
        os.kill(web, signal.SIGKILL)
        lib.wait_for(lambda: web_pid(collector) not in (None, web), "another web process")
        lib.wait_for(answers, "an answer of the new web process")
        self.assertEqual(main_pid(), collector)
        lib.wait_for(lambda: lib.get("/status")["web_restarts"] == restarts + 1, "the restart is counted")
        self.assertEqual(show("NRestarts"), "0")

    def test_watchdog(self):
        drop_in("[Service]\nWatchdogSec=3s\n")
        collector = self.start()
        # It is fed: longer than its time without a restart.
        until = time.monotonic() + 5
        lib.wait_for(lambda: time.monotonic() > until or main_pid() != collector, "the time to go by", 20)
        self.assertEqual((main_pid(), show("NRestarts")), (collector, "0"))
        web = web_pid(collector)
        os.kill(collector, signal.SIGSTOP)
        lib.wait_for(lambda: main_pid() not in (0, collector) and show("ActiveState") == "active",
                     "the watchdog brings another collector", 40, 0.2)
        lib.wait_for(answers, "an answer after the restart", 20)
        self.assertEqual(show("NRestarts"), "1")
        self.assertFalse(os.path.exists(f"/proc/{collector}"))
        self.assertFalse(os.path.exists(f"/proc/{web}"), "the web process outlived its collector")
        self.assertTrue([e for e in journal() if "watchdog" in e["MESSAGE"].lower()])

    def test_reload(self):
        collector = self.start()
        lib.wait_for(answers, "an answer")

        def wanted():
            return [lane["wanted_seconds"] for lane in lib.get("/status")["lanes"] if lane["name"] == "fast"][0]

        self.assertEqual(wanted(), 1)
        CONFIG.write_text("interval: 2s\n")
        systemctl("reload", SERVICE)
        lib.wait_for(lambda: wanted() == 2, "the new interval")
        self.assertEqual(lib.get("/status")["reload"]["ok"], True)
        self.assertIn("\ntcpdiag_config_last_reload_successful 1\n", lib.get("/metrics"))
        # Line 2, column 11: nothing of it is taken over, and it goes on.
        CONFIG.write_text("interval: 3s\ncpu-share: many\n")
        systemctl("reload", SERVICE)
        reload = lib.wait_for(lambda: lib.get("/status")["reload"]["ok"] is False and lib.get("/status")["reload"],
                              "the failed reload is said")
        self.assertIn("tcpdiagd.yaml:2:", reload["error"])
        self.assertEqual(wanted(), 2)
        self.assertIn("\ntcpdiag_config_last_reload_successful 0\n", lib.get("/metrics"))
        self.assertEqual((main_pid(), show("ActiveState")), (collector, "active"))
        said = [e for e in journal() if re.search(r"/etc/tcpdiagd/tcpdiagd\.yaml:2:\d+", e["MESSAGE"])]
        self.assertTrue(said, "the journal does not say where the mistake is")
        self.assertLessEqual(int(said[-1]["PRIORITY"]), 4)
        # And back, when the file is right again.
        CONFIG.write_text("interval: 3s\n")
        systemctl("reload", SERVICE)
        lib.wait_for(lambda: wanted() == 3 and lib.get("/status")["reload"]["ok"], "the third file")

    def test_start_with_a_bad_configuration(self):
        CONFIG.write_text("intervall: 3s\n")
        with self.assertRaises(AssertionError):
            systemctl("start", SERVICE)
        # It does not try again: a mistake in a file stays one.
        self.assertEqual(show("ActiveState", "ExecMainStatus", "NRestarts"),
                         {"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"})
        self.assertTrue([e for e in journal() if re.search(r"tcpdiagd\.yaml:1:\d+.*intervall", e["MESSAGE"])])

    def test_socket_activation(self):
        systemctl("start", "tcpdiagd.socket")
        self.assertEqual(show("ActiveState"), "inactive")
        mode = os.stat(UNIX).st_mode
        self.assertEqual(oct(mode & 0o7777), oct(0o660))
        # The first request starts it, and is answered by it.
        self.assertEqual(lib.request("/-/healthy", timeout=30).status, 200)
        self.assertEqual(show("ActiveState"), "active")
        for address in (lib.ADDRESS, UNIX):
            lib.wait_for(lambda: answers(address=address), f"an answer on {address}")
            self.assertEqual(lib.get("/status", address=address)["api"], "1")
        # systemd's sockets, not its own.
        rows = lib.wait_for(lambda: lib.sockets("state=listening&local.port=19293"), "the listener")
        self.assertEqual(len(rows), 1)
        # Stopped, the sockets stay, and the next request starts it again: here by the unix socket.
        first = main_pid()
        systemctl("stop", SERVICE)
        self.assertFalse(os.path.exists(f"/proc/{first}"))
        self.assertTrue(os.path.exists(UNIX), "the unix socket went with the service")
        self.assertEqual(lib.request("/-/healthy", address=UNIX, timeout=30).status, 200)
        self.assertNotIn(main_pid(), (0, first))

    def test_restart_behind_its_socket_loses_no_request(self):
        systemctl("start", "tcpdiagd.socket")
        self.assertEqual(lib.request("/-/healthy", timeout=30).status, 200)
        first, done, refused = main_pid(), threading.Event(), []

        def ask():
            while not done.is_set():
                try:
                    with socket.create_connection(lib.ADDRESS, 10):
                        pass
                except ConnectionRefusedError as error:
                    refused.append(error)
                time.sleep(0.01)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            systemctl("restart", SERVICE)
        finally:
            done.set()
            asking.join()
        self.assertNotEqual(main_pid(), first)
        self.assertEqual(refused, [])
        lib.wait_for(answers, "an answer after the restart")

    def test_stop(self):
        collector = self.start()
        web = lib.wait_for(lambda: web_pid(collector), "the web process")
        # A client that is just waiting does not hold it up.
        with socket.create_connection(lib.ADDRESS, 5) as client:
            client.sendall(b"GET /sockets HTTP/1.1\r\nHost: localhost\r\n")
            began = time.monotonic()
            systemctl("stop", SERVICE)
            self.assertLess(time.monotonic() - began, 9, "it was killed, it did not end")
        for pid in (collector, web):
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(show("ActiveState", "Result"), {"ActiveState": "inactive", "Result": "success"})
        said = [entry["MESSAGE"] for entry in journal() if entry["_PID"] == "1"]
        self.assertRegex(said[-1], "^Stopped ")
        self.assertEqual(said[-2], f"{SERVICE}: Deactivated successfully.")
        with self.assertRaises(ConnectionRefusedError):
            lib.request("/")

    def stuck(self, scene):
        """A connection in FIN-WAIT-2 that somebody holds, with its finding."""
        CONFIG.write_text("rules:\n  fin-wait-2-stuck:\n    info-age: 1s\n    warning-age: 2s\n    warning-count: 1\n")
        self.start()
        sock, _ = scene.pair()
        scenes.wait_row(scenes.tuple_query(sock), bool, "the connection")
        sock.shutdown(socket.SHUT_WR)
        row = scenes.wait_row(scenes.tuple_query(sock), lambda r: r["findings"] and r["holders"], "a finding", 30)
        return row, scenes.wait_finding("fin-wait-2-stuck", pid=os.getpid())

    def goes_on(self, row, finding, restarts):
        """What was known of the socket and the finding is known."""
        lib.wait_for(answers, "an answer after the restart", 20)
        now = lib.get(f"/sockets/{row['id']}")
        self.assertEqual((now["state"], now["state_exact"]), (row["state"], row["state_exact"]))
        self.assertAlmostEqual(now["state_seconds"] - now["snapshot"]["age_seconds"],
                               time.time() - self.since(row), delta=3)
        self.assertEqual([line.get("state", line["kind"]) for line in now["history"]],
                         ["established", "fin-wait-2", "finding-raised", *["restart"] * restarts])
        self.assertEqual(scenes.wait_finding("fin-wait-2-stuck", pid=os.getpid())["id"], finding["id"])
        self.assertEqual(lib.get("/status")["history"]["restarts"], restarts)
        said = [e["MESSAGE"] for e in journal() if e.get("_PID") == str(main_pid())]
        self.assertTrue([m for m in said if m.startswith("going on with snapshot")], said)
        self.assertFalse([m for m in said if "fin-wait-2-stuck" in m], "what was said before the restart is said again")

    @staticmethod
    def since(row):
        return datetime.datetime.fromisoformat(row["state_since"].replace("Z", "+00:00")).timestamp()

    def test_restart_keeps_the_history(self):
        with scenes.Scene() as scene:
            row, finding = self.stuck(scene)
            kept = int(show("NFileDescriptorStore"))
            self.assertGreaterEqual(kept, 1)
            systemctl("restart", SERVICE)
            self.goes_on(row, finding, 1)
            # Killed, it is started again.
            collector = main_pid()
            os.kill(collector, signal.SIGKILL)
            lib.wait_for(lambda: main_pid() not in (0, collector) and show("ActiveState") == "active", "it is back", 20)
            self.goes_on(row, finding, 2)
            # Nothing piles up there.
            lib.wait_for(lambda: int(show("NFileDescriptorStore")) <= kept + 1, "the store is tidy")
            # An end that is asked for is one.
            systemctl("stop", SERVICE)
            self.assertEqual(show("NFileDescriptorStore"), "0")
            self.start()
            self.assertEqual(lib.get("/status")["history"]["restarts"], 0)

    def test_restart_behind_its_socket_keeps_the_history(self):
        systemctl("start", "tcpdiagd.socket")
        with scenes.Scene() as scene:
            row, finding = self.stuck(scene)
            systemctl("restart", SERVICE)
            self.goes_on(row, finding, 1)
            self.assertEqual(lib.get("/status", address=UNIX)["history"]["restarts"], 1)

    def test_without_sys_admin(self):
        DROP_INS.mkdir(parents=True)
        shutil.copy("/usr/local/share/doc/tcpdiagd/without-sys-admin.conf", DROP_INS)
        systemctl("daemon-reload")
        collector = self.start()
        without = SIX & ~(1 << CAPABILITIES["sys_admin"])
        status = status_of(collector)
        self.assertEqual((int(status["CapEff"], 16), int(status["CapBnd"], 16)), (without, without))
        for name in ("sock_diag", "counters", "bpf"):
            self.source(name)
        self.assertIn("PID namespace", self.source("processes", "degraded")["reason"])

    def test_units_pass_the_analyzer(self):
        units = [str(UNITS / name) for name in (SERVICE, "tcpdiagd.socket")]
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True,
                              check=False)
        about = [line for line in (done.stdout + done.stderr).splitlines() if "tcpdiagd" in line]
        self.assertEqual((done.returncode, about), (0, []))
        # The threshold counts in tenths: more exposure than 2.6 is exit status 1.
        run("systemd-analyze", "security", "--offline=true", "--threshold=26", units[0])

    def test_uninstall(self):
        self.start()
        installed = files() - self.before
        self.assertIn("/usr/local/sbin/tcpdiagd", installed)
        self.assertEqual(show("LoadState"), "loaded")
        CONFIG.write_text("interval: 7s\n")
        systemctl("stop", SERVICE)
        run("make", "uninstall")
        self.assertEqual(files() - self.before, {str(CONFIG)})
        # systemd was told, without another daemon-reload.
        self.assertEqual(show("LoadState"), "not-found")
        # Installed again, the configuration is the one that was there.
        run("make", "install")
        self.assertEqual(files() - self.before, installed)
        self.assertEqual(CONFIG.read_text(), "interval: 7s\n")
        self.assertEqual(show("LoadState"), "loaded")


def outside(result_path, path=__file__):
    """Starts the file again under systemd and passes on what it counted."""
    command = ["tests/system/sandbox", sys.executable, path, "--inside", *sys.argv[1:]]
    done = subprocess.run(command, cwd=lib.TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, errors="replace", check=False)
    output, _, last = done.stdout.rstrip("\n").rpartition("\n")
    try:
        counts = json.loads(last)
    except ValueError:
        output, counts = done.stdout, {"passed": 0, "failed": 1, "skipped": []}
    if done.returncode == 125:
        counts = {"passed": 0, "failed": 0, "skipped": ["systemd does not start here, see tests/system/sandbox"]}
    print(output)
    if result_path:
        pathlib.Path(result_path).write_text(json.dumps(counts))
    sys.exit(1 if counts["failed"] else 0)


def inside():
    program = unittest.main(module="__main__", exit=False, verbosity=2, argv=sys.argv)
    sys.stderr.flush()
    counts = lib.counts(program.result)
    if counts["failed"]:
        print(run("journalctl", "--no-pager", "--lines=200", "--unit", SERVICE, check=False))
    print(json.dumps(counts))


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        inside()
    else:
        outside(lib.result_path())
