/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check_data.c — every block of data, read as a client would: against its checksum.
 *
 * Some reads of up to 1 MiB are under way at a time, each within a run of blocks that hold data.
 * Where one fails its blocks are read one by one, so that each bad one is named, and no good one.
 */
#include "store/check_inside.h"

enum data_state { READ, END };

static struct checking *checking_of(struct task *t)
{
    return container_of(container_of(t, struct check_data, task), struct checking, data);
}

/* The next run of blocks that may hold data; false: none is left. */
static bool next_range(struct checking *k, struct extent *ret)
{
    struct check_data *d = &k->data;
    uint64_t count;

    while (d->replica) {
        uint64_t end = d->replica->size_blocks;

        while (d->at < end && !store_mapped(d->replica, d->at, end - d->at, &count))
            d->at += count;
        if (d->at < end) {
            *ret = (struct extent){d->at, min_u64(count, CHECK_READ_BLOCKS)};
            d->at += ret->count;
            return true;
        }
        d->replica = store_next(k->store, d->replica);
        d->at = 0;
    }
    return false;
}

static void submit(struct check_read *c)
{
    c->piece.iov_len = c->read.extent.count * BLOCK_BYTES;
    store_read(&c->read);
}

static void say_bad(struct check_read *c)
{
    struct checking *k = c->checking;
    const struct store_replica *r = c->read.replica;
    uint64_t block = c->read.extent.start;

    if (check_lost(k, r, block))
        return; /* said before */
    k->check->counts.blocks_bad++;
    check_say_blocks(
        k, FINDING_DATA,
        &(struct check_where){
            r->identity,
            r->volume,
            r->shard,
            {block, 1},
            chunk_offset(k->store, map_entry(r, (uint32_t)(block / CHUNK_BLOCKS)) & ENTRY_CHUNK) +
                block % CHUNK_BLOCKS * BLOCK_BYTES},
        "data that fail their checksums");
}

static void read_answered(struct store_read *read, enum err err)
{
    struct check_read *c = read->own;
    struct checking *k = c->checking;
    bool single = read->extent.count == 1;

    if (!err)
        k->check->counts.blocks_read += read->extent.count;
    else if (single)
        say_bad(c);
    else /* once more, block by block */
        read->extent = (struct extent){c->range.start, 0};
    read->extent.start += read->extent.count;
    if (read->extent.start < extent_end(c->range)) {
        read->extent.count = 1;
        submit(c);
        return;
    }
    k->check->bytes_done += c->range.count * BLOCK_BYTES;
    c->busy = false;
    k->data.flying--;
    task_run(&k->data.task);
}

static void begin(struct checking *k, struct check_read *c, struct extent range)
{
    size_t nth = (size_t)(c - k->data.reads);

    c->checking = k;
    c->range = range;
    c->busy = true;
    c->piece.iov_base = k->data.memory + nth * CHECK_READ_BLOCKS * BLOCK_BYTES;
    c->read = (struct store_read){.replica = k->data.replica,
                                  .extent = range,
                                  .pieces = &c->piece,
                                  .piece_count = 1,
                                  .done = read_answered,
                                  .own = c};
    k->data.flying++;
    submit(c);
}

static enum task_next data_step(struct task *t)
{
    struct checking *k = checking_of(t);
    struct extent range;

    switch ((enum data_state)t->state) {
    case READ:
        for (uint32_t i = 0; i < CHECK_READS; i++)
            if (!k->data.reads[i].busy && next_range(k, &range))
                begin(k, &k->data.reads[i], range);
        if (k->data.flying > 0)
            return TASK_WAIT;
        return task_goto(t, END);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void data_done(struct task *t)
{
    struct checking *k = checking_of(t);

    free(k->data.memory);
    k->data.memory = NULL;
    task_run(k->data.waiter);
}

static const struct task_state data_states[] = {
    [READ] = {"read", TASK_FIRST},
    [END] = {"end", TASK_AFTER(READ)},
};
static const struct task_kind data_kind = {
    .name = "store_check_data",
    .step = data_step,
    .done = data_done,
    .states = data_states,
    .state_count = array_length(data_states),
};

enum err check_data_open(struct checking *k, struct task *waiter)
{
    struct check_data *d = &k->data;

    d->memory = aligned_alloc(PAGE_BYTES, (size_t)CHECK_READS * CHECK_READ_BLOCKS * BLOCK_BYTES);
    if (!d->memory)
        return E_NO_MEMORY;
    d->waiter = waiter;
    d->replica = store_next(k->store, NULL);
    task_start(&d->task, &data_kind, &k->check->env->tasks, READ);
    return E_OK;
}
