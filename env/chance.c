/* SPDX-License-Identifier: Apache-2.0 */
/* env/chance.c — what rooms draw from chance. */
#include "env/env.h"

uint64_t chance_u64(struct chance *c)
{
    uint64_t bits;

    c->fill(c, &bits, sizeof bits);
    return bits;
}

struct identity chance_identity(struct chance *c)
{
    struct identity id;

    do {
        id.bits = chance_u64(c);
    } while (identity_none(id));
    return id;
}
