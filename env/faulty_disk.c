/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/faulty_disk.c — holds requests back, refuses them, or hands them on.
 *
 * The happy path: without faults a request is handed on inside its submission, as a stand-in of
 * its own, so that the answer passes here too.  What must wait stands in one queue, in the order in
 * which it came, and a timer looks at its head: when it may go is told from when it came and from
 * the faults as they are then, so that a change of them holds for all.
 *
 * What can go wrong:
 *   no stand-in is free   STAND_INS are with the disk: the queue goes on when one comes back
 *
 * A refusal ends one request a turn of the loop: who repeats it at once gets the next turn.
 */
#include "env/faulty_disk.h"

#include "base/pool.h"

#include <assert.h>

#define STAND_INS 256u

struct faulty_disk {
    struct disk disk;
    struct env *env;
    struct disk *under;
    struct disk_faults faults;
    uint64_t hangs_until_us, errs_until_us;
    uint64_t next_us;    /* the rate: the next request goes then or later           */
    struct list waiting; /* disk_io by link, oldest first; bytes_done: when it came */
    struct list held;    /* stand_in by link: the disk has answered, nobody was told */
    struct pool stand_ins;
    struct timer timer;
};

struct stand_in {
    struct disk_io io;
    struct faulty_disk *owner;
    struct disk_io *of;
    enum err err;
    struct list link;
};

static struct faulty_disk *faulty(struct disk *d)
{
    return container_of(d, struct faulty_disk, disk);
}

static void turn(struct timer *t);

static void look_in(struct faulty_disk *f, uint64_t us)
{
    timer_start(&f->env->clock, &f->timer, us, turn);
}

static uint64_t now(const struct faulty_disk *f)
{
    return now_us(&f->env->clock);
}

/* ---- what the faults say ---- */

static bool hangs(const struct faulty_disk *f)
{
    return now(f) < f->hangs_until_us;
}

static uint64_t due_us(const struct faulty_disk *f, const struct disk_io *io)
{
    uint64_t due = io->bytes_done + f->faults.delay_us;

    return f->faults.blocks_per_second > 0 ? max_u64(due, f->next_us) : due;
}

static void spend(struct faulty_disk *f, const struct disk_io *io)
{
    uint64_t bytes = 0, blocks;

    if (f->faults.blocks_per_second == 0)
        return;
    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    blocks = max_u64(1, bytes / DISK_ALIGN);
    f->next_us = max_u64(f->next_us, now(f)) + blocks * 1000000 / f->faults.blocks_per_second;
}

static bool errs_on(enum disk_errors errors, enum disk_op op)
{
    switch (errors) {
    case DISK_ERRORS_NONE:
        return false;
    case DISK_ERRORS_READS:
        return op == DISK_READ;
    case DISK_ERRORS_WRITES:
        return op != DISK_READ;
    case DISK_ERRORS_ALL:
        return true;
    }
    unreachable();
}

/* Asked once a request: it counts. */
static bool refuses(struct faulty_disk *f, const struct disk_io *io)
{
    if (f->faults.vanished)
        return true;
    if (!errs_on(f->faults.errors, io->op) || now(f) >= f->errs_until_us)
        return false;
    if (f->faults.errors_after_requests == 0)
        return true;
    f->faults.errors_after_requests--;
    return false;
}

/* ---- requests ---- */

static void told(struct stand_in *s)
{
    struct disk_io *of = s->of;
    enum err err = s->err;

    pool_put(&s->owner->stand_ins, s);
    disk_answer(of, err);
}

static void answered(struct disk_io *io, enum err err)
{
    struct stand_in *s = container_of(io, struct stand_in, io);
    struct faulty_disk *f = s->owner;

    s->err = err;
    if (hangs(f)) {
        list_append(&f->held, &s->link);
        return;
    }
    if (!list_empty(&f->waiting) && !timer_running(&f->timer))
        look_in(f, 0); /* there is a stand-in again */
    told(s);
}

