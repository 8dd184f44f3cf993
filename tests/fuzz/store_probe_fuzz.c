/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/store_probe_fuzz.c — a device that may become ours: what it holds is never overlooked.
 *
 * A recipe's image (store_image.h) as a file.  As long as a superblock, or the root behind the
 * first, can be told by its magic, it is a store; nothing is ever written.
 */
#include "tests/fuzz/store_image_parts.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int file;
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    images_make();
    file = memfd_create("image", MFD_CLOEXEC);
    assert(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

static void put(uint64_t offset)
{
    ssize_t written = pwrite(file, image_ram.bytes + offset, PAGE_BYTES, (off_t)offset);

    assert(written == (ssize_t)PAGE_BYTES);
}

static bool has_magic(uint64_t offset, uint32_t magic)
{
    struct format_head h;

    ram_peek(&image_ram, offset, &h, sizeof h);
    return le32_get(h.magic) == magic;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    uint8_t flags = (uint8_t)input_number(&in, 1);
    uint64_t last = superblock_offset(IMAGE_BYTES, 1);
    char text[80];
    enum err err;
    int failed;

    image_put(IMAGE_ROOTS, flags, &in);
    failed = ftruncate(file, 0) || ftruncate(file, (off_t)IMAGE_BYTES);
    assert(!failed);
    for (uint64_t page = 0; page < IMAGE_BYTES / PAGE_BYTES; page++)
        if (image_ram.written[page])
            put(page * PAGE_BYTES);
    err = store_probe(path, text);
    assert(strlen(text) < sizeof text);
    if (has_magic(0, SUPERBLOCK_MAGIC) || has_magic(last, SUPERBLOCK_MAGIC))
        assert(err == E_EXISTS);
    else
        assert(err == E_OK || err == E_EXISTS || err == E_FOREIGN);
    return 0;
}
