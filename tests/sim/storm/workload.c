/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/workload.c — what the clients of a storm do: moods, and commands drawn from them.
 */
#include "tests/sim/storm/storm.h"

#include <assert.h>

#define TURN_US      400u
#define IDLE_US      (UINT64_C(80) * 1000) /* longer than the store waits before an idle group */
#define SMALL_MOST   8u
#define BLOCKS_LEAST 64u

/* Parts of a hundred: of commands, and of addresses that fall into the hot twentieth. */
struct mood {
    const char *name;
    uint32_t at_once; /* queue depth */
    uint32_t replicas, blocks;
    uint32_t small, chunks, large, unmap, chunk_unmap, words, lives_of_replicas; /* rest: reads */
    uint32_t hot;
    uint32_t large_most;
};

/* clang-format off */
static const struct mood moods[] = {
    {"one writer",     1,   1, 600,  50, 5,  2,  8,  2,  5,  1,  0,  100},
    {"a queue",        32,  2, 500,  55, 5,  2,  6,  2,  4,  1,  0,  140},
    {"many at once",   128, 3, 400,  65, 4,  1,  5,  2,  3,  1,  30, 100},
    {"hot blocks",     16,  2, 800,  60, 4,  0,  10, 2,  4,  1,  90, 60},
    {"whole chunks",   8,   2, 1024, 15, 20, 3,  4,  6,  4,  1,  0,  80},
    {"large writes",   4,   2, 1500, 25, 4,  8,  4,  2,  4,  1,  0,  300},
    {"a full disk",    8,   4, 2048, 40, 16, 10, 6,  4,  3,  1,  0,  400},
    {"words",          8,   4, 200,  30, 3,  1,  8,  2,  25, 6,  0,  60},
    {"readers",        16,  2, 700,  25, 4,  1,  4,  2,  3,  1,  50, 60},
};
/* clang-format on */

const struct mood *mood_of(uint64_t seed)
{
    return &moods[seed % array_length(moods)];
}

const char *mood_name(const struct mood *m)
{
    return m->name;
}

static uint64_t draw(struct storm *s, uint64_t below)
{
    return sim_draw(s->p->sim, below);
}

/* ---- which replica, which blocks ---- */

static bool usable(const struct storm *s, uint32_t slot)
{
    return s->p->model.replicas[slot].certain.exists && !s->doomed[slot];
}

static uint32_t count_usable(const struct storm *s)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < MODEL_REPLICAS; i++)
        count += usable(s, i);
    return count;
}

/* One that may be used; MODEL_REPLICAS: there is none. */
static uint32_t any_replica(struct storm *s)
{
    uint32_t first = (uint32_t)draw(s, MODEL_REPLICAS);

    for (uint32_t i = 0; i < MODEL_REPLICAS; i++)
        if (usable(s, (first + i) % MODEL_REPLICAS))
            return (first + i) % MODEL_REPLICAS;
    return MODEL_REPLICAS;
}

static uint64_t size_of(const struct storm *s, uint32_t replica)
{
    return s->p->model.replicas[replica].certain.size_blocks;
}

static struct extent any_extent(struct storm *s, uint32_t replica, uint64_t most)
{
    uint64_t size = size_of(s, replica), hot = max_u64(1, size / 20);
    uint64_t start = draw(s, draw(s, 100) < s->mood->hot ? hot : size);

    return (struct extent){start, min_u64(1 + draw(s, most), size - start)};
}

static struct extent any_chunks(struct storm *s, uint32_t replica)
{
    struct extent e = any_extent(s, replica, 1);
    uint64_t start = round_down(e.start, CHUNK_BLOCKS);

    return (struct extent){start,
                           min_u64(CHUNK_BLOCKS * (1 + draw(s, 3)), size_of(s, replica) - start)};
}

/* ---- commands ---- */

