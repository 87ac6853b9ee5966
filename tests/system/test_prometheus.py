#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""/metrics against promtool, a real Prometheus, and the promise of which families and labels are there."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

import lib

PROMTOOL = lib.TOOLS / "usr/bin/promtool"
PROMETHEUS = lib.TOOLS / "usr/bin/prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# What Prometheus itself asks for.
PROMETHEUS_ACCEPT = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," \
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

STATES = ["established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait",
          "last-ack", "listening", "closing", "new-syn-recv", "bound-inactive"]
UNIT_STATES = ["established", "close-wait", "fin-wait-1", "fin-wait-2", "last-ack"]
TEARDOWN = ["fin-wait-1", "fin-wait-2", "close-wait", "last-ack", "closing"]
ATTACHMENTS = ["held", "unaccepted", "orphan", "timewait", "request", "unheld", "unknown"]
# What sock_diag alone lets be judged, the limits of the machine, and BPF.
RULES_OF_SOCKETS = ["rst-on-close", "fin-wait-2-stuck", "close-wait-leak", "listener-queue-at-risk", "late-data-reset"]
RULES_OF_THE_MACHINE = ["orphan-accumulation", "tcp-memory-pressure"]
RULES_OF_BPF = ["linger-zero", "linger-blocks", "fin-timeout-cliff", "dead-descriptor"]
RULES = RULES_OF_SOCKETS + RULES_OF_THE_MACHINE + RULES_OF_BPF
SOURCES = ["sock_diag", "mptcp_diag", "counters", "processes", "bpf"]

# What only the walk over the processes tells.
WALKED = {
    "network_namespaces": {"state": ["ok", "failed"]},
    "unit_sockets": {"systemd_unit": ["~other"], "state": UNIT_STATES},
    "unit_close_resets": {"systemd_unit": ["~other"]},
    "unit_orphans": {"systemd_unit": ["~other", "~unknown"]},
    "unit_listener_queue_ratio": {"systemd_unit": ["~other"]},
}
# Family: its labels, each with the values that must be there from the first scrape; None: some value.
FAMILIES = {
    "build_info": {"version": None, "kernel": None},
    "snapshot_timestamp_seconds": {},
    "collector_success": {"collector": SOURCES},
    "poll_interval_seconds": {"lane": ["fast", "sweep"]},
    "sockets": {"state": STATES},
    "sockets_attachment": {"attachment": ATTACHMENTS},
    "teardown_sockets": {"state": TEARDOWN, "attachment": ATTACHMENTS},
    "close_outcomes": {"segment": ["none", "fin", "rst"], "rule": None},
    "unread_bytes": {"peer": ["open", "finished"]},
    "unsent_bytes": {},
    "oldest_seconds": {"state": STATES},
    "listener_queue_connections": {},
    "listener_queue_ratio_max": {},
    "findings": {"rule": RULES_OF_SOCKETS + RULES_OF_BPF, "severity": ["info", "warning", "critical"]},
    "findings_raised_total": {"rule": RULES},
    "snapshots_skipped_total": {},
    "web_restarts_total": {},
    "config_last_reload_successful": {},
}
# These come from /proc.
COUNTED = {
    "port_range_used_ratio_max": {},
    "orphans": {},
    "orphans_peak": {},
    "listener_overflows_total": {},
    "listener_drops_total": {},
    "aborts_total": {"cause": ["close", "data", "failed", "linger", "memory", "timeout"]},
}
LIMIT = "/proc/sys/net/ipv4/tcp_max_orphans"
# These the kernel shows in the first network namespace only.
OF_THE_MACHINE = {
    "orphans_limit": {},
    "memory_bytes": {},
    "memory_limit_bytes": {"level": ["low", "pressure", "high"]},
}
PROCESS = ["cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds",
           "start_time_seconds"]
# What only the programs for events tell, and what the destroy multicast tells as well.
RESETS = {
    "resets_sent_total": {"reason": ["no-socket", "no-socket-syn", "tcp-abort-on-close", "tcp-abort-on-data",
                                     "tcp-abort-on-linger", "tcp-abort-on-memory", "tcp-state",
                                     "tcp-timewait-socket", "tcp-keepalive-timeout", "tcp-disconnect-with-data"]},
    "resets_received_total": {"state": ["syn-sent", "established", "fin-wait-1", "fin-wait-2", "close-wait",
                                        "last-ack", "closing", "other"]},
    "oracle_checks_total": {"result": ["agreed", "disagreed", "undecided"]},
    "oracle_checks_skipped_total": {},
}
EVENTS = {
    "events_read_total": {},
    "events_dropped_total": {"source": None},
    "events_brake": {},
    "events_brake_pulled_total": {},
}

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (\S+)$')


