# SPDX-License-Identifier: GPL-2.0-or-later
UNIT_TESTS += xenstore-schema/check
