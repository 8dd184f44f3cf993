/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/storm/numbers.c — see numbers.h. */
#include "tests/iscsi/storm/numbers.h"

#include "base/util.h"

#include <assert.h>
#include <string.h>

static struct task_numbers *task_find(struct numbers *n, uint32_t itt)
{
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        if (n->tasks[k].living && n->tasks[k].itt == itt)
            return &n->tasks[k];
    return NULL;
}

static struct task_numbers *task_new(struct numbers *n)
{
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        if (!n->tasks[k].living)
            return &n->tasks[k];
    assert(!"too many tasks for this model");
    return NULL;
}

/* ---- what is sent ---- */

static void task_begin(struct task_numbers *t, const union bhs *h)
{
    uint8_t opcode = h->any.opcode & OPCODE_MASK;
    bool scsi = opcode == SCSI_COMMAND;
    uint8_t attribute = scsi ? h->any.flags & TASK_ATTRIBUTE : HEAD_OF_QUEUE;

    *t = (struct task_numbers){
        .living = true,
        .immediate = h->any.opcode & OPCODE_IMMEDIATE,
        .ordered = attribute == ORDERED,
        .in_turn = attribute != HEAD_OF_QUEUE,
        .opcode = opcode,
        .flags = h->any.flags,
        .itt = bhs_itt(h),
        .cmd_sn = be32_get(h->any.sn),
        .edtl = scsi ? be32_get(h->scsi_command.expected_data_transfer_length) : 0,
        .asked = scsi ? bhs_data_bytes(h) : 0,
        .referenced = be32_get(h->any.target_transfer_tag),
    };
}

/* A command that came again has the CmdSN and ITT that it had. */
static void command_sent(struct numbers *n, const union bhs *h)
{
    struct task_numbers *t = task_find(n, bhs_itt(h));
    uint32_t cmd_sn = be32_get(h->any.sn);

    if (!(h->any.opcode & OPCODE_IMMEDIATE)) {
        assert(sn_not_after(cmd_sn, n->max_cmd_sn));
        assert(t ? cmd_sn == t->cmd_sn : cmd_sn == n->cmd_sn);
        n->cmd_sn += !t;
    }
    if (bhs_itt(h) == TAG_NONE)
        return;
    t = t ? t : task_new(n);
    task_begin(t, h);
    t->sent = ++n->sent;
}

static void data_sent(struct numbers *n, const struct bhs_data_out *h)
{
    struct task_numbers *t = task_find(n, be32_get(h->initiator_task_tag));
    uint32_t length = be24_get(h->data_segment_length);

    if (!t)
        return; /* it was over before it knew */
    if (be32_get(h->target_transfer_tag) == TAG_NONE) {
        t->asked += length;
        return;
    }
    assert(t->r2t_count > 0);
    assert(t->r2ts[0].ttt == be32_get(h->target_transfer_tag));
    assert(length <= t->r2ts[0].left);
    t->r2ts[0].left -= length;
    if (!(h->flags & FLAG_FINAL))
        return;
    t->r2t_count--;
    memmove(&t->r2ts[0], &t->r2ts[1], t->r2t_count * sizeof t->r2ts[0]);
}

static void sent(struct initiator_watch *w, const union bhs *h)
{
    struct numbers *n = container_of(w, struct numbers, watch);
    uint8_t opcode = h->any.opcode & OPCODE_MASK;

    if (opcode == LOGIN)
        n->cmd_sn = be32_get(h->login.cmd_sn);
    else if (opcode == DATA_OUT)
        data_sent(n, &h->data_out);
    else
        command_sent(n, h);
}

/* ---- what is received ---- */

enum stat { NOT_THERE, SHOWN, TAKEN };

static enum stat stat_of(const union bhs *h)
{
    switch (h->any.opcode) {
    case DATA_IN:
        return h->any.flags & FLAG_STATUS ? TAKEN : NOT_THERE;
    case NOP_IN:
        return bhs_itt(h) == TAG_NONE ? SHOWN : TAKEN;
    case R2T:
        return SHOWN;
    default:
        return TAKEN;
    }
}

static void check_stat_sn(struct numbers *n, const union bhs *h)
{
    uint32_t stat_sn = be32_get(h->any.sn);

    if (stat_of(h) == NOT_THERE)
        return;
    assert(!n->stat_sn_known || stat_sn == n->stat_sn);
    n->stat_sn_known = true;
    n->stat_sn = stat_sn + (stat_of(h) == TAKEN);
}

static void check_window(struct numbers *n, const union bhs *h)
{
    uint32_t exp = be32_get(h->any.second_sn), max = be32_get(h->any.third_sn);

    if (n->full) {
        assert(sn_not_after(n->exp_cmd_sn, exp));
        assert(sn_not_after(n->max_cmd_sn, max));
    }
    assert(sn_not_after(exp, n->cmd_sn)); /* none that was never sent */
    assert(sn_not_after(exp - 1, max));
    assert(max + 1 - exp <= n->window_max);
    n->exp_cmd_sn = exp;
    n->max_cmd_sn = max;
}

static bool is_overtaken(const struct task_numbers *older, const struct task_numbers *t)
{
    return older != t && older->living && !older->gone && older->in_turn &&
           older->opcode == SCSI_COMMAND && sn_not_after(older->cmd_sn, t->cmd_sn) &&
           (older->ordered || t->ordered);
}

