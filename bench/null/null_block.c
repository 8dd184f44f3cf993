/* SPDX-License-Identifier: Apache-2.0 */
/* bench/null/null_block.c — see null_block.h.  What is read is whatever lay in the pieces. */
#include "bench/null/null_block.h"

#include <string.h>

static enum err null_perform(struct block_request *r)
{
    if (r->op == BLOCK_STATUS)
        r->runs[r->run_count++] = (struct block_run){.count = r->extent.count, .mapped = true};
    return E_OK;
}

static enum task_next null_step(struct task *t)
{
    struct null_block *b = container_of(t, struct null_block, task);
    struct list *l;

    while ((l = list_take(&b->requests))) {
        struct block_request *r = container_of(l, struct block_request, link);

        block_answer(r, null_perform(r));
    }
    return TASK_WAIT;
}

static const struct task_state null_states[] = {{"serving", TASK_FIRST}};
static const struct task_kind null_kind = {
    .name = "null block", .step = null_step, .states = null_states, .state_count = 1};

static void null_submit(struct block *block, struct block_request *r)
{
    struct null_block *b = container_of(block, struct null_block, block);

    list_append(&b->requests, &r->link);
    task_run(&b->task);
}

static const struct block_ops null_ops = {.submit = null_submit};

void null_block_init(struct env *env, uint64_t size_bytes, struct null_block *ret)
{
    memset(ret, 0, sizeof *ret);
    block_init(&ret->block, &null_ops);
    ret->block.identity = (struct identity){0x6e756c6c};
    ret->block.size_units = size_bytes / UNIT_BYTES;
    list_init(&ret->requests);
    task_start(&ret->task, &null_kind, &env->tasks, 0);
}

static void find(struct directory *directory, const char *target, const char *initiator,
                 struct directory_answer *ret)
{
    struct null_directory *d = container_of(directory, struct null_directory, directory);

    (void)initiator;
    *ret = (struct directory_answer){.where = DIRECTORY_UNKNOWN};
    if (strcmp(target, d->target) != 0)
        return;
    ret->where = DIRECTORY_HERE;
    ret->block = &d->block->block;
    ret->attachment = (struct identity){0xa77ac4};
}

static void list(struct directory *directory, const char *initiator,
                 void (*each)(void *arg, const char *target, const char *portal), void *arg)
{
    struct null_directory *d = container_of(directory, struct null_directory, directory);

    (void)initiator;
    each(arg, d->target, d->portal);
}

void null_directory_init(struct null_directory *d, struct null_block *b)
{
    *d = (struct null_directory){.directory = {.find = find, .list = list}, .block = b};
    iscsi_target_name(ISCSI_PREFIX, b->block.identity, d->target);
}
