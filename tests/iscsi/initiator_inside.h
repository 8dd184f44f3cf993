/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/initiator_inside.h — between the two files of the initiator. */
#ifndef TESTS_ISCSI_INITIATOR_INSIDE_H
#define TESTS_ISCSI_INITIATOR_INSIDE_H

#include "tests/iscsi/initiator.h"

/* True: it belonged to a request. */
bool request_take(struct initiator *i, const union bhs *h, const uint8_t *data, uint32_t length);
/* True: it has sent the next step of CHAP, which a login response asked for. */
bool initiator_chap_goes_on(struct initiator *i);
void requests_closed(struct initiator *i);

#endif
