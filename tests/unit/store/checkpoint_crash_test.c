/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/checkpoint_crash_test.c — power loss at every I/O of a checkpoint and of the
 * changes beside it.
 *
 * One script: a checkpoint is begun, and behind its freeze blocks are written, unmapped and written
 * again, a promise, a SET and a size are stored, a replica goes and another one takes its slot.
 * After the crash the store must be what the first k changes made of it, for a k from the number
 * answered to the number given; and every chunk that is taken must be some replica's.
 */
#include "tests/unit/store/rig_io.h"

#define BLOCKS  720u
#define POINTS  44u /* more I/Os than the script has: the last crashes find it over */
#define MOMENTS 3u

static const struct identity SECOND = {0x0b00000000000002};
static const struct identity THIRD = {0x0b00000000000003};

/* What the store holds, as far as the script changes it. */
struct picture {
    uint64_t first[BLOCKS], second[BLOCKS], third[BLOCKS]; /* tags; 0: zeros */
    bool has_second, has_third;
    uint64_t promised, generation, size_blocks;
};

enum whose { FIRST_S, SECOND_S, THIRD_S };

struct step {
    enum store_change_kind kind;
    enum whose whose;
    struct extent extent;
    uint64_t number; /* tag, epoch, generation or size */
};

static const struct step script[] = {
    {STORE_WRITE, FIRST_S, {8, 16}, 2000},  {STORE_WRITE, FIRST_S, {640, 20}, 3000},
    {STORE_UNMAP, FIRST_S, {32, 16}, 0},    {STORE_PROMISE, FIRST_S, {0, 0}, 4},
    {STORE_UNMAP, FIRST_S, {50, 3}, 0},     {STORE_WRITE, FIRST_S, {35, 2}, 4000},
    {STORE_SET, FIRST_S, {0, 0}, 6},        {STORE_WRITE, SECOND_S, {0, 10}, 5000},
    {STORE_DELETE, SECOND_S, {0, 0}, 0},    {STORE_MAKE, THIRD_S, {0, 0}, BLOCKS},
    {STORE_WRITE, THIRD_S, {4, 30}, 6000},  {STORE_RESIZE, FIRST_S, {0, 0}, 2 * BLOCKS},
    {STORE_WRITE, FIRST_S, {100, 1}, 7000}, {STORE_UNMAP, THIRD_S, {16, 16}, 0},
    {STORE_WRITE, FIRST_S, {8, 4}, 8000},
};
#define STEPS ((uint32_t)array_length(script))

static struct scene {
    struct rig r;
    struct picture start;
    struct store_change changes[STEPS];
    uint8_t *bytes[STEPS];
    uint32_t checksums[STEPS][BLOCKS];
    struct iovec pieces[STEPS];
    struct store_set set;
    uint32_t given, answered;
} m; /* one a process: what a crash leaves stays reachable */

/* ---- what the script makes of a picture ---- */

static uint64_t *blocks_of(struct picture *p, enum whose whose)
{
    switch (whose) {
    case FIRST_S:
        return p->first;
    case SECOND_S:
        return p->second;
    case THIRD_S:
        return p->third;
    }
    unreachable();
}

static void apply(struct picture *p, const struct step *s)
{
    uint64_t *blocks = blocks_of(p, s->whose);

    for (uint64_t i = 0; i < s->extent.count; i++)
        blocks[s->extent.start + i] = s->kind == STORE_WRITE ? s->number + i : 0;
    if (s->kind == STORE_PROMISE)
        p->promised = s->number;
    if (s->kind == STORE_SET)
        p->generation = s->number;
    if (s->kind == STORE_RESIZE)
        p->size_blocks = s->number;
    p->has_second &= s->kind != STORE_DELETE;
    p->has_third |= s->kind == STORE_MAKE;
}

static bool shows(struct identity id, const uint64_t *tags, bool there)
{
    static uint8_t bytes[BLOCKS * BLOCK_BYTES];
    bool same = true;

    m.r.replica = store_find(m.r.store, id);
    if (!there || !m.r.replica)
        return !there && !m.r.replica;
    assert_false(rig_facts(&m.r).damaged);
    assert_int_equal(rig_read(&m.r, 0, BLOCKS, bytes, NULL), E_OK);
    for (uint64_t b = 0; b < BLOCKS; b++)
        same &= block_is(bytes + b * BLOCK_BYTES, tags[b]);
    return same;
}

static bool store_shows(const struct picture *p)
{
    struct store_facts f;

    store_facts(store_find(m.r.store, REPLICA), &f);
    return shows(SECOND, p->second, p->has_second) && shows(THIRD, p->third, p->has_third) &&
           shows(REPLICA, p->first, true) && f.promised == p->promised &&
           f.set.generation == p->generation && f.size_blocks == p->size_blocks;
}

static void expect_some_prefix(void)
{
    struct picture p = m.start;
    uint32_t count = 0;

    while (count < m.answered)
        apply(&p, &script[count++]);
    while (!store_shows(&p)) {
        if (count == m.given)
            fail_msg("no prefix from %u to %u explains the store", m.answered, m.given);
        apply(&p, &script[count++]);
    }
}

static void expect_no_leak(void)
{
    struct store_space space = store_space(m.r.store);
    uint64_t chunks = 0;

    for_each_replica(r, m.r.store)
        chunks += r->chunk_count;
    assert_int_equal(chunks + space.chunks_free, space.chunks);
}

/* ---- the script is played ---- */

