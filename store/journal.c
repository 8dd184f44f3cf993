/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/journal.c — makes changes durable before they are answered.
 *
 * The happy path: what a turn of the loop brings goes out as one group (group commit), and changes
 * queue while it is being written.  A further group is sent beside it as soon as a quarter of the
 * outstanding changes wait for it, up to GROUPS_MAX; there is no timer (design 7, commit rule).
 * The disk answers in any order; groups are applied and answered in theirs.  A group is one write,
 * two where it wraps around the ring; RWF_DSYNC makes it durable by itself.  Layout:
 * format_journal.h; the group: group.c; what goes into it: admit.c.
 *
 * What can go wrong:
 *   the disk refuses the write     its changes and those behind it fail, the store takes no more
 *   power fails half-way           replay ends before the first group that is not whole; nobody was
 *                                  answered for it, nor for those behind it
 *   the ring or the stage is full  changes wait until the checkpoint that runs beside them is done
 *
 * 50 ms after the last group one without changes follows it, if nothing else does: it names the
 * last one durable (J2) and takes commit words along.  That happens once, then nothing moves.
 */
#include "base/memory.h"
#include "store/inside.h"

#define IDLE_US (UINT64_C(50) * 1000)

enum journal_state {
    GATHER, /* groups are built and finished */
};

static struct store *store_of(struct task *t)
{
    return container_of(container_of(t, struct journal, task), struct store, journal);
}

static void written(struct disk_io *io, enum err err, uint32_t which)
{
    struct group *g = container_of(io - which, struct group, io[0]);

    if (err)
        g->err = E_DISK;
    if (--g->flying == 0)
        task_run(&g->journal->task);
}
static void written_first(struct disk_io *io, enum err err)
{
    written(io, err, 0);
}
static void written_rest(struct disk_io *io, enum err err)
{
    written(io, err, 1);
}

/* The stretches of memory that a group is written from, cut where the ring ends. */
struct layout {
    struct iovec *next;
    uint64_t first_left; /* bytes until the ring ends */
};

static void add_to(struct disk_io *io, struct layout *l, uint8_t *memory, uint64_t bytes)
{
    if (bytes == 0)
        return;
    if (io->piece_count++ == 0)
        io->pieces = l->next;
    *l->next++ = (struct iovec){memory, (size_t)bytes};
}

static void lay_out(struct group *g, struct layout *l, uint8_t *memory, uint64_t bytes)
{
    uint64_t first = min_u64(bytes, l->first_left);

    l->first_left -= first;
    add_to(&g->io[0], l, memory, first);
    add_to(&g->io[1], l, memory + first, bytes - first);
}

static void submit(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;
    uint64_t start = j->head % s->geo.journal_bytes;
    struct layout l = {g->pieces, s->geo.journal_bytes - start};

    group_seal(s, g);
    for (uint32_t i = 0; i < 2; i++)
        g->io[i] = (struct disk_io){.op = DISK_WRITE,
                                    .flags = durable_flag(s),
                                    .offset = s->geo.journal_offset + (i == 0 ? start : 0),
                                    .done = i == 0 ? written_first : written_rest};
    lay_out(g, &l, g->meta, round_up(g->meta_used, PAGE_BYTES));
    for (uint32_t i = 0; i < g->block_count; i++)
        lay_out(g, &l, g->blocks[i], PAGE_BYTES);
    g->flying = g->io[1].piece_count > 0 ? 2 : 1;
    g->sent_us = now_us(&s->env->clock);
    disk_submit(s->disk, &g->io[0]);
    if (g->io[1].piece_count > 0)
        disk_submit(s->disk, &g->io[1]);
}

static void idle_fires(struct timer *t)
{
    struct journal *j = container_of(t, struct journal, idle);

    j->idle_due = true;
    task_run(&j->task);
}

/* ---- groups, in a ring of their own ---- */

static struct group *group_at(struct journal *j, uint32_t i)
{
    return &j->groups[(j->first + i) % GROUPS_MAX];
}

/* The commit rule; behind a barrier nothing is built before that is finished. */
static bool group_may_go(struct journal *j)
{
    if (j->in_flight == 0)
        return true;
    return j->in_flight < GROUPS_MAX && j->queued > 0 &&
           j->queued * 4 >= j->queued + j->unanswered && !group_at(j, j->in_flight - 1)->barrier;
}

static void send(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;

    j->in_flight++;
    j->unanswered += g->answers;
    j->unmapping += g->unmaps;
    j->reserved.chunks += g->need.chunks;
    j->reserved.leaves += g->need.leaves;
    j->reserved.staged += g->need.staged;
    g->flying = 0;
    if (g->record_count == 0 && g->item_count > 0)
        return; /* refusals only: they wait for their turn */
    timer_stop(&s->env->clock, &j->idle);
    submit(s, g);
}

static void finish(struct store *s, struct group *g)
{
    struct journal *j = &s->journal;

    j->first = (j->first + 1) % GROUPS_MAX;
    j->in_flight--;
    j->finished_us = now_us(&s->env->clock);
    j->unanswered -= g->answers;
    j->unmapping -= g->unmaps;
    j->reserved.chunks -= g->need.chunks;
    j->reserved.leaves -= g->need.leaves;
    j->reserved.staged -= g->need.staged;
    group_finish(s, g);
}

