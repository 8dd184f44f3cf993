/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/ram_block.c — see ram_block.h. */
#include "tests/iscsi/ram_block.h"

#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *bytes_of(struct ram_block *b, const struct block_request *r)
{
    return b->bytes + r->extent.start * UNIT_BYTES;
}

static void mark(struct ram_block *b, const struct block_request *r, bool mapped)
{
    uint64_t grain = b->block.unmap_grain_units;

    for (uint64_t unit = r->extent.start; unit < extent_end(r->extent); unit++)
        if (mapped || (unit % grain == 0 && unit + grain <= extent_end(r->extent)))
            b->mapped[unit / grain] = mapped;
}

enum way { TO_PIECES, FROM_PIECES, OR_PIECES, COMPARE_PIECES };

/* How many of the bytes were as they had to be: fewer than length only for COMPARE_PIECES. */
static uint64_t move_flat(uint8_t *piece, uint8_t *bytes, uint64_t length, enum way way)
{
    uint64_t n = 0;

    if (way == TO_PIECES)
        memcpy(piece, bytes, length);
    else if (way == FROM_PIECES)
        memcpy(bytes, piece, length);
    else if (way == OR_PIECES)
        for (; n < length; n++)
            bytes[n] |= piece[n];
    else
        while (n < length && bytes[n] == piece[n])
            n++;
    return way == COMPARE_PIECES ? n : length;
}

/* Bytes [at, at + length) of the pieces: copied, or'ed in, or compared with `bytes`; how many,
 * until the first that differs. */
static uint64_t move(const struct block_request *r, uint64_t at, uint8_t *bytes, uint64_t length,
                     enum way way)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < r->piece_count && done < length; i++) {
        uint64_t skip = min_u64(at, r->pieces[i].iov_len);
        uint64_t here = min_u64(r->pieces[i].iov_len - skip, length - done);
        uint8_t *piece = (uint8_t *)r->pieces[i].iov_base + skip;
        uint64_t moved = move_flat(piece, bytes + done, here, way);

        at -= skip;
        done += moved;
        if (moved < here)
            return done;
    }
    return done;
}

static void status(struct ram_block *b, struct block_request *r)
{
    uint64_t grain = b->block.unmap_grain_units;

    for (uint64_t unit = r->extent.start; unit < extent_end(r->extent); unit++) {
        bool mapped = b->mapped[unit / grain];

        if (r->run_count == 0 || r->runs[r->run_count - 1].mapped != mapped) {
            if (r->run_count == r->run_max)
                return;
            r->runs[r->run_count++] = (struct block_run){.mapped = mapped};
        }
        r->runs[r->run_count - 1].count++;
    }
}

static enum err perform(struct ram_block *b, struct block_request *r)
{
    uint8_t *bytes = bytes_of(b, r);
    uint64_t length = r->extent.count * UNIT_BYTES;

    switch (r->op) {
    case BLOCK_READ:
        move(r, 0, bytes, length, TO_PIECES);
        return E_OK;
    case BLOCK_WRITE:
        move(r, 0, bytes, length, FROM_PIECES);
        mark(b, r, true);
        return E_OK;
    case BLOCK_OR_WRITE:
        move(r, 0, bytes, length, OR_PIECES);
        mark(b, r, true);
        return E_OK;
    case BLOCK_COMPARE_AND_WRITE:
        r->differs_at = move(r, 0, bytes, length, COMPARE_PIECES);
        if (r->differs_at < length)
            return E_MISCOMPARE;
        move(r, length, bytes, length, FROM_PIECES);
        mark(b, r, true);
        return E_OK;
    case BLOCK_WRITE_ZEROES:
    case BLOCK_UNMAP:
        memset(bytes, 0, length);
        mark(b, r, false);
        return E_OK;
    case BLOCK_STATUS:
        status(b, r);
        return E_OK;
    }
    unreachable();
}

static void next_is_due(struct timer *t)
{
    task_run(&container_of(t, struct ram_block, next)->task);
}

/* Is it too early for the next? */
static bool ram_waits(struct ram_block *b)
{
    if (b->rate > 0 && timer_running(&b->next))
        return true;
    if (b->rate > 0)
        timer_start(&b->env->clock, &b->next, 1000000 / b->rate, next_is_due);
    return false;
}

static enum task_next ram_step(struct task *t)
{
    struct ram_block *b = container_of(t, struct ram_block, task);
    struct list *l;

    while (!b->stalled && !list_empty(&b->requests) && !ram_waits(b) &&
           (l = list_take(&b->requests))) {
        struct block_request *r = container_of(l, struct block_request, link);

        block_answer(r, perform(b, r));
    }
    return b->closing ? TASK_DONE : TASK_WAIT;
}

static const struct task_state ram_states[] = {{"serving", TASK_FIRST}};
static const struct task_kind ram_kind = {
    .name = "ram block", .step = ram_step, .states = ram_states, .state_count = 1};

static void ram_submit(struct block *block, struct block_request *r)
{
    struct ram_block *b = container_of(block, struct ram_block, block);

    b->writes += r->op != BLOCK_READ && r->op != BLOCK_STATUS;
    list_append(&b->requests, &r->link);
    task_run(&b->task);
}

static const struct block_ops ram_ops = {.submit = ram_submit};

enum err ram_block_open(struct env *env, uint64_t size_bytes, struct ram_block *ret)
{
    memset(ret, 0, sizeof *ret);
    block_init(&ret->block, &ram_ops);
    ret->block.identity = (struct identity){0x1122334455667788};
    ret->block.size_units = size_bytes / UNIT_BYTES;
    ret->bytes = calloc(1, size_bytes);
    ret->mapped = calloc(ret->block.size_units / ret->block.unmap_grain_units + 1, sizeof(bool));
    if (!ret->bytes || !ret->mapped)
        return E_NO_MEMORY;
    list_init(&ret->requests);
    ret->env = env;
    task_start(&ret->task, &ram_kind, &env->tasks, 0);
    return E_OK;
}

void ram_block_close(struct ram_block *b)
{
    b->closing = true;
    timer_stop(&b->env->clock, &b->next);
    task_run(&b->task);
    free(b->bytes);
    free(b->mapped);
}

void ram_block_go_on(struct ram_block *b)
{
    b->stalled = false;
    task_run(&b->task);
}

/* ---- the directory ---- */

static void find(struct directory *directory, const char *target, const char *initiator,
                 struct directory_answer *ret)
{
    struct ram_directory *d = container_of(directory, struct ram_directory, directory);

    (void)initiator;
    *ret = d->answer;
    if (strcmp(target, d->target) != 0 && ret->where == DIRECTORY_HERE)
        ret->where = DIRECTORY_UNKNOWN;
}

static void list(struct directory *directory, const char *initiator,
                 void (*each)(void *arg, const char *target, const char *portal), void *arg)
{
    struct ram_directory *d = container_of(directory, struct ram_directory, directory);
    char name[ISCSI_NAME_MAX];

    (void)initiator;
    each(arg, d->target, d->portal);
    for (uint32_t i = 1; i < d->targets; i++) {
        snprintf(name, sizeof name, "%s-%u", d->target, i);
        each(arg, name, d->portal);
    }
}

void ram_directory_init(struct ram_directory *d, struct ram_block *b, const char *target)
{
    *d = (struct ram_directory){
        .directory = {.find = find, .list = list},
        .answer = {.where = DIRECTORY_HERE,
                   .block = &b->block,
                   .attachment = {0xa77ac4},
                   .alias = "ram"},
        .target = target,
        .portal = "127.0.0.1:3260",
        .targets = 1,
    };
}
