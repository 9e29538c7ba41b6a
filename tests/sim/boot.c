/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine comes up: topology, command line, the scheduler, the other pCPUs,
 * pool 0; pCPUs are plugged and unplugged. In the order that x86's
 * __start_xen(), common/cpu.c and stop_machine.c have.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include <xen/cpu.h>

unsigned int nr_cpu_ids, sim_mask_words;
cpumask_t cpumask_all, cpu_online_map, sim_cpumask_of[NR_CPUS];
cpumask_t sim_node_cpus[MAX_NUMNODES];
nodemask_t node_online_map;
DEFINE_PER_CPU(cpumask_var_t, cpu_sibling_mask);
DEFINE_PER_CPU(cpumask_var_t, cpu_core_mask);
struct cpuinfo_x86 cpu_data[NR_CPUS];
struct sim_place sim_place[NR_CPUS];
enum system_state system_state;

/* Xen forgets some memory of idle vCPUs for good when it boots. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static NOTIFIER_HEAD(cpu_chain);
static unsigned int boot_timers;
static struct sim_memory boot_memory;

/* ---- command line ------------------------------------------------------- */

extern const struct sim_xen_param *const __start_sim_params[];
extern const struct sim_xen_param *const __stop_sim_params[];

static int set_param(const struct sim_xen_param *p, const char *text)
{
    long value;
    char *end;

    switch ( p->kind )
    {
    case PARAM_CUSTOM:
        return p->parse(text);

    case PARAM_STRING:
        if ( strlen(text) >= p->size )
            return -EINVAL;
        strcpy(p->value, text);
        return 0;

    case PARAM_BOOLEAN:
        *(bool *)p->value = strcmp(text, "0") && strcmp(text, "no") &&
                            strcmp(text, "off") && strcmp(text, "false");
        return 0;

    default:
        value = strtol(text, &end, 0);
        if ( end == text || *end || (p->size != 1 && p->size != 4) )
            return -EINVAL;
        if ( p->size == 1 )
            *(uint8_t *)p->value = value;
        else
            *(uint32_t *)p->value = value;
        return 0;
    }
}

int sim_param(const char *name, const char *value)
{
    const struct sim_xen_param *const *p;

    for ( p = __start_sim_params; p < __stop_sim_params; p++ )
        if ( !strcmp((*p)->name, name) )
            return set_param(*p, value) ? -EINVAL : 0;

    return -ENOENT;
}

/* ---- topology ----------------------------------------------------------- */

static void place_cpus(void)
{
    unsigned int threads = sim.topology.threads_per_core ?: 1;
    unsigned int cores = sim.topology.cores_per_socket ?: NR_CPUS;
    unsigned int cpu, other;

    for ( cpu = 0; cpu < nr_cpu_ids; cpu++ )
    {
        sim_place[cpu].core = cpu / threads % cores;
        sim_place[cpu].socket = cpu / threads / cores;
        cpu_data[cpu].x86_num_siblings = threads;
        cpumask_set_cpu(cpu, &cpumask_all);
        cpumask_set_cpu(cpu, &sim_cpumask_of[cpu]);
        cpumask_set_cpu(cpu, &sim_node_cpus[cpu_to_node(cpu)]);
        node_set(cpu_to_node(cpu), node_online_map);
    }
    for ( cpu = 0; cpu < nr_cpu_ids; cpu++ )
    {
#if NR_CPUS > 2 * BITS_PER_LONG
        static cpumask_t sibling[NR_CPUS], core[NR_CPUS];

        per_cpu(cpu_sibling_mask, cpu) = &sibling[cpu];
        per_cpu(cpu_core_mask, cpu) = &core[cpu];
#endif
        for ( other = 0; other < nr_cpu_ids; other++ )
        {
            if ( cpu_to_socket(other) != cpu_to_socket(cpu) )
                continue;
            cpumask_set_cpu(other, per_cpu(cpu_core_mask, cpu));
            if ( cpu_to_core(other) == cpu_to_core(cpu) )
                cpumask_set_cpu(other, per_cpu(cpu_sibling_mask, cpu));
        }
    }
}

/* ---- pCPUs come and go -------------------------------------------------- */

void register_cpu_notifier(struct notifier_block *nb)
{
    notifier_chain_register(&cpu_chain, nb);
}

static int notify(unsigned int cpu, unsigned long action)
{
    int rc = notifier_call_chain(&cpu_chain, action,
                                 (void *)(unsigned long)cpu, NULL);

    return rc == NOTIFY_DONE ? 0 : notifier_to_errno(rc);
}

int sim_cpu_up(unsigned int cpu)
{
    struct notifier_block *failed = NULL;
    unsigned int caller = sim_cpu;
    int rc;

    rc = notifier_call_chain(&cpu_chain, CPU_UP_PREPARE,
                             (void *)(unsigned long)cpu, &failed);
    if ( rc != NOTIFY_DONE )
    {
        notifier_call_chain(&cpu_chain, CPU_UP_CANCELED,
                            (void *)(unsigned long)cpu, &failed);
        sim_rcu_run();
        return notifier_to_errno(rc);
    }

    sim_pcpu_on(cpu);
    sim_enter(cpu);
    sim_irqs(false);
    rc = notify(cpu, CPU_STARTING);
    sim_irqs(true);
    sim_enter(caller);
    SIM_CHECK(!rc);
    cpumask_set_cpu(cpu, &cpu_online_map);
    /* Xen's cpu_up() would not survive an error here, either. */
    rc = notify(cpu, CPU_ONLINE);
    sim_rcu_run();

    return rc;
}

