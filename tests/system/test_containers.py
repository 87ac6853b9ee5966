#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes in the control groups of each container engine, and the names that the engines leave on the disk."""
import contextlib
import json
import pathlib
import socket
import subprocess
import tempfile
import unittest

import cgroups
import lib
import scenes

OPTIONS = ["--interval=250ms", "--sweep-interval=500ms", "--cpu-share=50"]
SOURCES = {"bpf": [], "proc": ["--no-collector.bpf"]}
UID = "7b1e0a4c-91d2-4f6e-a1b3-0123456789ab"
STATIC = "33d556adf3ae8ef21980288cef77ae8b"


def number(n):
    """The id of the nth container."""
    return f"{n:02x}" * 32


# name of the test's process: path below a cgroup of the test, unit, container, the name that people know
ENGINES = {
    "docker": (f"docker/{number(1)}", None, number(1), "web-1"),
    "docker-sd": (f"system.slice/docker-{number(2)}.scope", None, number(2), "shop_db.1"),
    "containerd": (f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/"
                   f"cri-containerd-{number(3)}.scope", None, number(3), "payments/api-7d9f8c6b5-xk2vz/envoy"),
    "kubepods": (f"kubepods/besteffort/pod{UID}/{number(4)}", None, number(4), "payments/api-7d9f8c6b5-xk2vz/api"),
    "pause": (f"kubepods/besteffort/pod{UID}/{number(5)}", None, number(5), "payments/api-7d9f8c6b5-xk2vz"),
    "crio": (f"kubepods.slice/kubepods-pod{STATIC}.slice/crio-{number(6)}.scope/container", None, number(6),
             "kube-system/etcd-node/etcd"),
    "podman": (f"machine.slice/libpod-{number(7)}.scope/container", None, number(7), None),
    "rootless": (f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{number(8)}.scope",
                 "user@1000.service", number(8), None),
    "quadlet": (f"system.slice/web.service/libpod-payload-{number(9)}", "web.service", number(9), None),
    "lxc": ("lxc.payload.mail/system.slice/postfix.service", "postfix.service", "mail", "mail"),
    "nspawn": ("machine.slice/machine-build\\x2d1.scope/payload", None, "build-1", "build-1"),
    "service": ("system.slice/plain.service", "plain.service", None, None),
}

HOLDER = """
with open(sys.argv[2], "w") as group:
    group.write("0")
say(listen().getsockname()[1])
step()
"""


