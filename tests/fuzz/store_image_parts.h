/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_image_parts.h — what an image is made of, for those who make and change it. */
#ifndef TESTS_FUZZ_STORE_IMAGE_PARTS_H
#define TESTS_FUZZ_STORE_IMAGE_PARTS_H

#include "store/inside.h"
#include "tests/fuzz/store_image.h"

#define PAGES_MAX      512u
#define STRUCTURES_MAX 256u
#define ROOM_MAX       (1u << 20) /* of one structure */

/* A structure of an image, as it was before any change. */
struct structure {
    uint64_t offset, page, sequence;
    uint32_t magic; /* 0: a block of data, which nothing seals */
    uint32_t bytes, room;
    uint32_t used; /* the rest is zero: edits go here */
    bool follows;  /* a group whose predecessor is the structure before */
};

struct image {
    uint64_t offsets[PAGES_MAX];
    uint8_t (*pages)[PAGE_BYTES];
    uint32_t page_count;
    struct structure structures[STRUCTURES_MAX];
    uint32_t structure_count;
};

extern struct image images[2]; /* closed, crashed */
extern struct geometry image_geo;
extern uint32_t images_memory; /* places of the arena that the images themselves have */

#endif
