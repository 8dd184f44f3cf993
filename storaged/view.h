/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/view.h — the records as this node last read them: in memory, decoded, by key.
 *
 * The agent fills it (one range of everything, then watches); agent, directory and heartbeat look
 * things up at once.  A record that this version cannot read is left out and counted: what it would
 * have said is not acted upon.
 */
#ifndef STORAGED_VIEW_H
#define STORAGED_VIEW_H

#include "metadata/records.h"

enum view_kind {
    VIEW_OTHER, /* a kind of record that a node does not act upon */
    VIEW_NODE,
    VIEW_DISK,
    VIEW_VOLUME,
    VIEW_HEAD,
    VIEW_PAGE,
    VIEW_ATTACHMENT,
    VIEW_GRAVE,
};

struct view_entry {
    char key[RECORD_KEY_MAX];
    uint64_t revision;
    enum view_kind kind;
    char *json;    /* as it was read, for writing it anew with what we do not know */
    void *decoded; /* the struct of its kind */
};

struct view {
    struct view_entry *entries; /* by key */
    uint32_t count, room;
    uint64_t revision;   /* what it shows; 0: nothing was read yet */
    uint32_t unreadable; /* records that were left out since it was filled */
};

void view_init(struct view *v);
void view_done(struct view *v);

/* All of it anew (a range), or what has changed (a watch: value NULL is deleted).  Without memory:
 * E_NO_MEMORY, and the view has to be filled again. */
enum err view_fill(struct view *v, const struct record_list *all);
enum err view_apply(struct view *v, const struct record_list *changes);

static inline bool view_ready(const struct view *v)
{
    return v->revision > 0;
}

/* The first entry whose key begins with `prefix`, and the one after; NULL: no more. */
const struct view_entry *view_first(const struct view *v, const char *prefix);
const struct view_entry *view_next(const struct view *v, const char *prefix,
                                   const struct view_entry *after);

/* NULL: not there.  Valid until the view changes. */
const struct view_entry *view_find(const struct view *v, struct record_key key);
const struct node_record *view_node(const struct view *v, struct identity node);
const struct volume_record *view_volume(const struct view *v, struct identity volume);
const struct head_record *view_head(const struct view *v, struct identity volume);
const struct page_record *view_page(const struct view *v, struct identity volume, uint32_t index);
const struct attachment_record *view_attachment(const struct view *v, struct identity volume,
                                                struct identity attachment);
/* One shard of a volume and its page; NULL: no page has it. */
const struct page_shard *view_shard(const struct view *v, struct identity volume, uint32_t shard,
                                    const struct page_record **ret_page);

#define view_for_each(e, view, prefix)                                                             \
    for (const struct view_entry *e = view_first((view), (prefix)); e;                             \
         e = view_next((view), (prefix), e))

#endif
