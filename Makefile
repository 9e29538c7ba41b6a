# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every verb a person types. "make" alone lists them.
#
# Each part of the tree has a module.mk, included below, which defines targets
# by their full path and adds them to these lists:
#   BUILD_TARGETS   programs and libraries that "make build" makes
#   UNIT_TESTS      programs that "make test" runs on this machine
#   QEMU_TESTS      names of tests on real Xen in QEMU; for each,
#                   QEMU_TEST_name is the command that "make test" runs
#   QEMU_ALONE_TESTS  the same, for those that need all of the machine

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

JOBS ?= 2
# Of "make test-long": ten million take about ten minutes.
OPERATIONS ?= 10000000
CC := gcc
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

BUILD_TARGETS :=
UNIT_TESTS :=
QEMU_TESTS :=
QEMU_ALONE_TESTS :=

XEN_SERIES := 4.17
XEN := build/xen
DOM0 := build/dom0
SCRIPTS := xen-patches/scripts
PATCHES := xen-patches/$(XEN_SERIES)

# What "make install" installs, as FROM:TO with TO below $(PREFIX).
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL := build/bin/avm:bin/avm build/bin/avmd:bin/avmd \
    build/avm-sim:lib/avm/avm-sim \
    build/libavm/libavm.so.1:lib/libavm.so.1 libavm/include/avm.h:include/avm.h \
    dom0-agent/avmd.service:lib/systemd/system/avmd.service \
    dom0-agent/avm.bash-completion:share/bash-completion/completions/avm \
    $(foreach page,$(patsubst docs/man/%.pod,%,$(wildcard docs/man/*.pod)), \
        build/man/$(page):share/man/man$(patsubst .%,%,$(suffix $(page)))/$(page))

include $(wildcard */module.mk tests/*/module.mk tests/qemu/*/module.mk)

# --- verbs ---------------------------------------------------------------

# A step is a title and a goal of this Makefile; xen-patches/scripts/steps counts
# and times them, and skips what is up to date.
STEPS_BUILD := \
    'packages=build/.deps' \
    'Xen source=$(XEN)/version' \
    'patches=$(XEN)/.patched' \
    'hypervisor (release)=$(XEN)/xen' \
    'libs and xl=$(XEN)/.tools' \
    'dom0 root=$(DOM0)/base.cpio' \
    'programs=programs' \
    'guest image=build/guest/initrd.img' \
    'dom0 image=$(DOM0)/overlay.cpio'
STEPS_TEST := \
    'hypervisor (debug)=$(XEN)/xen-debug' \
    'unit tests=unit-tests'

STEPS_SIM := \
    'packages=build/.deps' \
    'Xen source=$(XEN)/version' \
    'patches=$(XEN)/.patched' \
    'simulator=build/avm-sim'
STEPS_AGENT := \
    'packages=build/.deps' \
    'benchmark=build/test/bench-sample'
STEPS_LONG := \
    'packages=build/.deps' \
    'Xen source=$(XEN)/version' \
    'patches=$(XEN)/.patched' \
    'simulator=build/sim-quick/test-sched'

# What "make clean" leaves, because it came over the network.
KEPT := build/.deps build/xen build/dom0 \
    $(addprefix $(XEN)/,apt download pristine version)

.PHONY: help deps build demo test test-long bench-sim bench-xen bench-agent install \
    uninstall clean distclean programs unit-tests

help:
	@echo 'make demo       six guests on real Xen in QEMU: under credit2, then'
	@echo '                sched=activity with avmd; report in build/demo'
	@echo 'make test       build everything and run every test'
	@echo 'make test-long  $(OPERATIONS) random operations on the scheduler, checked after'
	@echo '                each, with a count as it goes (OPERATIONS=N)'
	@echo 'make bench-sim  every scheduler in every scenario of the simulator, scored;'
	@echo '                table and pictures in docs/results, JSON in build/bench'
	@echo 'make bench-xen  each scheduler on real Xen in QEMU, same guests; table in'
	@echo '                docs/results, JSON in build/bench (GUESTS=pvh: PVH guests)'
	@echo 'make bench-agent  what a round of the agent costs, up to 3000 domains; table in'
	@echo '                docs/results'
	@echo 'make build      Xen, xl, libavm, avmd, avm and the images for QEMU'
	@echo 'make install    avmd, avm, libavm and their manual pages below PREFIX ($(PREFIX)),'
	@echo '                once they are built; "make uninstall" takes them away'
	@echo 'make deps       install the Debian packages of packages.txt'
	@echo 'make clean      remove what was built; downloads stay'
	@echo 'make distclean  remove build/'
	@echo
	@echo 'demo, test and bench-sim need nothing before them: on Debian 12, as root'
	@echo 'or with sudo, they install packages, fetch the Xen source, build and run.'
	@echo 'JOBS=N: how many compilers at once (2).'

deps:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) 'packages=build/.deps'

build:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_BUILD) $(STEPS_TEST)

