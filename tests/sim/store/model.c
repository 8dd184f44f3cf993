/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/store/model.c — changes given and answered, and what a read may show of them. */
#include "tests/sim/store/model.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
    m->first = 1;
    m->doubted = UINT32_MAX;
}

void model_done(struct model *m)
{
    free(m->changes);
    for (uint32_t i = 0; i < MODEL_REPLICAS; i++)
        free(m->replicas[i].names);
}

bool model_wrong(struct model *m, const char *format, ...)
{
    va_list rest;

    if (m->wrong[0])
        return false;
    va_start(rest, format);
    vsnprintf(m->wrong, sizeof m->wrong, format, rest);
    va_end(rest);
    return false;
}

/* One more place at the end of an array that grows. */
static struct model_change *append(struct model_change **array, uint32_t *count, uint32_t *max)
{
    if (*count == *max) {
        *max = *max ? *max * 2 : 256;
        *array = realloc(*array, *max * sizeof **array);
        assert(*array);
    }
    return &(*array)[(*count)++];
}

/* ---- changes ---- */

bool model_busy(const struct model *m, uint32_t replica)
{
    for (uint32_t i = m->answered; i < m->change_count; i++)
        if (m->changes[i].replica == replica)
            return true;
    return false;
}

uint32_t model_free_slot(const struct model *m)
{
    uint32_t slot = 0;

    while (slot < MODEL_REPLICAS && (m->replicas[slot].certain.exists || model_busy(m, slot)))
        slot++;
    return slot;
}

/* What the newest word of an epoch that is over called complete is in the log or not. */
static void keep_old_word(struct model_replica *r)
{
    for (uint32_t i = 0; i < r->name_count; i++)
        if (r->names[i].stamp.epoch == r->told_epoch && r->names[i].stamp.seq <= r->told_seq)
            r->names[i].state = MODEL_GIVEN;
}

void model_commit(struct model *m, uint32_t replica, const struct store_stamp *word)
{
    struct model_replica *r = &m->replicas[replica];

    if (word->epoch < r->told_epoch)
        return;
    if (word->epoch > r->told_epoch)
        keep_old_word(r);
    r->told_seq =
        word->epoch > r->told_epoch ? word->commit_seq : max_u64(r->told_seq, word->commit_seq);
    r->told_epoch = word->epoch;
    if (word->sealed)
        r->sealed_epoch = word->epoch;
}

static void begin_replica(struct model_replica *r, struct identity identity)
{
    free(r->names);
    memset(r, 0, sizeof *r);
    r->identity = r->born = identity;
}

/* What was lost is an error from now on, and which other blocks lie in chunks that are lost nobody
 * knows.  Beyond its size anything may come to light; what its log keeps is not asked. */
static void salvage(struct model_replica *r, struct identity identity)
{
    r->identity = identity;
    r->damaged = r->may_be_damaged = false;
    r->salvaged = true;
    for (uint64_t b = 0; b < MODEL_BLOCKS; b++) {
        r->may_fail[b] = true;
        r->any[b] |= b >= r->certain.size_blocks;
        if (r->gone[b])
            r->versions[b] = SHOWN_ERROR;
    }
    for (uint32_t i = 0; i < r->name_count; i++)
        r->names[i].state = MODEL_GIVEN;
}

uint64_t model_give(struct model *m, struct model_change c)
{
    assert(model_in_flight(m) < MODEL_UNANSWERED);
    c.version = m->first + m->change_count;
    c.state = MODEL_GIVEN;
    if (c.kind == STORE_MAKE) {
        c.replica = model_free_slot(m);
        assert(c.replica < MODEL_REPLICAS);
        begin_replica(&m->replicas[c.replica], c.identity);
    }
    if (c.kind == STORE_WRITE || c.kind == STORE_UNMAP)
        model_commit(m, c.replica, &c.stamp);
    *append(&m->changes, &m->change_count, &m->change_max) = c;
    return c.version;
}

static void set_blocks(struct model_replica *r, struct extent e, uint64_t version)
{
    for (uint64_t b = e.start; b < extent_end(e); b++) {
        r->versions[b] = version;
        r->may_fail[b] = r->any[b] = r->gone[b] = false;
    }
}

