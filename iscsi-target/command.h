/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/command.h — whatever an initiator asks for under an ITT: a SCSI command, a task
 * management function, a ping, a text request, a logout.
 *
 * All are delivered in the order of their CmdSN, immediate ones at once (RFC 7143 4.2.2.1).  What
 * becomes of one then is its kind's affair; a SCSI command has the longest life:
 *
 *   TURN  → MEMORY → GATHER → PERFORM → PERFORMING → ANSWER → LATE → OVER
 *
 * Promises: C1 data is placed only at the next byte that was asked for or allowed, within the
 *              payload that was taken for it (T1).
 *           C2 a dropped command that the block has runs on, and nobody is told how it ended (T4).
 *           C3 a command that waits for memory holds none, so those that hold some can finish.
 */
#ifndef ISCSI_TARGET_COMMAND_H
#define ISCSI_TARGET_COMMAND_H

#include "iscsi-target/session.h"

#define R2T_MAX 16u /* outstanding of one command */

enum command_state {
    TURN,       /* its PDU arrives, or an earlier CmdSN is missing          */
    MEMORY,     /* there is none for its data yet: the R2T is withheld      */
    GATHER,     /* data-out arrives                                         */
    PERFORM,    /* all data is there; it may wait for memory, as in MEMORY  */
    PERFORMING, /* the block has it                                         */
    ANSWER,     /* its PDUs stand in the sender's queue or are under way    */
    LATE,       /* told BUSY, and the block still has it (deadline.c) */
    OVER,
};

struct command_kind {
    const char *name;
    bool urgent;                                           /* its answer goes before all data  */
    enum task_next (*act)(struct command *);               /* at its turn                      */
    bool (*answer)(struct command *, struct pdu_out *ret); /* its next PDU; true: more follow  */
    void (*over)(struct command *); /* optional: last, while there is a connection */
};

struct r2t {
    uint32_t ttt, offset, length;
};

struct command {
    struct task task;
    struct source source;
    struct session *session;
    struct list link;      /* session->commands */
    struct list itt_link;  /* session->by_itt   */
    struct list wait_link; /* session->held, or unit->starved */
    struct list door_link; /* session->at_door */
    const struct command_kind *kind;
    union bhs bhs; /* as it came */
    uint32_t itt, cmd_sn;
    bool immediate, delivered, dropped;
    bool has_slot;    /* counted in session->slots or ->immediates */
    bool passed;      /* the door: the block has it, or is about to */
    bool burdens;     /* counted in session->burden */
    bool handed;      /* to the block, which has it until it is performed */
    bool expired;     /* its deadline is over, or another session's reset came: BUSY */
    bool gated;       /* waits until its session has proved that it lives (gate.c) */
    bool leaving;     /* its slot was given back when its answer was made */
    uint32_t need;    /* bytes of memory that it asks for, or waits for: memory.c */
    uint8_t response; /* of a task management function, a logout; of a text: the last */

    /* SCSI: data from the initiator.  All in order: got is also the next offset */
    uint32_t edtl, want, got;
    bool unsolicited; /* more will come without an R2T */
    bool refused;     /* status is set, not to be performed */
    bool ordered;     /* counted in session->ordered */
    bool performed;
    bool spoiled;     /* a data digest was wrong: refused when all that was asked for has come */
    uint64_t data_us; /* when its last Data-Out, its memory or its turn came */
    uint32_t data_sn; /* the next of the sequence that arrives */
    struct r2t r2ts[R2T_MAX];
    uint32_t r2t_first, r2t_count, r2t_unsent, r2t_sn, asked;

    /* SCSI: data to the initiator */
    uint32_t in_total, in_sent, in_sn, in_burst;
    uint8_t sense_segment[2 + SCSI_SENSE_MAX];

    struct scsi_command scsi;
};

/*
 * For a PDU that carries a CmdSN, from its row's begin: a slot for it, or NULL when it is to be
 * ignored (outside the window: in silence) or was rejected; the rest is then discarded.
 */