static void write_some(struct storm *s, uint32_t r, uint32_t kind)
{
    const struct mood *m = s->mood;

    if (kind < m->small) {
        tell(s, TALLY_WRITES);
        player_write(s->p, r, any_extent(s, r, SMALL_MOST));
    } else if (kind < m->small + m->chunks) {
        tell(s, TALLY_CHUNK_WRITES);
        player_write(s->p, r, any_chunks(s, r));
    } else {
        tell(s, TALLY_LARGE_WRITES);
        player_write(s->p, r, any_extent(s, r, m->large_most));
    }
}

static void unmap_some(struct storm *s, uint32_t r, bool chunks)
{
    tell(s, chunks ? TALLY_CHUNK_UNMAPS : TALLY_UNMAPS);
    player_unmap(s->p, r, chunks ? any_chunks(s, r) : any_extent(s, r, 60));
}

/* The next epoch is promised, and from then on written in; what was open is sealed. */
static void next_epoch(struct storm *s, uint32_t r)
{
    uint64_t epoch = s->p->epoch[r] + 1 + draw(s, 2);

    player_promise(s->p, r, epoch);
    if (!player_settle_down(s->p) || sim_dead(s->p->env) || s->p->model.wrong[0])
        return;
    player_raise_epoch(s->p, r, epoch);
    player_commit(s->p, r, 0, true);
    tell(s, TALLY_SEALS);
}

static void commit_all(struct storm *s, uint32_t r)
{
    const struct model_facts *f = &s->p->model.replicas[r].certain;

    if (f->last_epoch != s->p->epoch[r])
        return;
    player_commit(s->p, r, f->last_seq, draw(s, 2));
    tell(s, TALLY_COMMITS);
}

/* What must be refused, and is asked all the same. */
static void ask_in_vain(struct storm *s, uint32_t r)
{
    uint64_t promised = s->p->model.replicas[r].certain.promised;

    switch (draw(s, 3)) {
    case 0:
        player_unmap(s->p, r, (struct extent){size_of(s, r), 1 + draw(s, 4)});
        return;
    case 1:
        player_resize(s->p, r, size_of(s, r) - 1);
        return;
    default:
        if (promised > 0)
            player_promise(s->p, r, promised - 1);
        return;
    }
}

static void word(struct storm *s, uint32_t r)
{
    switch (draw(s, 7)) {
    case 0:
        tell(s, TALLY_PROMISES);
        player_promise(s->p, r, s->p->epoch[r]);
        return;
    case 1:
        next_epoch(s, r);
        return;
    case 2:
        tell(s, TALLY_SETS);
        player_set(s->p, r);
        return;
    case 3:
        tell(s, TALLY_RESIZES);
        player_resize(s->p, r, min_u64(MODEL_BLOCKS, size_of(s, r) + draw(s, 40)));
        return;
    case 4:
        ask_in_vain(s, r);
        return;
    default:
        commit_all(s, r);
        return;
    }
}

static void make_one(struct storm *s)
{
    uint64_t most = s->mood->blocks - BLOCKS_LEAST;

    if (model_free_slot(&s->p->model) == MODEL_REPLICAS)
        return;
    tell(s, TALLY_MAKES);
    s->doomed[player_make(s->p, BLOCKS_LEAST + draw(s, most + 1))] = false;
}

static void delete_one(struct storm *s, uint32_t r)
{
    if (!player_settle_down(s->p) || sim_dead(s->p->env) || s->p->model.wrong[0])
        return;
    tell(s, TALLY_DELETES);
    s->doomed[r] = true;
    player_delete(s->p, r);
}

static void read_some(struct storm *s, uint32_t r)
{
    if (!player_can_read(s->p))
        return;
    tell(s, TALLY_READS);
    player_read(s->p, r, any_extent(s, r, draw(s, 8) ? 16 : 100));
}

static void command(struct storm *s)
{
    const struct mood *m = s->mood;
    uint32_t writes = m->small + m->chunks + m->large, r = any_replica(s);
    uint32_t kind = (uint32_t)draw(s, 100);

    if (r == MODEL_REPLICAS)
        make_one(s);
    else if (kind < writes)
        write_some(s, r, kind);
    else if (kind < writes + m->unmap + m->chunk_unmap)
        unmap_some(s, r, kind >= writes + m->unmap);
    else if (kind < writes + m->unmap + m->chunk_unmap + m->words)
        word(s, r);
    else if (kind < writes + m->unmap + m->chunk_unmap + m->words + m->lives_of_replicas)
        count_usable(s) > m->replicas ? delete_one(s, r) : make_one(s);
    else
        read_some(s, r);
}

