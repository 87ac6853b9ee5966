#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Makefile, in a copy of the checkout: what is rebuilt and when, whose files, what is installed where."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import lib

NOBODY = 65534
# What `make install` puts below DESTDIR, besides the documents.
INSTALLED = """
etc/tcpdiagd/tcpdiagd.yaml
usr/local/include/tcpdiag/outcome.h
usr/local/include/tcpdiag/rule.h
usr/local/include/tcpdiag/socket.h
usr/local/include/tcpdiag/state.h
usr/local/lib/libtcpdiag.a
usr/local/lib/modules-load.d/tcpdiagd.conf
usr/local/lib/pkgconfig/tcpdiag.pc
usr/local/lib/systemd/catalog/tcpdiagd.catalog
usr/local/lib/systemd/system/tcpdiagd.service
usr/local/lib/systemd/system/tcpdiagd.socket
usr/local/sbin/tcpdiagd
usr/local/share/man/man5/tcpdiagd.yaml.5
usr/local/share/man/man8/tcpdiagd.8
""".split()
TARGETS = ["run", "check", "install", "uninstall", "check-unit", "check-fuzz", "conformance", "check-system", "zoo",
           "bench", "fuzz", "lint", "format", "openapi", "docs", "deps", "deps-test", "deps-zoo", "clean"]
# For each floor a function of one that is not below it.
UPWARD = {
    "model": ("rules", "int tcpdiag_segment_name(int);", "tcpdiag_segment_name(0)"),
    "rules": ("kernel", "int sock_diag_stats(void *);", "sock_diag_stats(0)"),
    "kernel": ("collector", "int collector_poll(void *);", "collector_poll(0)"),
    "collector": ("web", "int metrics_print(void *);", "metrics_print(0)"),
    "web": ("kernel", "int sock_diag_stats(void *);", "sock_diag_stats(0)"),
}
PROGRAM = r"""
#include <errno.h>
#include <stdio.h>
#include <tcpdiag/outcome.h>
#include <tcpdiag/rule.h>
#include <tcpdiag/state.h>

int main(void)
{
	printf("%s %s\n", tcpdiag_state_name(TCPDIAG_ESTABLISHED), tcpdiag_segment_name(TCPDIAG_SEGMENT_RST));
	return 0;
}
"""


