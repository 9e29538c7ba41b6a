/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kill -9 of the agent, again and again: in every gap between the journal and
 * a change, in the middle of what SQLite writes, and whenever a clock says so.
 * The host is in memory that outlives the agent, the database is a real one.
 *
 * After each start every knob has to be as it was before the agent came, or as
 * the journal says that it was planned; what is not as it was the agent has to
 * know, so that somebody gives it back; and nobody else may be said to have
 * changed anything. Once an agent has ended in peace all is as it was.
 *
 * What Xen and Linux do in several calls (the affinity of each vCPU, the rate
 * of each vif, the limit of each disk) is done in several steps here as well,
 * and an agent may die between any two of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent-fake.h"
#include "log.h"
#include "serve.h"

#define NR_GUESTS 8
#define PARTS     2     /* vCPUs, vifs and disks of each guest */
#define SECOND    1000000000u

/* Where an agent is, for the killer and for the count. */
enum place {
    AT_START,           /* until it has taken over                       */
    AT_LOOP,            /* looks, plans, publishes                       */
    AT_BEGIN,           /* writes to the journal                         */
    AT_JOURNALLED,      /* has, and has changed nothing yet              */
    AT_HALF,            /* some parts are changed                        */
    AT_MADE,            /* all are, and the journal does not know        */
    AT_MARK,            /* writes to the journal that it was made        */
    AT_MARKED,          /* has: reads it back                            */
    AT_UNDONE,          /* writes to the journal that it was given back  */
    NR_PLACES,
};

static const char *const place_name[NR_PLACES] = {
    "while it starts", "in the loop", "in a write of the journal",
    "between journal and change", "in the midst of a change",
    "between change and its mark", "in a write of the mark",
    "after the mark", "in a write of what is undone",
};

struct guest {
    struct avm_domain_sample s; /* params: only what has no parts */
    uint64_t part[AVM_NR_KNOBS][PARTS];
    uint64_t lease_end_ms;
    unsigned int urgent_life;   /* of the agent that made it urgent     */
    uint64_t original[AVM_NR_KNOBS];
    bool others[AVM_NR_KNOBS];  /* the last who set it was not avmd */
    /* When the journal was written to last: what it was, and is to be. */
    uint64_t before[AVM_NR_KNOBS], after[AVM_NR_KNOBS];
    unsigned int load;
};

struct host {
    uint64_t ns, random;
    struct guest guest[NR_GUESTS];
    struct avm_domain_sample dying; /* of a guest that was started anew */
    uint32_t next_domid;
};

/*
 * Whatever the host does by itself is done in a copy that takes the other's
 * place at once: no kill may hit the host.
 */
static struct shared {
    struct host host[2];
    volatile unsigned int now;
    volatile enum place at;
    volatile unsigned int life, recovered; /* numbers of agents */
    volatile unsigned int checks, stops, changes;
    char failure[512];
} *sh;

/* How this process is to die: at the n-th time that it comes to a place. */
static struct {
    enum place at;
    unsigned int times;         /* 0: not so            */
    unsigned int writes;        /* of SQLite, 0: not so */
    bool torn;                  /* half of it is written */
} die;

static char dir[64];
static struct agent agent;
static bool is_child;
static bool is_admin;           /* who makes the change */
static bool part_fails;         /* the next one that is not the first */
/* The limits of its devices were looked up; and the agent was told. */
static bool known[NR_GUESTS], told[NR_GUESTS];
static size_t turn;             /* whose limits are looked up next */

static struct host *host(void)
{
    return &sh->host[sh->now];
}

static uint64_t fake_ns(void)
{
    return host()->ns;
}

static uint64_t now_ms(void)
{
    return fake_ns() / 1000000;
}

static uint32_t below(struct host *h, uint32_t n)
{
    h->random = h->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(h->random >> 33) % n;
}

static void fail_life(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void fail_life(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sh->failure, sizeof(sh->failure), fmt, ap);
    va_end(ap);
    if (!is_child)
        fail_msg("%s", sh->failure);
    _exit(1);
}

/* Memory that is never used again costs a process page faults, 200 times. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}

/* ------------------------------------------------------------------------ */
/* Death                                                                    */

static void come_to(enum place at)
{
    sh->at = at;
    if (die.times && die.at == at && !--die.times)
        raise(SIGKILL);
}

