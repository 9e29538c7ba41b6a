/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-sample [DOMAINS]: what a round of the loop costs, as a table in Markdown.
 *
 * avm_sample_read(), avm_observe() and avm_plan() against a hypervisor, a xenstore
 * and network links that are played, and a /sys and a /proc of our own. With DOMAINS
 * only that size, again and again: for a profiler.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In memory, as the real ones are. */
#define SYSROOT "/dev/shm/avm-sysroot-XXXXXX"

#include "fake-xen.h"
#include "sysroot.h"

#define ROUNDS 21
#define MS     1000000ull

/* Two vCPUs, a vif and a vbd each; what it does is by its number, modulo 5. */
enum work { IDLE, HOG, NET, DISK, INTERACTIVE };

/* Which disks are busy; or all are, and a QEMU each serves them. */
enum disks { SOME, ALL, QEMU };

/* Of the domain with this number. */
#define QEMU_PID(i) (100000 + (i))

static const char intro[] =
    "# What the agent takes from the host\n\n"
    "CPU time of one round of libavm's loop, by the number of domains (two vCPUs, a "
    "vif and a\nvbd each, a fifth each idle, computing, sending, writing and "
    "interactive; 4 domains for\neach pCPU). Made by `make bench-agent`.\n\n"
    "The bounds: with 1000 domains, at most 10 hypercalls and 20 ms for a sample, "
    "32 MiB, and\nnothing that grows faster than the number of domains. "
    "`tests/unit/test-edge-xen.c`\nasserts the hypercalls.\n\n";
static const char notes[] =
    "\n*sample* is `avm_sample_read()`, once a second: the median of 21 samples when all is known; "
    "*worst*: of all\nbut the first, in which the agent starts. A sample looks at "
    "so many new devices, busy disks and\nnames and leaves the others to the next: "
    "with 1000 domains it takes 8 samples to know all of\nthem, and where all disks "
    "become busy at once, 8 to have their files open. Until then a\ndomain has no "
    "figures of that source (`late` in a sample), which is not zero.\n\n"
    "Files of 1024 disks may be open (`LimitNOFILE` of avmd.service): beyond that a "
    "busy disk costs\nmore, as with 3000 here. *observe* is once a second, *plan* "
    "each 4 s. *memory* is what is resident\nmore than before the first sample.\n\n"
    "`make bench-agent` makes this page; for one figure, more often:\n\n"
    "    make build/test/bench-sample\n"
    "    build/test/bench-sample > docs/results/agent-cost.md\n"
    "    build/test/bench-sample 1000        # one size only, for a profiler\n\n"
    "## What it leaves out\n\n"
    "Hypervisor, xenstored and network links are played, /sys and /proc are "
    "files in memory\n(`tests/unit/bench-sample.c`). What the kernel and Xen do "
    "themselves comes on top:\n\n"
    "* Links: 0.8 ms for the dump of 1001 links (RTM_GETSTATS; Linux 6.18, veth). "
    "A dump of\n  RTM_GETLINK takes 6.8 ms there, and six files in /sys for each "
    "of them 62 to 107 ms.\n"
    "* Disks: to read a counter in /sys costs 2.9 us there if its file is open "
    "already, and 9 us\n  if not (5005 counters of veths: 14.5 and 45 ms). With "
    "all of 1000 disks busy that would\n  be up to 14.5 ms of each sample instead "
    "of what the files in memory cost here. Open files\n  take 5 KiB of the "
    "kernel's memory each, 24 MB for 5005.\n"
    "* QEMUs: /proc/PID/stat takes 6 us there, and /proc/PID/io 3, of a process with "
    "one thread: up to\n  9 ms with 1000 of them, instead of what files in memory "
    "cost here.\n"
    "* Pressure: 4 us a file: three for dom0; two for each domain with a limit of its "
    "disks.\n"
    "* Who serves its devices: xenstored is asked for 4 domains in turn, and for 16 "
    "that are new: some\n  7 requests each.\n"
    "* /proc/diskstats with 1000 disks, and Xen's part of six hypercalls: not "
    "measured.\n"
    "* Limits of disks: where there are any, every 16th sample walks through /proc "
    "once.\n\n"
    "Schedulers without activity records (credit, credit2) are asked for each "
    "domain and each\nvCPU: three hypercalls more for each domain with two "
    "vCPUs.\n";

