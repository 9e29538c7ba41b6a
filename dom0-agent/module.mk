# SPDX-License-Identifier: GPL-2.0-or-later
# avmd and avm, one file each (libavm inside), their manual pages and tests.

AGENT_OUT := build/agent
comma := ,
AGENT_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow \
    -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -MMD -MP \
    -Ilibavm/include -Ilibavm/src/json
AGENT_LIBS := build/libavm/libavm.a -lsqlite3 -lyajl -lxencall -lxenstore \
    -lnl-route-3 -lnl-3

AGENT_SHARED := conf control db needs recording request store
AGENT_DAEMON := agent avmd learned log metrics places record serve
AGENT_CLI := avm replay scenario simulate whatif \
    $(patsubst dom0-agent/%.c,%,$(wildcard dom0-agent/cmd-*.c))

agent-objs = $(1:%=$(AGENT_OUT)/%.o)

BUILD_TARGETS += build/bin/avmd build/bin/avm
BUILD_TARGETS += $(patsubst docs/man/%.pod,build/man/%,$(wildcard docs/man/*.pod))

$(call agent-objs,$(AGENT_SHARED) $(AGENT_DAEMON) $(AGENT_CLI)): \
    $(AGENT_OUT)/%.o: dom0-agent/%.c
	@mkdir -p $(@D)
	$(CC) $(AGENT_CFLAGS) -c -o $@ $<

build/bin/avmd: $(call agent-objs,$(AGENT_DAEMON) $(AGENT_SHARED)) \
    build/libavm/libavm.a
	@mkdir -p $(@D)
	$(CC) -o $@ $(filter %.o,$^) $(AGENT_LIBS)

build/bin/avm: $(call agent-objs,$(AGENT_CLI) $(AGENT_SHARED)) \
    build/libavm/libavm.a
	@mkdir -p $(@D)
	$(CC) -o $@ $(filter %.o,$^) $(AGENT_LIBS)

# podchecker finds what pod2man would pass over.
build/man/%: docs/man/%.pod
	@mkdir -p $(@D)
	podchecker -warnings -warnings $< > $@.log 2>&1 || { cat $@.log; false; }
	rm -f $@.log
	pod2man --section=$(patsubst .%,%,$(suffix $*)) --center=avm \
	    --release=avm --name=$(basename $*) $< $@

# The tests see the sources with the sanitizers on, and avmd's main not at all.
AGENT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test-agent-*.c))
AGENT_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer
AGENT_SAN_LIB := $(AGENT_OUT)/san/agent.a
AGENT_SAN_OBJS := $(patsubst %,$(AGENT_OUT)/san/%.o,$(AGENT_SHARED) \
    $(filter-out avmd,$(AGENT_DAEMON)) replay scenario simulate \
    whatif)
# What agent-fake.h and the tests with it play themselves: the clock, and Xen as libavm shows it.
AGENT_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,clock_gettime avm_apply \
    avm_verify avm_publish avm_unpublish avm_sample_read avm_last_error \
    avm_info avm_topology_read)
# And where the kill test waits for the agent.
AGENT_WRAP_KILL := $(AGENT_WRAP) $(patsubst %,-Wl$(comma)--wrap=%,\
    db_change_begin db_change_state db_change_undone)

UNIT_TESTS += $(AGENT_TESTS:%=build/test/unit/%) tests/unit/test-agent-cli
tests/unit/test-agent-cli: | $(foreach what,$(INSTALL),$(firstword $(subst :, ,$(what)))) \
    build/test/unit/test-agent-replay build/test/unit/test-agent-whatif

$(AGENT_SAN_OBJS): $(AGENT_OUT)/san/%.o: dom0-agent/%.c
	@mkdir -p $(@D)
	$(CC) $(AGENT_CFLAGS) $(AGENT_SAN) -c -o $@ $<

$(AGENT_SAN_LIB): $(AGENT_SAN_OBJS)
	rm -f $@
	ar rcs $@ $^

$(patsubst %,build/test/unit/test-agent-%,loop learned metrics places): AGENT_TEST_FLAGS := $(AGENT_WRAP)
build/test/unit/test-agent-kill: AGENT_TEST_FLAGS := $(AGENT_WRAP_KILL)
$(AGENT_TESTS:%=build/test/unit/%): build/test/unit/%: tests/unit/%.c \
    $(AGENT_SAN_LIB) build/libavm/libavm.a
	@mkdir -p $(@D)
	$(CC) $(AGENT_CFLAGS) -Idom0-agent $(AGENT_SAN) $(AGENT_TEST_FLAGS) \
	    -o $@ $< $(AGENT_SAN_LIB) $(AGENT_LIBS) -lcmocka

-include $(wildcard $(AGENT_OUT)/*.d $(AGENT_OUT)/san/*.d build/test/unit/test-agent-*.d)
