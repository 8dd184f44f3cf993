/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/open.c — from a disk to a store that takes changes, and back.
 *
 * Superblock (either copy), root, index, maps and logs (load.c), journal (replay.c); then a
 * checkpoint, which makes a new incarnation of the journal durable: from then on nothing that was
 * in the ring before can come back (notes 44).  Without it no change is taken.  Pages of the ring
 * that the disk refused are written over then.
 *
 * Memory is taken here, all of it (store_limits), and given back in store_free().
 */
#include "store/limits.h"

#include <stdio.h>

enum open_state {
    SUPERBLOCK_ONE,
    SUPERBLOCK_TWO,
    LOAD,
    REPLAY,
    CHECKPOINT,
    MEND, /* the ring's pages, one by one */
    END,
};

/* What lives only while a store is being opened. */
struct opening {
    struct open_io io;
    struct load load;
    struct replay replay;
    uint8_t *pages; /* both superblocks */
    uint32_t tries; /* of one of them   */
    bool mending;   /* a page of the ring */
    struct disk_io mend;
    struct iovec zeros;
};

/* ---- memory ---- */

static enum err memory_open(struct store *s)
{
    const struct geometry *g = &s->geo;
    uint32_t max = s->limits.replicas_max;
    enum err err;

    s->replicas_max = max == 0 ? g->replicas_max : min_u32(max, g->replicas_max);
    list_init(&s->commit_dirty);
    list_init(&s->stage.current.list);
    list_init(&s->stage.frozen.list);
    s->replicas = calloc(s->replicas_max, sizeof *s->replicas);
    s->index = calloc(table_pages(g), sizeof *s->index);
    s->index_pages = calloc(g->index_pages, sizeof *s->index_pages);
    s->map_dirty = calloc(g->map_pages, 1);
    s->sorted = calloc(OPEN_EXTENTS_MAX + 1, sizeof *s->sorted);
    if (!s->replicas || !s->index || !s->index_pages || !s->map_dirty || !s->sorted)
        return E_NO_MEMORY;
    err = map_open(&s->by_identity, s->replicas_max);
    if (!err)
        err = pool_open(&s->open_writes, "open writes", sizeof(struct open_write), 64,
                        open_writes_of(&s->limits));
    if (!err)
        err = pool_open(&s->leaves, "chunk maps", MAP_LEAF * sizeof(uint64_t), 64,
                        leaves_of(&s->limits));
    if (!err)
        err = allocator_open(&s->allocator, g->chunks);
    return err;
}

static enum err parts_open(struct store *s)
{
    enum err err = memory_open(s);

    if (!err)
        err = stage_open(&s->stage, max_u64(s->limits.stage_bytes, STAGE_LEAST));
    if (!err)
        err = page_cache_open(s, s->limits.checksum_pages);
    if (!err)
        err = journal_open(s);
    if (!err)
        err = checkpoint_open(s);
    if (!err)
        err = reads_open(s);
    return err;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    if (s->replicas) {
        for_each_replica(r, s)
            replica_forget(r);
        stage_clear(s);
    }
    scrub_free(s);
    reads_close(&s->reads);
    checkpoint_close(s);
    journal_close(s);
    page_cache_close(&s->cache);
    stage_close(&s->stage);
    allocator_close(&s->allocator);
    pool_close(&s->leaves);
    pool_close(&s->open_writes);
    map_close(&s->by_identity);
    free(s->sorted);
    free(s->map_dirty);
    free(s->index_pages);
    free(s->index);
    free(s->replicas);
    free(s);
}

/* ---- opening ---- */

static enum task_next fail(struct store_open *o, enum err err, const char *what)
{
    snprintf(o->why, sizeof o->why, "%s: %s", o->disk->name, what);
    return task_fail(&o->task, END, err);
}

static void read_superblock(struct store_open *o, uint32_t copy)
{
    struct opening *n = o->opening;

    open_io_read(&n->io, n->pages + (size_t)copy * PAGE_BYTES,
                 superblock_offset(o->disk->size_bytes, copy), PAGE_BYTES);
}