demo:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_BUILD)
	@tests/qemu/demo --out build/demo

test:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_BUILD) $(STEPS_TEST)
	@tests/run $(UNIT_TESTS:%=--unit %) \
	    $(foreach name,$(QEMU_ALONE_TESTS), \
	        --qemu-alone '$(name)=$(QEMU_TEST_$(name))') \
	    $(foreach name,$(QEMU_TESTS), \
	        --qemu '$(name)=$(QEMU_TEST_$(name))')

test-long:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_LONG)
	@build/sim-quick/test-sched --operations $(OPERATIONS)

bench-sim:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_SIM)
	@tests/sim/avm-sim/bench-sim

GUESTS ?= pv
bench-xen:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_BUILD)
	@tests/qemu/bench --type $(GUESTS) --markdown docs/results/xen.md
	@tests/qemu/benchmark/validate.py build/bench docs/results/validation.md

bench-agent:
	@$(SCRIPTS)/preflight
	@$(SCRIPTS)/steps $(JOBS) $(STEPS_AGENT)
	@build/test/bench-sample > build/agent-cost.md
	@mv build/agent-cost.md docs/results/agent-cost.md
	@echo 'bench-agent: see docs/results/agent-cost.md'

# Xen, libxl and xl are not among it: see README.md. An older avm.conf stays.
install:
	@for what in $(INSTALL); do \
	    [ -e "$${what%%:*}" ] || \
	        { echo "make: $${what%%:*} is not built: make build" >&2; exit 1; }; \
	done
	@for what in $(INSTALL); do \
	    mode=644; [ ! -x "$${what%%:*}" ] || mode=755; \
	    install -D -m $$mode "$${what%%:*}" "$(DESTDIR)$(PREFIX)/$${what#*:}" || exit; \
	done
	@ln -sf libavm.so.1 '$(DESTDIR)$(PREFIX)/lib/libavm.so'
	@sed -i 's|^ExecStart=/usr/local|ExecStart=$(PREFIX)|' \
	    '$(DESTDIR)$(PREFIX)/lib/systemd/system/avmd.service'
	@[ -e '$(DESTDIR)/etc/avm/avm.conf' ] || \
	    install -D -m 644 dom0-agent/avm.conf '$(DESTDIR)/etc/avm/avm.conf'

uninstall:
	rm -f $(foreach what,$(INSTALL),'$(DESTDIR)$(PREFIX)/$(lastword $(subst :, ,$(what)))') \
	    '$(DESTDIR)$(PREFIX)/lib/libavm.so'

clean:
	$(SUDO) rm -rf --one-file-system $(filter-out $(KEPT),$(wildcard build/* build/.[a-z]* \
	    $(XEN)/* $(XEN)/.[a-z]*)) $(DOM0)/overlay.cpio

distclean:
	$(SUDO) rm -rf --one-file-system build

programs: $(BUILD_TARGETS)
unit-tests: $(UNIT_TESTS)

# --- packages and Xen ----------------------------------------------------

build/.deps: packages.txt $(SCRIPTS)/deps
	@mkdir -p $(@D)
	$(SCRIPTS)/deps packages.txt
	touch $@

$(XEN)/version: $(SCRIPTS)/fetch $(SCRIPTS)/apt-sources
	$(SCRIPTS)/fetch $(XEN_SERIES) $(XEN)

$(XEN)/.patched: $(XEN)/version $(SCRIPTS)/patch-tree \
    $(wildcard $(PATCHES)/*) $(shell find sched_activity -type f)
	$(SCRIPTS)/patch-tree $(PATCHES) sched_activity $(XEN)
	touch $@

# patch-tree writes these only when their content changes, so that a patch to
# xl does not rebuild the hypervisor, nor the other way round.
$(XEN)/hypervisor.inputs $(XEN)/tools.inputs: $(XEN)/.patched
	@:

$(XEN)/xen: $(XEN)/hypervisor.inputs $(SCRIPTS)/build-hypervisor
	JOBS=$(JOBS) $(SCRIPTS)/build-hypervisor $(XEN) release

$(XEN)/xen-debug: $(XEN)/hypervisor.inputs $(SCRIPTS)/build-hypervisor
	JOBS=$(JOBS) $(SCRIPTS)/build-hypervisor $(XEN) debug

$(XEN)/.tools: $(XEN)/tools.inputs $(SCRIPTS)/build-tools
	JOBS=$(JOBS) $(SCRIPTS)/build-tools $(XEN)
	touch $@
