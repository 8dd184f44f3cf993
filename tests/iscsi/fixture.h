/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/fixture.h — the target over memory and initiators, in one simulated world.
 *
 *   struct lab w;
 *   lab_open(&w, limits);                     // or lab_begin(&w) for the usual ones
 *   struct initiator *i = lab_login(&w, "iqn.a", 1);
 *   … lab_read(), lab_write(), raw PDUs …
 *   lab_close(&w);                            // asserts that nothing is left
 *
 * In lab_open_apart() the portal's target and the block's live on two reactors, and each login is
 * handed over.  With LAB_APART=1 in the environment every lab is opened so.
 */
#ifndef TESTS_ISCSI_FIXTURE_H
#define TESTS_ISCSI_FIXTURE_H

#include "iscsi-target/iscsi_target.h"
#include "tests/iscsi/initiator.h"
#include "tests/iscsi/ram_block.h"
#include "tests/sim/world/world.h"

#define LAB_INITIATORS 512u
#define LAB_TARGET     "iqn.2026-11.internal.dolmen:1122334455667788"
#define LAB_BOUND_US   (10ull * 1000 * 1000)
#define LAB_DISK_BYTES (32u << 20)

struct lab {
    struct sim *sim;
    struct iscsi_limits limits;
    struct env *target_env, *initiator_env;
    struct env *home_env; /* target_env, unless apart */
    struct ram_block ram;
    struct ram_directory directory;
    struct iscsi_target *target; /* has the portal                                         */
    struct iscsi_target *home;   /* has the sessions on `ram`: the same one, unless apart  */
    struct initiator *initiators[LAB_INITIATORS];
    uint32_t initiator_count;
};

void lab_begin(struct lab *w);
void lab_open(struct lab *w, struct iscsi_limits limits);
void lab_open_from(struct lab *w, struct iscsi_limits limits, uint64_t seed);
void lab_open_apart(struct lab *w, struct iscsi_limits limits, uint64_t seed);
bool lab_is_apart(const struct lab *w);
bool lab_all_apart(void); /* LAB_APART */
void lab_close(struct lab *w);
/* The same in two: the target begins to close; it has, and nothing is left. */
void lab_close_begin(struct lab *w, struct iscsi_close *closing);
void lab_close_end(struct lab *w, struct iscsi_close *closing);

/* Turns the world until it is so; asserts that it becomes so. */
void lab_until(struct lab *w, bool (*is_true)(void *), void *arg);

/* Connected and settled: logged in, or refused.  `isid` is its last byte. */
struct initiator *lab_login(struct lab *w, const char *name, uint8_t isid);
struct initiator *lab_connect(struct lab *w, const struct initiator_config *config);
struct initiator *lab_raw(struct lab *w); /* connected only */

/* Closed, if it is not yet, and forgotten. */
void lab_part(struct lab *w, struct initiator *i);

/* Logged in, and the unit attention that waits for everybody is taken. */
struct initiator *lab_ready(struct lab *w, const char *name, uint8_t isid);
struct initiator *lab_ready_with(struct lab *w, struct initiator_config config);

/* Until answered; the status. */
uint8_t lab_run(struct lab *w, struct initiator *i, struct initiator_request *r);
uint8_t lab_read(struct lab *w, struct initiator *i, uint64_t lba, void *bytes, uint32_t length);
uint8_t lab_write(struct lab *w, struct initiator *i, uint64_t lba, const void *bytes,
                  uint32_t length);

/* The next PDU that no request waited for; NULL: the connection ended first.  free() it. */
struct initiator_pdu *lab_pdu(struct lab *w, struct initiator *i);
/* The same, and it must be a Reject with that reason, holding a header with that opcode. */
void lab_expect_reject(struct lab *w, struct initiator *i, uint8_t reason, uint8_t opcode);

/* WRITE(16) of 512-byte `blocks` as a PDU of its own, that no request waits for; the rest of *h
 * (flags, EDTL) is the caller's, `length` bytes of data come with it.  *h is as it was sent. */
void lab_raw_write(struct initiator *i, union bhs *h, struct extent blocks, const void *data,
                   uint32_t length);
/* The SCSI Response that comes next, and its sense code (key << 16 | ASC << 8 | ASCQ; 0: GOOD). */
uint32_t lab_response(struct lab *w, struct initiator *i, const union bhs *to);

/* Still served: a write and a read of another session. */
void lab_alive(struct lab *w, struct initiator *i);

uint32_t sense_code(const struct initiator_request *r); /* key << 16 | ASC << 8 | ASCQ */

void fill(uint8_t *bytes, uint32_t length, uint32_t seed);

#endif
