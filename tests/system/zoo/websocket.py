# SPDX-License-Identifier: LGPL-2.1-or-later
"""A websocket server: most of its clients only answer pings, some of them behind haproxy."""
from zoo import keeper

DIRECT, PROXIED = 150, 40


class Websocket(keeper.Animal):
    def start(self):
        self.keeper.spawn("websocket", "/usr/bin/python3", keeper.HOME / "programs/websocket_server.py", 8200)

    def ready(self):
        return self.listening(8200)

    def begin(self):
        for name, port, count in (("websocket-clients", 8200, DIRECT), ("websocket-proxied", 8001, PROXIED)):
            self.keeper.spawn(name, "/usr/bin/python3", keeper.HOME / "programs/websocket_clients.py",
                              f"ws://{self.keeper.host}:{port}/", count, client=True)

    def work(self):
        return {f"{what} {name}": self.keeper.report(f"websocket-{name}").get(what, 0)
                for name in ("clients", "proxied") for what in ("open", "answers")}

    def prove(self):
        done = self.work()
        assert (done["open clients"], done["open proxied"]) == (DIRECT, PROXIED), done
