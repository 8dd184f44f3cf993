/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/bad_disk.h — a rig's disk that refuses to read a range, or reads it wrongly and
 * says nothing, or dies in the middle of a write: its first sector holds neither old nor new, and
 * the power is gone.
 */
#ifndef TESTS_UNIT_STORE_BAD_DISK_H
#define TESTS_UNIT_STORE_BAD_DISK_H

#include "tests/unit/store/rig_io.h"

struct bad_read {
    struct disk_io *io;
    void (*done)(struct disk_io *, enum err);
};

static struct bad_disk {
    struct disk disk;
    struct rig *rig;
    struct disk *real;
    struct extent refused; /* bytes that are not read … */
    uint32_t times;        /* … so many times */
    uint32_t spared;       /* reads that are well before that */
    bool misread;          /* they come without an error, and are rot */
    struct bad_read reads[64];
    uint32_t writes;    /* so far */
    uint32_t tear_at;   /* this write is torn; 0: none */
    uint64_t tear_from; /* the first write at this offset is torn; 0: none */
} bad;

static inline uint64_t bad_bytes(const struct disk_io *io)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    return bytes;
}

/* A bit of the range, where the read holds it. */
static inline void bad_flip(const struct disk_io *io)
{
    uint64_t at = io->offset;

    for (uint32_t i = 0; i < io->piece_count; at += io->pieces[i++].iov_len)
        if (bad.refused.start + 200 >= at && bad.refused.start + 200 - at < io->pieces[i].iov_len)
            ((uint8_t *)io->pieces[i].iov_base)[bad.refused.start + 200 - at] ^= 0x10;
}

static inline void bad_read_done(struct disk_io *io, enum err err)
{
    for (uint32_t i = 0; i < array_length(bad.reads); i++) {
        if (bad.reads[i].io != io)
            continue;
        bad.reads[i].io = NULL;
        io->done = bad.reads[i].done;
        if (bad.misread)
            bad_flip(io);
        io->done(io, bad.misread ? err : E_DISK);
        return;
    }
    fail_msg("nobody asked for this read");
}

static inline void bad_refuse(struct disk_io *io)
{
    uint32_t i = 0;

    while (bad.reads[i].io)
        assert_true(++i < array_length(bad.reads));
    bad.reads[i] = (struct bad_read){io, io->done};
    io->done = bad_read_done;
    bad.times--;
}

static inline void bad_tear(const struct disk_io *io)
{
    uint8_t sector[512];

    memset(sector, 0xa5, sizeof sector);
    sim_disk_poke(bad.rig->medium, io->offset, sector, sizeof sector);
    sim_crash_at_io(bad.rig->sim, bad.rig->env, 1, SIM_POWER_LOST);
}

static inline void bad_submit(struct disk *d, struct disk_io *io)
{
    (void)d;
    if (io->op == DISK_READ && bad.spared > 0)
        bad.spared--;
    else if (io->op == DISK_READ && bad.times > 0 &&
             extent_overlaps((struct extent){io->offset, bad_bytes(io)}, bad.refused))
        bad_refuse(io);
    if (io->op == DISK_WRITE && !sim_dead(bad.rig->env) &&
        (++bad.writes == bad.tear_at || (bad.tear_from && io->offset == bad.tear_from)))
        bad_tear(io);
    disk_submit(bad.real, io);
}

static const struct disk_ops bad_ops = {.submit = bad_submit};

/* From now on, until the next rig_start(), the rig's disk is `bad`, which is well so far. */
static inline void bad_begin(struct rig *r)
{
    bad = (struct bad_disk){.disk = *r->disk, .rig = r, .real = r->disk};
    bad.disk.ops = &bad_ops;
    r->disk = &bad.disk;
    if (r->store)
        r->store->disk = r->disk;
}

#endif
