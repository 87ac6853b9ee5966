# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part of tests/bench/run: connections that come and go as fast as they can. The module of that program is given as bench."""
import contextlib
import http.client
import json
import subprocess
import sys
import time

KINDS = ("reset", "fin")
WAYS = (("no daemon", None), ("daemon", ()), ("daemon without events", ("--no-collector.events",)))


def blow(bench, kind, seconds, streams=2):
    """Connections a second of one storm on each core, and what one costs them, us."""
    running = [subprocess.Popen([str(bench.TOOLS / "storm"), "127.0.0.1", str(7100 + i), kind, str(seconds)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) for i in range(streams)]
    answers = [json.loads(process.communicate()[0]) for process in running]
    return (sum(a["connections"] / a["seconds"] for a in answers),
            sum(a["cpu"] for a in answers) / sum(a["connections"] for a in answers) * 1e6)


def counted(bench):
    """Sums of the events' families that the daemon shows."""
    sums = {"dropped": 0.0, "sent": 0.0, "received": 0.0}
    for line in bench.get("/metrics")[1].decode().splitlines():
        for name, family in (("dropped", "tcpdiag_events_dropped_total"), ("sent", "tcpdiag_resets_sent_total"),
                             ("received", "tcpdiag_resets_received_total")):
            if line.startswith(family + "{"):
                sums[name] += float(line.rsplit(" ", 1)[1])
    return sums


def settled(bench):
    """The counts when nothing new comes any more."""
    before, end = None, time.monotonic() + 10
    while time.monotonic() < end:
        now = counted(bench)
        if now == before:
            break
        before = now
        time.sleep(1.5)
    return before


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


def rounds_of(bench, rounds, seconds):
    storms = {kind: {name: [] for name, _ in WAYS} for kind in KINDS}
    cpu = {kind: {name: [] for name, _ in WAYS} for kind in KINDS}
    served = {name: [] for name, _ in WAYS}
    told = {"made": 0.0, "sent": 0.0, "dropped": 0.0}
    with bench.nginx(b"x" * 20000) as nginx:
        for number in range(rounds):
            # Another order each round: who comes first finds the machine cooler.
            for name, options in WAYS[number % 3:] + WAYS[:number % 3]:
                with contextlib.ExitStack() as stack:
                    if options is not None:
                        stack.enter_context(bench.Daemon(*options))
                        time.sleep(1)
                    for kind in KINDS:
                        each, us = blow(bench, kind, seconds)
                        storms[kind][name].append(each)
                        cpu[kind][name].append(us)
                        if kind == "reset" and options == ():
                            told["made"] += each * seconds
                    if nginx:
                        served[name].append(latency(bench, seconds))
                    if options == ():
                        sums = settled(bench)
                        told["sent"] += sums["sent"]
                        told["dropped"] += sums["dropped"]
    return storms, cpu, served, told


def run(bench, quick):
    rounds, seconds = (3, 2) if quick else (7, 5)
    sys.stderr.write("storms\n")
    storms, cpu, served, told = rounds_of(bench, rounds, seconds)
    names = [name for name, _ in WAYS]
    print()
    bench.row("connect, send, close, 2 at a time", names)
    for kind, aim in (("reset", "aim >= 0.93"), ("fin", "aim >= 0.93")):
        bench.row(f"connections a second, {kind}", [f"{bench.median(storms[kind][n]):.0f}" for n in names])
        bench.row("  / no daemon", [f"{bench.ratio(storms[kind], n, 'no daemon'):.2f}" for n in names], aim)
        bench.row("  CPU of the storm, us a connection", [f"{bench.median(cpu[kind][n]):.1f}" for n in names])
    print(f"about {told['made']:.0f} connections were reset: {told['sent']:.0f} resets told, {told['dropped']:.0f} events dropped "
          "and counted")
    if served[names[0]]:
        print()
        bench.row("nginx, 20 kB", names)
        bench.row("requests a second, 32 connections", [f"{bench.median([s[0] for s in served[n]]):.0f}" for n in names])
        bench.row("  / no daemon", [f"{bench.median([a[0] / b[0] for a, b in zip(served[n], served[names[0]])]):.2f}" for n in names])
        bench.row("a connection and a request, median, us", [f"{bench.median([s[1] for s in served[n]]):.0f}" for n in names])
        bench.row("  99 %, us", [f"{bench.median([s[2] for s in served[n]]):.0f}" for n in names])
