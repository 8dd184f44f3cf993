/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/ram.c — see ram.h. */
#include "tests/fuzz/ram.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

#define PAGE      DISK_ALIGN
#define TIMERS    64u
#define TURNS_MAX 1000000u

void ram_poke(struct ram *r, uint64_t offset, const void *bytes, size_t length)
{
    memcpy(r->bytes + offset, bytes, length);
    for (uint64_t page = offset / PAGE; page * PAGE < offset + length; page++)
        r->written[page] = 1;
}

void ram_peek(const struct ram *r, uint64_t offset, void *ret, size_t length)
{
    memcpy(ret, r->bytes + offset, length);
}

static void serve(struct ram *r, struct disk_io *io)
{
    uint64_t offset = io->offset;

    r->writes += io->op != DISK_READ;
    for (uint32_t i = 0; i < io->piece_count; i++) {
        const struct iovec *p = &io->pieces[i];

        if (io->op == DISK_READ)
            ram_peek(r, offset, p->iov_base, p->iov_len);
        else if (!r->deaf)
            ram_poke(r, offset, p->iov_base, p->iov_len);
        offset += p->iov_len;
    }
    io->done(io, E_OK);
}

static void submit(struct disk *d, struct disk_io *io)
{
    list_append(&container_of(d, struct ram, disk)->requests, &io->link);
}

static const struct disk_ops ops = {.submit = submit};

static bool serve_next(struct ram *r)
{
    struct list *l = r->newest_first ? r->requests.previous : r->requests.next;

    if (list_empty(&r->requests))
        return false;
    list_remove(l);
    serve(r, container_of(l, struct disk_io, link));
    return true;
}

static void jump(struct ram *r)
{
    uint64_t due = clock_next_us(&r->env.clock);

    assert(due != UINT64_MAX); /* else it hangs */
    r->env.clock.now_us = r->env.tasks.now_us = due;
    clock_fire(&r->env.clock);
}

void ram_run(struct ram *r, const bool *over)
{
    for (uint32_t turns = 0; !*over; turns++) {
        assert(turns < TURNS_MAX);
        if (task_queue_run(&r->env.tasks, TURNS_MAX) > 0 || *over)
            continue;
        if (!serve_next(r))
            jump(r);
    }
}

static void fill(struct chance *c, void *bytes, size_t length)
{
    struct ram *r = container_of(c, struct ram, chance);
    uint8_t *to = bytes;

    for (size_t i = 0; i < length; i++) {
        r->drawn = r->drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
        to[i] = (uint8_t)(r->drawn >> 56);
    }
}

/* Lines are made, for they show foreign bytes, and go nowhere. */
static void drop(struct log *log, enum log_level level, const char *line)
{
    (void)log;
    (void)level;
    (void)line;
}

void ram_open(struct ram *r, uint64_t bytes)
{
    enum err err = clock_open(&r->env.clock, TIMERS);

    assert(!err);
    r->bytes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(r->bytes != MAP_FAILED);
    r->written = calloc(bytes / PAGE, 1);
    assert(r->written);
    r->disk = (struct disk){.ops = &ops, .name = "disk", .size_bytes = bytes};
    r->chance.fill = fill;
    r->log.write = drop;
    r->env.chance = &r->chance;
    r->env.log = &r->log;
    ram_wipe(r);
}

void ram_wipe(struct ram *r)
{
    for (uint64_t page = 0; page < r->disk.size_bytes / PAGE; page++) {
        if (!r->written[page])
            continue;
        memset(r->bytes + page * PAGE, 0, PAGE);
        r->written[page] = 0;
    }
    task_queue_init(&r->env.tasks);
    list_init(&r->requests);
    r->env.clock.now_us = r->env.tasks.now_us = 1000000;
    r->drawn = 1;
    r->writes = 0;
    r->newest_first = r->deaf = false;
}
