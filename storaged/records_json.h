/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/records_json.h — records as /node/v1 of metad writes them (design 10). */
#ifndef STORAGED_RECORDS_JSON_H
#define STORAGED_RECORDS_JSON_H

#include "metadata/records.h"

/* The answer of range and watch; E_DAMAGED: it is none.  *ret is empty on failure. */
enum err records_list_read(const char *json, size_t length, struct record_list *ret);

/* The revision of a transaction's answer. */
enum err records_revision_read(const char *json, size_t length, uint64_t *ret);

/* Why an answer is a problem (RFC 9457), as printable ASCII; "" where it does not say. */
void records_problem_read(const char *json, size_t length, char ret[RECORDS_WHY_MAX]);

/* The body of a transaction; free() it; NULL without memory. */
char *records_transaction_write(struct identity node, const struct record_transaction *t);

#endif
