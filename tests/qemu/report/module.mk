# SPDX-License-Identifier: GPL-2.0-or-later
# The report's own tests; the demo, with its claims checked, is in tests/qemu.

UNIT_TESTS += tests/qemu/report/selftest
