/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/pacing.c — when a checkpoint is begun, how fast it goes, and what a group may take beside
 * it (design 7).
 *
 * A checkpoint begins when a quarter of the ring, or a third of the stage, is used by what came
 * since the last one, or when more chunks wait for it to be free than are left.  While it runs the
 * journal goes on.  From 70 % of the ring or the stage on, admission narrows: what may be used
 * grows with the checkpoint's progress, so that changes slow down to its pace instead of stopping
 * until its end.  A last part of the ring is never given to changes: it is for groups that only
 * name others durable.
 *
 * Up to 80 % the checkpoint keeps a part of its requests in flight, so that those of the journal
 * find the disk free; beyond, and when the journal has been quiet for a while, all of them.  (A
 * moment without a group is no quiet: whoever has one write at a time sends the next one when this
 * one is answered.)  It waits for nothing that only clients can earn (P12).
 */
#include "store/inside.h"

#define SCALE       1024u /* as checkpoint_progress() */
#define NARROW      717u  /* 70 % */
#define HURRY       819u  /* 80 % */
#define MOST        973u  /* 95 % */
#define FREES_LEAST 256u  /* chunks that are worth a checkpoint: 16 MiB */
#define CALM_WIDTH  16u   /* requests of a checkpoint that need not hurry */
#define QUIET_US    (UINT64_C(10) * 1000)

static uint64_t ring_used(const struct store *s)
{
    return s->journal.head - s->journal.tail;
}

static uint64_t stage_used(const struct store *s)
{
    return s->stage.blocks.count - s->stage.blocks.free_count;
}

/* Whole chunks that are written over free as many, and new ones that are discarded before they are
 * home let go of as many: they are soon needed. */
static bool frees_pile_up(const struct store *s)
{
    const struct allocator *a = &s->allocator;
    uint64_t wait = a->freed_count + a->let_go;

    return wait >= FREES_LEAST && wait > allocator_left(a);
}

bool checkpoint_due(const struct store *s)
{
    const struct stage *st = &s->stage;

    if (checkpoint_running(s))
        return false;
    return ring_used(s) * 4 >= s->geo.journal_bytes ||
           st->current.block_count * UINT64_C(3) >= st->blocks.count ||
           st->current.chunk_count * UINT64_C(3) >= st->chunks.count || frees_pile_up(s);
}

/* Of `all`, what may be used now and is not used yet. */
static uint64_t room(const struct store *s, uint64_t all, uint64_t used)
{
    uint64_t share = NARROW + (MOST - NARROW) * (uint64_t)checkpoint_progress(s) / SCALE;
    uint64_t most = all / SCALE * share + all % SCALE * share / SCALE;

    return most > used ? most - used : 0;
}

uint64_t pacing_ring_room(const struct store *s)
{
    return round_down(room(s, s->geo.journal_bytes, ring_used(s)), PAGE_BYTES);
}

uint64_t pacing_stage_room(const struct store *s)
{
    return room(s, s->stage.blocks.count, stage_used(s));
}

uint32_t pacing_width(const struct store *s)
{
    const struct journal *j = &s->journal;
    bool quiet = j->in_flight == 0 && now_us(&s->env->clock) - j->finished_us > QUIET_US;
    bool hurry = quiet || ring_used(s) > s->geo.journal_bytes / SCALE * HURRY ||
                 stage_used(s) * SCALE > s->stage.blocks.count * (uint64_t)HURRY;

    return hurry ? HOME_WRITES : CALM_WIDTH;
}
