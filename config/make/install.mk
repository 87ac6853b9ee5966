# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units and the pkg-config file are filled in here, on their way to their place. What is built belongs to
# the user behind sudo; only what is installed belongs to root.

SBINDIR = $(PREFIX)/sbin
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include/tcpdiag
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/tcpdiagd
UNITDIR = $(LIBDIR)/systemd/system
CATALOGDIR = $(LIBDIR)/systemd/catalog
MODULESDIR = $(LIBDIR)/modules-load.d
CONFDIR = $(SYSCONFDIR)/tcpdiagd

INSTALL_HEADERS = $(sort $(wildcard include/tcpdiag/*.h))
INSTALL_RULES = $(sort $(wildcard docs/rules/*.md))
INSTALL_DOCS = $(sort $(wildcard README.md LICENSE* docs/*.md docs/*.yaml docs/*.conf))

# The default file needs no option; it may then be absent, too.
SERVICE_ARGUMENTS = $(if $(filter /etc,$(SYSCONFDIR)),, --config $(CONFDIR)/tcpdiagd.yaml)

define install_filled
sed -e 's|@SBINDIR@|$(SBINDIR)|g; s|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(VERSION)|g' \
	-e 's|@ARGUMENTS@|$(SERVICE_ARGUMENTS)|g' $(1) | install -D -m 644 /dev/stdin $(DESTDIR)$(2)
endef

# Where systemd runs and this is its machine, it shall know: units, and what journalctl -x explains.
define systemd_reload
if [ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || [ "$$(id -u)" != 0 ]; then \
	echo "on its machine: systemctl daemon-reload; journalctl --update-catalog"; \
else \
	systemctl daemon-reload; journalctl --update-catalog || true; \
fi
endef

.PHONY: install uninstall
install:
	$(AS_USER) $(MAKE) all
	install -D -m 755 $(O)/tcpdiagd $(DESTDIR)$(SBINDIR)/tcpdiagd
	install -D -m 644 $(O)/libtcpdiag.a $(DESTDIR)$(LIBDIR)/libtcpdiag.a
	install -D -m 644 -t $(DESTDIR)$(INCLUDEDIR) $(INSTALL_HEADERS)
	$(call install_filled,config/tcpdiag.pc.in,$(PKGCONFIGDIR)/tcpdiag.pc)
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 docs/tcpdiagd.8
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 docs/tcpdiagd.yaml.5
	install -D -m 644 -t $(DESTDIR)$(DOCDIR) $(INSTALL_DOCS) config/tcpdiagd.yaml
	install -D -m 644 -t $(DESTDIR)$(DOCDIR)/rules $(INSTALL_RULES)
	$(call install_filled,systemd/tcpdiagd.service.in,$(UNITDIR)/tcpdiagd.service)
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) systemd/tcpdiagd.socket
	install -D -m 644 -t $(DESTDIR)$(CATALOGDIR) systemd/tcpdiagd.catalog
	install -D -m 644 systemd/modules-load.conf $(DESTDIR)$(MODULESDIR)/tcpdiagd.conf
	@if [ -e $(DESTDIR)$(CONFDIR)/tcpdiagd.yaml ]; then \
		echo "kept: $(DESTDIR)$(CONFDIR)/tcpdiagd.yaml"; \
	else \
		install -D -m 644 config/tcpdiagd.yaml $(DESTDIR)$(CONFDIR)/tcpdiagd.yaml; \
	fi
	@$(systemd_reload)

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/tcpdiagd $(DESTDIR)$(LIBDIR)/libtcpdiag.a \
		$(DESTDIR)$(PKGCONFIGDIR)/tcpdiag.pc $(DESTDIR)$(MANDIR)/man8/tcpdiagd.8 \
		$(DESTDIR)$(MANDIR)/man5/tcpdiagd.yaml.5 $(DESTDIR)$(UNITDIR)/tcpdiagd.service \
		$(DESTDIR)$(UNITDIR)/tcpdiagd.socket $(DESTDIR)$(MODULESDIR)/tcpdiagd.conf \
		$(DESTDIR)$(CATALOGDIR)/tcpdiagd.catalog
	rm -rf $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(DOCDIR)
	@$(systemd_reload)
