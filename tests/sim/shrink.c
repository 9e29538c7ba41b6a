/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs random scripts in processes of their own, and takes out of one that fails
 * what the failure does not need.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "random.h"

/* A run takes a tenth of a second; one that takes so long has no end. */
#define RUN_MAX_S    30
/* Shrinking is worth so much time; what is left then is shown as it is. */
#define SHRINK_MAX_S 60

static struct random_failure *shared;   /* with the child                   */
static bool child_is_quiet;

static void failed(const char *what)
{
    shared->step = sim.step;
    shared->done = machine.done;
    snprintf(shared->what, sizeof(shared->what), "%s", what);
    /* Nobody would read the rest, and stack traces take long. */
    if ( child_is_quiet )
        _exit(70);
}

#ifdef __SANITIZE_ADDRESS__
void __asan_on_error(void)
{
    if ( shared )
        failed(__asan_get_report_description());
}
#endif

static void __attribute__((noreturn))
child(const struct random_script *script, bool quiet, bool told)
{
    int null;

    child_is_quiet = quiet;
    sim.failed = failed;
    if ( quiet )
    {
        null = open("/dev/null", O_WRONLY);
        if ( null < 0 || dup2(null, 2) < 0 || (!told && dup2(null, 1) < 0) )
            _exit(2);
    }
    alarm(RUN_MAX_S);
    random_play(script, told);
    shared->done = machine.done;
    exit(0);
}

bool random_fails(const struct random_script *script, bool quiet,
                  struct random_failure *failure)
{
    int status = 0;
    pid_t pid;

    if ( !shared )
    {
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        SIM_CHECK(shared != MAP_FAILED);
    }
    memset(shared, 0, sizeof(*shared));

    fflush(stdout);
    pid = fork();
    if ( !pid )
        child(script, quiet, false);
    if ( pid < 0 || waitpid(pid, &status, 0) < 0 )
    {
        perror("fork");
        exit(2);
    }
    *failure = *shared;
    if ( status && !failure->what[0] )
        snprintf(failure->what, sizeof(failure->what),
                 WIFSIGNALED(status) ? "killed by a signal: %s" : "exit (%s)",
                 WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                     : "UBSan or the test itself");

    return status;
}

/* Numbers name domains, pCPUs and times, which are others in a shorter run. */
static bool same_words(const char *a, const char *b)
{
    static const char digits[] = "-+0123456789";

    for ( ; ; )
    {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if ( *a != *b )
            return false;
        if ( !*a )
            return true;
        a++;
        b++;
    }
}

unsigned int random_shrink(const struct random_script *script,
                           const struct random_failure *failure,
                           unsigned int *steps)
{
    unsigned int *fewer = calloc(script->nr, sizeof(*fewer));
    struct random_script trial = *script;
    unsigned int nr, chunk, first;
    time_t end = time(NULL) + SHRINK_MAX_S;
    bool removed;

    SIM_CHECK(fewer);
    alarm(0);       /* that of the test */
    for ( nr = 0; nr < script->nr; nr++ )
    {
        /* What comes after the failure cannot have caused it. */
        if ( failure->step && script->steps[nr] > failure->step )
            break;
        steps[nr] = script->steps[nr];
    }

    trial.steps = fewer;
    for ( chunk = DIV_ROUND_UP(nr, 2); chunk; )
    {
        removed = false;
        for ( first = 0; first < nr && time(NULL) < end; )
        {
            unsigned int last = min(first + chunk, nr);
            struct random_failure other;

            memcpy(fewer, steps, first * sizeof(*steps));
            memcpy(fewer + first, steps + last, (nr - last) * sizeof(*steps));
            trial.nr = nr - (last - first);
            if ( random_fails(&trial, true, &other) &&
                 same_words(other.what, failure->what) )
            {
                nr = trial.nr;
                memcpy(steps, fewer, nr * sizeof(*steps));
                removed = true;
            }
            else
                first = last;
        }
        /* What one removal made superfluous goes in another round. */
        if ( chunk > 1 || !removed )
            chunk /= 2;
        if ( time(NULL) >= end )
            break;
    }
    free(fewer);

    return nr;
}

void random_print(const struct random_script *script)
{
    unsigned int i;
    pid_t pid;

    printf("#   again: test-sched -s %"PRIu64" -k ", script->seed);
    for ( i = 0; i < script->nr; i++ )
        printf("%s%u", i ? "," : "", script->steps[i]);
    printf(" '%s'\n", script->kind->name);
    fflush(stdout);
    memset(shared, 0, sizeof(*shared));

    pid = fork();
    if ( !pid )
        child(script, true, true);
    if ( pid > 0 )
        waitpid(pid, NULL, 0);
    printf("\n#   %s\n", shared->what);
}
