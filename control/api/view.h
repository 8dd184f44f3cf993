/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/view.h — what the resources share: a volume as recorded and as it is, and waiting
 * until something is in force.  Private to control/api.
 */
#ifndef CONTROL_API_VIEW_H
#define CONTROL_API_VIEW_H

#include "control/inside.h"

enum volume_state { VOLUME_CREATING, VOLUME_AVAILABLE, VOLUME_WAITING, VOLUME_DELETING };

/* A volume with its head; `former` documents for whoever writes them anew. */
struct volume_view {
    struct volume_record volume;
    struct head_record head;
    uint64_t volume_revision, head_revision;
    char *volume_json, *head_json;
};
void view_done(struct volume_view *v);

/* E_NOT_FOUND when there is none (also: half of it); *p is filled on any error. */
enum err view_load(struct control *c, const char *id_or_name, struct volume_view *ret,
                   struct problem *p);

/*
 * As view_load(), also where only the volume's own record is damaged, as far as a delete and its
 * attachments need it: its name is the one that leads to it, volume_json is NULL, sizes and copies
 * are none of its own.
 */
enum err view_load_any(struct control *c, const char *id_or_name, struct volume_view *ret,
                       struct problem *p);

/* What its primary says of it: NULL when the process the head names does not speak. */
const struct heartbeat_volume *view_serving(const struct volume_view *v,
                                            const struct heartbeat_set *set);
enum volume_state view_state(const struct volume_view *v, const struct heartbeat_set *set,
                             char why[HEARTBEAT_WHY_MAX]);

json_t *view_json(struct control *c, const struct volume_view *v, const struct heartbeat_set *set);
/* 200 with the volume as it is now, judged by `set`; volumes.c. */
void volume_answer(struct control *c, struct identity volume, const struct heartbeat_set *set,
                   struct http_answer *a);
json_t *view_portals(const struct volume_view *v, const struct heartbeat_set *set);
void view_target(struct control *c, struct identity volume, char ret[128]);

/* The disks of its shards, in their order: the first one's node is the primary.  null: a page
 * cannot be read. */
json_t *volume_disks(struct control *c, struct identity volume);
/* [{"volume":…,"name":…}] of those with a shard on the disk, in order; null: a page cannot be read.
 * Reads all pages. */
json_t *disk_volumes(struct control *c, struct identity disk);
bool page_has(const struct page_record *page, struct identity disk);

/* Every volume, in the order of their identities, from records already read. */
bool view_of_records(const struct record_list *volumes, const struct record_list *heads,
                     uint32_t place, struct volume_view *ret);

/*
 * Asks `in_force` now, and again with every news, until it says true, WAIT_MS passed, or too many
 * requests wait already.  *set is then the newest heartbeats, the caller's to release.  False: not
 * in force; also when memory is short (*set is empty then).
 */
struct wait {
    bool (*in_force)(struct control *, const struct heartbeat_set *, void *about);
    void *about;
};
bool wait_until(struct control *c, const struct wait *w, struct heartbeat_set *set);

/* False, *p is filled: metad has just started, and a node that speaks may not have been heard yet.
 */
bool nodes_heard(const struct heartbeat_set *set, struct problem *p);

/* ?limit= (1 to 1000, default 100) and ?after= (an identity). */
struct paging {
    uint32_t limit;
    struct identity after;
};
bool paging_read(const struct http_request *r, struct paging *ret, struct problem *p);
/* {"items":…,"next":…}: takes items; last is null unless more follow. */
void paging_answer(struct http_answer *a, json_t *items, struct identity next);

#endif
