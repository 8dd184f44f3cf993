/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/chap.h — an attachment's CHAP words: asked for, minted, shown.  Private. */
#ifndef CONTROL_API_CHAP_H
#define CONTROL_API_CHAP_H

#include "control/json.h"

/*
 * The member "chap" of a request: missing: none; {"mutual":bool, user, secret, mutual_user,
 * mutual_secret}, all of which may be missing and are minted then.
 */
bool chap_wish(const json_t *body, struct chap_record *ret, struct problem *p);

/* {"kind":"none"|"one-way"|"mutual", user, mutual_user}, the secrets only where `secrets` says so.
 */
json_t *chap_show(const struct chap_record *chap, bool secrets);

#endif
