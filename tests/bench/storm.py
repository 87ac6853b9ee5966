# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part of tests/bench/run: connections that come and go as fast as they can. The module of that program is given as bench."""
import contextlib
import datetime
import http.client
import json
import subprocess
import sys
import time

KINDS = ("reset", "fin")
WAYS = (("no daemon", None), ("daemon", ()), ("events-share=100", ("--collector.events-share=100",)),
        ("without events", ("--no-collector.events",)))


def blow(bench, kind, seconds, streams=2):
    """Connections a second of one storm on each core, and what one costs them, us."""
    running = [subprocess.Popen([str(bench.TOOLS / "storm"), "127.0.0.1", str(7100 + i), kind, str(seconds)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) for i in range(streams)]
    answers = [json.loads(process.communicate()[0]) for process in running]
    return (sum(a["connections"] / a["seconds"] for a in answers),
            sum(a["cpu"] for a in answers) / sum(a["connections"] for a in answers) * 1e6)


def counted(bench):
    """What /status says of the events: while the brake is in force their metrics are absent."""
    events = json.loads(bench.get("/status")[1])["events"]
    return {name: events.get(name) for name in ("read", "dropped", "brake", "brake_since")}


def settled(bench):
    """The counts once what was in the ring is read, and a poll has published them."""
    time.sleep(2.5)
    return counted(bench)


def braked_after(counts, began):
    """Seconds of the storm until the brake was as it is now; None: it is off."""
    if counts["brake"] == "off" or not counts["brake_since"]:
        return None
    return datetime.datetime.fromisoformat(counts["brake_since"].replace("Z", "+00:00")).timestamp() - began


def latency(bench, seconds):
    """Requests of 32 connections a second, and the time of single requests: median and 99 %, us."""
    many = bench.load(bench.NGINX_PORT, "/metrics", 32, seconds, 10**9)
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", bench.NGINX_PORT, timeout=10)
    with contextlib.closing(connection):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Connection": "close"})
            connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1e6)
            connection.close()
    times.sort()
    return many["requests"] / many["seconds"], times[len(times) // 2], times[len(times) * 99 // 100]


class Storms:
    """What each round has shown, by kind and way; the brake is off at the begin of each storm: each has its own daemon."""

    def __init__(self, bench, seconds):
        self.bench, self.seconds = bench, seconds
        self.each, self.us, self.told = ({(kind, name): [] for kind in KINDS for name, _ in WAYS} for _ in range(3))
        self.served = {name: [] for name, _ in WAYS}

    def round(self, name, options, kind, nginx):
        with contextlib.ExitStack() as stack:
            if options is not None:
                stack.enter_context(self.bench.Daemon(*options))
                time.sleep(1)
            began = time.time()
            each, us = blow(self.bench, kind, self.seconds)
            self.each[kind, name].append(each)
            self.us[kind, name].append(us)
            if options is not None and "--no-collector.events" not in options:
                counts = settled(self.bench)
                self.told[kind, name].append((each * self.seconds, counts, braked_after(counts, began)))
            if nginx and kind == KINDS[-1]:
                self.served[name].append(latency(self.bench, self.seconds))

    def of(self, values, kind):
        return {name: values[kind, name] for name, _ in WAYS}

    def print_told(self, kind, name):
        for made, counts, after in self.told[kind, name]:
            brake = f"{counts['brake']} from {after:.2f} s on" if after is not None else "off"
            print(f"{kind}, {name}: about {made:.0f} connections; {counts['read']} rows read, {counts['dropped']} dropped and "
                  f"counted; brake {brake}")


def run(bench, quick):
    rounds, seconds = (3, 2) if quick else (7, 5)
    sys.stderr.write("storms\n")
    storms = Storms(bench, seconds)
    with bench.nginx(b"x" * 20000) as nginx:
        for number in range(rounds):
            # Another order each round: who comes first finds the machine cooler.
            at = number % len(WAYS)
            for kind in KINDS:
                for name, options in WAYS[at:] + WAYS[:at]:
                    storms.round(name, options, kind, nginx)
    report(bench, storms)


def report(bench, storms):
    names = [name for name, _ in WAYS]
    print()
    bench.row("connect, send, close, 2 at a time", names)
    for kind in KINDS:
        each, us = storms.of(storms.each, kind), storms.of(storms.us, kind)
        bench.row(f"connections a second, {kind}", [f"{bench.median(each[n]):.0f}" for n in names])
        bench.row("  / no daemon", [f"{bench.ratio(each, n, 'no daemon'):.2f}" for n in names], "aim >= 0.93")
        bench.row("  CPU of the storm, us a connection", [f"{bench.median(us[n]):.1f}" for n in names])
    print()
    for kind in KINDS:
        for name in names:
            storms.print_told(kind, name)
    served = storms.served
    if not served[names[0]]:
        return
    print()
    bench.row("nginx, 20 kB", names)
    bench.row("requests a second, 32 connections", [f"{bench.median([s[0] for s in served[n]]):.0f}" for n in names])
    bench.row("  / no daemon", [f"{bench.median([a[0] / b[0] for a, b in zip(served[n], served[names[0]])]):.2f}" for n in names])
    bench.row("a connection and a request, median, us", [f"{bench.median([s[1] for s in served[n]]):.0f}" for n in names])
    bench.row("  99 %, us", [f"{bench.median([s[2] for s in served[n]]):.0f}" for n in names])
