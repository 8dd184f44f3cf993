/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/at_rest.h — a disk that was written to, and three groups of a journal on it. */
#ifndef TESTS_UNIT_STORE_AT_REST_H
#define TESTS_UNIT_STORE_AT_REST_H

#include "tests/unit/store/rig_io.h"

#define SIZE 2000u

/* A disk with blocks 0 to 99 written and home, and the store opened anew. */
static inline struct rig at_rest(uint64_t seed)
{
    struct rig r = rig_begin(seed, SIZE);

    assert_int_equal(rig_write(&r, 0, 100, 1000), E_OK);
    rig_reopen(&r);
    return r;
}

static inline uint64_t page_place(const struct rig *r, uint64_t page, bool current)
{
    uint32_t place = r->store->index[page].flags & PAGE_PLACE;

    return page_offset(&r->store->geo, page, current ? place : place ^ PAGE_PLACE);
}

/* Three writes, each a group of its own; where they begin. */
static inline struct rig three_groups(uint64_t seed, uint64_t begin[3])
{
    struct rig r = at_rest(seed);

    for (uint64_t i = 0; i < 3; i++) {
        begin[i] = r.store->journal.head;
        assert_int_equal(rig_write(&r, 10 * i, 2, 5000 + 100 * i), E_OK);
    }
    return r;
}

#endif
