/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sim/disk_rig.h — one request at a time on a simulated disk. */
#ifndef TESTS_UNIT_SIM_DISK_RIG_H
#define TESTS_UNIT_SIM_DISK_RIG_H

#include "tests/sim/world/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BOUND_US (60u * 1000 * 1000)
#define DISK_MAX (1u << 20)

/* One request of one block, and whether it is over. */
struct request {
    struct disk_io io;
    struct iovec piece;
    bool over;
    enum err err;
    _Alignas(DISK_ALIGN) uint8_t bytes[DISK_ALIGN];
};

static inline void request_done(struct disk_io *io, enum err err)
{
    struct request *r = container_of(io, struct request, io);

    assert_false(r->over);
    r->over = true;
    r->err = err;
}

static inline bool is_over(void *arg)
{
    return ((struct request *)arg)->over;
}

static inline void start(struct disk *d, struct request *r, enum disk_op op, uint64_t offset,
                         uint32_t flags)
{
    r->piece = (struct iovec){r->bytes, sizeof r->bytes};
    r->over = false;
    r->io = (struct disk_io){.op = op,
                             .flags = flags,
                             .offset = offset,
                             .pieces = &r->piece,
                             .piece_count = op == DISK_SYNC ? 0 : 1,
                             .done = request_done};
    disk_submit(d, &r->io);
    assert_false(r->over); /* nothing completes inside its own submission */
}

static inline void play(struct sim *s, struct disk *d, struct request *r, enum disk_op op,
                        uint64_t offset)
{
    start(d, r, op, offset, 0);
    assert_true(sim_run_until(s, is_over, r, BOUND_US));
    assert_int_equal(r->err, E_OK);
}

static inline void write_block(struct sim *s, struct disk *d, uint64_t offset, uint8_t fill,
                               uint32_t flags)
{
    static struct request r;

    memset(r.bytes, fill, sizeof r.bytes);
    start(d, &r, DISK_WRITE, offset, flags);
    assert_true(sim_run_until(s, is_over, &r, BOUND_US));
}

static inline void sync_disk(struct sim *s, struct disk *d)
{
    static struct request r;

    play(s, d, &r, DISK_SYNC, 0);
}

static inline struct disk *open_disk(struct env *e)
{
    struct disk *d;

    assert_int_equal(e->ops->disk_open(e, "disk0", DISK_MAX, &d), E_OK);
    return d;
}

static inline uint8_t byte_at(struct sim *s, uint64_t offset)
{
    uint8_t byte;

    sim_disk_peek(sim_disk_find(s, "disk0"), offset, &byte, 1);
    return byte;
}

#endif