static struct fake *f;
static struct avm_link *vifs;
static uint64_t *sectors;
static unsigned int named;

static enum work work_of(size_t i)
{
    return i % 5;
}

/* In place: a file that is made empty first has to be written out by some disks. */
static void overwrite(const char *name, const char *text)
{
    char path[300];
    ssize_t n = strlen(text);
    int fd;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, n) != n) {
        perror(path);
        abort();
    }
    close(fd);
}

static void count(size_t i, const char *counter, uint64_t value)
{
    char name[128], text[32];

    snprintf(name, sizeof(name), "sys/bus/xen-backend/devices/vbd-%zu-51712/"
             "statistics/%s", i, counter);
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
    overwrite(name, text);
}

static void qemu(size_t i, bool first)
{
    static const char cmdline[] = "qemu\n-xen-domid\n%zu\n";
    char name[128], text[300], *p;
    FILE *file;

    snprintf(text, sizeof(text), "%zu (qemu-system-i38) S 1 1 1 0 -1 4194560 1 2 "
             "3 4 %010llu 20 9 9 20 0 5 0 1000 1 20\n", QEMU_PID(i),
             (unsigned long long)(sectors[i] / 100));
    snprintf(name, sizeof(name), "proc/%zu/stat", QEMU_PID(i));
    if (first)
        put(text, "%s", name);
    else
        overwrite(name, text);
    snprintf(text, sizeof(text), "rchar: 1\nwchar: 1\nsyscr: 1\nsyscw: 1\n"
             "read_bytes: 1\nwrite_bytes: %020llu\ncancelled_write_bytes: 0\n",
             (unsigned long long)sectors[i] * 512);
    snprintf(name, sizeof(name), "proc/%zu/io", QEMU_PID(i));
    if (!first) {
        overwrite(name, text);
        return;
    }
    put(text, "%s", name);
    put("qemu-system-i38\n", "proc/%zu/comm", QEMU_PID(i));
    snprintf(text, sizeof(text), cmdline, i);
    put(text, "proc/%zu/cmdline", QEMU_PID(i));
    /* There each argument ends in NUL, which put() cannot write. */
    for (p = text; (p = strchr(p, '\n')); p++)
        *p = '\0';
    snprintf(name, sizeof(name), "%s/proc/%zu/cmdline", root, QEMU_PID(i));
    file = fopen(name, "w");
    if (!file || fwrite(text, sizeof(text), 1, file) != 1)
        abort();
    fclose(file);
}

/* The same domains in each round; only their counters move. */
static void live(enum disks disks_are)
{
    static const struct { unsigned int run, wait, wakes; } what[] = {
        [IDLE] = { 3, 0, 8 }, [HOG] = { 900, 900, 2 }, [NET] = { 200, 50, 900 },
        [DISK] = { 100, 30, 400 }, [INTERACTIVE] = { 300, 300, 200 },
    };
    static char disks[MAX_DOMS * 64];
    char *p = disks;
    size_t i;

    f->now_ns += 1000 * MS;
    for (i = 0; i < f->nr; i++) {
        enum work w = work_of(i);

        f->dom[i].ran_ns += what[w].run * MS;
        f->dom[i].waited_ns += what[w].wait * MS;
        f->dom[i].wakes += what[w].wakes;
        vifs[i].rx_packets += w == NET ? 500 : 2;
        vifs[i].rx_bytes += w == NET ? 500000 : 200;
        if (w == DISK || disks_are != SOME)
            sectors[i] += 2000;
        if (disks_are == QEMU) {
            qemu(i, false);
        } else if (w == DISK || disks_are == ALL) {
            count(i, "wr_sect", sectors[i]);
            count(i, "wr_req", sectors[i] / 10);
        }
        p += sprintf(p, " 253 %7zu dm-%zu 1 0 8 0 %llu 0 0 0\n", i, i,
                     (unsigned long long)sectors[i]);
    }
    put(disks, "proc/diskstats");
}

static int bench_links(void *ctx, struct avm_link **link, size_t *nr)
{
    (void)ctx;
    *nr = f->nr;
    *link = malloc(*nr * sizeof(**link));
    memcpy(*link, vifs, *nr * sizeof(**link));
    return 0;
}

