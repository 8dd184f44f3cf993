/* SPDX-License-Identifier: Apache-2.0 */
/* store/metrics.c — the list's table, and the gauges: what has to be looked at to be told. */
#include "store/inside.h"

METRICS_TABLE(store_metric_table, store_metrics, "store", STORE_METRICS);

const struct store_metrics *store_metrics(const struct store *s)
{
    return &s->metrics;
}

void metrics_look(struct store *s)
{
    struct store_metrics *m = &s->metrics;

    metric_set(&m->journal_used, s->journal.head - s->journal.tail);
    metric_set(&m->journal_size, s->geo.journal_bytes);
    metric_set(&m->staged_blocks, s->stage.blocks.count - s->stage.blocks.free_count);
    metric_set(&m->stage_size, s->stage.blocks.count);
    metric_set(&m->free_bytes, chunks_writable(s) * CHUNK_BYTES);
    metric_set(&m->size_bytes, s->allocator.chunks * CHUNK_BYTES);
    metric_set(&m->map_used_bytes,
               pool_bytes(&s->leaves) - s->leaves.free_count * s->leaves.item_bytes);
    metric_set(&m->map_size_bytes, pool_bytes(&s->leaves));
    metric_set(&m->broken, s->broken);
    store_full_look(s);
}

void metrics_read(struct store *s, const struct store_read *r)
{
    struct store_metrics *m = &s->metrics;

    metric_record(&m->read_seconds, now_us(&s->env->clock) - r->task.started_us);
    metric_add(&m->read_bytes, r->extent.count * BLOCK_BYTES);
    if (r->task.err == E_MEDIUM) {
        metric_add(&m->medium_errors, 1);
        store_read_unproved(s, r);
    }
}

void metrics_change(struct store *s, const struct store_change *c)
{
    if (c->kind == STORE_WRITE)
        metric_add(&s->metrics.acknowledged_bytes, c->extent.count * BLOCK_BYTES);
}

void metrics_group(struct store *s, const struct group *g)
{
    struct store_metrics *m = &s->metrics;

    metric_add(&m->groups, 1);
    metric_add(&m->journal_bytes, group_bytes(g));
    metric_record(&m->group_seconds, now_us(&s->env->clock) - g->sent_us);
}
