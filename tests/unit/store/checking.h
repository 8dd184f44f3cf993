/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/checking.h — a check of a rig's disk, and what it found. */
#ifndef TESTS_UNIT_STORE_CHECKING_H
#define TESTS_UNIT_STORE_CHECKING_H

#include "store/check.h"
#include "tests/unit/store/rig_io.h"

struct checked {
    struct store_check check;
    enum err err;
    uint64_t of_kind[64];
    struct store_finding first[64]; /* of each kind */
    struct rig_wait wait;
};

static inline void checked_found(struct store_check *c, const struct store_finding *f)
{
    struct checked *x = container_of(c, struct checked, check);

    assert_true(*f->what);
    if (getenv("SIM_TRACE"))
        print_message("found %s at %lx: %s\n", store_finding_word(f->kind),
                      (unsigned long)f->offset, f->what);
    if (x->of_kind[f->kind]++ == 0)
        x->first[f->kind] = *f;
}

static inline void checked_done(struct store_check *c, enum err err)
{
    container_of(c, struct checked, check)->wait = (struct rig_wait){true, err};
}

/* Every page of the medium, as one number. */
static inline uint64_t medium_sum(const struct rig *r)
{
    uint8_t page[PAGE_BYTES];
    uint64_t sum = 0;

    for (uint64_t at = 0; at < r->medium->size_bytes; at += PAGE_BYTES) {
        sim_disk_peek(r->medium, at, page, sizeof page);
        sum = sum * 31 + crc64(page, sizeof page);
    }
    return sum;
}

/* Of the rig's disk, whose store may be open and idle; nothing is written (K1). */
static inline struct checked rig_check(struct rig *r, bool data)
{
    struct checked x = {.check = {.env = r->env,
                                  .disk = r->disk,
                                  .data = data,
                                  .found = checked_found,
                                  .done = checked_done}};
    uint64_t before = medium_sum(r), io = sim_io_count(r->env), found = 0;

    store_check(&x.check);
    assert_false(x.wait.over);
    x.err = rig_await(r, &x.wait);
    assert_int_equal(sim_io_count(r->env), io);
    assert_true(medium_sum(r) == before);
    assert_true(x.err == E_OK || *x.check.why);
    for (size_t i = 0; i < array_length(x.of_kind); i++)
        found += x.of_kind[i];
    assert_int_equal(found, x.check.counts.findings);
    return x;
}

/* Clean, and a store that opens would say the same. */
static inline void expect_clean(struct rig *r)
{
    struct checked x = rig_check(r, true);

    assert_int_equal(x.err, E_OK);
    assert_int_equal(x.check.counts.findings, 0);
}

#endif
