#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: --once, --replay, --check-config, what is said about mistakes, and with what status."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import termios
import unittest

import lib

FIXTURES = lib.TOP / "tests" / "fixtures"
UNPRIVILEGED = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def run(*options, prefix=(), timeout=30, **more):
    return subprocess.run([*prefix, str(more.pop("program", lib.TCPDIAGD)), *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, **more)


class Scene(unittest.TestCase):
    """A little of everything, so that reports have something to say."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        listener = cls.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        cls.port = listener.getsockname()[1]
        cls.pairs = []
        for i in range(30):
            client = cls.stack.enter_context(socket.create_connection(("127.0.0.1", cls.port), 5))
            server = cls.stack.enter_context(listener.accept()[0])
            if i % 3 == 0:
                client.sendall(b"unread")
            if i % 3 == 1:
                client.shutdown(socket.SHUT_WR)
            cls.pairs.append((client, server))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()


class Once(Scene):
    def test_text(self):
        done = run("--once", "--no-collector.namespaces")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        self.assertRegex(lines[0], r"^tcpdiagd \d+\.\d+\.\d+ ")
        self.assertIn("UTC", lines[0])
        self.assertIn("close-wait 10", done.stdout)
        self.assertIn("python3", done.stdout)
        self.assertFalse([line for line in lines if line != line.rstrip()])

    def test_narrow_terminal(self):
        for columns in (80, 60, 132):
            master, slave = pty.openpty()
            with contextlib.closing(os.fdopen(master, "rb", buffering=0)) as terminal:
                fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
                process = subprocess.Popen([str(lib.TCPDIAGD), "--once", "--no-collector.namespaces"],
                                           stdin=subprocess.DEVNULL, stdout=slave,
                                           stderr=slave)
                os.close(slave)
                text = b""
                with contextlib.suppress(OSError):  # EIO: the other side has gone
                    while piece := terminal.read(4096):
                        text += piece
                self.assertEqual(process.wait(30), 0)
            lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).replace("\r", "").splitlines()
            self.assertGreater(len(lines), 4)
            self.assertLessEqual(max(map(len, lines)), min(columns, 100), "\n".join(lines))

    def test_json(self):
        done = run("--once", "--no-collector.namespaces", "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        document = json.loads(done.stdout)
        self.assertEqual(document["matched"], len(document["sockets"]))
        rows = [row for row in document["sockets"] if row["local"]["port"] == self.port]
        self.assertEqual(len(rows), 31)
        # detail=full: all that could be done to it.
        unread = next(row for row in rows if row["unread_bytes"])
        self.assertEqual(set(unread["outcomes"]), {"close", "exit", "shutdown_read", "shutdown_write", "shutdown_both"})
        self.assertEqual(unread["outcomes"]["close"]["segment"], "rst")
        self.assertEqual(unread["holders"][0]["pid"], os.getpid())

    def test_ndjson(self):
        done = run("--once", "--no-collector.namespaces", "--format=ndjson")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len([row for row in rows if row["local"]["port"] == self.port]), 31)

    def test_beside_a_daemon(self):
        with lib.Daemon():
            self.assertEqual(run("--once", "--no-collector.namespaces").returncode, 0)

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(lib.TCPDIAGD), "--once", "--format", "json"], stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)

    def test_unprivileged(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            program = pathlib.Path(folder, "tcpdiagd")
            shutil.copy(lib.TCPDIAGD, program)
            done = run("--once", "--no-collector.namespaces", prefix=UNPRIVILEGED, program=program)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("NOT SEEN", done.stdout)
            self.assertIn("processes", done.stdout)
            self.assertIn("close-wait 10", done.stdout)
            done = run("--once", "--no-collector.namespaces", "--format", "json", prefix=UNPRIVILEGED, program=program)
            document = json.loads(done.stdout)
            self.assertFalse(document["snapshot"]["complete"])
            self.assertTrue([line for line in document["snapshot"]["missing"] if line.startswith("processes")])
            self.assertEqual(len([r for r in document["sockets"] if r["local"]["port"] == self.port]), 31)


class Replay(unittest.TestCase):
    def test_fixtures(self):
        wanted = {
            "close-wait-leak": ("close-wait", "rst"),
            "fin-wait-2-stuck": ("fin-wait-2", None),
            "orphans-zero-window": ("fin-wait-1", None),
            "listener-queue-full": ("listening", None),
            "healthy-dual-stack": ("established", None),
            "nothing": (None, None),
        }
        self.assertEqual({path.stem for path in FIXTURES.glob("*.dump")}, set(wanted))
        for name, (state, segment) in wanted.items():
            with self.subTest(name):
                path = str(FIXTURES / f"{name}.dump")
                done = run("--once", "--replay", path)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)
                done = run("--once", "--replay", path, "--format", "json")
                rows = json.loads(done.stdout)["sockets"]
                self.assertEqual(bool(rows), state is not None)
                if state:
                    self.assertIn(state, {row["state"] for row in rows})
                if segment:
                    self.assertIn(segment, {row["outcomes"]["close"]["segment"] for row in rows if row["outcomes"]})
                # The same file, the same answer, but for the time of the look.
                lines = [re.sub(r'"[0-9-]{10}T[0-9:.]+Z"', "", run("--once", "--replay", path, "--format",
                                                                   "ndjson").stdout) for _ in range(2)]
                self.assertEqual(*lines)

    def test_what_is_no_dump(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("State Recv-Q Send-Q\n")
            file.flush()
            done = run("--once", "--replay", file.name)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no dump", done.stderr)
        done = run("--once", "--replay", "/nosuch/file")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nosuch/file: No such file", done.stderr)

    def test_a_dump_of_ss(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            stack.enter_context(listener.accept()[0])
            client.sendall(b"x" * 100)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            subprocess.run(["ss", "-tan", "-D", f"{folder}/dump"], check=True, stdout=subprocess.DEVNULL)
            done = run("--once", "--replay", f"{folder}/dump", "--format", "json")
            rows = [row for row in json.loads(done.stdout)["sockets"]
                    if row["local"]["port"] == listener.getsockname()[1]]
            self.assertEqual({row["state"] for row in rows}, {"listening", "established"})
            self.assertEqual(max(row["unread_bytes"] or 0 for row in rows), 100)


class FailOn(unittest.TestCase):
    """One look finds what is old enough by the kernel's own clock: leaks that fill the table of descriptors."""

    LEAKS = 40
    OPTIONS = ["--once", "--rules.close-wait-leak.inbound.warning-age", "1s"]

    def status(self, severity, limit):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, self.limits[1]))
        done = run(*self.OPTIONS, "--fail-on", severity, "--format", "json")
        self.assertIn(done.returncode, (0, 3), done.stderr)
        json.loads(done.stdout)
        return done.returncode

    def setUp(self):
        self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, self.limits)

    def test_exit_status(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(self.LEAKS):
                client = socket.create_connection(listener.getsockname(), 5)
                stack.enter_context(listener.accept()[0])
                client.close()
            lib.wait_for(lambda: self.status("critical", self.LEAKS + 24) == 3, "half of the limit is critical", 15)
            self.assertEqual(self.status("warning", self.LEAKS + 24), 3)
            self.assertEqual(self.status("never", self.LEAKS + 24), 0)
            # A tenth of the limit is a warning and no more.
            self.assertEqual(self.status("warning", 5 * self.LEAKS), 3)
            self.assertEqual(self.status("critical", 5 * self.LEAKS), 0)
            self.assertEqual(self.status("warning", 20 * self.LEAKS), 0)

    def test_nothing_wrong(self):
        for severity in ("never", "warning", "critical"):
            done = run("--once", "--replay", str(FIXTURES / "nothing.dump"), "--fail-on", severity)
            self.assertEqual(done.returncode, 0)


class Mistakes(unittest.TestCase):
    def wrong(self, *options, words=(), status=2, **more):
        done = run(*options, **more)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)

    def config(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = f"{folder.name}/tcpdiagd.yaml"
        pathlib.Path(path).write_text(text)
        return path

    def test_options(self):
        self.wrong("--intervall", "1s", words=["--intervall", "did you mean --interval?"])
        self.wrong("--web.listen-adress=:1", words=["did you mean --web.listen-address?"])
        self.wrong("--nosuch", words=["--nosuch", "--help"])
        self.wrong("--interval", "5", words=["--interval", "5s"])
        self.wrong("--interval", "soon", words=["--interval", "soon"])
        self.wrong("--interval", "1h", words=["--interval", "1h"])
        self.wrong("--interval", words=["--interval"])
        self.wrong("--cpu-share", "0", words=["--cpu-share"])
        self.wrong("--once", "--format", "xml", words=["text, json or ndjson"])
        self.wrong("--format", "json", words=["--once"])
        self.wrong("--replay", "x", words=["--once"])
        self.wrong("once", words=["once"])
        self.wrong("--web.listen-address", "nowhere", words=["nowhere"])
        self.wrong("--web.listen-address", "127.0.0.1:99999", words=["99999"])

    def test_yaml(self):
        for text, place, word in (
                ("interval: 1s\nweb:\n  listen-addres: ':1'\n", "3:3", "did you mean listen-address?"),
                ("interval: 5\n", "1:11", "5s"),
                ("interval: 1s\ninterval: 2s\n", "2:1", "interval"),
                ("web: [1, 2]\n", "1:6", "web"),
                ("web:\n  expose-api: maybe\n", "2:15", "maybe"),
                ("interval: 1s\n  sweep-interval: 2s\n", "2:", ""),
                ("rules:\n  close-wait-leak:\n    inbound:\n      warning-count: -1\n", "4:22", "-1")):
            with self.subTest(text):
                path = self.config(text)
                self.wrong("--config", path, words=[f"{path}:{place}", word])
                self.wrong("--config", path, "--check-config", words=[f"{path}:{place}", word])
                self.wrong("--config", path, "--once", words=[f"{path}:{place}"])

    def test_files(self):
        self.wrong("--config", "/nosuch/file.yaml", words=["/nosuch/file.yaml", "No such file"])
        self.wrong("--config", "/", words=["/"])

    def test_check_config(self):
        path = self.config("interval: 700ms\nweb:\n  listen-address: ['[::1]:1', 'unix:/run/x']\n"
                           "rules:\n  clear-hold: 1m30s\n")
        done = run("--config", path, "--check-config", "--interval", "800ms")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^interval: 800ms  # .*command line")
        self.assertRegex(done.stdout, rf"(?m)^  clear-hold: (1m30s|90s)  # .*{re.escape(path)}")
        self.assertRegex(done.stdout, r"(?m)^sweep-interval: 5s  # default")
        # What is printed is a configuration itself, and says the same.
        again = run("--config", self.config(done.stdout), "--check-config")
        self.assertEqual(again.returncode, 0, again.stderr)
        without = [re.sub(r"\s+#.*", "", text) for text in (done.stdout, again.stdout)]
        self.assertEqual(without[0], without[1])

    def test_port_in_use(self):
        with socket.create_server(lib.ADDRESS):
            done = run(timeout=30)
            self.assertEqual(done.returncode, 1, done.stderr)
            said = done.stdout + done.stderr
            self.assertIn("127.0.0.1:19293", said)
            self.assertIn("in use", said.lower())

    def test_address_that_is_not_here(self):
        done = run("--web.listen-address", "192.0.2.1:19293")
        self.assertEqual(done.returncode, 1)
        self.assertIn("192.0.2.1:19293", done.stdout + done.stderr)


class Help(unittest.TestCase):
    def test_version(self):
        done = run("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.split()[:2], ["tcpdiagd", (lib.TOP / "config" / "version").read_text().strip()])

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("usage: tcpdiagd "))
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_help_and_manual_agree(self):
        printed = set(re.findall(r"--([a-z][a-z0-9.-]*)", "\n".join(
            line for line in run("--help").stdout.splitlines() if re.match(r"  --", line))))
        manual = (lib.TOP / "docs" / "tcpdiagd.8").read_text()
        described = set()
        for line in re.findall(r"(?m)^\.It (Fl -.*)$", manual):
            described.update(re.findall(r"Fl -([a-z0-9.-]+)", line))
        self.assertGreater(len(described), 20)
        self.assertEqual(described - printed, set(), "in the manual, not in --help")
        missing = {name for name in printed - described if not name.removeprefix("no-").startswith("rules.")}
        self.assertEqual(missing, set(), "in --help, not in the manual")
        # The thresholds stand in the other page.
        keys = (lib.TOP / "docs" / "tcpdiagd.yaml.5").read_text().replace("\\-", "-")
        for name in printed:
            if name.startswith("rules."):
                self.assertIn(name.split(".")[-1], keys, name)

    def test_every_option_is_a_key(self):
        text = run("--check-config").stdout
        for name in re.findall(r"(?m)^  --([a-z][a-z0-9.-]*)", run("--help").stdout):
            if name in ("help", "version", "config", "check-config", "once", "format", "fail-on", "replay",
                        "unit", "pid"):
                continue
            self.assertRegex(text, rf"(?m)^ *{re.escape(name.split('.')[-1])}:", name)


if __name__ == "__main__":
    lib.main()
