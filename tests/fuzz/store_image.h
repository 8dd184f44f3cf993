/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/store_image.h — real store images, changed by a recipe and sealed again.
 *
 * Checksums over everything stop a fuzzer at the first byte, so it never writes an image: it writes
 * a recipe, and what the recipe changes is proved anew from the leaves to the root (table page,
 * its entry in the index page, that one's entry in both roots), as a careless or a hostile hand
 * would.
 *
 *   flags (one byte, bits of enum image_flags), then edits: structure, offset (two bytes), kind
 *   (enum image_edit and, above it, the width), and the value that the kind takes
 */
#ifndef TESTS_FUZZ_STORE_IMAGE_H
#define TESTS_FUZZ_STORE_IMAGE_H

#include "tests/fuzz/fuzz.h"
#include "tests/sim/world/world.h"

#define IMAGE_BYTES (UINT64_C(32) << 20)
#define IMAGE_EDITS 16u

enum image_flags {
    IMAGE_CRASHED = 1,       /* the journal holds changes of every kind; else it was closed */
    IMAGE_TABLES_ROTTEN = 2, /* what was changed there is not sealed again … */
    IMAGE_GROUPS_ROTTEN = 4,
    IMAGE_RECORDS_ROTTEN = 8, /* of the map: each has a checksum of its own */
    IMAGE_SMALL = 16,         /* opened with the least memory (the harness's) */
    IMAGE_NOT_CLOSED = 32,    /* killed after its use (the harness's) */
};

enum image_edit { EDIT_SET, EDIT_ADD, EDIT_WIPE, EDIT_COPY };

/* Makes the images, once. */
void images_make(void);

/* Puts the image that the recipe's flags ask for onto a disk, changed by its edits. */
void image_put(struct sim_disk *d, uint8_t flags, struct input *recipe);

/* ---- calls of the store that wait for their answer ---- */

struct image_store {
    struct sim *sim;
    struct env *env;
    struct disk *disk;
    struct store *store;
};

struct store_change;
struct store_read;

void image_start(struct image_store *s, const char *disk); /* a new process */
enum err image_open(struct image_store *s, bool small);
enum err image_change(struct image_store *s, struct store_change *c);
enum err image_read(struct image_store *s, struct store_read *r);
void image_close(struct image_store *s);
/* What a process that is killed now leaves behind, on another disk: "copy". */
void image_copy(struct image_store *s);

#endif
