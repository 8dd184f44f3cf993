/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/initiator.h — a small initiator over env's net, for the simulated world and the real.
 *
 * It logs in, reads, writes and pings like an honest initiator (RFC 7143, ErrorRecoveryLevel 0),
 * and sends any bytes or PDUs like a dishonest one.  What comes back is held against the rules:
 * StatSN, DataSN and offsets without gaps, MaxCmdSN never smaller, segments and bursts as
 * negotiated; a violation ends in assert().  A PDU that no request of its own waits for stands in a
 * list until initiator_take().
 *
 *   struct initiator *i = initiator_open(env, &config, iscsi_target_portal(target, 0));
 *   assert_true(sim_run_until(sim, initiator_settled, i, bound));   // i->full, or i->login_status
 *   initiator_write(i, &request, lba, bytes, length);
 *   assert_true(sim_run_until(sim, initiator_answered, &request, bound));
 *
 * All calls belong to the env's thread.  Memory comes from malloc: it is a test's.
 */
#ifndef TESTS_ISCSI_INITIATOR_H
#define TESTS_ISCSI_INITIATOR_H

#include "env/env.h"
#include "iscsi-target/chap.h"
#include "iscsi-target/rfc7143.h"

#include <stdbool.h>
#include <stdint.h>

struct initiator_chap {
    const char *user, *secret;
    const char *mutual_user, *mutual_secret; /* NULL: the target need not prove itself */
    const char *algorithms;                  /* "7,5" */
};

/* Sees every PDU of a connection, header only; both are called before anything else happens. */
struct initiator_watch {
    void (*sent)(struct initiator_watch *, const union bhs *);
    void (*received)(struct initiator_watch *, const union bhs *);
};

struct initiator_config {
    const char *name, *target; /* target NULL: a discovery session */
    uint8_t isid[6];
    const char *keys;      /* more or other keys: "A=1\nB=2\n"; NULL: the usual ones */
    uint32_t first_cmd_sn; /* 0: 1 */
    const struct initiator_chap *chap;
    struct initiator_watch *watch; /* NULL: nobody */
    bool two_stages;               /* through SecurityNegotiation */
    bool no_immediate_data;        /* writes send none            */
    bool unsolicited;              /* writes send FirstBurstLength unasked */
    bool raw;                      /* only connects: whoever opened it sends everything */
    bool mute;                     /* never answers a ping */
};

struct initiator_pdu {
    struct list link;
    union bhs bhs;
    uint32_t length;
    uint8_t data[];
};

struct initiator {
    struct env *env;
    struct net_conn *net; /* NULL: closed */
    struct initiator_config config;
    enum err closed_because;

    bool full;             /* logged in */
    uint16_t login_status; /* class and detail of the last login response */
    uint16_t tsih;
    enum chap_algorithm chap_algorithm;
    bool target_proved;          /* by mutual CHAP */
    struct net_address redirect; /* TargetAddress of a 0x01xx */
    /* as negotiated; ours is max_recv */
    uint32_t max_send, max_recv, first_burst, max_burst, max_r2t;
    bool initial_r2t, immediate_data;
    bool header_digest, data_digest; /* as negotiated: in force once `full` */
    bool spoil_header, spoil_data;   /* of the next PDU: not what its digest says */

    uint32_t cmd_sn, exp_stat_sn, exp_cmd_sn, max_cmd_sn, next_itt;
    bool stat_sn_known;
    bool lenient; /* it sends nonsense: answers are not held against the rules */

    uint8_t *bytes; /* received, not yet whole */
    uint32_t length, room;
    struct list pdus;     /* for initiator_take() */
    struct list requests; /* in flight */
    struct list sends;
    char text[4096]; /* keys of the last login or text response, newline after each */
};

struct initiator *initiator_open(struct env *env, const struct initiator_config *config,
                                 const struct net_address *to);
/* Once closed; requests in flight were answered with E_CLOSED. */
void initiator_free(struct initiator *i);
void initiator_close(struct initiator *i); /* at once, without a logout */

/* ---- for sim_run_until() ---- */
bool initiator_settled(void *initiator); /* logged in, refused or closed */
bool initiator_closed(void *initiator);
bool initiator_answered(void *request);
bool initiator_has_pdu(void *initiator);

/* ---- raw ---- */
void initiator_send(struct initiator *i, const void *bytes, uint32_t length);
/* Sets DataSegmentLength, pads, adds digests; everything else goes as it stands in *h. */
void initiator_pdu(struct initiator *i, const union bhs *h, const void *data, uint32_t length);
struct initiator_pdu *initiator_take(struct initiator *i); /* free() it; NULL: none */
/* CmdSN, ExpStatSN and a new ITT of this session into *h; a CmdSN is used up unless immediate. */
void initiator_stamp(struct initiator *i, union bhs *h);

/* How many commands the target lets it send now; nobody else looks. */
uint32_t initiator_window(const struct initiator *i);

/* A login request with keys "A=1\nB=2\n"; flags: T, C, CSG, NSG. */
void initiator_login(struct initiator *i, uint8_t flags, const char *keys);
/* Value of a key in i->text; NULL: not there.  Valid until the next call. */
const char *initiator_key(const struct initiator *i, const char *key);

/* ---- requests ---- */

/* Zeroed, then the first part filled by the caller or a helper below; memory is the caller's. */
struct initiator_request {
    uint8_t cdb[16];
    uint64_t lun;
    const uint8_t *out; /* data to send: W  */
    uint8_t *in;        /* data to take: R  */
    uint32_t length;    /* of either        */
    uint8_t attribute;  /* enum task_attribute */
    uint32_t edtl;      /* 0: length        */
    bool edtl_zero;     /* 0 is meant       */
    void (*done)(struct initiator_request *);
    void *owner;

    bool answered;
    enum err err; /* E_CLOSED: the connection ended first */
    uint8_t status, flags;
    uint32_t residual, sense_bytes;
    uint8_t sense[256];

    struct initiator *initiator;
    struct list link;
    uint32_t itt, cmd_sn, got, data_sn, in_burst, sent;
    uint32_t r2t_sn;
};

void initiator_command(struct initiator *i, struct initiator_request *r);
/* Its command was rejected for its data digest: the same header and its data once more. */
void initiator_retry(struct initiator_request *r, const union bhs *command);
void initiator_read(struct initiator *i, struct initiator_request *r, uint64_t lba, void *bytes,
                    uint32_t length); /* READ(16), 512-byte blocks */
void initiator_write(struct initiator *i, struct initiator_request *r, uint64_t lba,
                     const void *bytes, uint32_t length); /* WRITE(16) */

/* It was aborted: no answer will come. */
void initiator_forget(struct initiator_request *r);

void initiator_nop(struct initiator *i, const void *data, uint32_t length); /* immediate */
void initiator_logout(struct initiator *i);

#endif
