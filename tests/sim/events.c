/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels as the scheduler sees them (event_channel.c and the upcall of
 * x86, of which this is an imitation), and the hypercalls of sched/core.c that
 * guests make.
 *
 * Every vCPU has one port for each kind of event, and one upcall.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include <public/sched.h>

static void kick_pollers(struct domain *d, evtchn_port_t port)
{
    struct vcpu *v;

    for_each_vcpu ( d, v )
        if ( (v->poll_evtchn <= 0 || v->poll_evtchn == port) &&
             test_and_clear_bit(v->vcpu_id, d->poll_mask) )
        {
            v->poll_evtchn = 0;
            vcpu_unblock(v);
        }
}

static unsigned int enter(const struct vcpu *v)
{
    unsigned int caller = sim_cpu;

    SIM_CHECK(sim_current[v->processor] == v);
    sim_enter(v->processor);

    return caller;
}

static void notify(struct vcpu *to)
{
    to->upcall_pending = true;
    if ( to->runstate.state == RUNSTATE_blocked )
        sim.wakes++;
    /* vcpu_kick(): one that executes sees it by itself. */
    vcpu_unblock(to);
}

static void set_pending(struct vcpu *to, unsigned int kind)
{
    if ( to->ports_pending & (1u << kind) )
        return;
    to->ports_pending |= 1u << kind;
    if ( !to->upcall_pending )
        notify(to);
    kick_pollers(to->domain, sim_port(to->vcpu_id, kind));
}

void sim_event_send(struct vcpu *from, struct vcpu *to, unsigned int kind)
{
    bool interdomain = kind == XEN_SCHED_ACTIVITY_EVENT_INTERDOMAIN;

    to->activity.events[kind]++;
    if ( from && interdomain )
        from->activity.events_sent++;
    sim_say("  t=%"PRId64" event %u for d%dv%d on CPU %u\n", sim.now_ns, kind,
            to->domain->domain_id, to->vcpu_id, to->processor);

    if ( from )
    {
        unsigned int caller = enter(from);

        from->activity.sending = interdomain;
        set_pending(to, kind);
        if ( interdomain && from->activity.watch_sends )
            vcpu_event_sent(to);
        from->activity.sending = false;
        sim_enter(caller);
    }
    else
        set_pending(to, kind);
}

void sim_upcall_done(struct vcpu *v)
{
    v->ports_pending = 0;
    v->upcall_pending = false;
}

bool sim_upcall_pending(const struct vcpu *v)
{
    return v->upcall_pending;
}

bool local_events_need_delivery(void)
{
    return current->upcall_pending && !current->upcall_mask;
}

void local_event_delivery_enable(void)
{
    current->upcall_mask = false;
}

int evtchn_port_poll(struct domain *d, evtchn_port_t port)
{
    unsigned int id = (port - 1) / 4, kind = (port - 1) % 4;

    if ( !port || id >= d->max_vcpus )
        return -EINVAL;

    return (d->vcpu[id]->ports_pending >> kind) & 1;
}

void send_timer_event(struct vcpu *v)
{
    sim_event_send(NULL, v, XEN_SCHED_ACTIVITY_EVENT_VIRQ);
}

/* ---- hypercalls --------------------------------------------------------- */

static bool leave(struct vcpu *v, unsigned int caller)
{
    bool waits = v->pause_flags & VPF_blocked;

    if ( waits )
        sim_guest_waits(sim_cpu);
    sim_enter(caller);

    return waits;
}

bool sim_block(struct vcpu *v)
{
    unsigned int caller = enter(v);

    vcpu_block();

    return leave(v, caller);
}

bool sim_poll(struct vcpu *v, evtchn_port_t port, s_time_t timeout_ns)
{
    unsigned int caller = enter(v);
    struct sched_poll poll = { .nr_ports = 1, .timeout = timeout_ns };
    XEN_GUEST_HANDLE_PARAM(void) arg = { &poll };

    set_xen_guest_handle(poll.ports, &port);
    do_sched_op(SCHEDOP_poll, arg);

    return leave(v, caller);
}

void sim_yield(struct vcpu *v)
{
    unsigned int caller = enter(v);

    vcpu_yield();
    sim_enter(caller);
}

void sim_address_space_switch(struct vcpu *v, unsigned int space)
{
    unsigned int caller = enter(v);

    v->activity.address_space = space;
    vcpu_address_space_switched(v);
    sim_enter(caller);
}

bool sim_hvm_address_space_switch(struct vcpu *v, unsigned int space)
{
    bool exits = v->activity.watched;

    if ( exits )
        sim_address_space_switch(v, space);
    /* Xen looks at it in no other way than after an exit, and then it knows. */
    v->activity.address_space = space;

    return exits;
}
