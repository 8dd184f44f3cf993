/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replication/alike.c — what was open is written again, before the first command (P9).
 *
 * Every extent of the source's activity log, in pieces of at most 4 MiB: read from the source, then
 * given to rep_write() as any write of the new epoch, so that a second takeover meets nothing new.
 * What the source holds as zeros is unmapped, so that no chunk is taken for them.
 *
 * A block that cannot be proved is left out: it stays lost, at the source and, once there are other
 * copies, at them.  A source whose disk reads nothing is asked again every second until it does or
 * the shard is closed, as it is for reads (read.c).  Memory: the log's extents and one buffer, only
 * while something is open.  The takeover holds all blocks of the shard meanwhile.
 */
#include "replication/shard.h"

#include <assert.h>
#include <stdlib.h>

enum alike_state {
    LOG,      /* until the source has said what is open                 */
    NEXT,     /* the next run of blocks                                 */
    MAPPED,   /* … that holds data throughout, or nothing               */
    READ,     /* its bytes from the source, proved                      */
    AGAIN,    /* … that could read nothing: a second later              */
    WRITE,    /* the same, as a write of this epoch                     */
    FINISHED, /* everything is written again, or err says why it is not */
};

static const struct task_state alike_states[] = {
    [LOG] = {"log", TASK_FIRST},
    [NEXT] = {"next", TASK_AFTER(LOG) | TASK_AFTER(READ) | TASK_AFTER(WRITE)},
    [MAPPED] = {"mapped", TASK_AFTER(NEXT)},
    [READ] = {"read", TASK_AFTER(MAPPED) | TASK_AFTER(AGAIN)},
    [AGAIN] = {"again", TASK_AFTER(READ)},
    [WRITE] = {"write", TASK_AFTER(READ)},
    [FINISHED] = {"finished", TASK_AFTER(LOG) | TASK_AFTER(NEXT) | TASK_AFTER(MAPPED) |
                                  TASK_AFTER(READ) | TASK_AFTER(AGAIN) | TASK_AFTER(WRITE)},
};

/* The next run that the buffer holds. */
static bool next_run(struct alike *a)
{
    a->run.start += a->run.count;
    while (a->next < a->count && a->run.start >= extent_end(a->open[a->next])) {
        if (++a->next < a->count)
            a->run.start = a->open[a->next].start;
    }
    if (a->next == a->count)
        return false;
    a->run.count = extent_end(a->open[a->next]) - a->run.start;
    a->run.count = min_u64(a->run.count, a->buffer_blocks);
    return true;
}

static void read_answered(struct rep_message *m)
{
    struct alike *a = container_of(m, struct alike, fetch.message);

    a->busy = false;
    a->err = m->err;
    task_run(&a->task);
}

static void read_run(struct alike *a)
{
    a->piece = (struct iovec){a->buffer, a->run.count * BLOCK_BYTES};
    a->fetch.read = (struct store_read){.extent = a->run, .pieces = &a->piece, .piece_count = 1};
    a->busy = true;
    message_read(a->source, &a->fetch, read_answered);
}

static void write_ended(struct rep_write *w, enum err err)
{
    struct alike *a = container_of(w, struct alike, write);

    a->busy = false;
    a->err = err;
    task_run(&a->task);
}

static void write_run(struct alike *a)
{
    struct rep_write *w = &a->write;

    a->piece.iov_len = a->run.count * BLOCK_BYTES;
    block_checksums(a->shard->volume, block_in_volume(a->shard, a->run.start), a->run.count,
                    &a->piece, a->checksums);
    w->shard = a->shard;
    w->unmap = !a->mapped;
    w->extent = a->run;
    w->pieces = w->unmap ? NULL : &a->piece;
    w->piece_count = w->unmap ? 0 : 1;
    w->checksums = a->checksums;
    w->note = (struct store_note){0};
    w->done = write_ended;
    a->busy = true;
    rep_write(w);
}

static enum err open_buffer(struct alike *a)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < a->count; i++)
        largest = max_u64(largest, a->open[i].count);
    if (largest == 0)
        return E_OK;
    a->buffer_blocks = min_u64(largest, WRITE_BLOCKS_MAX);
    a->buffer = aligned_alloc(BLOCK_BYTES, a->buffer_blocks * BLOCK_BYTES);
    a->checksums = calloc(a->buffer_blocks, sizeof *a->checksums);
    return a->buffer && a->checksums ? E_OK : E_NO_MEMORY;
}

static enum task_next finish(struct alike *a, enum err err)
{
    a->err = err;
    return task_goto(&a->task, FINISHED);
}

static enum task_next log_read(struct alike *a)
{
    enum err err = a->question.err;

    if (!a->question.answered)
        return TASK_WAIT;
    a->count = min_u32(a->count, (uint32_t)a->question.count);
    if (!err)
        err = open_buffer(a);
    if (err)
        return finish(a, err);
    if (a->count)
        a->run = (struct extent){a->open[0].start, 0};
    return task_goto(&a->task, NEXT);
}

