/* SPDX-License-Identifier: Apache-2.0 */
/* control/controller/inside.h — one pass, shared by the rules.  Private. */
#ifndef CONTROL_CONTROLLER_INSIDE_H
#define CONTROL_CONTROLLER_INSIDE_H

#include "control/controller/controller.h"

struct pass {
    const struct record_list *records;
    const struct heartbeat_set *heartbeats;
    struct changes *out;
    uint64_t seed;
    struct page_record page; /* large: one at a time */
};

/* A volume with its head, as recorded. */
struct volume_view {
    struct volume_record volume;
    struct head_record head;
    const struct record *volume_at, *head_at;
};

/* False: no such volume, or no head, or not readable. */
bool view_read(struct pass *p, struct identity volume, struct volume_view *ret);
/* The volume's pages, in order. */
struct record_list view_pages(const struct pass *p, const struct volume_view *v);

/*
 * The node that has the disk at `place` of the page in p->page: as the disk's own record says,
 * which changes when a disk moves; as the page says where there is none.  False: it cannot be read.
 */
bool view_disk_node(const struct pass *p, uint32_t place, struct identity *ret);

/* The process that the head names, when it is alive and this very incarnation; else NULL. */
const struct heartbeat *view_primary(const struct pass *p, const struct volume_view *v);

/* Nobody serves the volume any more, and nobody will: it is marked deleting. */
bool view_closed(const struct pass *p, const struct volume_view *v);

/* The next change, empty; NULL: the pass is full. */
struct change *change_begin(struct pass *p, enum change_kind kind, struct identity subject);
/* Keeps it when it was built without an error, else forgets it. */
void change_end(struct pass *p, enum err err);

void delete_volume(struct pass *p, const struct volume_view *v); /* C2 */

/* The disk was removed from the cluster, and no node that speaks has it after all (C10). */
bool disk_removed(const struct pass *p, struct identity disk);
void disks_forget(struct pass *p);

/* Changes the head: a new epoch, for this process or (none) for nobody. */
void raise_epoch(struct pass *p, const struct volume_view *v, struct identity node,
                 struct identity incarnation);

#endif
