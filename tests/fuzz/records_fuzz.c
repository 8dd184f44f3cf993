/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/records_fuzz.c — a record's document, as each kind of record.
 *
 * What is read must be what is written: written over the document that it came from, and read
 * again, it is written the same once more.
 */
#include "metadata/records.h"
#include "tests/fuzz/fuzz.h"

/* clang-format off */
#define KINDS(X) X(node) X(disk) X(volume) X(head) X(page) X(attachment) X(grave)
/* clang-format on */

#define KIND_TAKE(kind)                                                                            \
    static void kind##_take(const char *json)                                                      \
    {                                                                                              \
        static struct kind##_record r, again;                                                      \
        char *first, *second;                                                                      \
        enum err err = kind##_read(json, &r);                                                      \
                                                                                                   \
        assert(err == E_OK || err == E_DAMAGED || err == E_UNSUPPORTED);                           \
        if (err)                                                                                   \
            return;                                                                                \
        first = kind##_write(&r, json);                                                            \
        assert(first);                                                                             \
        err = kind##_read(first, &again);                                                          \
        assert(!err);                                                                              \
        second = kind##_write(&again, first);                                                      \
        assert(second &&strcmp(first, second) == 0);                                               \
        free(first);                                                                               \
        free(second);                                                                              \
    }
KINDS(KIND_TAKE)

static void name_take(const char *json)
{
    struct identity volume = {0}, again;
    char *written;
    enum err err;

    if (volume_name_read(json, &volume))
        return;
    written = volume_name_write(volume);
    assert(written);
    err = volume_name_read(written, &again);
    assert(!err && identity_equal(volume, again));
    free(written);
}

#define KIND_CALL(kind) kind##_take(json);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *json = input_text(&(struct input){bytes, length});

    KINDS(KIND_CALL)
    name_take(json);
    free(json);
    return 0;
}
