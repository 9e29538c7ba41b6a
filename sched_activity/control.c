/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dom0 sets and reads: weight, cap, urgency and reservations (reserve.c) of a
 * domain (domctl);
 * parameters of the pool, and the activity records of its vCPUs (sysctl).
 */
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/lib.h>
#include <xen/softirq.h>
#include <xen/xmalloc.h>

#include "private.h"

/*
 * A slice of half a millisecond costs a busy pCPU about 1% in switches (a few
 * microseconds each); below it latency gains little, as a guest's own timer path
 * is not much shorter. The longest slice is the one of credit2.
 */
#define ACT_SLICE_MIN_US 500U
#define ACT_SLICE_MAX_US 10000U

/*
 * What a domain may borrow: two long slices. A control or audio task needs a few
 * milliseconds at a time, and its guest's kernel some beside it.
 */
#define ACT_DEBT_MAX_US 20000U

/* Records are collected under a lock in batches of this size. */
#define ACT_RECORDS_BATCH 16U

/* After so many records a waiting interrupt or softirq goes first. */
#define ACT_RECORDS_CALL 1024U

/* What is accepted; stands in abi/activity.h, too. */
#define ACT_RATELIMIT_LIMIT_US   500000U
#define ACT_SLICE_MIN_LIMIT_US   50U
#define ACT_SLICE_MAX_LIMIT_US   100000U
#define ACT_DEBT_MAX_LIMIT_US    1000000U

bool act_first_refusal(enum act_cause cause)
{
    /* Of the whole host: pools and domains come and go, the log stays. */
    static unsigned long said;

    BUILD_BUG_ON(ACT_CAUSES > BITS_PER_LONG);

    return !test_and_set_bit(cause, &said);
}

static bool act_params_valid(const struct xen_sysctl_sched_activity_params *p)
{
    if ( p->ratelimit_us > ACT_RATELIMIT_LIMIT_US )
        act_refuse(ACT_BAD_RATELIMIT, "ratelimit %u us is not in 0..%u",
                   p->ratelimit_us, ACT_RATELIMIT_LIMIT_US);
    else if ( p->slice_max_us > ACT_SLICE_MAX_LIMIT_US ||
              p->slice_max_us < ACT_SLICE_MIN_LIMIT_US )
        act_refuse(ACT_BAD_SLICE_MAX, "longest slice %u us is not in %u..%u",
                   p->slice_max_us, ACT_SLICE_MIN_LIMIT_US,
                   ACT_SLICE_MAX_LIMIT_US);
    else if ( p->slice_min_us < ACT_SLICE_MIN_LIMIT_US ||
              p->slice_min_us > p->slice_max_us )
        act_refuse(ACT_BAD_SLICE_MIN, "shortest slice %u us is not in %u..%u, "
                   "the longest", p->slice_min_us, ACT_SLICE_MIN_LIMIT_US,
                   p->slice_max_us);
    else if ( p->debt_max_us > ACT_DEBT_MAX_LIMIT_US )
        act_refuse(ACT_BAD_DEBT_MAX, "debt %u us is not in 0..%u",
                   p->debt_max_us, ACT_DEBT_MAX_LIMIT_US);
    else
        return true;

    return false;
}

static void act_params_set(struct act_params *params,
                           const struct xen_sysctl_sched_activity_params *p)
{
    params->ratelimit = MICROSECS(p->ratelimit_us);
    params->slice_min = MICROSECS(p->slice_min_us);
    params->slice_max = MICROSECS(p->slice_max_us);
    params->debt_max = MICROSECS(p->debt_max_us);
}

void act_params_init(struct act_params *params)
{
    struct xen_sysctl_sched_activity_params defaults = {
        .ratelimit_us = sched_ratelimit_us,
        .slice_min_us = ACT_SLICE_MIN_US,
        .slice_max_us = ACT_SLICE_MAX_US,
        .debt_max_us = ACT_DEBT_MAX_US,
    };

    if ( defaults.ratelimit_us > ACT_RATELIMIT_LIMIT_US )
    {
        act_refuse(ACT_BAD_OPTION, "sched_ratelimit_us=%u is not in 0..%u: "
                   "using %u", defaults.ratelimit_us, ACT_RATELIMIT_LIMIT_US,
                   SCHED_DEFAULT_RATELIMIT_US);
        defaults.ratelimit_us = SCHED_DEFAULT_RATELIMIT_US;
    }
    act_params_set(params, &defaults);
}

