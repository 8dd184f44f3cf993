/* SPDX-License-Identifier: Apache-2.0 */
/* store/check_say.c — how a finding is told: where, what, what it costs and what to do. */
#include "store/check_inside.h"

#include <stdarg.h>
#include <stdio.h>

/* clang-format off */
static const struct { const char *word, *costs, *to_do; } kinds[] = {
#define FINDING_ROW(name, word, costs, what_to_do) [FINDING_##name] = {word, costs, what_to_do},
    FINDING_LIST(FINDING_ROW)
#undef FINDING_ROW
};
/* clang-format on */

const char *store_finding_word(enum store_finding_kind kind)
{
    return kinds[kind].word;
}

const char *store_finding_costs(enum store_finding_kind kind)
{
    return kinds[kind].costs;
}

const char *store_finding_to_do(enum store_finding_kind kind)
{
    return kinds[kind].to_do;
}

static void tell(struct checking *k, struct store_finding *f, const char *format, va_list values)
{
    struct store_check *c = k->check;

    vsnprintf(f->what, sizeof f->what, format, values);
    c->counts.findings++;
    if (c->found)
        c->found(c, f);
}

void check_say(struct checking *k, enum store_finding_kind kind, uint64_t offset,
               const char *format, ...)
{
    struct store_finding f = {.kind = kind, .offset = offset};
    va_list values;

    va_start(values, format);
    tell(k, &f, format, values);
    va_end(values);
}

void check_say_of(struct checking *k, enum store_finding_kind kind, const struct check_where *w,
                  const char *format, ...)
{
    struct store_finding f = {.kind = kind,
                              .offset = w->offset,
                              .replica = w->replica,
                              .volume = w->volume,
                              .blocks = w->blocks};
    va_list values;

    if (w->blocks.count > 0)
        f.blocks.start += w->shard * SHARD_BLOCKS;
    va_start(values, format);
    tell(k, &f, format, values);
    va_end(values);
}

/* ---- runs of blocks that are one finding ---- */

void check_flush(struct checking *k)
{
    struct check_run *run = &k->run;

    if (run->where.blocks.count == 0)
        return;
    check_say_of(k, run->kind, &run->where, "%s", run->what);
    run->where.blocks.count = 0;
}

static bool goes_on(const struct check_run *run, enum store_finding_kind kind,
                    const struct check_where *w)
{
    uint64_t bytes = run->where.blocks.count * BLOCK_BYTES;

    if (run->where.blocks.count == 0 || run->kind != kind ||
        !identity_equal(run->where.replica, w->replica) ||
        extent_end(run->where.blocks) != w->blocks.start)
        return false;
    return w->offset == FINDING_NOWHERE || w->offset == run->where.offset + bytes;
}

void check_say_blocks(struct checking *k, enum store_finding_kind kind, const struct check_where *w,
                      const char *what)
{
    if (goes_on(&k->run, kind, w)) {
        k->run.where.blocks.count += w->blocks.count;
        return;
    }
    check_flush(k);
    k->run = (struct check_run){kind, *w, what};
}
