# SPDX-License-Identifier: LGPL-2.1-or-later
"""A visit of the healthy zoo: all animals at once, the daemon with its defaults, and not one warning.

usage: make zoo MINUTES=10     (in tests/system: python3 -m zoo.visit MINUTES [--apart])
"""
import contextlib
import os
import sys
import time

import lib
from zoo import gunicorn, haproxy, keeper, load, nginx, pools, postgres, sshd, watch, websocket

ANIMALS = (nginx.Nginx, postgres.Postgres, websocket.Websocket, haproxy.Haproxy, gunicorn.Gunicorn, pools.PythonPool,
           pools.JavaPool, pools.Shipper, sshd.Sshd, load.Wrk, load.H2load)
MOST_INFOS = 10
# From when the pools are idle: nginx closes after ten seconds, with the time that all need to start.
SHORTEST = 40


class Visit:
    """One round; tell() says what was there, faults() what was not as it should be."""

    def __init__(self, seconds, apart=False, animals=ANIMALS):
        self.seconds = max(seconds, SHORTEST)
        self.apart = apart
        self.kinds = animals
        self.done = {}
        self.wrong = []

    def settle(self, animals, stack):
        for animal in animals:
            animal.start()
        for animal in animals:
            try:
                lib.wait_for(animal.ready, f"{animal.name} is ready", 60, 0.2)
            except AssertionError as late:
                raise AssertionError(f"{late}: {animal.keeper.log(animal.name)}") from None
        for animal in animals:
            animal.start_busy()
            # The threads end before the processes.
            stack.callback(animal.join)
            stack.callback(animal.stop)

    def inspect(self, animal):
        try:
            work = animal.work()
            self.done[animal.name] = work
            assert all(work.values()), f"{work} ({animal.keeper.log(animal.name, 500)})"
            animal.prove()
        except (AssertionError, OSError) as error:
            self.wrong.append(f"{animal.name}: {error}")
        self.wrong += [f"{animal.name}: {error}" for error in animal.errors[:3]]

    def visit(self):
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(keeper.Keeper(self.apart))
            stack.enter_context(lib.Daemon("--collector.namespaces"))
            self.watch = watch.Watch(place.namespaces(), sample=max(2, self.seconds / 20))
            stack.enter_context(self.watch)
            animals = [kind(place) for kind in self.kinds]
            self.settle(animals, stack)
            self.settled = self.watch.seconds()
            while self.watch.seconds() < self.settled + self.seconds:
                time.sleep(0.5)
            for animal in animals:
                self.inspect(animal)
            self.pools()
            self.infos = self.watch.infos()
            self.status = lib.get("/status")

    def pools(self):
        """What the animals have, the daemon has seen: it was not silent because it looked away."""
        for name, port, unread in (("PythonPool", 8443, 24), ("JavaPool", 8444, 31)):
            if name.lower() not in self.done:
                continue
            here = "&".join(f"netns={inode}" for inode in self.watch.netns if inode)
            rows = lib.sockets(f"state=close-wait&remote.port={port}&{here}")
            seen = {(row["unread_bytes"], row["fin_unread"], row["direction"]) for row in rows}
            if len(rows) < self.done[name.lower()]["idle"] - 2 or seen != {(unread, True, "outbound")}:
                self.wrong.append(f"the daemon sees {len(rows)} connections of {name}: {seen}")

    def faults(self):
        """What a test complains about."""
        faults = [f"{row['worst']}: {row['rule']}: {row['summary']}" for row in self.watch.bad()]
        if self.watch.most_infos > MOST_INFOS:
            faults.append(f"{self.watch.most_infos} informations at once")
        if self.watch.looks < self.seconds or len(self.watch.snapshots) < self.seconds / 3:
            faults.append(f"{self.watch.looks} looks at {len(self.watch.snapshots)} snapshots in {self.seconds} s")
        return faults + self.wrong + self.watch.failed[:5]

    def tell(self):
        yield f"{len(self.done)} kinds of animals for {self.seconds:.0f} s, after {self.settled:.0f} s to settle"
        for name, work in self.done.items():
            yield f"  {name:12} " + ", ".join(f"{what} {count:,}" for what, count in work.items())
        yield from self.watch.states()
        yield (f"findings: {len(self.watch.bad())} worse than information; {len(self.watch.findings)} in all, "
               f"at most {self.watch.most_infos} at once, {self.infos} at the end ({self.watch.looks} looks, "
               f"{len(self.watch.snapshots)} snapshots)")
        yield from self.watch.told()


def main():
    if not keeper.unpacked():
        sys.exit("the programs are missing: make deps-zoo")
    if os.geteuid():
        sys.exit("needs root: sudo make zoo")
    if not keeper.sheltered():
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c",
                              'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", "zoo.visit", *sys.argv[1:]])
    visit = Visit(60 * float(sys.argv[1]), "--apart" in sys.argv)
    try:
        visit.visit()
    finally:
        if hasattr(visit, "settled"):
            print(*visit.tell(), sep="\n", flush=True)
    faults = visit.faults()
    print(*(f"FAULT {fault}" for fault in faults), sep="\n")
    print("zoo: healthy" if not faults else f"zoo: {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
