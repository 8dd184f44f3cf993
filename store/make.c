/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/make.c — store_format(): a disk becomes a store.
 *
 * What an older store left is made unreadable first, then the journal and the tables are written in
 * full, of a file everything (first writes to unwritten extents cost up to four times, and space
 * that the file system has not given yet may not be there later), and the superblocks come last: a
 * format that was broken off leaves no store.
 */
#include "store/inside.h"

#define FORMAT_WRITES 8u
#define FORMAT_BYTES  (UINT64_C(1) << 20)

enum format_state {
    ERASE,       /* both superblocks          */
    ERASED,      /* … durable                 */
    FILL,        /* journal, tables, roots    */
    ROOTS,       /* both copies of root 1     */
    ROOTS_SYNC,  /* … durable, with the fill  */
    SUPERBLOCKS, /* both                      */
    SYNC,        /* … durable                 */
    END,
};

struct format_write {
    struct making *making;
    struct disk_io io;
    struct iovec piece;
};

/* What lives only while it is being made. */
struct making {
    struct store_format *format;
    struct geometry geo;
    uint8_t *zeros, *pages, *root; /* superblocks; one copy of the root each */
    struct format_write writes[FORMAT_WRITES];
    uint32_t flying;
    uint32_t region; /* of regions() */
    uint64_t at;     /* bytes into it */
    enum err err;
};

static void done(struct disk_io *io, enum err err)
{
    struct format_write *w = container_of(io, struct format_write, io);
    struct making *m = w->making;

    if (err && !m->err)
        m->err = err;
    m->flying--;
    w->making = NULL;
    if (io->op == DISK_WRITE)
        m->format->bytes_done += w->piece.iov_len;
    task_run(&m->format->task);
}

static void submit(struct making *m, enum disk_op op, uint8_t *bytes, struct extent at)
{
    for (uint32_t i = 0; i < FORMAT_WRITES; i++) {
        struct format_write *w = &m->writes[i];

        if (w->making)
            continue;
        w->making = m;
        w->piece = (struct iovec){bytes, (size_t)at.count};
        w->io = (struct disk_io){.op = op, .offset = at.start, .done = done};
        if (op == DISK_WRITE) {
            w->io.pieces = &w->piece;
            w->io.piece_count = 1;
        }
        m->flying++;
        disk_submit(m->format->disk, &w->io);
        return;
    }
    unreachable();
}

static void sync_all(struct making *m)
{
    if (!m->format->disk->write_through)
        submit(m, DISK_SYNC, NULL, (struct extent){0, 0});
}

#define REGIONS 2u

/* What is written in full: everything before the data, and the second root; all of a file. */
static struct extent region_of(const struct making *m, uint32_t region)
{
    const struct geometry *g = &m->geo;
    uint64_t end = g->root_offset[1] + g->root_bytes;

    if (region == 0)
        return (struct extent){g->root_offset[0], g->data_offset - g->root_offset[0]};
    if (m->format->disk->is_file)
        return (struct extent){g->data_offset, end - g->data_offset};
    return (struct extent){g->root_offset[1], g->root_bytes};
}

/* True: all is written, or it failed and nothing is under way. */
static bool fill(struct making *m)
{
    while (m->region < REGIONS && !m->err && m->flying < FORMAT_WRITES) {
        struct extent whole = region_of(m, m->region);
        uint64_t bytes = min_u64(FORMAT_BYTES, whole.count - m->at);

        submit(m, DISK_WRITE, m->zeros, (struct extent){whole.start + m->at, bytes});
        m->at += bytes;
        if (m->at == whole.count) {
            m->region++;
            m->at = 0;
        }
    }
    return m->flying == 0;
}

static void write_superblocks(struct making *m)
{
    for (uint32_t i = 0; i < 2; i++)
        submit(m, DISK_WRITE, m->pages + (size_t)i * PAGE_BYTES,
               (struct extent){superblock_offset(m->geo.size_bytes, i), PAGE_BYTES});
}

/* An empty store: no replica, an index of pages never written, a journal that begins at 0. */
static size_t encode_root(struct making *m, uint32_t copy)
{
    struct format_root *root = (void *)(m->root + copy * m->geo.root_bytes);
    size_t used = sizeof *root + m->geo.index_pages * sizeof(struct format_page_entry);

    memset(root, 0, m->geo.root_bytes);
    root->tail_sequence = le64_of(1);
    root->incarnation = le64_of(chance_u64(m->format->env->chance));
    root->index_count = le32_of((uint32_t)m->geo.index_pages);
    format_seal(root, (uint32_t)used,
                &(struct format_name){ROOT_MAGIC, m->format->identity, copy, 1});
    return (size_t)round_up(used, PAGE_BYTES);
}

