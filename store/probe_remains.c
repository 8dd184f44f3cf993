/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/probe_remains.c — what is left of a store whose superblocks and first root are gone.
 *
 * Its geometry is lost with them, but for a little: the journal begins behind the first root, and
 * every store that took a change has a group in its first pages; the second root and the tables lie
 * where the size of the device and that of the journal put them, and few sizes are in use.  A magic
 * of ours at the head of one such page is enough to ask before anything is written there.
 */
#include "store/inside.h"
#include "store/probe.h"

#include <unistd.h>

#define JOURNALS 14u /* 1 MiB, 2, 4 … 4 GiB, and what is chosen by itself */

static uint64_t journal_size(uint32_t i)
{
    return i + 1 == JOURNALS ? 0 : UINT64_C(1) << (20 + i);
}

static bool is_ours(const uint8_t *page)
{
    static const uint32_t magics[] = {GROUP_MAGIC, MAP_MAGIC, CHECKSUM_MAGIC, LOG_MAGIC,
                                      INDEX_MAGIC};
    struct format_head head;
    uint32_t magic;

    memcpy(&head, page, sizeof head);
    magic = le32_get(head.magic);
    if (le32_get(head.version) == 0 || le64_get(head.disk) == 0)
        return false;
    if (magic == ROOT_MAGIC)
        return !probe_is_of_a_format(page, magic);
    for (uint32_t i = 0; i < array_length(magics); i++)
        if (magic == magics[i])
            return true;
    return false;
}

struct range {
    uint64_t offset, pages;
};

/* E_OK: no page in it is ours; E_DISK: nor can that be told of all of them. */
static enum err look_through(int fd, uint64_t bytes, struct range r)
{
    uint8_t page[PAGE_BYTES];
    enum err err = E_OK;

    for (uint64_t i = 0; i < r.pages; i++) {
        uint64_t offset = r.offset + i * PAGE_BYTES;

        if (offset >= bytes || bytes - offset < PAGE_BYTES)
            break;
        if (pread(fd, page, sizeof page, (off_t)offset) != (ssize_t)sizeof page)
            err = E_DISK;
        else if (is_ours(page))
            return E_EXISTS;
    }
    return err;
}

static enum err look_at_tables(int fd, uint64_t bytes, const struct geometry *g)
{
    const struct range ranges[] = {
        {g->root_offset[1], 1},
        {page_offset(g, 0, 0), 1},
        {page_offset(g, 0, 1), 1},
        {page_offset(g, g->map_pages, 0), 1},
        {page_offset(g, g->map_pages, 1), 1},
        {index_page_offset(g, 0, 0), 1},
        {index_page_offset(g, 0, 1), 1},
    };
    enum err err = E_OK;

    for (uint32_t i = 0; i < array_length(ranges) && err != E_EXISTS; i++) {
        enum err found = look_through(fd, bytes, ranges[i]);

        err = found ? found : err;
    }
    return err;
}

enum err probe_remains(int fd, uint64_t bytes)
{
    enum err err = E_OK;

    for (uint32_t i = 0; i < JOURNALS && err != E_EXISTS; i++) {
        struct geometry g;
        enum err found;

        if (geometry_choose(bytes, journal_size(i), &g))
            continue;
        found = look_at_tables(fd, bytes, &g);
        if (found != E_EXISTS) /* as far as one group reaches, the next one begins */
            found = look_through(fd, bytes,
                                 (struct range){g.journal_offset, GROUP_BYTES_MAX / PAGE_BYTES});
        err = found ? found : err;
    }
    return err;
}
