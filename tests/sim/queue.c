/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binary heap. The keys are kept in the heap itself: comparing them does not
 * touch the events.
 */
#include <stdio.h>
#include <stdlib.h>

#include "queue.h"

struct place {
    s_time_t at_ns;
    uint64_t order;
    struct sim_event *event;
};

/* heap[0] is not used: slot s is heap[s], its parent heap[s / 2]. */
static struct place *heap;
static unsigned int used, room;
static uint64_t last_order;

static bool before(const struct place *a, const struct place *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(unsigned int slot, struct place place)
{
    heap[slot] = place;
    place.event->slot = slot;
}

static void rise(unsigned int slot, struct place place)
{
    while ( slot > 1 && before(&place, &heap[slot / 2]) )
    {
        put(slot, heap[slot / 2]);
        slot /= 2;
    }
    put(slot, place);
}

static void sink(unsigned int slot, struct place place)
{
    unsigned int child;

    while ( (child = 2 * slot) <= used )
    {
        if ( child < used && before(&heap[child + 1], &heap[child]) )
            child++;
        if ( !before(&heap[child], &place) )
            break;
        put(slot, heap[child]);
        slot = child;
    }
    put(slot, place);
}

static void settle(unsigned int slot, struct place place)
{
    if ( slot > 1 && before(&place, &heap[slot / 2]) )
        rise(slot, place);
    else
        sink(slot, place);
}

void sim_at(struct sim_event *event, s_time_t at_ns)
{
    struct place place = { at_ns, ++last_order, event };

    event->at_ns = at_ns;
    event->order = place.order;
    if ( event->slot )
    {
        settle(event->slot, place);
        return;
    }

    if ( used + 1 >= room )
    {
        room = room ? 2 * room : 256;
        heap = realloc(heap, room * sizeof(*heap));
        if ( !heap )
        {
            fprintf(stderr, "sim: out of memory\n");
            abort();
        }
    }
    rise(++used, place);
}

void sim_cancel(struct sim_event *event)
{
    unsigned int slot = event->slot;

    if ( !slot )
        return;
    event->slot = 0;
    if ( slot != used-- )
        settle(slot, heap[used + 1]);
}

s_time_t sim_next_ns(void)
{
    return used ? heap[1].at_ns : INT64_MAX;
}

struct sim_event *sim_take(void)
{
    struct sim_event *event = used ? heap[1].event : NULL;

    if ( event )
        sim_cancel(event);

    return event;
}

const struct sim_event *sim_pending_in(const void *start, const void *end)
{
    unsigned int slot;

    for ( slot = 1; slot <= used; slot++ )
    {
        const char *at = (const char *)heap[slot].event;

        if ( at >= (const char *)start && at < (const char *)end )
            return heap[slot].event;
    }

    return NULL;
}
