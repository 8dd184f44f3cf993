/* SPDX-License-Identifier: Apache-2.0 */
/* store/pieces.c — between a caller's pieces, of any size and alignment, and flat memory. */
#include "store/inside.h"

/* The next stretch of the pieces from byte `offset` on, at most `length` long. */
static struct iovec stretch(const struct iovec **pieces, uint64_t *offset, uint64_t length)
{
    while (*offset >= (*pieces)->iov_len) {
        *offset -= (*pieces)->iov_len;
        (*pieces)++;
    }
    return (struct iovec){(uint8_t *)(*pieces)->iov_base + *offset,
                          (size_t)min_u64(length, (*pieces)->iov_len - *offset)};
}

void pieces_gather(uint8_t *to, const struct iovec *pieces, uint64_t offset, uint64_t length)
{
    while (length > 0) {
        struct iovec part = stretch(&pieces, &offset, length);

        memcpy(to, part.iov_base, part.iov_len);
        to += part.iov_len;
        offset += part.iov_len;
        length -= part.iov_len;
    }
}

struct iovec pieces_next(struct pieces_cursor *c, uint64_t length)
{
    struct iovec part = stretch(&c->at, &c->offset, length);

    c->offset += part.iov_len;
    return part;
}

uint32_t pieces_slice(struct pieces_cursor *c, uint64_t length, struct iovec *ret)
{
    uint32_t count = 0;

    for (; length > 0; length -= ret[count++].iov_len)
        ret[count] = pieces_next(c, length);
    return count;
}

void pieces_scatter(const struct iovec *pieces, uint64_t offset, const uint8_t *from,
                    uint64_t length)
{
    while (length > 0) {
        struct iovec part = stretch(&pieces, &offset, length);

        if (from) {
            memcpy(part.iov_base, from, part.iov_len);
            from += part.iov_len;
        } else {
            memset(part.iov_base, 0, part.iov_len);
        }
        offset += part.iov_len;
        length -= part.iov_len;
    }
}
