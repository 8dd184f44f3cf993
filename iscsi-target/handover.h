/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/handover.h — a login goes to the target whose reactor is its block's. */
#ifndef ISCSI_TARGET_HANDOVER_H
#define ISCSI_TARGET_HANDOVER_H

#include "iscsi-target/connection.h"

/* Its first whole request names a target that lives at `home`: phase MOVING, nothing of it was
 * answered.  LOGIN_OUT_OF_RESOURCES: too many are on their way. */
enum login_status handover_begin(struct connection *c, struct iscsi_target *home);

/* What came behind that request. */
void handover_keep(struct connection *c, const uint8_t *bytes, uint32_t length);

/* From the sender: what was answered before has left; any number of times. */
void handover_go(struct connection *c);

/* The connection is over here: the letter leaves, or the connection ended on the way to it. */
void handover_left(struct connection *c);

size_t handover_bytes(void); /* of one, for its pool */

#endif
