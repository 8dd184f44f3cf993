/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_metrics.h — GET /metrics, and the same lists for docs/metrics.md. */
#ifndef STORAGED_STATUS_METRICS_H
#define STORAGED_STATUS_METRICS_H

#include "storaged/status.h"

void metrics_show(struct status_node *n, const struct http_request *r, struct http_answer *a);

/* `storaged --metrics-list`: a table for people, in Markdown. */
void metrics_page(FILE *to);

#endif
