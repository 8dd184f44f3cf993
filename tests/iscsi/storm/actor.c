/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/storm/actor.c — see actor.h.  A story runs in a child: plain assert(). */
#include "tests/iscsi/storm/actor.h"

#include "base/util.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- a command is over ---- */

static void job_release(struct actor *a, struct job *j)
{
    for (uint32_t n = 0; n < j->count; n++)
        a->blocks[j->first + n].busy = false;
    free(j->bytes);
    *j = (struct job){.used = false};
}

static void job_in_doubt(struct actor *a, struct job *j)
{
    for (uint32_t n = 0; j->writes && n < j->count; n++)
        model_doubt(&a->blocks[j->first + n], j->tag + n);
}

/* Statuses and sense codes that say: nothing has happened, ask again. */
static bool is_excuse(const struct initiator_request *r)
{
    static const uint32_t codes[] = {
        0x062900, 0x062902, 0x062903, 0x062f00, /* power on, resets, cleared by another */
        0x0b4705,                               /* a data digest was wrong               */
    };

    if (r->status != 2)
        return r->status == 0x28 || r->status == 0x08;
    for (uint32_t n = 0; n < array_length(codes); n++)
        if (sense_code(r) == codes[n])
            return true;
    return false;
}

static void job_good(struct actor *a, const struct job *j)
{
    a->answered++;
    for (uint32_t n = 0; n < j->count; n++) {
        struct model_block *b = &a->blocks[j->first + n];

        if (j->writes)
            model_written(b, j->tag + n);
        else
            assert(model_read(b, j->bytes + (size_t)MODEL_BLOCK * n));
    }
}

static void job_harvest(struct actor *a, struct job *j)
{
    const struct initiator_request *r = &j->request;

    if (r->err || r->status == 0x08) /* BUSY: what the block has runs on */
        job_in_doubt(a, j);
    if (r->err)
        ;
    else if (r->status)
        assert(is_excuse(r));
    else
        job_good(a, j);
    job_release(a, j);
}

static void harvest(struct actor *a)
{
    for (uint32_t n = 0; n < JOBS; n++)
        if (a->jobs[n].used && a->jobs[n].request.answered)
            job_harvest(a, &a->jobs[n]);
}

static void job_forget(struct actor *a, struct job *j)
{
    numbers_over(actor_numbers(a), j->request.itt);
    initiator_forget(&j->request);
    job_in_doubt(a, j);
    job_release(a, j);
}

void actor_forget(struct actor *a)
{
    harvest(a);
    for (uint32_t n = 0; n < JOBS; n++)
        if (a->jobs[n].used)
            job_forget(a, &a->jobs[n]);
}

/* ---- what comes beside answers ---- */

/* A command whose data came spoiled comes again; a Data-Out's fate is its command's. */
static void rejected(struct actor *a, const struct initiator_pdu *p)
{
    const union bhs *h = (const union bhs *)(const void *)p->data;

    assert(p->bhs.reject.reason == REJECT_DATA_DIGEST && p->length == BHS_BYTES);
    if ((h->any.opcode & OPCODE_MASK) == DATA_OUT)
        return;
    assert((h->any.opcode & OPCODE_MASK) == SCSI_COMMAND);
    for (uint32_t n = 0; n < JOBS; n++)
        if (a->jobs[n].used && a->jobs[n].request.itt == bhs_itt(h))
            initiator_retry(&a->jobs[n].request, h);
    for (uint32_t n = 0; n < JOBS; n++)
        a->jobs[n].sent_us = sim_now_us(a->lab->sim); /* those behind it were held until now */
}

static void take_others(struct actor *a)
{
    struct initiator_pdu *p;

    while ((p = initiator_take(a->initiator))) {
        if (p->bhs.any.opcode == REJECT)
            rejected(a, p);
        free(p);
    }
}

/* ---- what a storm may not do ---- */

#define SLACK_US (1500ull * 1000) /* a tick, and the way there and back */
#define SHUT_US  (1300ull * 1000) /* a second, 0.2 s until it looks, and the way */

