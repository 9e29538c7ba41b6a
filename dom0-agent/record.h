/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * avmd --record: what the loop reads, appended to a file, for avm replay. The
 * format is in recording.h. What cannot be written ends the recording, said
 * once; the loop never waits for it. All calls take NULL: nothing is recorded.
 */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stddef.h>

#include "recording.h"

struct record;

/*
 * Mode 0600; an earlier recording is continued. NULL and one line in 'err'
 * if the file is something else.
 */
struct record *record_open(const char *path, char *err, size_t err_size);
void record_close(struct record *r);

/* Written if they are others than those before; 'start' is not looked at. */
void record_settings(struct record *r, const struct settings *s);
/* A line of past_json(), before the next sample. */
void record_past(struct record *r, const struct avm_uuid *uuid,
                 const struct avm_learned *l);
/*
 * The sample of this round is kept, and written at the end of the round: the
 * settings that its decision was made with come first.
 */
void record_sample(struct record *r, const struct avm_sample *sample);
void record_round_ends(struct record *r);

#endif
