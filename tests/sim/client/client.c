/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/client/client.c — submits, predicts, compares. */
#include "tests/sim/client/client.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PIECES_MAX 40u
#define RUNS_MAX   8u
#define SILENCE_US (60u * 1000 * 1000)
#define LOOK_UNITS 512u

struct sent {
    struct block_request request;
    struct client *client;
    struct list link;
    struct iovec pieces[PIECES_MAX];
    struct block_run runs[RUNS_MAX];
    uint8_t *payload;  /* what goes down, or what a read brings */
    uint8_t *expected; /* of a read: what it must bring */
    uint8_t *after;    /* of a change: its range when it is done */
    enum err err;      /* what it must answer */
    uint64_t number;   /* of its submission, from 1 */
    uint64_t differs_at;
    bool look; /* compares with what may be there, not with `expected` */
};

static size_t bytes_of(uint64_t units)
{
    return (size_t)units * UNIT_BYTES;
}

struct client *client_open(struct sim *s, uint64_t size_units)
{
    struct client *c = calloc(1, sizeof *c);

    assert(c);
    c->sim = s;
    c->size_units = size_units;
    c->in_flight_max = 12;
    c->units_max = 600;
    c->model = calloc(1, bytes_of(size_units));
    c->stable = calloc(1, bytes_of(size_units));
    c->stable_since = calloc(size_units, sizeof *c->stable_since);
    assert(c->model && c->stable && c->stable_since);
    list_init(&c->requests);
    list_init(&c->in_doubt);
    return c;
}

static void sent_free(struct sent *s)
{
    free(s->payload);
    free(s->expected);
    free(s->after);
    free(s);
}

static void forget(struct list *requests)
{
    struct list *l;

    while ((l = list_take(requests)) != NULL)
        sent_free(container_of(l, struct sent, link));
}

void client_close(struct client *c)
{
    forget(&c->requests);
    forget(&c->in_doubt);
    free(c->model);
    free(c->stable);
    free(c->stable_since);
    free(c);
}

void client_attach(struct client *c, struct block *b)
{
    size_t old = bytes_of(c->size_units), new = bytes_of(b->size_units);

    c->block = b;
    if (new == old)
        return;
    assert(new > old);
    c->model = realloc(c->model, new);
    c->stable = realloc(c->stable, new);
    c->stable_since = realloc(c->stable_since, b->size_units * sizeof *c->stable_since);
    assert(c->model && c->stable && c->stable_since);
    memset(c->model + old, 0, new - old);
    memset(c->stable + old, 0, new - old);
    for (uint64_t i = c->size_units; i < b->size_units; i++)
        c->stable_since[i] = 0;
    c->size_units = b->size_units;
}

/* ---- answers ---- */

/* One unit of what was read after a death: stable, or left there by a request in doubt. */
static bool may_be_there(const struct client *c, uint64_t unit, const uint8_t *bytes)
{
    if (memcmp(c->stable + bytes_of(unit), bytes, UNIT_BYTES) == 0)
        return true;
    list_for_each(l, &c->in_doubt) {
        const struct sent *s = container_of(l, struct sent, link);
        struct extent e = s->request.extent;

        if (!s->after || unit < e.start || unit >= extent_end(e))
            continue;
        if (memcmp(s->after + bytes_of(unit - e.start), bytes, UNIT_BYTES) == 0)
            return true;
    }
    return false;
}