/* ---- a life ---- */

void workload_begin(struct storm *s)
{
    for (uint32_t i = 0; i < s->mood->replicas; i++)
        make_one(s);
    (void)player_settle_down(s->p);
}

static bool ends(const struct storm *s)
{
    return sim_dead(s->p->env) || s->p->model.wrong[0] || store_space(s->p->store).read_only;
}

struct room {
    const struct storm *storm;
    uint32_t most;
};

static bool has_room(void *arg)
{
    const struct room *room = arg;

    return sim_dead(room->storm->p->env) || room->storm->p->model.wrong[0] ||
           model_in_flight(&room->storm->p->model) < room->most;
}

/* Time passes: a little, until the queue is half empty, or until all is quiet for a while. */
static void let_time_pass(struct storm *s)
{
    struct room room = {s, 1 + (uint32_t)draw(s, s->mood->at_once)};

    if (draw(s, 100) == 0) {
        (void)player_settle_down(s->p);
        sim_run_for(s->p->sim, draw(s, 2) ? IDLE_US : 1000);
    } else if (draw(s, 4)) {
        sim_run_for(s->p->sim, draw(s, TURN_US));
    } else if (!sim_run_until(s->p->sim, has_room, &room, PLAYER_BOUND_US)) {
        (void)model_wrong(&s->p->model, "nothing is answered any more");
    }
}

void workload_live(struct storm *s, uint64_t commands)
{
    uint64_t until = s->p->commands + commands;

    if (weather_is_scrubbed(s->weather))
        state_scrub(s);
    while (s->p->commands < until && !ends(s)) {
        for (uint64_t n = 1 + draw(s, s->mood->at_once); n > 0 && !ends(s); n--)
            if (model_in_flight(&s->p->model) < s->mood->at_once)
                command(s);
        let_time_pass(s);
    }
    if (draw(s, 2))
        (void)player_settle_down(s->p);
    cost_tell(s);
    state_of_scrub(s);
    s->tally.count[TALLY_READ_ONLY] += !sim_dead(s->p->env) && store_space(s->p->store).read_only;
}

/* ---- after a loss ---- */

static void heal(struct storm *s, uint32_t r)
{
    for (uint64_t b = 0; b < size_of(s, r) && !ends(s); b++) {
        if (!s->p->model.replicas[r].may_fail[b] || draw(s, 2))
            continue;
        while (model_in_flight(&s->p->model) >= 32 && player_settle_down(s->p) && !ends(s))
            continue;
        if (ends(s))
            return;
        tell(s, TALLY_HEALED);
        player_write(s->p, r, (struct extent){b, 1});
    }
}

/* A human may say that what is left is the replica.  It may die of it: the next life finds out
 * whether it was done. */
static void salvage(struct storm *s, uint32_t r)
{
    if (!player_settle_down(s->p) || ends(s))
        return;
    if (draw(s, 2))
        sim_crash_around_io(s->p->sim, s->p->env,
                            (struct sim_point){1, (enum sim_moment)draw(s, 3)},
                            draw(s, 2) ? SIM_KILLED : SIM_POWER_LOST);
    tell(s, TALLY_SALVAGES);
    player_salvage(s->p, r);
    (void)player_settle_down(s->p);
    if (sim_dead(s->p->env) && model_busy(&s->p->model, r))
        tell(s, TALLY_DIED_SALVAGING);
}

void workload_mend(struct storm *s)
{
    state_when_open(s);
    for (uint32_t r = 0; r < MODEL_REPLICAS && !ends(s); r++) {
        if (!usable(s, r))
            continue;
        if (s->p->model.replicas[r].damaged && !s->ailing && draw(s, 2))
            salvage(s, r);
        else if (s->p->model.replicas[r].damaged)
            delete_one(s, r);
        else
            heal(s, r);
    }
}
