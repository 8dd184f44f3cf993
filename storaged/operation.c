/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/operation.c — replicas made, grown and deleted; the node's own records. */
#include "storaged/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_US 5000000u  /* a failure is tried again after so long */
#define SAID_US  60000000u /* one that stayed away for so long is said again */

static bool same(const struct action *a, const struct action *b)
{
    return a->kind == b->kind && identity_equal(a->volume, b->volume) &&
           identity_equal(a->replica, b->replica) && identity_equal(a->disk, b->disk) &&
           identity_equal(a->attachment, b->attachment);
}

bool operation_known(const struct agent *a, const struct action *action)
{
    list_for_each(link, &a->under_way)
        if (same(&container_of(link, struct operation, link)->action, action))
            return true;
    return false;
}

bool operation_changes(const struct agent *a, struct identity replica)
{
    list_for_each(link, &a->under_way) {
        const struct operation *o = container_of(link, struct operation, link);
        enum action_kind kind = o->action.kind;

        if (o->living && (kind == ACTION_MAKE_REPLICA || kind == ACTION_DELETE_REPLICA) &&
            identity_equal(o->action.replica, replica))
            return true;
    }
    return false;
}

/* P12: a disk that hangs or refuses has its part of the room and no more, as has all that is no
 * disk's. */
static bool has_room(const struct agent *a, struct identity disk)
{
    uint32_t count = 0;

    list_for_each(link, &a->under_way)
        count += identity_equal(container_of(link, struct operation, link)->action.disk, disk);
    return count < PLAN_DISK_MAX;
}

static struct operation *operation_new(struct agent *a, const struct action *action)
{
    struct operation *o = has_room(a, action->disk) ? pool_get(&a->operations) : NULL;

    if (!o)
        return NULL;
    memset(o, 0, sizeof *o);
    o->agent = a;
    o->action = *action;
    list_append(&a->under_way, &o->link);
    return o;
}

static void operation_gone(struct operation *o)
{
    struct agent *a = o->agent;

    transaction_free(o->transaction);
    list_remove(&o->link);
    pool_put(&a->operations, o);
}

static const char *const action_names[] = {
    [ACTION_REGISTER_NODE] = "register node",
    [ACTION_REGISTER_DISK] = "register disk",
    [ACTION_MAKE_REPLICA] = "make replica",
    [ACTION_GROW_REPLICA] = "grow replica",
    [ACTION_SALVAGE_REPLICA] = "salvage replica",
    [ACTION_DELETE_REPLICA] = "delete replica",
    [ACTION_OPEN_VOLUME] = "open volume",
    [ACTION_RESIZE_VOLUME] = "resize volume",
    [ACTION_KNOW] = "know attachment",
};

/* The same again, by a minute at most; else it is noted, in the place of the oldest. */
static bool said(struct agent *a, const struct action *action, const char *text)
{
    uint64_t now = now_us(&a->env->clock);
    struct said *place = &a->said[0];

    for (uint32_t i = 0; i < array_length(a->said); i++) {
        struct said *s = &a->said[i];

        if (*s->text && same(&s->action, action)) {
            place = s;
            break;
        }
        if (s->at_us < place->at_us)
            place = s;
    }
    if (same(&place->action, action) && strcmp(place->text, text) == 0 &&
        now - place->at_us <= SAID_US) {
        place->at_us = now;
        return true;
    }
    *place = (struct said){.action = *action, .at_us = now};
    snprintf(place->text, sizeof place->text, "%s", text);
    return false;
}

static void name_of(char *line, size_t room, const char *what, struct identity id)
{
    size_t length = strlen(line);

    if (!identity_none(id))
        snprintf(line + length, room - length, " %s=%s", what, identity_show(id).text);
}

/* Once, and again when the reason changes: what fails is tried again every few seconds.  `why` is
 * what the other side said of it; empty: nothing. */