static void apply(struct model *m, const struct model_change *c)
{
    struct model_replica *r = &m->replicas[c->replica];

    switch (c->kind) {
    case STORE_MAKE:
        r->certain = (struct model_facts){.exists = true, .size_blocks = c->size_blocks};
        return;
    case STORE_DELETE:
        r->certain.exists = false;
        return;
    case STORE_SALVAGE:
        salvage(r, c->identity);
        return;
    case STORE_RESIZE:
        r->certain.size_blocks = c->size_blocks;
        return;
    case STORE_PROMISE:
        r->certain.promised = c->epoch;
        return;
    case STORE_SET:
        r->certain.set_generation = c->generation;
        return;
    case STORE_WRITE:
    case STORE_UNMAP:
        set_blocks(r, c->extent, c->kind == STORE_WRITE ? c->version : 0);
        r->certain.last_epoch = c->stamp.epoch;
        r->certain.last_seq = c->stamp.seq;
        *append(&r->names, &r->name_count, &r->name_max) = *c;
        return;
    }
}

/* ---- M4 ---- */

/* Whether each chunk of the extent certainly has its place: a block of it holds data. */
static bool has_its_chunks(const struct model_replica *r, struct extent e)
{
    for (uint64_t at = round_down(e.start, CHUNK_BLOCKS); at < extent_end(e); at += CHUNK_BLOCKS) {
        bool data = false;

        for (uint64_t b = at; b < min_u64(at + CHUNK_BLOCKS, r->certain.size_blocks); b++)
            data |= r->versions[b] != 0 && !r->may_fail[b];
        if (!data)
            return false;
    }
    return true;
}

/* S5: changes that need no space go on without it. */
static bool needs_space(const struct model *m, const struct model_change *c)
{
    if (c->kind == STORE_MAKE)
        return true;
    return model_may_need_space(m, c) && !has_its_chunks(&m->replicas[c->replica], c->extent);
}

/* What the change must be refused with, with everything before it applied; E_OK: nothing. */
static enum err refusal(const struct model *m, const struct model_change *c)
{
    const struct model_facts *f = &m->replicas[c->replica].certain;

    switch (c->kind) {
    case STORE_PROMISE:
        return c->epoch < f->promised ? E_STALE_EPOCH : E_OK;
    case STORE_RESIZE:
        return c->size_blocks < f->size_blocks ? E_INVALID : E_OK;
    case STORE_WRITE:
    case STORE_UNMAP:
        return extent_within(c->extent, f->size_blocks) ? E_OK : E_LBA_RANGE;
    case STORE_MAKE:
    case STORE_DELETE:
    case STORE_SALVAGE:
    case STORE_SET:
        break;
    }
    return E_OK;
}

static bool judge(struct model *m, const struct model_change *c, enum err err)
{
    enum err right = refusal(m, c);

    if (err == right || ((err == E_DISK || err == E_READ_ONLY) && m->disk_ails))
        return true;
    if (err == E_NO_SPACE && right == E_OK && m->disk_full && needs_space(m, c))
        return true;
    if (m->replicas[c->replica].damaged && err != E_DISK && err != E_READ_ONLY)
        return true; /* nobody knows its size or promise */
    return model_wrong(m, "change %lu (kind %d of replica %u) was answered with \"%s\", not \"%s\"",
                       (unsigned long)c->version, (int)c->kind, c->replica, err_text(err),
                       err_text(right));
}

static enum model_state state_after(enum err err)
{
    if (err == E_OK)
        return MODEL_DONE;
    return err == E_DISK || err == E_READ_ONLY ? MODEL_DOUBT : MODEL_REFUSED;
}

bool model_answer(struct model *m, uint64_t version, enum err err)
{
    struct model_change *c = model_change_of(m, version);

    if (m->answered == m->change_count || c != &m->changes[m->answered])
        return model_wrong(m, "change %lu was answered out of order", (unsigned long)version);
    c->state = state_after(err);
    if (c->state == MODEL_DOUBT)
        m->doubted = min_u32(m->doubted, m->answered);
    m->answered++;
    if (!judge(m, c, err))
        return false;
    if (err == E_OK)
        apply(m, c);
    return true;
}

