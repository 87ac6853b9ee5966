# SPDX-License-Identifier: LGPL-2.1-or-later

C_FILES := $(sort $(shell git ls-files '*.c' '*.h' 2>/dev/null || find include src tests -name '*.[ch]'))
# BPF programs are for another machine, which neither linter knows; their compiler warns instead.
C_SOURCES = $(filter-out $(LEFT_OUT) %.bpf.c,$(filter src/%.c,$(C_FILES)))
TIDY_CHECKED = $(patsubst %.c,$(O)/tidy/%.ok,$(C_SOURCES))

.PHONY: lint lint-format lint-cppcheck lint-tidy lint-rest format
lint: lint-format lint-cppcheck lint-tidy lint-rest

lint-format:
	@clang-format --dry-run -Werror $(C_FILES)

format:
	clang-format -i $(C_FILES)

lint-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j 2 \
		--enable=warning,performance,portability --suppressions-list=config/cppcheck.txt \
		-D_GNU_SOURCE -D__x86_64__ -DTCPDIAGD_VERSION='"x"' -Iinclude -Isrc -isrc/kernel/bpf src

# One result a file, so that only what changed is looked at again, or all of it after a header did.
lint-tidy: $(TIDY_CHECKED)
$(O)/tidy/%.ok: %.c .clang-tidy $(filter %.h,$(C_FILES)) | $(BPF_SKELETONS)
	@mkdir -p $(@D)
	$(call say,TIDY,$<)clang-tidy --quiet --warnings-as-errors='*' $< -- $(BASE_CPPFLAGS) -std=gnu17 2>$(@:.ok=.log) || \
		{ cat $(@:.ok=.log) >&2; exit 1; }
	@touch $@

lint-rest:
	@config/lint
