/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/probe.c — what a device holds before it becomes ours.
 *
 * Our own superblock is looked for first, then libblkid names file systems, RAID members and
 * partition tables.  What cannot be told is not called empty: E_SYSTEM.
 */
#include "store/inside.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t size_of(int fd)
{
    struct stat st;
    uint64_t bytes = 0;

    if (fstat(fd, &st) < 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return (uint64_t)st.st_size;
    return ioctl(fd, BLKGETSIZE64, &bytes) < 0 ? 0 : bytes;
}

static bool has_superblock(int fd, uint64_t bytes)
{
    uint8_t page[PAGE_BYTES];
    struct identity disk;
    struct geometry geo;

    for (uint32_t copy = 0; copy < 2 && bytes >= UINT64_C(2) * PAGE_BYTES; copy++) {
        off_t at = (off_t)superblock_offset(bytes, copy);

        if (pread(fd, page, sizeof page, at) == (ssize_t)sizeof page &&
            superblock_decode(page, copy, bytes, &geo, &disk) == E_OK)
            return true;
    }
    return false;
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
    bytes = size_of(fd);
    if (has_superblock(fd, bytes)) {
        snprintf(ret_text, 80, "a Dolmen store");
        err = E_EXISTS;
    } else if (bytes == 0) {
        err = E_OK; /* an empty file */
    } else {
        err = probe_foreign(fd, ret_text);
    }
    close(fd);
    return err;
}