/* The data of @d in this pool; NULL while it moves to another one. */
static struct act_dom *act_find_dom(const struct act_private *prv,
                                    const struct domain *d)
{
    struct act_dom *dom;

    list_for_each_entry ( dom, &prv->doms, elem )
        if ( dom->dom == d )
            return dom;

    return NULL;
}

static bool act_lease_valid(const struct xen_domctl_sched_activity *op)
{
    if ( op->urgency == XEN_SCHED_ACTIVITY_URGENCY_NORMAL )
        return op->lease_ms == 0;

    return op->lease_ms >= XEN_SCHED_ACTIVITY_LEASE_MS_MIN &&
           op->lease_ms <= XEN_SCHED_ACTIVITY_LEASE_MS_MAX;
}

static bool act_op_valid(const struct domain *d,
                         const struct xen_domctl_sched_activity *op)
{
    bool urgency = op->set & XEN_SCHED_ACTIVITY_SET_URGENCY;

    if ( op->set & ~XEN_SCHED_ACTIVITY_SET_ALL )
        act_refuse(ACT_BAD_FIELDS, "d%d: fields %#x are not among %#x",
                   d->domain_id, op->set, XEN_SCHED_ACTIVITY_SET_ALL);
    /* The field's type is what bounds it above. */
    else if ( (op->set & XEN_SCHED_ACTIVITY_SET_WEIGHT) &&
              op->weight < XEN_SCHED_ACTIVITY_WEIGHT_MIN )
        act_refuse(ACT_BAD_WEIGHT, "d%d: weight %u is not in %u..%u",
                   d->domain_id, op->weight, XEN_SCHED_ACTIVITY_WEIGHT_MIN,
                   XEN_SCHED_ACTIVITY_WEIGHT_MAX);
    else if ( (op->set & XEN_SCHED_ACTIVITY_SET_CAP) &&
              op->cap > 100U * d->max_vcpus )
        act_refuse(ACT_BAD_CAP, "d%d: cap %u is not in 0..%u", d->domain_id,
                   op->cap, 100U * d->max_vcpus);
    else if ( urgency && op->urgency > XEN_SCHED_ACTIVITY_URGENCY_MAX )
        act_refuse(ACT_BAD_URGENCY, "d%d: urgency %u is not in 0..%u",
                   d->domain_id, op->urgency, XEN_SCHED_ACTIVITY_URGENCY_MAX);
    else if ( urgency && !act_lease_valid(op) )
        act_refuse(ACT_BAD_LEASE, "d%d: a lease of %u ms for urgency %u is not "
                   "in %u..%u (0 for urgency %u)", d->domain_id, op->lease_ms,
                   op->urgency, XEN_SCHED_ACTIVITY_LEASE_MS_MIN,
                   XEN_SCHED_ACTIVITY_LEASE_MS_MAX,
                   XEN_SCHED_ACTIVITY_URGENCY_NORMAL);
    else if ( (op->set & XEN_SCHED_ACTIVITY_SET_RESERVATION) &&
              !act_reserve_valid(d, op) )
        act_refuse(ACT_BAD_RESERVATION, "d%d: no reservation for vCPU %u of "
                   "%u us in %u..%u each %u us in slice..%u for %u ms in "
                   "%u..%u", d->domain_id, op->vcpu, op->slice_us,
                   XEN_SCHED_ACTIVITY_SLICE_US_MIN, op->period_us,
                   op->period_us, XEN_SCHED_ACTIVITY_PERIOD_US_MAX,
                   op->reserve_lease_ms, XEN_SCHED_ACTIVITY_LEASE_MS_MIN,
                   XEN_SCHED_ACTIVITY_LEASE_MS_MAX);
    else
        return true;

    return false;
}

/* Charge what the domain ran so far under the terms that end now. */
static void act_settle(struct act_dom *dom)
{
    struct act_unit *su;

    list_for_each_entry ( su, &dom->units, elem )
    {
        spinlock_t *lock = unit_schedule_lock(su->unit);

        unsigned int cpu = sched_unit_master(su->unit);

        if ( curr_on_cpu(cpu) == su->unit )
        {
            act_charge(su, NOW());
            /* That may have been the end of its slice. */
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
        }

        unit_schedule_unlock(lock, su->unit);
    }
}

