# SPDX-License-Identifier: LGPL-2.1-or-later
"""Short storms of wrk, through haproxy, and of h2load, over TLS."""
import re

from zoo import keeper


class Wrk(keeper.Animal):
    period = 8
    done = 0

    def busy(self):
        output = self.keeper.call("wrk", self.keeper.tool("usr/bin/wrk"), "-t", 1, "-c", 8, "-d", "1s",
                                  f"http://{self.keeper.host}:8000/", client=True)
        self.done += int(re.search(r"(\d+) requests in", output)[1])
        assert "Non-2xx" not in output, output

    def work(self):
        return {"requests": self.done}


class H2load(keeper.Animal):
    period = 7
    done = 0

    def busy(self):
        output = self.keeper.call("h2load", self.keeper.tool("usr/bin/h2load"), "-n", 1000, "-c", 4, "-m", 10,
                                  f"https://{self.keeper.host}:8445/", client=True)
        succeeded = int(re.search(r"(\d+) succeeded", output)[1])
        assert succeeded == 1000, output
        self.done += succeeded

    def work(self):
        return {"requests": self.done}
