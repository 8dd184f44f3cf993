/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/volumes.c — opens a volume from its records, and ends it in order.
 *
 * The end: the directory lets nobody in any more (closing); sessions are drained; as soon as they
 * are, or at once where the volume does not serve (its requests would wait for ever), the volume
 * is closed, which answers what is left; then its tenure ends and its memory goes.
 */
#include "storaged/volumes.h"

#include "storaged/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGOUT_SECONDS 2u /* for initiators to leave a volume that closes here (design 8) */

enum end_state {
    OPEN,  /* until it is open, or is not         */
    DRAIN, /* sessions end, what they handed on is answered */
    CLOSE, /* until volume and sessions are gone  */
    FREE,  /* … and its memory at its home        */
    GONE,  /* … and its tenure                    */
};

static void tell(struct node_volumes *vs)
{
    vs->changed(vs);
}

struct node_volume *volumes_find(struct node_volumes *vs, struct identity volume)
{
    list_for_each(link, &vs->open) {
        struct node_volume *n = container_of(link, struct node_volume, link);

        if (identity_equal(n->volume, volume))
            return n;
    }
    return NULL;
}

/* If it is ending: something that its end waits for may have happened. */
static void end_look(struct node_volume *n)
{
    if (n->closing)
        task_run(&n->task);
}

static void shards_free(struct node_volume *n)
{
    free(n->shards);
    n->shards = NULL;
}

/* ---- attachments ---- */

static struct node_attachment *attachment_find(struct node_volume *n, struct identity attachment)
{
    list_for_each(link, &n->attachments) {
        struct node_attachment *a = container_of(link, struct node_attachment, link);

        if (identity_equal(a->attachment, attachment))
            return a;
    }
    return NULL;
}

/* A heartbeat lists what is known, and metad takes what it does not list for over: nobody else
 * comes in (design 10). */
const struct hosted *volumes_hosted(struct node_volumes *vs, struct identity volume,
                                    struct identity attachment)
{
    struct node_volume *n = volumes_find(vs, volume);

    if (!n || !n->opened || n->closing)
        return NULL;
    return attachment_find(n, attachment) ? &n->hosted : NULL;
}

enum err volumes_know(struct node_volumes *vs, struct identity volume, struct identity attachment)
{
    struct node_volume *n = volumes_find(vs, volume);
    struct node_attachment *a;

    if (!n || attachment_find(n, attachment))
        return E_OK;
    a = pool_get(&vs->attachment_pool);
    if (!a)
        return E_NO_MEMORY;
    *a = (struct node_attachment){.volume = n, .attachment = attachment};
    list_append(&n->attachments, &a->link);
    tell(vs);
    return E_OK;
}

static void attachment_drained(struct hosted_drain *drain)
{
    struct node_attachment *a = container_of(drain, struct node_attachment, drain);

    a->draining = false;
    a->drained = true;
    end_look(a->volume);
    tell(a->volume->all);
}

void volumes_drain(struct node_volumes *vs, struct identity volume, struct identity attachment)
{
    struct node_volume *n = volumes_find(vs, volume);
    struct node_attachment *a = n ? attachment_find(n, attachment) : NULL;

    if (!a || a->draining || a->drained)
        return;
    if (!n->opened || n->drained) { /* nobody was let in, or all have left: its end waits no more */
        a->drained = true;
        tell(vs);
        return;
    }
    a->draining = true;
    a->drain = (struct hosted_drain){
        .hosted = &n->hosted,
        .attachment = attachment,
        .done = attachment_drained,
    };
    hosted_drain(&a->drain);
}

static void attachment_gone(struct node_attachment *a)
{
    list_remove(&a->link);
    pool_put(&a->volume->all->attachment_pool, a);
}

void volumes_forget(struct node_volumes *vs, struct identity volume, struct identity attachment)
{
    struct node_volume *n = volumes_find(vs, volume);
    struct node_attachment *a = n ? attachment_find(n, attachment) : NULL;

    if (!a || a->draining)
        return;
    attachment_gone(a);
    tell(vs);
}

