/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/faults.h — PUT /v1/faults: a disk of this node is made slow, hangs, errs or vanishes.
 *
 *   {"disk": "/srv/disk0", "blocks_per_second": 200, "delay_ms": 0, "hang_ms": 20000,
 *    "errors": "writes", "errors_after_requests": 100, "errors_ms": 5000, "vanished": false}
 *
 * `disk` is its identity or its path; what is not said is no fault (env/faulty_disk.h).  Refused
 * with 403 where storaged runs without --allow-faults.
 */
#ifndef STORAGED_FAULTS_H
#define STORAGED_FAULTS_H

#include "storaged/status.h"

#define FAULTS_BODY_MAX 4096u

/* A row of status_routes. */
void faults_change(struct status_node *n, const struct http_request *r, struct http_answer *a);

#endif
