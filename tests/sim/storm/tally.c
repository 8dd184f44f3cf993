/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/storm/tally.c — what the seeds reached, in words. */
#include "tests/sim/storm/storm.h"

const char *tally_sentence(uint32_t item)
{
#define TALLY_SENTENCE(name, sentence) [TALLY_##name] = (sentence),
    static const char *const sentences[] = {TALLY_LIST(TALLY_SENTENCE)};
#undef TALLY_SENTENCE

    return item < TALLY_FAULTS ? sentences[item]
                               : sim_fault_name((enum sim_fault_kind)(item - TALLY_FAULTS));
}

bool tally_is_demanded(uint32_t item)
{
    return item != TALLY_FAULTS + (uint32_t)FAULT_LYING_SYNC;
}
