/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/pdu.h — one table: which PDUs there are, when each is legal, who reads it.
 */
#ifndef ISCSI_TARGET_PDU_H
#define ISCSI_TARGET_PDU_H

#include "iscsi-target/connection.h"

struct pdu_kind {
    const char *name;
    uint32_t phases; /* bits: IN(PHASE_…) */
    /* The header is whole and its lengths are right.  True: the data segment goes to
     * receive.sink and `end` is called behind it; false: refused or ignored, it is discarded. */
    bool (*begin)(struct connection *c);
    void (*end)(struct connection *c);
    void (*spoiled)(struct connection *c); /* instead of `end`: the data digest is wrong */
};

/* By opcode; name is NULL where there is none. */
extern const struct pdu_kind pdu_kinds[OPCODE_MASK + 1];

/* The additional header segments of the PDU that arrives fill TotalAHSLength exactly (11.2.2). */
bool pdu_ahs_whole(const struct connection *c);

bool login_begin(struct connection *c);
void login_end(struct connection *c);
bool nop_begin(struct connection *c);
bool task_management_begin(struct connection *c);
bool text_begin(struct connection *c);
void text_end(struct connection *c);
bool logout_begin(struct connection *c);
bool snack_begin(struct connection *c);

#endif
