/* SPDX-License-Identifier: Apache-2.0 */
/*
 * placement/choose.c — the first legal choice.
 *
 * Nodes are tried in the order of what they have promised (their identity breaks a tie, so that the
 * order of the disks in the view does not matter); on a node each shard goes to the disk that has
 * promised least, counting the shards placed just now.
 */
#include "base/size.h"
#include "base/util.h"
#include "placement/placement.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t placement_room(const struct placement_disk *d, uint32_t overcommit)
{
    uint64_t cap;

    if (!d->alive || d->read_only || d->free_bytes == 0)
        return 0;
    if (__builtin_mul_overflow(d->bytes, (uint64_t)overcommit, &cap))
        cap = UINT64_MAX;
    return cap > d->promised_bytes ? cap - d->promised_bytes : 0;
}

/* How many replicas more it takes (D4). */
static uint32_t places(const struct placement_disk *d)
{
    return d->replicas_max > d->replicas ? d->replicas_max - d->replicas : 0;
}

/* The node's caps when it has as many volumes as it takes, else NULL. */
static const struct placement_node *node_full(const struct placement_spec *spec,
                                              struct identity node)
{
    for (uint32_t i = 0; i < spec->node_count; i++) {
        const struct placement_node *n = &spec->nodes[i];

        if (identity_equal(n->node, node) && n->volumes >= n->volumes_max)
            return n;
    }
    return NULL;
}

/* May shards go to this disk's node at all? */
static bool node_allowed(const struct placement_spec *spec, struct identity node)
{
    return (identity_none(spec->node) || identity_equal(spec->node, node)) &&
           !node_full(spec, node);
}

struct candidate {
    struct identity node;
    uint64_t promised;
};

static int candidate_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->promised != y->promised)
        return x->promised < y->promised ? -1 : 1;
    return (x->node.bits > y->node.bits) - (x->node.bits < y->node.bits);
}

static struct candidate *candidate_of(struct candidate *list, uint32_t *count, struct identity node)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (identity_equal(list[i].node, node))
            return &list[i];
    }
    list[*count] = (struct candidate){.node = node};
    return &list[(*count)++];
}

/* The nodes that have a disk and are allowed, least promised first. */
static uint32_t candidates(const struct placement_disk *disks, uint32_t disk_count,
                           const struct placement_spec *spec, struct candidate *list)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < disk_count; i++) {
        if (node_allowed(spec, disks[i].node))
            candidate_of(list, &count, disks[i].node)->promised += disks[i].promised_bytes;
    }
    qsort(list, count, sizeof *list, candidate_order);
    return count;
}

/* The node's disk with a place and room for `bytes` that has promised least; UINT32_MAX: none. */
static uint32_t disk_for(const struct placement_disk *disks, uint32_t disk_count,
                         struct identity node, uint64_t bytes, uint32_t overcommit)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < disk_count; i++) {
        const struct placement_disk *d = &disks[i];

        if (!identity_equal(d->node, node) || placement_room(d, overcommit) < bytes ||
            places(d) == 0)
            continue;
        if (best == UINT32_MAX || d->promised_bytes < disks[best].promised_bytes ||
            (d->promised_bytes == disks[best].promised_bytes &&
             d->disk.bits < disks[best].disk.bits))
            best = i;
    }
    return best;
}

/* `disks` is a copy: what is placed is counted in it. */
static bool place_on(struct placement_disk *disks, uint32_t disk_count,
                     const struct placement_spec *spec, struct identity node, uint32_t *ret_disks)
{
    uint64_t left = spec->bytes;

    for (uint32_t shard = 0; left > 0; shard++) {
        uint64_t bytes = left < spec->shard_bytes ? left : spec->shard_bytes;
        uint32_t at = disk_for(disks, disk_count, node, bytes, spec->overcommit);

        if (at == UINT32_MAX)
            return false;
        disks[at].promised_bytes += bytes;
        disks[at].replicas++;
        ret_disks[shard] = at;
        left -= bytes;
    }
    return true;
}

/* ---- a refusal ---- */

printf_like(2, 3) static void say(char why[PLACEMENT_WHY], const char *format, ...)
{
    size_t length = strlen(why);
    va_list args;

    va_start(args, format);
    vsnprintf(why + length, PLACEMENT_WHY - length, format, args);
    va_end(args);
}

/* It has room for more shards than it takes replicas. */
static bool few_places(const struct placement_disk *d, const struct placement_spec *spec)
{
    uint64_t room = placement_room(d, spec->overcommit);

    return room > 0 && (room - 1) / spec->shard_bytes >= places(d);
}

