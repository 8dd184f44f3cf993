/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/block_test.c — what passes the doorway, what it stops, who is told. */
#include "base/block.h"
#include "base/util.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct block block;
static struct block_request *below; /* what the layer below was given */
static uint32_t done_count;
static enum err done_err;

static void keep(struct block *b, struct block_request *r)
{
    assert_ptr_equal(b, &block);
    below = r;
}

static const struct block_ops keeping = {.submit = keep};

static void answered(struct block_request *r, enum err err)
{
    assert_false(r->in_flight); /* it may be submitted again from here */
    done_count++;
    done_err = err;
}

static int setup(void **state)
{
    (void)state;
    block_init(&block, &keeping);
    block.size_units = 1024;
    block.logical_block_bytes = 4096;
    below = NULL;
    done_count = 0;
    return 0;
}

static uint8_t memory[8 * 4096];

static struct block_request request(enum block_op op, uint64_t start, uint64_t count,
                                    const struct iovec *pieces, uint32_t piece_count)
{
    return (struct block_request){.op = op,
                                  .extent = {start, count},
                                  .pieces = pieces,
                                  .piece_count = piece_count,
                                  .run_max = op == BLOCK_STATUS ? 1 : 0,
                                  .done = answered};
}

struct row {
    enum block_op op;
    uint32_t piece_count;
    const struct iovec *pieces;
    uint64_t start, count;
};

static struct block_request request_of(const struct row *row)
{
    return request(row->op, row->start, row->count, row->pieces, row->piece_count);
}

static struct iovec whole[] = {{memory, 4096}}, odd[] = {{memory, 1}, {memory + 1, 4095}},
                    two[] = {{memory, 8192}}, half[] = {{memory, 2048}};

static void every_operation_passes_with_its_bytes(void **state)
{
    static const struct row rows[] = {
        {BLOCK_READ, 1, whole, 0, 8},           {BLOCK_WRITE, 2, odd, 1016, 8},
        {BLOCK_OR_WRITE, 1, whole, 8, 8},       {BLOCK_COMPARE_AND_WRITE, 1, two, 8, 8},
        {BLOCK_WRITE_ZEROES, 0, NULL, 0, 1024}, {BLOCK_UNMAP, 0, NULL, 16, 16},
        {BLOCK_STATUS, 0, NULL, 0, 1024},
    };

    (void)state;
    for (uint32_t i = 0; i < array_length(rows); i++) {
        struct block_request r = request_of(&rows[i]);

        r.run_count = 1; /* of an earlier life */
        block_submit(&block, &r);
        assert_ptr_equal(below, &r);
        assert_ptr_equal(r.block, &block);
        assert_int_equal(r.run_count, 0);
        assert_true(r.in_flight);
        assert_int_equal(block.in_flight, 1);
        assert_int_equal(done_count, i); /* never inside block_submit() */
        block_answer(&r, i % 2 ? E_MEDIUM : E_OK);
        assert_int_equal(done_count, i + 1);
        assert_int_equal(done_err, i % 2 ? E_MEDIUM : E_OK);
        assert_int_equal(block.in_flight, 0);
    }
}

static void submit_it(void *r)
{
    block_submit(&block, r);
}

static void submit_twice(void *r)
{
    block_submit(&block, r);
    block_submit(&block, r);
}

static void answer_it(void *r)
{
    block_answer(r, E_OK);
}

static void the_doorway_stops_every_other(void **state)
{
    static const struct row rows[] = {
        {BLOCK_READ, 0, NULL, 0, 0},
        {BLOCK_READ, 1, whole, 4, 8},
        {BLOCK_READ, 1, half, 0, 4},
        {BLOCK_READ, 1, whole, 1024, 8},
        {BLOCK_READ, 1, whole, UINT64_MAX - 7, 8},
        {BLOCK_READ, 1, half, 0, 8},
        {BLOCK_READ, 0, NULL, 0, 8},
        {BLOCK_COMPARE_AND_WRITE, 1, whole, 0, 8},
        {BLOCK_UNMAP, 1, whole, 0, 8},
    };
    struct block_request r;

    (void)state;
    for (uint32_t i = 0; i < array_length(rows); i++) {
        r = request_of(&rows[i]);
        assert_true(aborts(submit_it, &r));
    }
    r = request(BLOCK_STATUS, 0, 8, NULL, 0);
    r.run_max = 0; /* nowhere to put the answer */
    assert_true(aborts(submit_it, &r));
    r = request(BLOCK_READ, 0, 8, whole, 1);
    assert_false(aborts(submit_it, &r));
    assert_true(aborts(submit_twice, &r));
    r.block = &block;
    assert_true(aborts(answer_it, &r)); /* was never submitted */
    r.done = NULL;
    assert_true(aborts(submit_it, &r));
}

static void an_answer_with_too_many_runs_is_stopped(void **state)
{
    struct block_run run;
    struct block_request r = request(BLOCK_STATUS, 0, 8, NULL, 0);

    (void)state;
    r.runs = &run;
    block_submit(&block, &r);
    r.run_count = 2;
    assert_true(aborts(answer_it, &r));
}

/* ---- watchers ---- */

struct watching {
    struct block_watcher watcher;
    uint64_t size_seen;
    uint32_t resized, moved;
};

static void saw_resized(struct block_watcher *w)
{
    struct watching *watching = container_of(w, struct watching, watcher);

    watching->resized++;
    watching->size_seen = block.size_units;
}

static void saw_moved(struct block_watcher *w)
{
    struct watching *watching = container_of(w, struct watching, watcher);

    watching->moved++;
    block_unwatch(w); /* ends itself: the others are told all the same */
}

static void watchers_hear_of_size_and_place(void **state)
{
    struct watching w[3];

    (void)state;
    memset(w, 0, sizeof w);
    for (int i = 0; i < 3; i++) {
        w[i].watcher = (struct block_watcher){.resized = saw_resized, .moved = saw_moved};
        block_unwatch(&w[i].watcher); /* watches nothing yet */
        block_watch(&block, &w[i].watcher);
    }
    block_resized(&block, 4096);
    block_moved(&block);
    block_resized(&block, 8192); /* all have gone */
    block_moved(&block);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].resized, 1);
        assert_int_equal(w[i].size_seen, 4096);
        assert_int_equal(w[i].moved, 1);
        block_unwatch(&w[i].watcher); /* nothing to do */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_operation_passes_with_its_bytes, setup),
        cmocka_unit_test_setup(the_doorway_stops_every_other, setup),
        cmocka_unit_test_setup(an_answer_with_too_many_runs_is_stopped, setup),
        cmocka_unit_test_setup(watchers_hear_of_size_and_place, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
