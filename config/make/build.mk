# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each floor is its own archive. A program or a test links its floor and those below it, so that a call
# upwards does not link.

PKGS = libmicrohttpd jansson libmnl libsystemd yaml-0.1 libseccomp libcap zlib $(if $(BPF_SOURCES),libbpf)

FLOORS = model rules kernel collector web daemon

# With BPF=0 one file says that there is none, and neither clang, bpftool nor libbpf is needed.
BPF_SOURCES = $(if $(filter 0,$(BPF)),,$(wildcard src/kernel/bpf/*.bpf.c))
LEFT_OUT = $(if $(BPF_SOURCES),src/kernel/bpf_none.c, \
	$(filter-out src/kernel/bpf_none.c,$(wildcard src/kernel/bpf.c src/kernel/bpf_*.c)))

# What each floor needs besides libc, and which floors are below it.
LIBS_model =
LIBS_rules = -lm
LIBS_kernel = $(call pkg_libs,libmnl jansson $(if $(BPF_SOURCES),libbpf))
LIBS_collector = $(call pkg_libs,libsystemd) -lm
LIBS_web = $(call pkg_libs,libmicrohttpd jansson libsystemd libseccomp libcap zlib) -lm
LIBS_daemon = $(call pkg_libs,jansson libsystemd yaml-0.1 libcap)
BELOW_model =
BELOW_rules = model
BELOW_kernel = model
BELOW_collector = kernel rules model
BELOW_web = rules model
BELOW_daemon = web collector kernel rules model

pkg_libs = $(if $(1),$(shell pkg-config --libs $(1) 2>/dev/null))

# The archives and libraries that code on floor $(1) may link.
floor_archives = $(foreach f,$(1) $(BELOW_$(1)),$(O)/lib$(f).a)
floor_libs = $(foreach f,$(1) $(BELOW_$(1)),$(LIBS_$(f)))

WARNINGS = -Wall -Wextra -Wpedantic -Wno-gnu-statement-expression -Wshadow -Wundef -Wformat=2 \
	-Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings \
	-Wcast-qual -Wvla -Wdouble-promotion -Wimplicit-fallthrough -Wnull-dereference \
	-Wno-missing-field-initializers -Wno-unknown-warning-option
ifeq ($(findstring clang,$(CC)),)
WARNINGS += -Wlogical-op -Wduplicated-cond -Wno-pedantic
else
WARNINGS += -Wno-gnu-zero-variadic-macro-arguments -Wno-gnu-binary-literal -Wno-pedantic
endif

# Without optimization it does nothing but warn; the user's own level would be a redefinition.
FORTIFY = $(if $(SAN)$(filter -O0,$(CFLAGS))$(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,-D_FORTIFY_SOURCE=2)

BASE_CFLAGS = -std=gnu17 -O2 -g -fno-strict-aliasing -fstack-protector-strong -fPIE \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) $(FORTIFY) \
	$(WARNINGS) $(if $(WERROR),-Werror)
BASE_CPPFLAGS = -D_GNU_SOURCE -DTCPDIAGD_VERSION='"$(VERSION)"' -Iinclude -Isrc \
	$(if $(BPF_SOURCES),-isystem $(BPF_O))
BASE_LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))

# The user's flags come last; none of them is needed. Some of them (-flto, -fsanitize) must be seen at
# the link, too.
COMPILE = $(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP
LINK = $(CC) $(BASE_LDFLAGS) $(CFLAGS) $(LDFLAGS)

# <linux/types.h> wants <asm/types.h> of some machine.
BPF_O = $(O)/bpf
# Not in everybody's PATH.
BPFTOOL = PATH="$$PATH:/usr/sbin:/sbin" bpftool
BPF_COMPILE = clang -target bpf -std=gnu17 -O2 -g -Wall -Wextra -Werror -Isrc \
	-idirafter /usr/include/$(shell gcc -print-multiarch 2>/dev/null || $(CC) -print-multiarch)

Q = $(if $(V),,@)
# Silent with make -s, the command itself with V=1.
say = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,printf '  %-6s %s\n' $(1) $(2);))

# A change of compiler or flags rebuilds everything: objects depend on this file.
STAMP = $(O)/.flags
FLAGS_NOW = $(COMPILE) | $(LINK) | $(BPF_COMPILE)
ifneq ($(file <$(STAMP)),$(FLAGS_NOW))
.PHONY: $(STAMP)
endif
$(STAMP):
	@mkdir -p $(@D) && printf '%s' '$(subst ','\'',$(FLAGS_NOW))' >$@

sources = $(filter-out $(LEFT_OUT),$(sort $(wildcard src/$(1)/*.c)))
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))

$(O)/obj/%.o: %.c $(STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -c -o $@ $<

# What is not C stands in the program as it is: src/FLOOR/X/*.S name the files beside them.
embedded = $(patsubst %.S,$(O)/obj/%.o,$(sort $(wildcard src/$(1)/*/*.S)))
$(O)/obj/%.o: %.S $(STAMP)
	@mkdir -p $(@D)
	$(call say,AS,$<)$(COMPILE) -c -o $@ $<
