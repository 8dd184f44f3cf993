/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check.c — the check from its beginning to its end (check.h).
 *
 * From the superblocks down, each level proved by the one above; then the store is opened read-only
 * (no write: K1) and asked what it makes of the same bytes.  What cannot be read or does not open
 * ends the check early; what was found until then has been told.
 */
#include "store/check_inside.h"

#include <stdio.h>

enum check_state {
    SUPERBLOCKS, /* first, second, and the page where a root begins, one after the other */
    ROOTS,       /* both copies                                                          */
    TABLES,      /* index, maps, logs                                                    */
    JOURNAL,     /* its chain                                                            */
    OPEN,        /* the store, read-only                                                 */
    CHECKSUMS,   /* of the chunks that are in use                                        */
    DATA,        /* if asked for                                                         */
    CLOSE,       /* the store                                                            */
    END,
};

static struct checking *checking_of(struct task *t)
{
    return container_of(t, struct store_check, task)->checking;
}

static enum task_next over(struct checking *k, enum err err)
{
    struct store_check *c = k->check;

    check_flush(k);
    if (err == E_NO_MEMORY && !*c->why)
        snprintf(c->why, sizeof c->why, "there is not enough memory to look at all of it");
    if (err == E_DISK && !*c->why)
        snprintf(c->why, sizeof c->why, "the disk refuses to read what the rest depends on");
    c->task.err = err == E_DAMAGED ? E_OK : err; /* E_DAMAGED: findings have said it */
    if (!k->store)
        return task_goto(&c->task, END);
    return task_goto(&c->task, CLOSE);
}

/* ---- superblocks and roots ---- */

/* The third read is for a device that is longer than its store, or has no superblock at all. */
static void read_superblock(struct checking *k, uint32_t nth)
{
    uint64_t device = k->check->disk->size_bytes;
    const struct format_superblock *b = (const void *)k->pages;
    uint64_t bytes = min_u64(max_u64(le64_get(b->size_bytes), UINT64_C(2) * PAGE_BYTES), device);
    uint64_t offset = nth == 2 ? superblock_offset(bytes, 1) : superblock_offset(device, nth);

    open_io_read(&k->io, k->pages + (size_t)nth * PAGE_BYTES, offset, PAGE_BYTES);
}

static enum err geometry_open(struct checking *k)
{
    const struct geometry *g = &k->geo;

    for (uint32_t copy = 0; copy < 2; copy++)
        k->roots[copy] = aligned_alloc(PAGE_BYTES, g->root_bytes);
    k->index_pages = calloc(g->index_pages, sizeof *k->index_pages);
    k->index = calloc(table_pages(g), sizeof *k->index);
    k->replicas = calloc(g->replicas_max, sizeof *k->replicas);
    k->taken = calloc(g->chunks / 64 + 1, sizeof *k->taken);
    if (!k->roots[0] || !k->roots[1] || !k->index_pages || !k->index || !k->replicas || !k->taken)
        return E_NO_MEMORY;
    k->check->bytes_total = table_pages(g) * PAGE_BYTES;
    return map_open(&k->by_identity, g->replicas_max);
}

static void read_root(struct checking *k)
{
    open_io_read(&k->io, k->roots[k->copy], k->geo.root_offset[k->copy], k->geo.root_bytes);
}

static enum task_next superblocks(struct checking *k)
{
    enum err err;

    if (k->copy < 3) {
        read_superblock(k, k->copy++);
        return TASK_WAIT;
    }
    if (k->copy++ == 3) {
        open_io_read(&k->io, k->buffer, PAGE_BYTES, PAGE_BYTES);
        return TASK_WAIT;
    }
    err = check_superblocks(k);
    if (err == E_NOT_FOUND && k->io.refused > 0)
        err = E_DISK;
    if (!err)
        err = geometry_open(k);
    if (err)
        return over(k, err);
    k->copy = 0;
    read_root(k);
    return task_wait_in(&k->check->task, ROOTS);
}

static enum task_next roots(struct checking *k)
{
    enum err err;

    if (k->copy++ == 0) {
        read_root(k);
        return TASK_WAIT;
    }
    err = check_roots_open(k);
    if (err)
        return over(k, err);
    check_sweep_begin(k, SWEEP_INDEX, SWEEP_LOGS, &k->check->task);
    return task_wait_in(&k->check->task, TABLES);
}

/* ---- the store ---- */

static void opened(struct store_open *o, enum err err)
{
    struct checking *k = o->own;

    k->store = err ? NULL : o->store;
    k->opened = true;
    k->open_err = err;
    task_run(&k->check->task);
}

static void closed(struct store_close *c)
{
    struct checking *k = c->own;

    k->store = NULL;
    task_run(&k->check->task);
}

static enum task_next store_is_open(struct checking *k)
{
    struct store_check *c = k->check;
    enum err err = k->open_err;

