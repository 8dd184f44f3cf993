/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/json.h — bodies of requests decoded with every check, answers encoded.
 *
 * A decoder names the members it knows; any other is refused by name.  Each getter says false once
 * the problem is filled, so that `a && b && c` stops at the first.
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include "control/problem.h"
#include "metadata/records.h"

#include <jansson.h>

static inline void json_release(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(json_release))) json_t

/* It is one of the words, which blanks part ("name size_bytes"). */
bool word_in(const char *words, const char *word);

/* An object with members out of `members` ("name size_bytes") only. */
bool body_read(const struct http_request *r, const char *members, json_t **ret, struct problem *p);
/* The same for an object inside; `what` names it in the refusal. */
bool object_check(const json_t *o, const char *what, const char *members, struct problem *p);

/* The member must be there. */
bool body_text(const json_t *b, const char *name, const char **ret, struct problem *p);
bool body_u64(const json_t *b, const char *name, uint64_t *ret, struct problem *p);
bool body_u32(const json_t *b, const char *name, uint32_t *ret, struct problem *p);
bool body_identity(const json_t *b, const char *name, struct identity *ret, struct problem *p);
bool body_name(const json_t *b, const char *name, char ret[RECORD_NAME_MAX + 1], struct problem *p);
/* An array of at most `max`; *ret stays the body's. */
bool body_array(const json_t *b, const char *name, uint32_t max, json_t **ret, struct problem *p);
/* May be missing: *ret stays what it is. */
bool body_text_maybe(const json_t *b, const char *name, const char **ret, struct problem *p);
bool body_u32_maybe(const json_t *b, const char *name, uint32_t *ret, struct problem *p);
bool body_flag(const json_t *b, const char *name, bool *ret, struct problem *p);

/* Takes the value; NULL (no memory) becomes a 503 that says so. */
void answer_json(struct http_answer *a, unsigned status, json_t *value);

json_t *json_identity(struct identity id); /* none: null */

#endif
