/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/volume/note_test.c — a COMPARE AND WRITE that was done, and whose status was lost, is
 * E_OK when the same initiator asks again in a later session; in all other cases it miscompares.
 */
#include "tests/unit/replication/fake_store.h"
#include "tests/unit/volume/rig.h"

struct caw {
    struct extent units;
    uint8_t from, to;
    uint64_t initiator, session;
};

static struct ask *caw_ask(const struct caw *c)
{
    struct ask *a = calloc(1, sizeof *a);
    uint64_t half = c->units.count * UNIT_BYTES;

    a->bytes = malloc(2 * half);
    memset(a->bytes, c->from, half);
    memset(a->bytes + half, c->to, half);
    a->piece = (struct iovec){a->bytes, 2 * half};
    a->request = (struct block_request){.op = BLOCK_COMPARE_AND_WRITE,
                                        .extent = c->units,
                                        .pieces = &a->piece,
                                        .piece_count = 1,
                                        .note = {.initiator = c->initiator, .session = c->session},
                                        .done = ask_done};
    return a;
}

static enum err caw(struct vol *g, struct caw c, struct block_note *ret)
{
    struct ask *a = caw_ask(&c);
    enum err err;

    block_submit(g->block, &a->request);
    err = ask_await(g, a);
    if (ret)
        *ret = a->request.note;
    ask_free(a);
    return err;
}

static struct caw of_session(struct caw c, uint64_t session)
{
    c.session = session;
    return c;
}

static const struct caw LOCK = {
    .units = {40, 4}, .from = 0, .to = 'x', .initiator = 77, .session = 1};

static void begin(struct vol *g, uint64_t seed)
{
    vol_init(g, seed, 2, 100);
    vol_serve(g);
    assert_int_equal(caw(g, LOCK, NULL), E_OK);
}

static void asked_again_in_a_later_session_it_is_done(void **state)
{
    struct vol g;
    struct caw other = of_session(LOCK, 2);

    (void)state;
    begin(&g, 1);
    assert_int_equal(caw(&g, LOCK, NULL), E_MISCOMPARE); /* the same session */
    other.initiator++;
    assert_int_equal(caw(&g, other, NULL), E_MISCOMPARE);
    other = of_session(LOCK, 2);
    other.initiator = 0;
    assert_int_equal(caw(&g, other, NULL), E_MISCOMPARE);
    other = of_session(LOCK, 2);
    other.to = 'y';
    assert_int_equal(caw(&g, other, NULL), E_MISCOMPARE);
    other = of_session(LOCK, 2);
    other.from = 'y';
    assert_int_equal(caw(&g, other, NULL), E_MISCOMPARE);
    other = of_session(LOCK, 2);
    other.units.count = 3;
    assert_int_equal(caw(&g, other, NULL), E_MISCOMPARE);
    assert_int_equal(caw(&g, of_session(LOCK, 2), NULL), E_OK);
    assert_int_equal(caw(&g, of_session(LOCK, 2), NULL), E_MISCOMPARE);
    ask_expect(&g, 40, 4, 'x');
    vol_done(&g);
}

/* What the process that died had open is written again: the note stays. */
static void a_takeover_keeps_it(void **state)
{
    struct vol g;

    (void)state;
    begin(&g, 2);
    assert_int_equal(g.replicas[0]->open_count, 1);
    vol_restart(&g);
    vol_serve(&g);
    assert_int_equal(caw(&g, of_session(LOCK, 2), NULL), E_OK);
    ask_expect(&g, 40, 4, 'x');
    vol_done(&g);
}

static void once_it_is_written_again_it_miscompares(void **state)
{
    static const struct {
        enum block_op op;
        struct extent units;
        enum err err;
    } rows[] = {
        {BLOCK_WRITE, {40, 4}, E_MISCOMPARE},
        {BLOCK_WRITE, {47, 1}, E_MISCOMPARE},
        {BLOCK_WRITE_ZEROES, {44, 4}, E_MISCOMPARE},
        {BLOCK_OR_WRITE, {40, 8}, E_MISCOMPARE},
        {BLOCK_WRITE, {48, 8}, E_OK},
    };

    (void)state;
    for (uint64_t i = 0; i < array_length(rows); i++) {
        struct vol g;

        begin(&g, 3 + i);
        assert_int_equal(ask(&g, rows[i].op, rows[i].units.start, rows[i].units.count, 'z'), E_OK);
        assert_int_equal(caw(&g, of_session(LOCK, 2), NULL), rows[i].err);
        vol_done(&g);
    }
}

static void once_its_status_is_acknowledged_it_miscompares(void **state)
{
    struct vol g;
    struct block_note note;

    (void)state;
    begin(&g, 10);
    assert_int_equal(caw(&g, of_session(LOCK, 2), &note), E_OK);
    note.session = 1; /* a late word of the session before */
    block_acknowledged(g.block, LOCK.units, &note);
    assert_int_equal(caw(&g, of_session(LOCK, 3), &note), E_OK);
    block_acknowledged(g.block, LOCK.units, &note);
    assert_int_equal(caw(&g, of_session(LOCK, 4), NULL), E_MISCOMPARE);
    vol_done(&g);
}

static void one_that_crosses_a_shard_is_not_remembered(void **state)
{
    struct vol g;
    struct caw c = LOCK;
    struct block_note note;

    (void)state;
    begin(&g, 11);
    c.units = (struct extent){SHARD_BLOCKS_SMALL * 8 - 2, 4};
    assert_int_equal(caw(&g, c, &note), E_OK);
    assert_int_equal(caw(&g, of_session(c, 2), NULL), E_MISCOMPARE);
    block_acknowledged(g.block, c.units, &note); /* of nothing */
    vol_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_again_in_a_later_session_it_is_done),
        cmocka_unit_test(a_takeover_keeps_it),
        cmocka_unit_test(once_it_is_written_again_it_miscompares),
        cmocka_unit_test(once_its_status_is_acknowledged_it_miscompares),
        cmocka_unit_test(one_that_crosses_a_shard_is_not_remembered),
    };

    return rig_both(tests);
}
