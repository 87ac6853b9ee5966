# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/unit/FLOOR/test_X.c is one program that links FLOOR and what is below it. tests/fuzz/fuzz_X.c is a
# libFuzzer target, linked here with a small main() that replays its corpus.

# Tests that run as root leave nothing in the user's checkout.
export PYTHONDONTWRITEBYTECODE = 1

CHECK_LIBS = $(call pkg_libs,check)

unit_sources = $(sort $(wildcard tests/unit/$(1)/test_*.c))
UNIT_TESTS = $(foreach f,$(FLOORS),$(patsubst tests/%.c,$(O)/tests/%,$(call unit_sources,$(f))))

# daemon's main() stays out of its tests.
define unit_rule
$(patsubst tests/%.c,$(O)/tests/%,$(call unit_sources,$(1))): $(O)/tests/unit/$(1)/%: \
		$(O)/obj/tests/unit/$(1)/%.o $(O)/obj/tests/unit/main.o $(call floor_archives,$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(LINK) -o $$@ $$^ $$(sort $$(call floor_libs,$(1))) $$(CHECK_LIBS)
endef
$(foreach f,$(FLOORS),$(eval $(call unit_rule,$(f))))

FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_REPLAYS = $(FUZZERS:%=$(O)/tests/fuzz/replay_%)

$(FUZZ_REPLAYS): $(O)/tests/fuzz/replay_%: $(O)/obj/tests/fuzz/fuzz_%.o $(O)/obj/tests/fuzz/replay.o \
		$(call floor_archives,daemon)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(LINK) -o $@ $^ $(sort $(call floor_libs,daemon))

# Helpers of the scripted tests, one program a file.
tools = $(patsubst tests/%.c,$(O)/tests/%,$(sort $(wildcard $(1))))
# The oracle and the kernel's readers, nothing of the web or the daemon.
CONFORMANCE_TOOLS = $(call tools,tests/conformance/*.c)
$(CONFORMANCE_TOOLS): $(O)/tests/%: $(O)/obj/tests/%.o $(call floor_archives,collector)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(LINK) -o $@ $^ $(sort $(call floor_libs,collector) $(call pkg_libs,jansson))

OTHER_TOOLS = $(call tools,tests/bench/*.c tests/system/*.c)
TOOLS = $(CONFORMANCE_TOOLS) $(OTHER_TOOLS) $(BROKEN)
$(OTHER_TOOLS): $(O)/tests/%: $(O)/obj/tests/%.o $(call floor_archives,daemon)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(LINK) -o $@ $^ $(sort $(call floor_libs,daemon))

# The daemon with one rule of the oracle broken on purpose: tests/system/broken/SOURCE.NAME.sed changes one line of
# src/rules/SOURCE.c. The object stands before the archives, so that its member there is not taken; all else is the same.
BROKEN = $(patsubst tests/system/broken/%.sed,$(O)/tests/broken/%,$(sort $(wildcard tests/system/broken/*.sed)))
define broken_rule
$(O)/obj/broken/$(1).c: src/rules/$(basename $(1)).c tests/system/broken/$(1).sed
	@mkdir -p $$(@D)
	@sed -f tests/system/broken/$(1).sed $$< >$$@
	@[ "$$$$(diff $$< $$@ | grep -c '^>')" = 1 ] || { echo "$(1).sed does not change one line of $$<" >&2; exit 1; }
endef
$(foreach b,$(notdir $(BROKEN)),$(eval $(call broken_rule,$(b))))

$(O)/obj/broken/%.o: $(O)/obj/broken/%.c $(STAMP)
	$(call say,CC,$<)$(COMPILE) -c -o $@ $<

$(BROKEN): $(O)/tests/broken/%: $(O)/obj/broken/%.o $(O)/obj/src/daemon/main.o $(call floor_archives,daemon)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(LINK) -o $@ $^ $(sort $(call floor_libs,daemon))

.PHONY: build-tests check check-unit check-fuzz check-system conformance bench fuzz check-here zoo
build-tests: all $(UNIT_TESTS) $(FUZZ_REPLAYS) $(TOOLS)

check-unit: $(UNIT_TESTS)
	@O=$(O) tests/unit/run $(UNIT_TESTS)

# Unit tests compare these; after a change of a route, a parameter, a field or a rule they are written anew.
.PHONY: openapi docs
openapi: $(O)/tests/unit/web/test_openapi
	TCPDIAGD_WRITE_DOCS=1 $<

docs: openapi $(O)/tests/unit/web/test_rule_documents $(O)/tests/unit/rules/test_message
	TCPDIAGD_WRITE_DOCS=1 $(O)/tests/unit/web/test_rule_documents
	TCPDIAGD_WRITE_DOCS=1 $(O)/tests/unit/rules/test_message

check-fuzz: $(FUZZ_REPLAYS)
	@set -e; for f in $(FUZZERS); do $(O)/tests/fuzz/replay_$$f tests/fuzz/corpus/$$f; done

# RANDOM=N walks, whose numbers begin with SEED; FULL=1: every kind of reference in every cell. The daemon watches.
conformance: $(CONFORMANCE_TOOLS) $(O)/tcpdiagd
	@O=$(O) tests/conformance/audited $(RANDOM:%=--random %) $(SEED:%=--seed %) $(FULL:%=--full) $(ARGS)

check-system: all $(TOOLS)
	@O=$(O) tests/system/run $(ARGS)

# Real programs of Debian together, none of them sick, for MINUTES=10; what was seen is printed.
MINUTES ?= 10
zoo: all deps-zoo
	@cd tests/system && O=$(O) python3 -m zoo.visit $(MINUTES) $(ARGS)

bench: all $(TOOLS)
	@O=$(O) tests/bench/run $(ARGS)

# Everything, with what it needs. Built as the user behind sudo, run as root where a test needs that.
check: deps-test
	$(AS_USER) $(MAKE) build-tests
	$(MAKE) check-here

check-here: check-unit check-fuzz conformance check-system

# libFuzzer: T=NAME SECONDS=60; new inputs go to the build folder, not to the corpus.
SECONDS ?= 60
FUZZ_O = $(O)/libfuzzer
fuzz:
	@[ -n "$(T)" ] || { echo "usage: make fuzz T=NAME, one of: $(FUZZERS)" >&2; exit 2; }
	@$(MAKE) O=$(FUZZ_O) CC=clang SAN=address,undefined,fuzzer-no-link $(FUZZ_O)/tests/fuzz/fuzz_$(T)
	@mkdir -p $(FUZZ_O)/new/$(T)
	$(FUZZ_O)/tests/fuzz/fuzz_$(T) -max_total_time=$(SECONDS) $(FUZZ_O)/new/$(T) tests/fuzz/corpus/$(T)

$(FUZZERS:%=$(O)/tests/fuzz/fuzz_%): $(O)/tests/fuzz/fuzz_%: $(O)/obj/tests/fuzz/fuzz_%.o $(call floor_archives,daemon)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(LINK) -fsanitize=fuzzer -o $@ $^ $(sort $(call floor_libs,daemon))
