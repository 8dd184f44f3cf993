/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/metrics.c — what is counted of a command when its status is made, and the tables. */
#include "iscsi-target/metrics.h"

#include "iscsi-target/command.h"
#include "iscsi-target/target.h"

#include <string.h>

METRICS_TABLE(iscsi_metric_table, iscsi_metrics, "iscsi", ISCSI_METRICS);
METRICS_TABLE(iscsi_session_metric_table, iscsi_session_metrics, "iscsi_session",
              ISCSI_SESSION_METRICS);

const struct iscsi_metrics *iscsi_target_metrics(const struct iscsi_target *t)
{
    return &t->metrics;
}

static void count_status(struct session *s, uint8_t status)
{
    struct iscsi_metrics *m = &s->target->metrics;

    if (status == SCSI_CHECK_CONDITION)
        metric_add(&m->check_conditions, 1);
    if (status == SCSI_BUSY)
        metric_add(&m->status_busy, 1);
    if (status == SCSI_TASK_SET_FULL)
        metric_add(&m->task_set_full, 1);
    if (status == SCSI_BUSY || status == SCSI_TASK_SET_FULL)
        metric_add(&s->metrics.told_again, 1);
}

void metrics_answered(const struct command *c, uint8_t status)
{
    struct session *s = c->session;
    struct iscsi_metrics *m = &s->target->metrics;
    uint64_t us = now_us(&s->target->env->clock) - c->task.started_us;

    if (status != SCSI_GOOD)
        count_status(s, status);
    switch (scsi_traffic(c->scsi.cdb)) {
    case SCSI_READS:
        metric_record(&m->read_seconds, us);
        metric_record(&s->metrics.read_seconds, us);
        metric_add(&m->read_bytes, c->in_sent);
        metric_add(&s->metrics.read_bytes, c->in_sent);
        return;
    case SCSI_CHANGES:
        metric_record(&m->write_seconds, us);
        metric_record(&s->metrics.write_seconds, us);
        metric_add(&m->write_bytes, c->got);
        metric_add(&s->metrics.write_bytes, c->got);
        return;
    case SCSI_ELSE:
        metric_record(&m->other_seconds, us);
        return;
    }
}

void metrics_waited(const struct command *c, struct metric_histogram *h)
{
    metric_record(h, now_us(&c->session->target->env->clock) - c->task.started_us);
}

void metrics_login(struct iscsi_target *t, enum login_status status)
{
    struct iscsi_metrics *m = &t->metrics;

    switch (status >> 8) {
    case 0:
        metric_add(&m->logins, 1);
        return;
    case 1:
        metric_add(&m->logins_moved, 1);
        return;
    case 2:
        metric_add(status == LOGIN_AUTHENTICATION || status == LOGIN_FORBIDDEN ? &m->logins_denied
                                                                               : &m->logins_refused,
                   1);
        return;
    default:
        metric_add(&m->logins_unavailable, 1);
    }
}

void metrics_window(struct session *s)
{
    uint64_t now = now_us(&s->target->env->clock), us;

    if (window_shut(s) && !s->ended) {
        if (s->shut_us == 0)
            s->shut_us = now;
        return;
    }
    if (s->shut_us == 0)
        return;
    us = now - s->shut_us;
    s->shut_us = 0;
    metric_add(&s->metrics.window_shut_seconds, us);
    metric_add(&s->target->metrics.window_shut_seconds, us);
}

/* ---- sessions ---- */

static uint32_t outstanding(const struct session *s)
{
    uint32_t count = 0;

    list_for_each(l, &s->commands)
        count++;
    return count;
}

static void tell(const struct session *s, struct iscsi_session_info *ret)
{
    const struct connection *c = s->connection;
    uint64_t now = now_us(&s->target->env->clock);

    *ret = (struct iscsi_session_info){
        .volume = s->block->identity,
        .attachment = s->attachment,
        .tsih = s->tsih,
        .read_only = s->nexus.read_only,
        .outstanding = outstanding(s),
        .window = s->slots,
        .metrics = s->metrics,
    };
    memcpy(ret->initiator, s->initiator, sizeof ret->initiator);
    memcpy(ret->alias, s->alias, sizeof ret->alias);
    memcpy(ret->isid, s->isid, sizeof ret->isid);
    if (c && c->net)
        ret->address = c->net->peer;
    if (c) {
        ret->received_us_ago = now - c->received_us;
        ret->sent_us_ago = now - c->sender.sent_us;
    }
}

uint32_t iscsi_target_tell(const struct iscsi_target *t, struct iscsi_session_info *ret,
                           uint32_t max)
{
    uint32_t count = 0;

    list_for_each(l, &t->sessions) {
        const struct session *s = container_of(l, struct session, link);

        if (s->discovery)
            continue;
        if (count < max)
            tell(s, &ret[count]);
        count++;
    }
    return count;
}
