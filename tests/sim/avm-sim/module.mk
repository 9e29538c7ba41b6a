# SPDX-License-Identifier: GPL-2.0-or-later
# avm-sim: scenarios under each scheduler, scored against the best possible.
# build/avm-sim is for use; build/sim/avm-sim/checked, with the sanitizers, for its tests.

AVM_SIM_NAMES := $(patsubst tests/sim/avm-sim/%.c,avm-sim/%.o,\
    $(wildcard tests/sim/avm-sim/*.c))
AVM_SIM_CFLAGS := $(SIM_OWN_CFLAGS) -D_GNU_SOURCE \
    -Wno-missing-field-initializers -Itests/sim/avm-sim

BUILD_TARGETS += build/avm-sim
UNIT_TESTS += build/test/test-avm-sim

$(addprefix $(SIM_FAST)/,$(AVM_SIM_NAMES)): $(SIM_FAST)/avm-sim/%.o: \
    tests/sim/avm-sim/%.c $(SIM_STUBS) build/.deps
	@mkdir -p $(@D)
	$(CC) $(SIM_FAST_CFLAGS) $(AVM_SIM_CFLAGS) -c -o $@ $<

$(addprefix $(SIM_OUT)/,$(AVM_SIM_NAMES)): $(SIM_OUT)/avm-sim/%.o: \
    tests/sim/avm-sim/%.c $(SIM_STUBS) build/.deps
	@mkdir -p $(@D)
	$(CC) $(SIM_CFLAGS) $(AVM_SIM_CFLAGS) -c -o $@ $<

build/avm-sim: $(addprefix $(SIM_FAST)/,$(AVM_SIM_NAMES)) $(SIM_FAST_OBJS)
	$(CC) $(SIM_FAST_CFLAGS) -o $@ $^ -lyajl -lm

$(SIM_OUT)/avm-sim/checked: $(addprefix $(SIM_OUT)/,$(AVM_SIM_NAMES) \
    $(SIM_NAMES:%=%.o))
	$(CC) $(SIM_CFLAGS) -o $@ $^ -lyajl -lm

build/test/test-avm-sim: tests/sim/avm-sim/test-avm-sim build/avm-sim \
    $(SIM_OUT)/avm-sim/checked
	@mkdir -p $(@D)
	cp $< $@

-include $(addprefix $(SIM_FAST)/,$(AVM_SIM_NAMES:.o=.d)) \
    $(addprefix $(SIM_OUT)/,$(AVM_SIM_NAMES:.o=.d))
