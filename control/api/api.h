/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/api.h — the REST resources; each file beside this one answers for one. */
#ifndef CONTROL_API_API_H
#define CONTROL_API_API_H

#include "control/http/router.h"

/* volumes.c, volume_create.c, volume_salvage.c */
void volumes_list(struct control *c, const struct http_request *r, struct http_answer *a);
void volume_create(struct control *c, const struct http_request *r, struct http_answer *a);
void volume_show(struct control *c, const struct http_request *r, struct http_answer *a);
void volume_resize(struct control *c, const struct http_request *r, struct http_answer *a);
void volume_delete(struct control *c, const struct http_request *r, struct http_answer *a);
void volume_salvage(struct control *c, const struct http_request *r, struct http_answer *a);

/* attachments.c */
void attachments_list(struct control *c, const struct http_request *r, struct http_answer *a);
void attachment_create(struct control *c, const struct http_request *r, struct http_answer *a);
void attachment_show(struct control *c, const struct http_request *r, struct http_answer *a);
void attachment_delete(struct control *c, const struct http_request *r, struct http_answer *a);

/* nodes.c, node_remove.c, disks.c, disk_remove.c, health.c, metrics.c */
void nodes_list(struct control *c, const struct http_request *r, struct http_answer *a);
void node_show(struct control *c, const struct http_request *r, struct http_answer *a);
void node_remove(struct control *c, const struct http_request *r, struct http_answer *a);
void disks_list(struct control *c, const struct http_request *r, struct http_answer *a);
void disk_show(struct control *c, const struct http_request *r, struct http_answer *a);
void disk_remove(struct control *c, const struct http_request *r, struct http_answer *a);
void metrics_show(struct control *c, const struct http_request *r, struct http_answer *a);
void health_show(struct control *c, const struct http_request *r, struct http_answer *a);

#endif
