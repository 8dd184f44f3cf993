/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/store/settle.c — how many of the changes given does an opened store show? (M2, M3)
 *
 * The changes whose fate is open, c1 … cn, became durable in order.  For each k from 0 to n,
 * possible[k] says that the store may be as after c1 … ck, with some blocks of c(k+1) perhaps.
 * Everything that it shows strikes out the k that it does not agree with; one must be left.
 *
 * A block that is an error says nothing, and neither does a replica that says it is damaged.  On a
 * disk that was full any write among them may have been refused in its turn.
 */
#include "tests/sim/store/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct settling {
    struct model *m;
    const struct model_change *open[MODEL_UNANSWERED + 1]; /* [1] … [count] */
    uint32_t count;
    bool possible[MODEL_UNANSWERED + 1];
};

static void find_open(struct settling *s, struct model *m)
{
    *s = (struct settling){.m = m};
    for (uint32_t i = 0; i < m->change_count; i++) {
        const struct model_change *c = &m->changes[i];

        if (c->state != MODEL_GIVEN && c->state != MODEL_DOUBT)
            continue;
        assert(s->count < MODEL_UNANSWERED);
        s->open[++s->count] = c;
    }
    for (uint32_t k = 0; k <= s->count; k++)
        s->possible[k] = true;
}

static bool none_left(const struct settling *s)
{
    for (uint32_t k = 0; k <= s->count; k++)
        if (s->possible[k])
            return false;
    return true;
}

/* ---- facts ---- */

static bool may_be_refused(const struct settling *s, const struct model_change *c)
{
    return s->m->disk_full && model_may_need_space(s->m, c);
}

/* The newest name that is applied: of a write that was perhaps refused, its own or an older one. */
struct newest {
    uint64_t epoch[MODEL_UNANSWERED + 1], seq[MODEL_UNANSWERED + 1];
    uint32_t count;
};

static bool is_newest(const struct newest *n, const struct model_facts *shown)
{
    for (uint32_t i = 0; i < n->count; i++)
        if (n->epoch[i] == shown->last_epoch && n->seq[i] == shown->last_seq)
            return true;
    return false;
}

static void add_newest(struct newest *n, const struct model_facts *f, bool perhaps)
{
    if (!perhaps)
        n->count = 0;
    n->epoch[n->count] = f->last_epoch;
    n->seq[n->count++] = f->last_seq;
}

/* Whether it decides which name is the newest, rather than leave that as it was: what is beyond the
 * size was refused in its turn. */
static bool names_newest(const struct model_facts *f, const struct model_change *c)
{
    if (c->kind == STORE_WRITE || c->kind == STORE_UNMAP)
        return extent_within(c->extent, f->size_blocks);
    return c->kind == STORE_MAKE || c->kind == STORE_DELETE;
}

static void apply_facts(struct model_facts *f, const struct model_change *c)
{
    switch (c->kind) {
    case STORE_MAKE:
        *f = (struct model_facts){.exists = true, .size_blocks = c->size_blocks};
        return;
    case STORE_DELETE:
        f->exists = false;
        return;
    case STORE_SALVAGE:
        return;
    case STORE_RESIZE:
        f->size_blocks = max_u64(f->size_blocks, c->size_blocks);
        return;
    case STORE_PROMISE:
        f->promised = max_u64(f->promised, c->epoch);
        return;
    case STORE_SET:
        f->set_generation = c->generation;
        return;
    case STORE_WRITE:
    case STORE_UNMAP:
        if (!extent_within(c->extent, f->size_blocks))
            return; /* refused in its turn */
        f->last_epoch = c->stamp.epoch;
        f->last_seq = c->stamp.seq;
        return;
    }
}

static struct model_facts facts_of(const struct model_sight *sight)
{
    const struct store_facts *f = &sight->facts;

    if (!sight->exists)
        return (struct model_facts){0};
    return (struct model_facts){.exists = true,
                                .size_blocks = f->size_blocks,
                                .promised = f->promised,
                                .set_generation = f->set.generation,
                                .last_epoch = f->last_epoch,
                                .last_seq = f->last_seq};
}