def parse(text):
    """{(name, frozenset of labels): value}; every line must be one that the format knows."""
    samples = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ", "# UNIT ")) or line == "# EOF":
            continue
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        key = (match[1], labels)
        assert key not in samples, f"twice: {line}"
        samples[key] = float(match[3])
    return samples


class Families(unittest.TestCase):
    """What every scrape must hold, for the daemons below."""

    def check(self, samples, families):
        names = {name for name, _ in samples}
        for family, labels in families.items():
            name = "tcpdiag_" + family
            self.assertIn(name, names)
            found = [dict(have) for have_name, have in samples if have_name == name]
            for have in found:
                self.assertEqual(set(have), set(labels), name)
            values = [(label, value) for label, value in labels.items() if value]
            if any(value is None for value in labels.values()):
                for label, wanted in values:
                    self.assertLessEqual(set(wanted), {have[label] for have in found}, name)
                continue
            for combination in itertools.product(*(wanted for _, wanted in values)):
                want = dict(zip((label for label, _ in values), combination))
                self.assertIn(want, found, f"{name}: a label value is missing")

    def check_absent(self, samples, families):
        names = {name for name, _ in samples}
        for family in families:
            self.assertNotIn("tcpdiag_" + family, names)


class Scrape(Families):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.daemon = cls.stack.enter_context(lib.Daemon("--sweep-interval", "1s"))
        # A peer that has finished, with data behind it: values that are not 0.
        listener = cls.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = cls.stack.enter_context(socket.create_connection(listener.getsockname(), 5))
        cls.server = cls.stack.enter_context(listener.accept()[0])
        client.sendall(b"x" * 11)
        client.shutdown(socket.SHUT_WR)
        lib.wait_socket("state=close-wait&min_unread=11", "the socket that resets when it is closed")
        lib.wait_for(lambda: "tcpdiag_network_namespaces" in lib.get("/metrics"), "the processes have been walked")

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def scrape(self, accept=None):
        reply = lib.request("/metrics", headers={"Accept": accept} if accept else {})
        self.assertEqual(reply.status, 200)
        return reply

    def test_promtool(self):
        for accept in (None, "text/plain"):
            done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.scrape(accept).body, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))

    def test_content_types(self):
        for accept, wanted in ((None, TEXT), ("*/*", TEXT), ("text/plain", TEXT), (PROMETHEUS_ACCEPT, OPENMETRICS),
                               ("application/openmetrics-text", OPENMETRICS),
                               ("text/plain;q=0.9, application/openmetrics-text;q=0.1", TEXT)):
            with self.subTest(accept):
                reply = self.scrape(accept)
                self.assertEqual(reply.headers["content-type"], wanted)
                self.assertEqual(reply.text.endswith("\n# EOF\n"), wanted == OPENMETRICS)

    def test_both_formats_say_the_same(self):
        text, openmetrics = parse(self.scrape().text), parse(self.scrape(OPENMETRICS).text)
        self.assertEqual(set(text), set(openmetrics))

    def test_families_and_labels(self):
        samples = parse(self.scrape().text)
        self.check(samples, FAMILIES)
        self.check(samples, WALKED)
        self.check(samples, COUNTED)
        self.check(samples, EVENTS | RESETS)
        for name in PROCESS:
            self.assertIn(("process_" + name, frozenset()), samples)
        self.assertTrue([name for name, _ in samples if name.startswith("tcpdiag_web_")])

    def test_at_most_500_series(self):
        self.assertLessEqual(len(parse(self.scrape().text)), 500)

    def test_no_label_names_a_socket(self):
        port = str(self.server.getsockname()[1])
        for (name, labels), _ in parse(self.scrape().text).items():
            for label, value in labels:
                if name == "tcpdiag_build_info":
                    continue
                self.assertNotRegex(value, r"^[0-9a-f.:]*\d[0-9a-f.:]*$", f"{name}: {label}")
                self.assertNotIn(port, value)

    def test_values(self):
        samples = lib.wait_for(self.with_findings, "the finding")
        labels = frozenset({("state", "close-wait")})
        self.assertEqual(samples["tcpdiag_sockets", labels], 1)
        self.assertEqual(samples["tcpdiag_unread_bytes", frozenset({("peer", "finished")})], 11)
        self.assertEqual(samples["tcpdiag_close_outcomes",
                                 frozenset({("segment", "rst"), ("rule", "close-unread-data")})], 1)
        self.assertGreater(samples["tcpdiag_oldest_seconds", labels], 0)
        total = sum(value for (name, _), value in samples.items() if name == "tcpdiag_sockets")
        self.assertEqual(total, sum(value for (name, _), value in samples.items()
                                    if name == "tcpdiag_sockets_attachment"))

    def with_findings(self):
        samples = parse(self.scrape().text)
        return samples if samples["tcpdiag_unread_bytes", frozenset({("peer", "finished")})] else None


