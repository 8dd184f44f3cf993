/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk_faults.h — what a simulated disk does wrong, at rates that the test sets.
 *
 * A disk has a list of rules.  Each request asks them in order; the first that fits and draws its
 * rate decides what goes wrong with it.  A disk without rules draws nothing: its seeds stay as
 * they were.
 *
 *   sim_disk_fault(d, (struct sim_fault_rule){.kind = FAULT_LOST_WRITE, .per_million = 2000});
 *   sim_disk_fault(d, (struct sim_fault_rule){
 *       .kind = FAULT_EIO, .per_million = EACH, .ops = FAULT_ON(DISK_READ),
 *       .bytes = {offset, 4096}, .times = 1});
 *
 * Rates describe requests, not time: rot and latent errors come to light, and are decided, when
 * the sector is read.  sim_disk_harm() does such harm at once.  A checker asks sim_disk_harmed()
 * for the bytes that are not what the writer should find, and sim_disk_faults() for all there was.
 */
#ifndef TESTS_SIM_WORLD_DISK_FAULTS_H
#define TESTS_SIM_WORLD_DISK_FAULTS_H

#include "base/extent.h"
#include "env/env.h"

struct sim_disk;

enum sim_fault_kind {
    /* harm: it stays until the sectors are written again */
    FAULT_ROT,               /* a read's sector: one bit has turned                            */
    FAULT_LOST_WRITE,        /* acknowledged, never landed                                     */
    FAULT_MISDIRECTED_WRITE, /* acknowledged, landed elsewhere (rule.to)                       */
    FAULT_LATENT,            /* a read's sector is E_DISK until it is written                  */
    FAULT_LASTING,           /* a request's first sector: E_DISK for ever, read or written     */

    /* of one request */
    FAULT_MISDIRECTED_READ, /* other bytes come (rule.to)                                      */
    FAULT_EIO,              /* E_DISK; a write has landed, or not, or in part; a sync did nothing */
    FAULT_SLOW,             /* late by up to rule.us                                           */
    FAULT_STUCK,            /* late by rule.us to twice that                                   */
    FAULT_LYING_SYNC,       /* E_OK, and nothing is durable for it: not to be survived         */
    FAULT_BREAKS,           /* from here on the whole disk is E_DISK: sim_disk.broken          */

    /* the fate of a write that was not durable when the power went */
    FAULT_POWER_LOSES, /* nothing of it stays           */
    FAULT_POWER_KEEPS, /* all of it                     */
    FAULT_POWER_CUTS,  /* its first sectors stay        */
    FAULT_POWER_HOLES, /* single sectors of it are lost */

    FAULT_KINDS
};

#define FAULT_NONE      FAULT_KINDS
#define FAULT_ON(op)    (1u << (op))
#define FAULT_BIT(kind) (1u << (kind))
#define EACH            1000000u /* per million: every request that fits */

struct sim_fault_rule {
    enum sim_fault_kind kind;
    uint32_t per_million; /* of the requests that fit                                */
    uint32_t ops;         /* FAULT_ON(…) of them; 0: every one that the kind can hit */
    struct extent bytes;  /* only requests that touch these; count 0: all            */
    uint64_t request;     /* only this one, by sim_disk.requests; 0: all             */
    uint64_t times;       /* so often, then never again; 0: no bound                 */
    uint64_t us;          /* SLOW, STUCK                                             */
    struct extent to;     /* misdirected: somewhere in here; count 0: in the disk    */
};

/* One fault that came to pass. */
struct sim_fault {
    enum sim_fault_kind kind;
    struct extent bytes; /* a misdirected write's: where it was meant to go … */
    struct extent to;    /* … and where it went, or where a read came from     */
    uint64_t request, at_us;
};

#define SIM_FAULT_RULES 16u

/* A disk's, in struct sim_disk. */
struct sim_disk_faults {
    struct sim_fault_rule rules[SIM_FAULT_RULES];
    uint32_t rule_count;
    struct sim_fault *all; /* in the order in which they came to pass */
    uint32_t count, max;
};

/* From now on; at most SIM_FAULT_RULES. */
void sim_disk_fault(struct sim_disk *d, struct sim_fault_rule rule);

/* No rule any more.  What is harmed stays so. */
void sim_disk_calm(struct sim_disk *d);

/* Harm at rest, at once, to the sectors that `bytes` touches: ROT, LATENT or LASTING. */
void sim_disk_harm(struct sim_disk *d, enum sim_fault_kind kind, struct extent bytes);

/*
 * FAULT_BIT()s of the harm that a read of `bytes` meets now, 0: none.  It follows the sectors: a
 * write mends them, unless the power goes before that write is durable.
 */
uint32_t sim_disk_harmed(const struct sim_disk *d, struct extent bytes);

/* All faults so far, oldest first; valid until the next one. */
const struct sim_fault *sim_disk_faults(const struct sim_disk *d, uint32_t *ret_count);
uint32_t sim_disk_fault_count(const struct sim_disk *d, enum sim_fault_kind kind);
const char *sim_fault_name(enum sim_fault_kind kind);

#endif
