# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tcpdiagd
#
#   sudo make run       install what the build needs, build, start the daemon in the foreground
#   sudo make check     install what the tests need, run every test
#
#   make                build everything into build/
#   make install        into PREFIX (/usr/local), with units, configuration and man pages; DESTDIR works
#   make uninstall      takes it away again, the configuration excepted
#   make check-unit     unit tests           make check-fuzz    replay of the fuzzers' corpora
#   make conformance    the oracle against the running kernel, watched by the daemon
#   make check-system   the real daemon: namespaces, systemd, Prometheus, a browser
#   make zoo            nginx, haproxy, PostgreSQL and others at work together for MINUTES=10: not one warning
#   make bench          what it costs, beside ss and a raw dump
#   make fuzz T=NAME    run one fuzzer (query, netlink, ...) for SECONDS=60
#   make lint           formatting, clang-tidy, cppcheck, shell, manuals, floors
#   make format         lets clang-format rewrite the sources
#   make docs           writes docs/rules, docs/openapi.yaml and systemd/tcpdiagd.catalog anew from the
#                       program's tables
#   make openapi        the latter alone
#   make deps           packages for the build      make deps-test   packages for the tests
#   make deps-zoo       the programs that the zoo is made of, unpacked into the build folder
#   make clean
#
# Variables: O=build (build folder), BPF=0 (without BPF: no clang, bpftool and libbpf), V=1 (show commands),
# SAN=address,undefined (sanitizers), WERROR=1, CC, CFLAGS, LDFLAGS (added to the project's own), PREFIX, DESTDIR, SYSCONFDIR=/etc.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

O ?= build
BPF ?= 1
SAN ?=
V ?=
WERROR ?=
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
ifeq ($(origin CC),default)
CC = gcc
endif

VERSION := $(shell cat config/version)

.PHONY: all
all:

include config/make/deps.mk
include config/make/build.mk
include config/make/test.mk
include config/make/lint.mk
include config/make/install.mk

.PHONY: help
help:
	@sed -n '3,/^$$/{s/^# \{0,1\}//p}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: deps
	$(AS_USER) $(MAKE) all
	$(O)/tcpdiagd $(ARGS)

.PHONY: clean
clean:
	rm -rf $(O)
