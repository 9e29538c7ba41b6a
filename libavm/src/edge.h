/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The edges: everything that talks to Xen, xenstore and the kernel. The outside
 * is reached through struct avm_ops and a sysroot, so that a test can put a
 * fake hypervisor and a fake /sys in its place.
 */
#ifndef AVM_EDGE_H
#define AVM_EDGE_H

/* Xen's headers take the integer types for granted. */
#include <dirent.h>
#include <stdint.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

#include "activity.h"
#include "avm.h"
#include "params.h"

/* Counters of a network link, as dom0 sees it. */
struct avm_link {
    uint32_t ifindex;
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, rx_dropped, tx_dropped;
};

struct avm_ops {
    /* Hypercalls: >= 0, or -1 with errno. 'op' comes from alloc. */
    int (*domctl)(void *ctx, struct xen_domctl *op);
    int (*sysctl)(void *ctx, struct xen_sysctl *op);
    /* Zeroed memory that the hypervisor may read and write at any time. */
    void *(*alloc)(void *ctx, size_t size);
    void (*release)(void *ctx, void *p);
    uint64_t (*mono_ns)(void *ctx);
    /* Xenstore; store_begin NULL: there is none. t: transaction, 0 for none. */
    uint32_t (*store_begin)(void *ctx);      /* 0 with errno on failure      */
    int (*store_end)(void *ctx, uint32_t t, bool abandon);
    char *(*store_read)(void *ctx, uint32_t t, const char *path);
    bool (*store_exists)(void *ctx, uint32_t t, const char *path);
    /* Names below a path, freed as one; NULL with errno. May be NULL.       */
    char **(*store_list)(void *ctx, uint32_t t, const char *path,
                         unsigned int *nr);
    int (*store_write)(void *ctx, uint32_t t, const char *path,
                       const char *value);
    int (*store_readable_by)(void *ctx, uint32_t t, const char *path,
                             uint32_t domid);
    int (*store_rm)(void *ctx, uint32_t t, const char *path);
    /*
     * All network links with their counters, in any order; the caller frees them.
     * -1: ENOTSUP if the kernel does not tell. NULL: /sys is read instead.
     */
    int (*links)(void *ctx, struct avm_link **link, size_t *nr);
    /* Name of a link, AVM_IFNAME bytes; false: it is gone. */
    bool (*link_name)(void *ctx, uint32_t ifindex, char *name);
    void (*close)(void *ctx);
};
#define AVM_IFNAME 16

struct avm_blockdev { uint32_t major, minor; };

#define AVM_QDISKS_MAX 8

/* Who serves a domain's devices. */
struct avm_devices {
    uint32_t net_served_by, disk_served_by; /* as in avm_domain_sample       */
    bool qdisk;                  /* some of its disks are of a QEMU here     */
    unsigned int nr_disks;       /* below those                              */
    struct avm_blockdev disk[AVM_QDISKS_MAX];
    int pid;                     /* its QEMU here, 0: there is none          */
    uint64_t start;              /* when that was started: pids come again   */
};

/* What xenstore knows of a domain, so that it is not asked all the time. */
struct avm_store_entry {
    uint32_t domid;
    struct avm_uuid uuid;
    char untrusted_name[AVM_NAME_LEN];
    unsigned int reads_left;     /* until the name is read again             */
    bool read_before;
    bool published;
    enum avm_class klass;        /* published last                           */
    bool limits_known;           /* limits.c                                 */
    uint64_t net_out_bps, net_in_bps, disk_bps;
    uint64_t net_out_wrote_bps;  /* by us, on those devices; 0: nothing      */
    bool net_in_known;           /* and may be set                           */
    bool net_in_given_up;        /* while a vif has somebody else's qdisc    */
    uint32_t disk_share;
    uint64_t disk_group;
    uint64_t devices;            /* on which they were, 0: not looked yet    */
    bool dev_known;              /* xen/devices.c                            */
    struct avm_devices dev;
    bool qemu_open;              /* host/qemu.c: these are                   */
    int qemu_stat, qemu_io;      /* files, qemu_io -1: cannot be read        */
    bool qemu_elsewhere;         /* host/cgroup.c: not ours to move          */
};

/* A network link, and whose vif it is: that does not change. */
struct avm_vif {
    uint32_t ifindex;
    uint32_t domid, index;       /* domid NO_DOMAIN: no vif                  */
};
#define NO_DOMAIN UINT32_MAX

#define AVM_VBD_COUNTERS 5

