# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups of a test, named as those of systemd's units and of container engines are."""
import os
import pathlib
import subprocess
import unittest


def own_group():
    """The path of this process in the unified hierarchy."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    raise unittest.SkipTest("no unified hierarchy of control groups")


def remove(top):
    """Once the processes are gone."""
    for path, _, _ in os.walk(top, topdown=False):
        os.rmdir(path)


def make(stack, folder):
    """An empty group below which the test makes its own; removed with the stack, like what is mounted on the folder."""
    if subprocess.run(["mount", "-t", "cgroup2", "cgroup2", folder], stderr=subprocess.DEVNULL).returncode:
        raise unittest.SkipTest("no second view of the unified hierarchy of control groups")
    stack.callback(subprocess.run, ["umount", folder], check=True)
    top = pathlib.Path(folder + own_group()) / f"tcpdiag-test-{os.getpid()}"
    try:
        top.mkdir()
    except OSError as error:
        raise unittest.SkipTest(f"no control group of its own: {error}") from None
    stack.callback(remove, top)
    return top
