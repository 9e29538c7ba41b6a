/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory is never short for what is done here; if it is, that is the end. */
#ifndef AVM_SIM_MEMORY_H
#define AVM_SIM_MEMORY_H

#include <stdio.h>
#include <stdlib.h>

static inline void *must(void *p)
{
    if ( !p )
    {
        fprintf(stderr, "avm-sim: out of memory\n");
        exit(1);
    }

    return p;
}

#endif /* AVM_SIM_MEMORY_H */
