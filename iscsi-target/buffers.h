/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/buffers.h — memory for the data of commands, counted at open.
 *
 * Two pools of 4 KiB-aligned segments, small (4 KiB) and large (64 KiB), so that what arrives is
 * placed once, aligned, and travels to the disk without another copy (design 4).
 */
#ifndef ISCSI_TARGET_BUFFERS_H
#define ISCSI_TARGET_BUFFERS_H

#include "base/pool.h"

#include <stdbool.h>
#include <sys/uio.h>

#define SEGMENT_SMALL_BYTES 4096u
#define SEGMENT_LARGE_BYTES 65536u
#define PAYLOAD_PIECES_MAX  66u /* 4 MiB in large segments, and a small rest */

struct buffers {
    struct pool small, large;
};

/* Zeroed is empty. */
struct payload {
    struct iovec pieces[PAYLOAD_PIECES_MAX];
    uint32_t count;
    uint32_t bytes;
    uint64_t *held; /* its owner's: all bytes of segments that he has; or NULL */
};

must_check enum err buffers_open(struct buffers *b, uint64_t bytes);
void buffers_close(struct buffers *b);

/* Segments for exactly `bytes` (the last piece is cut to fit); false: not now, nothing taken. */
must_check bool payload_get(struct buffers *b, struct payload *p, uint32_t bytes);
void payload_put(struct buffers *b, struct payload *p); /* also an empty one */

bool buffers_idle(const struct buffers *b);                 /* nobody has any */
bool buffers_have(const struct buffers *b, uint32_t bytes); /* payload_get() would give them */

/* What is free of the segments that a payload of `bytes` can be cut from: one of more than
 * PAYLOAD_PIECES_MAX small ones needs large ones. */
uint64_t buffers_free_bytes(const struct buffers *b, uint32_t bytes);

/* Gives back what lies behind byte `bytes`; nothing to do if it is no longer than that. */
void payload_cut(struct buffers *b, struct payload *p, uint32_t bytes);

/* Copies between the payload at byte `at` and flat memory; within p->bytes. */
void payload_write(struct payload *p, uint32_t at, const void *from, uint32_t length);
void payload_read(const struct payload *p, uint32_t at, void *to, uint32_t length);

/* The pieces of [at, at + length) into ret (room for PAYLOAD_PIECES_MAX); how many. */
uint32_t payload_pieces(const struct payload *p, uint32_t at, uint32_t length, struct iovec *ret);

#endif