static void fill(uint32_t i)
{
    const struct step *s = &script[i];
    struct store_change *c = &m.changes[i];

    m.bytes[i] = blocks_take(s->extent.count);
    for (uint64_t b = 0; b < s->extent.count; b++)
        block_fill(m.bytes[i] + b * BLOCK_BYTES, s->number + b);
    checksums_of(c->replica, s->extent, m.bytes[i], m.checksums[i]);
    m.pieces[i] = (struct iovec){m.bytes[i], s->extent.count * BLOCK_BYTES};
    c->pieces = &m.pieces[i];
    c->piece_count = 1;
    c->checksums = m.checksums[i];
}

static void give(void);

static void step_done(struct store_change *c, enum err err)
{
    assert_int_equal(err, E_OK);
    assert_ptr_equal(c, &m.changes[m.answered]);
    blocks_free(m.bytes[m.answered]);
    m.bytes[m.answered++] = NULL;
    give();
}

static struct store_replica *replica_of_step(const struct step *s)
{
    const struct identity ids[] = {REPLICA, SECOND, THIRD};

    return store_find(m.r.store, ids[s->whose]);
}

/* Two at a time; what changes the replicas there are goes alone. */
static void give(void)
{
    while (m.given < STEPS && m.given - m.answered < 2) {
        const struct step *s = &script[m.given];
        struct store_change *c = &m.changes[m.given];
        bool alone = s->kind == STORE_MAKE || s->kind == STORE_DELETE ||
                     (m.given > 0 && script[m.given - 1].kind == STORE_MAKE);

        if (alone && m.answered < m.given)
            return;
        *c = (struct store_change){
            .kind = s->kind,
            .replica = replica_of_step(s),
            .done = step_done,
            .extent = s->extent,
            .stamp = {.generation = 1, .epoch = 1, .seq = 100 + m.given},
            .epoch = s->number,
            .size_blocks = s->number,
            .set = {.epoch = 1, .generation = s->number},
            .identity = THIRD,
            .volume = VOLUME,
            .shard = SHARD_TEST,
        };
        if (s->kind == STORE_WRITE)
            fill(m.given);
        m.given++;
        store_change(m.r.store, c);
    }
}

static bool is_still(void *arg)
{
    (void)arg;
    return !checkpoint_running(m.r.store);
}

static void begin(uint64_t seed)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    memset(&m, 0, sizeof m);
    m.r = rig_begin(seed, BLOCKS);
    assert_int_equal(rig_write(&m.r, 0, 72, 1000), E_OK);
    assert_int_equal(rig_make(&m.r, SECOND, BLOCKS), E_OK);
    assert_int_equal(rig_write(&m.r, 0, 40, 1500), E_OK);
    assert_true(sim_run_until(m.r.sim, is_still, NULL, BOUND_US));
    m.start = (struct picture){.has_second = true, .size_blocks = BLOCKS};
    apply(&m.start, &(struct step){STORE_WRITE, FIRST_S, {0, 72}, 1000});
    apply(&m.start, &(struct step){STORE_WRITE, SECOND_S, {0, 40}, 1500});
}

static bool is_over(void *arg)
{
    (void)arg;
    return sim_dead(m.r.env) || (m.answered == STEPS && !checkpoint_running(m.r.store));
}

static void come_back(uint64_t second_crash)
{
    struct rig_wait w = {0};
    struct store_open o;

    rig_crash(&m.r, SIM_POWER_LOST);
    sim_crash_at_io(m.r.sim, m.r.env, second_crash, SIM_POWER_LOST);
    o = (struct store_open){
        .env = m.r.env, .disk = m.r.disk, .limits = rig_limits(), .done = rig_open_done, .own = &w};
    store_open(&o);
    while (!w.over && !sim_dead(m.r.env))
        sim_run_for(m.r.sim, 1000);
    if (sim_dead(m.r.env)) {
        sim_abandon(m.r.sim, o.store);
        sim_abandon(m.r.sim, o.opening);
        m.r.store = NULL;
        rig_crash(&m.r, SIM_POWER_LOST);
        assert_int_equal(rig_open(&m.r), E_OK);
        return;
    }
    assert_int_equal(w.err, E_OK);
    m.r.store = o.store;
    sim_crash_at_io(m.r.sim, m.r.env, UINT64_MAX / 2, SIM_KILLED);
}

static bool crash_at(uint64_t seed)
{
    uint64_t n = seed - 1, point = 1 + n / MOMENTS % POINTS;
    enum sim_moment moment = (enum sim_moment)(n % MOMENTS);

    begin(1 + n / (MOMENTS * POINTS));
    checkpoint_begin(m.r.store, &m.r.store->journal.task);
    sim_crash_around_io(m.r.sim, m.r.env, (struct sim_point){point, moment}, SIM_POWER_LOST);
    give();
    assert_true(sim_run_until(m.r.sim, is_over, NULL, BOUND_US));
    come_back(1 + sim_draw(m.r.sim, 24));
    expect_some_prefix();
    expect_no_leak();
    for (uint32_t i = 0; i < STEPS; i++)
        blocks_free(m.bytes[i]);
    rig_end(&m.r);
    return true;
}

static void whichever_io_was_the_last_nothing_is_lost(void **state)
{
    (void)state;
    rig_image_take(); /* once, for all children */
    assert_int_equal(sim_seeds(1, 2 * MOMENTS * POINTS, crash_at), 0);
}

/* The points above reach past the end of the script. */
static void the_script_has_fewer_ios_than_points(void **state)
{
    uint64_t before;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(seed);
        before = sim_io_count(m.r.env);
        checkpoint_begin(m.r.store, &m.r.store->journal.task);
        give();
        assert_true(sim_run_until(m.r.sim, is_over, NULL, BOUND_US));
        assert_in_range(sim_io_count(m.r.env) - before, POINTS / 2, POINTS - 1);
        expect_some_prefix();
        rig_end(&m.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_script_has_fewer_ios_than_points),
        cmocka_unit_test(whichever_io_was_the_last_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
