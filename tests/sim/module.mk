# SPDX-License-Identifier: GPL-2.0-or-later
# The simulator: Xen's scheduler core, its schedulers and ours, unmodified, over
# tests/sim/harness.h. Built three times: checked, with the sanitizers, for the
# tests of schedulers; checked, without them, for tests that take hours; fast, for
# programs that simulate whole hosts.

SIM_XEN ?= build/xen/src/xen
SIM_OUT := build/sim
SIM_QUICK := build/sim-quick
SIM_FAST := build/sim-fast
SIM_XEN_SOURCES := $(addprefix $(SIM_XEN)/,lib/rbtree.c common/notifier.c \
    $(addprefix common/sched/,core.c cpupool.c credit.c credit2.c null.c rt.c))
SIM_ACTIVITY := $(wildcard sched_activity/*.c)
SIM_CORE := boot domains events harness pcpu pools queue time
SIM_TESTS := audit calm cap check check-reserve control directed evidence failing \
    gang inherit operations paths pinned random reserve shrink test-sched work

SIM_INCLUDE := -Itests/sim -I$(SIM_OUT)/include -I$(SIM_OUT)/include/sched \
    -I$(SIM_OUT)/include/sched/activity
SIM_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    $(SIM_INCLUDE) -MMD -MP
SIM_QUICK_CFLAGS := -std=gnu11 -O2 -g $(SIM_INCLUDE) -MMD -MP
SIM_FAST_CFLAGS := -std=gnu11 -O2 -g -DSIM_FAST $(SIM_INCLUDE) -MMD -MP
SIM_OWN_CFLAGS := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
    -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2

# Names of all objects but those of tests, without directory.
SIM_NAMES := $(SIM_CORE) \
    $(SIM_ACTIVITY:sched_activity/%.c=activity-%) \
    $(patsubst %.c,xen-%,$(notdir $(SIM_XEN_SOURCES)))
SIM_OBJS := $(addsuffix .o,$(addprefix $(SIM_OUT)/,$(SIM_NAMES) $(SIM_TESTS)))
# audit.c listens.
SIM_WRAP := -Wl,--wrap=act_record_block -Wl,--wrap=act_cap_init \
    -Wl,--wrap=act_reserve_charge
# What a program has to link that is to simulate a host.
SIM_FAST_OBJS := $(SIM_NAMES:%=$(SIM_FAST)/%.o)

UNIT_TESTS += $(SIM_OUT)/test-sched
SIM_STUBS := $(SIM_OUT)/include/.stamp
include tests/sim/avm-sim/module.mk

$(SIM_OUT) $(SIM_QUICK) $(SIM_FAST):
	mkdir -p $@

$(SIM_STUBS): tests/sim/stubs $(SIM_ACTIVITY) $(wildcard sched_activity/*.h) \
    build/xen/hypervisor.inputs
	tests/sim/stubs $(SIM_XEN) $(@D) $(SIM_ACTIVITY) \
	    $(wildcard sched_activity/*.h) $(SIM_XEN_SOURCES)
	touch $@

# They are there as soon as Xen is; what did not change keeps its time.
$(SIM_XEN_SOURCES): build/xen/hypervisor.inputs
	@:

# Xen has a function of this name, which is not what libc's callers mean.
$(SIM_OUT)/xen-core.o $(SIM_QUICK)/xen-core.o $(SIM_FAST)/xen-core.o: SIM_RENAME := -Dwait=xen_wait

# sim-rules DIRECTORY, CFLAGS
define sim-rules
$(1)/xen-%.o: $(SIM_XEN)/common/sched/%.c $(SIM_STUBS) | $(1)
	$$(CC) $(2) $$(SIM_RENAME) -c -o $$@ $$<
$(1)/xen-%.o: $(SIM_XEN)/common/%.c $(SIM_STUBS) | $(1)
	$$(CC) $(2) -c -o $$@ $$<
$(1)/xen-%.o: $(SIM_XEN)/lib/%.c $(SIM_STUBS) | $(1)
	$$(CC) $(2) -c -o $$@ $$<
$(1)/activity-%.o: sched_activity/%.c $(SIM_STUBS) | $(1)
	$$(CC) $(2) -Wall -Werror -c -o $$@ $$<
$(1)/%.o: tests/sim/%.c $(SIM_STUBS) | $(1)
	$$(CC) $(2) $(SIM_OWN_CFLAGS) -c -o $$@ $$<
endef
$(eval $(call sim-rules,$(SIM_OUT),$(SIM_CFLAGS)))
$(eval $(call sim-rules,$(SIM_QUICK),$(SIM_QUICK_CFLAGS)))
$(eval $(call sim-rules,$(SIM_FAST),$(SIM_FAST_CFLAGS)))

$(SIM_OUT)/test-sched: $(SIM_OBJS)
	$(CC) $(SIM_CFLAGS) $(SIM_WRAP) -o $@ $^ -lm

SIM_QUICK_OBJS := $(SIM_OBJS:$(SIM_OUT)/%=$(SIM_QUICK)/%)
$(SIM_QUICK)/test-sched: $(SIM_QUICK_OBJS)
	$(CC) $(SIM_WRAP) -o $@ $^ -lm

SIM_BENCH := $(SIM_FAST_OBJS) $(SIM_FAST)/work.o $(SIM_FAST)/bench-core.o
$(SIM_FAST)/bench-core: $(SIM_BENCH)
	$(CC) -o $@ $^

-include $(SIM_OBJS:.o=.d) $(SIM_QUICK_OBJS:.o=.d) $(SIM_BENCH:.o=.d)
