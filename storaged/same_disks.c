/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/same_disks.c — each disk beside each other one. */
#include "storaged/same_disks.h"

#include "store/store.h"

#include <sys/stat.h>

/* Which device or file a path leads to. */
struct place {
    bool there, is_device;
    dev_t device;
    ino_t file;
};

static struct place place_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return (struct place){0};
    if (S_ISBLK(st.st_mode)) /* by whatever node it is reached */
        return (struct place){.there = true, .is_device = true, .device = st.st_rdev};
    return (struct place){.there = true, .device = st.st_dev, .file = st.st_ino};
}

static bool same_place(const struct place *a, const struct place *b)
{
    return a->there && b->there && a->is_device == b->is_device && a->device == b->device &&
           a->file == b->file;
}

static bool same_identity(const struct same_disk *a, const struct same_disk *b)
{
    return !identity_none(a->identity) && identity_equal(a->identity, b->identity);
}

/* Beside those further up. */
static void compare(const struct node_config *config, const struct place *places, uint32_t i,
                    struct same_disks *same)
{
    struct same_disk *disk = &same->disks[i];

    for (uint32_t j = 0; j < i && !disk->alias_of; j++) {
        struct same_disk *other = &same->disks[j];

        if (same_place(&places[i], &places[j])) {
            disk->alias_of = config->disks[j].path;
        } else if (!other->alias_of && same_identity(disk, other)) {
            disk->copy_of = config->disks[j].path;
            other->copy_of = config->disks[i].path;
        }
    }
}

void same_disks_find(const struct node_config *config, struct same_disks *ret)
{
    struct place places[CONFIG_DISKS_MAX];

    *ret = (struct same_disks){0};
    for (uint32_t i = 0; i < config->disk_count; i++) {
        places[i] = place_of(config->disks[i].path);
        ret->disks[i].identity = store_identify(config->disks[i].path);
        compare(config, places, i, ret);
    }
}