def hide(path):
    """An empty folder in place of one of the machine's, in this mount namespace alone."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "hidden", path], check=True)


class Containers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        mounted = cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiagd-cgroup-"))
        top = cgroups.make(cls.stack, mounted)
        for path in "/var/log", "/var/lib":
            hide(path)
        cls.write_names()
        cls.actors, cls.ports = {}, {}
        for name, (path, *_) in ENGINES.items():
            (top / path).mkdir(parents=True)
            actor = cls.stack.enter_context(scenes.Actor(name, HOLDER, top / path / "cgroup.procs"))
            cls.actors[name] = actor
            cls.ports[name] = int(actor.read()[0])

    @staticmethod
    def write_names():
        logs = pathlib.Path("/var/log/containers")
        logs.mkdir()
        for n, (pod, namespace, name) in {3: ("api-7d9f8c6b5-xk2vz", "payments", "envoy"), 4: ("api-7d9f8c6b5-xk2vz", "payments", "api"),
                                          6: ("etcd-node", "kube-system", "etcd")}.items():
            (logs / f"{pod}_{namespace}_{name}-{number(n)}.log").symlink_to("/nowhere")
        pathlib.Path(f"/var/log/pods/payments_api-7d9f8c6b5-xk2vz_{UID}/api").mkdir(parents=True)
        for n, name in {1: "web-1", 2: "shop_db.1"}.items():
            folder = pathlib.Path(f"/var/lib/docker/containers/{number(n)}")
            folder.mkdir(parents=True)
            (folder / "config.v2.json").write_text(json.dumps(
                {"Config": {"Env": ['"Name":"/env"'], "Labels": {"Name": "/label"}},
                 "NetworkSettings": {"Service": {"Name": "service"}}, "Name": f"/{name}"}))

    def holder_of(self, name):
        holders = lib.get(f"/sockets?local.port={self.ports[name]}&state=listening")["sockets"][0]["holders"]
        return holders[0] if holders else None

    def check(self, source):
        with lib.Daemon(*OPTIONS, *SOURCES[source]):
            for name, (path, unit, container, known_as) in ENGINES.items():
                with self.subTest(engine=name, source=source):
                    holder = lib.wait_for(lambda: self.holder_of(name), f"the holder of {name}")
                    self.assertEqual((holder["pid"], holder["comm"]), (self.actors[name].pid, name))
                    self.assertEqual(holder["unit"], unit)
                    self.assertEqual(holder["container"], container)
                    self.assertEqual(holder["container_name"], known_as)
                    self.assertTrue(holder["cgroup"].endswith("/" + path), holder["cgroup"])
            for asked, names in (("web-1", ["docker"]), (number(2)[:12], ["docker-sd"]), (number(2)[:11], []),
                                 ("api-7d9f8c6b5-xk2vz", ["containerd", "kubepods", "pause"]),
                                 ("payments/api-7d9f8c6b5-xk2vz", ["containerd", "kubepods", "pause"]),
                                 ("payments/api-7d9f8c6b5-xk2vz/envoy", ["containerd"]), ("mail", ["lxc"]), ("env", []),
                                 ("label", [])):
                with self.subTest(container=asked):
                    found = lib.get(f"/sockets?container={asked}&limit=0&fields=comm")["sockets"]
                    self.assertEqual(sorted(row["comm"] for row in found), sorted(names))
            envoy = lib.get("/containers/envoy")
            self.assertEqual((envoy["name"], envoy["pids"]), (number(3), [self.actors["containerd"].pid]))
            self.assertEqual(envoy["container"], {"id": number(3), "name": "envoy", "pod": "api-7d9f8c6b5-xk2vz",
                                                  "namespace": "payments"})
            podman = lib.get(f"/processes/{self.actors['podman'].pid}")
            self.assertEqual(podman["container"], {"id": number(7), "name": None, "pod": None, "namespace": None})
            self.assertIsNone(lib.get(f"/processes/{self.actors['service'].pid}")["container"])
            status = lib.get("/status")
            self.assertEqual(status["limits"]["containers"], 0)

    def test_metrics_by_unit(self):
        """What comes and goes is counted with what stays: no label holds an id."""
        with lib.Daemon(*OPTIONS, "--no-collector.bpf"), contextlib.ExitStack() as stack:
            for name in "docker", "docker-sd", "containerd":
                stack.enter_context(socket.create_connection(("127.0.0.1", self.ports[name]), 10))
            series = '\ntcpdiag_unit_sockets{{systemd_unit="{}",state="{}"}} {}\n'.format
            # What waits in a queue belongs to its listener.
            text = lib.wait_for(lambda: self.scrape_with(series("docker.service", "established", 2)), "two by Docker")
            self.assertIn(series("payments/api", "established", 1), text)
            for unit in ("kube-system/etcd-node", "machine.slice", "user@1000.service", "web.service", "plain.service"):
                self.assertIn(series(unit, "established", 0), text)
            self.assertIn('tcpdiag_unit_listener_queue_ratio{systemd_unit="payments/api"} 0.0', text)
            for line in text.splitlines():
                if "systemd_unit=" in line:
                    self.assertNotRegex(line, "[0-9a-f]{12}|xk2vz|scope|mail|build")

    @staticmethod
    def scrape_with(series):
        text = lib.get("/metrics")
        return text if series in text else None

    def test_with_bpf(self):
        with lib.Daemon(*OPTIONS):
            reader = next(s for s in lib.get("/status")["sources"] if s["name"] == "bpf")
        if reader["state"] in ("off", "failed"):
            self.skipTest(f"no BPF: {reader['reason']}")
        self.check("bpf")

    def test_without_bpf(self):
        self.check("proc")

    def test_at_once(self):
        """--once has a single pass: names have to be there."""
        done = subprocess.run([str(lib.TCPDIAGD), "--once", "--format=json"], stdout=subprocess.PIPE, check=True,
                              timeout=60)
        named = {holder["comm"]: holder["container_name"] for sock in json.loads(done.stdout)["sockets"]
                 for holder in sock["holders"]}
        for name, (*_, known_as) in ENGINES.items():
            with self.subTest(engine=name):
                self.assertEqual(named[name], known_as)


if __name__ == "__main__":
    lib.main()