static void check_deadline(const struct actor *a)
{
    uint64_t deadline = a->lab->directory.answer.deadline_seconds * 1000000ull;

    for (uint32_t n = 0; n < JOBS && deadline > 0; n++)
        assert(!a->jobs[n].used ||
               sim_now_us(a->lab->sim) - a->jobs[n].sent_us <= deadline + SLACK_US);
}

/* Another MaxCmdSN than last time: it was open meanwhile. */
static void check_window(struct actor *a)
{
    if ((int32_t)initiator_window(a->initiator) > 0) {
        a->shut_us = 0;
        return;
    }
    if (a->shut_us == 0 || a->initiator->max_cmd_sn != a->shut_at)
        a->shut_us = sim_now_us(a->lab->sim);
    a->shut_at = a->initiator->max_cmd_sn;
    assert(sim_now_us(a->lab->sim) - a->shut_us <= SHUT_US);
}

/* The bytes of the dead one arrive, late; then its session ends by itself. */
static void haunt(struct actor *a)
{
    if (!a->ghost)
        return;
    if (a->ghost->net && a->ghost_us > 0 && sim_now_us(a->lab->sim) >= a->ghost_us) {
        sim_net_hold(a->ghost->net, SIM_SENT, false);
        a->ghost_us = 0;
    }
    if (a->ghost->net)
        return;
    lab_part(a->lab, a->ghost);
    a->ghost = NULL;
}

void actor_listen(struct actor *a)
{
    take_others(a);
    harvest(a);
    haunt(a);
}

void actor_wait(struct actor *a)
{
    actor_listen(a);
    assert(a->initiator->net);
    check_deadline(a);
    check_window(a);
}

/* ---- work ---- */

static struct job *job_free(struct actor *a)
{
    for (uint32_t n = 0; n < JOBS; n++)
        if (!a->jobs[n].used)
            return &a->jobs[n];
    return NULL;
}

/* Blocks that nothing else touches, and that are not in too much doubt to be written. */
static bool job_reserve(struct actor *a, struct job *j)
{
    j->first = (uint32_t)draw(a, BLOCKS);
    j->count = 1 + (uint32_t)draw(a, draw(a, 4) ? 4 : BLOCKS_MAX);
    j->count = min_u32(j->count, BLOCKS - j->first);
    for (uint32_t n = 0; n < j->count; n++) {
        const struct model_block *b = &a->blocks[j->first + n];

        if (b->busy || (j->writes && model_in_doubt(b)))
            return false;
    }
    for (uint32_t n = 0; n < j->count; n++)
        a->blocks[j->first + n].busy = true;
    return true;
}

static void job_write(struct actor *a, struct job *j, uint64_t lba)
{
    j->tag = a->number << 24 | (a->tags + 1);
    a->tags += j->count;
    for (uint32_t n = 0; n < j->count; n++)
        model_content(j->bytes + (size_t)MODEL_BLOCK * n, j->tag + n);
    a->initiator->spoil_data = a->initiator->data_digest && draw(a, 12) == 0;
    initiator_write(a->initiator, &j->request, lba, j->bytes, j->count * MODEL_BLOCK);
}

void actor_work(struct actor *a)
{
    static const uint8_t attributes[] = {SIMPLE, UNTAGGED, SIMPLE,  SIMPLE,       SIMPLE,
                                         SIMPLE, SIMPLE,   ORDERED, HEAD_OF_QUEUE};
    struct job *j = job_free(a);
    uint64_t lba;

    if (!j || (int32_t)initiator_window(a->initiator) <= 0)
        return;
    j->writes = draw(a, 2);
    if (!job_reserve(a, j))
        return;
    j->used = true;
    j->sent_us = sim_now_us(a->lab->sim);
    j->bytes = calloc(j->count, MODEL_BLOCK);
    assert(j->bytes);
    j->request.attribute = attributes[draw(a, sizeof attributes)];
    lba = 8ull * (a->number * BLOCKS + j->first);
    if (j->writes)
        job_write(a, j, lba);
    else
        initiator_read(a->initiator, &j->request, lba, j->bytes, j->count * MODEL_BLOCK);
}

