# SPDX-License-Identifier: GPL-2.0-or-later
# avm-sim: scenarios under each scheduler, scored against the best possible.

AVM_SIM_SOURCES := $(wildcard tests/sim/avm-sim/*.c)
AVM_SIM_OBJS := $(AVM_SIM_SOURCES:tests/sim/avm-sim/%.c=$(SIM_FAST)/avm-sim/%.o)
AVM_SIM_CFLAGS := $(SIM_FAST_CFLAGS) $(SIM_OWN_CFLAGS) -D_GNU_SOURCE \
    -Wno-missing-field-initializers -Itests/sim/avm-sim

BUILD_TARGETS += build/avm-sim

$(AVM_SIM_OBJS): $(SIM_FAST)/avm-sim/%.o: tests/sim/avm-sim/%.c $(SIM_STUBS) \
    build/.deps
	@mkdir -p $(@D)
	$(CC) $(AVM_SIM_CFLAGS) -c -o $@ $<

build/avm-sim: $(AVM_SIM_OBJS) $(SIM_FAST_OBJS)
	$(CC) $(SIM_FAST_CFLAGS) -o $@ $^ -lyajl -lm

-include $(AVM_SIM_OBJS:.o=.d)
