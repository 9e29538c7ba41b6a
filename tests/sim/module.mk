# SPDX-License-Identifier: GPL-2.0-or-later
# The simulator: Xen's schedulers and ours, unmodified, over tests/sim/harness.h.

SIM_XEN ?= build/xen/src/xen
SIM_OUT := build/sim
SIM_OTHERS := null credit2
SIM_ACTIVITY := $(wildcard sched_activity/*.c)
SIM_SOURCES := $(wildcard tests/sim/*.c)

SIM_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    -Itests/sim -I$(SIM_OUT)/include -I$(SIM_OUT)/include/sched \
    -I$(SIM_OUT)/include/sched/activity -MMD -MP
SIM_OWN_CFLAGS := -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
    -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2

SIM_OBJS := $(SIM_SOURCES:tests/sim/%.c=$(SIM_OUT)/%.o) \
    $(SIM_ACTIVITY:sched_activity/%.c=$(SIM_OUT)/activity-%.o) \
    $(SIM_OTHERS:%=$(SIM_OUT)/xen-%.o) $(SIM_OUT)/xen-rbtree.o

UNIT_TESTS += $(SIM_OUT)/test-sched
SIM_STUBS := $(SIM_OUT)/include/.stamp

$(SIM_STUBS): tests/sim/stubs $(SIM_ACTIVITY) $(wildcard sched_activity/*.h) \
    build/xen/hypervisor.inputs
	tests/sim/stubs $(SIM_XEN) $(@D) $(SIM_ACTIVITY) \
	    $(wildcard sched_activity/*.h) $(SIM_XEN)/lib/rbtree.c \
	    $(SIM_OTHERS:%=$(SIM_XEN)/common/sched/%.c)
	touch $@

$(SIM_SOURCES:tests/sim/%.c=$(SIM_OUT)/%.o): $(SIM_OUT)/%.o: tests/sim/%.c \
    $(SIM_STUBS)
	$(CC) $(SIM_CFLAGS) $(SIM_OWN_CFLAGS) -c -o $@ $<

$(SIM_ACTIVITY:sched_activity/%.c=$(SIM_OUT)/activity-%.o): \
    $(SIM_OUT)/activity-%.o: sched_activity/%.c $(SIM_STUBS)
	$(CC) $(SIM_CFLAGS) -Wall -Werror -c -o $@ $<

$(SIM_OUT)/xen-rbtree.o: $(SIM_STUBS)
	$(CC) $(SIM_CFLAGS) -c -o $@ $(SIM_XEN)/lib/rbtree.c

$(SIM_OTHERS:%=$(SIM_OUT)/xen-%.o): $(SIM_OUT)/xen-%.o: $(SIM_STUBS)
	$(CC) $(SIM_CFLAGS) -c -o $@ $(SIM_XEN)/common/sched/$*.c

$(SIM_OUT)/test-sched: $(SIM_OBJS)
	$(CC) $(SIM_CFLAGS) -o $@ $^

-include $(SIM_OBJS:.o=.d)
