/* SPDX-License-Identifier: Apache-2.0 */
/* bench/meter.c — counts what the store asks of the disk, and hands it on. */
#include "bench/bench.h"

static struct meter *meter_of(struct disk *d)
{
    return container_of(d, struct meter, disk);
}

static void meter_submit(struct disk *d, struct disk_io *io)
{
    struct meter *m = meter_of(d);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    m->requests++;
    if (io->op == DISK_WRITE)
        m->bytes_written += bytes;
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
    meter_reset(m);
}

void meter_reset(struct meter *m)
{
    m->bytes_written = 0;
    m->read_from = UINT64_MAX;
    m->read_to = 0;
}
