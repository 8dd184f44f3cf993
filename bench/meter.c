/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/meter.c — counts what the store asks of the disk, and hands it on.
 *
 * Hollow, it forgets what is written to chunks, so that a store of a size that is not there can be
 * filled: format leaves the chunks alone and writes all that lies before and behind them, which is
 * how the meter learns where they are.
 */
#include "bench/bench.h"

static struct meter *meter_of(struct disk *d)
{
    return container_of(d, struct meter, disk);
}

/* ---- hollow ---- */

static void learn(struct meter *m, const struct disk_io *io, uint64_t bytes)
{
    if (io->offset < m->disk.size_bytes / 2)
        m->hole_from = max_u64(m->hole_from, io->offset + bytes);
    else
        m->hole_to = min_u64(m->hole_to, io->offset);
}

static void answer_forgotten(struct timer *t)
{
    struct meter *m = container_of(t, struct meter, timer);
    struct list *l;

    while ((l = list_take(&m->forgotten))) {
        struct disk_io *io = container_of(l, struct disk_io, link);

        io->done(io, E_OK);
    }
}

static void forget(struct meter *m, struct disk_io *io)
{
    list_append(&m->forgotten, &io->link);
    if (!timer_running(&m->timer))
        timer_start(m->clock, &m->timer, 0, answer_forgotten);
}

/* ---- the disk ---- */

static void meter_submit(struct disk *d, struct disk_io *io)
{
    struct meter *m = meter_of(d);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    m->requests++;
    if (io->op == DISK_WRITE) {
        m->bytes_written += bytes;
        if (m->learning)
            learn(m, io, bytes);
        if (m->hollow && !m->learning && io->offset >= m->hole_from && io->offset < m->hole_to) {
            forget(m, io);
            return;
        }
    }
    if (io->op == DISK_READ) {
        m->read_from = min_u64(m->read_from, io->offset);
        m->read_to = max_u64(m->read_to, io->offset + bytes);
    }
    disk_submit(m->below, io);
}

static void meter_close(struct disk *d)
{
    disk_close(meter_of(d)->below);
}

static const struct disk_ops meter_ops = {.submit = meter_submit, .close = meter_close};

void meter_open(struct meter *m, struct disk *below, uint64_t size_bytes)
{
    *m = (struct meter){.disk = *below, .below = below};
    m->disk.ops = &meter_ops;
    m->disk.size_bytes = min_u64(size_bytes, below->size_bytes);
    list_init(&m->forgotten);
    meter_reset(m);
}

void meter_hollow(struct meter *m, struct clock *clock)
{
    m->hollow = m->learning = true;
    m->clock = clock;
    m->hole_to = m->disk.size_bytes;
    m->disk.is_file = false; /* or format would write its chunks too */
}

void meter_reset(struct meter *m)
{
    m->bytes_written = 0;
    m->read_from = UINT64_MAX;
    m->read_to = 0;
}