static void write_roots(struct making *m)
{
    for (uint32_t i = 0; i < 2; i++) {
        size_t used = encode_root(m, i);

        submit(m, DISK_WRITE, m->root + i * m->geo.root_bytes,
               (struct extent){m->geo.root_offset[i], used});
    }
}

static enum task_next format_step(struct task *t)
{
    struct store_format *f = container_of(t, struct store_format, task);
    struct making *m = f->making;

    if (m->flying > 0 && (t->state != FILL || m->err))
        return TASK_WAIT;
    if (m->err && t->state != END)
        return task_fail(t, END, m->err);

    switch ((enum format_state)t->state) {
    case ERASE:
        write_superblocks(m); /* pages are zero as yet */
        return task_goto(t, ERASED);
    case ERASED:
        sync_all(m);
        return task_goto(t, FILL);
    case FILL:
        if (!fill(m))
            return TASK_WAIT;
        return task_goto(t, ROOTS);
    case ROOTS:
        write_roots(m);
        return task_goto(t, ROOTS_SYNC);
    case ROOTS_SYNC:
        sync_all(m);
        return task_goto(t, SUPERBLOCKS);
    case SUPERBLOCKS:
        for (uint32_t i = 0; i < 2; i++)
            superblock_encode(m->pages + (size_t)i * PAGE_BYTES, i, f->identity, &m->geo);
        write_superblocks(m);
        return task_goto(t, SYNC);
    case SYNC:
        sync_all(m);
        return task_goto(t, END);
    case END:
        return TASK_DONE;
    }
    unreachable();
}

static void format_done(struct task *t)
{
    struct store_format *f = container_of(t, struct store_format, task);
    struct making *m = f->making;
    enum err err = t->err ? t->err : m->err;

    free(m->zeros);
    free(m->pages);
    free(m->root);
    free(m);
    f->making = NULL;
    f->done(f, err);
}

static const struct task_state format_states[] = {
    [ERASE] = {"erase", TASK_FIRST},
    [ERASED] = {"erased", TASK_AFTER(ERASE)},
    [FILL] = {"fill", TASK_AFTER(ERASED)},
    [ROOTS] = {"roots", TASK_AFTER(FILL)},
    [ROOTS_SYNC] = {"roots_sync", TASK_AFTER(ROOTS)},
    [SUPERBLOCKS] = {"superblocks", TASK_AFTER(ROOTS_SYNC)},
    [SYNC] = {"sync", TASK_AFTER(SUPERBLOCKS)},
    [END] = {"end", TASK_FIRST | TASK_AFTER(ERASED) | TASK_AFTER(FILL) | TASK_AFTER(ROOTS) |
                        TASK_AFTER(ROOTS_SYNC) | TASK_AFTER(SUPERBLOCKS) | TASK_AFTER(SYNC)},
};
static const struct task_kind format_kind = {
    .name = "store_format",
    .step = format_step,
    .done = format_done,
    .states = format_states,
    .state_count = array_length(format_states),
};

void store_format(struct store_format *f)
{
    struct making *m = calloc(1, sizeof *m);

    assert(m);
    assert(!identity_none(f->identity));
    f->making = m;
    m->format = f;
    m->err = geometry_choose(f->disk->size_bytes, f->journal_bytes, &m->geo);
    f->bytes_done = 0;
    f->bytes_total = 0;
    if (!m->err) {
        m->zeros = aligned_alloc(PAGE_BYTES, FORMAT_BYTES);
        m->pages = aligned_alloc(PAGE_BYTES, (size_t)2 * PAGE_BYTES);
        m->root = aligned_alloc(PAGE_BYTES, 2 * m->geo.root_bytes);
        assert(m->zeros && m->pages && m->root);
        memset(m->zeros, 0, FORMAT_BYTES);
        memset(m->pages, 0, (size_t)2 * PAGE_BYTES);
        f->bytes_total = region_of(m, 0).count + region_of(m, 1).count;
    }
    task_start(&f->task, &format_kind, &f->env->tasks, m->err ? END : ERASE);
}

void store_format_stop(struct store_format *f)
{
    struct making *m = f->making;

    if (!m->err)
        m->err = E_CLOSED;
    task_run(&f->task);
}
