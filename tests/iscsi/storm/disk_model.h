/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/storm/disk_model.h — what each block of an initiator's may hold.
 *
 * A block holds what the last answered write put there; after an abort, a reset or a broken
 * connection, that or what a write in doubt would have put there.  The first read settles it for
 * good.  A content is a number (tag) that fills the block; 0 is zeros.
 */
#ifndef TESTS_ISCSI_STORM_DISK_MODEL_H
#define TESTS_ISCSI_STORM_DISK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_BLOCK 4096u
#define DOUBTS_MAX  4u

struct model_block {
    uint32_t sure, doubts[DOUBTS_MAX], doubt_count;
    bool busy; /* a command that is under way touches it */
};

void model_content(uint8_t *bytes, uint32_t tag); /* MODEL_BLOCK of them */

/* What was read; false: it cannot be. */
bool model_read(struct model_block *b, const uint8_t *bytes);

void model_written(struct model_block *b, uint32_t tag);
void model_doubt(struct model_block *b, uint32_t tag); /* perhaps written */

static inline bool model_in_doubt(const struct model_block *b) /* too much to be written */
{
    return b->doubt_count == DOUBTS_MAX;
}

#endif
