/* SPDX-License-Identifier: Apache-2.0 */
/* control/node/node.h — /node/v1: what storaged asks of metad (design 10). */
#ifndef CONTROL_NODE_NODE_H
#define CONTROL_NODE_NODE_H

#include "control/http/router.h"

void node_heartbeat(struct control *c, const struct http_request *r, struct http_answer *a);
void node_range(struct control *c, const struct http_request *r, struct http_answer *a);
void node_watch(struct control *c, const struct http_request *r, struct http_answer *a);
void node_transaction(struct control *c, const struct http_request *r, struct http_answer *a);

#endif
