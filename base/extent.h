/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/extent.h — ranges of units, and a lock over them.
 *
 * What the unit is (512 bytes, a block, a chunk) is the user's affair and stands in his names.
 * The lock is fair: a claim waits for every earlier claim that overlaps it, unless both are shared.
 */
#ifndef BASE_EXTENT_H
#define BASE_EXTENT_H

#include "base/list.h"
#include "base/task.h"

#include <stdbool.h>
#include <stdint.h>

struct extent {
    uint64_t start, count;
};

static inline uint64_t extent_end(struct extent e)
{
    return e.start + e.count;
}

/* Inside [0, size), also when start + count would overflow. */
static inline bool extent_within(struct extent e, uint64_t size)
{
    return e.start <= size && e.count <= size - e.start;
}

static inline bool extent_overlaps(struct extent a, struct extent b)
{
    return a.start < extent_end(b) && b.start < extent_end(a);
}

struct extent_lock {
    struct list claims; /* in order of arrival */
};

enum extent_mode { EXTENT_SHARED, EXTENT_EXCLUSIVE };

/* Zeroed is "holds nothing".  Memory is the caller's, until released. */
struct extent_claim {
    struct list link;
    struct extent_lock *lock; /* NULL: holds nothing, waits for nothing */
    struct extent extent;
    enum extent_mode mode;
    bool held;
    struct task *waiter;
};

void extent_lock_init(struct extent_lock *l);

/*
 * True: held.  False: it has its place in the queue and `waiter` is run when it is held; the
 * waiter then asks claim->held.
 */
bool extent_claim(struct extent_lock *l, struct extent_claim *claim, struct extent extent,
                  enum extent_mode mode, struct task *waiter);

/* Gives up the claim, held or waiting; nothing to do if it is neither. */
void extent_release(struct extent_claim *claim);

#endif
