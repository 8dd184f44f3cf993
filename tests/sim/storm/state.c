/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/state.c — states of a store that no request to its disk shows by where it goes:
 * looked for in the store itself, and what its scrub tells of itself.
 */
#include "store/scrub.h"
#include "tests/sim/storm/storm.h"

#include <assert.h>
#include <stdlib.h>

/* ---- at a root ---- */

/* The one behind it is waited for by the opening itself. */
static bool is_amid_replay(const struct storm *s, const struct store *store)
{
    return !s->p->store && store->checkpoint.waiter != &s->p->opening.task;
}

/* The write at the head of the queue, nothing being under way, finds no chunk yet. */
static bool a_write_waits_for_space(const struct store *store)
{
    const struct list *queue = &store->journal.queue;
    const struct store_change *c;
    uint64_t leaves;

    if (store->journal.in_flight > 0 || list_empty(queue))
        return false;
    c = container_of(queue->next, struct store_change, link);
    return c->kind == STORE_WRITE &&
           map_missing(c->replica, c->extent, &leaves) > allocator_left(&store->allocator);
}

/* Chunks that the checkpoint before this one found to be empty as their records were written: that
 * they are on their way to be free now. */
static void tell_of_emptied(struct storm *s, const struct store *store)
{
    for (uint32_t i = 0; i < s->emptied_count; i++)
        if (allocator_is_settling(&store->allocator, s->emptied[i]))
            tell(s, TALLY_EMPTIED);
    s->emptied_count = 0;
    for (uint32_t i = 0; i < store->checkpoint.chunk_count; i++) {
        const struct staged_chunk *k = store->checkpoint.chunks[i];

        if (k->emptied && k->listed && s->emptied_count < EMPTIED_MOST)
            s->emptied[s->emptied_count++] = k->chunk;
    }
}

void state_at_root(struct storm *s, uint32_t copy)
{
    const struct store *store = s->p->store ? s->p->store : s->p->opening.store;

    if (copy != store->checkpoint.root_first)
        return;
    if (is_amid_replay(s, store))
        tell(s, TALLY_AMID_REPLAY);
    if (s->p->store && a_write_waits_for_space(store))
        tell(s, TALLY_WAITED_SPACE);
    tell_of_emptied(s, store);
}

/* ---- at a read ---- */

/* It is a read's, which has not seen what its blocks should be. */
void state_at_read(struct storm *s, struct disk_io *io)
{
    const struct home_read *h = container_of(io, struct home_read, io);
    const struct pool *pool = s->p->store ? &s->p->store->reads.home_reads : NULL;
    uintptr_t at = (uintptr_t)h, first = pool ? (uintptr_t)pool->memory : 0;

    if (pool && at >= first && at < first + pool->count * pool->item_bytes && h->unjudged)
        tell(s, TALLY_READ_AHEAD);
}

/* ---- a store that is open ---- */

void state_when_open(struct storm *s)
{
    for_each_replica(r, s->p->store)
        s->tally.count[TALLY_LOG_OVER] += r->everything;
}

/* ---- a store that is quiet ---- */

static bool is_in(const uint64_t *bits, uint64_t chunk)
{
    return bits[chunk / 64] >> chunk % 64 & 1;
}

/* Allocated = reachable, in memory: of a chunk, whether a map has it, and whether it counts as one
 * that somebody has. */
static void expect_taken(struct storm *s, uint64_t chunk, bool owned)
{
    const struct allocator *a = &s->p->store->allocator;
    bool taken = is_in(a->taken, chunk) && !is_in(a->freed, chunk) && !is_in(a->settling, chunk);

    if (taken != owned)
        (void)model_wrong(&s->p->model, "chunk %lu is %s, and counts as %s", (unsigned long)chunk,
                          owned ? "in a map" : "in no map", taken ? "taken" : "free");
}

void state_when_quiet(struct storm *s)
{
    struct store *store = s->p->store;
    bool *owned = calloc(s->geo.chunks, sizeof *owned);
    uint64_t promised = 0;

    assert(owned);
    for_each_replica(r, store)
        for (uint32_t i = 0; i < div_up(r->size_blocks, CHUNK_BLOCKS); i++) {
            uint64_t entry = map_entry(r, i);

            promised += entry && !(entry & ENTRY_PLACED);
            if (entry & ENTRY_PLACED)
                owned[entry & ENTRY_CHUNK] = true;
        }
    for (uint64_t chunk = 0; chunk < s->geo.chunks; chunk++)
        expect_taken(s, chunk, owned[chunk]);
    if (promised != store->allocator.promised)
        (void)model_wrong(&s->p->model, "%lu chunks are promised to maps, of %lu that are promised",
                          (unsigned long)promised, (unsigned long)store->allocator.promised);
    free(owned);
}

/* ---- scrub ---- */

#define SCRUB_PERIOD_US UINT64_C(1000000)
#define SCRUB_BYTES     (UINT64_C(400) << 20) /* a second: round more than once in a life */

void state_scrub(struct storm *s)
{
    struct store_scrub_pace pace = {SCRUB_PERIOD_US, SCRUB_BYTES};
    enum err err = store_scrub_start(s->p->store, &pace);

    if (err)
        (void)model_wrong(&s->p->model, "the scrub does not start: %s", err_text(err));
}

/* Of a block that nothing ever hit, or of anything where nothing is harmed. */
static bool is_for_nothing(const struct storm *s, const struct scrub_finding *f)
{
    const struct model *m = &s->p->model;

    if (weather_is_clear(s->weather))
        return true;
    if (f->what != SCRUB_BLOCK || m->stray_at > 0)
        return false;
    for (uint32_t i = 0; i < MODEL_REPLICAS; i++)
        if (identity_equal(m->replicas[i].identity, f->replica))
            return m->replicas[i].failed_at[f->number] == 0 && !m->replicas[i].may_be_damaged;
    return false;
}

static void judge_pass(struct storm *s, const struct scrub_pass *pass)
{
    char text[128];

    for (uint32_t i = 0; i < pass->finding_count; i++) {
        tell(s, TALLY_SCRUB_FOUND);
        if (!is_for_nothing(s, &pass->findings[i]))
            continue;
        scrub_finding_show(&pass->findings[i], text);
        (void)model_wrong(&s->p->model, "the scrub names what nothing hit: %s", text);
    }
}

bool state_scrubs(const struct storm *s)
{
    struct store_scrub_status status;

    store_scrub_status(s->p->store, &status);
    return status.runs && status.now.bytes_done > 0;
}

void state_of_scrub(struct storm *s)
{
    struct store_scrub_status status;

    store_scrub_status(s->p->store, &status);
    if (!status.runs)
        return;
    s->tally.count[TALLY_SCRUB_ROUNDS] += status.passes;
    judge_pass(s, &status.last);
    judge_pass(s, &status.now);
}
