/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/crash_test.c — P11 against a model: random changes, a crash at any I/O, and
 * every block that was answered is there.
 *
 * The model keeps for each block what each change made of it, in the order given.  After a crash
 * the store must hold what the first k changes made, for a k that is not below the last one
 * answered; of the change behind these some blocks may be there too (a large write goes in pieces).
 */
#include "tests/unit/store/rig_io.h"

#define BLOCKS    640u
#define CHANGES   400u /* of one life between two crashes */
#define IN_FLIGHT 12u
#define PIECE_MAX 140u /* blocks of a write: more than the journal's group holds */

struct step {
    struct store_change change;
    struct extent extent;
    uint64_t tag; /* block i gets tag + i; 0: zeros */
    uint64_t promise, seq;
    bool answered;
    uint8_t *bytes;
    uint32_t *checksums;
    struct iovec pieces[3];
};

struct model {
    struct rig r;
    uint64_t value[BLOCKS]; /* as of the last crash or start: certain */
    struct step steps[CHANGES];
    uint32_t given, answered;
    uint64_t next_tag, seq, promised;
    uint64_t seq_before; /* last_seq when this life began */
    uint64_t settled;    /* commit_seq of the newest stamp */
    struct store_read read;
    bool reading;
    struct iovec read_piece;
    uint32_t read_from; /* steps answered when it began */
    uint8_t read_bytes[64 * BLOCK_BYTES];
};

static struct model m; /* one a process: what a crash leaves stays reachable */

static uint64_t draw(uint64_t below)
{
    return sim_draw(m.r.sim, below);
}

/* ---- what the model expects ---- */

/* The value of a block when the first `count` steps are done. */
static uint64_t value_after(uint64_t block, uint32_t count)
{
    while (count > 0) {
        const struct step *s = &m.steps[--count];

        if (s->extent.count > 0 && block >= s->extent.start && block < extent_end(s->extent))
            return s->tag ? s->tag + (block - s->extent.start) : 0;
    }
    return m.value[block];
}

static bool fits(const uint8_t *bytes, uint32_t count)
{
    for (uint64_t b = 0; b < BLOCKS; b++) {
        const uint8_t *at = bytes + b * BLOCK_BYTES;

        if (!block_is(at, value_after(b, count)) &&
            (count == m.given || !block_is(at, value_after(b, count + 1))))
            return false;
    }
    return true;
}

static bool is_exactly(const uint8_t *bytes, uint32_t count)
{
    for (uint64_t b = 0; b < BLOCKS; b++)
        if (!block_is(bytes + b * BLOCK_BYTES, value_after(b, count)))
            return false;
    return true;
}

/* ---- giving changes ---- */

static void step_done(struct store_change *c, enum err err)
{
    struct step *s = container_of(c, struct step, change);

    assert_int_equal(err, E_OK);
    assert_ptr_equal(s, &m.steps[m.answered]); /* S2: in order */
    s->answered = true;
    m.answered++;
    if (s->seq)
        m.settled = s->seq > 20 ? s->seq - 20 : 0;
    free(s->bytes);
    free(s->checksums);
    s->bytes = NULL;
    s->checksums = NULL;
}

static struct store_stamp stamp(struct step *s)
{
    s->seq = ++m.seq;
    return (struct store_stamp){
        .generation = 1, .epoch = 1, .seq = s->seq, .commit_seq = m.settled};
}

static void fill_write(struct step *s)
{
    uint64_t bytes = s->extent.count * BLOCK_BYTES, first = draw(bytes + 1), second;

    s->tag = m.next_tag;
    m.next_tag += s->extent.count;
    s->bytes = aligned_alloc(BLOCK_BYTES, bytes);
    s->checksums = malloc(s->extent.count * sizeof *s->checksums);
    for (uint64_t i = 0; i < s->extent.count; i++)
        block_fill(s->bytes + i * BLOCK_BYTES, s->tag + i);
    checksums_of(m.r.replica, s->extent, s->bytes, s->checksums);
    if (draw(2)) /* aligned: whole chunks go around the journal */
        first = draw(s->extent.count + 1) * BLOCK_BYTES;
    second = draw(bytes - first + 1);
    if (first % BLOCK_BYTES == 0)
        second = bytes - first;
    s->pieces[0] = (struct iovec){s->bytes, first};
    s->pieces[1] = (struct iovec){s->bytes + first, second};
    s->pieces[2] = (struct iovec){s->bytes + first + second, bytes - first - second};
}

