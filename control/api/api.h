/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/api.h — the REST resources; each file beside this one answers for one. */
#ifndef CONTROL_API_API_H
#define CONTROL_API_API_H

#include "control/http/router.h"

/* volumes.c, volume_create.c */
void volumes_list(struct control *, const struct http_request *, struct http_answer *);
void volume_create(struct control *, const struct http_request *, struct http_answer *);
void volume_show(struct control *, const struct http_request *, struct http_answer *);
void volume_resize(struct control *, const struct http_request *, struct http_answer *);
void volume_delete(struct control *, const struct http_request *, struct http_answer *);

/* attachments.c */
void attachments_list(struct control *, const struct http_request *, struct http_answer *);
void attachment_create(struct control *, const struct http_request *, struct http_answer *);
void attachment_show(struct control *, const struct http_request *, struct http_answer *);
void attachment_delete(struct control *, const struct http_request *, struct http_answer *);

/* nodes.c, disks.c, health.c */
void nodes_list(struct control *, const struct http_request *, struct http_answer *);
void node_show(struct control *, const struct http_request *, struct http_answer *);
void disks_list(struct control *, const struct http_request *, struct http_answer *);
void disk_show(struct control *, const struct http_request *, struct http_answer *);
void health_show(struct control *, const struct http_request *, struct http_answer *);

#endif
