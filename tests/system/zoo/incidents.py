# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with programs that people run: the incidents of the sick zoo."""
import os
import signal
import subprocess
import threading

import lib
from zoo import keeper, nginx, pools, postgres, ward

PROXY = """\
global
    maxconn 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen proxy
    bind :8000
    server upstream 127.0.0.1:{port}
"""


class Proxied(ward.Incident):
    """haproxy in front of something."""

    def haproxy(self, port):
        folder = self.room.folder("haproxy")
        (folder / "haproxy.cfg").write_text(PROXY.format(port=port))
        self.proxy = self.room.spawn("haproxy", self.room.tool("usr/sbin/haproxy"), "-db", "-f", folder / "haproxy.cfg")


def gunicorn(incident, *options):
    return incident.room.spawn("gunicorn", "/usr/bin/python3", "-m", "gunicorn", "--bind", "0.0.0.0:8100",
                               "--worker-tmp-dir", incident.room.folder("gunicorn"), "--graceful-timeout", 1, *options)


class Silent(Proxied):
    """Clients of haproxy give up; its upstream, all threads of which wait for something, does not notice."""

    found = ("fin-wait-2-stuck", "close-wait-leak")
    CLIENTS = 30

    def start(self):
        self.upstream = gunicorn(self, "--workers", 1, "--threads", 2 * self.CLIENTS, "--timeout", 0, "app:never")
        self.haproxy(8100)

    def ready(self):
        return self.listening(8000, 8100) and ward.children(self.upstream.pid)

    def provoke(self):
        self.worker = ward.children(self.upstream.pid)[0]
        self.room.spawn("wrk", self.room.tool("usr/bin/wrk"), "-t", 1, "-c", self.CLIENTS, "-d", "2s",
                        f"http://{self.room.host}:8000/", client=True)


class Queue(ward.Incident):
    """The only worker of gunicorn stands still, and its clients do not."""

    found = ("listener-queue-at-risk", "close-wait-leak")
    LIMIT = 16

    def start(self):
        self.server = gunicorn(self, "--workers", 1, "--backlog", self.LIMIT, "--timeout", 0, "app:application")

    def ready(self):
        return self.listening(8100) and ward.children(self.server.pid)

    def provoke(self):
        self.worker = ward.children(self.server.pid)[0]
        os.kill(self.worker, signal.SIGSTOP)
        self.room.spawn("wrk", self.room.tool("usr/bin/wrk"), "-t", 1, "-c", 2 * self.LIMIT, "-d", "600s",
                        f"http://{self.room.host}:8100/", client=True)

    def finish(self):
        os.kill(self.worker, signal.SIGCONT)


class Served(ward.Incident):
    """Clients of nginx, which does not keep connections open for long."""

    keepalive = "3s"

    def start(self):
        self.server = nginx.Nginx(self.room)
        self.server.keepalive = self.keepalive
        self.server.start()

    def ready(self):
        return self.server.ready()


class Pool(Served):
    """A Java program whose idle connections nginx has closed: not wrong, and worth a word."""

    found = ("close-wait-leak",)

    def start(self):
        super().start()
        self.client = pools.JavaPool(self.room)
        self.client.start()

    def provoke(self):
        self.client.begin()


class Leak(Served):
    """A Python program that forgets to give its connections back."""

    found = ("close-wait-leak",)
    DESCRIPTORS = 1000
    PER_SECOND = 5

    def provoke(self):
        self.client = self.python("leak", "leak.py", f"http://{self.room.host}:8080/", self.PER_SECOND,
                                  self.DESCRIPTORS, client=True)


class Broker(ward.Incident):
    """A broker with SO_LINGER of 0 s on its listener, so that each of its clients has it."""

    found = ("linger-zero",)
    CLIENTS = 12

    def start(self):
        self.server = self.python("broker", "broker.py", 8400)

    def ready(self):
        return self.listening(8400)

    def provoke(self):
        self.python("subscribers", "subscribers.py", self.room.host, 8400, self.CLIENTS, client=True)


class Half(ward.Incident):
    """nc closes its half when it has asked, and gunicorn answers for long after it. Healthy."""

    CLIENTS = 3

    def start(self):
        gunicorn(self, "--workers", self.CLIENTS, "--timeout", 0, "app:drip")

    def ready(self):
        return self.listening(8100)

    def provoke(self):
        for _ in range(self.CLIENTS):
            self.room.spawn("nc", "/bin/sh", "-c",
                            f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | {self.room.tool('bin/nc.openbsd')} "
                            f"-N {self.room.host} 8100 | wc -c", client=True)