static bool facts_agree(const struct model_facts *a, const struct model_facts *b)
{
    if (!a->exists || !b->exists)
        return a->exists == b->exists;
    return a->size_blocks == b->size_blocks && a->promised == b->promised &&
           a->set_generation == b->set_generation;
}

/* Whether it is there at all must agree even where the map is damaged. */
static bool existence_agrees(const struct model_facts *a, const struct model_facts *b)
{
    return a->exists == b->exists;
}

static bool strike_by_facts(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    const struct model_replica *r = &s->m->replicas[slot];
    bool damaged = sight->exists && sight->facts.damaged;
    struct model_facts shown = facts_of(sight), f = r->certain;
    struct newest newest = {0};

    if (damaged && !r->may_be_damaged)
        return model_wrong(s->m, "replica %u says that it is damaged, and nothing hit it", slot);
    add_newest(&newest, &f, false);
    for (uint32_t k = 0; k <= s->count; k++) {
        if (k > 0 && s->open[k]->replica == slot) {
            apply_facts(&f, s->open[k]);
            if (names_newest(&f, s->open[k]))
                add_newest(&newest, &f, may_be_refused(s, s->open[k]));
        }
        s->possible[k] &=
            damaged ? existence_agrees(&f, &shown)
                    : facts_agree(&f, &shown) && (!shown.exists || is_newest(&newest, &shown));
    }
    if (!none_left(s))
        return true;
    return model_wrong(s->m,
                       "replica %u is %s: %lu blocks, promised %lu, set %lu, last %lu/%lu; certain "
                       "is: %s, %lu, %lu, %lu, %lu/%lu and %u changes behind",
                       slot, shown.exists ? "there" : "gone", (unsigned long)shown.size_blocks,
                       (unsigned long)shown.promised, (unsigned long)shown.set_generation,
                       (unsigned long)shown.last_epoch, (unsigned long)shown.last_seq,
                       r->certain.exists ? "there" : "gone", (unsigned long)r->certain.size_blocks,
                       (unsigned long)r->certain.promised, (unsigned long)r->certain.set_generation,
                       (unsigned long)r->certain.last_epoch, (unsigned long)r->certain.last_seq,
                       s->count);
}

/* ---- blocks ---- */

static bool touches(const struct model_change *c, uint32_t slot, uint64_t block)
{
    return c->replica == slot && (c->kind == STORE_WRITE || c->kind == STORE_UNMAP) &&
           block >= c->extent.start && block < extent_end(c->extent);
}

static uint64_t value_of(const struct model_change *c)
{
    return c->kind == STORE_WRITE ? c->version : 0;
}

static bool block_wrong(struct settling *s, uint32_t slot, uint64_t block, uint64_t shown)
{
    unsigned long certain = s->m->replicas[slot].versions[block];

    if (shown == SHOWN_ERROR || shown == SHOWN_OTHER)
        return model_wrong(s->m, "replica %u, block %lu shows %s; certain is version %lu", slot,
                           (unsigned long)block,
                           shown == SHOWN_ERROR ? "an error" : "bytes that nobody wrote there",
                           certain);
    return model_wrong(
        s->m,
        "replica %u, block %lu shows version %lu; certain is %lu, and with what else "
        "is shown no prefix of the %u changes behind explains it",
        slot, (unsigned long)block, (unsigned long)shown, certain, s->count);
}

static bool strike_by_block(struct settling *s, uint32_t slot, uint64_t block, uint64_t shown)
{
    bool fits = s->m->replicas[slot].versions[block] == shown; /* with c1 … ck, one way or other */

    for (uint32_t k = 0; k <= s->count; k++) {
        bool torn = k < s->count && touches(s->open[k + 1], slot, block) &&
                    value_of(s->open[k + 1]) == shown;

        if (k > 0 && touches(s->open[k], slot, block))
            fits = value_of(s->open[k]) == shown || (fits && may_be_refused(s, s->open[k]));
        s->possible[k] &= fits || torn;
    }
    return !none_left(s) || block_wrong(s, slot, block, shown);
}

