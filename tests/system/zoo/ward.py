# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sick zoo: each incident in network namespaces of its own, side by side in one house, under one daemon."""
import contextlib
import os
import pathlib
import threading

import lib
from zoo import keeper


class Room(keeper.Keeper):
    """Network namespaces of their own, in the house of a keeper, for an incident."""

    def __init__(self, house, name, apart=False):
        super().__init__(apart)
        self.name = name
        self.label = f"{name}-"
        self.processes = house.processes
        self.stack = house.stack
        self.network(name)
        if apart:
            self.cable()

    def cable(self):
        self.network(f"{self.name}-clients")
        keeper.run("ip", "-n", self.name, "link", "add", "servers", "type", "veth",
                   "peer", "name", "clients", "netns", f"{self.name}-clients")
        for namespace, device, address in ((self.name, "servers", keeper.SERVERS),
                                           (f"{self.name}-clients", "clients", keeper.CLIENTS)):
            keeper.run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", device)
            keeper.run("ip", "-n", namespace, "link", "set", device, "up")

    def enter(self, client):
        name = f"{self.name}-clients" if client and self.apart else self.name
        return ["nsenter", f"--net=/run/netns/{name}", "--"]

    def sysctl(self, name, value):
        keeper.run(*self.enter(False), "sysctl", "-qw", f"{name}={value}")

    def namespaces(self):
        """Their inodes, that of the servers first."""
        names = [self.name] + ([f"{self.name}-clients"] if self.apart else [])
        return [os.stat(f"/run/netns/{name}").st_ino for name in names]


class Incident:
    """
    One thing that goes wrong: start() its servers, ready() when they answer, provoke() it once; then what is
    found in its rooms may be of the rules in found, and of no other.
    """

    apart = False
    found = ()

    def __init__(self, house):
        self.name = type(self).__name__.lower()
        self.room = Room(house, self.name, self.apart)
        self.netns = self.room.namespaces()

    def start(self):
        """Starts the servers."""

    def ready(self):
        return True

    def provoke(self):
        """What goes wrong; by the thread that has called start()."""

    def finish(self):
        """Lets go of what would make the end slow."""

    def python(self, name, program, *arguments, **more):
        return self.room.spawn(name, "/usr/bin/python3", keeper.HOME / "programs" / program, *arguments, **more)

    def listening(self, *ports):
        have = {int(row[2].rsplit(":", 1)[1]) for row in self.room.ss("state", "listening")}
        return have >= set(ports)

    def sockets(self, query):
        return [row for row in lib.sockets(query) if row["netns"] in self.netns]


def comm(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Ward:
    """A context: the house, its incidents, and all that was ever found in their rooms."""

    def __init__(self, kinds, *options):
        self.kinds = kinds
        self.options = options
        self.stack = contextlib.ExitStack()
        self.incidents = {}
        self.rules = {}  # by the name of an incident: rules ever found there
        self.severities = {}  # and how severe
        self.stopping = threading.Event()
        self.errors = []

    def __enter__(self):
        try:
            house = self.stack.enter_context(keeper.Keeper())
            self.stack.enter_context(lib.Daemon("--collector.namespaces", *self.options))
            for kind in self.kinds:
                incident = kind(house)
                self.incidents[incident.name] = incident
                self.rules[incident.name], self.severities[incident.name] = set(), set()
                self.stack.callback(incident.finish)
            watcher = threading.Thread(target=self.watch)
            watcher.start()
            self.stack.callback(watcher.join)
            self.stack.callback(self.stopping.set)
            for incident in self.incidents.values():
                incident.start()
            for incident in self.incidents.values():
                lib.wait_for(incident.ready, f"{incident.name} is ready", 60, 0.2)
                incident.provoke()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def findings(self, incident):
        """What stands now in the rooms of an incident."""
        rows = lib.get("/findings?limit=0")["findings"]
        return [row for row in rows if row["netns"] in incident.netns]

    def watch(self):
        while not self.stopping.wait(0.5):
            try:
                rows = lib.get("/findings?limit=0")["findings"]
                for incident in self.incidents.values():
                    here = [row for row in rows if row["netns"] in incident.netns]
                    self.rules[incident.name] |= {row["rule"] for row in here}
                    self.severities[incident.name] |= {row["severity"] for row in here}
            except (OSError, AssertionError) as error:
                self.errors.append(repr(error))