static ssize_t dying_pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    if (die.writes && !--die.writes) {
        if (die.torn)
            (void)!pwrite(fd, buf, n / 2, offset);
        raise(SIGKILL);
    }
    return pwrite(fd, buf, n, offset);
}

static void sqlite_may_die(void)
{
    sqlite3_vfs *vfs;

    sqlite3_initialize();
    vfs = sqlite3_vfs_find(NULL);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite",
                         (sqlite3_syscall_ptr)dying_pwrite), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64",
                         (sqlite3_syscall_ptr)dying_pwrite), SQLITE_OK);
}

int __real_db_change_begin(struct db *db, struct db_change *change);
int __wrap_db_change_begin(struct db *db, struct db_change *change);
int __real_db_change_state(struct db *db, int64_t id, const char *state);
int __wrap_db_change_state(struct db *db, int64_t id, const char *state);
int __real_db_change_undone(struct db *db, const struct avm_uuid *uuid,
                            uint32_t domid, enum avm_knob knob);
int __wrap_db_change_undone(struct db *db, const struct avm_uuid *uuid,
                            uint32_t domid, enum avm_knob knob);

static struct guest *guest_of(const struct avm_uuid *uuid, uint32_t domid)
{
    size_t i;

    for (i = 0; i < NR_GUESTS; i++)
        if (host()->guest[i].s.domid == domid &&
            avm_uuid_equal(&host()->guest[i].s.uuid, uuid))
            return &host()->guest[i];
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* Xen and Linux                                                            */

static bool has_parts(enum avm_knob knob)
{
    return knob == AVM_KNOB_AFFINITY || knob >= AVM_KNOB_NET_OUT;
}

static uint32_t *plain(struct guest *g, enum avm_knob knob)
{
    return knob == AVM_KNOB_WEIGHT ? &g->s.params.weight :
           knob == AVM_KNOB_CAP ? &g->s.params.cap_pct : &g->s.params.urgency;
}

/* As libavm puts the parts together. */
static uint64_t value_of(struct guest *g, enum avm_knob knob)
{
    const uint64_t *part = g->part[knob];

    if (knob == AVM_KNOB_URGENCY && now_ms() >= g->lease_end_ms)
        return AVM_URGENCY_NORMAL;
    if (!has_parts(knob))
        return *plain(g, knob);
    if (knob == AVM_KNOB_AFFINITY)
        return part[0] | part[1];
    return part[0] && part[1] ? part[0] + part[1] : 0;
}

static void set_part(struct guest *g, enum avm_knob knob, size_t part,
                     uint64_t value)
{
    g->part[knob][part] = knob == AVM_KNOB_AFFINITY ? value : value / PARTS;
}

static void set_value(struct guest *g, enum avm_knob knob, uint64_t value)
{
    size_t i;

    if (!has_parts(knob))
        *plain(g, knob) = (uint32_t)value;
    for (i = 0; has_parts(knob) && i < PARTS; i++)
        set_part(g, knob, i, value);
}

int __wrap_db_change_begin(struct db *db, struct db_change *change)
{
    struct guest *g = guest_of(&change->uuid, change->domid);
    int rc;

    if (g) {
        g->before[change->knob] = value_of(g, change->knob);
        g->after[change->knob] = (uint64_t)change->after;
        if (!strcmp(change->actor, "avmd")) {
            g->others[change->knob] = false;
            if (!avm_knob_same(change->knob, g->before[change->knob],
                               (uint64_t)change->before))
                fail_life("life %u: %s: %s is %lld and the journal says %lld",
                          sh->life, change->domain,
                          avm_knob_name(change->knob),
                          (long long)g->before[change->knob],
                          (long long)change->before);
        }
    }
    come_to(AT_BEGIN);
    rc = __real_db_change_begin(db, change);
    come_to(strcmp(change->state, "pending") ? AT_LOOP : AT_JOURNALLED);
    return rc;
}

int __wrap_db_change_state(struct db *db, int64_t id, const char *state)
{
    bool made = !strcmp(state, "applied");
    int rc;

    come_to(AT_MARK);
    rc = __real_db_change_state(db, id, state);
    come_to(made ? AT_MARKED : AT_LOOP);
    return rc;
}

int __wrap_db_change_undone(struct db *db, const struct avm_uuid *uuid,
                            uint32_t domid, enum avm_knob knob)
{
    int rc;

    come_to(AT_UNDONE);
    rc = __real_db_change_undone(db, uuid, domid, knob);
    come_to(AT_LOOP);
    return rc;
}

/* What the admin or another program sets is what the agent has to keep to. */
static void operator_sets(struct guest *g, enum avm_knob knob, uint64_t value)
{
    set_value(g, knob, value);
    g->original[knob] = value;
    g->others[knob] = true;
}

/* The copy in which the host may change by itself. */
static struct host *host_begin(void)
{
    struct host *h = &sh->host[!sh->now];