class Vanish(Served):
    """Clients leave without a word: their address is gone, and nginx closes connections that nobody answers on."""

    apart = True
    keepalive = "15s"
    CLIENTS = 300

    def provoke(self):
        self.python("visitors", "visitors.py", self.room.host, 8080, self.CLIENTS, client=True)
        lib.wait_for(lambda: self.room.report("visitors").get("answers") == self.CLIENTS, "they have had an answer", 30)
        # Known for ever, else the kernel gives up as soon as nobody answers to ARP.
        done = subprocess.run(["ip", "-n", f"{self.room.name}-clients", "-br", "link", "show", "clients"], check=True,
                              capture_output=True, text=True)
        keeper.run("ip", "-n", self.room.name, "neigh", "replace", keeper.CLIENTS, "lladdr", done.stdout.split()[2],
                   "dev", "servers", "nud", "permanent")
        keeper.run("ip", "-n", f"{self.room.name}-clients", "addr", "flush", "dev", "clients")


class Ports(Proxied):
    """haproxy has one upstream, few ports to reach it from, and clients for all of these."""

    apart = True
    found = ("port-exhaustion",)
    PORTS = 40

    def start(self):
        self.room.sysctl("net.ipv4.ip_local_port_range", f"40000 {40000 + self.PORTS - 1}")
        self.python("websocket", "websocket_server.py", 8200)
        self.haproxy(8200)

    def ready(self):
        return self.listening(8000, 8200)

    def provoke(self):
        self.python("websockets", "websocket_clients.py", f"ws://{self.room.host}:8000/", self.PORTS - 1, client=True)


class Cliff(Served):
    """Somebody has made tcp_fin_timeout a second longer than the minute it had."""

    found = ("fin-timeout-cliff",)
    CLIENTS = 20

    def provoke(self):
        self.room.sysctl("net.ipv4.tcp_fin_timeout", 61)
        self.python("visitors", "visitors.py", self.room.host, 8080, self.CLIENTS, client=True)


class Inherited(ward.Incident):
    """A program that PostgreSQL starts for COPY lives on, with the connection of who asked for it."""

    found = ("inherited-descriptor", "close-wait-leak")
    SESSIONS = 3

    def start(self):
        self.server = postgres.Postgres(self.room)
        self.server.start()

    def ready(self):
        return self.server.ready()

    def pids(self):
        """Of the programs."""
        try:
            return [int(pid) for pid in (self.room.folder("postgres") / "pids").read_text().split()]
        except OSError:
            return []

    def session(self):
        command = "COPY (SELECT 1) TO PROGRAM 'sleep 1000 >/dev/null 2>&1 & echo $! >>" \
                  f"{self.room.folder('postgres')}/pids';\n"
        psql = subprocess.Popen(self.room.command(*self.server.psql), stdin=subprocess.PIPE, text=True,
                                env=self.room.environment())
        with psql:
            # It is known whose the connection is before another one has it.
            lib.wait_for(lambda: [row for row in self.sockets("local.port=5432&state=established") if row["holders"]],
                         "the backend is seen", 60)
            psql.communicate(command, timeout=60)

    def provoke(self):
        self.threads = [threading.Thread(target=self.session) for _ in range(self.SESSIONS)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        for thread in self.threads:
            thread.join()


class Paused(Served):
    """Somebody has stopped a client in the middle of its downloads."""

    found = ("rst-on-close",)
    CLIENTS = 60

    def start(self):
        super().start()
        (self.room.folder("nginx-data") / "big").write_bytes(bytes(20000000))

    def provoke(self):
        self.client = self.room.spawn("wrk", self.room.tool("usr/bin/wrk"), "-t", 1, "-c", self.CLIENTS, "-d", "600s",
                                      f"http://{self.room.host}:8080/big", client=True)
        lib.wait_for(lambda: len(self.room.ss("state", "established", "dport = :8080", client=True)) == self.CLIENTS,
                     "it downloads", 30)
        os.kill(self.client.pid, signal.SIGSTOP)

    def finish(self):
        self.client.kill()


ALL = (Leak, Inherited, Pool, Silent, Queue, Broker, Half, Vanish, Ports, Cliff, Paused)
