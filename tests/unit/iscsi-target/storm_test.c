/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/iscsi-target/storm_test.c — random work of several initiators, from many seeds.
 *
 * Each has blocks of its own and writes, reads, pings, aborts, logs out and breaks off as chance
 * has it, while the block stalls and memory is short.  A block holds what the last answered write
 * put there; after an abort or a broken connection, that or what the write in doubt would have put
 * there, and the first read settles it for good.  (A story runs in a child: plain assert().)
 */
#include "base/util.h"
#include "tests/iscsi/fixture.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACTORS     3u
#define BLOCKS     128u /* of 4 KiB, for each */
#define WORKS      6u   /* in flight, of each */
#define BLOCKS_MAX 96u  /* of one command     */
#define STEPS      250
#define DOUBTS     4u

struct slot {
    uint32_t sure, doubts[DOUBTS], doubt_count;
    bool busy;
};

struct job {
    struct initiator_request request;
    uint32_t first, count, tag;
    bool used, writes;
    uint8_t *bytes;
};

struct actor {
    struct lab *lab;
    struct initiator *initiator;
    uint32_t number;
    struct slot slots[BLOCKS];
    struct job works[WORKS];
    uint32_t tags, answered;
};

static uint64_t draw(struct actor *a, uint64_t below)
{
    return sim_draw(a->lab->sim, below);
}

/* ---- what a block may hold ---- */

static void content(uint8_t *bytes, uint32_t tag)
{
    if (tag == 0)
        memset(bytes, 0, 4096);
    else
        fill(bytes, 4096, tag);
}

static bool is_content(const uint8_t *bytes, uint32_t tag)
{
    uint8_t wanted[4096];

    content(wanted, tag);
    return memcmp(bytes, wanted, sizeof wanted) == 0;
}

static bool settle(struct slot *s, const uint8_t *bytes)
{
    bool right = is_content(bytes, s->sure);

    for (uint32_t n = 0; !right && n < s->doubt_count; n++) {
        right = is_content(bytes, s->doubts[n]);
        if (right)
            s->sure = s->doubts[n];
    }
    s->doubt_count = 0;
    return right;
}

/* ---- a command is over ---- */

static void written(struct actor *a, const struct job *w, bool sure)
{
    for (uint32_t n = 0; n < w->count; n++) {
        struct slot *s = &a->slots[w->first + n];

        if (sure) {
            s->sure = w->tag + n;
            s->doubt_count = 0;
        } else {
            assert(s->doubt_count < DOUBTS);
            s->doubts[s->doubt_count++] = w->tag + n;
        }
    }
}

static void release(struct actor *a, struct job *w)
{
    for (uint32_t n = 0; n < w->count; n++)
        a->slots[w->first + n].busy = false;
    free(w->bytes);
    *w = (struct job){.used = false};
}

static bool is_excuse(const struct initiator_request *r)
{
    return r->status == 0x28 || r->status == 0x08 || (r->status == 2 && sense_code(r) == 0x062900);
}

static void harvest(struct actor *a, struct job *w)
{
    const struct initiator_request *r = &w->request;

    if (r->err == E_OK && r->status != 0)
        assert(is_excuse(r)); /* nothing has happened */
    else if (w->writes)
        written(a, w, r->err == E_OK);
    else if (r->err == E_OK)
        for (uint32_t n = 0; n < w->count; n++)
            assert(settle(&a->slots[w->first + n], w->bytes + 4096ul * n));
    a->answered += r->err == E_OK && r->status == 0;
    release(a, w);
}

static void harvest_all(struct actor *a)
{
    for (uint32_t n = 0; n < WORKS; n++)
        if (a->works[n].used && a->works[n].request.answered)
            harvest(a, &a->works[n]);
}

/* ---- what it does ---- */

static struct job *work_free(struct actor *a)
{
    for (uint32_t n = 0; n < WORKS; n++)
        if (!a->works[n].used)
            return &a->works[n];
    return NULL;
}

/* Blocks that nothing else touches, and that are not in too much doubt to be written. */
static bool reserve(struct actor *a, struct job *w)
{
    w->first = (uint32_t)draw(a, BLOCKS);
    w->count = 1 + (uint32_t)draw(a, draw(a, 4) ? 4 : BLOCKS_MAX);
    w->count = min_u32(w->count, BLOCKS - w->first);
    for (uint32_t n = 0; n < w->count; n++) {
        const struct slot *s = &a->slots[w->first + n];

        if (s->busy || (w->writes && s->doubt_count == DOUBTS))
            return false;
    }
    for (uint32_t n = 0; n < w->count; n++)
        a->slots[w->first + n].busy = true;
    return true;
}

static void start_work(struct actor *a)
{
    struct job *w = work_free(a);
    uint64_t lba;

    if (!w || (int32_t)initiator_window(a->initiator) <= 0)
        return;
    w->writes = draw(a, 2);
    if (!reserve(a, w))
        return;
    w->used = true;
    w->bytes = calloc(w->count, 4096);
    assert(w->bytes);
    lba = 8ull * (a->number * BLOCKS + w->first);
    if (!w->writes) {
        initiator_read(a->initiator, &w->request, lba, w->bytes, w->count * 4096);
        return;
    }
    w->tag = a->number << 24 | (a->tags + 1);
    a->tags += w->count;
    for (uint32_t n = 0; n < w->count; n++)
        content(w->bytes + 4096ul * n, w->tag + n);
    initiator_write(a->initiator, &w->request, lba, w->bytes, w->count * 4096);
}