static bool attachments_drain(const struct node_volume *n)
{
    list_for_each(link, &n->attachments)
        if (container_of(link, struct node_attachment, link)->draining)
            return true;
    return false;
}

/* ---- opening ---- */

static void replica_config(struct node_volumes *vs, const struct page_record *page,
                           const struct page_replica *from, struct rep_config *ret)
{
    struct rep_replica *to = &ret->replicas[ret->replica_count++];
    const struct disk_report *here = census_disk(vs->census, page->disks[from->disk].disk);

    *to = (struct rep_replica){
        .identity = from->replica,
        .in_sync = from->in_sync,
        .behind = from->behind,
        .store = here ? here->store : NULL,
    };
}

/* One shard as head and page say; false: no page has it, or no disk of ours. */
static bool shard_config(struct node_volumes *vs, const struct volume_record *volume,
                         const struct head_record *head, uint32_t shard, struct rep_config *ret)
{
    const struct page_record *page;
    bool here = false;
    const struct page_shard *s = view_shard(vs->view, volume->volume, shard, &page);

    if (!s)
        return false;
    *ret = (struct rep_config){
        .volume = volume->volume,
        .shard = shard,
        .size_blocks = shard_size_blocks(volume->bytes, shard),
        .epoch = head->epoch,
        .generation = head->generation,
        .snapshot = head->snapshot,
        .is_new = s->is_new,
        .min_copies = volume->min_copies,
    };
    for (uint32_t i = 0; i < s->replica_count; i++) {
        replica_config(vs, page, &s->replicas[i], ret);
        here = here || ret->replicas[i].store;
    }
    return here;
}

/* All shards; the caller frees them; NULL: the records do not allow it, or no memory. */
static struct rep_config *shard_configs(struct node_volumes *vs, const struct volume_record *volume)
{
    const struct head_record *head = view_head(vs->view, volume->volume);
    uint32_t count = volume_shards(volume->bytes);
    struct rep_config *shards = head ? calloc(count, sizeof *shards) : NULL;

    for (uint32_t i = 0; shards && i < count; i++) {
        if (!shard_config(vs, volume, head, i, &shards[i])) {
            free(shards);
            return NULL;
        }
    }
    return shards;
}

/* Where it lives: with the first disk that its first shard has here. */
static struct home *home_of(const struct node_volumes *vs, const struct volume_record *volume)
{
    const struct page_record *page;
    const struct page_shard *s = view_shard(vs->view, volume->volume, 0, &page);
    const struct disk_report *disk = NULL;

    for (uint32_t i = 0; s && !disk && i < s->replica_count; i++)
        disk = census_disk(vs->census, page->disks[s->replicas[i].disk].disk);
    return disk ? disk->home : NULL;
}

static void volume_changed(struct hosted *h)
{
    struct node_volume *n = container_of(h, struct node_volume, hosted);
    bool serving = h->told.serving;

    if (serving != n->was_serving)
        log_event(n->all->env->log, LOG_LEVEL_INFO, "volume", serving ? "served" : "not_served",
                  "volume=%s name=%s epoch=%llu %s", identity_show(n->volume).text, n->name,
                  (unsigned long long)n->epoch, h->told.why);
    n->was_serving = serving;
    end_look(n);
    tell(n->all);
}

static void volume_closed(struct hosted *h)
{
    struct node_volume *n = container_of(h, struct node_volume, hosted);

    n->closed = true;
    task_run(&n->task);
}

static void volume_freed(struct hosted *h)
{
    struct node_volume *n = container_of(h, struct node_volume, hosted);

    n->freed = true;
    task_run(&n->task);
}

static void close_begin(struct node_volume *n);

