# SPDX-License-Identifier: GPL-2.0-or-later
# What the demo claims, checked. A verb of its own and not yet part of "test":
# QEMU's SVM loses a PVH guest in some runs, whatever the scheduler.

UNIT_TESTS += tests/qemu/report/selftest

.PHONY: test-demo
test-demo: build
	tests/qemu/demo --check --out build/test/demo
