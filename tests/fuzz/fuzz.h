/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz.h — what the fuzz targets share: an input that is taken piece by piece.
 *
 * A target decodes foreign bytes and then asserts what the decoder's door promises.  What it makes
 * of an input depends on the input alone, so that a finding can be played again:
 *
 *   build/fuzz/text_keys_fuzz build/fuzz/fuzz/text_keys/findings/crash-…
 *
 * Past its end an input goes on with zeros: a shorter input is a simpler one.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/util.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer calls these. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct input {
    const uint8_t *at;
    size_t left;
};

/* A number of 1 to 8 bytes, little-endian. */
static inline uint64_t input_number(struct input *in, unsigned bytes)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < bytes && in->left > 0; i++, in->at++, in->left--)
        n |= (uint64_t)*in->at << 8 * i;
    return n;
}

/* The next `most` bytes, or what is left of them. */
static inline struct input input_part(struct input *in, size_t most)
{
    struct input part = {in->at, most < in->left ? most : in->left};

    in->at += part.left;
    in->left -= part.left;
    return part;
}

/* Up to the next byte `end`, which goes too. */
static inline struct input input_until(struct input *in, uint8_t end)
{
    const uint8_t *found = in->left > 0 ? memchr(in->at, end, in->left) : NULL;
    struct input part = input_part(in, found ? (size_t)(found - in->at) : in->left);

    (void)input_part(in, 1);
    return part;
}

/* All that is left as a string of its own, so that the sanitizer sees its end; free() it. */
static inline char *input_text(const struct input *in)
{
    char *text = malloc(in->left + 1);

    assert(text);
    if (in->left > 0)
        memcpy(text, in->at, in->left);
    text[in->left] = '\0';
    return text;
}

/* The same without the NUL. */
static inline uint8_t *input_copy(const struct input *in)
{
    uint8_t *bytes = malloc(in->left > 0 ? in->left : 1);

    assert(bytes);
    if (in->left > 0)
        memcpy(bytes, in->at, in->left);
    return bytes;
}

#endif
