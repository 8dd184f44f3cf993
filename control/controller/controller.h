/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/controller/controller.h — what must change in the records, given what is (design 10).
 *
 * Pure: the same records and heartbeats give the same changes, in metad, in a test and in the
 * simulation.  Level-triggered: it looks at what is, never at what happened, so a heartbeat or an
 * answer that is lost, late or doubled costs time, never truth.  Every change is a transaction that
 * compares what it was decided on; one that is refused is decided anew.
 *
 * The rules, each a function in reconcile.c:
 *   C1  a head that names no primary, or a process that is not there any more: the epoch is raised
 *       and names the living process of the node that holds the replicas.
 *   C2  a volume being deleted: nobody serves it → graves → all confirmed → its records go.
 *   C3  an attachment that is ending goes when the primary has drained it; of a volume whose own
 *       record is damaged, also when the process that came after the primary does not know it.
 *   C4  a grave of no volume being deleted goes when it is confirmed, or when its disk has moved to
 *       another node: it was dug before that, and its own node will never confirm it.
 *   C10 what lies on a removed disk that no node lists counts as confirmed; the disk's record goes
 *       when no page and no grave names it any more.
 *
 * Promises: C5  an in-sync set is never touched.
 *           C6  a grave is only written for a replica that a volume being deleted names (P8, P10).
 *           C7  absence is no order: a node that says nothing loses nothing.
 *           C8  nothing at all is done while a recorded node that speaks has seen a newer revision
 *               than ours (6.7).
 *           C9  a disk that two nodes list, both speaking, is nobody's, and so are the disks of a
 *               node for which two processes speak: none is named primary for what lies on it, and
 *               nobody's word buries it.
 */
#ifndef CONTROL_CONTROLLER_CONTROLLER_H
#define CONTROL_CONTROLLER_CONTROLLER_H

#include "control/controller/heartbeat.h"

enum change_kind {
    CHANGE_PROMOTE,   /* a primary is named            */
    CHANGE_DEMOTE,    /* the epoch names nobody        */
    CHANGE_BURY,      /* graves are written            */
    CHANGE_DELETE,    /* a page, or the rest, goes     */
    CHANGE_DETACH,    /* an attachment goes            */
    CHANGE_CONFIRMED, /* a grave goes                  */
    CHANGE_FORGOTTEN, /* the record of a removed disk goes */
};
const char *change_name(enum change_kind kind); /* for the log: "promoted" … */

struct change {
    enum change_kind kind;
    struct identity subject; /* volume, attachment, replica or disk */
    uint64_t epoch;          /* CHANGE_PROMOTE, CHANGE_DEMOTE  */
    struct identity node;    /* CHANGE_PROMOTE                 */
    struct record_transaction transaction;
};

#define CHANGES_MAX 64u /* of one pass; more follow in the next */

struct changes {
    uint32_t count;
    bool held;           /* C8 */
    uint32_t unreadable; /* records that this version cannot read were left alone */
    struct change items[CHANGES_MAX];
};

/*
 * `records` is all there is, in order of keys; `seed` is fresh for every pass (nonces come from
 * it).  *ret is the caller's memory; changes_done() frees what the changes own.
 */
void reconcile(const struct record_list *records, const struct heartbeat_set *heartbeats,
               uint64_t seed, struct changes *ret);
void changes_done(struct changes *c);

/*
 * The first thing that the end of a volume marked deleting waits for (C2); empty: nothing that a
 * human could help.  `records`, in order of keys, are at least its own (attachments, head, pages,
 * volume) and all disks.
 */
void deletion_waits(const struct record_list *records, const struct heartbeat_set *heartbeats,
                    struct identity volume, char why[HEARTBEAT_WHY_MAX]);

#endif
