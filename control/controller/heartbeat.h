/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/heartbeat.h — what a node last said of itself (design 10).
 *
 * Plain data, never changed after it arrived: readers share one and count their references.
 */
#ifndef CONTROL_CONTROLLER_HEARTBEAT_H
#define CONTROL_CONTROLLER_HEARTBEAT_H

#include "metadata/records.h"

#include <stdatomic.h>

#define HEARTBEAT_SILENT_MS 1500ull
#define HEARTBEAT_PATH_MAX  256u
#define HEARTBEAT_WHY_MAX   160u
#define HEARTBEAT_FINDINGS  4u

/* How far its scrub has come, and what it found in the round before or in this one. */
struct heartbeat_scrub {
    bool known;
    uint64_t passes, done_bytes, total_bytes, bytes_per_second, bad_blocks, bad_pages;
    uint32_t finding_count;
    char findings[HEARTBEAT_FINDINGS][128];
};

struct heartbeat_disk {
    struct identity disk;
    char path[HEARTBEAT_PATH_MAX];
    uint64_t bytes, chunks, chunks_free;
    uint32_t replicas_max; /* it holds no more; UINT32_MAX: no cap known */
    bool read_only;
    struct heartbeat_scrub scrub;
};

/* In the node's list and left aside there, for another node had it, and spoke (C9). */
struct heartbeat_aside {
    struct identity disk;
    char path[HEARTBEAT_PATH_MAX];
    char why[HEARTBEAT_WHY_MAX];
};

struct heartbeat_replica {
    struct identity replica, volume, disk;
    uint32_t shard;
    bool damaged;
    bool named; /* false: an orphan, kept and reported */
};

/* The node is this volume's primary and has it open. */
struct heartbeat_volume {
    struct identity volume;
    uint64_t epoch, generation, bytes;
    uint32_t shards, serving;
    char why[HEARTBEAT_WHY_MAX];
};

struct heartbeat_attachment {
    struct identity attachment;
    bool drained; /* else known */
};

struct heartbeat {
    atomic_uint references;
    uint64_t arrived_ms; /* on metad's clock */
    struct identity node, incarnation;
    char name[RECORD_NAME_MAX + 1], rack[RECORD_NAME_MAX + 1];
    char status_address[64];                    /* of its status port; empty: none */
    char iqn_prefix[RECORD_IQN_PREFIX_MAX + 1]; /* that it knows targets by; empty: not said */
    char held[HEARTBEAT_WHY_MAX];               /* why it changes nothing now; empty: not held */
    uint64_t revision; /* of the keeper, seen: as of it, what is not listed is not open, and lets
                        * nobody in; 0: of another lineage, or none */
    uint32_t volumes_max, attachments_max; /* it takes no more; UINT32_MAX: no cap known */
    uint32_t portal_count, disk_count, replica_count, volume_count, attachment_count, grave_count;
    uint32_t aside_count;
    char (*portals)[64];
    struct heartbeat_disk *disks;
    struct heartbeat_aside *asides; /* NULL: none */
    struct heartbeat_replica *replicas;
    struct heartbeat_volume *volumes;
    struct heartbeat_attachment *attachments;
    struct identity *graves; /* replicas whose deletion is done */

    /* Two processes may speak for one node (a copied folder, a cloned machine): the board says. */
    struct identity before; /* the other process that spoke last; none: there was none      */
    char before_portal[64];
    uint64_t doubled_ms; /* when one last spoke again after another one had; 0: never */
};

struct heartbeat *heartbeat_new(void); /* zeroed, one reference; NULL: no memory */
void heartbeat_get(struct heartbeat *h);
void heartbeat_put(struct heartbeat *h); /* NULL: nothing to do */

const struct heartbeat_volume *heartbeat_volume(const struct heartbeat *h, struct identity volume);
const struct heartbeat_attachment *heartbeat_attachment(const struct heartbeat *h,
                                                        struct identity attachment);
const struct heartbeat_disk *heartbeat_disk(const struct heartbeat *h, struct identity disk);
bool heartbeat_buried(const struct heartbeat *h, struct identity replica);

/* Each node's last one, at one moment. */
struct heartbeat_set {
    struct heartbeat **items;
    uint32_t count;
    uint64_t now_ms;     /* of that moment */
    uint64_t started_ms; /* since when somebody listens */
};

/* The node's last one, or NULL. */
const struct heartbeat *heartbeats_last(const struct heartbeat_set *set, struct identity node);
/* … if it is not silent. */
const struct heartbeat *heartbeats_alive(const struct heartbeat_set *set, struct identity node);
/* … if another process spoke for the node, too, so lately that it may live. */
const struct heartbeat *heartbeats_doubled(const struct heartbeat_set *set, struct identity node);
/* Another one, not silent, that lists the disk too, or the node's own while it is doubled: then
 * neither is believed about it.  Or NULL. */
const struct heartbeat *heartbeats_rival(const struct heartbeat_set *set, struct identity node,
                                         struct identity disk);
/* Two silent-times have passed: who speaks was heard by now. */
bool heartbeats_judge(const struct heartbeat_set *set);
/* Not alive, as a reason to act: nobody is judged before that. */
bool heartbeats_silent(const struct heartbeat_set *set, struct identity node);

#endif
