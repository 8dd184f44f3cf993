/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/watch.c — stands between a store and its disk, and counts what is asked of it.
 *
 * What a request is about shows by where it goes: so it also tells at what a process died.
 */
#include "tests/sim/storm/storm.h"

#include <assert.h>
#include <stdlib.h>

enum place { AT_GROUP, AT_PAGE, AT_ROOT, AT_DATA, AT_OTHER };

static enum place place_of(const struct geometry *g, uint64_t offset)
{
    if (offset >= g->journal_offset && offset < g->journal_offset + g->journal_bytes)
        return AT_GROUP;
    if (offset >= g->table_offset && offset < g->index_offset + 2 * g->index_pages * PAGE_BYTES)
        return AT_PAGE;
    if (offset >= g->data_offset && offset < g->data_offset + g->chunks * CHUNK_BYTES)
        return AT_DATA;
    for (uint32_t copy = 0; copy < 2; copy++)
        if (offset >= g->root_offset[copy] && offset < g->root_offset[copy] + g->root_bytes)
            return AT_ROOT;
    return AT_OTHER;
}

static void watch_group(struct storm *s, const struct disk_io *io)
{
    const struct format_group *h = io->pieces[0].iov_base;

    if (io->offset == s->geo.journal_offset && le32_get(h->head.magic) != GROUP_MAGIC) {
        tell(s, TALLY_WRAPS); /* the second part of one */
        return;
    }
    tell(s, TALLY_GROUPS);
    if (le32_get(h->record_count) == 0)
        tell(s, TALLY_IDLE_GROUPS);
    if (le64_get(h->durable) + 1 < le64_get(h->sequence))
        tell(s, TALLY_GROUPS_MORE);
    if (le32_get(h->head.incompat) & INCOMPAT_REDIRECT)
        tell(s, TALLY_REDIRECTS);
    if (checkpoint_running(s->p->store))
        tell(s, TALLY_GROUPS_BESIDE);
}

/* What a lost write of this copy would leave there. */
static void watch_root(struct storm *s, uint64_t offset)
{
    uint32_t copy = offset < s->geo.root_offset[1] ? 0 : 1;

    tell(s, TALLY_CHECKPOINTS);
    state_at_root(s, copy);
    sim_disk_peek(s->p->medium, s->geo.root_offset[copy], s->root_before[copy], s->geo.root_bytes);
}

static void watch_pages(struct storm *s, const struct disk_io *io)
{
    uint64_t offset = io->offset;

    tell(s, TALLY_PAGE_WRITES);
    for (uint32_t i = 0; i < io->piece_count; i++)
        for (uint64_t at = 0; at < io->pieces[i].iov_len; at += PAGE_BYTES, offset += PAGE_BYTES)
            cost_note_page(s, offset, (const uint8_t *)io->pieces[i].iov_base + at);
}

static void watch_write(struct storm *s, const struct disk_io *io)
{
    switch (place_of(&s->geo, io->offset)) {
    case AT_GROUP:
        if (s->p->store)
            watch_group(s, io);
        else
            tell(s, TALLY_MENDED);
        return;
    case AT_PAGE:
        watch_pages(s, io);
        return;
    case AT_ROOT:
        watch_root(s, io->offset);
        return;
    case AT_DATA:
        tell(s, TALLY_HOME_WRITES);
        return;
    case AT_OTHER:
        return;
    }
}

static void watch_death(struct storm *s, const struct disk_io *io)
{
    static const enum tally_item died_at[] = {[AT_GROUP] = TALLY_DIED_GROUP,
                                              [AT_PAGE] = TALLY_DIED_PAGE,
                                              [AT_ROOT] = TALLY_DIED_ROOT,
                                              [AT_DATA] = TALLY_DIED_HOME};
    enum place place = place_of(&s->geo, io->offset);

    if (io->op == DISK_SYNC)
        tell(s, TALLY_DIED_SYNC);
    else if (io->op == DISK_WRITE && place != AT_OTHER)
        tell(s, died_at[place]);
}

static void submit(struct disk *d, struct disk_io *io)
{
    struct storm *s = container_of(d, struct storm, watched);
    struct env *env = s->p->env;
    bool was_dead = sim_dead(env);

    if (io->op == DISK_WRITE && !was_dead)
        watch_write(s, io);
    if (io->op == DISK_READ && !was_dead)
        state_at_read(s, io);
    disk_submit(s->real, io);
    if (!was_dead && sim_dead(env))
        watch_death(s, io);
}

static const struct disk_ops ops = {.submit = submit};

void watch_begin(struct storm *s)
{
    for (uint32_t copy = 0; copy < 2 && !s->root_before[copy]; copy++) {
        s->root_before[copy] = calloc(1, s->geo.root_bytes);
        assert(s->root_before[copy]);
    }
    s->real = s->p->disk;
    s->watched = *s->real;
    s->watched.ops = &ops;
    s->p->disk = &s->watched;
}

void watch_end(struct storm *s)
{
    for (uint32_t copy = 0; copy < 2; copy++)
        free(s->root_before[copy]);
}