static bool is_open(const struct settling *s, uint32_t slot, uint64_t block)
{
    for (uint32_t k = 1; k <= s->count; k++)
        if (touches(s->open[k], slot, block))
            return true;
    return false;
}

static bool strike_by_blocks(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    const struct model_replica *r = &s->m->replicas[slot];

    for (uint64_t b = 0; b < min_u64(sight->facts.size_blocks, MODEL_BLOCKS); b++) {
        uint64_t shown = sight->shown[b];

        if (shown == r->versions[b] && !is_open(s, slot, b))
            continue;
        if (shown == SHOWN_ERROR && (r->may_fail[b] || sight->facts.damaged))
            continue;
        if (shown < SHOWN_OTHER && (r->any[b] || sight->facts.damaged))
            continue; /* perhaps an older one of its own */
        if (!strike_by_block(s, slot, b, shown))
            return false;
    }
    return true;
}

/* ---- M3: the activity log ---- */

/* Whether the facts, or at least a word once given, say that the write is complete. */
static bool known_complete(const struct model_replica *r, const struct store_facts *f,
                           const struct store_stamp *w, bool surely)
{
    if (w->epoch == f->commit_epoch)
        return w->seq <= f->commit_seq;
    return w->epoch < f->commit_epoch && (surely ? false : r->sealed_epoch > w->epoch);
}

static void cover(bool *covered, struct extent e, bool value)
{
    for (uint64_t b = e.start; b < min_u64(extent_end(e), MODEL_BLOCKS); b++)
        covered[b] = value;
}

static bool log_covers(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    const struct model_replica *r = &s->m->replicas[slot];
    bool covered[MODEL_BLOCKS] = {0};

    for (uint32_t i = 0; i < sight->open_count; i++)
        cover(covered, sight->open[i], true);
    for (uint32_t i = 0; i < r->name_count; i++) {
        const struct model_change *c = &r->names[i];

        if (c->state != MODEL_DONE || known_complete(r, &sight->facts, &c->stamp, false))
            continue;
        for (uint64_t b = c->extent.start; b < extent_end(c->extent); b++)
            if (!covered[b])
                return model_wrong(s->m,
                                   "replica %u: write %lu/%lu is not known complete (%lu/%lu), and "
                                   "the activity log misses its block %lu",
                                   slot, (unsigned long)c->stamp.epoch, (unsigned long)c->stamp.seq,
                                   (unsigned long)sight->facts.commit_epoch,
                                   (unsigned long)sight->facts.commit_seq, (unsigned long)b);
    }
    return true;
}

/* Nothing but writes that may be open is in the log. */
static bool log_is_exact(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    const struct model_replica *r = &s->m->replicas[slot];
    bool open[MODEL_BLOCKS] = {0};

    for (uint32_t i = 0; i < r->name_count; i++)
        if (!(r->names[i].stamp.epoch == sight->facts.commit_epoch &&
              r->names[i].stamp.seq <= sight->facts.commit_seq))
            cover(open, r->names[i].extent, true);
    for (uint32_t k = 1; k <= s->count; k++)
        if (s->open[k]->replica == slot)
            cover(open, s->open[k]->extent, true);
    for (uint32_t i = 0; i < sight->open_count; i++)
        for (uint64_t b = sight->open[i].start; b < extent_end(sight->open[i]); b++)
            if (b >= MODEL_BLOCKS || !open[b])
                return model_wrong(s->m, "replica %u: the activity log names block %lu for nothing",
                                   slot, (unsigned long)b);
    return true;
}

static bool log_agrees(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    if (sight->facts.damaged)
        return true;
    if (sight->facts.commit_epoch > s->m->replicas[slot].told_epoch ||
        (sight->facts.commit_epoch == s->m->replicas[slot].told_epoch &&
         sight->facts.commit_seq > s->m->replicas[slot].told_seq))
        return model_wrong(s->m, "replica %u: nobody gave the commit word %lu/%lu", slot,
                           (unsigned long)sight->facts.commit_epoch,
                           (unsigned long)sight->facts.commit_seq);
    if (!log_covers(s, slot, sight))
        return false;
    return sight->facts.open_everything || log_is_exact(s, slot, sight);
}

