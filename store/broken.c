/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/broken.c — what a store says when its disk refuses.
 *
 * A refused write is the last one: what is on the disk now is not known, so the store takes no more
 * changes until it is opened again, and reads go on.  A refused read costs its blocks alone and may
 * pass; a disk that reads nothing would say so for every request, hence one line a minute.
 */
#include "store/inside.h"

#include <inttypes.h>

#define SAID_EVERY_US (UINT64_C(60) * 1000 * 1000)

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
    struct refused_reads *r = &s->refused_reads;
    uint64_t now = now_us(&s->env->clock);

    r->count++;
    metric_add(&s->metrics.refused_reads, 1);
    if (r->said > 0 && now - r->said_us < SAID_EVERY_US)
        return;
    log_event(s->env->log, LOG_LEVEL_ERROR, "store", "reads_refused",
              "disk=%s path=%s it does not read %" PRIu64 " blocks or pages that were asked for",
              identity_show(s->identity).text, path_of(s), r->count - r->said);
    r->said = r->count;
    r->said_us = now;
}
