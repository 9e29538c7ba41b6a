/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "memory.h"
#include "report.h"

static int is_scenario(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

int bench(const struct bench *b, struct work *w)
{
    struct scenario *all = NULL;
    struct dirent **entries;
    unsigned int total = 0;
    struct row *rows;
    int nr, i, rc;
    FILE *f;

    nr = scandir(b->folder, &entries, is_scenario, alphasort);
    if ( nr <= 0 )
    {
        fprintf(stderr, "%s: %s\n", b->folder,
                nr ? strerror(errno) : "no scenarios (*.json) there");
        return 1;
    }
    for ( i = 0; i < nr; i++ )
    {
        struct scenario *some;
        unsigned int nr_some;
        char *file;

        if ( asprintf(&file, "%s/%s", b->folder, entries[i]->d_name) < 0 )
            abort();
        some = scenario_read(file, &nr_some);
        all = must(realloc(all, (total + nr_some) * sizeof(*all)));
        memcpy(all + total, some, nr_some * sizeof(*all));
        total += nr_some;
    }
    w->scenarios = all;
    w->nr_scenarios = total;
    w->progress = true;
    rows = run_all(w);

    f = create(b->out);
    rc = report_json(f, w, rows, b->cost);
    fclose(f);
    if ( b->markdown )
    {
        f = create(b->markdown);
        rc |= report_markdown(f, w, rows, b->cost);
        fclose(f);
    }
    if ( b->chart )
    {
        f = create(b->chart);
        rc |= report_chart(f, w, rows);
        fclose(f);
    }

    return rc;
}
