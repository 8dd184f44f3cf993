/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/points/met.h — what a script met, counted where the store shows it. */
#ifndef TESTS_SIM_POINTS_MET_H
#define TESTS_SIM_POINTS_MET_H

#include "tests/sim/points/workload.h"
#include "tests/sim/store/player.h"

#define MET_CHUNKS 512u /* of a points' disk, at most */

struct met {
    uint64_t count[MET_ITEMS];
    uint64_t writes;      /* done, by all processes: only where there is one */
    uint64_t root_before; /* the newest one when the script began */
    uint64_t first_size[MODEL_REPLICAS];
    bool used[MODEL_REPLICAS];         /* the slot, by a replica that may be gone */
    struct identity owner[MET_CHUNKS]; /* at the last look … */
    struct identity last[MET_CHUNKS];  /* … and the last that it ever had */
};

const char *met_words(enum met_item item);

void met_begin(struct met *m, const struct player *p); /* the prelude is over */
/* It is about to be done. */
void met_step(struct met *m, const struct player *p, const struct step *s, struct extent e);
void met_answer(struct met *m, enum store_change_kind kind, enum err err);
void met_rest(struct met *m, const struct player *p); /* everything was answered */
void met_stop(struct met *m, const struct player *p); /* it is about to stop in good order */
void met_end(struct met *m, const struct player *p);  /* the script is over: of the last process */

#endif