static void give(void)
{
    struct step *s = &m.steps[m.given];
    uint64_t kind = draw(20);

    *s = (struct step){.extent = {.start = draw(BLOCKS)}};
    s->change.replica = m.r.replica;
    s->change.done = step_done;
    if (kind < 13 || kind == 19) {
        s->extent.count = 1 + draw(kind == 19 ? PIECE_MAX : 24);
        s->extent.count = min_u64(s->extent.count, BLOCKS - s->extent.start);
        fill_write(s);
        s->change.kind = STORE_WRITE;
        s->change.pieces = s->pieces;
        s->change.piece_count = 3;
        s->change.checksums = s->checksums;
        s->change.stamp = stamp(s);
    } else if (kind < 17) {
        s->extent.count = min_u64(1 + draw(60), BLOCKS - s->extent.start);
        s->change.kind = STORE_UNMAP;
        s->change.stamp = stamp(s);
    } else {
        s->promise = m.promised + draw(2);
        m.promised = s->promise;
        s->change.kind = STORE_PROMISE;
        s->change.epoch = s->promise;
    }
    s->change.extent = s->extent;
    m.given++;
    store_change(m.r.store, &s->change);
}

/* ---- reads beside them ---- */

/* A block shows what some change made of it that was not overwritten by one answered before. */
static void check_read_block(uint64_t block, const uint8_t *bytes)
{
    for (uint32_t count = m.read_from; count <= m.given; count++)
        if (block_is(bytes, value_after(block, count)))
            return;
    fail_msg("block %lu shows bytes of nobody", (unsigned long)block);
}

static void read_done(struct store_read *r, enum err err)
{
    assert_int_equal(err, E_OK);
    for (uint64_t i = 0; i < r->extent.count; i++)
        check_read_block(r->extent.start + i, m.read_bytes + i * BLOCK_BYTES);
    m.reading = false;
}

static void begin_read(void)
{
    uint64_t start = draw(BLOCKS);
    uint64_t count = min_u64(1 + draw(64), BLOCKS - start);

    m.read_from = m.answered;
    m.reading = true;
    m.read_piece = (struct iovec){m.read_bytes, count * BLOCK_BYTES};
    m.read = (struct store_read){.replica = m.r.replica,
                                 .extent = {start, count},
                                 .pieces = &m.read_piece,
                                 .piece_count = 1,
                                 .done = read_done};
    store_read(&m.read);
}

/* ---- a life, and what is left of it ---- */

static bool dead_or_quiet(void *arg)
{
    (void)arg;
    return sim_dead(m.r.env) || (m.answered == m.given && !m.reading);
}

/* Runs until the crash that was arranged, or until `changes` were answered. */
static void live(uint32_t changes)
{
    while (!sim_dead(m.r.env) && m.answered < changes) {
        while (m.given < changes && m.given - m.answered < 1 + draw(IN_FLIGHT))
            give();
        if (!m.reading && draw(2))
            begin_read();
        if (draw(3))
            sim_run_for(m.r.sim, 1 + draw(400));
        else
            assert_true(sim_run_until(m.r.sim, dead_or_quiet, NULL, BOUND_US));
    }
}

static void crash_somewhere(uint64_t most_ios)
{
    sim_crash_at_io(m.r.sim, m.r.env, 1 + draw(most_ios), draw(3) ? SIM_POWER_LOST : SIM_KILLED);
}

static bool open_over(void *arg)
{
    return sim_dead(m.r.env) || rig_over(arg);
}

static struct rig_wait opening;
static struct store_open opened;

/* Opens, and may crash on the way; true when it is open. */
static bool open_once(void)
{
    opening = (struct rig_wait){0};
    opened = (struct store_open){.env = m.r.env,
                                 .disk = m.r.disk,
                                 .limits = rig_limits(),
                                 .done = rig_open_done,
                                 .own = &opening};
    store_open(&opened);
    assert_true(sim_run_until(m.r.sim, open_over, &opening, BOUND_US));
    if (sim_dead(m.r.env)) {
        sim_abandon(m.r.sim, opened.store);
        sim_abandon(m.r.sim, opened.opening);
        return false;
    }
    assert_int_equal(opening.err, E_OK);
    m.r.store = opened.store;
    m.r.replica = store_find(m.r.store, REPLICA);
    assert_non_null(m.r.replica);
    return true;
}

/* What the dead had not answered. */
static void drop_payloads(void)
{
    for (uint32_t i = m.answered; i < m.given; i++) {
        free(m.steps[i].bytes);
        free(m.steps[i].checksums);
    }
}

