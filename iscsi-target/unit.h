/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/unit.h — a logical unit as its sessions share it: whose turn it is at the block, how
 * much work it gets done (door.c), and how much memory it has (memory.c).  One for each block that
 * has sessions.
 */
#ifndef ISCSI_TARGET_UNIT_H
#define ISCSI_TARGET_UNIT_H

#include "base/block.h"

struct command;
struct iscsi_target;
struct session;

struct unit {
    struct list link; /* in the target's units */
    struct block *block;
    uint32_t sessions; /* that refer to it, ended ones too          */
    uint32_t busy;     /* sessions that have SCSI commands          */

    struct list turns;                  /* sessions whose commands wait at the door, next first */
    uint32_t waiting, handed;           /* commands at the door; commands behind it             */
    uint32_t depth;                     /* how many may be behind it                            */
    uint64_t moved_us, moving_since_us; /* when the block last answered; without a pause since */

    struct list hungry_link; /* in target->hungry                                    */
    struct list starved;     /* commands that wait for memory, next first            */
    uint64_t held_bytes;     /* of the target's buffers: with all that its commands have */
    bool line_moved;         /* since a command that cannot wait took memory             */

    uint64_t rate; /* how many it finishes in RATE_US of being busy, smoothed */
    uint64_t measured_us, busy_since_us, busy_us;
    uint32_t done; /* since measured_us */
};

/* There is memory for as many as there can be sessions. */
struct unit *unit_get(struct iscsi_target *t, struct block *block, uint64_t now);
void unit_put(struct iscsi_target *t, struct unit *u);

/* How many commands each of its busy sessions may have, so that they end within WORK_US. */
uint32_t unit_share(const struct unit *u);

/* At each tick: its rate falls while nothing comes back. */
void unit_measure(struct unit *u, uint64_t now);

/* Commands would wait for longer than `us`, although the block is at work. */
bool unit_is_crowded(const struct unit *u, uint64_t us, uint64_t now);

#endif