static void say_failure(struct agent *a, const struct action *action, enum err err, const char *why)
{
    char text[SAID_MAX], names[160] = "";

    snprintf(text, sizeof text, "error=%s (%s)", err_name(err), *why ? why : err_text(err));
    if (said(a, action, text))
        return;
    name_of(names, sizeof names, "volume", action->volume);
    name_of(names, sizeof names, "replica", action->replica);
    name_of(names, sizeof names, "attachment", action->attachment);
    name_of(names, sizeof names, "disk", action->disk);
    log_event(a->env->log, LOG_LEVEL_WARN, "storaged", "action_failed", "action=\"%s\"%s %s",
              action_names[action->kind], names, text);
}

/* A disk that metad did not give to us. */
static bool refused_disk(const struct action *action, enum err err)
{
    return action->kind == ACTION_REGISTER_DISK && err == E_FORBIDDEN;
}

static void pause_operation(struct operation *o, enum err err)
{
    o->living = false;
    o->err = err;
    o->again_at_us =
        now_us(&o->agent->env->clock) + (refused_disk(&o->action, err) ? RIVAL_AGAIN_US : AGAIN_US);
}

/* A record that changed meanwhile is no failure: the watch brings it, and the plan looks again. */
static void operation_ended(struct operation *o, enum err err)
{
    struct agent *a = o->agent;

    if (!err || err == E_CONFLICT || a->stopping) {
        operation_gone(o);
    } else {
        say_failure(a, &o->action, err, o->call.why);
        transaction_free(o->transaction);
        o->transaction = NULL;
        pause_operation(o, err);
    }
    agent_wake(a);
}

bool operation_failed(struct agent *a, const struct action *action, enum err err)
{
    struct operation *o = operation_new(a, action);

    if (!o)
        return false;
    say_failure(a, action, err, "");
    pause_operation(o, err);
    return true;
}

uint64_t operations_forget(struct agent *a)
{
    uint64_t next = UINT64_MAX;

    list_for_each_safe(link, &a->under_way) {
        struct operation *o = container_of(link, struct operation, link);

        if (o->living)
            continue;
        if (a->stopping || o->again_at_us <= now_us(&a->env->clock))
            operation_gone(o);
        else
            next = min_u64(next, o->again_at_us);
    }
    return next;
}

/* ---- replicas: at the home of their store ---- */

static void change_told(struct errand *e)
{
    struct operation *o = container_of(e, struct operation, errand);
    enum store_change_kind kind = o->change.kind;
    enum err err = o->change_err;

    if (kind == STORE_DELETE && !err)
        log_event(o->agent->env->log, LOG_LEVEL_INFO, "storaged", "replica_deleted",
                  "replica=%s volume=%s", identity_show(o->action.replica).text,
                  identity_show(o->action.volume).text);
    if (kind == STORE_SALVAGE && !err)
        log_event(o->agent->env->log, LOG_LEVEL_WARN, "storaged", "replica_salvaged",
                  "replica=%s former=%s volume=%s", identity_show(o->action.replica).text,
                  identity_show(o->action.former).text, identity_show(o->action.volume).text);
    census_changed(o->agent->census);
    operation_ended(o, err);
}

static void change_done(struct store_change *c, enum err err)
{
    struct operation *o = container_of(c, struct operation, change);

    o->change_err = err;
    errand_end(&o->errand);
}

static void change_there(struct errand *e)
{
    struct operation *o = container_of(e, struct operation, errand);
    bool salvage = o->change.kind == STORE_SALVAGE;

    if (o->change.kind != STORE_MAKE)
        o->change.replica = store_find(o->store, salvage ? o->action.former : o->action.replica);
    if (o->change.kind == STORE_MAKE || o->change.replica)
        store_change(o->store, &o->change);
    else
        change_done(&o->change, E_NOT_FOUND);
}

