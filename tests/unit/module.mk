# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of libavm, with the library compiled anew under the sanitizers.
# (Those of the agent are in dom0-agent/module.mk.)

UNIT_OUT := build/test/unit
UNIT_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer
UNIT_AVM_TESTS := $(patsubst tests/unit/%.c,$(UNIT_OUT)/%,\
    $(wildcard tests/unit/test-core-*.c tests/unit/test-edge-*.c))
UNIT_AVM_OBJ := $(patsubst libavm/src/%.c,$(UNIT_OUT)/libavm/%.o,\
    $(wildcard libavm/src/*.c libavm/src/*/*.c))

UNIT_TESTS += $(UNIT_AVM_TESTS)

$(UNIT_OUT)/libavm/%.o: libavm/src/%.c libavm/module.mk | build/.deps
	@mkdir -p $(@D)
	$(CC) $(LIBAVM_CFLAGS) $(UNIT_SAN) -MMD -MP -c -o $@ $<

$(UNIT_OUT)/libavm.a: $(UNIT_AVM_OBJ)
	rm -f $@
	ar rcs $@ $^

$(UNIT_AVM_TESTS): $(UNIT_OUT)/%: tests/unit/%.c $(UNIT_OUT)/libavm.a
	@mkdir -p $(@D)
	$(CC) $(LIBAVM_CFLAGS) $(UNIT_SAN) -MMD -MP -o $@ $< \
	    $(UNIT_OUT)/libavm.a $(LIBAVM_LIBS) -lcmocka

# How much the agent takes from the host: "make bench-agent".
build/test/bench-sample: tests/unit/bench-sample.c build/libavm/libavm.a
	@mkdir -p $(@D)
	$(CC) $(LIBAVM_CFLAGS) -MMD -MP -o $@ $< build/libavm/libavm.a \
	    $(LIBAVM_LIBS)

-include build/test/bench-sample.d
-include $(UNIT_AVM_OBJ:.o=.d) $(UNIT_AVM_TESTS:=.d)