struct command *command_begin(struct connection *c, const struct command_kind *kind);
void command_end(struct connection *c); /* its PDU is whole */
/* Its data is not what was sent: rejected and forgotten, its CmdSN may come again (7.8). */
void command_spoiled(struct connection *c);

/* The block has it, although nobody waits for it any more. */
static inline bool command_is_below(const struct command *c)
{
    return c->handed && !c->performed;
}

/* Nobody will be told how what the block has of it ends (C2): nothing more is begun. */
void command_runs_on(struct command *c);

/* Ends it for the initiator: it is found no more and never answered (C2). */
void command_drop(struct command *c);

/* deadline.c: it is told BUSY, wherever it waits; what the block has of it runs on, in LATE.
 * False: it is not its turn yet, or its end is near. */
bool command_expire(struct command *c);

enum task_next command_answer(struct command *c); /* for act: to ANSWER */
enum task_next command_over(struct command *c);   /* for act: nothing to say */

/* Lets a CmdSN count as received whose command never came (11.6.1). */
void command_plug(struct session *s, uint32_t cmd_sn);

bool command_is_scsi(const struct command *c);

/* metrics.c: a SCSI command's status is made; an answer that took so long. */
void metrics_answered(const struct command *c, uint8_t status);
void metrics_waited(const struct command *c, struct metric_histogram *h);

/* order.c: what a command with the attribute ORDERED keeps apart. */
enum order { ORDER_GO, ORDER_WAIT, ORDER_GIVE_UP };
void order_begin(struct command *c);          /* at its turn */
enum order order_of(const struct command *c); /* may it be performed now? */
void order_look(struct session *s);           /* one is done or gone, or waits for memory */
void order_end(struct command *c);

/* memory.c: memory for its data.  May it have c->need bytes now, if there are so many?  It stands
 * in line, or leaves it if it does: it has got what it wanted, or does not want it now. */
bool memory_turn(const struct command *c);
void memory_wait(struct command *c);
void memory_leave(struct command *c);
must_check bool memory_get(struct command *c); /* c->want bytes of data-out; false: not now */
/* c->need bytes of data-out for one that cannot wait and never did; false: none for it. */
must_check bool memory_get_at_once(struct command *c);
/* Is there anything to wait for?  A command that has its data-out takes what there is, or does
 * without (C3); at its turn, if nobody has any, it is too large. */
bool memory_comes(const struct command *c);

/* door.c: may it be handed to the block now?  If not, it waits in line and is run again.  It cannot
 * use its pass, or is no more; the block has answered. */
bool door_passes(struct command *c);
void door_leave(struct command *c);
void door_done(struct command *c);

/* gate.c: is it to wait for a proof that its session lives?  If so it will be run again. */
bool gate_holds(struct command *c);
void gate_ask(struct command *c); /* at its turn: so that the answer comes with its data */

/* SCSI (scsi_command.c, data_out.c, r2t.c, data_in.c, response.c) */
bool scsi_command_begin(struct connection *c);
void scsi_command_refuse(struct command *c, uint8_t key, uint16_t code);
bool data_out_begin(struct connection *c);
void data_out_end(struct connection *c);
void data_out_spoiled(struct connection *c);
bool data_out_whole(const struct command *c);
bool data_out_settled(const struct command *c); /* nothing that was asked for is missing */
void data_out_refuse_spoiled(struct command *c);
void r2t_ask(struct command *c);
bool r2t_next(struct command *c, struct pdu_out *ret);
bool scsi_answer(struct command *c, struct pdu_out *ret);
void data_in_start(struct command *c);
void data_in_next(struct command *c, struct pdu_out *ret);
bool data_in_left(const struct command *c);
void response_next(struct command *c, struct pdu_out *ret);
void response_residual(const struct command *c, uint8_t *flags, be32 *residual);

#endif
