/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_tables_fuzz.c — index, map, checksum and log pages, and data, changed and sealed
 * again: what reads them, and the check of a disk, agree (store_image.h). */
#include "tests/fuzz/store_image.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    images_make();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    image_check_and_open(IMAGE_TABLES, bytes, length);
    return 0;
}