static void come_back(void)
{
    m.reading = false;
    drop_payloads();
    rig_crash(&m.r, draw(2) ? SIM_POWER_LOST : SIM_KILLED);
    for (uint32_t tries = 0; tries < 3; tries++) {
        crash_somewhere(12);
        if (open_once()) {
            sim_crash_at_io(m.r.sim, m.r.env, UINT64_MAX / 2, SIM_KILLED);
            return;
        }
        rig_crash(&m.r, SIM_POWER_LOST);
    }
    assert_true(open_once());
}

static bool covered(struct extent e, const struct extent *open, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (e.start >= open[i].start && extent_end(e) <= extent_end(open[i]))
            return true;
    return false;
}

/* The newest name that can count as applied: of the longest prefix that explains the blocks, whole
 * or with a part of the change behind it. */
static uint64_t newest_applied(const uint8_t *bytes, uint32_t count)
{
    uint64_t seq = 0;

    for (uint32_t k = count + 1; k <= m.given; k++)
        if (is_exactly(bytes, k) || (k < m.given && fits(bytes, k)))
            count = k;
    for (uint32_t i = 0; i < count; i++)
        seq = max_u64(seq, m.steps[i].seq);
    return max_u64(seq, m.seq_before);
}

/* What the replica says of itself, when the first `count` steps, and perhaps part of another,
 * are there: a write that is there in part does not count as applied. */
static void check_facts(const uint8_t *bytes, uint32_t count)
{
    static struct extent open[OPEN_EXTENTS_MAX];
    struct store_facts f = rig_facts(&m.r);
    uint32_t opens = store_open_writes(m.r.replica, open, OPEN_EXTENTS_MAX);
    uint64_t seq = 0, promised = 0;

    assert_false(f.damaged);
    for (uint32_t i = 0; i < m.answered; i++) {
        seq = max_u64(seq, m.steps[i].seq);
        promised = max_u64(promised, m.steps[i].promise);
        if (m.steps[i].seq > f.commit_seq) /* log-volatile */
            assert_true(covered(m.steps[i].extent, open, opens));
    }
    assert_true(f.last_seq >= seq);
    assert_true(f.last_seq <= newest_applied(bytes, count));
    assert_true(f.promised >= promised);
    assert_true(f.promised <= m.promised);
    assert_true(count >= m.answered);
}

/* Finds how far the store came, and makes that certain. */
static void check(void)
{
    uint8_t *bytes = malloc((size_t)BLOCKS * BLOCK_BYTES);
    uint32_t count = m.answered;

    assert_int_equal(rig_read(&m.r, 0, BLOCKS, bytes, NULL), E_OK);
    while (!fits(bytes, count)) {
        if (count == m.given)
            fail_msg("after %u answered of %u the blocks are not those of any prefix", m.answered,
                     m.given);
        count++;
    }
    check_facts(bytes, count);
    for (uint64_t b = 0; b < BLOCKS; b++) {
        uint64_t value = value_after(b, count);

        if (!block_is(bytes + b * BLOCK_BYTES, value))
            value = value_after(b, count + 1);
        m.value[b] = value;
    }
    m.promised = rig_facts(&m.r).promised;
    m.seq_before = rig_facts(&m.r).last_seq;
    m.settled = min_u64(m.settled, rig_facts(&m.r).last_seq);
    m.given = m.answered = 0;
    free(bytes);
}

static void begin(uint64_t seed)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a child that fails ends, instead of the next test */
    memset(&m, 0, sizeof m);
    m.r = rig_begin(seed, BLOCKS);
    m.r.medium->write_through = false;
    m.next_tag = 1;
}

static bool any_crash(uint64_t seed)
{
    begin(seed);
    for (uint32_t lives = 0; lives < 3; lives++) {
        crash_somewhere(draw(2) ? 40 : 400);
        live(20 + (uint32_t)draw(120));
        come_back();
        check();
    }
    rig_end(&m.r);
    return true;
}

/* The same changes every time, dying at the n-th I/O. */
static bool every_crash(uint64_t n)
{
    begin(77);
    sim_crash_at_io(m.r.sim, m.r.env, n, SIM_POWER_LOST);
    live(60);
    come_back();
    check();
    rig_end(&m.r);
    return true;
}

static void every_answered_block_is_there_after_any_crash(void **state)
{
    (void)state;
    rig_image_take(); /* once, for all children */
    assert_int_equal(sim_seeds(1, 120, any_crash), 0);
}

static void every_answered_block_is_there_whichever_io_was_the_last(void **state)
{
    (void)state;
    assert_int_equal(sim_seeds(1, 80, every_crash), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answered_block_is_there_after_any_crash),
        cmocka_unit_test(every_answered_block_is_there_whichever_io_was_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