/* The oldest goes to the disk; false: not now. */
static bool hand_on(struct faulty_disk *f)
{
    struct disk_io *of = container_of(f->waiting.next, struct disk_io, link);
    struct stand_in *s = pool_get(&f->stand_ins);

    if (!s)
        return false;
    list_remove(&of->link);
    spend(f, of);
    *s = (struct stand_in){.owner = f, .of = of};
    s->io = (struct disk_io){.op = of->op,
                             .flags = of->flags,
                             .offset = of->offset,
                             .pieces = of->pieces,
                             .piece_count = of->piece_count,
                             .done = answered};
    disk_submit(f->under, &s->io);
    return true;
}

static void go_on(struct faulty_disk *f)
{
    while (!list_empty(&f->waiting)) {
        struct disk_io *io = container_of(f->waiting.next, struct disk_io, link);
        uint64_t due = due_us(f, io);

        if (due > now(f)) {
            look_in(f, due - now(f));
            return;
        }
        if (refuses(f, io)) {
            list_remove(&io->link);
            look_in(f, 0);
            disk_answer(io, E_DISK);
            return;
        }
        if (!hand_on(f))
            return;
    }
}

static void turn(struct timer *t)
{
    struct faulty_disk *f = container_of(t, struct faulty_disk, timer);
    struct list *l;

    if (hangs(f)) {
        look_in(f, f->hangs_until_us - now(f));
        return;
    }
    while ((l = list_take(&f->held)))
        told(container_of(l, struct stand_in, link));
    go_on(f);
}

static bool without_faults(const struct faulty_disk *f)
{
    const struct disk_faults *d = &f->faults;

    return d->blocks_per_second == 0 && d->delay_us == 0 && d->errors == DISK_ERRORS_NONE &&
           !d->vanished && !hangs(f);
}

static void faulty_submit(struct disk *d, struct disk_io *io)
{
    struct faulty_disk *f = faulty(d);
    bool first = list_empty(&f->waiting) && list_empty(&f->held);

    io->bytes_done = now(f);
    list_append(&f->waiting, &io->link);
    if (first && without_faults(f) && hand_on(f))
        return;
    if (!timer_running(&f->timer))
        look_in(f, 0);
}

/* ---- the door ---- */

static void faulty_close(struct disk *d)
{
    struct faulty_disk *f = faulty(d);

    assert(d->answered == d->submitted);
    timer_stop(&f->env->clock, &f->timer);
    pool_close(&f->stand_ins);
    disk_close(f->under);
    free(f);
}

static const struct disk_ops faulty_ops = {.submit = faulty_submit, .close = faulty_close};

enum err faulty_disk_open(struct env *e, struct disk *under, struct disk **ret)
{
    struct faulty_disk *f = calloc(1, sizeof *f);
    enum err err;

    if (!f)
        return E_NO_MEMORY;
    err = pool_open(&f->stand_ins, "faulty disk", sizeof(struct stand_in),
                    _Alignof(struct stand_in), STAND_INS);
    if (err) {
        free(f);
        return err;
    }
    f->disk = (struct disk){.ops = &faulty_ops,
                            .name = under->name,
                            .size_bytes = under->size_bytes,
                            .write_through = under->write_through,
                            .is_file = under->is_file};
    f->env = e;
    f->under = under;
    list_init(&f->waiting);
    list_init(&f->held);
    *ret = &f->disk;
    return E_OK;
}

void faulty_disk_set(struct disk *d, const struct disk_faults *faults)
{
    struct faulty_disk *f = faulty(d);
    bool vanished = f->faults.vanished;

    assert(d->ops == &faulty_ops);
    f->faults = *faults;
    f->faults.vanished |= vanished;
    f->hangs_until_us = faults->hang_us ? now(f) + faults->hang_us : 0;
    f->errs_until_us = faults->errors_us ? now(f) + faults->errors_us : UINT64_MAX;
    f->next_us = 0;
    look_in(f, 0);
}
