/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/extent.c — the range lock.
 *
 * One list in order of arrival: a few hundred claims at most (a volume's window), so a walk is
 * cheaper than a tree.
 */
#include "base/extent.h"

#include <assert.h>

void extent_lock_init(struct extent_lock *l)
{
    list_init(&l->claims);
}

static bool conflicts(const struct extent_claim *a, const struct extent_claim *b)
{
    return extent_overlaps(a->extent, b->extent) &&
           (a->mode == EXTENT_EXCLUSIVE || b->mode == EXTENT_EXCLUSIVE);
}

static bool may_hold(struct extent_claim *claim)
{
    list_for_each(l, &claim->lock->claims) {
        struct extent_claim *earlier = container_of(l, struct extent_claim, link);

        if (earlier == claim)
            return true;
        if (conflicts(earlier, claim))
            return false;
    }
    unreachable();
}

bool extent_claim(struct extent_lock *l, struct extent_claim *claim, struct extent extent,
                  enum extent_mode mode, struct task *waiter)
{
    assert(!claim->lock);
    assert(extent.count > 0);

    *claim = (struct extent_claim){.lock = l, .extent = extent, .mode = mode, .waiter = waiter};
    list_append(&l->claims, &claim->link);
    claim->held = may_hold(claim);
    return claim->held;
}

void extent_release(struct extent_claim *claim)
{
    struct extent_lock *lock = claim->lock;

    if (!lock)
        return;
    list_remove(&claim->link);
    claim->lock = NULL;
    claim->held = false;
    list_for_each(l, &lock->claims) {
        struct extent_claim *waiting = container_of(l, struct extent_claim, link);

        if (waiting->held || !extent_overlaps(waiting->extent, claim->extent))
            continue;
        if (may_hold(waiting)) {
            waiting->held = true;
            task_run(waiting->waiter);
        }
    }
}
