/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netlink: what all who speak it through libnl have in common. */
#include <errno.h>

#include <netlink/netlink.h>

#include "edge.h"

int avm_nl_errno(int err)
{
    switch (-err) {
    case 0:                return 0;
    case NLE_NOMEM:        errno = ENOMEM; break;
    case NLE_PERM:         errno = EPERM; break;
    case NLE_OPNOTSUPP:
    case NLE_OBJ_NOTFOUND: errno = ENOTSUP; break;
    case NLE_NODEV:        errno = ENODEV; break;
    case NLE_EXIST:        errno = EBUSY; break;
    default:               errno = EIO;
    }
    return -1;
}