static bool bench_link_name(void *ctx, uint32_t ifindex, char *name)
{
    (void)ctx;
    named++;
    return snprintf(name, AVM_IFNAME, "vif%u.0", ifindex - 1) < AVM_IFNAME;
}

/* libxl's part of xenstore: who serves the vif and the disk. */
static enum disks served;

static char **bench_list(void *ctx, uint32_t t, const char *path,
                         unsigned int *nr)
{
    char **name = malloc(sizeof(*name) + 16);

    (void)ctx;
    (void)t;
    name[0] = (char *)(name + 1);
    strcpy(name[0], strstr(path, "/vif") ? "0" : "51712");
    *nr = 1;
    return name;
}

static char *bench_read(void *ctx, uint32_t t, const char *path)
{
    const char *device = strstr(path, "/device/");
    char text[80];
    uint32_t domid;

    if (sscanf(path, "/libxl/%u/", &domid) == 1 && device) {
        if (strstr(device, "params"))
            return strdup("aio:/nowhere");
        snprintf(text, sizeof(text), "/local/domain/0/backend/%s/%u/%s",
                 strstr(device, "vif") ? "vif" : served == QEMU ? "qdisk" :
                 "vbd", domid, strstr(device, "vif") ? "0" : "51712");
        return strdup(text);
    }
    if (strstr(path, "device-model-pid") &&
        sscanf(path, "/local/domain/%u/", &domid) == 1) {
        if (served != QEMU)
            return NULL;
        snprintf(text, sizeof(text), "%u", QEMU_PID(domid));
        return strdup(text);
    }
    return strstr(path, "qdisk-backend-pid") ? NULL : fake_read(ctx, t, path);
}

static void set_up(size_t nr, enum disks disks_are)
{
    static const char *const zero[] = { "rd_req", "oo_req", "rd_sect", "wr_req",
                                        "wr_sect" };
    char text[64];
    size_t i, k;

    if (!mkdtemp(root)) {
        perror(root);
        exit(1);
    }
    f = fake_new(XEN_SCHEDULER_ACTIVITY, nr);
    f->nr_pcpus = nr / 4 ? nr / 4 : 1;
    vifs = calloc(nr, sizeof(*vifs));
    sectors = calloc(nr, sizeof(*sectors));
    served = disks_are;
    put("some total=100\nfull total=0\n", "proc/pressure/cpu");
    put("some total=100\nfull total=0\n", "proc/pressure/memory");
    put("some total=100\nfull total=0\n", "proc/pressure/io");
    for (i = 0; i < nr; i++) {
        f->dom[i].domid = i;
        f->dom[i].nr_vcpus = 2;
        vifs[i].ifindex = 1 + i;
        snprintf(text, sizeof(text), "backend/vif/%zu/0\n", i);
        put(text, "sys/class/net/vif%zu.0/device/nodename", i);
        put("", "sys/class/net/vif%zu.0/queues/tx-0/x", i);
        if (disks_are == QEMU) {
            qemu(i, true);
            continue;
        }
        for (k = 0; k < 5; k++)
            put("1\n", "sys/bus/xen-backend/devices/vbd-%zu-51712/statistics/%s",
                i, zero[k]);
        snprintf(text, sizeof(text), "fd:%zx\n", i);
        put(text, "sys/bus/xen-backend/devices/vbd-%zu-51712/physical_device",
            i);
    }
}

static void needs(avm_state *st, size_t nr)
{
    struct avm_need *need = calloc(nr, sizeof(*need));
    size_t i, n = 0;

    for (i = 0; i < nr; i++) {
        if (work_of(i) != HOG && work_of(i) != INTERACTIVE)
            continue;
        memcpy(need[n].uuid.b, f->dom[i].uuid, 16);
        need[n++].role = work_of(i) == HOG ? AVM_ROLE_BACKGROUND :
                                             AVM_ROLE_INTERACTIVE;
    }
    if (avm_state_needs(st, need, n))
        abort();
    free(need);
}

static uint64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int u64_cmp(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

    return a < b ? -1 : a > b;
}

static double median_ms(uint64_t *us, size_t nr)
{
    qsort(us, nr, sizeof(*us), u64_cmp);
    return us[nr / 2] / 1e3;
}

