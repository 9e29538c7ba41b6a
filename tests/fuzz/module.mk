# SPDX-License-Identifier: GPL-2.0-or-later
# Each fuzz-*.c is a libFuzzer harness; here driver.c runs it for some seconds.
# With clang the same sources and -fsanitize=fuzzer instead of driver.c.

FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_LIBAVM_SRC := libavm/src/params.c $(wildcard libavm/src/json/*.c) libavm/src/words.c \
    libavm/src/config.c $(wildcard libavm/src/core/*.c)

UNIT_TESTS += $(FUZZERS:%=build/test/fuzz/%)

# The parsers of libavm are to be seen by the sanitizers as well.
$(FUZZERS:%=build/test/fuzz/%): build/test/fuzz/%: tests/fuzz/%.c \
    tests/fuzz/driver.c tests/fuzz/fuzz.h dom0-agent/conf.c \
    dom0-agent/request.c dom0-agent/conf.h dom0-agent/request.h \
    $(FUZZ_LIBAVM_SRC)
	@mkdir -p $(@D)
	$(CC) $(AGENT_CFLAGS) -Idom0-agent -Ilibavm/src $(AGENT_SAN) -MF $@.d \
	    -o $@ $(filter %.c,$^) -lyajl