/* Let the new terms take effect on what waits and what runs. */
static void act_refresh(struct act_dom *dom, bool new_cap)
{
    struct act_unit *su;

    list_for_each_entry ( su, &dom->units, elem )
    {
        spinlock_t *lock = unit_schedule_lock(su->unit);
        unsigned int cpu = sched_unit_master(su->unit);

        if ( new_cap )
            act_cap_settle(su);

        if ( curr_on_cpu(cpu) == su->unit )
        {
            /* It has to ask again for what it was promised by its old weight. */
            if ( su->running )
                act_expire_slice(su, NOW());
            cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
        }
        else if ( su->state == ACT_QUEUED )
            act_requeue(su, NOW());

        unit_schedule_unlock(lock, su->unit);
    }
}

static int act_set(struct act_dom *dom, struct xen_domctl_sched_activity *op)
{
    int rc;

    act_settle(dom);

    if ( op->set & XEN_SCHED_ACTIVITY_SET_RESERVATION )
    {
        rc = act_reserve_set(dom, op);
        if ( rc )
            return rc;
    }

    if ( op->set & XEN_SCHED_ACTIVITY_SET_WEIGHT )
        write_atomic(&dom->weight, op->weight);

    if ( op->set & XEN_SCHED_ACTIVITY_SET_CAP )
        act_cap_set(dom, op->cap);

    if ( op->set & XEN_SCHED_ACTIVITY_SET_URGENCY )
    {
        write_atomic(&dom->urgency, op->urgency);
        write_atomic(&dom->urgency_until, NOW() + MILLISECS(op->lease_ms));
    }

    act_refresh(dom, op->set & XEN_SCHED_ACTIVITY_SET_CAP);

    return 0;
}

static void act_get(struct act_dom *dom, struct xen_domctl_sched_activity *op)
{
    s_time_t now = NOW();
    unsigned int vcpu = op->vcpu;

    memset(op, 0, sizeof(*op));
    op->weight = dom->weight;
    op->cap = dom->cap;
    op->urgency = act_urgency(dom, now);
    op->lease_ms = act_lease_ms(dom, now);
    act_reserve_get(dom, vcpu, op);
}

int cf_check act_adjust(const struct scheduler *ops, struct domain *d,
                        struct xen_domctl_scheduler_op *op)
{
    struct act_private *prv = act_priv(ops);
    struct act_dom *dom;
    unsigned long flags;
    int rc = 0;

    if ( op->cmd == XEN_DOMCTL_SCHEDOP_putinfo &&
         !act_op_valid(d, &op->u.activity) )
        return -EINVAL;
    /* It may take long to go; nobody else should wait for what it reserves. */
    if ( op->cmd == XEN_DOMCTL_SCHEDOP_putinfo && d->is_dying )
        return -ESRCH;

    write_lock_irqsave(&prv->lock, flags);

    dom = act_find_dom(prv, d);
    if ( !dom )
        rc = -ESRCH;
    else
        switch ( op->cmd )
        {
        case XEN_DOMCTL_SCHEDOP_putinfo:
            rc = act_set(dom, &op->u.activity);
            break;

        case XEN_DOMCTL_SCHEDOP_getinfo:
            act_get(dom, &op->u.activity);
            break;

        default: /* nothing is set per vCPU */
            rc = -EINVAL;
            break;
        }

    write_unlock_irqrestore(&prv->lock, flags);

    if ( rc == -ENOSPC )
        act_refuse(ACT_NO_ROOM, "d%d: no room for %u us each %u us: only %u "
                   "permille of a pCPU are free", d->domain_id,
                   op->u.activity.slice_us, op->u.activity.period_us,
                   op->u.activity.free_permille);

    return rc;
}

/* Where a vCPU stands in the order of records. */
static uint64_t act_record_key(const struct vcpu *v)
{
    return ((uint64_t)v->domain->domain_id << 32) | v->vcpu_id;
}