static long resident_kib(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    long size, pages = 0;

    if (!statm || fscanf(statm, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    if (statm)
        fclose(statm);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static struct avm_ops ops_of_bench(void)
{
    struct avm_ops ops = fake_ops;

    ops.links = bench_links;
    ops.link_name = bench_link_name;
    ops.store_list = bench_list;
    ops.store_read = bench_read;
    return ops;
}

/* One round; us[] has the CPU time of its three steps. */
static size_t round_of_loop(avm_handle *h, avm_state *st, uint64_t *us)
{
    struct avm_sample *s;
    struct avm_plan *plan;
    uint64_t t[4];
    size_t nr;

    t[0] = cpu_us();
    if (avm_sample_read(h, &s))
        abort();
    t[1] = cpu_us();
    if (avm_observe(st, s))
        abort();
    t[2] = cpu_us();
    if (avm_plan(st, s->mono_ns / MS, 0, &plan))
        abort();
    t[3] = cpu_us();
    us[0] = t[1] - t[0];
    us[1] = t[2] - t[1];
    us[2] = t[3] - t[2];
    nr = plan->nr;
    avm_plan_free(plan);
    avm_sample_free(s);
    return nr;
}

static void bench(size_t nr, enum disks disks_are, unsigned int rounds)
{
    uint64_t us[3], sample[ROUNDS], observe[ROUNDS], plan[ROUNDS], first = 0;
    uint64_t most = 0;
    struct avm_ops ops = ops_of_bench();
    unsigned int round, calls = 0;
    struct avm_config config;
    char cmd[64];
    avm_handle *h;
    avm_state *st;
    size_t wishes = 0;
    long before, after;

    struct rlimit files = { 10240, 10240 }; /* as avmd.service has it */

    if (setrlimit(RLIMIT_NOFILE, &files))
        perror("setrlimit");
    set_up(nr, disks_are);
    before = resident_kib();
    h = avm_open_ops(&ops, f, root);
    avm_config_init(&config);
    config.warmup_ms = 0;
    st = avm_state_new(&config);
    if (!h || !st)
        abort();
    needs(st, nr);

    for (round = 0; round < rounds; round++) {
        live(disks_are);
        f->sysctls = f->domctls = 0;
        wishes = round_of_loop(h, st, us);
        calls = f->sysctls + f->domctls;
        if (!round)
            first = us[0];
        else if (us[0] > most)
            most = us[0];
        sample[round % ROUNDS] = us[0];
        observe[round % ROUNDS] = us[1];
        plan[round % ROUNDS] = us[2];
    }
    after = resident_kib();
    printf("| %zu | %u | %.2f | %.2f | %.2f | %.2f | %.2f | %zu | %.1f |\n", nr,
           calls, median_ms(sample, ROUNDS), most / 1e3, first / 1e3,
           median_ms(observe, ROUNDS), median_ms(plan, ROUNDS), wishes,
           (after - before) / 1024.0);
    avm_state_free(st);
    avm_close(h);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    if (system(cmd))
        perror(cmd);
}

static void table(enum disks disks_are)
{
    static const size_t sizes[] = { 10, 100, 300, 1000, 3000 };
    size_t i;
    int status;

    printf("| domains | hypercalls | sample, ms | worst | first | observe, ms | "
           "plan, ms | wishes | memory, MiB |\n"
           "|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fflush(stdout);
        /* Each in a process of its own: memory that was freed stays resident. */
        if (!fork()) {
            /* Until all of them are known, and then some more. */
            bench(sizes[i], disks_are, ROUNDS + 2 +
                  sizes[i] / (disks_are == QEMU ? 16 : 128));
            exit(0);
        }
        if (wait(&status) < 0 || status)
            exit(1);
    }
}

int main(int argc, char *argv[])
{
    if (argc == 2) {
        size_t nr = strtoul(argv[1], NULL, 0);

        if (!nr || nr > MAX_DOMS) {
            fprintf(stderr, "bench-sample: 1 to %u domains\n", MAX_DOMS);
            return 2;
        }
        bench(nr, SOME, 5 * ROUNDS);
        return 0;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: %s [DOMAINS]\n", argv[0]);
        return 2;
    }
    printf("%s", intro);
    printf("## A fifth of the disks is busy\n\n");
    table(SOME);
    printf("\n## All disks are busy\n\n");
    table(ALL);
    printf("\n## All disks are busy, and served by a QEMU each\n\n");
    table(QEMU);
    printf("%s", notes);
    return 0;
}
