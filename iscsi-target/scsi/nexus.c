/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/nexus.c — what an I_T_L nexus must still be told (SAM-5 5.14).
 *
 * A unit attention is a bit; the lowest is told first, once.  A new nexus begins with POWER ON,
 * RESET, OR BUS DEVICE RESET OCCURRED, which makes the others pointless (SPC-5 5.14, precedence).
 *
 * The mode is the logical unit's, not a nexus's (mode page policy "shared": SPC-5 7.7.9), and lives
 * as long as any nexus does: each has the same copy, and the nexuses of a block find each other as
 * its watchers.
 */
#include "base/util.h"
#include "iscsi-target/scsi/command.h"

static const uint16_t code_of[] = {
    [SCSI_UA_POWER_ON] = POWER_ON_OR_RESET,
    [SCSI_UA_TARGET_RESET] = SCSI_BUS_RESET,
    [SCSI_UA_UNIT_RESET] = BUS_DEVICE_RESET_FUNCTION,
    [SCSI_UA_MODE] = MODE_PARAMETERS_CHANGED,
    [SCSI_UA_CAPACITY] = CAPACITY_DATA_CHANGED,
    [SCSI_UA_CLEARED] = COMMANDS_CLEARED_BY_ANOTHER,
};

static void resized(struct block_watcher *w)
{
    scsi_nexus_attention(container_of(w, struct scsi_nexus, watcher), SCSI_UA_CAPACITY);
}

/* The transport watches for this itself: it ends the session. */
static void moved(struct block_watcher *w)
{
    (void)w;
}

/* The nexus behind a watcher of a block; NULL: somebody else watches. */
static struct scsi_nexus *nexus_of(struct list *l)
{
    struct block_watcher *w = container_of(l, struct block_watcher, link);

    return w->resized == resized ? container_of(w, struct scsi_nexus, watcher) : NULL;
}

static struct scsi_mode mode_of(const struct block *block)
{
    list_for_each(l, &block->watchers)
        if (nexus_of(l))
            return nexus_of(l)->mode;
    return (struct scsi_mode){0};
}

void scsi_nexus_open(struct scsi_nexus *n, struct block *block)
{
    n->block = block;
    n->mode = mode_of(block);
    n->unit_attentions = 1u << SCSI_UA_POWER_ON;
    n->watcher = (struct block_watcher){.resized = resized, .moved = moved};
    block_watch(block, &n->watcher);
}

void scsi_nexus_close(struct scsi_nexus *n)
{
    block_unwatch(&n->watcher);
}

void scsi_nexus_attention(struct scsi_nexus *n, enum scsi_attention what)
{
    n->unit_attentions |= 1u << what;
    if (what <= SCSI_UA_UNIT_RESET)
        n->mode = (struct scsi_mode){0};
}

void scsi_nexus_set_mode(struct scsi_nexus *n, struct scsi_mode mode)
{
    list_for_each(l, &n->block->watchers) {
        struct scsi_nexus *each = nexus_of(l);

        if (!each)
            continue;
        each->mode = mode;
        if (each != n)
            scsi_nexus_attention(each, SCSI_UA_MODE);
    }
}

bool scsi_nexus_take_attention(struct scsi_nexus *n, uint16_t *ret)
{
    uint32_t first;

    if (n->unit_attentions == 0)
        return false;
    first = (uint32_t)__builtin_ctz(n->unit_attentions);
    n->unit_attentions &= ~(1u << first);
    if (first == SCSI_UA_POWER_ON)
        n->unit_attentions = 0;
    *ret = code_of[first];
    return true;
}
