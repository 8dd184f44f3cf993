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

#include "store/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ram.h"

#define IMAGE_BYTES (UINT64_C(32) << 20)
#define IMAGE_EDITS 16u

enum image_flags {
    IMAGE_CRASHED = 1,       /* the journal holds changes of every kind; else it was closed */
    IMAGE_TABLES_ROTTEN = 2, /* what was changed there is not sealed again … */
    IMAGE_GROUPS_ROTTEN = 4,
    IMAGE_RECORDS_ROTTEN = 8, /* of the map: each has a checksum of its own */
    IMAGE_SMALL = 16,         /* opened with the least memory (the harness's) */
    IMAGE_NOT_CLOSED = 32,    /* killed after its use (the harness's) */
    IMAGE_NEWEST_FIRST = 64,  /* the disk answers the newest request first */
};

enum image_edit { EDIT_SET, EDIT_ADD, EDIT_WIPE, EDIT_COPY };

/* Which structures the edits of a recipe change. */
enum image_part { IMAGE_ALL, IMAGE_ROOTS, IMAGE_TABLES, IMAGE_JOURNAL };

/* Makes the world and the images, once. */
void images_make(void);

/* Puts the image that the recipe's flags ask for onto the disk, changed by its edits. */
void image_put(enum image_part part, uint8_t flags, struct input *recipe);

/* ---- calls of the store that wait for their answer ---- */

extern struct ram image_ram;
extern struct store *image_store; /* NULL: none is open */

enum err image_open(bool small);
enum err image_change(struct store_change *c);
enum err image_read(struct store_read *r);
void image_close(void);
/* The process is killed: its store is gone, what it wrote until now is on the disk. */
void image_kill(void);

/*
 * A check of the disk, then its store is opened and read, and both must agree: what the check calls
 * clean opens, undamaged, every block as it should be, and is clean again when it was closed; what
 * does not open, or is damaged, the check has named.  The check writes nothing.
 */
void image_check_and_open(enum image_part part, const uint8_t *bytes, size_t length);

#endif
