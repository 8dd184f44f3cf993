/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/storm/numbers.h — a model of one session's numbers (RFC 7143 4.2.2, 11): CmdSN,
 * ExpCmdSN, MaxCmdSN, StatSN, DataSN, R2TSN, tags and offsets.
 *
 * It watches the headers that go both ways and knows nothing else of initiator or target.  What the
 * target may not say ends in assert(): a number that leaps or goes back, a window beyond the limit,
 * a PDU for a task that is none, or over, or was aborted; an answer before its CmdSN was received;
 * a command that was done before an older one which had to be done first (task attributes).
 */
#ifndef TESTS_ISCSI_STORM_NUMBERS_H
#define TESTS_ISCSI_STORM_NUMBERS_H

#include "tests/iscsi/initiator.h"

#define TASKS_MAX 64u
#define R2TS_MAX  16u

struct task_numbers {
    bool living, immediate;
    bool ordered, in_turn; /* nobody overtakes it; it may overtake nobody that is ordered */
    bool gone; /* a function of this session has ended it: silence, unless it comes again */
    uint8_t opcode, flags;
    uint32_t itt, cmd_sn, edtl;
    uint32_t sent;               /* its place among the requests of this connection */
    uint32_t referenced;         /* by ABORT TASK */
    uint32_t data_sn, in_offset; /* of the Data-In that comes next */
    uint32_t r2t_sn, asked;      /* of the R2T that comes next     */
    struct {
        uint32_t ttt, left;
    } r2ts[R2TS_MAX]; /* outstanding, in order */
    uint32_t r2t_count;
};

struct numbers {
    struct initiator_watch watch;
    uint32_t window_max, r2t_max; /* that a session may have */
    bool full, stat_sn_known;
    uint32_t cmd_sn; /* the next that is sent */
    uint32_t sent;   /* requests so far */
    uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
    struct task_numbers tasks[TASKS_MAX];
};

/* For a new connection: config.watch = &n->watch. */
void numbers_begin(struct numbers *n, uint32_t window_max, uint32_t r2t_max);

/* A function has ended the task: nothing may be said of it any more. */
void numbers_over(struct numbers *n, uint32_t itt);

/* A function of another session may have ended any task that lives: the order of those is open. */
void numbers_open_order(struct numbers *n);

/* Nothing is under way: no task lives, and all that was sent counts as received. */
void numbers_settled(const struct numbers *n);

#endif
