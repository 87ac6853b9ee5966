# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part of tests/bench/run: the fast lane by events and by dumps, side by side. The module of that program is given as bench."""
import os
import sys
import time

SMALL, LARGE = 100_000, 1_000_000
NEEDED = 14_000_000_000  # bytes, for a million sockets and two collectors


def available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def part(pairs, i, count):
    return pairs * (i + 1) // count - pairs * i // count


def halve(tool, holders, pairs, already=0):
    """Shuts one end of that many pairs: a FIN-WAIT-2 and a CLOSE-WAIT of each."""
    tool.ask("drain")  # others on this machine fill the ring while a daemon is watched
    for i, holder in enumerate(holders):
        more = part(pairs, i, len(holders)) - part(already, i, len(holders))
        for begin in range(0, more, 2000):  # no more at once than a ring holds
            holder.ask(f"half {min(2000, more - begin)}")
            tool.ask("drain")
        if more > 2000:
            tool.ask("events")  # as each second of the daemon's life: the table of what is new has a bound


def measure(bench, tool, rounds, cadence):
    """One pass each a round, as far apart as in the daemon's life: caches are cold then."""
    columns = {"events": [], "dump": []}
    for _ in range(rounds):
        for name, values in columns.items():
            time.sleep(cadence)
            values.append(tool.ask(name))
    return columns


def share(bench, seconds, *arguments):
    with bench.Daemon("--limits.sockets=2000000", *arguments) as daemon:
        return sum(bench.at_rest(daemon, seconds)["share"].values())


def one(bench, name, tool, rounds, quick, seconds):
    sys.stderr.write(f"{name}: fast passes\n")
    tool.ask("seed")
    columns = measure(bench, tool, rounds, 0.1 if quick else 0.5)
    answer = tool.ask("audit")
    middle = {k: {key: bench.median([v[key] for v in values]) for key in ("cpu", "drain", "ask", "looked_up", "teardown")}
              for k, values in columns.items()}
    shares = None
    if seconds:
        sys.stderr.write(f"{name}: daemon\n")
        shares = [share(bench, seconds, *arguments) for arguments in ((), ("--no-collector.events",))]
    sys.stderr.write(f"{name}: {middle}, {answer}, {shares}\n")
    return {"name": name, "events": middle["events"], "dump": middle["dump"], "audit": answer, "shares": shares,
            "by": all(v["by_events"] for v in columns["events"])}


def table(bench, rows):
    def ms(ns):
        return f"{ns / 1e6:.2f}" if ns < 1e7 else f"{ns / 1e6:.1f}"

    print()
    bench.row("fast lane", [r["name"] for r in rows])
    bench.row("sockets in teardown states", [f"{r['dump']['teardown']:.0f}" for r in rows])
    bench.row("found by dump, ms", [ms(r["dump"]["ask"]) for r in rows])
    bench.row("found by events, ms", [ms(r["events"]["ask"] + r["events"]["drain"]) for r in rows])
    bench.row("  / by dump", [f"{(r['events']['ask'] + r['events']['drain']) / r['dump']['ask']:.3f}" for r in rows],
              "aim <= 0.1 at 1,000,000, 1 %")
    bench.row("chosen", ["events" if r["by"] else "dump" for r in rows])
    bench.row("a look-up, ns", [f"{r['audit']['look_up']:.0f}" for r in rows])
    bench.row("whole pass by dump, ms", [ms(r["dump"]["cpu"]) for r in rows])
    bench.row("whole pass by events, ms", [ms(r["events"]["cpu"]) for r in rows])
    bench.row("  / by dump", [f"{r['events']['cpu'] / r['dump']['cpu']:.2f}" for r in rows])
    bench.row("the audit: lost, extra", [f"{r['audit']['lost']}, {r['audit']['extra']}" for r in rows], "aim 0, 0")
    if all(r["shares"] for r in rows):
        bench.row("the daemon with events, % of a core", [f"{r['shares'][0] * 100:.1f}" for r in rows])
        bench.row("  without events", [f"{r['shares'][1] * 100:.1f}" for r in rows])


def run(bench, quick, seconds):
    rounds, rows = 3 if quick else 7, []
    sizes = [SMALL]
    if os.environ.get("MILLION") and available() > NEEDED:
        sizes.append(LARGE)
    for count in sizes:
        with bench.held(count, "pairs") as holders, bench.Step(bench.TOOLS / "follow") as tool:
            done = 0
            for label, pairs in (("1 %", count // 200), ("all", count // 2)):
                halve(tool, holders, pairs, done)
                done = pairs
                rows.append(one(bench, f"{count:,}, {label}", tool, rounds, quick, seconds))
    table(bench, rows)
