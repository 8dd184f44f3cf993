/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/storm/disk_model.c — see disk_model.h. */
#include "tests/iscsi/storm/disk_model.h"

#include "tests/iscsi/fixture.h"

#include <assert.h>
#include <string.h>

void model_content(uint8_t *bytes, uint32_t tag)
{
    if (tag == 0)
        memset(bytes, 0, MODEL_BLOCK);
    else
        fill(bytes, MODEL_BLOCK, tag);
}

static bool is_content(const uint8_t *bytes, uint32_t tag)
{
    uint8_t wanted[MODEL_BLOCK];

    model_content(wanted, tag);
    return memcmp(bytes, wanted, sizeof wanted) == 0;
}

bool model_read(struct model_block *b, const uint8_t *bytes)
{
    bool right = is_content(bytes, b->sure);

    for (uint32_t n = 0; !right && n < b->doubt_count; n++) {
        right = is_content(bytes, b->doubts[n]);
        if (right)
            b->sure = b->doubts[n];
    }
    b->doubt_count = 0;
    return right;
}

void model_written(struct model_block *b, uint32_t tag)
{
    b->sure = tag;
    b->doubt_count = 0;
}

void model_doubt(struct model_block *b, uint32_t tag)
{
    assert(b->doubt_count < DOUBTS_MAX);
    b->doubts[b->doubt_count++] = tag;
}
