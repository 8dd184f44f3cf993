/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_tables.h — GET /v1/volumes, GET /v1/sessions: what `dolmen top` reads. */
#ifndef STORAGED_STATUS_TABLES_H
#define STORAGED_STATUS_TABLES_H

#include "storaged/status.h"

void status_volumes(struct status_node *n, const struct http_request *r, struct http_answer *a);
void status_sessions(struct status_node *n, const struct http_request *r, struct http_answer *a);

#endif