/* One that was read and is none is read again: an error may pass.  True: that is under way. */
static bool superblock_again(struct store_open *o, uint32_t copy)
{
    struct opening *n = o->opening;
    struct geometry geo;
    struct identity disk;
    enum err err = superblock_decode(n->pages + (size_t)copy * PAGE_BYTES, copy,
                                     o->disk->size_bytes, &geo, &disk);

    if (!err || n->io.mask || ++n->tries == READ_TRIES) {
        n->tries = 0;
        return false;
    }
    read_superblock(o, copy);
    return true;
}

#define LOST                                                                                       \
    ": nothing on it can be found; restore its volumes, then `storaged --format PATH --force`"

/* What is told of superblocks of which none can be used; E_DAMAGED: at least one has our magic. */
static const char *superblocks_say(const struct store_open *o, enum err err)
{
    for (uint32_t copy = 0; copy < 2; copy++) {
        const struct format_superblock *b =
            (const void *)(o->opening->pages + (size_t)copy * PAGE_BYTES);
        struct format_name name = {SUPERBLOCK_MAGIC, {le64_get(b->head.disk)}, copy, 0};

        if (format_prove(b, PAGE_BYTES, &name) == E_OK &&
            le64_get(b->size_bytes) > o->disk->size_bytes)
            return "the device is smaller than the store on it: give it back its full length";
    }
    return err == E_DAMAGED ? "both superblocks are damaged" LOST
                            : "no superblock of a Dolmen store is left" LOST;
}

static enum task_next begin_load(struct store_open *o, const uint8_t *superblock)
{
    struct opening *n = o->opening;
    struct store *s = o->store;
    enum err err = format_features((const void *)superblock, &s->read_only);

    assert(!err); /* it was decoded */
    err = parts_open(s);
    if (!err)
        err = load_begin(s, &n->load, &o->task);
    if (err)
        return fail(o, err, "not enough memory");
    return task_wait_in(&o->task, LOAD);
}

static enum task_next take_superblock(struct store_open *o)
{
    struct opening *n = o->opening;
    struct superblock found;
    enum err err = superblock_choose(n->pages, o->disk->size_bytes, &found);

    if (err == E_UNSUPPORTED)
        return fail(
            o, E_UNSUPPORTED,
            "of a version, or with a feature, that this one does not know: use a newer one");
    if (err && n->io.refused > 0)
        return fail(o, E_DISK, "the disk refuses to read its superblocks");
    if (err)
        return fail(o, err, superblocks_say(o, err));
    if (o->only && !identity_equal(found.disk, *o->only))
        return fail(o, E_FOREIGN, "it is another disk than the one that was looked at");
    o->store->geo = found.geo;
    o->store->identity = found.disk;
    return begin_load(o, n->pages + (size_t)found.copy * PAGE_BYTES);
}

static enum task_next begin_replay(struct store_open *o)
{
    struct opening *n = o->opening;
    enum err err;

    if (task_living(&n->load.task))
        return TASK_WAIT;
    if (n->load.err)
        return fail(o, n->load.err, n->load.why);
    err = replay_begin(o->store, &n->replay, &o->task);
    if (err)
        return fail(o, err, "not enough memory to replay the journal");
    return task_wait_in(&o->task, REPLAY);
}

static enum task_next begin_checkpoint(struct store_open *o)
{
    struct opening *n = o->opening;
    struct store *s = o->store;

    if (task_living(&n->replay.task))
        return TASK_WAIT;
    if (n->replay.err)
        return fail(o, n->replay.err, n->replay.why);
    s->journal.tail = s->journal.head;
    s->journal.named = s->journal.unnamed = s->journal.sequence - 1;
    if (!takes_changes(s))
        return task_goto(&o->task, END);
    s->journal.incarnation = chance_u64(s->env->chance);
    checkpoint_begin(s, &o->task);
    return task_wait_in(&o->task, CHECKPOINT);
}

/* ---- the ring is mended ---- */

static void page_mended(struct disk_io *io, enum err err)
{
    struct opening *n = container_of(io, struct opening, mend);

    n->mending = false;
    if (err) {
        store_break(n->replay.store, "write over pages of its journal that it does not read");
        n->replay.unread_count = 0;
    }
    task_run(n->io.waiter);
}

/*
 * What was in the ring does not matter any more, the root is behind it.  A page of it that the disk
 * refused would, if the journal came to end there, look like a group that cannot be read: it is
 * written over, which is what makes a disk read it again.
 */