static void look_at(struct client *c, const struct sent *s)
{
    struct extent e = s->request.extent;

    for (uint64_t i = 0; i < e.count; i++) {
        if (!may_be_there(c, e.start + i, s->payload + bytes_of(i))) {
            fprintf(stderr, "unit %llu holds what it cannot hold\n",
                    (unsigned long long)(e.start + i));
            assert(!"an acknowledged write is gone, or bytes came from nowhere");
        }
    }
    memcpy(c->stable + bytes_of(e.start), s->payload, bytes_of(e.count));
    memcpy(c->model + bytes_of(e.start), s->payload, bytes_of(e.count));
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* What is said to hold nothing reads as zeros; data may be zeros too. */
static void check_runs(const struct sent *s)
{
    const struct block_request *r = &s->request;
    uint64_t at = 0;

    assert(r->run_count > 0);
    for (uint32_t i = 0; i < r->run_count; i++) {
        assert(r->runs[i].count > 0);
        assert(i == 0 || r->runs[i].mapped != r->runs[i - 1].mapped);
        if (!r->runs[i].mapped)
            assert(all_zero(s->expected + bytes_of(at), bytes_of(r->runs[i].count)));
        at += r->runs[i].count;
    }
    assert(at == r->extent.count || (at < r->extent.count && r->run_count == RUNS_MAX));
}

/* Parts of two that overlap may end in either order: the later submission stays. */
static void is_stable_now(struct client *c, const struct sent *s)
{
    struct extent e = s->request.extent;

    for (uint64_t i = 0; i < e.count; i++) {
        if (c->stable_since[e.start + i] > s->number)
            continue;
        c->stable_since[e.start + i] = s->number;
        memcpy(c->stable + bytes_of(e.start + i), s->after + bytes_of(i), UNIT_BYTES);
    }
}

static void answered(struct block_request *r, enum err err)
{
    struct sent *s = container_of(r, struct sent, request);
    struct client *c = s->client;

    if (err != s->err)
        fprintf(stderr, "op %d at %llu+%llu answered %s, not %s\n", (int)r->op,
                (unsigned long long)r->extent.start, (unsigned long long)r->extent.count,
                err_name(err), err_name(s->err));
    assert(err == s->err);
    if (s->look)
        look_at(c, s);
    else if (r->op == BLOCK_READ)
        assert(memcmp(s->payload, s->expected, bytes_of(r->extent.count)) == 0);
    else if (r->op == BLOCK_STATUS)
        check_runs(s);
    else if (err == E_MISCOMPARE)
        assert(r->differs_at == s->differs_at);
    if (s->after)
        is_stable_now(c, s);
    list_remove(&s->link);
    c->in_flight--;
    c->answered++;
    sent_free(s);
}

/* ---- requests ---- */

static void cut_in_pieces(struct sent *s, size_t length)
{
    struct sim *sim = s->client->sim;
    uint32_t count = 0;
    size_t at = 0;

    while (at < length) {
        size_t left = length - at, take = left;

        if (count + 1 < PIECES_MAX && sim_draw(sim, 3) > 0)
            take = 1 + (size_t)sim_draw(sim, left);
        s->pieces[count++] = (struct iovec){s->payload + at, take};
        at += take;
    }
    s->request.pieces = count ? s->pieces : NULL;
    s->request.piece_count = count;
}

static uint8_t *copy(const uint8_t *bytes, size_t length)
{
    uint8_t *new = malloc(length);

    assert(new);
    memcpy(new, bytes, length);
    return new;
}

/* Mostly one byte a request, so that a failure can be read; now and then noise. */
static void fill(struct sim *sim, uint8_t *bytes, size_t length)
{
    bool noise = sim_draw(sim, 4) == 0;
    uint32_t x = (uint32_t)(1 + sim_draw(sim, 255));

    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)x;
        if (noise)
            x = x * 1103515245 + 12345;
    }
}

/* The second half is what shall be there; one time in two the first is what is there. */
static void predict_compare(struct sent *s, const uint8_t *now, size_t length)
{
    memcpy(s->payload, now, length);
    if (sim_draw(s->client->sim, 2) == 0) {
        s->after = copy(s->payload + length, length);
        return;
    }
    s->differs_at = sim_draw(s->client->sim, length);
    s->payload[s->differs_at] ^= 0x5a;
    s->err = E_MISCOMPARE;
}

static void predict_or(struct sent *s, const uint8_t *now, size_t length)
{
    s->after = copy(now, length);
    for (size_t i = 0; i < length; i++)
        s->after[i] |= s->payload[i];
}

static void predict(struct sent *s)
{
    const struct block_request *r = &s->request;
    const uint8_t *now = s->client->model + bytes_of(r->extent.start);
    size_t length = bytes_of(r->extent.count);
    size_t payload = r->op == BLOCK_COMPARE_AND_WRITE ? 2 * length : length;

    s->payload = malloc(payload);
    assert(s->payload);
    fill(s->client->sim, s->payload, payload);
    switch (r->op) {
    case BLOCK_READ:
    case BLOCK_STATUS:
        s->expected = copy(now, length);
        break;
    case BLOCK_WRITE:
        s->after = copy(s->payload, length);
        break;
    case BLOCK_COMPARE_AND_WRITE:
        predict_compare(s, now, length);
        break;
    case BLOCK_OR_WRITE:
        predict_or(s, now, length);
        break;
    case BLOCK_WRITE_ZEROES:
    case BLOCK_UNMAP:
        s->after = calloc(1, length);
        assert(s->after);
        break;
    }
    if (r->op != BLOCK_STATUS && r->op != BLOCK_WRITE_ZEROES && r->op != BLOCK_UNMAP)
        cut_in_pieces(s, payload);
}

static enum block_op draw_op(const struct client *c)
{
    static const enum block_op ops[] = {BLOCK_READ,         BLOCK_READ,  BLOCK_READ,
                                        BLOCK_WRITE,        BLOCK_WRITE, BLOCK_WRITE,
                                        BLOCK_WRITE_ZEROES, BLOCK_UNMAP, BLOCK_COMPARE_AND_WRITE,
                                        BLOCK_OR_WRITE,     BLOCK_STATUS};

