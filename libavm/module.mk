# SPDX-License-Identifier: LGPL-2.1-or-later
# libavm: build/libavm/libavm.a for the programs of this tree, libavm.so.1 for
# others.

LIBAVM := build/libavm
LIBAVM_SRC := $(wildcard libavm/src/*.c libavm/src/*/*.c)
LIBAVM_OBJ := $(LIBAVM_SRC:libavm/src/%.c=$(LIBAVM)/obj/%.o)
LIBAVM_CFLAGS := -std=gnu11 -O2 -g -fPIC -Wall -Wextra -Werror -Wshadow \
    -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
    -Ilibavm/include -Ilibavm/src -Isched_activity/abi \
    -isystem /usr/include/libnl3
LIBAVM_LIBS := -lxencall -lxenstore -lyajl -lnl-route-3 -lnl-3

BUILD_TARGETS += $(LIBAVM)/libavm.a $(LIBAVM)/libavm.so.1

$(LIBAVM)/obj/%.o: libavm/src/%.c libavm/module.mk | build/.deps
	@mkdir -p $(@D)
	$(CC) $(LIBAVM_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBAVM)/libavm.a: $(LIBAVM_OBJ)
	rm -f $@
	ar rcs $@ $^

$(LIBAVM)/libavm.so.1: $(LIBAVM_OBJ) libavm/libavm.map
	$(CC) -shared -Wl,-soname,libavm.so.1 -Wl,-z,defs \
	    -Wl,--version-script,libavm/libavm.map -o $@ $(LIBAVM_OBJ) \
	    $(LIBAVM_LIBS)
	ln -sf libavm.so.1 $(LIBAVM)/libavm.so

-include $(LIBAVM_OBJ:.o=.d)
