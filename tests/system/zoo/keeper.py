# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the animals live, and what they have in common.

The programs come from build/tools (make deps-zoo), run as nobody with their own configuration in a folder that
exists only in the mount namespace of the test, and end with it. The machine's own services, users and files are
neither used nor touched.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import lib

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path("/run/zoo")
USERS = {"nobody": 65534, "zoo": 64998, "sshd": 64999}
PR_SET_CHILD_SUBREAPER = 36
# The address of the servers, as the clients see it from a namespace of their own, and that of these.
SERVERS, CLIENTS = "10.77.0.1", "10.77.0.2"


def unpacked():
    return (lib.TOOLS / "zoo" / ".unpacked").exists() and (lib.TOOLS / "usr" / "sbin" / "nginx").exists()


def sheltered():
    """In network and mount namespaces of its own: whoever started this has stayed where the machine is."""
    return all(os.readlink(f"/proc/self/ns/{kind}") != os.readlink(f"/proc/{os.getppid()}/ns/{kind}")
               for kind in ("mnt", "net"))


def run(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


class Keeper:
    """The place of the animals. A context; every process that was started in it ends with it.

    apart: clients live in a network namespace of their own, with a cable to that of the servers.
    """

    label = ""  # before the names of logs and folders

    def __init__(self, apart=False):
        if not sheltered():
            raise RuntimeError("not in namespaces of its own (see tests/system/run)")
        self.apart = apart
        self.host = SERVERS if apart else "127.0.0.1"
        self.tools = HOME / "tools"
        self.processes = []
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.stack.close()
            raise
        return self

    def build(self):
        # Descendants that outlive their parent come to this process, which ends them.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.stack.callback(self.end_descendants)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "zoo", "/run")
        # Whoever still looks keeps it for a moment: detached at once, gone with the last.
        self.stack.callback(run, "umount", "--lazy", "/run")
        for folder in (HOME, self.tools, HOME / "nginx", pathlib.Path("/run/sshd"), pathlib.Path("/run/netns")):
            folder.mkdir()
        self.bind(lib.TOOLS / "zoo", self.tools)
        self.bind(lib.TOOLS, HOME / "nginx")
        shutil.copytree(HERE / "programs", HOME / "programs")
        self.users()
        self.certificate()
        if self.apart:
            self.cable()

    def bind(self, source, target):
        run("mount", "--bind", str(source), str(target))
        self.stack.callback(run, "umount", "--lazy", str(target))

    def users(self):
        """Those that programs insist on, for this mount namespace."""
        for name, row in (("passwd", "{n}:x:{i}:{i}::/run/zoo:/bin/sh\n"), ("group", "{n}:x:{i}:\n")):
            known = pathlib.Path("/etc", name).read_text()
            have = {line.split(":")[0] for line in known.splitlines()}
            (HOME / name).write_text(known + "".join(row.format(n=n, i=i) for n, i in USERS.items() if n not in have))
            self.bind(HOME / name, pathlib.Path("/etc", name))

    def certificate(self):
        names = f"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{SERVERS}"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{HOME}/key.pem", "-out", f"{HOME}/cert.pem", "-days", "2", "-subj", "/CN=localhost",
            "-addext", names, stderr=subprocess.DEVNULL)
        os.chmod(HOME / "key.pem", 0o644)

    def cable(self):
        self.network("clients")
        run("ip", "link", "add", "servers", "type", "veth", "peer", "name", "clients", "netns", "clients")
        run("ip", "addr", "add", f"{SERVERS}/24", "dev", "servers")
        run("ip", "link", "set", "servers", "up")
        run("ip", "-n", "clients", "addr", "add", f"{CLIENTS}/24", "dev", "clients")
        run("ip", "-n", "clients", "link", "set", "clients", "up")

    def network(self, name):
        """A network namespace of that name, for as long as this is a context."""
        run("ip", "netns", "add", name)
        self.stack.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def namespaces(self):
        """Inodes of the network namespaces, that of the servers first."""
        paths = ["/proc/self/ns/net"] + (["/run/netns/clients"] if self.apart else [])
        return [os.stat(path).st_ino for path in paths]

    def enter(self, client):
        """The beginning of a command that runs where the clients or the servers are."""
        return ["nsenter", "--net=/run/netns/clients", "--"] if client and self.apart else []

    def folder(self, name, user="nobody"):
        folder = HOME / f"{self.label}{name}"
        folder.mkdir(exist_ok=True)
        os.chown(folder, USERS[user], USERS[user])
        return folder

    def environment(self):
        libraries = [self.tools / part / "x86_64-linux-gnu" for part in ("usr/lib", "lib")]
        for machine in (self.tools / "usr" / "lib").glob("*-linux-gnu"):
            libraries.append(machine)
        return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(HOME), "LC_ALL": "C.UTF-8",
                "LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": f"{HOME}/programs:{self.tools}/usr/lib/python3/dist-packages"}

    def tool(self, path):
        return str(self.tools / path)

    def command(self, *command, user="nobody", client=False):
        # Other tests run beside these.
        prefix = [*self.enter(client), "nice", "-n", "5", "setpriv", "--pdeathsig", "KILL"]
        if user != "root":
            prefix += [f"--reuid={USERS[user]}", f"--regid={USERS[user]}", "--clear-groups"]
        return [*prefix, "--", *map(str, command)]

    def spawn(self, name, *command, user="nobody", client=False, **more):
        """
        A process of the zoo; what it prints goes to the log of that name. To be called by a thread that
        lives as long as the process.
        """
        with open(HOME / f"{self.label}{name}.log", "ab") as log:
            given = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": self.environment(),
                     "cwd": HOME, **more}
            process = subprocess.Popen(self.command(*command, user=user, client=client), **given)
        process.zoo_name = name
        self.processes.append(process)
        return process

    def call(self, name, *command, timeout=60, **more):
        """Runs it to its end; what it printed."""
        with self.spawn(name, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more) as process:
            output = process.communicate(timeout=timeout)[0].decode(errors="replace")
        self.processes.remove(process)
        if process.returncode:
            raise AssertionError(f"{name}: {command[0]} ended with {process.returncode}: {output[-1000:]}")
        return output

    def log(self, name, size=2000):
        with contextlib.suppress(FileNotFoundError):
            return (HOME / f"{self.label}{name}.log").read_text(errors="replace")[-size:]
        return ""

    def report(self, name):
        """The last whole line of JSON that a program of that name printed, {} before the first."""
        for line in reversed(self.log(name).split("\n")[:-1]):
            if line.startswith("{"):
                with contextlib.suppress(ValueError):
                    return json.loads(line)
        return {}

    def ss(self, *arguments, client=False):
        """Rows of ss, each (Recv-Q, Send-Q, local, remote)."""
        done = subprocess.run([*self.enter(client), "ss", "-Htn", *arguments], check=True, capture_output=True,
                              text=True)
        rows = [line.split() for line in done.stdout.splitlines()]
        return [(int(row[0]), int(row[1]), row[2], row[3]) for row in rows]

    def end_descendants(self):
        """Politely first, then all that is left, by their ids."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + 10
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
        for _ in range(50):
            children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            if not children:
                break
            for pid in map(int, children):
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def __exit__(self, *_):
        self.stack.close()


class Animal:
    """One kind of program: servers and those who keep them busy."""

    period = None  # seconds between two calls of busy(), which has a thread of its own

    def __init__(self, keeper):
        self.keeper = keeper
        self.name = type(self).__name__.lower()
        self.stopping = threading.Event()
        self.errors = []
        self.rounds = 0
        self.thread = None

    def start(self):
        """Starts the servers."""

    def ready(self):
        """Whether they answer."""
        return True

    def begin(self):
        """Starts who keeps them busy, when the servers of all are ready."""

    def busy(self):
        """A turn of work."""

    def work(self):
        """What has been done so far: numbers by name, of which each must be positive in the end."""
        return {}

    def prove(self):
        """Raises AssertionError where the animal is not what it should be."""

    def live(self):
        while not self.stopping.wait(self.period):
            try:
                self.busy()
                self.rounds += 1
            except (OSError, AssertionError, subprocess.SubprocessError) as error:
                if not self.stopping.is_set():
                    self.errors.append(str(error)[:500])

    def start_busy(self):
        self.begin()
        if self.period:
            self.thread = threading.Thread(target=self.live)
            self.thread.start()

    def stop(self):
        self.stopping.set()

    def join(self):
        if self.thread:
            self.thread.join()

    def listening(self, *ports):
        """Whether there are listeners at these ports."""
        have = {int(row[2].rsplit(":", 1)[1]) for row in self.keeper.ss("state", "listening")}
        return have >= set(ports)