static enum task_next mapped(struct alike *a)
{
    if (!a->question.answered)
        return TASK_WAIT;
    if (a->question.err)
        return finish(a, a->question.err);
    assert(a->question.count > 0 && a->question.count <= a->run.count);
    a->run.count = a->question.count;
    a->mapped = a->question.yes;
    read_run(a);
    return task_wait_in(&a->task, READ);
}

/* The run was read up to a block that cannot be proved: that one is left as it is. */
static enum task_next skip_lost(struct alike *a)
{
    uint64_t lost = a->fetch.read.bad_block;

    assert(lost >= a->run.start && lost < extent_end(a->run));
    a->err = E_OK;
    if (lost == a->run.start) {
        a->run.count = 1;
        a->lost_blocks++;
        return task_goto(&a->task, NEXT);
    }
    a->run.count = lost - a->run.start; /* the lost one is met again as the next run's first */
    write_run(a);
    return task_wait_in(&a->task, WRITE);
}

static void again_due(struct timer *t)
{
    task_run(&container_of(t, struct alike, again)->task);
}

/* Nothing is known of the blocks: the disk may have been pulled, or come back.  Told once. */
static enum task_next reads_nothing(struct alike *a)
{
    struct rep_shard *s = a->shard;

    timer_start(&s->env->clock, &a->again, READ_AGAIN_US, again_due);
    if (!a->waits)
        shard_enter(s, REP_ALIKE, "what was open is not read yet: %s", err_text(a->err));
    a->waits = true;
    return task_wait_in(&a->task, AGAIN);
}

static enum task_next again(struct alike *a)
{
    if (a->shard->closing) {
        timer_stop(&a->shard->env->clock, &a->again);
        return task_goto(&a->task, FINISHED);
    }
    if (timer_running(&a->again))
        return TASK_WAIT;
    read_run(a);
    return task_wait_in(&a->task, READ);
}

static enum task_next read_ended(struct alike *a)
{
    if (a->busy)
        return TASK_WAIT;
    if (a->err == E_MEDIUM)
        return skip_lost(a);
    if (a->err == E_DISK)
        return reads_nothing(a);
    if (a->err)
        return task_goto(&a->task, FINISHED);
    write_run(a);
    return task_wait_in(&a->task, WRITE);
}

static enum task_next alike_step(struct task *t)
{
    struct alike *a = container_of(t, struct alike, task);

    switch ((enum alike_state)t->state) {
    case LOG:
        return log_read(a);

    case NEXT:
        if (a->shard->closing || !next_run(a))
            return task_goto(t, FINISHED);
        a->question.blocks = a->run;
        if (message_mapped(a->source, &a->question, t))
            return task_goto(t, MAPPED);
        return task_wait_in(t, MAPPED);

    case MAPPED:
        return mapped(a);

    case READ:
        return read_ended(a);

    case AGAIN:
        return again(a);

    case WRITE:
        if (a->busy)
            return TASK_WAIT;
        return task_goto(t, a->err ? FINISHED : NEXT);

    case FINISHED:
        return TASK_DONE;
    }
    unreachable();
}

static void alike_ended(struct task *t)
{
    struct alike *a = container_of(t, struct alike, task);

    task_run(&a->shard->task);
}

static const struct task_kind alike_kind = {
    .name = "rep_alike",
    .step = alike_step,
    .done = alike_ended,
    .states = alike_states,
    .state_count = array_length(alike_states),
};

/* Room for the extents of the log; one for all where the log says everything. */
static enum err open_log(struct alike *a)
{
    const struct store_facts *f = &a->source->facts;

    a->count = f->open_everything ? 1 : f->open_extents;
    a->open = calloc(a->count ? a->count : 1, sizeof *a->open);
    return a->open ? E_OK : E_NO_MEMORY;
}

static void ask_log(struct alike *a)
{
    struct rep_question *q = &a->question;

    q->open_ret = a->open;
    q->open_max = a->count;
    if (!a->source->facts.open_everything) {
        (void)message_open_writes(a->source, q, &a->task);
        return;
    }
    a->open[0] = (struct extent){0, a->source->facts.size_blocks};
    q->answered = true;
    q->count = 1;
}

enum err alike_start(struct rep_shard *s, struct replica *source)
{
    struct alike *a = &s->alike;
    enum err err;

    a->shard = s;
    a->source = source;
    err = open_log(a);
    if (err)
        return err;
    task_start(&a->task, &alike_kind, &s->env->tasks, LOG);
    ask_log(a);
    return E_OK;
}

void alike_done(struct alike *a)
{
    free(a->open);
    free(a->buffer);
    free(a->checksums);
    a->open = NULL;
    a->buffer = NULL;
    a->checksums = NULL;
}