/* What new shards may have on it. */
static uint64_t reach(const struct placement_disk *d, const struct placement_spec *spec)
{
    return few_places(d, spec) ? places(d) * spec->shard_bytes
                               : placement_room(d, spec->overcommit);
}

/* Adds what may have caused it: the nodes that are full of volumes, … */
static void explain_full(const struct placement_spec *spec, char why[PLACEMENT_WHY])
{
    const struct placement_node *first = NULL;
    uint32_t full = 0;

    for (uint32_t i = 0; i < spec->node_count; i++) {
        const struct placement_node *n = node_full(spec, spec->nodes[i].node);

        if (n && full++ == 0)
            first = n;
    }
    if (!first)
        return;
    say(why, "; node %s has %u volumes and takes %u", first->name, first->volumes,
        first->volumes_max);
    if (full > 1)
        say(why, ", and %u more nodes are full", full - 1);
    say(why, " (%s setting \"volumes\")", full > 1 ? "their" : "its");
}

/* … the nodes that are held, … */
static void explain_held(const struct placement_spec *spec, char why[PLACEMENT_WHY])
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < spec->node_count; i++) {
        if (spec->nodes[i].held && held++ == 0)
            say(why, "; node %s is held", spec->nodes[i].name);
    }
    if (held > 1)
        say(why, ", and %u more nodes are", held - 1);
}

/* … and the disks that take no more replicas, or not as many as they have room for. */
static void explain_places(const struct placement_disk *disks, uint32_t disk_count,
                           const struct placement_spec *spec, char why[PLACEMENT_WHY])
{
    const struct placement_disk *first = NULL;
    uint32_t few = 0;

    for (uint32_t i = 0; i < disk_count; i++) {
        if (node_allowed(spec, disks[i].node) && few_places(&disks[i], spec) && few++ == 0)
            first = &disks[i];
    }
    if (!first)
        return;
    say(why, "; disk %s has %u replicas and takes %u", identity_show(first->disk).text,
        first->replicas, first->replicas_max);
    if (few > 1)
        say(why, ", and %u more disks have as few places", few - 1);
}

/* Which cap was met, and how far it reaches. */
static void explain(const struct placement_disk *disks, uint32_t disk_count,
                    const struct placement_spec *spec, char why[PLACEMENT_WHY])
{
    uint64_t largest_disk = 0, largest_node = 0;

    for (uint32_t i = 0; i < disk_count; i++) {
        uint64_t node = 0;

        if (!node_allowed(spec, disks[i].node))
            continue;
        for (uint32_t j = 0; j < disk_count; j++) {
            if (identity_equal(disks[j].node, disks[i].node))
                node += reach(&disks[j], spec);
        }
        largest_disk = max_u64(largest_disk, reach(&disks[i], spec));
        largest_node = max_u64(largest_node, node);
    }
    snprintf(why, PLACEMENT_WHY, "asked for %s; ", size_show(spec->bytes).text);
    if (largest_node == 0)
        say(why, "no node that answers has a writable disk with room");
    else
        say(why,
            "the largest node may promise %s more, its disks up to %s (at most %u times their "
            "size)",
            size_show(largest_node).text, size_show(largest_disk).text, spec->overcommit);
    explain_places(disks, disk_count, spec, why);
    explain_full(spec, why);
    explain_held(spec, why);
}

enum err placement_choose(const struct placement_disk *disks, uint32_t disk_count,
                          const struct placement_spec *spec, uint32_t *ret_disks,
                          char why[PLACEMENT_WHY])
{
    struct placement_disk *copy = calloc(disk_count + 1, sizeof *copy);
    struct candidate *list = calloc(disk_count + 1, sizeof *list);
    enum err err = E_NO_SPACE;

    if (!copy || !list) {
        snprintf(why, PLACEMENT_WHY, "%s", err_text(E_NO_MEMORY));
        err = E_NO_MEMORY;
    } else if ((spec->bytes - 1) / spec->shard_bytes >= PLACEMENT_SHARDS_MAX) {
        snprintf(why, PLACEMENT_WHY, "asked for %s; a volume has at most %u shards of %s",
                 size_show(spec->bytes).text, PLACEMENT_SHARDS_MAX,
                 size_show(spec->shard_bytes).text);
        err = E_TOO_LARGE;
    } else {
        uint32_t count = candidates(disks, disk_count, spec, list);

        for (uint32_t i = 0; i < count && err; i++) {
            memcpy(copy, disks, disk_count * sizeof *copy);
            if (place_on(copy, disk_count, spec, list[i].node, ret_disks))
                err = E_OK;
        }
        if (err)
            explain(disks, disk_count, spec, why);
    }
    free(list);
    free(copy);
    return err;
}
