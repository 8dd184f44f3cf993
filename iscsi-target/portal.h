/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/portal.h — opening and closing what the target listens on. */
#ifndef ISCSI_TARGET_PORTAL_H
#define ISCSI_TARGET_PORTAL_H

#include "iscsi-target/target.h"

/* On failure those before *reterr_portal are open: portals_close(). */
must_check enum err portals_open(struct iscsi_target *t, const struct iscsi_config *config,
                                 uint32_t *reterr_portal);
void portals_close(struct iscsi_target *t);

#endif
