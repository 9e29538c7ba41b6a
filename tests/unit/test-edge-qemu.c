/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who serves a domain's devices; and a QEMU in dom0: what it did, and its group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge.h"
#include "sysroot.h"

/* ------------------------------------------------------------------------ */
/* A xenstore                                                               */

#define KEYS 32

static struct { char path[80], value[200]; } key[KEYS];
static unsigned int asked;

static void write_key(const char *value, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void write_key(const char *value, const char *fmt, ...)
{
    char path[80];
    va_list ap;
    size_t i;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    for (i = 0; key[i].path[0] && strcmp(key[i].path, path); i++)
        assert_true(i + 1 < KEYS);
    snprintf(key[i].path, sizeof(key[i].path), "%s", path);
    snprintf(key[i].value, sizeof(key[i].value), "%s", value);
}

static char *fake_read(void *ctx, uint32_t t, const char *path)
{
    size_t i;

    (void)ctx;
    (void)t;
    asked++;
    for (i = 0; i < KEYS; i++)
        if (!strcmp(key[i].path, path))
            return strdup(key[i].value);
    errno = ENOENT;
    return NULL;
}

/* As xs_directory(): pointers and names are one piece of memory. */
static char **fake_list(void *ctx, uint32_t t, const char *path,
                        unsigned int *nr)
{
    char **name = calloc(KEYS, sizeof(*name) + 80);
    char *text = (char *)(name + KEYS);
    size_t len = strlen(path), i;

    (void)ctx;
    (void)t;
    asked++;
    *nr = 0;
    for (i = 0; i < KEYS; i++) {
        const char *leaf = key[i].path + len + 1;

        if (strncmp(key[i].path, path, len) || key[i].path[len] != '/')
            continue;
        snprintf(text, 80, "%.*s", (int)strcspn(leaf, "/"), leaf);
        if (*nr && !strcmp(name[*nr - 1], text))
            continue;
        name[(*nr)++] = text;
        text += 80;
    }
    if (*nr)
        return name;
    free(name);
    errno = ENOENT;
    return NULL;
}

static uint32_t fake_begin(void *ctx) { (void)ctx; return 1; }

static const struct avm_ops ops = {
    .store_begin = fake_begin, .store_read = fake_read, .store_list = fake_list,
};

static avm_handle handle(void)
{
    return (avm_handle){ .ops = &ops, .sysroot = root };
}

static void drop(avm_handle *h)
{
    while (h->nr_entries)
        avm_qemu_close(&h->entry[--h->nr_entries]);
    free(h->entry);
    free(h->thread);
}

static int setup(void **state)
{
    (void)state;
    memset(key, 0, sizeof(key));
    asked = 0;
    strcpy(root, SYSROOT);
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    char cmd[64];

    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    return system(cmd);
}

/* ------------------------------------------------------------------------ */
/* Who serves                                                               */

static void served(uint32_t domid, uint32_t net, uint32_t disk, bool qdisk)
{
    avm_handle h = handle();
    struct avm_devices d;

    assert_true(avm_devices_look(&h, domid, &d));
    assert_int_equal(d.net_served_by, net);
    assert_int_equal(d.disk_served_by, disk);
    assert_int_equal(d.qdisk, qdisk);
}

static void driver_domains(void **state)
{
    (void)state;
    served(5, 0, 0, false);
    write_key("/local/domain/0/backend/vif/5/0",
              "/libxl/5/device/vif/0/backend");
    write_key("/local/domain/0/backend/vbd/5/51712",
              "/libxl/5/device/vbd/51712/backend");
    served(5, 0, 0, false);
    write_key("/local/domain/7/backend/vif/5/1",
              "/libxl/5/device/vif/1/backend");
    served(5, 1 + 7, 0, false);
    write_key("/local/domain/9/backend/qdisk/5/51712",
              "/libxl/5/device/vbd/51712/backend");
    served(5, 1 + 7, 1 + 9, false); /* a QEMU, but not one that is here */
    write_key("/local/domain/0/backend/qdisk/5/51728",
              "/libxl/5/device/vbd/51728/backend");
    served(5, 1 + 7, 1 + 9, true);
    served(6, 0, 0, false);
}

/* What is not exactly as libxl writes it says nothing. */
static void hostile_devices(void **state)
{
    static const char *const bad[] = {
        "", "/", "7", "/local/domain/", "/local/domain//backend/vif/5/0",
        "/local/domain/-7/backend/vif/5/0", "/local/domain/7",
        "/local/domain/7/backend/vif/6/0", "/local/domain/7/backend/vif/5",
        "/local/domain/7/backend/vif/5/0/x", "/local/domain/7/backend/vif/5/",
        "/local/domain/7/backend/vif/5/x", "/local/domain/7/backend//5/0",
        "/local/domain/70000/backend/vif/5/0", "/local/domain/7/vif/5/0",
        "/local/domain/99999999999999999999/backend/vif/5/0",
        "/local/domain/7x/backend/vif/5/0", "local/domain/7/backend/vif/5/0",
        "/local/domain/7/backend/averyveryverylongkind/5/0",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_key(bad[i], "/libxl/5/device/vif/0/backend");
        write_key(bad[i], "/libxl/5/device/vbd/51712/backend");
        served(5, 0, 0, false);
    }
    /* Nor does a directory that is no device. */
    write_key("/local/domain/7/backend/vif/5/0",
              "/libxl/5/device/vif/../backend");
    write_key("/local/domain/7/backend/vif/5/0",
              "/libxl/5/device/vif/1x/backend");
    /* What the guest itself may write is not asked. */
    write_key("7", "/local/domain/5/device/vif/0/backend-id");
    write_key("/local/domain/7/backend/vif/5/0",
              "/local/domain/5/device/vif/0/backend");
    served(5, 0, 0, false);
}

static void devices_in_turn(void **state)
{
    enum { NR = 100 };
    avm_handle h = handle();
    struct avm_domain_sample *d = calloc(NR, sizeof(*d));
    int i, round, known;

    (void)state;
    write_key("/local/domain/3/backend/vif/99/0",
              "/libxl/99/device/vif/0/backend");
    for (round = 0; round < 8; round++) {
        asked = 0;
        for (i = 0; i < NR; i++) {
            d[i] = (struct avm_domain_sample){ .domid = i };
            memcpy(d[i].uuid.b, &i, sizeof(i));
            if (!i)
                d[i].flags = AVM_DOM_CONTROL;
            if (i == 50)
                d[i].flags = AVM_DOM_PAUSED;
        }
        avm_devices_read(&h, d, NR);
        assert_in_range(asked, 1, 20 * 6);
    }
    assert_int_equal(d[99].net_served_by, 1 + 3);
    for (known = i = 0; i < (int)h.nr_entries; i++)
        known += h.entry[i].dev_known;
    /* One that is still built has to be looked at again. */
    assert_int_equal(known, NR - 2);
    d[50].flags = 0;
    avm_devices_read(&h, d, NR);
    for (known = i = 0; i < (int)h.nr_entries; i++)
        known += h.entry[i].dev_known;
    assert_int_equal(known, NR - 1);

    /* The vif goes to dom0: seen when its turn comes. */
    write_key("/local/domain/0/backend/vif/99/0",
              "/libxl/99/device/vif/0/backend");
    for (round = 0; round < 26; round++)
        avm_devices_read(&h, d, NR);
    assert_int_equal(d[99].net_served_by, 0);
    drop(&h);
    free(d);
}

/* ------------------------------------------------------------------------ */
/* The process                                                              */

static void put_bytes(const char *bytes, size_t len, const char *name, int pid)
{
    char path[300];
    FILE *f;

    put("", "proc/%d/%s", pid, name);
    snprintf(path, sizeof(path), "%s/proc/%d/%s", root, pid, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void put_stat(int pid, unsigned int user, unsigned int system,
                     unsigned int start)
{
    char text[300];

    snprintf(text, sizeof(text), "%d (a ) b) S 1 1 1 0 -1 4194560 1 2 3 4 %u %u "
             "9 9 20 0 5 0 %u 1000 20\n", pid, user, system, start);
    put(text, "proc/%d/stat", pid);
}

static void put_io(int pid, unsigned int rd, unsigned int wr)
{
    char text[200];

    snprintf(text, sizeof(text), "rchar: 9\nwchar: 9\nsyscr: 9\nsyscw: 9\n"
             "read_bytes: %u\nwrite_bytes: %u\ncancelled_write_bytes: 3\n", rd,
             wr);
    put(text, "proc/%d/io", pid);
}

#define CMDLINE(id) "/usr/bin/qemu-system-i386\0-xen-domid\0" id "\0-xen-attach"

static void put_qemu(int pid, unsigned int start)
{
    static const char cmdline[] = CMDLINE("5");

    put("qemu-system-i38\n", "proc/%d/comm", pid);
    put_bytes(cmdline, sizeof(cmdline), "cmdline", pid);
    put_stat(pid, 100, 20, start);
    put_io(pid, 4096, 8192);
    put("0::/system.slice/xendomains.service\n", "proc/%d/cgroup", pid);
}

static void which_process(void **state)
{
    static const char other[] = CMDLINE("55"), last[] = "qemu\0-xen-domid";
    static const char twice[] = "qemu\0-name\0" "5\0-xen-domid\0" "6\0"
                                "-xen-domid\0" "5";
    static const char shell[] = "sh\0-c\0-xen-domid 5";
    uint64_t start;

    (void)state;
    assert_false(avm_qemu_is(root, 77, 5, &start)); /* there is none */
    put_qemu(77, 1234);
    assert_true(avm_qemu_is(root, 77, 5, &start));
    assert_int_equal(start, 1234);
    assert_false(avm_qemu_is(root, 77, 55, &start));
    put("xen-qemu-system\n", "proc/77/comm"); /* Debian's */
    assert_true(avm_qemu_is(root, 77, 5, &start));

    put("sshd\n", "proc/77/comm");
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put("not-qemu-system\n", "proc/77/comm");
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put("qemu-system-x86\n", "proc/77/comm");
    put_bytes(other, sizeof(other), "cmdline", 77);
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put_bytes(last, sizeof(last), "cmdline", 77);
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put_bytes(twice, sizeof(twice), "cmdline", 77);
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put_bytes(shell, sizeof(shell), "cmdline", 77);
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put_bytes("", 0, "cmdline", 77); /* a thread of the kernel */
    assert_false(avm_qemu_is(root, 77, 5, &start));
    put_qemu(77, 1234);
    put("77 (qemu", "proc/77/stat");
    assert_false(avm_qemu_is(root, 77, 5, &start));
}

static int pid_of(const char *written)
{
    avm_handle h = handle();
    struct avm_devices d;

    write_key(written, "/local/domain/5/image/device-model-pid");
    assert_true(avm_devices_look(&h, 5, &d));
    return d.pid;
}

static void hostile_pids(void **state)
{
    static const char *const bad[] = {
        "", "0", "1", "-77", "+77", " 77", "77 ", "77x", "0x4d", "78",
        "99999999999", "99999999999999999999999", "../77", "77/../77",
    };
    size_t i;

    (void)state;
    put_qemu(77, 1234);
    put_qemu(1, 1);
    assert_int_equal(pid_of("77"), 77);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(pid_of(bad[i]), 0);
    /* Where "xl devd" would keep it. */
    write_key("77", "/local/domain/0/libxl/5/qdisk-backend-pid");
    assert_int_equal(pid_of("78"), 77);
}

static const struct avm_uuid uuid5 = { { 5 } };

/* As a sample does. */
static struct avm_domain_sample sample(avm_handle *h, bool blkback)
{
    struct avm_domain_sample d = { .domid = 5, .uuid = uuid5 };

    if (blkback) {
        d.have = AVM_HAVE_DISK;
        d.disk_devices = 3;
        d.count.disk_rd_bytes = 77;
    }
    avm_devices_read(h, &d, 1);
    avm_qemu_read(h, &d, 1);
    return d;
}

static void qdisk_of_5(const char *params)
{
    write_key("/local/domain/0/backend/qdisk/5/51712",
              "/libxl/5/device/vbd/51712/backend");
    write_key(params, "/libxl/5/device/vbd/51712/params");
    write_key("77", "/local/domain/5/image/device-model-pid");
    put_qemu(77, 1234);
}

static void what_it_did(void **state)
{
    uint64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK), devices;
    avm_handle h = handle();
    struct avm_domain_sample d;

    (void)state;
    qdisk_of_5("aio:/nowhere");
    d = sample(&h, false);
    assert_int_equal(d.have, AVM_HAVE_BACKEND | AVM_HAVE_DISK);
    assert_int_equal(d.flags, AVM_DOM_QDISK);
    assert_int_equal(d.count.backend_us, 120 * tick_us);
    assert_int_equal(d.count.disk_rd_bytes, 4096);
    assert_int_equal(d.count.disk_wr_bytes, 8192);
    assert_int_equal(d.count.disk_rd_reqs, 0);
    assert_int_not_equal(d.disk_devices, 0);
    devices = d.disk_devices;

    put_stat(77, 150, 20, 1234);
    put_io(77, 5000, 8192);
    d = sample(&h, false);
    assert_int_equal(d.count.backend_us, 170 * tick_us);
    assert_int_equal(d.count.disk_rd_bytes, 5000);
    assert_int_equal(d.disk_devices, devices);

    /* With disks of blkback, too, those are told; its time is its time. */
    d = sample(&h, true);
    assert_int_equal(d.have, AVM_HAVE_BACKEND | AVM_HAVE_DISK);
    assert_int_equal(d.flags, 0);
    assert_int_equal(d.count.disk_rd_bytes, 77);

    /* Not "cancelled_write_bytes", which ends the same. */
    put("read_bytes: 1\ncancelled_write_bytes: 3\n", "proc/77/io");
    d = sample(&h, false);
    assert_int_equal(d.have, AVM_HAVE_BACKEND);

    /* A device model only: its time is known, its disks are others'. */
    put_io(77, 1, 1);
    write_key("/local/domain/0/backend/vbd/5/51712",
              "/libxl/5/device/vbd/51712/backend");
    sample(&h, false);
    d = sample(&h, false);
    assert_int_equal(d.have, AVM_HAVE_BACKEND);
    drop(&h);
}

/* The same number, and another process: at once nothing is believed of it. */
static void pid_comes_again(void **state)
{
    avm_handle h = handle();
    struct avm_domain_sample d;
    uint64_t process;

    (void)state;
    qdisk_of_5("aio:/nowhere");
    d = sample(&h, false);
    process = d.backend_process;
    assert_int_not_equal(process, 0);

    put_stat(77, 900000, 1, 5678);
    put("sshd\n", "proc/77/comm");
    d = (struct avm_domain_sample){ .domid = 5, .uuid = uuid5 };
    avm_qemu_read(&h, &d, 1);
    assert_int_equal(d.have, 0);
    d = sample(&h, false);
    assert_int_equal(d.have, 0);
    assert_int_equal(d.backend_process, 0);

    /* A new QEMU with this number: another source. */
    put_qemu(77, 9999);
    d = sample(&h, false);
    assert_int_equal(d.have, AVM_HAVE_BACKEND | AVM_HAVE_DISK);
    assert_int_not_equal(d.backend_process, process);

    /* And of another domain with this domid nothing is known yet. */
    d = (struct avm_domain_sample){ .domid = 5, .uuid = { { 6 } } };
    avm_qemu_read(&h, &d, 1);
    assert_int_equal(d.have, 0);
    drop(&h);
}

static void it_ended(void **state)
{
    avm_handle h = handle();
    struct avm_domain_sample d;
    char cmd[100];

    (void)state;
    qdisk_of_5("aio:/nowhere");
    sample(&h, false);
    snprintf(cmd, sizeof(cmd), "rm -r %s/proc/77", root);
    assert_int_equal(system(cmd), 0);
    avm_qemu_close(&h.entry[0]); /* as if the kernel said ESRCH */
    d = (struct avm_domain_sample){ .domid = 5, .uuid = uuid5 };
    avm_qemu_read(&h, &d, 1);
    assert_int_equal(d.have, 0);
    assert_false(h.entry[0].qemu_open);
    d = sample(&h, false);
    assert_int_equal(d.have, 0);
    drop(&h);
}

/* ------------------------------------------------------------------------ */
/* Its group                                                                */

#define CG "sys/fs/cgroup/"

static void expect(const char *name, const char *value)
{
    char line[256];

    if (!avm_sysfs_line(root, name, line, sizeof(line)))
        fail_msg("no %s", name);
    assert_string_equal(line, value);
}

/* A file on whatever disk the tests run from; or there is none. */
static bool with_disk(struct avm_blockdev *b)
{
    struct stat st;

    put("", "srv/disk.img");
    if (stat(root, &st) || !major(st.st_dev))
        return false;
    assert_true(avm_blockdev_of_file(root, "/srv/disk.img", b));
    assert_int_equal(b->major, major(st.st_dev));
    assert_int_equal(b->minor, minor(st.st_dev));
    qdisk_of_5("qcow2:/srv/disk.img");
    put("io cpu\n", CG "cgroup.controllers");
    put("", CG "cgroup.subtree_control");
    put("", CG "cgroup.procs");
    put("", CG "system.slice/xendomains.service/cgroup.procs");
    put("", CG "avm/cgroup.subtree_control");
    put("", CG "avm/avm-5/io.max");
    put("", CG "avm/avm-5/cgroup.procs");
    return true;
}

static void limits_of_a_qemu(void **state)
{
    struct avm_blockdev b;
    avm_handle h = handle();
    char text[100], dir[200];
    uint64_t bps;
    bool xattr;

    (void)state;
    if (!with_disk(&b))
        skip();
    assert_false(avm_qemu_elsewhere(&h, 5));
    assert_int_equal(avm_blkback_set(&h, 5, 1000000), 0);
    snprintf(text, sizeof(text), "%u:%u rbps=1000000 wbps=1000000", b.major,
             b.minor);
    expect(CG "avm/avm-5/io.max", text);
    expect(CG "avm/avm-5/cgroup.procs", "77");
    put("0::/avm/avm-5\n", "proc/77/cgroup");
    assert_int_equal(avm_blkback_get(&h, 5, &bps), 0);
    assert_int_equal(bps, 1000000);

    /* It slipped out, or was started anew: then there is no limit. */
    put("", CG "avm/avm-5/cgroup.procs");
    assert_int_equal(avm_blkback_get(&h, 5, &bps), 0);
    assert_int_equal(bps, 0);

    /* Back to where it was, if that is known; it never stays in a group to go. */
    put("77\n", CG "avm/avm-5/cgroup.procs");
    snprintf(dir, sizeof(dir), "%s/" CG "avm/avm-5", root);
    xattr = getxattr(dir, "user.avm.from", text, sizeof(text)) > 0;
    avm_blkback_set(&h, 5, 0); /* rmdir() of a directory with files fails */
    expect(xattr ? CG "system.slice/xendomains.service/cgroup.procs" :
                   CG "cgroup.procs", "77");

    /* That is gone, or was never said: to the root, which takes anything. */
    snprintf(text, sizeof(text), "rm -r %s/" CG "system.slice", root);
    assert_int_equal(system(text), 0);
    put("", CG "cgroup.procs");
    put("77\n", CG "avm/avm-5/cgroup.procs");
    avm_blkback_set(&h, 5, 0);
    expect(CG "cgroup.procs", "77");
    /* What is written there leads nowhere else. */
    put("", CG "cgroup.procs");
    put("", CG "elsewhere/cgroup.procs");
    if (xattr)
        assert_int_equal(setxattr(dir, "user.avm.from", "/elsewhere", 10, 0), 0);
    avm_blkback_set(&h, 5, 0);
    expect(CG "cgroup.procs", "77");
    drop(&h);
}

/* Its disk is taken away: it does not stay where it is limited. */
static void disk_is_gone(void **state)
{
    avm_handle h = handle();
    struct avm_blockdev b;

    (void)state;
    if (!with_disk(&b))
        skip();
    put("0::/avm/avm-5\n", "proc/77/cgroup");
    put("77\n", CG "avm/avm-5/cgroup.procs");
    memset(key, 0, sizeof(key));
    put("", CG "cgroup.procs");
    avm_blkback_set(&h, 5, 0);
    expect(CG "cgroup.procs", "77");
    assert_null(strstr(h.error, "no vbd"));
    drop(&h);
}

static void groups_of_others(void **state)
{
    static const struct { const char *group; bool free; } g[] = {
        { "/", true }, { "/system.slice/xendomains.service", true },
        { "/system.slice/xen-init-dom0.service", true },
        { "/user.slice/user-0.slice/session-3.scope", true },
        { "/avm/avm-5", true },
        { "/avm/avm-6", false }, { "/machine.slice/qemu-5.scope", false },
        { "/system.slice/xendomains.service/mine", false },
        { "/system.slice/libvirtd.service", false },
        { "/user.slice/user-0.slice/user@0.service/app.slice/x.scope", false },
        { "/system.slice/xen/../..", false }, { "/..", false },
    };
    avm_handle h = handle();
    struct avm_blockdev b;
    char text[200];
    size_t i;

    (void)state;
    if (!with_disk(&b))
        skip();
    for (i = 0; i < sizeof(g) / sizeof(g[0]); i++) {
        snprintf(text, sizeof(text), "1:name=systemd:/x\n0::%s\n", g[i].group);
        put(text, "proc/77/cgroup");
        put("", CG "avm/avm-5/cgroup.procs");
        if (avm_qemu_elsewhere(&h, 5) == g[i].free)
            fail_msg("%s", g[i].group);
        errno = 0;
        if (g[i].free) {
            assert_int_equal(avm_blkback_set(&h, 5, 1000000), 0);
            continue;
        }
        assert_int_equal(avm_blkback_set(&h, 5, 1000000), -1);
        assert_int_equal(errno, ENOTSUP);
        assert_non_null(strstr(h.error, "control group of someone else"));
        expect(CG "avm/avm-5/cgroup.procs", "");
    }
    drop(&h);
}

/* Partitions have no limits of their own: the disk has. */
static void whole_disks(void **state)
{
    struct avm_blockdev b = { 8, 3 };

    (void)state;
    avm_blockdev_whole(root, &b);
    assert_int_equal(b.minor, 3);
    put("3\n", "sys/dev/block/8:3/partition");
    put("8:0\n", "sys/dev/block/dev"); /* "..", as in disk_share() elsewhere */
    avm_blockdev_whole(root, &b);
    assert_int_equal(b.major, 8);
    assert_int_equal(b.minor, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(driver_domains), T(hostile_devices), T(devices_in_turn),
        T(which_process), T(hostile_pids), T(what_it_did), T(pid_comes_again),
        T(it_ended), T(limits_of_a_qemu), T(disk_is_gone),
        T(groups_of_others), T(whole_disks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