/* Where the replica is, or is to be; NULL: it is gone, or its disk: the next plan sees that. */
static const struct disk_report *disk_of(const struct operation *o)
{
    const struct agent *a = o->agent;
    const struct action *action = &o->action;
    bool salvage = action->kind == ACTION_SALVAGE_REPLICA;
    const struct fact_replica *replica =
        fact_replica(&a->facts, salvage ? action->former : action->replica);

    if (action->kind == ACTION_MAKE_REPLICA)
        return census_disk(a->census, action->disk);
    return replica ? census_disk(a->census, replica->disk) : NULL;
}

static enum err change_begin(struct operation *o, enum store_change_kind kind)
{
    const struct action *action = &o->action;
    const struct disk_report *disk = disk_of(o);

    if (!disk)
        return E_NOT_FOUND;
    o->change = (struct store_change){
        .kind = kind,
        .done = change_done,
        .size_blocks = action->size_blocks,
        .identity = action->replica,
        .volume = action->volume,
        .shard = action->shard,
    };
    o->store = disk->store;
    o->errand = (struct errand){.perform = change_there, .done = change_told};
    errand_send(&o->errand, o->agent->env, disk->home->env);
    return E_OK;
}

/* ---- the node's own records ---- */

static void record_done(struct records_call *call, enum err err)
{
    struct operation *o = container_of(call, struct operation, call);

    if (refused_disk(&o->action, err))
        rivals_refused(o->agent, o->action.disk, call->why);
    else if (o->action.kind == ACTION_REGISTER_DISK && !err)
        rivals_registered(o->agent, o->action.disk);
    operation_ended(o, err);
}

static enum err record_begin(struct operation *o, struct record_key key, char *value)
{
    const struct view_entry *former = view_find(&o->agent->view, key);
    enum err err;

    o->transaction = transaction_new();
    if (!o->transaction) {
        free(value);
        return E_NO_MEMORY;
    }
    err = transaction_put(o->transaction, key, value);
    if (!err)
        err = transaction_compare(o->transaction, key, former ? former->revision : 0);
    if (err)
        return err;
    o->call = (struct records_call){
        .op = RECORDS_TRANSACT,
        .transaction = o->transaction,
        .done = record_done,
    };
    o->agent->records->call(o->agent->records, &o->call);
    return E_OK;
}

static const char *former_json(const struct agent *a, struct record_key key)
{
    const struct view_entry *former = view_find(&a->view, key);

    return former ? former->json : NULL;
}

static enum err register_node(struct operation *o)
{
    const struct agent *a = o->agent;
    struct record_key key = node_key(a->node.node);

    return record_begin(o, key, node_write(&a->node, former_json(a, key)));
}

static enum err register_disk(struct operation *o)
{
    const struct agent *a = o->agent;
    struct record_key key = disk_key(o->action.disk);
    struct disk_record record = {
        .disk = o->action.disk,
        .node = a->node.node,
        .bytes = o->action.size_blocks * BLOCK_BYTES,
    };

    return record_begin(o, key, disk_write(&record, former_json(a, key)));
}

static enum err begin(struct operation *o)
{
    switch ((int)o->action.kind) {
    case ACTION_REGISTER_NODE:
        return register_node(o);
    case ACTION_REGISTER_DISK:
        return register_disk(o);
    case ACTION_MAKE_REPLICA:
        return change_begin(o, STORE_MAKE);
    case ACTION_GROW_REPLICA:
        return change_begin(o, STORE_RESIZE);
    case ACTION_SALVAGE_REPLICA:
        return change_begin(o, STORE_SALVAGE);
    case ACTION_DELETE_REPLICA:
        return change_begin(o, STORE_DELETE);
    default:
        return E_INVALID;
    }
}

void operation_begin(struct agent *a, const struct action *action)
{
    struct operation *o = operation_new(a, action);
    enum err err;

    if (!o)
        return;
    o->living = true;
    err = begin(o);
    if (err)
        operation_ended(o, err);
}