/* A virtual disk, and what it counted when it was looked at last. */
struct avm_vbd {
    uint32_t domid, device;
    uint64_t node;               /* of its directory: another one when it is */
    uint32_t major, minor;       /* disk behind it, 0:0: not known (yet)     */
    bool counted;                /* the rest means something                 */
    bool late;                   /* but not what it was in this sample       */
    uint32_t reads_left;         /* until it is read although nothing moved  */
    uint64_t seen;               /* what the disk had counted then           */
    uint64_t count[AVM_VBD_COUNTERS];
    bool open;                   /* its files stay so while it is busy       */
    uint32_t idle;               /* for so many samples it was not           */
    int fd[AVM_VBD_COUNTERS];
};

/* The group that limits a domain's back-end (host/cgroup.c), and its pressure. */
struct avm_group {
    uint32_t domid;
    uint64_t node;
    int cpu, io;                 /* files, -1: there is none                 */
};

/* A thread of blkback. */
struct avm_thread {
    uint32_t domid;
    int pid;
};

struct avm_handle {
    const struct avm_ops *ops;
    void *ctx;
    char *sysroot;               /* "" on a real host                        */
    uint32_t domctl_version, sysctl_version;
    struct xen_domctl *domctl;   /* these are hypercall memory               */
    struct xen_sysctl *sysctl;
    void *list;                  /* for arrays and bitmaps                   */
    size_t nr_entries, entry_room, next_limits, next_name, next_devices;
    struct avm_store_entry *entry; /* ascending domid                        */
    /* Devices and threads as of the last sample, for the next one. */
    bool in_sample;              /* these are fresh                          */
    bool links_known;            /* 'vif' is filled in                       */
    size_t nr_vifs, nr_vbds, nr_threads;
    struct avm_vif *vif;         /* ascending ifindex                        */
    struct avm_vbd *vbd;         /* ascending (domid, device)                */
    size_t vbds_open, vbds_open_max;
    struct avm_thread *thread;
    unsigned int threads_left;   /* samples for which 'thread' is good       */
    struct avm_uplinks *uplinks; /* host/uplink.c; NULL: none                */
    struct {
        bool open, none;         /* none: this kernel does not tell          */
        int fd;
    } psi[AVM_NR_PSI];           /* host/psi.c                               */
    size_t nr_groups;
    struct avm_group *group;     /* ascending domid                          */
    struct avm_netin *netin;     /* host/netin.c; NULL: not used yet         */
    char error[256];
};

/* Bytes of avm_handle.list: as many records as Xen gives at a time, 1024. */
#define AVM_LIST_SIZE (256u * 1024)

/* What avm_open() does with the real ops. Takes ctx over, even on failure. */
avm_handle *avm_open_ops(const struct avm_ops *ops, void *ctx,
                         const char *sysroot);

