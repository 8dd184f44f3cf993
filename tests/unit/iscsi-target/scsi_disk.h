/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/scsi_disk.h — a block in memory that is pumped by hand.
 *
 * A request waits in a list until disk_pump() answers it: nothing completes inside its submission.
 * It remembers what is mapped, in grains of 4 KiB; `fail` answers one request with an error.
 */
#ifndef TESTS_SCSI_DISK_H
#define TESTS_SCSI_DISK_H

#include "base/block.h"
#include "base/util.h"

#include <string.h>

#define DISK_BYTES  (4u * 1024u * 1024u)
#define GRAIN_BYTES 4096u /* what the disk maps and unmaps as a whole */

struct disk {
    struct block block;
    uint8_t bytes[DISK_BYTES];
    bool mapped[DISK_BYTES / GRAIN_BYTES];
    struct list waiting;
    uint32_t steps;
    enum err fail; /* for the request number fail_at, counted from 1 */
    uint32_t fail_at;
};

static inline void disk_submit(struct block *b, struct block_request *r)
{
    list_append(&container_of(b, struct disk, block)->waiting, &r->link);
}

/* Bytes [from, from + length) of the request's pieces. */
static inline void disk_copy(uint8_t *at, const struct block_request *r, uint64_t from,
                             uint64_t length)
{
    for (uint32_t i = 0; i < r->piece_count && length > 0; i++) {
        uint64_t skipped = min_u64(from, r->pieces[i].iov_len);
        uint64_t here = min_u64(length, r->pieces[i].iov_len - skipped);

        memcpy(at, (const uint8_t *)r->pieces[i].iov_base + skipped, here);
        from -= skipped;
        at += here;
        length -= here;
    }
}

static inline enum err disk_compare_and_write(struct disk *d, struct block_request *r,
                                              uint64_t start, uint64_t length)
{
    static uint8_t want[DISK_BYTES];

    disk_copy(want, r, 0, length);
    for (uint64_t i = 0; i < length; i++)
        if (want[i] != d->bytes[start + i]) {
            r->differs_at = i;
            return E_MISCOMPARE;
        }
    disk_copy(d->bytes + start, r, length, length);
    return E_OK;
}

static inline void disk_status(struct disk *d, struct block_request *r)
{
    for (uint64_t u = r->extent.start; u < extent_end(r->extent); u++) {
        bool mapped = d->mapped[u * UNIT_BYTES / GRAIN_BYTES];

        if (r->run_count == 0 || r->runs[r->run_count - 1].mapped != mapped) {
            if (r->run_count == r->run_max)
                return;
            r->runs[r->run_count++] = (struct block_run){.mapped = mapped};
        }
        r->runs[r->run_count - 1].count++;
    }
}

static inline enum err disk_perform(struct disk *d, struct block_request *r)
{
    uint64_t start = r->extent.start * UNIT_BYTES, length = r->extent.count * UNIT_BYTES;
    static uint8_t scratch[DISK_BYTES];
    uint64_t at = start;

    for (uint64_t i = start / GRAIN_BYTES; i * GRAIN_BYTES < start + length; i++)
        if (r->op != BLOCK_READ && r->op != BLOCK_STATUS && r->op != BLOCK_UNMAP)
            d->mapped[i] = true;

    switch (r->op) {
    case BLOCK_READ:
        for (uint32_t i = 0; i < r->piece_count; at += r->pieces[i++].iov_len)
            memcpy(r->pieces[i].iov_base, d->bytes + at, r->pieces[i].iov_len);
        return E_OK;
    case BLOCK_WRITE:
        disk_copy(d->bytes + start, r, 0, length);
        return E_OK;
    case BLOCK_COMPARE_AND_WRITE:
        return disk_compare_and_write(d, r, start, length);
    case BLOCK_OR_WRITE:
        disk_copy(scratch, r, 0, length);
        for (uint64_t i = 0; i < length; i++)
            d->bytes[start + i] |= scratch[i];
        return E_OK;
    case BLOCK_UNMAP:
        for (uint64_t i = div_up(start, GRAIN_BYTES); (i + 1) * GRAIN_BYTES <= start + length; i++)
            d->mapped[i] = false;
        memset(d->bytes + start, 0, length);
        return E_OK;
    case BLOCK_WRITE_ZEROES:
        memset(d->bytes + start, 0, length);
        return E_OK;
    case BLOCK_STATUS:
        disk_status(d, r);
        return E_OK;
    }
    return E_UNSUPPORTED;
}

/* Answers one request; false when none waits. */
static inline bool disk_pump(struct disk *d)
{
    struct list *l = list_take(&d->waiting);
    struct block_request *r;

    if (!l)
        return false;
    r = container_of(l, struct block_request, link);
    d->steps++;
    block_answer(r, d->fail && d->steps == d->fail_at ? d->fail : disk_perform(d, r));
    return true;
}

#endif