/* It was done, not refused: so was all that had to be done before. */
static void check_order(const struct numbers *n, const struct task_numbers *t, const union bhs *h)
{
    if (t->opcode != SCSI_COMMAND || !t->in_turn || h->scsi_response.status)
        return;
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        assert(!is_overtaken(&n->tasks[k], t));
}

static void task_end(const struct numbers *n, struct task_numbers *t, const union bhs *h)
{
    check_order(n, t, h);
    assert(t->immediate || sn_not_after(t->cmd_sn + 1, n->exp_cmd_sn));
    t->living = false;
}

static void take_data_in(struct numbers *n, struct task_numbers *t, const union bhs *pdu)
{
    const struct bhs_data_in *h = &pdu->data_in;
    uint32_t length = be24_get(h->data_segment_length);

    assert(t->opcode == SCSI_COMMAND && (t->flags & FLAG_READ));
    assert(be32_get(h->data_sn) == t->data_sn);
    assert(be32_get(h->buffer_offset) == t->in_offset);
    assert(length > 0 && length <= t->edtl - t->in_offset);
    t->data_sn++;
    t->in_offset += length;
    if (h->flags & FLAG_STATUS)
        task_end(n, t, pdu);
}

static bool ttt_is_out(const struct numbers *n, uint32_t ttt)
{
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        for (uint32_t r = 0; n->tasks[k].living && r < n->tasks[k].r2t_count; r++)
            if (n->tasks[k].r2ts[r].ttt == ttt)
                return true;
    return false;
}

static void take_r2t(struct numbers *n, struct task_numbers *t, const struct bhs_r2t *h)
{
    uint32_t offset = be32_get(h->buffer_offset), length = be32_get(h->desired_length);
    uint32_t ttt = be32_get(h->target_transfer_tag);

    assert(t->opcode == SCSI_COMMAND && (t->flags & FLAG_WRITE));
    assert(be32_get(h->r2t_sn) == t->r2t_sn);
    assert(offset == t->asked);
    assert(length > 0 && length <= t->edtl - offset);
    assert(ttt != TAG_NONE && !ttt_is_out(n, ttt));
    assert(t->r2t_count < n->r2t_max && t->r2t_count < R2TS_MAX);
    t->r2t_sn++;
    t->asked += length;
    t->r2ts[t->r2t_count].ttt = ttt;
    t->r2ts[t->r2t_count++].left = length;
}

/* Which request each answer answers. */
static uint8_t asked_by(uint8_t opcode)
{
    switch (opcode) {
    case NOP_IN:
        return NOP_OUT;
    case TASK_MANAGEMENT_RESPONSE:
        return TASK_MANAGEMENT;
    case TEXT_RESPONSE:
        return TEXT;
    case LOGOUT_RESPONSE:
        return LOGOUT;
    default:
        return SCSI_COMMAND;
    }
}

static bool is_ended_by(const struct task_numbers *t, const struct task_numbers *function)
{
    if (!t->living || t->opcode != SCSI_COMMAND || t->sent > function->sent)
        return false; /* or it came again, behind the function */
    if ((function->flags & ~FLAG_FINAL) == TMF_ABORT_TASK)
        return t->itt == function->referenced;
    return sn_not_after(t->cmd_sn, function->cmd_sn);
}

static void take_function(struct numbers *n, const struct task_numbers *function)
{
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        if (is_ended_by(&n->tasks[k], function))
            n->tasks[k].gone = true;
}

static void take_answer(struct numbers *n, struct task_numbers *t, const union bhs *h)
{
    assert(t->opcode == asked_by(h->any.opcode));
    if (h->any.opcode == SCSI_RESPONSE)
        assert(be32_get(h->scsi_response.exp_data_sn) == t->data_sn + t->r2t_sn);
    if (h->any.opcode == TASK_MANAGEMENT_RESPONSE &&
        h->task_management_response.response == TMF_COMPLETE)
        take_function(n, t);
    task_end(n, t, h);
}

static void received(struct initiator_watch *w, const union bhs *h)
{
    struct numbers *n = container_of(w, struct numbers, watch);
    struct task_numbers *t;

    check_stat_sn(n, h);
    check_window(n, h);
    if (h->any.opcode == LOGIN_RESPONSE) {
        n->full = (h->any.flags & FLAG_FINAL) && LOGIN_NSG(h->any.flags) == STAGE_FULL_FEATURE;
        return;
    }
    assert(n->full);
    if (bhs_itt(h) == TAG_NONE)
        return; /* a ping, a Reject, an asynchronous message */
    t = task_find(n, bhs_itt(h));
    assert(t);
    assert(!t->gone);
    if (h->any.opcode == DATA_IN)
        take_data_in(n, t, h);
    else if (h->any.opcode == R2T)
        take_r2t(n, t, &h->r2t);
    else
        take_answer(n, t, h);
}

/* ---- its life ---- */

void numbers_begin(struct numbers *n, uint32_t window_max, uint32_t r2t_max)
{
    *n = (struct numbers){.watch = {.sent = sent, .received = received},
                          .window_max = window_max,
                          .r2t_max = r2t_max};
}

void numbers_over(struct numbers *n, uint32_t itt)
{
    struct task_numbers *t = task_find(n, itt);

    if (t)
        t->living = false;
}

void numbers_open_order(struct numbers *n)
{
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        n->tasks[k].ordered = n->tasks[k].in_turn = false;
}

void numbers_settled(const struct numbers *n)
{
    assert(n->exp_cmd_sn == n->cmd_sn);
    for (uint32_t k = 0; k < TASKS_MAX; k++)
        assert(!n->tasks[k].living);
}