    if (err == E_NO_MEMORY || err == E_UNSUPPORTED || err == E_DISK) {
        snprintf(c->why, sizeof c->why, "%s", k->open.why);
        return over(k, err);
    }
    if (err) {
        check_say(k, FINDING_REFUSED, FINDING_NOWHERE, "%s", k->open.why);
        return over(k, E_DAMAGED);
    }
    err = check_store_opened(k);
    if (err)
        return over(k, err);
    c->bytes_total = c->bytes_done + k->geo.checksum_pages * PAGE_BYTES +
                     (c->data ? c->counts.chunks * CHUNK_BYTES : 0);
    check_sweep_begin(k, SWEEP_CHECKSUMS, SWEEP_CHECKSUMS, &c->task);
    return task_wait_in(&c->task, CHECKSUMS);
}

static enum task_next data_begins(struct checking *k)
{
    enum err err = k->check->data ? check_data_open(k, &k->check->task) : E_OK;

    if (err)
        return over(k, err);
    return task_goto(&k->check->task, DATA);
}

static enum task_next close_store(struct checking *k)
{
    if (!k->store)
        return task_goto(&k->check->task, END);
    if (!k->close.done) {
        k->close = (struct store_close){.done = closed, .own = k};
        store_close(k->store, &k->close);
    }
    return TASK_WAIT;
}

/* ---- its life ---- */

static enum task_next check_step(struct task *t)
{
    struct checking *k = checking_of(t);
    enum err err;

    switch ((enum check_state)t->state) {
    case SUPERBLOCKS:
        return k->io.busy ? TASK_WAIT : superblocks(k);
    case ROOTS:
        return k->io.busy ? TASK_WAIT : roots(k);
    case TABLES:
        if (task_living(&k->sweep.task))
            return TASK_WAIT;
        check_sums(k);
        err = check_chain_open(k, t);
        return err ? over(k, err) : task_wait_in(t, JOURNAL);
    case JOURNAL:
        if (task_living(&k->chain.task))
            return TASK_WAIT;
        check_store_open(k, opened);
        return task_wait_in(t, OPEN);
    case OPEN:
        return k->opened ? store_is_open(k) : TASK_WAIT;
    case CHECKSUMS:
        return task_living(&k->sweep.task) ? TASK_WAIT : data_begins(k);
    case DATA:
        return task_living(&k->data.task) ? TASK_WAIT : over(k, k->refused ? E_DISK : E_OK);
    case CLOSE:
        return close_store(k);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void check_free(struct checking *k)
{
    check_chain_close(k);
    for (uint32_t i = 0; k->replicas && i < k->geo.replicas_max; i++)
        free(k->replicas[i].seen);
    map_close(&k->by_identity);
    free(k->owner);
    free(k->taken);
    free(k->replicas);
    free(k->index);
    free(k->index_pages);
    free(k->roots[0]);
    free(k->roots[1]);
    free(k->buffer);
    free(k->pages);
    free(k);
}

static void check_done(struct task *t)
{
    struct store_check *c = container_of(t, struct store_check, task);

    check_free(c->checking);
    c->checking = NULL;
    c->bytes_done = c->bytes_total;
    c->done(c, t->err);
}

static const struct task_state check_states[] = {
    [SUPERBLOCKS] = {"superblocks", TASK_FIRST},
    [ROOTS] = {"roots", TASK_AFTER(SUPERBLOCKS)},
    [TABLES] = {"tables", TASK_AFTER(ROOTS)},
    [JOURNAL] = {"journal", TASK_AFTER(TABLES)},
    [OPEN] = {"open", TASK_AFTER(JOURNAL)},
    [CHECKSUMS] = {"checksums", TASK_AFTER(OPEN)},
    [DATA] = {"data", TASK_AFTER(CHECKSUMS)},
    [CLOSE] = {"close", TASK_AFTER(OPEN) | TASK_AFTER(CHECKSUMS) | TASK_AFTER(DATA)},
    [END] = {"end", TASK_AFTER(SUPERBLOCKS) | TASK_AFTER(ROOTS) | TASK_AFTER(TABLES) |
                        TASK_AFTER(OPEN) | TASK_AFTER(CLOSE) | TASK_FIRST},
};
static const struct task_kind check_kind = {
    .name = "store_check",
    .step = check_step,
    .done = check_done,
    .states = check_states,
    .state_count = array_length(check_states),
};

static struct checking *checking_open(struct store_check *c)
{
    struct checking *k = calloc(1, sizeof *k);

    assert(k);
    k->check = c;
    k->pages = aligned_alloc(PAGE_BYTES, (size_t)3 * PAGE_BYTES);
    k->buffer = aligned_alloc(PAGE_BYTES, (size_t)2 * LOAD_PAGES * PAGE_BYTES);
    assert(k->pages && k->buffer);
    k->io.disk = c->disk;
    k->io.waiter = &c->task;
    return k;
}

void store_check(struct store_check *c)
{
    c->identity = (struct identity){0};
    c->counts = (struct store_check_counts){0};
    c->bytes_done = c->bytes_total = 0;
    c->why[0] = 0;
    c->checking = checking_open(c);
    if (c->disk->size_bytes < UINT64_C(2) * PAGE_BYTES) {
        snprintf(c->why, sizeof c->why, "there is no Dolmen store here");
        task_start(&c->task, &check_kind, &c->env->tasks, END);
        c->task.err = E_NOT_FOUND;
        return;
    }
    task_start(&c->task, &check_kind, &c->env->tasks, SUPERBLOCKS);
}