static void volume_opened(struct hosted *h, enum err err)
{
    struct node_volume *n = container_of(h, struct node_volume, hosted);

    shards_free(n);
    n->opened = !err;
    n->failed = err;
    n->open_err = err;
    if (err)
        close_begin(n);
    else
        log_event(n->all->env->log, LOG_LEVEL_INFO, "volume", "opened",
                  "volume=%s name=%s epoch=%llu reactor=%u", identity_show(n->volume).text, n->name,
                  (unsigned long long)n->epoch, h->home->number);
    end_look(n);
    tell(n->all);
}

static void volume_init(struct node_volume *n, struct node_volumes *vs,
                        const struct volume_record *record, uint64_t epoch)
{
    memset(n, 0, sizeof *n);
    n->all = vs;
    n->volume = record->volume;
    n->epoch = epoch;
    n->bytes = record->bytes;
    snprintf(n->name, sizeof n->name, "%s", record->name);
    list_init(&n->attachments);
}

static void hosted_init(struct node_volume *n, const struct volume_record *record)
{
    struct hosted *h = &n->hosted;

    *h = (struct hosted){
        .home = home_of(n->all, record),
        .control = n->all->env,
        .epoch = n->epoch,
        .config =
            {
                .identity = record->volume,
                .size_bytes = record->bytes,
                .logical_block_bytes = record->logical_block_bytes,
                .limits = n->all->limits->volume,
                .shard_count = volume_shards(record->bytes),
                .shards = n->shards,
            },
        .opened = volume_opened,
        .changed = volume_changed,
        .closed = volume_closed,
        .freed = volume_freed,
    };
    snprintf(h->config.name, sizeof h->config.name, "%s", record->name);
}

enum err volumes_open(struct node_volumes *vs, struct identity volume)
{
    const struct volume_record *record = view_volume(vs->view, volume);
    const struct head_record *head = view_head(vs->view, volume);
    struct rep_config *shards;
    struct node_volume *n;

    if (!record || !head)
        return E_NOT_FOUND;
    shards = shard_configs(vs, record);
    if (!shards)
        return E_NOT_READY;
    n = pool_get(&vs->volume_pool);
    if (!n) {
        free(shards);
        return E_NO_MEMORY;
    }
    volume_init(n, vs, record, head->epoch);
    n->shards = shards;
    hosted_init(n, record);
    arbiter_begin(vs->arbiter, &n->tenure, volume, head->epoch);
    list_append(&vs->open, &n->link);
    hosted_open(&n->hosted);
    tell(vs);
    return E_OK;
}

/* ---- growing ---- */

static void resized(struct hosted_resize *r, enum err err)
{
    struct node_volume *n = container_of(r, struct node_volume, resize);

    n->resizing = false;
    n->resize_err = err;
    shards_free(n);
    if (!err) {
        n->bytes = r->size_bytes;
        log_event(n->all->env->log, LOG_LEVEL_INFO, "volume", "resized", "volume=%s bytes=%llu",
                  identity_show(n->volume).text, (unsigned long long)r->size_bytes);
    }
    end_look(n);
    tell(n->all);
}

enum err volumes_resize(struct node_volumes *vs, struct identity volume)
{
    const struct volume_record *record = view_volume(vs->view, volume);
    struct node_volume *n = volumes_find(vs, volume);

    if (!record || !n || n->closing)
        return E_NOT_FOUND;
    if (!n->opened || n->resizing || n->resize_err)
        return E_BUSY;
    n->shards = shard_configs(vs, record);
    if (!n->shards)
        return E_NOT_READY;
    n->resizing = true;
    n->resize = (struct hosted_resize){
        .hosted = &n->hosted,
        .size_bytes = record->bytes,
        .shard_count = volume_shards(record->bytes),
        .shards = n->shards,
        .done = resized,
    };
    hosted_resize(&n->resize);
    return E_OK;
}

/* ---- the end ---- */

static void volume_drained(struct hosted_drain *drain)
{
    struct node_volume *n = container_of(drain, struct node_volume, drain);

    n->drained = true;
    task_run(&n->task);
}

static void tenure_ended(struct arbiter_volume *tenure)
{
    struct node_volume *n = container_of(tenure, struct node_volume, tenure);

    n->ended = true;
    task_run(&n->task);
}

