/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef AVM_PARAMS_H
#define AVM_PARAMS_H

#include "avm.h"

/* Those that are limits of bytes per second, on devices. */
#define AVM_CAN_LIMITS (AVM_CAN_NET_OUT | AVM_CAN_DISK)

/* AVM_CAN_* of a knob; 0 if it is none. */
uint32_t avm_knob_can(enum avm_knob knob);

/* Writes the field of a knob. EINVAL: no such knob, or too large for it. */
int avm_params_put(struct avm_params *p, enum avm_knob knob, uint64_t value);

#endif /* AVM_PARAMS_H */
