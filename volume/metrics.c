/* SPDX-License-Identifier: Apache-2.0 */
/* volume/metrics.c — what is counted of a request when it is answered, and the copy that is told.
 */
#include "volume/inside.h"

METRICS_TABLE(volume_metric_table, volume_metrics, "volume", VOLUME_METRICS);

static void count_change(struct volume_metrics *m, const struct block_request *r, uint64_t us)
{
    metric_record(&m->write_seconds, us);
    metric_add(r->piece_count > 0 ? &m->write_bytes : &m->zeroed_bytes,
               r->extent.count * UNIT_BYTES);
}

void metrics_request(struct volume *v, const struct block_request *r, enum err err)
{
    struct volume_metrics *m = &v->metrics;
    uint64_t us = now_us(&v->env->clock) - r->submitted_us;

    if (err && err != E_MISCOMPARE)
        metric_add(&m->errors, 1);
    switch (r->op) {
    case BLOCK_READ:
        metric_record(&m->read_seconds, us);
        metric_add(&m->read_bytes, r->extent.count * UNIT_BYTES);
        return;
    case BLOCK_WRITE:
    case BLOCK_COMPARE_AND_WRITE:
    case BLOCK_OR_WRITE:
    case BLOCK_WRITE_ZEROES:
    case BLOCK_UNMAP:
        count_change(m, r, us);
        return;
    case BLOCK_STATUS:
        return;
    }
}

void volume_count(const struct volume *v, struct volume_counts *ret)
{
    *ret = (struct volume_counts){.volume = v->metrics, .rep = v->rep_metrics};
    metric_set(&ret->volume.requests, v->block.in_flight);
}