/* Keeps errno. */
void avm_error(avm_handle *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* xen/call.c ------------------------------------------------------------- */

extern const struct avm_ops avm_ops_xen;
/* The ctx of avm_ops_xen; NULL with errno. */
void *avm_call_open(struct xentoollog_logger *logger);

/* Finds domctl_version and sysctl_version. EPROTO: none in common. */
int avm_call_probe(avm_handle *h);

/*
 * The op to fill in, all zero but for command, version and domain; and the
 * call. avm_do_*() leave the answer in the same place.
 */
struct xen_domctl *avm_domctl(avm_handle *h, uint32_t cmd, uint32_t domid);
int avm_do_domctl(avm_handle *h);
struct xen_sysctl *avm_sysctl(avm_handle *h, uint32_t cmd);
int avm_do_sysctl(avm_handle *h);

/* xen/pools.c ------------------------------------------------------------ */

int avm_pools_read(avm_handle *h, struct avm_host *host);
const struct avm_pool *avm_pool_find(const struct avm_host *host, uint32_t id);

/* xen/domains.c ---------------------------------------------------------- */

/*
 * All domains: identity, flags, pool, vCPUs, cpu_ns. *max_vcpu has the highest
 * vCPU number of each. The caller frees both.
 */
int avm_domains_read(avm_handle *h, struct avm_domain_sample **dom,
                     uint32_t **max_vcpu, size_t *nr);
/* One of them. ESRCH if there is none with this domid. */
int avm_domain_read(avm_handle *h, uint32_t domid,
                    struct avm_domain_sample *d, uint32_t *max_vcpu);
/* By domid, in an ascending array. */
struct avm_domain_sample *avm_domain_find(struct avm_domain_sample *dom,
                                          size_t nr, uint32_t domid);

/* xen/sched.c ------------------------------------------------------------ */

/* What a scheduler lets us do: AVM_CAN_*. */
uint32_t avm_sched_can(uint32_t sched_id);
int avm_sched_get(avm_handle *h, const struct avm_pool *pool, uint32_t domid,
                  uint32_t max_vcpu, struct avm_params *p);
/*
 * Affinity and AVM_CAN_AFFINITY of p: 'low' has the pCPUs 0 .. 63 that the domain
 * may use, and it may use others, too, or not.
 */
void avm_sched_affinity(const struct avm_pool *pool, uint64_t low, bool others,
                        struct avm_params *p);
int avm_sched_set(avm_handle *h, const struct avm_pool *pool, uint32_t domid,
                  uint32_t max_vcpu, uint32_t set, const struct avm_params *p);

/* xen/records.c ---------------------------------------------------------- */

/*
 * Adds the records of a pool to their domains (ascending domid), and what they
 * tell of the domains' parameters: params.can is 0 if they told nothing.
 */
int avm_records_read(avm_handle *h, const struct avm_pool *pool,
                     struct avm_domain_sample *dom, size_t nr);

/* limits.c --------------------------------------------------------------- */

/* What limits and shares the domains have, with AVM_CAN_DEVICES. Never fails. */
void avm_limits_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
/* Those of one, by its devices: errors of avm_params_get(). */
int avm_limits_get(avm_handle *h, uint32_t domid, struct avm_params *p);
int avm_limits_set(avm_handle *h, uint32_t domid, const struct avm_uuid *uuid,
                   uint32_t set, const struct avm_params *p);

/* xen/store.c ------------------------------------------------------------ */

/* Kept from one sample to the next. NULL: no memory. */
struct avm_store_entry *avm_store_entry(avm_handle *h, uint32_t domid,
                                        const struct avm_uuid *uuid);

/* Fills in untrusted_name of all, and forgets the domains that are gone. */
int avm_store_names(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
int avm_store_publish(avm_handle *h, uint32_t domid,
                      const struct avm_uuid *uuid, enum avm_class klass);
int avm_store_unpublish(avm_handle *h, uint32_t domid);

/* xen/devices.c ---------------------------------------------------------- */

/* False: the toolstack does not tell (yet). */
bool avm_devices_look(avm_handle *h, uint32_t domid, struct avm_devices *d);
/* For a few domains in turn; what is known goes to all. Never fails. */
void avm_devices_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);

/* host/ ------------------------------------------------------------------- */

/* Add what the devices of this host counted to the domains they belong to. */
int avm_net_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
int avm_disk_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
void avm_disk_forget(avm_handle *h);

/* host/psi.c: none of them fails. */
void avm_psi_read(avm_handle *h, struct avm_psi *psi);
/* The resources of which this kernel does not tell: 1 << enum avm_psi_resource. */
uint32_t avm_psi_missing(const char *sysroot);
void avm_groups_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
void avm_psi_forget(avm_handle *h);
/* "some ... total=N\nfull ...": false if that is not what it says. */
bool avm_psi_parse(const char *text, uint64_t *some_us, uint64_t *full_us);

/*
 * host/qemu.c: is this process the QEMU of that domain? If so, when was it
 * started.
 */
bool avm_qemu_is(const char *sysroot, int pid, uint32_t domid,
                 uint64_t *start);
/* CPU time of their QEMUs, and bytes if those serve their disks. Never fails. */
void avm_qemu_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
void avm_qemu_close(struct avm_store_entry *e);
/* host/vifs.c: is 'name' in /sys/class/net, 'net', a vif? Whose, and which? */
bool avm_vif_owner(int net, const char *name, uint32_t *domid, uint32_t *index);
/*
 * Calls fn for the vifs of a domain (NO_DOMAIN: of all) that have their back-end
 * here, until it returns false. While a sample is taken they are those that it
 * knows, by number, and 'name' is NULL; otherwise those in /sys, by name, and
 * v->ifindex is 0. One that goes meanwhile may still be among them. -1: /sys cannot
 * be read.
 */
typedef bool avm_vif_fn(avm_handle *h, const struct avm_vif *v,
                        const char *name, void *arg);
int avm_vifs_each(avm_handle *h, uint32_t domid, avm_vif_fn *fn, void *arg);

/* host/netlink.c: errno for what libnl returned; 0, or -1 if that was an error. */
int avm_nl_errno(int err);

/* host/links.c: avm_ops.links and .link_name of the kernel this runs on. */
int avm_links_read(void *ctx, struct avm_link **link, size_t *nr);
bool avm_links_name(void *ctx, uint32_t ifindex, char *name);
/*
 * What the kernel answered: 'len' bytes of it, added to the 'nr' links at *link.
 * 1: that was all; 0: there is more to come; -1. *torn: links came or went
 * meanwhile, so that one may be missing or be there twice.
 */
int avm_links_parse(const void *answer, size_t len, struct avm_link **link,
                    size_t *nr, bool *torn);

/*
 * Limits, bytes per second over all devices of a domain, 0: none, or not on all of
 * them. Errors of avm_params_set(), said in the handle. To take away a limit, or a
 * share, of what has gone is no error.
 */
int avm_netback_get(avm_handle *h, uint32_t domid, uint64_t *bps);
int avm_netback_set(avm_handle *h, uint32_t domid, uint64_t bps);
/*
 * Where 'wrote_bps', which was written, is missing on some of its vifs, somebody ended
 * it, and the rest of it ends, too. A rate that is another one is left alone.
 */
void avm_netback_tend(avm_handle *h, uint32_t domid, uint64_t wrote_bps);
/* *foreign: a vif has a qdisc that is not ours. ENOTSUP also: no TBF here. EBUSY. */
int avm_netin_get(avm_handle *h, uint32_t domid, uint64_t *bps, bool *foreign);
int avm_netin_set(avm_handle *h, uint32_t domid, uint64_t bps);
/*
 * Some vifs of a domain have a limit of ours and some have not. One that came gets its
 * part of it. If nothing came, somebody ended it, and the rest of it ends, too. Does
 * nothing while the handle did not set any: who only watches changes nothing.
 */
void avm_netin_tend(avm_handle *h, uint32_t domid, bool came);
/* Another sample begins. */
void avm_netin_sample(avm_handle *h);
void avm_netin_free(avm_handle *h);
int avm_blkback_get(avm_handle *h, uint32_t domid, uint64_t *bps);
int avm_blkback_set(avm_handle *h, uint32_t domid, uint64_t bps);

/* Some of its disks are served by a QEMU that is not ours to move. */
bool avm_qemu_elsewhere(avm_handle *h, uint32_t domid);

/*
 * *group: the first of its disks that divides by weight (BFQ, or iocost), 0: none
 * does. Shares and limits of disks go with the same group of threads.
 */
int avm_blkback_share_get(avm_handle *h, uint32_t domid, uint32_t *share,
                          uint64_t *group);
int avm_blkback_share_set(avm_handle *h, uint32_t domid, uint32_t share);

/*
 * Shares. avm_uplinks_read() also gives vifs that came since to the classes of their
 * domains, and fills in the links. Errors of avm_params_set().
 */
void avm_uplinks_read(avm_handle *h, struct avm_domain_sample *dom, size_t nr);
int avm_uplink_get(avm_handle *h, uint32_t domid, uint32_t *share);
int avm_uplink_set(avm_handle *h, uint32_t domid, uint32_t share);
void avm_uplinks_free(avm_handle *h);

/* host/blockdev.c */
/* The disk that it is in the end: below partitions, volumes and files. */
void avm_blockdev_bottom(const char *sysroot, struct avm_blockdev *b);
/* The disk that a partition is of: only those have limits. */
void avm_blockdev_whole(const char *sysroot, struct avm_blockdev *b);
/* What a block device is, or the disk below a file; false: none. */
bool avm_blockdev_of_file(const char *sysroot, const char *path,
                          struct avm_blockdev *b);
/* Does it divide by weight? */
bool avm_blockdev_shares(const char *sysroot, const struct avm_blockdev *b);

/* Where cgroup v2 is. */
#define AVM_CGROUP "/sys/fs/cgroup"

/* Is it the name of a vbd among the back-ends, "vbd-DOMID-DEVICE"? Whose? */
bool avm_vbd_owner(const char *name, uint32_t *domid, uint32_t *device);
#define AVM_BACKENDS "/sys/bus/xen-backend/devices"

/* host/sysfs.c: opens 'path' below sysroot, and its whole name goes to 'dir'. */
DIR *avm_sysfs_dir(const char *sysroot, const char *path, char *dir,
                   size_t len);
/* A directory below an open one, to be closed; -1. */
int avm_sysfs_open(int dir, const char *path);
/* All of an open file, as text; false if it does not fit. */
bool avm_sysfs_text_of(int fd, char *buf, size_t len);
/* A number in a file of its own, or in an open one; false if there is none. */
bool avm_sysfs_u64_of(int fd, uint64_t *value);
bool avm_sysfs_u64(int dir, const char *name, uint64_t *value);
/* First line of a file, without the newline; false if it does not fit. */
bool avm_sysfs_line(const char *dir, const char *name, char *buf, size_t len);
bool avm_sysfs_line_at(int dir, const char *name, char *buf, size_t len);
/* Decimal digits at 's'; the character after them, NULL if there are none. */
const char *avm_parse_u64(const char *s, uint64_t *value);
/* "12-51712" with sep '-': two decimal numbers and nothing else. */
bool avm_parse_pair(const char *s, char sep, uint32_t *a, uint32_t *b);

#endif /* AVM_EDGE_H */
