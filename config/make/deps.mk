# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian packages. `deps` and `deps-test` ask dpkg first and do nothing when all is there. Programs that would
# bring a service along (Prometheus, nginx) are unpacked into the build folder, never installed.

DEPS_BUILD = gcc make pkg-config libc6-dev libmicrohttpd-dev libjansson-dev libmnl-dev libsystemd-dev \
	libyaml-dev libseccomp-dev libcap-dev zlib1g-dev \
	$(if $(filter 0,$(BPF)),,libbpf-dev clang bpftool)
DEPS_TEST = $(DEPS_BUILD) check clang clang-format clang-tidy cppcheck libclang-rt-14-dev shellcheck \
	mandoc python3 iproute2 nftables curl openssl systemd procps \
	chromium-headless-shell fonts-dejavu-core
# Unpacked only: they come with services.
DEPS_UNPACK = prometheus nginx nginx-common
# Unpacked too, with what of theirs this machine lacks: the programs of the zoo (tests/system/zoo).
DEPS_ZOO = haproxy postgresql-15 postgresql-client-15 libpq5 openjdk-17-jre-headless libhttpclient-java \
	libeclipse-jdt-core-java python3-gunicorn python3-urllib3 python3-websockets openssh-server openssh-client \
	wrk nghttp2-client netcat-openbsd

# What is built belongs to whoever called sudo, where that user may write here at all. setpriv, not sudo,
# keeps make's own variables and its job server.
as_user = setpriv --reuid=$(1) --regid=$(shell id -g $(1)) --init-groups env HOME='$(shell getent passwd $(1) | cut -d: -f6)'
may_write = $(shell $(call as_user,$(1)) test -w . -a \( ! -e $(O) -o -w $(O) \) && echo yes)
BEHIND_SUDO := $(if $(filter 0,$(shell id -u)),$(filter-out root,$(SUDO_USER)))
BEHIND_SUDO := $(if $(BEHIND_SUDO),$(if $(call may_write,$(BEHIND_SUDO)),$(BEHIND_SUDO)))
AS_USER := $(if $(BEHIND_SUDO),$(call as_user,$(BEHIND_SUDO)))

missing = $(shell for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q '^install ok installed' || echo $$p; done)

define install_missing
	@missing="$(call missing,$(1))"; [ -z "$$missing" ] || { \
		[ "$$(id -u)" = 0 ] || { echo "not installed: $$missing" >&2; \
			echo "run: sudo make $@" >&2; exit 1; }; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq -o APT::Update::Error-Mode=any update && \
		apt-get -qq -y --no-install-recommends install $$missing; }
endef

.PHONY: deps deps-test deps-zoo
deps:
	$(call install_missing,$(DEPS_BUILD))

deps-test: $(O)/tools/.unpacked $(O)/tools/zoo/.unpacked
	$(call install_missing,$(DEPS_TEST))

deps-zoo: $(O)/tools/.unpacked $(O)/tools/zoo/.unpacked

# unpack,PACKAGES,FOLDER: PACKAGES may be a command, which knows them once the lists are there. apt-get as root
# drops to its own user for the download, which must be able to write there.
define unpack
	$(AS_USER) mkdir -p $(2)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && chmod 755 "$$dir" && \
		download() { (cd "$$dir" && packages=$$(echo $(1)) && \
			apt-get -qq -o APT::Sandbox::User=root download $$packages); } && \
		{ download || { { [ "$$(id -u)" != 0 ] || apt-get -qq update; } && download; }; } && \
		for deb in "$$dir"/*.deb; do dpkg-deb -x "$$deb" $(2) || exit 1; done && \
		touch $(2)/.unpacked && { [ -z "$(BEHIND_SUDO)" ] || chown -R $(BEHIND_SUDO): $(2); }
endef

$(O)/tools/.unpacked: config/make/deps.mk
	$(call unpack,$(DEPS_UNPACK),$(O)/tools)

# What apt would install or raise besides them; links to /etc stay inside.
zoo_packages = $(DEPS_ZOO) $$(apt-get -s --no-upgrade --no-install-recommends install $(DEPS_ZOO) | sed -n 's/^Inst \([^ ]*\).*/\1/p')

$(O)/tools/zoo/.unpacked: config/make/deps.mk
	$(call unpack,$(zoo_packages),$(O)/tools/zoo)
	@cd $(O)/tools/zoo && find . -type l -lname '/*' | while IFS= read -r link; do \
		target=$$(readlink "$$link"); [ ! -e ".$$target" ] || ln -sfrT ".$$target" "$$link"; done