/* stop_machine: all pCPUs run a tasklet, which is to say their idle vCPUs. */
static void stop_machine(bool stop)
{
    unsigned int cpu;

    for_each_online_cpu ( cpu )
        sim_tasklet(cpu, stop);
    if ( !stop )
        return;
    while ( !sim_quiet() )
        sim_step_all();
    for_each_online_cpu ( cpu )
        if ( !is_idle_vcpu(sim_current[cpu]) )
            sim_bug(__FILE__, __LINE__, "a guest runs, a tasklet waits");
}

int sim_cpu_down(unsigned int cpu)
{
    const struct cpupool *pool;
    struct notifier_block *failed = NULL;
    unsigned int caller = sim_cpu;
    int rc;

    if ( !cpu || !cpu_online(cpu) )
        return -EINVAL;
    /* Xen would say so, too, but its cpupool.c would never let go of it. */
    pool = get_sched_res(cpu)->cpupool;
    if ( pool && pool != cpupool0 )
        return -ENODEV;
    rc = notifier_call_chain(&cpu_chain, CPU_DOWN_PREPARE,
                             (void *)(unsigned long)cpu, &failed);
    if ( rc != NOTIFY_DONE )
    {
        notifier_call_chain(&cpu_chain, CPU_DOWN_FAILED,
                            (void *)(unsigned long)cpu, &failed);
        return notifier_to_errno(rc);
    }

    stop_machine(true);
    sim_lock_rules(false);
    sim_enter(cpu);
    sim_irqs(false);
    rc = notify(cpu, CPU_DYING);
    SIM_CHECK(!rc);
    sim_irqs(true);
    sim_pcpu_off(cpu);
    cpumask_clear_cpu(cpu, &cpu_online_map);
    sim_enter(caller);
    sim_lock_rules(true);
    stop_machine(false);

    rc = notify(cpu, CPU_DEAD);
    SIM_CHECK(!rc);
    sim_rcu_run();

    return 0;
}

/* ---- the machine -------------------------------------------------------- */

static const char *scheduler_name(unsigned int sched_id)
{
    extern const struct scheduler *__start_schedulers_array[];
    extern const struct scheduler *__stop_schedulers_array[];
    const struct scheduler **s;

    for ( s = __start_schedulers_array; s < __stop_schedulers_array; s++ )
        if ( *s && (*s)->sched_id == sched_id )
            return (*s)->opt_name;

    sim_bug(__FILE__, __LINE__, "no such scheduler");
}

void sim_boot(uint64_t seed, unsigned int nr_cpus, unsigned int sched_id)
{
    unsigned int cpu;

    SIM_CHECK(!nr_cpu_ids && nr_cpus && nr_cpus <= NR_CPUS);
    sim.seed = seed;
    sim.rng = (seed + 1) * 0x9e3779b97f4a7c15ull;
    sim.now_ns = SECONDS(1);
    nr_cpu_ids = nr_cpus;
    sim_mask_words = DIV_ROUND_UP(nr_cpus, BITS_PER_LONG);
    place_cpus();

    if ( __lsan_disable )
        __lsan_disable();
    system_state = SYS_STATE_boot;
    cpumask_set_cpu(0, &cpu_online_map);
    sim_param("sched", scheduler_name(sched_id));
    scheduler_init();
    sim_pcpu_on(0);

    system_state = SYS_STATE_smp_boot;
    for ( cpu = 1; cpu < nr_cpus; cpu++ )
    {
        int rc = sim_cpu_up(cpu);

        SIM_CHECK(!rc);
    }
    if ( __lsan_enable )
        __lsan_enable();
    sim_initcall_cpupool_init();
    system_state = SYS_STATE_active;

    sim_pool[0] = cpupool0;
    sim_fibers(cpupool_get_granularity(cpupool0) > 1);
    sim_settle();
    sim_memory_remember(&boot_memory);
    boot_timers = sim_timers_active;
}

/*
 * Xen never shuts its scheduler down. What can be checked is that the machine
 * gets back to where it was after boot.
 */
void sim_shutdown(void)
{
    unsigned int cpu, id;
    int rc;

    sim.alloc_fail_in = 0;
    sim.window_permille = 0;
    sim.trylock_fail_permille = 0;
    while ( domain_list )
        sim_domain_destroy(domain_list);
    sim_settle();
    for ( cpu = 1; cpu < nr_cpu_ids; cpu++ )
        if ( cpu_online(cpu) && get_sched_res(cpu)->cpupool &&
             get_sched_res(cpu)->master_cpu == cpu )
        {
            rc = sim_cpu_rm(cpu, false);
            SIM_CHECK(!rc);
        }
    for ( id = 1; id < SIM_POOLS; id++ )
        if ( sim_pool[id] )
        {
            rc = sim_pool_destroy(id);
            SIM_CHECK(!rc);
        }
    for ( cpu = 1; cpu < nr_cpu_ids; cpu++ )
    {
        if ( sim_has_tasklet(cpu) )
            sim_tasklet(cpu, false);
        /* It may be a thread of one that is there. */
        rc = cpu_online(cpu) && get_sched_res(cpu)->cpupool
             ? 0 : sim_cpu_add(0, cpu);
        SIM_CHECK(!rc);
    }
    /* A pCPU that idles may still have it in mind to try something again. */
    for_each_online_cpu ( cpu )
        cpu_raise_softirq(cpu, SCHEDULE_SOFTIRQ);
    sim_settle();
    sim_memory_compare(&boot_memory);
    if ( sim_timers_active > boot_timers )
    {
        fprintf(stderr, "%u active timers after boot, %u now\n", boot_timers,
                sim_timers_active);
        sim_bug(__FILE__, __LINE__, "a timer is still active");
    }
}
