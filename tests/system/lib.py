# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests share: the daemon as a context, HTTP without a proxy in between, waiting.

Each test file runs in a network namespace of its own (tests/system/run), so 127.0.0.1:19293 is free.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("O", "build"))
BUILD = BUILD if BUILD.is_absolute() else TOP / BUILD
TCPDIAGD = BUILD / "tcpdiagd"
TOOLS = BUILD / "tools"
ADDRESS = ("127.0.0.1", 19293)


class Reply:
    """An HTTP reply: status, headers (lower case), body; json() parses it."""

    def __init__(self, response, body):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method="GET", headers=None, address=ADDRESS, timeout=10):
    """One request on a connection of its own. address: (host, port), or the path of a unix socket."""
    if isinstance(address, str):
        connection = UnixConnection(address, timeout)
    else:
        connection = http.client.HTTPConnection(*address, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Reply(response, response.read())


def get(path, **more):
    """GET that must succeed; parsed when it is JSON."""
    reply = request(path, **more)
    if reply.status != 200:
        raise AssertionError(f"GET {path}: {reply.status} {reply.text}")
    return reply.json() if "json" in reply.headers["content-type"] else reply.text


def wait_for(condition, what, seconds=10, step=0.05):
    """Calls condition() until it is true; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(step)


class Daemon:
    """tcpdiagd in this namespace, ready to answer; ended with the context."""

    def __init__(self, *options, config=None, wait=True, env=None, prefix=(), address=ADDRESS, program=TCPDIAGD):
        """prefix: a command that becomes the daemon (unshare, nsenter); address: where it answers; program: a variant."""
        self.prefix = list(prefix)
        self.program = program
        self.address = address
        self.options = list(options)
        # Other tests run in namespaces of their own at the same time: who wants to see those says so.
        if not any(option.endswith("collector.namespaces") for option in self.options):
            self.options.append("--no-collector.namespaces")
        self.config = config
        self.wait = wait
        self.env = env
        self.folder = None
        self.process = None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tcpdiagd-test-")
        os.chmod(self.folder.name, 0o755)
        self.log = open(f"{self.folder.name}/log", "w+")
        self.config_path = f"{self.folder.name}/tcpdiagd.yaml"
        if self.config is not None:
            self.write_config(self.config)
            self.options += ["--config", self.config_path]
        self.process = subprocess.Popen([*self.prefix, str(self.program), *self.options], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, env=self.env)
        try:
            if self.wait:
                wait_for(self.ready, "the daemon is ready", 15)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def write_config(self, text):
        pathlib.Path(self.config_path).write_text(text)

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon has ended: {self.process.returncode}\n{self.output()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return request("/-/ready", address=self.address).status == 200

    def output(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def web_pid(self):
        """The web process: the daemon's only child."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, seconds=10):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"SIGTERM did not end the daemon in {seconds} s") from None
        return self.process.returncode

    def __exit__(self, kind, *_):
        try:
            if self.process:
                self.stop()
            found = [line for line in self.output().splitlines() if "runtime error: " in line or "Sanitizer" in line]
            if found and not kind:
                raise AssertionError("\n".join(found))
            if kind:
                print(f"-- the daemon's log --\n{self.output()}", file=sys.stderr)
        finally:
            self.log.close()
            self.folder.cleanup()


def sockets(query=""):
    """Rows of GET /sockets."""
    return get("/sockets?limit=0" + ("&" + query if query else ""))["sockets"]


def wait_socket(query, what, seconds=10):
    """The first row that matches, once a sweep has seen it."""
    return wait_for(lambda: sockets(query), what, seconds)[0]


def counts(result):
    """What tests/system/run adds up."""
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return {"passed": max(0, result.testsRun - failed - len(result.skipped)), "failed": failed,
            "skipped": [f"{test.id().removeprefix('__main__.')}: {reason}" for test, reason in result.skipped]}


def result_path():
    """Takes --result=FILE out of the arguments; None where there is none."""
    given = [argument for argument in sys.argv[1:] if argument.startswith("--result=")]
    for argument in given:
        sys.argv.remove(argument)
    return given[-1].removeprefix("--result=") if given else None


def main():
    """Runs the file's tests, or those that are named; writes the counts to FILE of --result=FILE."""
    path = result_path()
    program = unittest.main(module="__main__", exit=False, verbosity=2, argv=sys.argv)
    counted = counts(program.result)
    if path:
        pathlib.Path(path).write_text(json.dumps(counted))
    sys.exit(1 if counted["failed"] else 0)
