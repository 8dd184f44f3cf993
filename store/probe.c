/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/probe.c — what a device holds before it becomes ours.
 *
 * Our own is looked for first: the magic of a superblock, or of the root behind the first of them,
 * is enough.  A store that is damaged, or whose device shrank, is still somebody's store (P10), and
 * open says what ails it.  Then libblkid names file systems, RAID members and partition tables.
 * Where it finds none, what a store leaves beside its superblocks is looked for (probe_remains.c),
 * and a sample of all the device has must hold nothing at all (probe_sample.c).
 * What cannot be told is not called empty: E_DISK where a page cannot be read, else E_SYSTEM.
 */
#include "store/probe.h"

#include "store/inside.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool size_of(int fd, uint64_t *ret)
{
    struct stat st;

    *ret = 0;
    if (fstat(fd, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode))
        return ioctl(fd, BLKGETSIZE64, ret) == 0;
    *ret = (uint64_t)st.st_size;
    return true;
}

bool probe_is_of_a_format(const uint8_t *page, uint32_t magic)
{
    struct format_head head;

    memcpy(&head, page, sizeof head);
    return magic == ROOT_MAGIC && le64_get(head.checkpoint) == 1;
}

/* A page that is ours begins with `magic`, however little else of it is whole. */
static enum err look_at(int fd, uint64_t offset, uint32_t magic)
{
    uint8_t page[PAGE_BYTES];
    struct format_name name = {.magic = magic};

    if (pread(fd, page, sizeof page, (off_t)offset) != (ssize_t)sizeof page)
        return E_DISK;
    if (format_prove(page, sizeof page, &name) == E_NOT_FOUND || probe_is_of_a_format(page, magic))
        return E_OK;
    return E_EXISTS;
}

/* E_OK: nothing of ours is there; E_DISK: nor may it be where the disk refuses to read. */
static enum err probe_ours(int fd, uint64_t bytes)
{
    const struct {
        uint64_t offset;
        uint32_t magic;
    } places[] = {{superblock_offset(bytes, 0), SUPERBLOCK_MAGIC},
                  {superblock_offset(bytes, 1), SUPERBLOCK_MAGIC},
                  {PAGE_BYTES, ROOT_MAGIC}};
    enum err err = E_OK;

    for (uint32_t i = 0; i < array_length(places) && err != E_EXISTS; i++) {
        enum err found = E_OK;

        if (places[i].offset < bytes && bytes - places[i].offset >= PAGE_BYTES)
            found = look_at(fd, places[i].offset, places[i].magic);
        err = found ? found : err;
    }
    return err;
}

static bool value_of(blkid_probe probe, const char *name, const char **ret)
{
    return blkid_probe_lookup_value(probe, name, ret, NULL) == 0;
}

static void describe(blkid_probe probe, char ret_text[80])
{
    const char *type = NULL, *usage = "";

    if (value_of(probe, "TYPE", &type)) {
        (void)value_of(probe, "USAGE", &usage);
        if (strcmp(usage, "filesystem") == 0)
            snprintf(ret_text, 80, "%.40s file system", type);
        else if (strcmp(usage, "raid") == 0)
            snprintf(ret_text, 80, "%.40s member", type);
        else
            snprintf(ret_text, 80, "%.40s", type);
    } else if (value_of(probe, "PTTYPE", &type)) {
        snprintf(ret_text, 80, "%.40s partition table", type);
    } else {
        snprintf(ret_text, 80, "data of an unknown kind");
    }
}

static enum err probe_foreign(int fd, char ret_text[80])
{
    blkid_probe probe = blkid_new_probe();
    enum err err = E_SYSTEM;
    int found;

    if (probe && blkid_probe_set_device(probe, fd, 0, 0) == 0) {
        blkid_probe_enable_superblocks(probe, 1);
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
        blkid_probe_enable_partitions(probe, 1);
        found = blkid_do_safeprobe(probe); /* 0 something, 1 nothing, -2 several things */
        if (found == 1)
            err = E_OK;
        if (found == 0 || found == -2) {
            err = E_FOREIGN;
            describe(probe, ret_text);
        }
    }
    if (probe)
        blkid_free_probe(probe);
    return err;
}

enum err store_probe(const char *path, char ret_text[80])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err;
    uint64_t bytes;

    ret_text[0] = 0;
    if (fd < 0)
        return err_of_errno(errno);
    err = size_of(fd, &bytes) ? probe_ours(fd, bytes) : E_SYSTEM;
    if (!err && bytes > 0) /* else: an empty file */
        err = probe_foreign(fd, ret_text);
    if (!err)
        err = probe_remains(fd, bytes);
    if (!err)
        err = probe_sample(fd, bytes, ret_text);
    if (err == E_EXISTS)
        snprintf(ret_text, 80, "a Dolmen store");
    close(fd);
    return err;
}

/* A read that is refused may pass. */
static void read_page(int fd, uint64_t offset, uint8_t *ret)
{
    for (uint32_t tries = 0; tries < READ_TRIES; tries++)
        if (pread(fd, ret, PAGE_BYTES, (off_t)offset) == (ssize_t)PAGE_BYTES)
            return;
    memset(ret, 0, PAGE_BYTES);
}

struct identity store_identify(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t pages[2 * PAGE_BYTES];
    struct superblock found = {0};
    uint64_t bytes;

    if (fd < 0)
        return found.disk;
    if (size_of(fd, &bytes) && bytes >= sizeof pages) {
        for (uint32_t copy = 0; copy < 2; copy++)
            read_page(fd, superblock_offset(bytes, copy), pages + (size_t)copy * PAGE_BYTES);
        (void)superblock_choose(pages, round_down(bytes, DISK_ALIGN), &found);
    }
    close(fd);
    return found.disk;
}
