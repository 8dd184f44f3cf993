/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/authentication.h — AuthMethod and the three steps of CHAP (RFC 7143 12.1). */
#ifndef ISCSI_TARGET_AUTHENTICATION_H
#define ISCSI_TARGET_AUTHENTICATION_H

#include "iscsi-target/connection.h"

/* What a request says about it; the values stand in text->in until the next request. */
struct auth_keys {
    const char *method, *algorithms, *id, *challenge, *name, *response;
};

/* Keeps the pair if it is one of these keys. */
void auth_note(struct auth_keys *k, struct text_pair pair);

/* Answers them.  LOGIN_AUTHENTICATION: it has not proved what it must; LOGIN_UNAVAILABLE: it has
 * failed too often of late; LOGIN_INITIATOR_ERROR: out of step. */
enum login_status auth_exchange(struct connection *c, const struct auth_keys *k);

/* The security stage may be left, if it was asked for: nothing is half-way. */
bool auth_settled(const struct connection *c);

/* It has proved what the directory asks for now. */
bool auth_suffices(const struct connection *c, const struct directory_answer *where);

#endif
