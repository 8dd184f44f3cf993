/* SPDX-License-Identifier: Apache-2.0 */
/* volume/pieces.c — parts of a payload that lies in pieces of any size. */
#include "volume/inside.h"

#include <assert.h>
#include <string.h>

struct place {
    const struct iovec *piece, *end;
    size_t skip; /* bytes of the piece before the place */
};

static struct place place_at(const struct payload *p, uint64_t at)
{
    struct place place = {.piece = p->pieces, .end = p->pieces + p->count};

    at += p->at;
    while (place.piece < place.end && at >= place.piece->iov_len) {
        at -= place.piece->iov_len;
        place.piece++;
    }
    place.skip = (size_t)at;
    return place;
}

/* The next run of bytes, at most `most`; moves on. */
static struct iovec take_run(struct place *place, uint64_t most)
{
    struct iovec run;

    assert(place->piece < place->end);
    run.iov_base = (uint8_t *)place->piece->iov_base + place->skip;
    run.iov_len = (size_t)min_u64(place->piece->iov_len - place->skip, most);
    place->skip += run.iov_len;
    while (place->piece < place->end && place->skip == place->piece->iov_len) {
        place->piece++;
        place->skip = 0;
    }
    return run;
}

void payload_gather(const struct payload *p, uint64_t at, void *ret, size_t length)
{
    struct place place = place_at(p, at);

    for (uint8_t *to = ret; length > 0;) {
        struct iovec run = take_run(&place, length);

        memcpy(to, run.iov_base, run.iov_len);
        to += run.iov_len;
        length -= run.iov_len;
    }
}

void payload_scatter(const struct payload *p, uint64_t at, const void *bytes, size_t length)
{
    struct place place = place_at(p, at);

    for (const uint8_t *from = bytes; length > 0;) {
        struct iovec run = take_run(&place, length);

        memcpy(run.iov_base, from, run.iov_len);
        from += run.iov_len;
        length -= run.iov_len;
    }
}

uint32_t payload_slice(const struct payload *p, uint64_t at, uint64_t *bytes, struct iovec *ret,
                       uint32_t max)
{
    struct place place = place_at(p, at);
    uint64_t left = *bytes;
    uint32_t count = 0;

    while (left > 0 && count < max) {
        ret[count] = take_run(&place, left);
        left -= ret[count++].iov_len;
    }
    *bytes -= left;
    return count;
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t at = 0;

    if (memcmp(a, b, length) == 0)
        return length;
    while (a[at] == b[at])
        at++;
    return at;
}

size_t payload_differs(const struct payload *p, uint64_t at, const void *bytes, size_t length)
{
    struct place place = place_at(p, at);
    const uint8_t *other = bytes;
    size_t done = 0;

    while (done < length) {
        struct iovec run = take_run(&place, length - done);
        size_t same = first_difference(run.iov_base, other + done, run.iov_len);

        done += same;
        if (same < run.iov_len)
            return done;
    }
    return length;
}

void payload_or(const struct payload *p, uint64_t at, uint8_t *bytes, size_t length)
{
    struct place place = place_at(p, at);

    while (length > 0) {
        struct iovec run = take_run(&place, length);
        const uint8_t *from = run.iov_base;

        for (size_t i = 0; i < run.iov_len; i++)
            bytes[i] |= from[i];
        bytes += run.iov_len;
        length -= run.iov_len;
    }
}