/* Data that go around the journal are sent off at once, as long as there is memory for that. */
static void take_in(struct store *s)
{
    struct journal *j = &s->journal;

    while (!list_empty(&j->incoming)) {
        struct store_change *c = container_of(j->incoming.next, struct store_change, link);

        if (!redirect_launch(s, c))
            break;
        list_remove(&c->link);
        list_append(&j->queue, &c->link);
    }
}

/* ---- its life ---- */

/* Nothing is in flight and nothing queued. */
static enum task_next rest(struct store *s)
{
    struct journal *j = &s->journal;

    if (j->stopping)
        return TASK_DONE;
    if (takes_changes(s) && j->unnamed > j->named && !timer_running(&j->idle))
        timer_start(&s->env->clock, &j->idle, IDLE_US, idle_fires);
    return TASK_WAIT;
}

/* One more group, if there is anything to put into it and it may go. */
static enum task_next gather(struct store *s)
{
    struct journal *j = &s->journal;
    bool waits = !list_empty(&j->queue) && takes_changes(s);

    if (!group_may_go(j))
        return TASK_WAIT;
    if (waits && checkpoint_due(s)) {
        if (j->in_flight > 0)
            return TASK_WAIT;
        checkpoint_begin(s, &j->task);
    }
    j->idle_due = j->idle_due && takes_changes(s) && j->unnamed > j->named;
    switch (group_build(s, group_at(j, j->in_flight))) {
    case GROUP_BUILT:
        send(s, group_at(j, j->in_flight));
        return TASK_AGAIN;
    case GROUP_NOTHING:
        return j->in_flight > 0 ? TASK_WAIT : rest(s);
    case GROUP_NEEDS_CHECKPOINT:
        if (!checkpoint_running(s))
            checkpoint_begin(s, &j->task);
        return TASK_WAIT;
    }
    unreachable();
}

static enum task_next journal_step(struct task *t)
{
    struct store *s = store_of(t);
    struct journal *j = &s->journal;
    enum task_next next;

    while (j->in_flight > 0 && group_at(j, 0)->flying == 0)
        finish(s, group_at(j, 0));
    take_in(s);
    next = gather(s);
    j->narrowed = j->queued > 0;
    return next;
}

static void journal_done(struct task *t)
{
    struct store *s = store_of(t);

    timer_stop(&s->env->clock, &s->journal.idle);
    task_run(s->journal.stop_waiter);
}

static const struct task_state journal_states[] = {
    [GATHER] = {"gather", TASK_FIRST},
};
static const struct task_kind journal_kind = {
    .name = "store_journal",
    .step = journal_step,
    .done = journal_done,
    .states = journal_states,
    .state_count = array_length(journal_states),
};

/* ---- open and close ---- */

static bool group_open(struct journal *j, struct group *g)
{
    g->journal = j;
    g->items = calloc(GROUP_RECORDS_MAX, sizeof *g->items);
    g->blocks = calloc(GROUP_BLOCKS_MAX, sizeof *g->blocks);
    g->pieces = calloc(GROUP_BLOCKS_MAX + 4, sizeof *g->pieces);
    g->meta = memory_take(PAGE_BYTES, GROUP_META_MAX, false);
    return g->items && g->blocks && g->pieces && g->meta;
}

enum err journal_open(struct store *s)
{
    struct journal *j = &s->journal;
    bool well = true;

    list_init(&j->incoming);
    list_init(&j->queue);
    j->bytes_max = min_u64(GROUP_BYTES_MAX, round_down(s->geo.journal_bytes / 8, PAGE_BYTES));
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        well &= group_open(j, &j->groups[i]);
    j->list = calloc(GROUP_RECORDS_MAX, sizeof *j->list);
    j->checksums = calloc(WRITE_BLOCKS_MAX, sizeof *j->checksums);
    return well && j->list && j->checksums ? redirects_open(s) : E_NO_MEMORY;
}

void journal_close(struct store *s)
{
    struct journal *j = &s->journal;

    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        free(j->groups[i].items);
        free(j->groups[i].blocks);
        free(j->groups[i].pieces);
        free(j->groups[i].meta);
    }
    free(j->list);
    free(j->checksums);
    pool_close(&j->redirects);
}

void journal_begin(struct store *s)
{
    s->journal.finished = s->journal.sequence - 1;
    task_start(&s->journal.task, &journal_kind, &s->env->tasks, GATHER);
}

void journal_stop(struct store *s, struct task *waiter)
{
    assert(s->journal.queued == 0);
    s->journal.stopping = true;
    s->journal.stop_waiter = waiter;
    task_run(&s->journal.task);
}

bool journal_stopped(const struct store *s)
{
    return !task_living(&s->journal.task);
}

void store_change(struct store *s, struct store_change *c)
{
    assert(c->done);
    assert(c->kind == STORE_MAKE || c->replica);
    assert(!s->journal.stopping);
    c->store = s;
    c->blocks_done = 0;
    if (c->kind == STORE_PROMISE)
        c->replica->asked = max_u64(c->replica->asked, c->epoch);
    c->redirect = NULL;
    c->chunks = 0;
    if (c->kind == STORE_WRITE)
        c->chunks = (uint32_t)(div_up(extent_end(c->extent), CHUNK_BLOCKS) -
                               c->extent.start / CHUNK_BLOCKS);
    list_append(&s->journal.incoming, &c->link);
    s->journal.queued++;
    s->journal.queued_chunks += c->chunks;
    task_run(&s->journal.task);
}
