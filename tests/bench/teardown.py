# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part of tests/bench/run: the fast lane by events and by dumps, side by side. The module of that program is given as bench."""
import json
import os
import sys
import time

SMALL, LARGE = 100_000, 1_000_000
NEEDED = 14_000_000_000  # bytes, for a million sockets and two collectors
RING = 2000  # pairs, no more at once than a ring holds
TABLE = 20_000  # pairs, no more than the table of what is new holds between two passes
INTERVAL = 1.0  # seconds between two passes of each collector, as in the daemon's life
SETTLED = 9  # passes until what rests is looked at as seldom as it ever is
PORT = 19295  # of the daemon without events
# Of the daemons' life, seconds until their lanes are as long as they stay, and that they are watched then.
WATCHED = {(SMALL, "1 %"): (20, 15), (SMALL, "all"): (40, 20), (LARGE, "1 %"): (40, 20), (LARGE, "all"): (110, 60)}


def available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def part(pairs, i, count):
    return pairs * (i + 1) // count - pairs * i // count


def halve(tool, holders, pairs, already=0):
    """Shuts one end of that many pairs: a FIN-WAIT-2 and a CLOSE-WAIT of each."""
    tool.ask("drain")
    done = 0
    for i, holder in enumerate(holders):
        more = part(pairs, i, len(holders)) - part(already, i, len(holders))
        for begin in range(0, more, RING):
            holder.ask(f"half {min(RING, more - begin)}")
            tool.ask("drain")
            done += RING
            if done >= TABLE:
                tool.ask("events")
                done = 0


def measure(tool, rounds):
    """One pass each a round, as far apart as in the daemon's life: caches are cold then, and what rests does."""
    columns = {"events": [], "dump": []}
    due = time.monotonic()
    for i in range(SETTLED + rounds):
        for name, values in columns.items():
            due += INTERVAL / 2
            time.sleep(max(0, due - time.monotonic()))
            answer = tool.ask(name)
            if i >= SETTLED:
                values.append(answer)
    return columns


def wait(tool, seconds):
    """What the daemon's start and others on this machine do must not fill the ring."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(max(0, min(1, end - time.monotonic())))
        tool.ask("drain")


def life(bench, daemon, before, took):
    used = sum(ns - before[name] for name, ns in daemon.cpu().items())
    status = json.loads(bench.get("/status", daemon.port)[1])
    lanes = {lane["name"]: lane for lane in status["lanes"]}
    return {"share": used / took / 1e9, "by": status["fast_lane"]["by"], "period": lanes["fast"]["interval_seconds"],
            "sweep": lanes["sweep"]["interval_seconds"]}


def watch(bench, tool, settled, seconds):
    """Two daemons at rest, side by side: their share of a core, and how their fast lanes work."""
    room = f"--limits.sockets={2 * LARGE}"
    with bench.Daemon(room) as by_events, bench.Daemon(room, "--no-collector.events", port=PORT) as by_dump:
        daemons = (by_events, by_dump)
        wait(tool, settled)
        before, began = [daemon.cpu() for daemon in daemons], time.monotonic()
        wait(tool, seconds)
        took = time.monotonic() - began
        return [life(bench, daemon, was, took) for daemon, was in zip(daemons, before)]


def one(bench, name, tool, rounds, watched):
    sys.stderr.write(f"{name}: fast passes\n")
    tool.ask("seed")
    columns = measure(tool, rounds)
    answer = tool.ask("audit")
    keys = ("cpu", "drain", "ask", "looked_up", "left_alone", "teardown")
    middle = {k: {key: bench.median([v[key] for v in values]) for key in keys} for k, values in columns.items()}
    sys.stderr.write(f"{name}: daemons\n")
    daemons = watch(bench, tool, *watched)
    sys.stderr.write(f"{name}: {middle}, {answer}, {daemons}\n")
    return {"name": name, "events": middle["events"], "dump": middle["dump"], "audit": answer, "daemons": daemons,
            "by": all(v["by_events"] for v in columns["events"])}


def found(row):
    return row["events"]["ask"] + row["events"]["drain"]


def table(bench, rows):
    def ms(ns):
        return f"{ns / 1e6:.2f}" if ns < 1e7 else f"{ns / 1e6:.1f}"

    print()
    bench.row("fast lane", [r["name"] for r in rows])
    bench.row("sockets in teardown states", [f"{r['dump']['teardown']:.0f}" for r in rows])
    bench.row("found by dump, ms", [ms(r["dump"]["ask"]) for r in rows])
    bench.row("found by events, ms", [ms(found(r)) for r in rows])
    bench.row("  / by dump", [f"{found(r) / r['dump']['ask']:.3f}" for r in rows], "aim <= 0.1 at 1,000,000, 1 %")
    bench.row("chosen", ["events" if r["by"] else "dump" for r in rows])
    bench.row("looked up in a pass", [f"{r['events']['looked_up']:.0f}" for r in rows])
    bench.row("  left alone", [f"{r['events']['left_alone']:.0f}" for r in rows])
    bench.row("a look-up, ns", [f"{r['audit']['look_up']:.0f}" for r in rows])
    bench.row("whole pass by dump, ms", [ms(r["dump"]["cpu"]) for r in rows])
    bench.row("whole pass by events, ms", [ms(r["events"]["cpu"]) for r in rows])
    bench.row("  / by dump", [f"{r['events']['cpu'] / r['dump']['cpu']:.2f}" for r in rows])
    bench.row("the audit: lost, extra", [f"{r['audit']['lost']}, {r['audit']['extra']}" for r in rows], "aim 0, 0")
    bench.row("  the ring had no room for", [f"{r['audit']['dropped']}" for r in rows], "the rows above hold where it is 0")
    for i, text in enumerate(("the daemon with events", "the daemon without")):
        daemons = [r["daemons"][i] for r in rows]
        bench.row(f"{text}, % of a core", [f"{d['share'] * 100:.1f}" for d in daemons])
        bench.row("  its fast lane", [f"{d['by']}, {d['period']:.1f} s" for d in daemons])
        bench.row("  its sweep", [f"{d['sweep']:.1f} s" for d in daemons])


def run(bench, quick, seconds):
    rounds, rows = 3 if quick else 7, []
    sizes = [SMALL]
    if os.environ.get("MILLION"):
        if available() > NEEDED:
            sizes.append(LARGE)
        else:
            print(f"a million sockets need {NEEDED / 1e9:.0f} GB of memory, and there are {available() / 1e9:.1f}")
    for count in sizes:
        sys.stderr.write(f"{count:,}: connections\n")
        with bench.held(count, "pairs") as holders, bench.Step(bench.TOOLS / "follow") as tool:
            done = 0
            for label, pairs in (("1 %", count // 200), ("all", count // 2)):
                halve(tool, holders, pairs, done)
                done = pairs
                watched = (seconds, seconds) if quick else WATCHED[count, label]
                rows.append(one(bench, f"{count:,}, {label}", tool, rounds, watched))
    table(bench, rows)