    *h = *host();
    return h;
}

static void host_end(struct host *h)
{
    __atomic_store_n(&sh->now, (unsigned int)(h - sh->host),
                     __ATOMIC_SEQ_CST);
}

static void new_guest(struct host *h, size_t i, bool new_uuid)
{
    static const uint32_t weight[] = { 256, 300, 512 };
    struct guest *g = &h->guest[i];
    struct avm_uuid uuid = g->s.uuid;
    int k;

    memset(g, 0, sizeof(*g));
    g->s.uuid = uuid;
    g->s.domid = h->next_domid++;
    if (new_uuid) {
        g->s.uuid.b[0] = 0xa0;
        memcpy(&g->s.uuid.b[4], &g->s.domid, sizeof(g->s.domid));
    }
    snprintf(g->s.untrusted_name, sizeof(g->s.untrusted_name), "guest%zu", i);
    g->s.nr_vcpus = PARTS;
    g->s.have = AVM_HAVE_CPU | AVM_HAVE_RECORDS | AVM_HAVE_NET | AVM_HAVE_DISK;
    g->s.net_devices = g->s.disk_devices = g->s.domid;
    g->s.params.can = CAN_ALL;
    g->load = below(h, 4);
    operator_sets(g, AVM_KNOB_WEIGHT, weight[i % 3]);
    operator_sets(g, AVM_KNOB_AFFINITY, i == 5 ? 1 : UINT64_MAX);
    operator_sets(g, AVM_KNOB_NET_OUT, i % 4 ? 0 : 3000000);
    for (k = 0; k < AVM_NR_KNOBS; k++) {
        g->before[k] = g->after[k] = g->original[k];
        g->others[k] = false;
    }
}

/* One second of one guest. */
static void run_guest(struct guest *g)
{
    static const struct { uint32_t cpu_ms, wait_ms, wakes, packets; } load[] = {
        { 3, 0, 5, 0 }, { 900, 700, 3, 0 }, { 200, 150, 200, 2000 },
        { 150, 20, 100, 0 },
    };
    struct avm_counters *c = &g->s.count;
    uint64_t cpu_ns = load[g->load].cpu_ms * 1000000ull;

    c->cpu_ns += cpu_ns;
    c->running_ns += cpu_ns;
    c->runnable_ns += load[g->load].wait_ms * 1000000ull;
    c->blocked_ns += SECOND;
    c->wakes += load[g->load].wakes;
    c->blocks += load[g->load].wakes;
    c->events_interdomain += load[g->load].packets;
    c->latency[12] += load[g->load].wakes;
    c->net_tx_packets += load[g->load].packets;
    c->net_tx_bytes += load[g->load].packets * 1000ull;
}

/* What happens on a host. */
static void something_happens(struct host *h)
{
    size_t i = below(h, NR_GUESTS);
    struct guest *g = &h->guest[i];
    enum avm_knob knob;
    uint64_t value;

    switch (below(h, 8)) {
    case 0:                     /* rebooted; the old one is not gone yet */
        h->dying = g->s;
        h->dying.flags = AVM_DOM_DYING;
        memset(&h->dying.params, 0, sizeof(h->dying.params));
        new_guest(h, i, false);
        break;
    case 1:
        new_guest(h, i, true);
        break;
    case 2:                     /* its vifs came again */
        operator_sets(g, AVM_KNOB_NET_OUT, 0);
        operator_sets(g, AVM_KNOB_NET_IN, 0);
        g->s.net_devices++;
        break;
    case 3:                     /* xl sched-activity */
        knob = below(h, 2) ? AVM_KNOB_WEIGHT : AVM_KNOB_CAP;
        value = knob == AVM_KNOB_WEIGHT ? 200 + below(h, 100)
                                        : 100 + below(h, 50);
        if (value != g->before[knob] && value != g->after[knob])
            operator_sets(g, knob, value);
        break;
    default:
        g->load = below(h, 4);
    }
}

static void pass(uint64_t ms, unsigned int happens_permille)
{
    struct host *h = host_begin();
    size_t i;

    h->ns += ms * 1000000;
    for (i = 0; i < NR_GUESTS; i++)
        run_guest(&h->guest[i]);
    if (below(h, 1000) < happens_permille)
        something_happens(h);
    host_end(h);
}

int __wrap_avm_topology_read(avm_handle *h, struct avm_topology **t)
{
    (void)h;
    (void)t;
    errno = ENOSYS;
    return -1;
}

static int by_domid(const void *pa, const void *pb)
{
    const struct avm_domain_sample *a = pa, *b = pb;

    return a->domid < b->domid ? -1 : a->domid > b->domid;
}

int __wrap_avm_sample_read(avm_handle *h, struct avm_sample **out)
{
    struct avm_sample *s = calloc(1, sizeof(*s));
    struct avm_domain_sample *d;
    size_t i;

    (void)h;
    s->domain = d = calloc(NR_GUESTS + 2, sizeof(*s->domain));
    s->mono_ns = fake_ns();
    s->host.nr_pcpus = 2;
    s->host.nr_pools = 1;
    s->host.pool[0] = (struct avm_pool){
        .sched_id = 10, .nr_pcpus = 2, .can = CAN_ALL, .pcpus = 3,
    };
    *d++ = (struct avm_domain_sample){
        .untrusted_name = "Domain-0", .flags = AVM_DOM_CONTROL, .nr_vcpus = 2,
    };
    if (host()->dying.flags)
        *d++ = host()->dying;
    /* A sample does not look up the limits of all domains. */
    known[turn++ % NR_GUESTS] = true;
    for (i = 0; i < NR_GUESTS; i++, d++) {
        struct guest *g = &host()->guest[i];

        *d = g->s;
        d->params.affinity = value_of(g, AVM_KNOB_AFFINITY);
        d->params.urgency = (uint32_t)value_of(g, AVM_KNOB_URGENCY);
        told[i] = known[i];
        if (!told[i])
            continue;
        d->params.can |= AVM_CAN_NET_OUT | AVM_CAN_NET_IN | AVM_CAN_DISK;
        d->params.net_out_max_bps = value_of(g, AVM_KNOB_NET_OUT);
        d->params.disk_max_bps = value_of(g, AVM_KNOB_DISK);
        d->params.net_in_max_bps = value_of(g, AVM_KNOB_NET_IN);
    }
    s->nr = (size_t)(d - s->domain);
    qsort(s->domain, s->nr, sizeof(*s->domain), by_domid);
    *out = s;
    return 0;
}

int __wrap_avm_apply(avm_handle *h, const struct avm_change *c)
{
    struct guest *g = guest_of(&c->uuid, c->domid);
    bool renewed = !strcmp(c->reason, "lease renewed");
    struct host *next;
    size_t i;

    (void)h;
    if (!g) {
        errno = ESRCH;
        return -1;
    }
    if (is_admin) {
        next = host_begin();
        operator_sets(&next->guest[g - host()->guest], c->knob, c->after);
        host_end(next);
        come_to(AT_MADE);
        return 0;
    }
    if (has_parts(c->knob)) {
        for (i = 0; i < PARTS; i++) {
            if (i)
                come_to(AT_HALF);
            if (i && part_fails) {
                part_fails = false;
                errno = EIO;
                return -1;
            }
            set_part(g, c->knob, i, c->after);
        }
        known[g - host()->guest] = true;
    } else if (c->knob == AVM_KNOB_URGENCY) {
        g->urgent_life = sh->life;
        g->lease_end_ms = now_ms() + c->lease_ms;
        g->s.params.urgency = (uint32_t)c->after;
    } else {
        *plain(g, c->knob) = (uint32_t)c->after;
    }
    if (!renewed) {
        sh->changes++;
        come_to(AT_MADE);
    }
    return 0;
}

int __wrap_avm_verify(avm_handle *h, const struct avm_change *c,
                      uint64_t *actual)
{
    struct guest *g = guest_of(&c->uuid, c->domid);

    (void)h;
    if (!g) {
        errno = ESRCH;
        return -1;
    }
    *actual = value_of(g, c->knob);
    return !avm_knob_same(c->knob, *actual, c->after);
}

int __wrap_avm_publish(avm_handle *h, uint32_t domid,
                       const struct avm_uuid *uuid, enum avm_class klass)
{
    (void)h;
    (void)domid;
    (void)uuid;
    (void)klass;
    return 0;
}

int __wrap_avm_unpublish(avm_handle *h, uint32_t domid)
{
    (void)h;
    (void)domid;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* What has to be true                                                      */

#define UNDO_MAX ((NR_GUESTS + 2) * AVM_NR_KNOBS)

static int fail_row(const struct db_change *c, void *arg)
{
    (void)arg;
    fail_life("life %u: %s %s is still pending", sh->life, c->domain,
              avm_knob_name(c->knob));
}

/* Limits that were not looked up yet may have gone with their device. */
static bool is_told(const struct guest *g, enum avm_knob knob)
{
    return knob < AVM_KNOB_NET_OUT || told[g - host()->guest];
}

static void check_knob(struct guest *g, enum avm_knob knob,
                       const struct avm_change *undo)
{
    uint64_t value = value_of(g, knob), original = g->original[knob];
    char text[160];

    snprintf(text, sizeof(text), "life %u: %s: %s was %lld at first, is %lld, "
             "planned %lld to %lld", sh->life, g->s.untrusted_name,
             avm_knob_name(knob), (long long)original, (long long)value,
             (long long)g->before[knob], (long long)g->after[knob]);
    if (has_parts(knob) && g->part[knob][0] != g->part[knob][1])
        fail_life("%s: made by half", text);
    if (undo && !is_told(g, knob))
        return;
    if (undo && !avm_knob_same(knob, undo->after, original))
        fail_life("%s: would go back to %lld", text, (long long)undo->after);
    if (undo && !avm_knob_same(knob, undo->before, value))
        fail_life("%s: the agent thinks %lld", text, (long long)undo->before);
    if (avm_knob_same(knob, value, original))
        return;
    if (!avm_knob_same(knob, value, g->before[knob]) &&
        !avm_knob_same(knob, value, g->after[knob]))
        fail_life("%s: nobody planned this", text);
    /* An urgency ends with its lease if the agent does. */
    if (!undo && (knob != AVM_KNOB_URGENCY || g->urgent_life == sh->life))
        fail_life("%s: the agent does not know", text);
}

/* At every time at which no change is under way. */
static void check(void)
{
    struct db_change_filter pending = { .state = "pending" };
    struct avm_change undo[UNDO_MAX];
    size_t nr = avm_undo_list(agent.st, NULL, undo, UNDO_MAX), i, n;
    int k;

    for (i = 0; i < NR_GUESTS; i++) {
        struct guest *g = &host()->guest[i];

        for (k = 0; k < AVM_NR_KNOBS; k++) {
            const struct avm_change *of = NULL;

            for (n = 0; n < nr; n++)
                if (undo[n].domid == g->s.domid &&
                    undo[n].knob == (enum avm_knob)k)
                    of = &undo[n];
            check_knob(g, (enum avm_knob)k, of);
        }
    }
    if (!agent.db || db_change_each(agent.db, &pending, fail_row, NULL))
        fail_life("life %u: no journal", sh->life);
    sh->checks++;
}

/* Whoever is said to have changed something has done it. */
static void check_foreign(void)
{
    const struct avm_change *c;
    struct guest *g;
    size_t i, nr;

    c = avm_foreign(agent.st, &nr);
    for (i = 0; i < nr; i++) {
        g = guest_of(&c[i].uuid, c[i].domid);
        if (!g || !g->others[c[i].knob] ||
            g->original[c[i].knob] != c[i].after)
            fail_life("life %u: %s: nobody set %s from %lld to %lld", sh->life,
                      c[i].untrusted_name, avm_knob_name(c[i].knob),
                      (long long)c[i].before, (long long)c[i].after);
    }
}

/* Told to give all back, it has. */
static void check_given_back(void)
{
    size_t i;
    int k;

    for (i = 0; i < NR_GUESTS; i++) {
        struct guest *g = &host()->guest[i];

        for (k = 0; k < AVM_NR_KNOBS; k++) {
            if (k == AVM_KNOB_URGENCY && g->urgent_life != sh->life)
                continue;
            if (value_of(g, (enum avm_knob)k) != g->original[k])
                fail_life("life %u: %s: %s was %lld and stays %lld", sh->life,
                          g->s.untrusted_name, avm_knob_name((enum avm_knob)k),
                          (long long)g->original[k],
                          (long long)value_of(g, (enum avm_knob)k));
        }
    }
}

/* ------------------------------------------------------------------------ */
/* Lives                                                                    */

static void ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void ask(const char *fmt, ...)
{
    char request[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(request, sizeof(request), fmt, ap);
    va_end(ap);
    free(serve(&agent, request, strlen(request)));
}

/* The administrator changes his mind. */
static void admin(void)
{
    static const char *const need[] = {
        "\"role\":\"background\"", "\"role\":\"interactive\"",
        "\"role\":\"time-critical\"", "\"cap_pct\":50", "\"cap_pct\":70",
        "\"cap_pct\":-1", "\"cpus\":\"0\"", "\"cpus\":\"1\"",
        "\"cpus\":\"any\"", "\"net_max\":\"1MB/s\"", "\"net_max\":\"2MB/s\"",
        "\"net_max\":\"none\"", "\"disk_max\":\"5MB/s\"",
        "\"disk_max\":\"none\"", "\"weight_max\":100", "\"weight_min\":400",
        "\"net_in_max\":\"3MB/s\"", "\"net_in_max\":\"none\"",
    };
    struct host *h = host();
    uint32_t domid = h->guest[below(h, NR_GUESTS)].s.domid;
    uint32_t what = below(h, 22);

    if (what < 18) {
        ask("{\"op\":\"need-set\",\"domain\":\"%u\",%s}", domid, need[what]);
    } else if (what < 21) {
        ask("{\"op\":\"need-rm\",\"domain\":\"%u\"}", domid);
    } else {
        is_admin = true;
        ask("{\"op\":\"set\",\"domain\":\"%u\",\"weight\":%u}", domid,
            1000 + below(h, 1000));
        is_admin = false;
    }
}

static void start(enum avm_mode mode)
{
    sh->at = AT_START;
    memset(known, 0, sizeof(known));
    memset(told, 0, sizeof(told));
    turn = 0;
    agent = (struct agent){ .h = (avm_handle *)sh };
    fake_conf(&agent, mode, dir);
    agent.conf.loop.changes_per_minute = 10000;
    agent.conf.loop.foreign_hold_ms = 3000;
    if (agent_start(&agent))
        fail_life("life %u: does not start", sh->life);
    check_foreign();
    check();
    sh->recovered = sh->life;
    sh->at = AT_LOOP;
}

static void tick(void)
{
    pass(1000, 100);
    agent_tick(&agent);
    check_foreign();
}

/* Ends only if it is killed, or if something is wrong. */
static void live(void)
{
    uint32_t n;

    for (;;) {
        start(AVM_MODE_AUTO);
        for (n = 5 + below(host(), 30); n; n--) {
            tick();
            check();
            if (below(host(), 2))
                admin();
        }
        agent.conf.revert_on_exit = below(host(), 2);
        pass(1000, 300);
        sh->stops++;
        n = agent.conf.revert_on_exit;
        agent_stop(&agent);
        if (n)
            check_given_back();
    }
}

static void be_born(void)
{
    struct host *h = &sh->host[0];
    size_t i;

    memset(sh, 0, sizeof(*sh));
    h->ns = SECOND;
    h->random = 4711;
    h->next_domid = 1;
    for (i = 0; i < NR_GUESTS; i++)
        new_guest(h, i, true);
}

static void reap(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s", sh->failure);
}

/* In peace: after that nothing is left to do for anybody. */
static void last_life(void)
{
    struct avm_change undo[UNDO_MAX];
    size_t nr, i;
    int n, k;

    sh->life++;
    start(AVM_MODE_AUTO);
    for (n = 0; n < 30; n++) {
        pass(1000, 0);
        agent_tick(&agent);
        check();
    }
    assert_true(avm_undo_list(agent.st, NULL, undo, UNDO_MAX) > 0);
    agent.conf.revert_on_exit = true;
    pass(1000, 0);
    agent_stop(&agent);
    check_given_back();
    for (i = 0; i < NR_GUESTS; i++)
        for (k = 0; k < AVM_NR_KNOBS; k++)
            assert_true(value_of(&host()->guest[i], (enum avm_knob)k) ==
                        host()->guest[i].original[k]);

    sh->life++;
    start(AVM_MODE_OBSERVE);
    for (n = 0; n < NR_GUESTS; n++) {
        pass(1000, 0);
        agent_tick(&agent);
        avm_foreign(agent.st, &nr);
        assert_int_equal(nr, 0);
    }
    nr = avm_undo_list(agent.st, NULL, undo, UNDO_MAX);
    for (i = 0; i < nr; i++)
        fail_msg("%s (%u): %s would still go from %lld to %lld",
                 undo[i].untrusted_name, undo[i].domid,
                 avm_knob_name(undo[i].knob), (long long)undo[i].before,
                 (long long)undo[i].after);
    agent_stop(&agent);
}

static pid_t next_life(void (*script)(void))
{
    pid_t pid;

    sh->life++;
    sh->at = AT_START;
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        is_child = true;
        sqlite_may_die();
        script();
        fail_life("life %u: ended by itself", sh->life);
    }
    return pid;
}

static void report(const char *who, const unsigned int *hit)
{
    size_t i;

    print_message("%s: %u changes, %u ends in peace, %u checks; killed\n", who,
                  sh->changes, sh->stops, sh->checks);
    for (i = 0; i < NR_PLACES; i++)
        print_message("  %3u %s\n", hit[i], place_name[i]);
}

#define KILLS_GAPS   60
#define KILLS_WRITES 40
#define KILLS_TIMED  100

/* Between two lives the host goes on, sometimes for longer than a lease. */
static void between(uint64_t *seed)
{
    struct host dice = { .random = *seed };

    pass(below(&dice, 2) ? 100 : 15000, 300);
    *seed = dice.random;
}

static void test_killed_in_the_gaps(void **state)
{
    unsigned int hit[NR_PLACES] = { 0 }, i;
    struct host dice = { .random = 1 };

    (void)state;
    for (i = 0; i < KILLS_GAPS + KILLS_WRITES; i++) {
        memset(&die, 0, sizeof(die));
        if (i % 5 < 3) {
            die.at = (enum place)(AT_BEGIN + i % (NR_PLACES - AT_BEGIN));
            die.times = 1 + below(&dice, die.at == AT_HALF ? 5 : 20);
        } else {
            die.writes = 1 + below(&dice, 120);
            die.torn = below(&dice, 2);
        }
        reap(next_life(live));
        hit[sh->at]++;
        between(&dice.random);
    }
    report("in each gap, in each write", hit);
    for (i = AT_BEGIN; i < NR_PLACES; i++)
        assert_true(hit[i] > 0);
    memset(&die, 0, sizeof(die));
    last_life();
}

static void test_killed_at_any_time(void **state)
{
    unsigned int hit[NR_PLACES] = { 0 }, i;
    struct host dice = { .random = 2 };
    pid_t pid;

    (void)state;
    memset(&die, 0, sizeof(die));
    for (i = 0; i < KILLS_TIMED; i++) {
        pid = next_life(live);
        /* One of five may die before it has taken over. */
        while (i % 5 && sh->recovered != sh->life && !sh->failure[0])
            usleep(200);
        usleep(below(&dice, i % 5 ? 20000 : 5000));
        kill(pid, SIGKILL);
        reap(pid);
        hit[sh->at]++;
        between(&dice.random);
    }
    report("at any time", hit);
    last_life();
}

/* ------------------------------------------------------------------------ */
/* One kill each, and what became of it                                     */

/* A guest that is not among the first that a sample has the limits of. */
#define LATE 7
/* One that has a rate of its own. */
#define RATED 4

static void quiet(unsigned int seconds)
{
    while (seconds--) {
        pass(1000, 0);
        agent_tick(&agent);
    }
}

static void need(size_t guest, const char *what)
{
    ask("{\"op\":\"need-set\",\"domain\":\"%u\",%s}",
        host()->guest[guest].s.domid, what);
}

static void die_next(enum place at)
{
    die.at = at;
    die.times = 1;
}

static void die_by(void (*script)(void))
{
    memset(&die, 0, sizeof(die));
    reap(next_life(script));
    sh->life++;
    start(AVM_MODE_OBSERVE);
}

/* The undo of this knob, which the agent has to know. */
static struct avm_change undo_of(size_t guest, enum avm_knob knob)
{
    struct avm_change undo[UNDO_MAX];
    size_t nr = avm_undo_list(agent.st, NULL, undo, UNDO_MAX), i;

    for (i = 0; i < nr; i++)
        if (undo[i].domid == host()->guest[guest].s.domid &&
            undo[i].knob == knob)
            return undo[i];
    fail_msg("the agent knows of no change of %s", avm_knob_name(knob));
    return (struct avm_change){ 0 };
}

static void end_in_peace(void)
{
    agent.conf.revert_on_exit = true;
    pass(1000, 0);
    agent_stop(&agent);
    check_given_back();
}

static void script_revert(void)
{
    start(AVM_MODE_AUTO);
    need(LATE, "\"cap_pct\":50");
    quiet(2);
    die_next(AT_UNDONE);
    ask("{\"op\":\"revert\",\"domain\":\"%u\"}",
        host()->guest[LATE].s.domid);
}

/* Given back, and the journal not told: nobody else did that. */
static void test_killed_after_undo(void **state)
{
    size_t nr;

    (void)state;
    die_by(script_revert);
    avm_foreign(agent.st, &nr);
    assert_int_equal(nr, 0);
    assert_int_equal(host()->guest[LATE].s.params.cap_pct, 0);
    end_in_peace();
}

static void script_limit(void)
{
    start(AVM_MODE_AUTO);
    quiet(NR_GUESTS);
    die_next(AT_MADE);
    need(LATE, "\"net_max\":\"1MB/s\"");
    quiet(2);
}

/* The first sample may not know the limit: that is no sign that it is none. */
static void test_limit_not_in_sample(void **state)
{
    (void)state;
    die_by(script_limit);
    assert_int_equal(undo_of(LATE, AVM_KNOB_NET_OUT).before, 1000000);
    assert_int_equal(undo_of(LATE, AVM_KNOB_NET_OUT).after, 0);
    end_in_peace();
}

static void script_half(void)
{
    start(AVM_MODE_AUTO);
    quiet(NR_GUESTS);
    die_next(AT_HALF);
    need(LATE, "\"cpus\":\"1\"");
    quiet(2);
}

static void script_half_back(void)
{
    start(AVM_MODE_AUTO);
    need(LATE, "\"cpus\":\"1\"");
    quiet(NR_GUESTS);
    die_next(AT_HALF);
    ask("{\"op\":\"revert\",\"all\":true}");
}

/* One vCPU has it and the other has not: together they look like "any". */
static void test_half_made(void **state)
{
    (void)state;
    die_by(script_half);
    assert_true(host()->guest[LATE].part[AVM_KNOB_AFFINITY][0] == UINT64_MAX);
    end_in_peace();
    die_by(script_half_back);
    assert_true(host()->guest[LATE].part[AVM_KNOB_AFFINITY][1] == UINT64_MAX);
    end_in_peace();
}

/* Nobody has to die for that. */
static void test_half_failed(void **state)
{
    (void)state;
    sh->life++;
    start(AVM_MODE_AUTO);
    quiet(NR_GUESTS);
    agent.conf.loop.cooldown_ms = 60000; /* or it is tried again at once */
    assert_int_equal(avm_state_config(agent.st, &agent.conf.loop), 0);
    part_fails = true;
    need(LATE, "\"disk_max\":\"1MB/s\"");
    quiet(1);
    assert_false(part_fails);
    check();
    assert_int_equal(host()->guest[LATE].part[AVM_KNOB_DISK][0], 0);
    end_in_peace();
}

static void script_plugged_again(void)
{
    struct host *h;

    start(AVM_MODE_AUTO);
    need(RATED, "\"net_max\":\"1MB/s\"");
    quiet(NR_GUESTS);
    h = host_begin();
    operator_sets(&h->guest[RATED], AVM_KNOB_NET_OUT, 0);
    h->guest[RATED].s.net_devices++;
    host_end(h);
    quiet(2);
    raise(SIGKILL);
}

/* The vif came again without a rate: that is what it had, not the old one. */
static void test_original_of_new_device(void **state)
{
    (void)state;
    die_by(script_plugged_again);
    assert_int_equal(undo_of(RATED, AVM_KNOB_NET_OUT).before, 1000000);
    assert_int_equal(undo_of(RATED, AVM_KNOB_NET_OUT).after, 0);
    end_in_peace();
}

/* ------------------------------------------------------------------------ */

static int setup(void **state)
{
    (void)state;
    log_init("test", (enum log_level)0); /* silence */
    sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sh == MAP_FAILED)
        return -1;
    be_born();
    /* No disk has to wait: kill -9 does not lose what Linux was given. */
    strcpy(dir, "/dev/shm/avm-kill-XXXXXX");
    if (mkdtemp(dir))
        return 0;
    strcpy(dir, "/tmp/avm-kill-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    munmap(sh, sizeof(*sh));
    return fake_remove_dir(dir);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_killed_after_undo),
        TEST(test_limit_not_in_sample),
        TEST(test_half_made),
        TEST(test_half_failed),
        TEST(test_original_of_new_device),
        TEST(test_killed_in_the_gaps),
        TEST(test_killed_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