static enum task_next end_drain(struct node_volume *n)
{
    n->drain = (struct hosted_drain){
        .hosted = &n->hosted, .logout_seconds = LOGOUT_SECONDS, .done = volume_drained};
    hosted_drain(&n->drain);
    return task_goto(&n->task, DRAIN);
}

static enum task_next end_tenure(struct node_volume *n)
{
    arbiter_end(&n->tenure, tenure_ended);
    return task_wait_in(&n->task, GONE);
}

static enum task_next end_step(struct task *t)
{
    struct node_volume *n = container_of(t, struct node_volume, task);

    switch ((enum end_state)t->state) {
    case OPEN:
        if (n->failed)
            return end_tenure(n);
        return n->opened ? end_drain(n) : TASK_WAIT;

    case DRAIN:
        if (!n->drained && n->hosted.told.serving)
            return TASK_WAIT;
        arbiter_supersede(&n->tenure);
        hosted_close(&n->hosted);
        return task_wait_in(t, CLOSE);

    case CLOSE:
        if (!n->closed || !n->drained || n->resizing || attachments_drain(n))
            return TASK_WAIT;
        hosted_free(&n->hosted);
        return task_wait_in(t, FREE);

    case FREE:
        return n->freed ? end_tenure(n) : TASK_WAIT;

    case GONE:
        return n->ended ? TASK_DONE : TASK_WAIT;
    }
    unreachable();
}

static void end_done(struct task *t)
{
    struct node_volume *n = container_of(t, struct node_volume, task);
    struct node_volumes *vs = n->all;
    struct identity volume = n->volume;
    enum err err = n->open_err;

    if (!err)
        log_event(vs->env->log, LOG_LEVEL_INFO, "volume", "closed", "volume=%s name=%s epoch=%llu",
                  identity_show(volume).text, n->name, (unsigned long long)n->epoch);
    list_for_each_safe(link, &n->attachments)
        attachment_gone(container_of(link, struct node_attachment, link));
    list_remove(&n->link);
    pool_put(&vs->volume_pool, n);
    if (err)
        vs->open_failed(vs, volume, err);
    tell(vs);
}

static const struct task_state end_states[] = {
    [OPEN] = {"open", TASK_FIRST},
    [DRAIN] = {"drain", TASK_AFTER(OPEN)},
    [CLOSE] = {"close", TASK_AFTER(DRAIN)},
    [FREE] = {"free", TASK_AFTER(CLOSE)},
    [GONE] = {"gone", TASK_AFTER(OPEN) | TASK_AFTER(FREE)},
};

static const struct task_kind end_kind = {
    .name = "volume end",
    .step = end_step,
    .done = end_done,
    .states = end_states,
    .state_count = array_length(end_states),
};

static void close_begin(struct node_volume *n)
{
    if (n->closing)
        return;
    n->closing = true;
    task_start(&n->task, &end_kind, &n->all->env->tasks, OPEN);
    tell(n->all);
}

void volumes_close(struct node_volumes *vs, struct identity volume)
{
    struct node_volume *n = volumes_find(vs, volume);

    if (n)
        close_begin(n);
}

void volumes_close_all(struct node_volumes *vs)
{
    list_for_each(link, &vs->open)
        close_begin(container_of(link, struct node_volume, link));
}

/* ---- all ---- */

enum err volumes_init(struct node_volumes *vs)
{
    enum err err;

    list_init(&vs->open);
    err = pool_open(&vs->volume_pool, "volumes open", sizeof(struct node_volume),
                    _Alignof(struct node_volume), vs->limits->volumes_max);
    if (err)
        return err;
    return pool_open(&vs->attachment_pool, "attachments", sizeof(struct node_attachment),
                     _Alignof(struct node_attachment), vs->limits->attachments_max);
}

void volumes_done(struct node_volumes *vs)
{
    pool_close(&vs->volume_pool);
    pool_close(&vs->attachment_pool);
}
