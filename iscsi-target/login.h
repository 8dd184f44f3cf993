/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/login.h — what a login asks of others. */
#ifndef ISCSI_TARGET_LOGIN_H
#define ISCSI_TARGET_LOGIN_H

#include "iscsi-target/connection.h"

/* Where the target that the login names lives: what the directory says now, or said when it was
 * handed over.  Other than LOGIN_OK: what to answer. */
enum login_status login_directory(struct connection *c, struct directory_answer *ret);

/* Goes on with one that another target has handed over, as if `request` had been received here. */
void login_arrived(struct connection *c, const struct login *l, const struct text *request);

/* refused.c: says so, with who, from where and why, as often as a log bears. */
void login_refused(struct connection *c, enum login_status status);

bool session_has_tsih(const struct iscsi_target *t, uint16_t tsih);

#endif
