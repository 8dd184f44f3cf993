/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/document.h — a record as JSON: the helpers of record.c and page.c.  Private.
 *
 * A reader takes foreign bytes: every member is checked for its type and its bounds, and says false
 * when it is not what it must be.  A writer starts from the former document, so that members which
 * this version does not know live on.
 */
#ifndef METADATA_DOCUMENT_H
#define METADATA_DOCUMENT_H

#include "metadata/records.h"

#include <jansson.h>

static inline void json_release(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(json_release))) json_t

/* E_DAMAGED: no object, or no version; E_UNSUPPORTED: its "incompat" names something. */
must_check enum err document_open(const char *text, json_t **ret);

/* The member must be there. */
bool member_u64(const json_t *d, const char *name, uint64_t *ret);
bool member_u32(const json_t *d, const char *name, uint32_t *ret);
bool member_identity(const json_t *d, const char *name, struct identity *ret);
bool member_name(const json_t *d, const char *name, char ret[RECORD_NAME_MAX + 1]);
/* 16 hex digits, any value */
bool member_bits(const json_t *d, const char *name, uint64_t *ret);

/* The member may be missing: false, none.  A null identity is none, too. */
bool member_flag(const json_t *d, const char *name, bool *ret);
bool member_u32_or_none(const json_t *d, const char *name, uint32_t *ret); /* 0: it is missing */
bool member_identity_or_none(const json_t *d, const char *name, struct identity *ret);

/* One element of an array. */
bool value_identity(const json_t *v, struct identity *ret);
bool value_u64(const json_t *v, uint64_t *ret);

/*
 * A new document over `former` (may be NULL), with the version of the newer.  set_… put a member,
 * append_json() an element of one; they note failure, and so does a former one that is no object.
 * document_finish() consumes the document: its text, or NULL after a failure.
 */
struct draft {
    json_t *root;
    bool failed;
};
struct draft document_begin(const char *former);
void set_json(struct draft *d, const char *name, json_t *value); /* takes value */
void append_json(struct draft *d, json_t *list, json_t *value);  /* takes value */
void set_u64(struct draft *d, const char *name, uint64_t value);
void set_text(struct draft *d, const char *name, const char *value);
void set_flag(struct draft *d, const char *name, bool value);
void set_identity(struct draft *d, const char *name, struct identity id); /* none: null */
char *document_finish(struct draft *d);

#endif