static enum task_next mend(struct store_open *o)
{
    struct opening *n = o->opening;
    struct store *s = o->store;

    if (n->mending)
        return TASK_WAIT;
    /* a disk that cannot be written can still be read */
    if (n->replay.unread_count == 0 || s->checkpoint.err)
        return task_goto(&o->task, END);
    store_read_refused(s);
    n->zeros = (struct iovec){memset(n->pages, 0, PAGE_BYTES), PAGE_BYTES};
    n->mend = (struct disk_io){.op = DISK_WRITE,
                               .flags = durable_flag(s),
                               .offset = n->replay.unread[--n->replay.unread_count],
                               .pieces = &n->zeros,
                               .piece_count = 1,
                               .done = page_mended};
    n->mending = true;
    disk_submit(o->disk, &n->mend);
    return TASK_WAIT;
}

/* ---- its life ---- */

static enum task_next open_step(struct task *t)
{
    struct store_open *o = container_of(t, struct store_open, task);

    switch ((enum open_state)t->state) {
    case SUPERBLOCK_ONE:
        if (o->opening->io.busy || superblock_again(o, 0))
            return TASK_WAIT;
        read_superblock(o, 1);
        return task_wait_in(t, SUPERBLOCK_TWO);
    case SUPERBLOCK_TWO:
        if (o->opening->io.busy || superblock_again(o, 1))
            return TASK_WAIT;
        return take_superblock(o);
    case LOAD:
        return begin_replay(o);
    case REPLAY:
        return begin_checkpoint(o);
    case CHECKPOINT:
        if (checkpoint_running(o->store))
            return TASK_WAIT;
        return task_goto(t, MEND);
    case MEND:
        return mend(o);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void open_done(struct task *t)
{
    struct store_open *o = container_of(t, struct store_open, task);
    enum err err = t->err;

    free(o->opening->pages);
    free(o->opening);
    o->opening = NULL;
    if (err) {
        store_free(o->store);
        o->store = NULL;
    } else {
        journal_begin(o->store);
        metrics_look(o->store);
    }
    o->done(o, err);
}

static const struct task_state open_states[] = {
    [SUPERBLOCK_ONE] = {"superblock_one", TASK_FIRST},
    [SUPERBLOCK_TWO] = {"superblock_two", TASK_AFTER(SUPERBLOCK_ONE)},
    [LOAD] = {"load", TASK_AFTER(SUPERBLOCK_TWO)},
    [REPLAY] = {"replay", TASK_AFTER(LOAD)},
    [CHECKPOINT] = {"checkpoint", TASK_AFTER(REPLAY)},
    [MEND] = {"mend", TASK_AFTER(CHECKPOINT)},
    [END] = {"end", TASK_FIRST | TASK_AFTER(SUPERBLOCK_TWO) | TASK_AFTER(LOAD) |
                        TASK_AFTER(REPLAY) | TASK_AFTER(MEND)},
};
static const struct task_kind open_kind = {
    .name = "store_open",
    .step = open_step,
    .done = open_done,
    .states = open_states,
    .state_count = array_length(open_states),
};

void store_open(struct store_open *o)
{
    struct opening *n = calloc(1, sizeof *n);

    assert(n);
    n->pages = aligned_alloc(PAGE_BYTES, (size_t)2 * PAGE_BYTES);
    o->opening = n;
    o->store = calloc(1, sizeof *o->store);
    assert(n->pages && o->store);
    o->why[0] = 0;
    o->store->env = o->env;
    o->store->disk = o->disk;
    o->store->limits = o->limits;
    o->store->read_only = o->read_only;
    if (o->disk->size_bytes < UINT64_C(2) * PAGE_BYTES) {
        snprintf(o->why, sizeof o->why, "%s: holds no Dolmen store", o->disk->name);
        task_start(&o->task, &open_kind, &o->env->tasks, END);
        o->task.err = E_NOT_FOUND;
        return;
    }
    n->io.disk = o->disk;
    n->io.waiter = &o->task;
    task_start(&o->task, &open_kind, &o->env->tasks, SUPERBLOCK_ONE);
    read_superblock(o, 0);
}
