/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network namespace of the test's own, and tap devices in it that are the vifs which
 * the /sys of sysroot.h speaks of.
 */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "sysroot.h"

static const char *missing;      /* why it cannot be tried here               */
static int tap[8][2];            /* by domid and index; 0: there is none      */

static bool netns_enter(void)
{
    int fd;

    if (unshare(CLONE_NEWNET)) {
        missing = "no network namespace of its own (not root?)";
        return false;
    }
    fd = open("/dev/net/tun", O_RDWR);
    if (fd < 0)
        missing = "no /dev/net/tun";
    else
        close(fd);
    return !missing;
}

static void need(void)
{
    if (!missing)
        return;
    print_message("skipped: %s\n", missing);
    skip();
}

static void vif_comes(unsigned int domid, unsigned int index)
{
    struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    char node[32];
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    assert_true(fd > 0);
    snprintf(r.ifr_name, sizeof(r.ifr_name), "vif%u.%u", domid, index);
    assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
    tap[domid][index] = fd;
    snprintf(node, sizeof(node), "backend/vif/%u/%u\n", domid, index);
    put(node, "sys/class/net/vif%u.%u/device/nodename", domid, index);
}

static void vif_goes(unsigned int domid, unsigned int index)
{
    char command[600];

    close(tap[domid][index]);
    tap[domid][index] = 0;
    snprintf(command, sizeof(command), "rm -r %s/sys/class/net/vif%u.%u", root,
             domid, index);
    assert_int_equal(system(command), 0);
}

static void vifs_go(void)
{
    unsigned int d, i;

    for (d = 0; d < 8; d++)
        for (i = 0; i < 2; i++)
            if (tap[d][i])
                vif_goes(d, i);
}

#endif