void actor_ping(struct actor *a)
{
    a->initiator->spoil_data = false;
    initiator_nop(a->initiator, "a ping", (uint32_t)draw(a, 7));
}

void actor_text(struct actor *a)
{
    union bhs h = {.any = {.opcode = TEXT | OPCODE_IMMEDIATE, .flags = FLAG_FINAL}};

    a->initiator->spoil_data = false;
    initiator_stamp(a->initiator, &h);
    h.any.target_transfer_tag = be32_of(TAG_NONE);
    initiator_pdu(a->initiator, &h, "SendTargets=", 13);
    sim_run_for(a->lab->sim, 5000); /* one negotiation at a time */
}

/* ---- functions ---- */

/* Sends it, immediate; its response, however much comes before it. */
static uint8_t manage(struct actor *a, union bhs *h)
{
    struct initiator_pdu *p;
    uint8_t response;

    h->any.opcode = TASK_MANAGEMENT | OPCODE_IMMEDIATE;
    initiator_stamp(a->initiator, h);
    initiator_pdu(a->initiator, h, NULL, 0);
    while ((p = lab_pdu(a->lab, a->initiator)) && p->bhs.any.opcode != TASK_MANAGEMENT_RESPONSE) {
        if (p->bhs.any.opcode == REJECT)
            rejected(a, p);
        free(p);
    }
    assert(p && bhs_itt(&p->bhs) == bhs_itt(h));
    response = p->bhs.task_management_response.response;
    free(p);
    return response;
}

/* An answer may have overtaken the function; else it was there, or lost on its way. */
void actor_abort(struct actor *a)
{
    struct job *j = &a->jobs[draw(a, JOBS)];
    union bhs h = {.task_management = {.function = FLAG_FINAL | TMF_ABORT_TASK}};
    uint8_t response;

    actor_listen(a);
    if (!j->used)
        return;
    h.task_management.referenced_task_tag = be32_of(j->request.itt);
    h.task_management.ref_cmd_sn = be32_of(j->request.cmd_sn);
    response = manage(a, &h);
    if (j->request.answered)
        return;
    assert(response == TMF_COMPLETE);
    job_forget(a, j);
}

uint8_t actor_function(struct actor *a, uint8_t function)
{
    union bhs h = {.task_management = {.function = FLAG_FINAL | function}};

    h.task_management.referenced_task_tag = be32_of(TAG_NONE);
    return manage(a, &h);
}

/* ---- sessions ---- */

#define SMALL_FIRST  "InitialR2T=No\nFirstBurstLength=8192\n"
#define SMALL_BURSTS SMALL_FIRST "MaxBurstLength=16384\n"
#define ASKED        "InitialR2T=Yes\nImmediateData=No\nMaxOutstandingR2T=3\nMaxBurstLength=4096\n"
#define MANY_R2TS    SMALL_FIRST "MaxBurstLength=8192\nMaxOutstandingR2T=8\n"
#define HEADER       "HeaderDigest=CRC32C\n"
#define DATA         "DataDigest=CRC32C\n"

static const char *draw_keys(struct actor *a)
{
    switch (draw(a, 6)) {
    case 0:
        return SMALL_BURSTS;
    case 1:
        return ASKED;
    case 2:
        return HEADER DATA "InitialR2T=No\nMaxOutstandingR2T=4\n";
    case 3:
        return DATA SMALL_BURSTS;
    case 4:
        return HEADER MANY_R2TS;
    default:
        return NULL; /* the usual ones */
    }
}

