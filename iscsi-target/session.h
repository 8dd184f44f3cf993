/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/session.h — a session: one I_T nexus, its commands and their order.
 *
 * A session ends when its connection does (ErrorRecoveryLevel 0), when it is reinstated, drained,
 * logged out or reset.  Its place is free from then on; its memory stays until what was handed to
 * the block was answered.
 *
 * The window (window.c).  A slot is a CmdSN that was granted and whose command is not over.  Every
 * live session is sure of target->slots_sure of them, the rest is shared.  Promise: W1 slots of all
 * sessions together never exceed limits.commands_max, so a command within its window has memory.
 */
#ifndef ISCSI_TARGET_SESSION_H
#define ISCSI_TARGET_SESSION_H

#include "iscsi-target/connection.h"
#include "iscsi-target/metrics.h"
#include "iscsi-target/scsi/scsi.h"
#include "iscsi-target/unit.h"

#define ITT_BUCKETS    64u
#define IMMEDIATES_MAX 4u /* immediate commands of one session at a time */
#define LATE_SLOTS     4u /* that open a window which stays shut         */

#define OWED_MAX       8u /* notes of one session: more than these the store does not keep */

/* A COMPARE AND WRITE that was answered GOOD: its initiator may not know it yet. */
struct owed_status {
    uint32_t stat_sn;
    struct extent extent;
    struct block_note note;
};

struct session {
    struct iscsi_target *target;
    struct connection *connection; /* NULL: gone */
    struct list link;              /* in the target's sessions, or its ended ones */
    char initiator[ISCSI_NAME_MAX], target_name[ISCSI_NAME_MAX], alias[65];
    uint8_t isid[6];
    uint16_t tsih, cid;
    bool discovery, ended;
    bool leaving;           /* asked to log out: nothing more is handed to the block … */
    uint64_t leave_by_us;   /* … and then it ends */
    struct command *logout; /* that waits for what the block has; else NULL */
    struct identity attachment;
    uint64_t deadline_us;           /* of its commands; 0: none */
    struct block *block;            /* NULL: discovery */
    struct unit *unit;              /* the same as its sessions share it; NULL: discovery */
    struct list turn_link, at_door; /* in unit->turns; its commands at the door */
    uint32_t burden;                /* SCSI commands that are not over */
    struct scsi_nexus nexus;
    struct block_watcher watcher; /* moved: the session ends */
    struct parameters parameters;

    struct iscsi_session_metrics metrics;

    struct owed_status owed[OWED_MAX]; /* oldest first */
    uint32_t owed_count;

    uint32_t exp_cmd_sn, max_cmd_sn;
    uint32_t ticked_cmd_sn; /* exp_cmd_sn at the last tick */
    uint32_t slots, late, immediates;
    uint32_t released;               /* of a window that is too wide: window.c */
    uint64_t shut_us;                /* since when its window has been shut; 0: it is open */
    uint32_t ordered;                /* of its living commands: order.c */
    struct list commands;            /* every living one, oldest first           */
    struct list held;                /* that wait for an earlier CmdSN           */
    struct list by_itt[ITT_BUCKETS]; /* that an ITT still names                  */
    uint32_t next_ttt;
    uint32_t text_ttt; /* of the text negotiation under way: connection->text */
};

/* At the end of a login: ends the session that it reinstates and opens the new one. */
enum login_status session_open(struct connection *c, struct session **ret);

/* Ends its life as a session: what was not handed to the block is dropped, answers that are whole
 * may still leave.  The connection is the caller's affair.  Any number of times. */
void session_end(struct session *s);

/*
 * Planned (iscsi.md 4.3): the initiator is asked to log out within `seconds`; until then what the
 * block has is answered, nothing else begins, and nothing ends with an error.  Then, or at once
 * where there is nothing to wait for (seconds 0, a discovery session), it is expelled.
 */
void session_leave(struct session *s, uint16_t seconds);

/*
 * A COMPARE AND WRITE of its was given up that the block goes on with: asked again, it is to be
 * known by its note as of an earlier session (base/block.h).
 */
void session_ask_anew(struct session *s);

/* Ends it and its connection; answers that are whole and the news leave first. */
void session_expel(struct session *s);

/* The connection is gone, or a command is over: frees the session if that was the last. */
void session_settle(struct session *s);
void session_disconnected(struct session *s);

struct command *session_find(const struct session *s, uint32_t itt);
uint32_t session_ttt(struct session *s); /* never TAG_NONE */

/* metrics.c: its window was opened or shut. */
void metrics_window(struct session *s);

/* gate.c: a new session; older ones of its initiator have to prove that they live. */
void gate_newer(struct session *newer);

/* deadline.c: at each tick */
void deadline_look(struct session *s, uint64_t now);

/* acknowledge.c */
struct owed_status *acknowledge_owe(struct session *s); /* one more, to be filled */
/* A PDU says that all before this StatSN were received: the block hears of what was owed. */
void acknowledge_heard(struct session *s, uint32_t exp_stat_sn);

/* window.c */
void window_burden(struct command *c); /* it has a SCSI command more, or less */
void window_relieve(struct command *c);
bool window_is_crowded(const struct session *s);      /* a command more cannot end in time */
bool window_open(struct session *s, uint32_t cmd_sn); /* false: no slots are left for a session */
void window_close(struct session *s);
bool window_admits(const struct session *s, uint32_t cmd_sn);
void window_arrived(struct command *c); /* delivers it, or holds it until its turn */
void window_release(struct session *s); /* a granted command is over */
void window_grow(struct session *s);    /* before a PDU shows MaxCmdSN */
bool window_shut(const struct session *s);
bool window_open_late(
    struct session *s); /* at each tick; true: it was shut, and opens with a PDU */

#endif
