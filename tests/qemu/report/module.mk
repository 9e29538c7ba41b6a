# SPDX-License-Identifier: GPL-2.0-or-later
# The demo is a test too: of what it claims.

UNIT_TESTS += tests/qemu/report/selftest
QEMU_TESTS += demo
QEMU_TEST_demo = tests/qemu/demo --check --out build/test/demo
