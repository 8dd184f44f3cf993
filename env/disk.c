/* SPDX-License-Identifier: Apache-2.0 */
/* env/disk.c — the doorway to a disk: every request of every world passes here, both ways. */
#include "base/util.h"
#include "env/env.h"

#include <assert.h>

static uint64_t bytes_checked(const struct disk_io *io)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < io->piece_count; i++) {
        const struct iovec *piece = &io->pieces[i];

        assert((uintptr_t)piece->iov_base % DISK_ALIGN == 0);
        assert(piece->iov_len > 0);
        assert(piece->iov_len % DISK_ALIGN == 0);
        bytes += piece->iov_len;
    }
    return bytes;
}

void disk_submit(struct disk *d, struct disk_io *io)
{
    assert(io->done);
    assert((io->flags & ~DISK_DSYNC) == 0);
    assert(io->op == DISK_WRITE || io->flags == 0);
    if (io->op == DISK_SYNC) {
        assert(io->piece_count == 0);
    } else {
        assert(io->piece_count > 0);
        assert(io->piece_count <= DISK_PIECES_MAX);
        assert(io->offset % DISK_ALIGN == 0);
        assert(io->offset <= d->size_bytes);
        assert(bytes_checked(io) <= d->size_bytes - io->offset);
    }

    io->disk = d;
    io->bytes_done = 0;
    d->submitted++;
    d->ops->submit(d, io);
}

void disk_answer(struct disk_io *io, enum err err)
{
    struct disk *d = io->disk;

    assert(d->answered < d->submitted);
    d->answered++;
    io->done(io, err);
}
