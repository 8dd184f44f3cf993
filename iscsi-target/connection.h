/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/connection.h — one TCP connection from accept to its last byte.
 *
 * Received bytes are cut into PDUs (receive.c), each is handed to its row of the table (pdu.h):
 * `begin` when the header is whole, which says where the data segment goes, `end` when all of it
 * is there.  A connection belongs to no session (login), or to one for the rest of its life.
 */
#ifndef ISCSI_TARGET_CONNECTION_H
#define ISCSI_TARGET_CONNECTION_H

#include "iscsi-target/chap.h"
#include "iscsi-target/iscsi_target.h"
#include "iscsi-target/send.h"
#include "iscsi-target/text_keys.h"

enum phase {
    PHASE_LOGIN,
    PHASE_DISCOVERY, /* full feature phase of a discovery session */
    PHASE_FULL,
    PHASE_MOVING, /* its login goes on at another reactor: what comes is kept for it */
    PHASE_ENDING, /* nothing is read any more */
};
#define IN(phase) (1u << (phase))

/* Where the data segment of the PDU that arrives goes, from `at` on: what finds no room is
 * discarded. A payload's room is what it has at that moment; `room` is that of `flat`. */
struct sink {
    struct payload *payload;
    char *flat;
    uint32_t at, room;
};

struct pdu_kind;
struct command;
struct handover;
struct session;

struct receiver {
    /* when it did not come in one piece */
    uint8_t header[BHS_BYTES + AHS_BYTES_MAX + DIGEST_BYTES];
    uint32_t header_bytes;
    const union bhs *bhs; /* of the PDU that arrives: in header[], or in the bytes received */
    const struct pdu_kind *kind; /* NULL: what is left of it is discarded */
    uint32_t data_left, pad_left, digest_left;
    bool in_data;
    bool has_digest; /* of its data … */
    uint32_t crc;    /* … as counted so far */
    uint8_t digest[DIGEST_BYTES];
    struct sink sink;
    struct command *command; /* to which this PDU belongs */
};

/* How far CHAP has come (authentication.c). */
enum auth_step {
    AUTH_OPEN,       /* nothing was said yet, or AuthMethod=None */
    AUTH_CHOSEN,     /* AuthMethod=CHAP                          */
    AUTH_CHALLENGED, /* our challenge is out                     */
    AUTH_PROVED,
};
struct auth {
    enum auth_step step;
    bool required; /* by the attachment, when its name was given */
    enum chap_algorithm algorithm;
    uint8_t id, challenge[32];
};

/* What is known of a login under way: fixed by its first request. */
struct login {
    uint8_t isid[6];
    uint16_t tsih, cid;
    uint32_t itt, cmd_sn;
    bool started, named, declared, discovery, answering;
    uint8_t stage, wanted;    /* CSG; flags of the last whole request (T, NSG) */
    enum login_status status; /* of the answer that is being sent              */
    uint8_t flags;            /* of that answer                                */
    uint32_t piece;           /* bytes of text->out in it                      */
    char initiator[ISCSI_NAME_MAX], target[ISCSI_NAME_MAX];
    char session_type[16];
    struct auth auth;
    struct parameters parameters;
    struct source source;
    bool handed;                   /* over to us by another target; then … */
    struct directory_answer where; /* … what its directory said            */
};

struct connection {
    struct iscsi_target *target;
    struct list link;     /* in the target's half_open or connections */
    struct net_conn *net; /* NULL: closed */
    enum phase phase;
    struct session *session;
    bool header_digest, data_digest; /* both ways, in full feature phase */
    struct receiver receive;
    struct login login;
    struct text *text; /* of the login, or of a text request */
    struct sender sender;
    struct timer timer; /* login's deadline, heartbeat, end */
    uint64_t received_us, pinged_us, opened_us, text_us;
    uint64_t listened_us; /* since then without a pause of ours: silence before says nothing */
    bool close_asked;     /* net_close() was called */
    bool text_borrowed;   /* counted in target->texts_borrowed     */
    bool text_spent;      /* goes back when the batch has left     */
    bool text_busy;       /* a text negotiation uses `text` …      */
    struct command *text_owner; /* … for this request */
    bool half_open;             /* counted as such */
    struct handover *handover;  /* PHASE_MOVING: in which its login leaves */
    struct source ping;         /* NOP-In from us (nop.c) */
    bool answer_wanted;         /* the next NOP-In of ours has a TTT */
    bool suspected;             /* gate.c: what it sends may be old …               */
    uint32_t proof_ttt;         /* … until it answers this ping; TAG_NONE: none is out */
    uint64_t proof_asked_us;    /* since when an answer is awaited; 0: it is not    */
    struct source async;        /* async_message.c */
    uint32_t async_events;      /* bits: what is to be said */
    uint16_t logout_seconds;    /* of ASYNC_LOGOUT */
    uint32_t rejects;
};

/* Takes an accepted connection, or closes it when there is no room. */
void connection_accept(struct iscsi_target *t, struct net_conn *net);

/* The same with one from another reactor, that was accepted there at `opened_us`; NULL: no room, it
 * was discarded. */
struct connection *connection_adopt(struct iscsi_target *t, struct net_parcel *p,
                                    uint64_t opened_us);

/* Full feature phase begins with `s`. */
void connection_join(struct connection *c, struct session *s);

/* At once: what is queued is dropped. */
void connection_end_now(struct connection *c);
/* Nothing is read any more; what is queued goes out first, within ENDING_US. */
void connection_end_gently(struct connection *c);

/* From the sender: nothing is under way; it has nothing left, so a connection that is ending is
 * closed, one that is moving goes; it is over. */
void connection_batch_left(struct connection *c);
void connection_drained(struct connection *c);
void connection_over(struct connection *c);

/* A text buffer if there is none yet; false: all are out. */
must_check bool connection_text_get(struct connection *c);
void connection_text_put(struct connection *c);

/* receive.c */
void receive_bytes(struct connection *c, const uint8_t *bytes, uint32_t length);
void receive_discard(struct connection *c); /* the rest of the PDU that arrives */

/* nop.c: a NOP-In of our own; without an answer it only carries fresh window numbers. */
void nop_ping(struct connection *c, bool answer_wanted);

/* gate.c: bytes have come, before they are read; a ping with this tag was answered; its session is
 * to end for want of an answer. */
void gate_heard(struct connection *c, uint64_t now);
void gate_answered(struct connection *c, uint32_t ttt);
bool gate_is_over(const struct connection *c, uint64_t now);

/* async_message.c: asks to log out within so many seconds; says that the session ends now. */
void async_logout(struct connection *c, uint16_t seconds);
void async_drop(struct connection *c);

/* reject.c: answers with a Reject the PDU that arrives, or one whose header was kept; when there
 * are too many to send, the connection ends. */
void pdu_reject(struct connection *c, uint8_t reason);
void header_reject(struct connection *c, uint8_t reason, const uint8_t *header, uint32_t bytes);

#endif
