/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/broken.c — what a store says when its disk refuses, or gives other bytes.
 *
 * A refused write is the last one: what is on the disk now is not known, so the store takes no more
 * changes until it is opened again, and reads go on.  A refused read costs its blocks alone and may
 * pass; a disk that reads nothing would say so for every request, hence one line a minute.  So does
 * a read that met a block which cannot be proved: its initiator gets a medium error, and a human
 * the place of the first such block; whoever reads on asks a rotten disk often.
 *
 * A disk is full from the first write that finds no space until there is as much for writes again
 * as is kept from them: who writes and discards at the edge would else fill a log.
 */
#include "store/inside.h"

#include <inttypes.h>

#define FULLS_AT_ONCE 10u

static const char *path_of(const struct store *s)
{
    return s->disk->name;
}

void store_break(struct store *s, const char *what)
{
    if (s->broken)
        return;
    s->broken = true;
    metrics_look(s);
    log_event(s->env->log, LOG_LEVEL_ERROR, "store", "disk_failed",
              "disk=%s path=%s it refused to %s: no more changes until storaged is started again",
              identity_show(s->identity).text, path_of(s), what);
}

void store_read_refused(struct store *s)
{
    uint64_t count = log_pace(&s->refused_reads, 1, now_us(&s->env->clock));

    metric_add(&s->metrics.refused_reads, 1);
    if (count > 0)
        log_event(s->env->log, LOG_LEVEL_ERROR, "store", "reads_refused",
                  "disk=%s path=%s it does not read %" PRIu64
                  " blocks or pages that were asked for",
                  identity_show(s->identity).text, path_of(s), count);
}

void store_read_unproved(struct store *s, const struct store_read *r)
{
    uint64_t count = log_pace(&s->unproved_reads, 1, now_us(&s->env->clock));

    if (count > 0)
        log_event(s->env->log, LOG_LEVEL_ERROR, "store", "reads_unproved",
                  "disk=%s path=%s volume=%s shard=%" PRIu32 " block=%" PRIu64 " offset=%" PRIu64
                  " %s; reads that met such: %" PRIu64,
                  identity_show(s->identity).text, path_of(s),
                  identity_show(r->replica->volume).text, r->replica->shard, r->bad_block,
                  replica_volume_block(r->replica, r->bad_block) * BLOCK_BYTES,
                  r->witness_called ? "the disk does not read it"
                                    : "it cannot be proved to be what was written",
                  count);
}

void store_full(struct store *s)
{
    const char *what = chunks_writable(s) <= WRITE_BLOCKS_MAX / CHUNK_BLOCKS
                           ? "no free space is left but for the reserve"
                           : "no memory is left for the map";

    if (s->full)
        return;
    s->full = true;
    log_event(s->env->log, LOG_LEVEL_WARN, "store", "disk_full",
              "disk=%s path=%s writes to new places are refused: %s",
              identity_show(s->identity).text, path_of(s), what);
}

void store_full_look(struct store *s)
{
    if (!s->full || chunks_writable(s) < max_u64(reserve_chunks(s), 1) ||
        s->leaves.free_count < 2 * reserve_leaves(s) ||
        log_pace(&s->fulls, FULLS_AT_ONCE, now_us(&s->env->clock)) == 0)
        return;
    s->full = false;
    log_event(s->env->log, LOG_LEVEL_INFO, "store", "disk_has_room",
              "disk=%s path=%s writes to new places go on", identity_show(s->identity).text,
              path_of(s));
}