$(O)/obj/src/web/page/assets.o: $(wildcard $(addprefix src/web/page/*.,html css js))

# BPF programs: compiled, linked (which drops what only a debugger needs), made into a header that holds the
# bytes.
BPF_SKELETONS = $(patsubst src/kernel/bpf/%.bpf.c,$(BPF_O)/%.skel.h,$(BPF_SOURCES))
$(BPF_O)/%.o: src/kernel/bpf/%.bpf.c $(wildcard src/kernel/bpf/*.h) $(STAMP)
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(BPF_COMPILE) -c -o $@ $<
$(BPF_O)/%.linked.o: $(BPF_O)/%.o
	$(Q)$(BPFTOOL) gen object $@ $<
$(BPF_O)/%.skel.h: $(BPF_O)/%.linked.o
	$(Q){ echo '/* NOLINTBEGIN */' && $(BPFTOOL) gen skeleton $< name $*_bpf && echo '/* NOLINTEND */'; } >$@
# System headers stand in no .d file: a changed program has its reader compiled anew.
$(filter $(O)/obj/src/kernel/bpf_%,$(call objects,$(call sources,kernel))): $(BPF_SKELETONS)

define floor_rule
$(O)/lib$(1).a: $(call objects,$(call sources,$(1))) $(call embedded,$(1))
	$$(call say,AR,$$@)rm -f $$@ && ar rcsD $$@ $$^
endef
$(foreach f,$(FLOORS),$(eval $(call floor_rule,$(f))))

# The public library: states, sockets, the oracle, the catalogue; libc only. One object, so that no name but
# the public ones gets in the way of a program that links it; what -flto makes is no object yet.
LIBTCPDIAG_SOURCES = src/model/state.c src/model/socket.c $(wildcard src/rules/outcome*.c src/rules/catalogue*.c)
define one_object
ld -r -o $(O)/obj/tcpdiag.o $^ && \
	objcopy --wildcard --keep-global-symbol='tcpdiag_*' $(O)/obj/tcpdiag.o && ar rcsD $@ $(O)/obj/tcpdiag.o
endef
$(O)/libtcpdiag.a: $(call objects,$(LIBTCPDIAG_SOURCES))
	$(call say,AR,$@)rm -f $@ && $(if $(findstring -flto,$(CFLAGS)),ar rcsD $@ $^,$(one_object))

$(O)/tcpdiagd: $(O)/obj/src/daemon/main.o $(call floor_archives,daemon)
	$(call say,LD,$@)$(LINK) -o $@ $^ $(sort $(call floor_libs,daemon))

all: $(O)/tcpdiagd $(O)/libtcpdiag.a

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