class Sources(Families):
    """A source that is off or has failed: its families are absent, never 0."""

    def test_processes_off(self):
        with lib.Daemon("--no-collector.processes"):
            samples = parse(lib.get("/metrics"))
        self.check(samples, FAMILIES)
        self.check_absent(samples, WALKED)
        key = frozenset({("collector", "processes")})
        self.assertEqual(samples["tcpdiag_collector_success", key], 0)
        self.assertNotIn(("tcpdiag_collector_duration_seconds", key), samples)
        self.assertEqual(samples["tcpdiag_collector_success", frozenset({("collector", "sock_diag")})], 1)

    def test_events_off(self):
        with lib.Daemon("--no-collector.events"):
            samples = parse(lib.get("/metrics"))
        self.check_absent(samples, EVENTS | RESETS)
        self.assertEqual(samples["tcpdiag_collector_success", frozenset({("collector", "events")})], 0)

    def test_without_proc(self):
        # Nothing there but what the daemon starts its other process by.
        hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && mkdir /proc/self && '
                'ln -s "$1" /proc/self/exe && exec "$@"', "sh"]
        with lib.Daemon("--sweep-interval", "1s", prefix=hide):
            samples = lib.wait_for(self.counters_failed, "the source fails")
            document = lib.get("/status")
        self.check_absent(samples, COUNTED)
        self.check_absent(samples, OF_THE_MACHINE)
        self.check_absent(samples, WALKED)
        self.check(samples, FAMILIES | self.findings_of(RULES_OF_SOCKETS))
        self.check_not_judged(samples, RULES_OF_THE_MACHINE)
        for source, works in (("counters", 0), ("processes", 0), ("sock_diag", 1)):
            self.assertEqual(samples["tcpdiag_collector_success", frozenset({("collector", source)})], works, source)
        self.assertFalse(document["snapshot"]["complete"])
        self.assertTrue([said for said in document["missing"] if said.startswith("counters")], document["missing"])

    @staticmethod
    def findings_of(rules):
        return {"findings": {"rule": rules, "severity": ["info", "warning", "critical"]}}

    def check_not_judged(self, samples, rules):
        """No 0 for what nothing was judged by; how often it was raised is known all the same."""
        for name, labels in samples:
            if name == "tcpdiag_findings":
                self.assertNotIn(dict(labels)["rule"], rules)
        for rule in rules:
            self.assertEqual(samples["tcpdiag_findings_raised_total", frozenset({("rule", rule)})], 0)

    def test_without_bpf(self):
        with lib.Daemon("--no-collector.bpf"):
            samples = parse(lib.get("/metrics"))
            self.check(samples, EVENTS)
            self.check_absent(samples, RESETS)
            missing = lib.get("/findings")["snapshot"]["missing"]
            report = " ".join(lib.get("/").split())
        self.check(samples, FAMILIES | self.findings_of(RULES_OF_SOCKETS))
        self.check_not_judged(samples, RULES_OF_BPF + RULES_OF_THE_MACHINE)
        said = [line for line in missing if line.startswith("not judged")]
        self.assertEqual(len(said), 1, missing)
        for rule in RULES:
            self.assertEqual(rule in said[0], rule in RULES_OF_BPF, rule)
        self.assertIn(said[0], report)
        checked = report.partition("Checked")[2].partition("Limits")[0]
        for rule in RULES:
            self.assertEqual(rule in checked, rule in RULES_OF_SOCKETS, rule)
        said = [line for line in missing if line.startswith("tcp_max_orphans and tcp_mem are not known")]
        self.assertEqual(len(said), 1, missing)
        for rule in RULES:
            self.assertEqual(rule in said[0], rule in RULES_OF_THE_MACHINE, rule)

    def counters_failed(self):
        samples = parse(lib.get("/metrics"))
        return samples if samples.get(("tcpdiag_collector_success", frozenset({("collector", "counters")}))) == 0 \
            else None

    @staticmethod
    def first_namespace():
        """How to run there, and whether it is the first one of the machine."""
        # Where tests/system/run was started; elsewhere than in a container that is the first one.
        enter = ["nsenter", f"--net=/proc/{os.getppid()}/ns/net"]
        return enter, subprocess.run([*enter, "test", "-e", LIMIT], check=False).returncode == 0

    def test_limits_of_the_first_namespace(self):
        """A daemon that runs elsewhere takes them from there."""
        enter, shown = self.first_namespace()
        if not shown:
            self.skipTest("the machine's first network namespace is out of sight")
        limit = int(subprocess.run([*enter, "cat", LIMIT], check=True, stdout=subprocess.PIPE).stdout)
        with lib.Daemon("--collector.namespaces"):
            lib.wait_for(lambda: lib.get("/summary")["orphans"]["limit"] == limit, "the limit of orphans", 60)
            samples = parse(lib.get("/metrics"))
            missing = lib.get("/status").get("missing") or []
        self.check(samples, OF_THE_MACHINE)
        self.check(samples, self.findings_of(RULES))
        self.assertEqual([line for line in missing if "tcp_max_orphans" in line], [])

    def test_first_namespace(self):
        """In the machine's first network namespace the kernel shows its global limits, too."""
        enter, shown = self.first_namespace()
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            address = folder + "/socket"
            with lib.Daemon("--web.listen-address", "unix:" + address, prefix=enter, address=address):
                samples = parse(lib.get("/metrics", address=address))
            self.check(samples, COUNTED)
            (self.check if shown else self.check_absent)(samples, OF_THE_MACHINE)
            if shown:
                self.check(samples, self.findings_of(RULES))
            else:
                self.check_not_judged(samples, RULES_OF_THE_MACHINE)


