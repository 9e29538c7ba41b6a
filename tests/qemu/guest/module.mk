# SPDX-License-Identifier: GPL-2.0-or-later
# The workload program of the test guests (static: the guest has no libc), and
# the sampler that runs beside it in dom0.

GUEST_DIR     := tests/qemu/guest
GUEST_CFLAGS  := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow \
                 -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
WORKLOAD_SRCS := $(addprefix $(GUEST_DIR)/,workload.c wl-stats.c wl-cpu.c \
                 wl-periodic.c wl-net.c wl-disk.c)

build/guest/workload: $(WORKLOAD_SRCS) $(GUEST_DIR)/workload.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -static -o $@ $(WORKLOAD_SRCS) -lm

build/guest/sampler: $(GUEST_DIR)/sampler.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $< -lxencall

BUILD_TARGETS += build/guest/workload build/guest/sampler
