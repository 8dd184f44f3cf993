/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/loop.c — the controller's thread: looks whenever there is news, and every 500 ms.
 *
 * The heartbeats are taken before the records are read: so a node that has seen more than the
 * records show has really seen more (6.7), and has not merely been quicker.
 */
#include "control/controller/controller.h"
#include "control/inside.h"

#include <inttypes.h>
#include <stdio.h>

static void log_change(struct control *c, const struct change *change)
{
    char subject[48];
    const char *what = change->kind == CHANGE_DETACH      ? "attachment"
                       : change->kind == CHANGE_CONFIRMED ? "replica"
                       : change->kind == CHANGE_FORGOTTEN ? "disk"
                                                          : "volume";

    snprintf(subject, sizeof subject, "%s=%s", what, identity_show(change->subject).text);
    if (change->epoch)
        log_event(c->log, LOG_LEVEL_INFO, subject, change_name(change->kind),
                  "epoch=%" PRIu64 " node=%s", change->epoch, identity_show(change->node).text);
    else
        log_event(c->log, LOG_LEVEL_INFO, subject, change_name(change->kind), NULL);
}

/* A change that is refused was decided on what is no longer so: the next pass decides anew. */
static bool apply(struct control *c)
{
    bool changed = false;

    for (uint32_t i = 0; i < c->changes->count; i++) {
        const struct change *change = &c->changes->items[i];
        uint64_t revision;
        enum err err = control_transact(c, &change->transaction, &revision);

        if (!err)
            log_change(c, change);
        changed = changed || !err;
    }
    return changed;
}

static void note_held(struct control *c, bool held)
{
    if (held && !atomic_load(&c->held))
        log_event(c->log, LOG_LEVEL_ERROR, "metad", "held",
                  "why=\"a node has seen a newer revision than the keeper holds\"");
    atomic_store(&c->held, held);
}

/* Reads the records anew, if they changed since the last pass. */
static enum err records_refresh(struct control *c)
{
    struct record_list news;
    enum err err = keeper_watch(c->keeper, "", c->records.revision, 0, &news);

    if (err && err != E_COMPACTED)
        return err;
    if (!err) {
        bool same = news.revision == c->records.revision;

        record_list_free(&news);
        if (same)
            return E_OK;
    }
    record_list_free(&c->records);
    err = keeper_range(c->keeper, "", &c->records);
    if (!err)
        trouble_look(&c->trouble, &c->records, c->log);
    return err;
}

/* True: something was changed, look again at once. */
static bool one_pass(struct control *c)
{
    struct heartbeat_set heartbeats;
    bool changed = false;
    enum err err;

    if (!board_snapshot(&c->board, &heartbeats))
        return false;
    err = records_refresh(c);
    if (err) {
        log_event(c->log, LOG_LEVEL_ERROR, "metad", "records_unreadable", "why=\"%s\"",
                  err_text(err));
    } else {
        reconcile(&c->records, &heartbeats, control_identity().bits, c->changes);
        note_held(c, c->changes->held);
        changed = apply(c);
        changes_done(c->changes);
    }
    board_release(&heartbeats);
    return changed;
}

static void *controller_run(void *control)
{
    struct control *c = control;

    while (!board_stopped(&c->board)) {
        uint64_t seen = board_news(&c->board);

        if (!one_pass(c))
            board_wait(&c->board, seen, monotonic_ms() + CONTROLLER_EVERY_MS);
    }
    return NULL;
}

enum err controller_start(struct control *c)
{
    int rc = pthread_create(&c->controller, NULL, controller_run, c);

    c->controller_runs = rc == 0;
    return err_of_errno(rc);
}

void controller_join(struct control *c)
{
    if (c->controller_runs)
        pthread_join(c->controller, NULL);
    c->controller_runs = false;
}