class Server(unittest.TestCase):
    def test_prometheus_scrapes(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(lib.Daemon("--sweep-interval", "1s"))
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prometheus-")))
            config = folder / "prometheus.yml"
            # As the README has it, only faster, and without a name that a minimal system may not know.
            config.write_text("global: { scrape_interval: 1s, scrape_timeout: 1s }\n"
                              "scrape_configs:\n"
                              "  - job_name: tcpdiagd\n"
                              "    static_configs: [{ targets: ['127.0.0.1:19293'] }]\n")
            log = stack.enter_context(open(folder / "log", "w+", encoding="utf-8"))
            server = subprocess.Popen([PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                       "--web.listen-address=127.0.0.1:9090", "--log.level=warn"],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(server.wait, 30)
            stack.callback(server.kill)
            self.address = ("127.0.0.1", 9090)

            def alive():
                self.assertIsNone(server.poll(), (folder / "log").read_text())
                with contextlib.suppress(OSError):
                    return lib.request("/-/ready", address=self.address).status == 200

            lib.wait_for(alive, "Prometheus is ready", 60, 0.2)
            lib.wait_for(lambda: self.query("up"), "the first scrape", 60, 0.2)
            rows = lib.wait_for(lambda: self.query("up == 1"), "a good scrape", 60, 0.2)
            self.assertEqual(rows[0]["metric"]["job"], "tcpdiagd")
            rows = lib.wait_for(lambda: self.query("tcpdiag_sockets"), "the sockets", 60, 0.2)
            self.assertEqual({row["metric"]["state"] for row in rows}, set(STATES))
            rows = self.query("scrape_samples_scraped")
            self.assertGreater(float(rows[0]["value"][1]), 100)
            target = self.api("/api/v1/targets")["activeTargets"][0]
            self.assertEqual((target["health"], target["lastError"]), ("up", ""))
            # It knows the types, so it has read HELP and TYPE.
            known = self.api("/api/v1/metadata")
            self.assertEqual(known["tcpdiag_sockets"][0]["type"], "gauge")
            self.assertEqual((folder / "log").read_text(), "", "Prometheus complains")

    def api(self, path):
        reply = lib.request(path, address=self.address, timeout=30)
        self.assertEqual(reply.status, 200, reply.text)
        return json.loads(reply.body)["data"]

    def query(self, expression):
        return self.api("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["result"]


if __name__ == "__main__":
    lib.main()
