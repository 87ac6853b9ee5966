# SPDX-License-Identifier: LGPL-2.1-or-later
"""PostgreSQL: short transactions, long queries, idle sessions, and one query whose client has gone."""
import re
import subprocess

import lib
from zoo import keeper

BIN = "usr/lib/postgresql/15/bin"
IDLE, LONG = 20, 4


class Postgres(keeper.Animal):
    period = 1

    def start(self):
        folder = self.keeper.folder("postgres")
        self.psql = [self.keeper.tool(f"{BIN}/psql"), "-X", "-q", "-h", self.keeper.host, "-U", "zoo", "-d", "postgres"]
        self.keeper.call("initdb", self.keeper.tool(f"{BIN}/initdb"), "-D", folder / "data", "-U", "zoo", "-A", "trust",
                         "--no-sync", "--locale=C")
        with open(folder / "data" / "pg_hba.conf", "a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        settings = {"listen_addresses": "*", "port": 5432, "unix_socket_directories": folder, "fsync": "off",
                    "jit": "off", "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap"}
        self.keeper.spawn("postgres", self.keeper.tool(f"{BIN}/postgres"), "-D", folder / "data",
                          *(f"--{name}={value}" for name, value in settings.items()))

    def ready(self):
        if not self.listening(5432):
            return False
        done = subprocess.run(self.keeper.command(*self.psql, "-c", "select 1", client=True), capture_output=True,
                              env=self.keeper.environment(), check=False)
        return done.returncode == 0

    def begin(self):
        for port, name in ((5432, "pgbench"), (8002, "pgbench-proxy")):
            address = ["-h", self.keeper.host, "-p", port, "-U", "zoo"]
            if name == "pgbench":
                self.keeper.call("pgbench-init", self.keeper.tool(f"{BIN}/pgbench"), "-i", "-q", *address, "postgres",
                                 client=True)
            self.keeper.spawn(name, self.keeper.tool(f"{BIN}/pgbench"), "-n", "-c", 4, "-R", 20, "-T", 100000, "-P", 1,
                              *address, "postgres", client=True)
        self.idle = [self.keeper.spawn("psql-idle", *self.psql, client=True, stdin=subprocess.PIPE)
                     for _ in range(IDLE)]
        for _ in range(LONG):
            self.keeper.spawn("psql-long", *self.psql, "-c", "select pg_sleep(3600)", client=True)
        # It computes for a client that will not read the answer: CLOSE-WAIT, until the query ends.
        gone = self.keeper.spawn("psql-gone", *self.psql, "-c", "select pg_sleep(3601)", client=True)
        self.answered = 0
        lib.wait_for(lambda: self.active(3601), "the query runs")
        gone.kill()
        gone.wait()
        # Others pass through that state as they end.
        lib.wait_for(lambda: [row[0] for row in self.keeper.ss("state", "close-wait", "sport = :5432")] == [1],
                     "one whose end of file nobody has read", 10)

    def ask(self, query):
        return int(self.keeper.call("psql", *self.psql, "-A", "-t", "-c", query, client=True))

    def active(self, seconds):
        return self.ask("select count(*) from pg_stat_activity where state = 'active' and "
                        f"query = 'select pg_sleep({seconds})'")

    def busy(self):
        self.answered += self.ask("select count(*) from generate_series(1, 100000)") == 100000

    def work(self):
        rates = re.findall(r"progress: [\d.]+ s, ([\d.]+) tps", self.keeper.log("pgbench") +
                           self.keeper.log("pgbench-proxy"))
        return {"queries": self.answered, "tps now": float(rates[-1]) if rates else 0,
                "long": self.active(3600)}

    def prove(self):
        assert self.work()["long"] == LONG, self.work()
        assert not [p for p in self.idle if p.poll() is not None], "idle sessions have ended"
        # Its port may be another client's by now, which resets what is left of the old connection: the query goes on.
        assert self.active(3601) == 1, "the query of who has gone has ended"
