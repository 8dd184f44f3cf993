/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/faults.c — the document is held against its table of fields, strictly, on a thread of
 * the status port; what it says is done all at once, on the reactor.
 */
#include "storaged/faults.h"

#include "env/faulty_disk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000u

struct field {
    const char *name;
    uint64_t most;
    size_t place;  /* of a uint64_t in struct disk_faults … */
    uint64_t unit; /* … in these                           */
};

/* ---- the document ---- */

/* clang-format off */
static const struct field fields[] = {
    {"blocks_per_second",     10000000, offsetof(struct disk_faults, blocks_per_second),     1},
    {"delay_ms",              HOUR_MS,  offsetof(struct disk_faults, delay_us),              1000},
    {"hang_ms",               HOUR_MS,  offsetof(struct disk_faults, hang_us),               1000},
    {"errors_after_requests", 10000000, offsetof(struct disk_faults, errors_after_requests), 1},
    {"errors_ms",             HOUR_MS,  offsetof(struct disk_faults, errors_us),             1000},
};
static const char *const errors_names[] = {
    [DISK_ERRORS_NONE] = "none", [DISK_ERRORS_READS] = "reads",
    [DISK_ERRORS_WRITES] = "writes", [DISK_ERRORS_ALL] = "all",
};
/* clang-format on */

static bool number_read(const struct field *f, const json_t *value, struct disk_faults *ret)
{
    json_int_t number = json_integer_value(value);
    uint64_t scaled;

    if (!json_is_integer(value) || number < 0 || (uint64_t)number > f->most)
        return false;
    scaled = (uint64_t)number * f->unit;
    memcpy((uint8_t *)ret + f->place, &scaled, sizeof scaled);
    return true;
}

static bool errors_read(const json_t *value, struct disk_faults *ret)
{
    const char *text = json_string_value(value);

    for (uint32_t i = 0; text && i < array_length(errors_names); i++) {
        if (strcmp(text, errors_names[i]) == 0) {
            ret->errors = (enum disk_errors)i;
            return true;
        }
    }
    return false;
}

static bool member_read(const char *name, const json_t *value, struct disk_faults *ret)
{
    if (strcmp(name, "disk") == 0)
        return json_is_string(value);
    if (strcmp(name, "errors") == 0)
        return errors_read(value, ret);
    if (strcmp(name, "vanished") == 0) {
        ret->vanished = json_is_true(value);
        return json_is_boolean(value);
    }
    for (uint32_t i = 0; i < array_length(fields); i++)
        if (strcmp(name, fields[i].name) == 0)
            return number_read(&fields[i], value, ret);
    return false;
}

static bool all_read(json_t *document, struct disk_faults *ret)
{
    const char *name;
    json_t *value;

    json_object_foreach(document, name, value)
    {
        if (!member_read(name, value, ret))
            return false;
    }
    return json_object_get(document, "disk") != NULL;
}

/* ---- on the reactor: the disks are its own ---- */

struct change {
    const struct home *home;
    struct disk_faults faults;
    char disk[CONFIG_PATH_MAX];
    bool found;
};

/* By identity or by path; NULL: none that is open. */
static const struct node_disk *disk_named(const struct node_disks *d, const char *name)
{
    for (uint32_t i = 0; i < d->count; i++) {
        const struct node_disk *disk = &d->disks[i];

        if (disk->store && (strcmp(disk->path, name) == 0 ||
                            strcmp(identity_show(store_identity(disk->store)).text, name) == 0))
            return disk;
    }
    return NULL;
}

static void change_here(void *memory)
{
    struct change *c = memory;
    const struct disk_faults *f = &c->faults;
    const struct node_disk *disk = disk_named(&c->home->disks, c->disk);

    c->found = disk != NULL;
    if (!disk)
        return;
    faulty_disk_set(disk->disk, f);
    log_event(c->home->env->log, LOG_LEVEL_WARN, "storaged", "faults_set",
              "path=%s blocks_per_second=%" PRIu64 " delay_ms=%" PRIu64 " hang_ms=%" PRIu64
              " errors=%s vanished=%d",
              disk->path, f->blocks_per_second, f->delay_us / 1000, f->hang_us / 1000,
              errors_names[f->errors], f->vanished);
}

/* ---- the resource ---- */

/* NULL: refused, *a says why. */
static struct change *change_read(const struct http_request *r, struct http_answer *a)
{
    json_t *document =
        json_loadb(r->body ? r->body : "", r->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    struct change *c = calloc(1, sizeof *c);

    if (!c) {
        status_refuse(a, 503, "no memory now");
    } else if (!all_read(document, &c->faults)) {
        status_refuse(a, 400,
                      "a disk and its faults: numbers within their bounds, errors none, "
                      "reads, writes or all, vanished true or false");
        free(c);
        c = NULL;
    } else {
        snprintf(c->disk, sizeof c->disk, "%s",
                 json_string_value(json_object_get(document, "disk")));
    }
    json_decref(document);
    return c;
}

/* 0: there is no such disk at that home; else the status of the answer. */
static unsigned change_at(struct status_node *n, const struct home *home, const struct change *wish)
{
    struct change *c = malloc(sizeof *c);
    bool found;

    if (!c)
        return 503;
    *c = *wish;
    c->home = home;
    if (!ask(&n->asks, home->env, change_here, c))
        return 503;
    found = c->found;
    free(c);
    return found ? 204 : 0;
}

void faults_change(struct status_node *n, const struct http_request *r, struct http_answer *a)
{
    struct change *wish;

    if (!n->homes[0].disks.config->allow_faults) {
        status_refuse(a, 403, "this storaged runs without --allow-faults");
        return;
    }
    wish = change_read(r, a);
    if (!wish)
        return;
    a->status = 0;
    for (uint32_t i = 0; i < n->home_count && !a->status; i++)
        a->status = change_at(n, &n->homes[i], wish);
    if (a->status == 0)
        status_refuse(a, 404, "no disk of that identity or path is open here");
    else if (a->status == 503)
        status_refuse(a, 503, "the reactor does not answer within %u ms", ASK_MS);
    free(wish);
}