static void log_in(struct actor *a)
{
    static const char *const keys[] = {
        NULL, "InitialR2T=No\nImmediateData=Yes\nFirstBurstLength=8192\nMaxBurstLength=16384\n",
        "InitialR2T=Yes\nImmediateData=No\nMaxOutstandingR2T=3\nMaxBurstLength=4096\n"};
    struct initiator_config config = {.name = "iqn.a",
                                      .target = LAB_TARGET,
                                      .isid = {0x80, 0, 0, 0, 0, (uint8_t)a->number},
                                      .keys = keys[draw(a, 3)],
                                      .unsolicited = draw(a, 2),
                                      .no_immediate_data = draw(a, 2),
                                      .first_cmd_sn = (uint32_t)draw(a, UINT32_MAX)};

    a->initiator = lab_connect(a->lab, &config);
    if (a->initiator->login_status == 0x0302) { /* all slots are the block's: it must go on first */
        ram_block_go_on(&a->lab->ram);
        sim_run_for(a->lab->sim, 100000);
        a->initiator = lab_connect(a->lab, &config);
    }
    assert(a->initiator->full);
}

static void drop_pdus(struct actor *a)
{
    struct initiator_pdu *p;

    while ((p = initiator_take(a->initiator))) {
        assert(p->bhs.any.opcode != REJECT);
        free(p);
    }
}

/* Logged out or broken off, then back under the same name and ISID. */
static void come_back(struct actor *a)
{
    if (draw(a, 2))
        initiator_logout(a->initiator);
    else
        initiator_close(a->initiator);
    lab_until(a->lab, initiator_closed, a->initiator);
    drop_pdus(a);
    harvest_all(a);
    log_in(a);
}

/* ABORT TASK of something in flight; its answer is not awaited if the function was complete. */
static void abort_one(struct actor *a)
{
    union bhs h = {.task_management = {.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE,
                                       .function = FLAG_FINAL | TMF_ABORT_TASK}};
    struct job *w = &a->works[draw(a, WORKS)];
    struct initiator_pdu *p;

    if (!w->used)
        return;
    drop_pdus(a);
    initiator_stamp(a->initiator, &h);
    h.task_management.referenced_task_tag = be32_of(w->request.itt);
    initiator_pdu(a->initiator, &h, NULL, 0);
    while ((p = lab_pdu(a->lab, a->initiator)) && p->bhs.any.opcode == NOP_IN)
        free(p); /* of a ping before */
    assert(p);
    assert(p->bhs.any.opcode == TASK_MANAGEMENT_RESPONSE);
    if (!w->request.answered) {
        assert(p->bhs.task_management_response.response == TMF_COMPLETE);
        initiator_forget(&w->request);
        if (w->writes)
            written(a, w, false);
        release(a, w);
    }
    free(p);
}

static void step(struct actor *a)
{
    harvest_all(a);
    switch (draw(a, 40)) {
    case 0:
        come_back(a);
        return;
    case 1:
    case 2:
        abort_one(a);
        return;
    case 3:
        initiator_nop(a->initiator, "ping", 4);
        drop_pdus(a);
        return;
    default:
        start_work(a);
    }
}

static void finish(struct actor *a)
{
    for (uint32_t n = 0; n < WORKS; n++)
        if (a->works[n].used)
            lab_until(a->lab, initiator_answered, &a->works[n].request);
    harvest_all(a);
    for (uint32_t n = 0; n < BLOCKS; n++)
        assert(settle(&a->slots[n], a->lab->ram.bytes + 4096ul * (a->number * BLOCKS + n)));
    drop_pdus(a);
}

static struct iscsi_limits tight(void)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.sessions_max = ACTORS;
    limits.commands_max = 40;
    limits.window = 12;
    limits.buffer_bytes = 2u << 20;
    return limits;
}

static bool story(uint64_t seed)
{
    static struct actor actors[ACTORS];
    uint32_t answered = 0;
    struct lab w;

    memset(actors, 0, sizeof actors);
    lab_open_from(&w, tight(), seed);
    for (uint32_t n = 0; n < ACTORS; n++) {
        actors[n].lab = &w;
        actors[n].number = n;
        log_in(&actors[n]);
    }
    for (int n = 0; n < STEPS; n++) {
        step(&actors[sim_draw(w.sim, ACTORS)]);
        sim_run_for(w.sim, sim_draw(w.sim, 3000));
        if (sim_draw(w.sim, 20) == 0) {
            if (w.ram.stalled)
                ram_block_go_on(&w.ram);
            else
                w.ram.stalled = true;
        }
    }
    ram_block_go_on(&w.ram);
    for (uint32_t n = 0; n < ACTORS; n++) {
        finish(&actors[n]);
        answered += actors[n].answered;
    }
    lab_close(&w);
    return answered > STEPS / 10;
}

static void random_work_is_done_as_answered(void **state)
{
    (void)state;
    assert_int_equal(sim_seeds(1, 60, story), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_is_done_as_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