void actor_login(struct actor *a)
{
    struct initiator_config config = {.name = "iqn.a",
                                      .target = LAB_TARGET,
                                      .isid = {0x80, 0, 0, 0, a->life, (uint8_t)a->number},
                                      .keys = draw_keys(a),
                                      .chap = a->chap,
                                      .unsolicited = draw(a, 2),
                                      .no_immediate_data = draw(a, 2),
                                      .first_cmd_sn = 1 + (uint32_t)draw(a, UINT32_MAX)};

    a->logins++;
    a->shut_us = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        numbers_begin(actor_numbers(a), a->lab->limits.window + 4, 8);
        config.watch = &actor_numbers(a)->watch;
        a->initiator = lab_connect(a->lab, &config);
        if (a->initiator->login_status != 0x0302)
            break;
        lab_part(a->lab, a->initiator); /* all slots are the block's: it must go on first */
        ram_block_go_on(&a->lab->ram);
        sim_run_for(a->lab->sim, 100000);
    }
    assert(a->initiator->full);
    assert(!a->chap || !a->chap->mutual_secret || a->initiator->target_proved);
}

void actor_harvest_closed(struct actor *a)
{
    lab_until(a->lab, initiator_closed, a->initiator);
    take_others(a);
    harvest(a);
    lab_part(a->lab, a->initiator);
}

/* The new session takes the place of the old one, which ends by itself. */
static void reinstate(struct actor *a)
{
    struct initiator *old = a->initiator, *new;

    actor_login(a);
    new = a->initiator;
    a->initiator = old;
    actor_harvest_closed(a);
    a->initiator = new;
}

void actor_return(struct actor *a)
{
    switch (draw(a, 4)) {
    case 0:
        initiator_logout(a->initiator);
        break;
    case 1:
        reinstate(a);
        return;
    case 2:
        if (a->initiator->header_digest) {
            a->initiator->spoil_header = true;
            initiator_nop(a->initiator, NULL, 0);
            break;
        }
        initiator_close(a->initiator);
        break;
    default:
        initiator_close(a->initiator);
    }
    actor_harvest_closed(a);
    actor_login(a);
}

/* ---- death ---- */

static void last_words(struct actor *a, uint32_t n)
{
    struct initiator_request *r = &a->ghost_writes[n];

    if ((int32_t)initiator_window(a->ghost) <= 0)
        return;
    *r = (struct initiator_request){.attribute = SIMPLE};
    initiator_write(a->ghost, r, 8ull * (a->number * BLOCKS + draw(a, BLOCKS)), a->ghost_bytes,
                    MODEL_BLOCK);
}

/*
 * Its host dies, with writes on their way, and is back under another ISID (libiscsi's way) or the
 * same before they arrive.  What its new session reads and writes then stays (design 8).
 */
void actor_dies(struct actor *a)
{
    if (a->ghost)
        return;
    actor_listen(a);
    actor_forget(a);
    a->ghost = a->initiator;
    a->ghost->config.watch = NULL;
    a->ghost->config.mute = true;
    a->ghost->spoil_data = a->ghost->spoil_header = false;
    sim_net_hold(a->ghost->net, SIM_SENT, true);
    model_content(a->ghost_bytes, a->number << 24 | ++a->tags);
    for (uint32_t n = 0; n < GHOSTS; n++)
        last_words(a, n);
    a->ghost_us = sim_now_us(a->lab->sim) + 1 + draw(a, 8000000);
    if (draw(a, 4) > 0)
        a->life++;
    actor_login(a);
}

void actor_rests(struct actor *a)
{
    for (int n = 0; n < 1000 && a->ghost; n++) {
        actor_listen(a);
        sim_run_for(a->lab->sim, 20000);
    }
    assert(!a->ghost);
}

/* ---- the end ---- */

static bool is_idle(const struct actor *a)
{
    for (uint32_t n = 0; n < JOBS; n++)
        if (a->jobs[n].used)
            return false;
    return true;
}

void actor_finish(struct actor *a)
{
    for (int n = 0; n < 1000 && !is_idle(a); n++) {
        sim_run_for(a->lab->sim, 20000);
        actor_listen(a);
    }
    assert(is_idle(a));
    actor_ping(a); /* its answer shows the last numbers */
    sim_run_for(a->lab->sim, 1000000);
    actor_listen(a);
    numbers_settled(actor_numbers(a));
    for (uint32_t n = 0; n < BLOCKS; n++)
        assert(model_read(&a->blocks[n],
                          a->lab->ram.bytes + (size_t)MODEL_BLOCK * (a->number * BLOCKS + n)));
}
