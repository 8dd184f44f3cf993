/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/login.h — what a login asks of others. */
#ifndef ISCSI_TARGET_LOGIN_H
#define ISCSI_TARGET_LOGIN_H

#include "iscsi-target/connection.h"

/* Where the target that the login names lives; other than LOGIN_OK: what to answer. */
enum login_status login_directory(struct connection *c, struct directory_answer *ret);

bool session_has_tsih(const struct iscsi_target *t, uint16_t tsih);

#endif
