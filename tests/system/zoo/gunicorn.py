# SPDX-License-Identifier: LGPL-2.1-or-later
"""gunicorn with two sync workers and more clients than these: the next requests always wait, not accepted."""
from zoo import keeper

CLIENTS = 12


class Gunicorn(keeper.Animal):
    period = 0.5

    def start(self):
        self.waiting = 0
        self.keeper.spawn("gunicorn", "/usr/bin/python3", "-m", "gunicorn", "--workers", 2, "--bind", "0.0.0.0:8100",
                          "--worker-tmp-dir", self.keeper.folder("gunicorn"), "app:application")

    def ready(self):
        return self.listening(8100)

    def begin(self):
        self.keeper.spawn("gunicorn-clients", "/usr/bin/python3", keeper.HOME / "programs/requests_client.py",
                          f"http://{self.keeper.host}:8100/", CLIENTS, client=True)

    def busy(self):
        # Of a listener Recv-Q is the number of connections that wait.
        self.waiting = max(self.waiting, *(row[0] for row in self.keeper.ss("state", "listening", "sport = :8100")))

    def work(self):
        return {"answers": self.keeper.report("gunicorn-clients").get("answers", 0), "waited at most": self.waiting}
