/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/open_log.c — the activity log of a replica: writes durable here and not known complete.
 *
 * A write leaves when commit_seq of its own epoch passes it, or when a later epoch is sealed
 * (design 6.1).  Beyond OPEN_EXTENTS_MAX, or without memory, the log says "everything"; that too
 * is settled once the newest write it stands for is.
 */
#include "store/inside.h"

static void drop(struct store_replica *r, struct open_write *w)
{
    list_remove(&w->link);
    r->open_count--;
    pool_put(&r->store->open_writes, w);
}

void open_log_clear(struct store_replica *r)
{
    list_for_each_safe(l, &r->open) {
        drop(r, container_of(l, struct open_write, link));
    }
}

/* "Everything" stands for this write too. */
static void swallow(struct store_replica *r, uint64_t epoch, uint64_t seq)
{
    if (r->everything && r->everything_epoch != epoch)
        r->older = true;
    if (!r->everything || epoch > r->everything_epoch) {
        r->everything_epoch = epoch;
        r->everything_seq = seq;
    } else if (epoch == r->everything_epoch) {
        r->everything_seq = max_u64(r->everything_seq, seq);
    }
    r->everything = true;
}

void open_log_everything(struct store_replica *r)
{
    list_for_each(l, &r->open) {
        struct open_write *w = container_of(l, struct open_write, link);

        swallow(r, w->epoch, w->seq);
    }
    open_log_clear(r);
}

void open_log_add(struct store_replica *r, const struct open_write *w)
{
    struct open_write *own = NULL;

    if (!r->everything && r->open_count < OPEN_EXTENTS_MAX)
        own = pool_get(&r->store->open_writes);
    if (!own) {
        open_log_everything(r);
        swallow(r, w->epoch, w->seq);
        return;
    }
    *own = *w;
    list_append(&r->open, &own->link);
    r->open_count++;
}

static bool settled(uint64_t epoch, uint64_t seq, const struct store_replica *r, bool sealed)
{
    if (epoch == r->commit_epoch)
        return seq <= r->commit_seq;
    return sealed && epoch < r->commit_epoch;
}

/* E and n are the newest word; an older word than what is known says nothing new. */
void open_log_commit(struct store_replica *r, uint64_t epoch, uint64_t seq, bool sealed)
{
    if (epoch < r->commit_epoch)
        return;
    if (epoch > r->commit_epoch)
        r->commit_sealed = false; /* a seal is of its own epoch (notes 6) */
    if (epoch > r->commit_epoch || seq > r->commit_seq) {
        r->commit_seq = epoch > r->commit_epoch ? seq : max_u64(seq, r->commit_seq);
        r->commit_epoch = epoch;
    }
    list_for_each_safe(l, &r->open) {
        struct open_write *w = container_of(l, struct open_write, link);

        if (settled(w->epoch, w->seq, r, sealed))
            drop(r, w);
    }
    if (!r->everything)
        return;
    if (r->older && sealed && r->everything_epoch == epoch)
        r->older = false;
    if (settled(r->everything_epoch, r->everything_seq, r, sealed) &&
        (!r->older || r->everything_epoch < epoch))
        r->everything = r->older = false;
}

static int by_start(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* Merges what overlaps or touches, in place; how many are left. */
static uint32_t merge(struct extent *e, uint32_t count)
{
    uint32_t last = 0;

    qsort(e, count, sizeof *e, by_start);
    for (uint32_t i = 1; i < count; i++) {
        if (e[i].start > extent_end(e[last]))
            e[++last] = e[i];
        else
            e[last].count = max_u64(extent_end(e[last]), extent_end(e[i])) - e[last].start;
    }
    return count > 0 ? last + 1 : 0;
}

uint32_t store_open_writes(const struct store_replica *r, struct extent *ret, uint32_t max)
{
    struct extent *sorted = r->store->sorted;
    uint32_t count = 0;

    if (r->everything) {
        sorted[count++] = (struct extent){0, r->size_blocks};
    } else {
        list_for_each(l, &r->open) {
            sorted[count++] = container_of(l, struct open_write, link)->extent;
        }
    }
    count = merge(sorted, count);
    memcpy(ret, sorted, min_u32(count, max) * sizeof *ret);
    return count;
}