/* ---- reads ---- */

void model_view(const struct model *m, uint32_t replica, struct extent e, struct model_view *ret)
{
    const struct model_replica *r = &m->replicas[replica];

    ret->replica = replica;
    ret->extent = e;
    ret->since = m->first + m->answered;
    memcpy(ret->versions, &r->versions[e.start], e.count * sizeof *r->versions);
    memcpy(ret->may_fail, &r->may_fail[e.start], e.count * sizeof *r->may_fail);
    memcpy(ret->any, &r->any[e.start], e.count * sizeof *r->any);
}

static bool changes_block(const struct model_change *c, uint32_t replica, uint64_t block)
{
    return c->replica == replica && c->state != MODEL_REFUSED &&
           (c->kind == STORE_WRITE || c->kind == STORE_UNMAP) && block >= c->extent.start &&
           block < extent_end(c->extent);
}

/* Whether a change since then, or one in doubt, made this of the block. */
static bool made_since(const struct model *m, const struct model_view *v, uint64_t block,
                       uint64_t shown)
{
    for (uint64_t i = min_u64(v->since - m->first, m->doubted); i < m->change_count; i++) {
        const struct model_change *c = &m->changes[i];

        if (i < v->since - m->first && c->state != MODEL_DOUBT)
            continue;
        if (changes_block(c, v->replica, block) &&
            shown == (c->kind == STORE_WRITE ? c->version : 0))
            return true;
    }
    return false;
}

/* Whether the block may have moved out of a chunk while it was read, and that was hit. */
static bool was_hit_astray(const struct model *m, const struct model_view *v, uint64_t block)
{
    uint64_t base = round_down(block, CHUNK_BLOCKS);

    if (m->stray_at < v->since)
        return false;
    for (uint64_t i = v->since - m->first; i < m->change_count; i++)
        for (uint64_t b = base; b < base + CHUNK_BLOCKS; b++)
            if (changes_block(&m->changes[i], v->replica, b))
                return true;
    return false;
}

bool model_may_show(struct model *m, const struct model_view *v, uint64_t block, uint64_t shown)
{
    const struct model_replica *r = &m->replicas[v->replica];
    uint64_t i = block - v->extent.start;

    if (shown == v->versions[i] || made_since(m, v, block, shown))
        return true;
    if (shown == SHOWN_ERROR && (v->may_fail[i] || r->may_fail[block] || r->damaged ||
                                 r->failed_at[block] >= v->since || was_hit_astray(m, v, block)))
        return true;
    if ((r->damaged || r->any[block] || v->any[i]) && shown < m->first + m->change_count)
        return true;
    if (shown == SHOWN_ERROR || shown == SHOWN_OTHER)
        return model_wrong(m, "read of replica %u, block %lu: %s instead of version %lu",
                           v->replica, (unsigned long)block,
                           shown == SHOWN_ERROR ? "an error" : "bytes that nobody wrote there",
                           (unsigned long)v->versions[i]);
    return model_wrong(m, "read of replica %u, block %lu: version %lu; certain was %lu", v->replica,
                       (unsigned long)block, (unsigned long)shown, (unsigned long)v->versions[i]);
}

/* ---- faults ---- */

void model_may_fail(struct model *m, uint32_t replica, struct extent blocks)
{
    struct model_replica *r = &m->replicas[replica];

    for (uint64_t b = blocks.start; b < min_u64(extent_end(blocks), MODEL_BLOCKS); b++) {
        r->may_fail[b] = true;
        r->failed_at[b] = m->first + m->change_count;
    }
}

void model_may_be_damaged(struct model *m, uint32_t replica)
{
    m->replicas[replica].may_be_damaged = true;
}

void model_may_be_older(struct model *m, uint32_t replica)
{
    m->replicas[replica].may_be_older = true;
}

void model_stray_fault(struct model *m)
{
    m->stray_at = m->first + m->change_count;
}
