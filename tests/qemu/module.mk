# SPDX-License-Identifier: GPL-2.0-or-later
# The images that xen-run boots, and the tests that run in them.

QEMU_DIR := tests/qemu

.SECONDEXPANSION:

# What goes into dom0 besides xl: every program and library that is built,
# except what runs in the guests.
DOM0_PROGRAMS = $(filter build/bin/% build/guest/sampler \
    build/libavm/libavm.so.%,$(BUILD_TARGETS))

$(DOM0)/base.cpio: $(QEMU_DIR)/dom0-base $(QEMU_DIR)/dom0-packages.txt \
    $(QEMU_DIR)/lib/extract-vmlinux
	$(SUDO) $(QEMU_DIR)/dom0-base $(DOM0)

build/guest/initrd.img: $(DOM0)/base.cpio build/guest/workload \
    $(QEMU_DIR)/guest-image $(QEMU_DIR)/guest/init \
    $(QEMU_DIR)/lib/guest-cmdline
	$(QEMU_DIR)/guest-image $(DOM0) build/guest/workload \
	    $(QEMU_DIR)/guest/init build/guest

$(DOM0)/overlay.cpio: build/guest/initrd.img $(XEN)/.tools \
    $(QEMU_DIR)/dom0-image $(shell find $(QEMU_DIR)/dom0-root -type f) \
    $$(DOM0_PROGRAMS)
	$(QEMU_DIR)/dom0-image $(DOM0) $(XEN)/dist build/guest \
	    $(DOM0_PROGRAMS)

# A scenario's own options stand in its "# xen-run:" line. toolstack is run by hand
# with tests/qemu/xen-run: what it measures is CPU time of guests that use both
# pCPUs, which needs a machine that does nothing else.
SCENARIOS := $(filter-out demo% bench% toolstack,$(patsubst $(QEMU_DIR)/scenarios/%.sh,%,\
    $(wildcard $(QEMU_DIR)/scenarios/*.sh)))
QEMU_TESTS += $(SCENARIOS)
$(foreach name,$(SCENARIOS),$(eval QEMU_TEST_$(name) = \
    $(QEMU_DIR)/xen-run --scenario $(QEMU_DIR)/scenarios/$(name).sh \
    --out build/test/$(name)))

# The demo boots two hosts side by side.
QEMU_ALONE_TESTS += demo
QEMU_TEST_demo := $(QEMU_DIR)/demo --check --seconds 30 --out build/test/demo