/* Fill @batch from the cursor on. Returns how many, moves the cursor. */
static unsigned int act_collect(struct act_private *prv, uint64_t *cursor,
                                struct xen_sched_activity_record *batch,
                                unsigned int room)
{
    struct act_dom *dom;
    unsigned int nr = 0;
    unsigned long flags;

    read_lock_irqsave(&prv->lock, flags);

    /* Or else reading all of them took time that grows with their square. */
    dom = read_atomic(&prv->read);
    if ( !dom || dom->dom->domain_id > (*cursor >> 32) )
        dom = list_entry(prv->doms.next, struct act_dom, elem);

    list_for_each_entry_from ( dom, &prv->doms, elem )
    {
        struct act_unit *su;

        if ( dom->dom->domain_id < (*cursor >> 32) )
            continue;

        list_for_each_entry ( su, &dom->units, elem )
        {
            spinlock_t *lock = unit_schedule_lock(su->unit);
            const struct vcpu *v;

            for_each_sched_unit_vcpu ( su->unit, v )
            {
                if ( nr == room || act_record_key(v) < *cursor )
                    continue;

                act_record_fill(su, v, NOW(), &batch[nr++]);
                *cursor = act_record_key(v) + 1;
                /* With the lock held for reading: any that is there will do. */
                write_atomic(&prv->read, dom);
            }

            unit_schedule_unlock(lock, su->unit);

            if ( nr == room )
                goto out;
        }
    }

 out:
    read_unlock_irqrestore(&prv->lock, flags);

    return nr;
}

static int act_copy_record(const struct xen_sysctl_sched_activity_records *op,
                           unsigned int index,
                           const struct xen_sched_activity_record *rec)
{
    size_t offset = (size_t)index * op->size;
    size_t common = min_t(size_t, op->size, sizeof(*rec));

    if ( copy_to_guest_offset(op->buffer, offset, (const uint8_t *)rec,
                              common) )
        return -EFAULT;

    if ( op->size > common &&
         clear_guest_offset(op->buffer, offset + common, op->size - common) )
        return -EFAULT;

    return 0;
}

static int act_records_get(struct act_private *prv,
                           struct xen_sysctl_sched_activity_records *op)
{
    struct xen_sched_activity_record *batch;
    unsigned int wanted = min(op->nr, ACT_RECORDS_CALL), done = 0, nr, i;
    int rc = 0;

    /* Whoever asks knows at least the start of the record, and roughly it. */
    if ( op->size < offsetof(struct xen_sched_activity_record, wakes) ||
         op->size > 16 * sizeof(*batch) )
        return -EINVAL;

    batch = xmalloc_array(struct xen_sched_activity_record, ACT_RECORDS_BATCH);
    if ( !batch )
        return -ENOMEM;

    do {
        nr = act_collect(prv, &op->cursor, batch,
                         min(wanted - done, ACT_RECORDS_BATCH));
        for ( i = 0; i < nr && !rc; i++ )
            rc = act_copy_record(op, done + i, &batch[i]);
        done += nr;
    } while ( nr && done < wanted && !rc && !hypercall_preempt_check() );

    xfree(batch);

    op->nr = done;
    op->size = sizeof(*batch);
    op->now_ns = NOW();

    return rc;
}

int cf_check act_adjust_global(const struct scheduler *ops,
                               struct xen_sysctl_scheduler_op *op)
{
    struct xen_sysctl_sched_activity *act = &op->u.sched_activity;
    struct xen_sysctl_sched_activity_params *p = &act->u.params;
    struct act_private *prv = act_priv(ops);
    bool put = op->cmd == XEN_SYSCTL_SCHEDOP_putinfo;
    unsigned long flags;
    int rc;

    if ( act->pad )
        return -EINVAL;

    switch ( act->op )
    {
    case XEN_SYSCTL_SCHED_ACTIVITY_OP_PARAMS:
        rc = put && !act_params_valid(p) ? -EINVAL : 0;
        write_lock_irqsave(&prv->lock, flags);
        if ( put && !rc )
            act_params_set(&prv->params, p);
        p->ratelimit_us = prv->params.ratelimit / MICROSECS(1);
        p->slice_min_us = prv->params.slice_min / MICROSECS(1);
        p->slice_max_us = prv->params.slice_max / MICROSECS(1);
        p->debt_max_us = prv->params.debt_max / MICROSECS(1);
        write_unlock_irqrestore(&prv->lock, flags);
        return rc;

    case XEN_SYSCTL_SCHED_ACTIVITY_OP_RECORDS:
        return put ? -EINVAL : act_records_get(prv, &act->u.records);

    default:
        return -EINVAL;
    }
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
