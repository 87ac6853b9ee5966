# SPDX-License-Identifier: LGPL-2.1-or-later
"""Part of tests/bench/run: many processes, and many network namespaces. The module of that program is given as bench."""
import contextlib
import pathlib
import subprocess
import sys
import time

PROCESSES, DESCRIPTORS = 1000, 40
NAMESPACES, BUSY = 200, 20
CHILD_TABLE = pathlib.Path("/proc/sys/net/ipv4/tcp_child_ehash_entries")

# Forks; each child has its own connections, both ends.
HOLDERS = """
import os, socket, sys
for _ in range(int(sys.argv[1])):
    reading, writing = os.pipe()
    if not os.fork():
        listener, keep = socket.create_server(("127.0.0.1", 0)), []
        for _ in range(int(sys.argv[2]) // 2):
            keep.append(socket.create_connection(listener.getsockname()))
            keep.append(listener.accept()[0])
        listener.close()
        os.write(writing, b"x")
        os.close(writing)
        sys.stdin.read()
        os._exit(0)
    os.read(reading, 1)
    os.close(reading), os.close(writing)
print("ok", flush=True)
sys.stdin.read()
"""

# A namespace with an idle pair, or with a connection ten times a second.
NAMESPACE = """
import fcntl, os, select, socket, struct, sys, time
keep = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(keep, 0x8914, struct.pack("16sh22x", b"lo", 0x41))
listener = socket.create_server(("127.0.0.1", 80))
client = socket.create_connection(listener.getsockname())
server = listener.accept()[0]
print("ok", flush=True)
while not select.select([sys.stdin], [], [], 0.1 if sys.argv[1] == "busy" else None)[0]:
    socket.create_connection(listener.getsockname()).close()
    listener.accept()[0].close()
"""


def owners(bench, rounds):
    """{step: [ns of each round]}: holders of all sockets with BPF, from /proc, and a walk that only reads the links."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(bench.Step(sys.executable, "-c", HOLDERS, PROCESSES, DESCRIPTORS)).ask()
        probe = stack.enter_context(bench.Step(bench.TOOLS / "probe"))
        other = stack.enter_context(bench.Step(bench.TOOLS / "probe", "no-bpf"))
        for one in (probe, other):
            one.ask("full")
            one.ask("walk")
        times = {"bpf": [], "proc": [], "links": []}
        for _ in range(rounds):
            times["bpf"].append(probe.ask("walk")["cpu"])
            links = probe.ask("links")
            times["links"].append(links["cpu"])
            times["proc"].append(other.ask("walk")["cpu"])
        return times, links["rows"]


@contextlib.contextmanager
def namespaces(bench, count, busy):
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(bench.Step("unshare", "--net", sys.executable, "-c", NAMESPACE,
                                               "busy" if i < busy else "idle")) for i in range(count)]
        for one in made:
            one.ask()
        yield
        # All at once: the kernel takes some time for each that ends.
        for one in made:
            one.process.stdin.close()


def share(bench, seconds):
    """Processor time a second of both processes, how many namespaces the daemon knows, periods in force."""
    with bench.Daemon() as daemon:
        rest = bench.at_rest(daemon, seconds)
        known, periods = 0.0, {}
        for line in bench.get("/metrics")[1].decode().splitlines():
            if line.startswith("tcpdiag_network_namespaces{"):
                known += float(line.split()[1])
            if line.startswith("tcpdiag_poll_interval_seconds{"):
                periods[line.split('"')[1]] = float(line.split()[1])
    return sum(rest["share"].values()), int(known), f"{periods['fast']:.1f} / {periods['sweep']:.1f}"


def crowded(bench, sockets, seconds):
    """[(what, share of a core, namespaces, periods)]: one namespace, beside 200 others of each kind, alone again."""
    rows = []
    with bench.held(sockets, "pairs"):
        rows.append(("alone", *share(bench, seconds)))
        for what, busy, table in ((f"{NAMESPACES} idle", 0, 0), (f"{NAMESPACES}, {BUSY} busy", BUSY, 0),
                                  ("own tables", 0, 4096)):
            sys.stderr.write(f"namespaces: {what}\n")
            if table and not CHILD_TABLE.exists():
                continue
            if CHILD_TABLE.exists():
                CHILD_TABLE.write_text(str(table))
            with namespaces(bench, NAMESPACES, busy):
                rows.append((what, *share(bench, seconds)))
            time.sleep(2)
        rows.append(("alone again", *share(bench, seconds)))
    return rows


def run(bench, quick, seconds):
    sys.stderr.write(f"{PROCESSES} processes\n")
    times, links = owners(bench, 3 if quick else 7)
    print()
    bench.row(f"{PROCESSES} processes, {links} descriptors: CPU, ms", ["with BPF", "from /proc", "links alone"])
    bench.row("holders, a pass", [f"{bench.median(times[key]) / 1e6:.1f}" for key in ("bpf", "proc", "links")])
    bench.row("  / a walk that reads each link", [f"{bench.ratio(times, key, 'links'):.2f}" for key in ("bpf", "proc")],
              "aim <= 0.20 with BPF")
    sockets = 20_000 if quick else 100_000
    rows = crowded(bench, sockets, seconds)
    print()
    bench.row(f"{sockets:,} sockets in one namespace", [what for what, *_ in rows])
    bench.row("share of a core, both processes, %", [f"{part * 100:.2f}" for _, part, *_ in rows])
    bench.row("  / alone", [f"{part / rows[0][1]:.2f}" for _, part, *_ in rows], "aim <= 1.2 beside idle ones")
    bench.row("network namespaces known", [f"{known}" for _, _, known, _ in rows])
    bench.row("a fast poll / a sweep each so many s", [periods for *_, periods in rows])