/* ---- what is certain from now on ---- */

static void add_name(struct model_replica *r, const struct model_change *c, bool surely)
{
    if (r->name_count == r->name_max) {
        r->name_max = r->name_max ? r->name_max * 2 : 64;
        r->names = realloc(r->names, r->name_max * sizeof *r->names);
        assert(r->names);
    }
    r->names[r->name_count] = *c;
    r->names[r->name_count++].state = surely ? MODEL_DONE : MODEL_GIVEN;
}

/*
 * Writes whose fate was open are in the log, or perhaps: there in part, or not at all.  `f` is what
 * was certain before them: one that did not fit in its turn was refused, whatever has grown since.
 */
static void add_open_names(struct settling *s, struct model_replica *r, uint32_t slot,
                           struct model_facts f)
{
    uint32_t surely = 0;

    while (!s->possible[surely])
        surely++;
    for (uint32_t k = 1; k <= s->count; k++) {
        const struct model_change *c = s->open[k];

        if (touches(c, slot, c->extent.start) &&
            extent_within(c->extent, min_u64(f.size_blocks, r->certain.size_blocks)))
            add_name(r, c, k <= surely && !may_be_refused(s, c));
        if (c->replica == slot)
            apply_facts(&f, c);
    }
}

static void forget_complete(struct model_replica *r, const struct store_facts *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->name_count; i++)
        if (!known_complete(r, f, &r->names[i].stamp, true))
            r->names[kept++] = r->names[i];
    r->name_count = kept;
}

static void adopt(struct settling *s, uint32_t slot, const struct model_sight *sight)
{
    struct model_replica *r = &s->m->replicas[slot];
    struct model_facts before = r->certain;

    r->certain = facts_of(sight);
    if (!sight->exists)
        return;
    r->damaged |= sight->facts.damaged;
    r->may_be_damaged &= sight->facts.damaged; /* else its map is whole, until harm is told anew */
    for (uint64_t b = 0; b < min_u64(sight->facts.size_blocks, MODEL_BLOCKS); b++) {
        bool older;

        if (sight->shown[b] == SHOWN_ERROR) {
            r->any[b] |= is_open(s, slot, b);
            continue;
        }
        older = sight->mapped[b] && (r->may_fail[b] || r->may_be_older);
        r->gone[b] = sight->facts.damaged && sight->shown[b] == 0 && !is_open(s, slot, b) &&
                     !r->any[b] && (r->gone[b] || (!older && r->versions[b] != 0));
        r->versions[b] = sight->shown[b];
        r->may_fail[b] = r->any[b] = false;
    }
    r->may_be_older = false;
    add_open_names(s, r, slot, before);
    forget_complete(r, &sight->facts);
    r->told_epoch = sight->facts.commit_epoch;
    r->told_seq = sight->facts.commit_seq;
}

/* What is shown may be taken back: what was never answered is in doubt, until a later look. */
static void leave_open(struct model *m)
{
    for (uint32_t i = m->change_count; i > 0; i--) {
        if (m->changes[i - 1].state == MODEL_GIVEN)
            m->changes[i - 1].state = MODEL_DOUBT;
        if (m->changes[i - 1].state == MODEL_DOUBT)
            m->doubted = i - 1;
    }
    m->answered = m->change_count;
}

bool model_settle(struct model *m, const struct model_sight *sights, bool firm)
{
    struct settling s;

    find_open(&s, m);
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++) {
        const struct model_sight *sight = &sights[slot];

        if (!strike_by_facts(&s, slot, sight))
            return false;
        if (sight->exists && (!strike_by_blocks(&s, slot, sight) || !log_agrees(&s, slot, sight)))
            return false;
    }
    if (!firm) {
        leave_open(m);
        return true;
    }
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        adopt(&s, slot, &sights[slot]);
    m->first += m->change_count;
    m->change_count = m->answered = 0;
    m->doubted = UINT32_MAX;
    m->disk_ails = m->disk_full = false;
    return true;
}
