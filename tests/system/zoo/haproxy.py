# SPDX-License-Identifier: LGPL-2.1-or-later
"""haproxy in front of nginx, of the websocket server and of PostgreSQL, with health checks each second."""
import csv
import socket

from zoo import keeper

CONFIGURATION = """\
global
    maxconn 600
    stats socket {folder}/socket mode 600
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 10s
    timeout tunnel 1h
frontend web
    bind :8000
    default_backend nginx
backend nginx
    option httpchk GET /
    server nginx 127.0.0.1:8080 check inter 1s
frontend chat
    bind :8001
    default_backend websocket
backend websocket
    server websocket 127.0.0.1:8200 check inter 1s
listen sql
    mode tcp
    timeout client 1h
    timeout server 1h
    bind :8002
    server postgres 127.0.0.1:5432
"""


class Haproxy(keeper.Animal):
    def start(self):
        self.folder = self.keeper.folder("haproxy")
        (self.folder / "haproxy.cfg").write_text(CONFIGURATION.format(folder=self.folder))
        self.keeper.spawn("haproxy", self.keeper.tool("usr/sbin/haproxy"), "-db", "-f", self.folder / "haproxy.cfg")

    def ready(self):
        return self.listening(8000, 8001, 8002)

    def statistics(self):
        """Rows of `show stat` by (proxy, service)."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.folder / "socket"))
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        return {(row["# pxname"], row["svname"]): row for row in csv.DictReader(text.splitlines())}

    def work(self):
        rows = self.statistics()
        return {"requests": int(rows["nginx", "nginx"]["stot"]), "tunnels": int(rows["websocket", "websocket"]["scur"]),
                "sql": int(rows["sql", "postgres"]["scur"])}

    def prove(self):
        rows = self.statistics()
        for name in ("nginx", "websocket"):
            row = rows[name, name]
            # The first check may come before the server does.
            assert row["status"] == "UP" and int(row["chkfail"]) <= 3, row