class Make(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="tcpdiag-make-")))
        os.chmod(cls.folder, 0o755)
        cls.copy = cls.folder / "copy"
        # With what is built: times are kept, so nothing is built anew as long as nothing changes.
        shutil.copytree(lib.TOP, cls.copy, symlinks=True,
                        ignore=lambda folder, names: [name for name in names if name in (".git", "__pycache__")
                                                      or pathlib.Path(folder) == lib.TOP and name.startswith("build")])
        (cls.copy / "build").mkdir()
        shutil.copytree(lib.BUILD / "obj", cls.copy / "build/obj")
        for file in (*lib.BUILD.glob("lib*.a"), lib.BUILD / "tcpdiagd", lib.BUILD / ".flags"):
            shutil.copy2(file, cls.copy / "build")
        cls.make("all")

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @classmethod
    def try_make(cls, *arguments, env=None, timeout=240):
        """make in the copy, without the variables and the job server of the make that runs the tests."""
        passed = ["WERROR=1"] if "-Werror" in (lib.BUILD / ".flags").read_text() else []
        clean = {k: v for k, v in os.environ.items()
                 if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "O", "SUDO_USER", "SUDO_UID",
                              "SUDO_GID")}
        return subprocess.run(["make", "-j2", *passed, *arguments], cwd=cls.copy, env={**clean, **(env or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, check=False)

    @classmethod
    def make(cls, *arguments, **more):
        done = cls.try_make(*arguments, **more)
        if done.returncode:
            raise AssertionError(f"make {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}")
        return done.stdout

    @staticmethod
    def compiled(output):
        return set(re.findall(r"^  CC +(\S+)$", output, re.M))

    def files(self, folder):
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())

    def test_nothing_to_do(self):
        self.assertEqual(self.try_make("-q").returncode, 0)
        self.assertEqual(self.compiled(self.make("all")), set())

    def test_header(self):
        # A header rebuilds those that include it, by whatever way, and nobody else.
        header = "src/kernel/dump_file.h"
        using = {f"src/{path.parent.name}/{path.stem}.c" for path in (self.copy / "build/obj/src").rglob("*.d")
                 if header in path.read_text()}
        self.assertIn("src/kernel/dump_file.c", using)
        os.utime(self.copy / header)
        self.assertEqual(self.compiled(self.make("all")), using)
        self.assertEqual(self.try_make("-q").returncode, 0)

    def test_page(self):
        # What the assembler takes in stands in no .d file.
        for name in ("page.html", "page.css", "ask.js", "list.h"):
            os.utime(self.copy / "src/web/page" / name)
            output = self.make("all")
            self.assertEqual(re.findall(r"^  AS +(\S+)$", output, re.M), ["src/web/page/assets.S"], name)
            self.assertEqual(self.compiled(output), {"src/web/assets.c"} if name == "list.h" else set(), name)
        self.assertEqual(self.try_make("-q").returncode, 0)

    def test_flags(self):
        model = {f"src/model/{path.name}" for path in (self.copy / "src/model").glob("*.c")}
        output = self.make("CFLAGS=-O1 -DSOMETHING", "V=1", "build/libmodel.a")
        self.assertEqual(len(re.findall(r"-O1 -DSOMETHING .*-c -o", output)), len(model))
        self.assertEqual(self.compiled(self.make("CFLAGS=-O1 -DSOMETHING", "build/libmodel.a")), set())
        self.assertEqual(self.compiled(self.make("build/libmodel.a")), model)
        # Given, but empty, they are what they were.
        self.assertEqual(self.compiled(self.make("CFLAGS=", "LDFLAGS=", "CPPFLAGS=", "build/libmodel.a")), set())
        self.make("all")

    def test_users_flags_do_not_break_it(self):
        folder = self.folder / "other"
        output = self.make(f"O={folder}", "CFLAGS=-O0", "LDFLAGS=-Wl,-O1", "WERROR=1", "all")
        self.assertIn(f"LD     {folder}/tcpdiagd", output)
        self.assertTrue((folder / "libtcpdiag.a").exists())
        version = subprocess.run([folder / "tcpdiagd", "--version"], capture_output=True, text=True, check=True)
        self.assertIn((self.copy / "config/version").read_text().strip(), version.stdout)
        # Elsewhere means that nothing is left here.
        self.assertEqual(self.try_make("-q").returncode, 0)
        for flags in ("-D_FORTIFY_SOURCE=3 -O3", "-flto", "-fsanitize=undefined"):
            with self.subTest(flags):
                self.make(f"O={folder}", f"CFLAGS={flags}", "WERROR=1", f"{folder}/libmodel.a",
                          f"{folder}/tests/unit/model/test_state")

    def test_help(self):
        output = self.make("help")
        known = {name for file in (self.copy / "Makefile", *(self.copy / "config/make").glob("*.mk"))
                 for line in re.findall(r"^\.PHONY:(.*)$", file.read_text(), re.M) for name in line.split()}
        for target in TARGETS:
            self.assertRegex(output, rf"make {target}\b")
            self.assertIn(target, known)
        for variable in ("O=", "SAN=", "V=1", "WERROR=1", "CFLAGS", "PREFIX", "DESTDIR"):
            self.assertIn(variable, output)

    def test_install(self):
        destination = self.folder / "root"
        self.make("install", f"DESTDIR={destination}")
        documents = [path.name for pattern in ("README.md", "LICENSE*", "docs/*.md", "docs/*.yaml", "docs/*.conf",
                                               "config/*.yaml") for path in self.copy.glob(pattern)]
        documents += [f"rules/{path.name}" for path in self.copy.glob("docs/rules/*.md")]
        self.assertLessEqual({"README.md", "LICENSE", "operation.md", "rules/close-fin.md", "without-sys-admin.conf", "tcpdiagd.yaml"},
                             set(documents))
        self.assertEqual(self.files(destination),
                         sorted(INSTALLED + [f"usr/local/share/doc/tcpdiagd/{name}" for name in documents]))
        for line in (destination / "usr/local/lib/systemd/system/tcpdiagd.service").read_text().splitlines():
            self.assertNotIn("@", line.removeprefix("SystemCallFilter=").removeprefix("~").replace("@system-service", "")
                             .replace("@resources @privileged", ""), "not filled in")
        self.assertIn("ExecStart=/usr/local/sbin/tcpdiagd\n",
                      (destination / "usr/local/lib/systemd/system/tcpdiagd.service").read_text())
        # A configuration that is there stays.
        config = destination / "etc/tcpdiagd/tcpdiagd.yaml"
        config.write_text("interval: 2s\n")
        self.assertIn("kept", self.make("install", f"DESTDIR={destination}"))
        self.assertEqual(config.read_text(), "interval: 2s\n")
        self.make("uninstall", f"DESTDIR={destination}")
        self.assertEqual(self.files(destination), ["etc/tcpdiagd/tcpdiagd.yaml"])

    def test_install_elsewhere(self):
        destination = self.folder / "elsewhere"
        self.make("install", f"DESTDIR={destination}", "PREFIX=/opt/t", "SYSCONFDIR=/opt/t/etc")
        self.assertEqual({name.split("/")[0] + "/" + name.split("/")[1] for name in self.files(destination)}, {"opt/t"})
        self.assertIn("ExecStart=/opt/t/sbin/tcpdiagd --config /opt/t/etc/tcpdiagd/tcpdiagd.yaml\n",
                      (destination / "opt/t/lib/systemd/system/tcpdiagd.service").read_text())

    def test_library_for_others(self):
        destination = self.folder / "library"
        self.make("install", f"DESTDIR={destination}")
        env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(destination),
               "PKG_CONFIG_PATH": str(destination / "usr/local/lib/pkgconfig")}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "tcpdiag"], env=env, capture_output=True, text=True,
                               check=True).stdout.split()
        (self.folder / "program.c").write_text(PROGRAM)
        for standard in ("-std=c11", "-std=gnu17"):
            subprocess.run(["gcc", standard, "-Wall", "-Wextra", "-Werror", "-o", self.folder / "program",
                            self.folder / "program.c", *flags], check=True)
        said = subprocess.run([self.folder / "program"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(said, "established rst\n")
        needed = subprocess.run(["readelf", "--dynamic", self.folder / "program"], capture_output=True, text=True,
                                check=True).stdout
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", needed), ["libc.so.6"])
        # Nothing of the library needs more than libc, and it exports only names of its own.
        symbols = subprocess.run(["nm", "--defined-only", "--extern-only", destination / "usr/local/lib/libtcpdiag.a"],
                                 capture_output=True, text=True, check=True).stdout
        names = set(re.findall(r"^[0-9a-f]+ \w (\w+)$", symbols, re.M))
        self.assertIn("tcpdiag_outcome", names)
        self.assertEqual({name for name in names if not name.startswith("tcpdiag_")}, set())

    def test_behind_sudo(self):
        folder = self.folder / "sudo"
        shutil.copytree(self.copy, folder, symlinks=True)
        subprocess.run(["chown", "-R", "nobody:", folder], check=True)
        os.utime(folder / "src/model/state.c")
        done = self.try_make("-C", str(folder), "run", "ARGS=--version; id -u",
                             env={"SUDO_USER": "nobody", "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)})
        self.assertEqual(done.returncode, 0, done.stdout)
        # Built as that user, run as root.
        self.assertIn("src/model/state.c", self.compiled(done.stdout))
        self.assertRegex(done.stdout, r"\ntcpdiagd \d.*\n0\n")
        roots = [str(path) for path in folder.rglob("*") if path.lstat().st_uid != NOBODY]
        self.assertEqual(roots, [])

    def test_floors_cannot_call_upwards(self):
        for floor, (above, declaration, call) in UPWARD.items():
            with self.subTest(floor):
                function = call.partition("(")[0]
                symbols = subprocess.run(["nm", self.copy / f"build/lib{above}.a"], capture_output=True, text=True,
                                         check=True).stdout
                self.assertTrue(re.search(rf" T {function}$", symbols, re.M), f"{function} is gone from {above}")
                test = self.copy / f"tests/unit/{floor}/test_upward.c"
                test.write_text(f'#include "../harness.h"\n{declaration}\n'
                                f'Suite *suite(void)\n{{\n\treturn {call} ? suite_create("upward") : NULL;\n}}\n')
                try:
                    done = self.try_make(f"build/tests/unit/{floor}/test_upward")
                finally:
                    test.unlink()
                self.assertNotEqual(done.returncode, 0, f"{floor} can call {above}")
                self.assertIn(f"undefined reference to `{function}'", done.stdout)


if __name__ == "__main__":
    lib.main()
