# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients with pools of TLS connections that the server closes when they are idle, and a client that only writes.

Both read only when they need a connection again: until then CLOSE-WAIT, with the close_notify unread.
"""
import subprocess

from zoo import keeper

PYTHON, JAVA = 30, 60


def idle(animal, port):
    return animal.keeper.ss("state", "close-wait", f"dport = :{port}", client=True)


class PythonPool(keeper.Animal):
    """urllib3, TLS 1.3: end of file behind 24 bytes."""

    def begin(self):
        self.keeper.spawn("python-pool", "/usr/bin/python3", keeper.HOME / "programs/pool.py",
                          f"https://{self.keeper.host}:8443/", keeper.HOME / "cert.pem", PYTHON, client=True)

    def work(self):
        return {"requests": self.keeper.report("python-pool").get("requests", 0), "idle": len(idle(self, 8443))}

    def prove(self):
        rows = idle(self, 8443)
        assert len(rows) >= PYTHON - 2 and {row[0] for row in rows} == {25}, rows


class JavaPool(keeper.Animal):
    """Apache HttpClient, TLS 1.2: end of file behind 31 bytes. More of them than are passed over in silence."""

    def start(self):
        self.folder = self.keeper.folder("java")
        jars = "/usr/share/java/"
        self.java = [self.keeper.tool("usr/lib/jvm/java-17-openjdk-amd64/bin/java"), "-Xmx128m", "-XX:-UsePerfData",
                     "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self.path = ":".join(f"{self.keeper.tools}{jars}{name}.jar" for name in
                             ("httpclient", "httpcore", "commons-logging", "commons-codec"))
        self.keeper.call("ecj", *self.java, "-cp", f"{self.keeper.tools}{jars}eclipse-jdt-core.jar",
                         "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-nowarn",
                         "-proc:none", "-cp", self.path,
                         "-d", self.folder, keeper.HOME / "programs/Pool.java")

    def begin(self):
        self.process = self.keeper.spawn("java-pool", *self.java, "-cp", f"{self.folder}:{self.path}", "Pool",
                                         f"https://{self.keeper.host}:8444/", keeper.HOME / "cert.pem", JAVA,
                                         client=True)

    def work(self):
        return {"requests": self.keeper.report("java-pool").get("requests", 0), "idle": len(idle(self, 8444))}

    def prove(self):
        rows = idle(self, 8444)
        assert len(rows) >= JAVA - 2 and {row[0] for row in rows} == {32}, rows


class Shipper(keeper.Animal):
    """Writes its lines for ever and never reads the session tickets of TLS 1.3."""

    def start(self):
        # It ends with its standard input.
        self.sink = self.keeper.spawn("sink", "openssl", "s_server", "-quiet", "-accept", 8300, "-tls1_3",
                                      "-cert", keeper.HOME / "cert.pem", "-key", keeper.HOME / "key.pem",
                                      stdin=subprocess.PIPE)

    def ready(self):
        return self.listening(8300)

    def begin(self):
        self.keeper.spawn("shipper", "/usr/bin/python3", keeper.HOME / "programs/shipper.py", self.keeper.host, 8300,
                          keeper.HOME / "cert.pem", client=True)

    def work(self):
        return {"lines": self.keeper.report("shipper").get("lines", 0)}

    def prove(self):
        rows = self.keeper.ss("state", "established", "dport = :8300", client=True)
        assert len(rows) == 1 and rows[0][0] > 100, rows
