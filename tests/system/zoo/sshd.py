# SPDX-License-Identifier: LGPL-2.1-or-later
"""sshd: sessions that are idle, one that is used, a forwarded port, and short logins."""
import subprocess

from zoo import keeper

CONFIGURATION = """\
Port 2222
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
AllowUsers zoo
UsePAM no
StrictModes no
PasswordAuthentication no
PrintMotd no
"""
IDLE = 5


class Sshd(keeper.Animal):
    period = 1

    def start(self):
        self.folder = self.keeper.folder("ssh")
        self.echoed = self.forwarded = self.logins = 0
        for name in ("host", "user"):
            self.keeper.call("ssh-keygen", self.keeper.tool("usr/bin/ssh-keygen"), "-q", "-t", "ed25519", "-N", "",
                             "-f", self.folder / name)
        (self.folder / "sshd_config").write_text(CONFIGURATION.format(folder=self.folder))
        # Who logs in becomes that user: the only program here that is root.
        self.keeper.spawn("sshd", self.keeper.tool("usr/sbin/sshd"), "-D", "-e", "-f", self.folder / "sshd_config",
                          user="root")

    def ready(self):
        return self.listening(2222)

    def ssh(self, *arguments):
        return [self.keeper.tool("usr/bin/ssh"), "-F", "/dev/null", "-i", self.folder / "user", "-p", 2222, "-T",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "ServerAliveInterval=5", "-o", "ExitOnForwardFailure=yes", f"zoo@{self.keeper.host}", *arguments]

    def begin(self):
        self.idle = [self.keeper.spawn("ssh-idle", *self.ssh("sleep 100000"), client=True) for _ in range(IDLE)]
        self.used = self.keeper.spawn("ssh-used", *self.ssh("while read line; do echo $line; done"), client=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # No session at all, and a listener of sshd for this end.
        self.forward = self.keeper.spawn("ssh-forward", *self.ssh("-N", "-R", "2223:127.0.0.1:2222"), client=True)

    def busy(self):
        self.used.stdin.write(b"hello\n")
        self.used.stdin.flush()
        self.echoed += self.used.stdout.readline() == b"hello\n"
        if self.rounds % 10 == 1:
            self.logins += self.keeper.call("ssh-login", *self.ssh("head -c 1000000 /dev/zero | wc -c"),
                                            client=True).strip() == "1000000"

    def work(self):
        return {"echoed": self.echoed, "logins": self.logins,
                "sessions": len(self.keeper.ss("state", "established", "sport = :2222"))}

    def prove(self):
        assert not [p for p in (*self.idle, self.used, self.forward) if p.poll() is not None], "sessions have ended"
        assert self.work()["sessions"] >= IDLE + 2, self.work()
        assert self.listening(2223), "the forwarded port"

    def stop(self):
        super().stop()
        self.join()
        self.used.stdin.close()
