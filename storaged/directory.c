/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/directory.c — lookups in the view; nothing here waits or allocates. */
#include "storaged/directory.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The one that logs in is in normal form (RFC 3722), the record as an operator wrote it. */
static bool is_for(const struct attachment_record *a, const char *initiator)
{
    return strcasecmp(a->initiator, initiator) == 0;
}

/* The attachment under which `initiator` is let in; NULL: none. */
static const struct attachment_record *attachment_of(const struct view *v, struct identity volume,
                                                     const char *initiator)
{
    char prefix[RECORD_KEY_MAX];

    snprintf(prefix, sizeof prefix, "attachment/%s/", identity_show(volume).text);
    view_for_each(e, v, prefix)
    {
        const struct attachment_record *a = e->decoded;

        if (!a->ending && is_for(a, initiator))
            return a;
    }
    return NULL;
}

/* The portal of another node that is the primary; false: it names none. */
static bool portal_elsewhere(const struct node_directory *d, const struct head_record *head,
                             struct net_address *ret)
{
    const struct node_record *node;

    if (!head || identity_none(head->primary) || identity_equal(head->primary, d->node))
        return false;
    node = view_node(d->view, head->primary);
    return node && node->portal_count > 0 && net_address_parse(node->portals[0], ret);
}

static enum directory_where where(const struct node_directory *d, struct identity volume,
                                  struct directory_answer *ret)
{
    const struct head_record *head = view_head(d->view, volume);
    const struct hosted *hosted;

    if (portal_elsewhere(d, head, &ret->address))
        return DIRECTORY_ELSEWHERE;
    if (!head || !identity_equal(head->primary, d->node))
        return DIRECTORY_STARTING;
    hosted = d->open_here(d->owner, volume, ret->attachment);
    if (!hosted)
        return DIRECTORY_STARTING;
    ret->block = hosted->block;
    ret->home = hosted->home->target;
    return DIRECTORY_HERE;
}

static void chap_of(const struct attachment_record *a, struct iscsi_chap *ret)
{
    snprintf(ret->user, sizeof ret->user, "%s", a->chap.user);
    snprintf(ret->secret, sizeof ret->secret, "%s", a->chap.secret);
    snprintf(ret->mutual_user, sizeof ret->mutual_user, "%s", a->chap.mutual_user);
    snprintf(ret->mutual_secret, sizeof ret->mutual_secret, "%s", a->chap.mutual_secret);
}

static void find(struct directory *directory, const char *target, const char *initiator,
                 struct directory_answer *ret)
{
    const struct node_directory *d = container_of(directory, struct node_directory, directory);
    const struct attachment_record *attachment;
    const struct volume_record *record;
    struct identity volume;

    memset(ret, 0, sizeof *ret);
    ret->where = DIRECTORY_STARTING;
    if (!view_ready(d->view))
        return;
    ret->where = DIRECTORY_UNKNOWN;
    if (!iscsi_target_volume(d->prefix, target, &volume))
        return;
    record = view_volume(d->view, volume);
    if (!record || record->deleting)
        return;
    ret->where = DIRECTORY_FORBIDDEN;
    attachment = attachment_of(d->view, volume, initiator);
    if (!attachment)
        return;
    ret->attachment = attachment->attachment;
    ret->read_only = attachment->read_only;
    ret->deadline_seconds = attachment->deadline_seconds;
    chap_of(attachment, &ret->chap);
    snprintf(ret->alias, sizeof ret->alias, "%s", record->name);
    ret->where = where(d, volume, ret);
}

static void list(struct directory *directory, const char *initiator,
                 void (*each)(void *arg, const char *target, const char *portal), void *arg)
{
    const struct node_directory *d = container_of(directory, struct node_directory, directory);
    char target[ISCSI_NAME_MAX];

    view_for_each(e, d->view, "attachment/")
    {
        const struct attachment_record *a = e->decoded;
        const struct volume_record *record = view_volume(d->view, a->volume);

        if (a->ending || !is_for(a, initiator) || !record || record->deleting)
            continue;
        iscsi_target_name(d->prefix, a->volume, target);
        for (uint32_t i = 0; i < d->portal_count; i++)
            each(arg, target, d->portals[i].text);
    }
}

void node_directory_init(struct node_directory *d)
{
    d->directory = (struct directory){.find = find, .list = list};
}