    if (c->plain)
        return sim_draw(c->sim, 2) ? BLOCK_READ : BLOCK_WRITE;
    return ops[sim_draw(c->sim, array_length(ops))];
}

/* Multiples of the logical block; half of them small, some of whole 4 KiB blocks; hot at the start.
 */
static struct extent draw_extent(const struct client *c)
{
    uint64_t grain = c->block->logical_block_bytes / UNIT_BYTES;
    uint64_t most = sim_draw(c->sim, 2) ? c->units_max : 40;
    uint64_t span = sim_draw(c->sim, 2) ? c->size_units : c->size_units / 4 + 1;
    struct extent e;

    if (sim_draw(c->sim, 4) == 0)
        grain = 8;
    e.start = round_down(sim_draw(c->sim, span), grain);
    e.start = min_u64(e.start, round_down(c->size_units - 1, grain));
    e.count = round_up(1 + sim_draw(c->sim, most), grain);
    e.count = min_u64(e.count, c->size_units - e.start);
    return e;
}

static bool crosses(const struct client *c, struct extent e)
{
    return c->shard_units && e.start / c->shard_units != (extent_end(e) - 1) / c->shard_units;
}

/* Merged or whole, a request claims whole blocks. */
static struct extent claimed_units(struct extent e)
{
    uint64_t start = round_down(e.start, 8);

    return (struct extent){start, round_up(extent_end(e), 8) - start};
}

static bool meets_another(const struct client *c, struct extent e)
{
    list_for_each(l, &c->requests) {
        const struct sent *s = container_of(l, struct sent, link);

        if (extent_overlaps(claimed_units(s->request.extent), claimed_units(e)))
            return true;
    }
    return false;
}

/* What claims one shard after the other takes the second one late: it goes alone. */
static bool goes_alone(const struct client *c, enum block_op op, struct extent e)
{
    if (c->apart && meets_another(c, e))
        return true;
    if (op != BLOCK_COMPARE_AND_WRITE && op != BLOCK_OR_WRITE && op != BLOCK_STATUS)
        return false;
    return crosses(c, e);
}

static struct sent *sent_new(struct client *c, enum block_op op, struct extent e)
{
    struct sent *s = calloc(1, sizeof *s);

    assert(s);
    s->client = c;
    s->request.op = op;
    s->request.extent = e;
    s->request.done = answered;
    s->request.runs = s->runs;
    s->request.run_max = RUNS_MAX;
    return s;
}

static void submit(struct sent *s)
{
    struct client *c = s->client;
    struct extent e = s->request.extent;

    if (s->after)
        memcpy(c->model + bytes_of(e.start), s->after, bytes_of(e.count));
    list_append(&c->requests, &s->link);
    c->in_flight++;
    s->number = ++c->submitted;
    block_submit(c->block, &s->request);
}

/* ---- time ---- */

struct wish {
    const struct client *client;
    const struct env *env;
    uint32_t at_most; /* in flight */
};

static bool wish_is_true(void *arg)
{
    const struct wish *w = arg;

    return w->client->in_flight <= w->at_most || sim_dead(w->env);
}

static bool until_at_most(struct client *c, struct env *env, uint32_t at_most)
{
    struct wish wish = {c, env, at_most};

    return sim_run_until(c->sim, wish_is_true, &wish, SILENCE_US) && !sim_dead(env);
}

bool client_run(struct client *c, struct env *served_by, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        enum block_op op = draw_op(c);
        struct extent e = draw_extent(c);
        bool alone = goes_alone(c, op, e);
        uint32_t at_most = (uint32_t)sim_draw(c->sim, c->in_flight_max);
        struct sent *s;

        if (!until_at_most(c, served_by, alone ? 0 : at_most))
            return false;
        s = sent_new(c, op, e);
        predict(s);
        submit(s);
        if (alone && !until_at_most(c, served_by, 0))
            return false;
    }
    return true;
}

bool client_drain(struct client *c, struct env *served_by)
{
    return until_at_most(c, served_by, 0);
}

void client_cut(struct client *c)
{
    list_move_all(&c->in_doubt, &c->requests);
    c->in_flight = 0;
}

bool client_verify(struct client *c, struct env *served_by)
{
    if (!client_drain(c, served_by))
        return false;
    for (uint64_t at = 0; at < c->size_units; at += LOOK_UNITS) {
        uint64_t count = min_u64(LOOK_UNITS, c->size_units - at);
        struct sent *s = sent_new(c, BLOCK_READ, (struct extent){at, count});

        s->look = true;
        s->payload = calloc(1, bytes_of(count));
        assert(s->payload);
        cut_in_pieces(s, bytes_of(count));
        submit(s);
    }
    if (!client_drain(c, served_by))
        return false;
    forget(&c->in_doubt);
    return true;
}
