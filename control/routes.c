/* SPDX-License-Identifier: Apache-2.0 */
/* control/routes.c — all that metad serves; openapi.yaml beside it tells what each means. */
#include "base/util.h"
#include "control/api/api.h"
#include "control/inside.h"
#include "control/node/node.h"

/* clang-format off */
const struct route control_routes[] = {
    {"GET",    "/v1/volumes",           "limit after",          0,                  volumes_list},
    {"POST",   "/v1/volumes",           "",                     REQUEST_BODY_MAX,   volume_create},
    {"GET",    "/v1/volumes/{}",        "",                     0,                  volume_show},
    {"PATCH",  "/v1/volumes/{}",        "",                     REQUEST_BODY_MAX,   volume_resize},
    {"DELETE", "/v1/volumes/{}",        "",                     0,                  volume_delete},
    {"POST",   "/v1/volumes/{}/salvage", "",                    0,                  volume_salvage},
    {"GET",    "/v1/attachments",       "volume limit after",   0,                  attachments_list},
    {"POST",   "/v1/attachments",       "",                     REQUEST_BODY_MAX,   attachment_create},
    {"GET",    "/v1/attachments/{}",    "",                     0,                  attachment_show},
    {"DELETE", "/v1/attachments/{}",    "",                     0,                  attachment_delete},
    {"GET",    "/v1/nodes",             "limit after",          0,                  nodes_list},
    {"GET",    "/v1/nodes/{}",          "",                     0,                  node_show},
    {"DELETE", "/v1/nodes/{}",          "",                     0,                  node_remove},
    {"GET",    "/v1/disks",             "limit after",          0,                  disks_list},
    {"GET",    "/v1/disks/{}",          "",                     0,                  disk_show},
    {"DELETE", "/v1/disks/{}",          "",                     0,                  disk_remove},
    {"GET",    "/metrics",              "",                     0,                  metrics_show},
    {"GET",    "/healthz",              "",                     0,                  health_show},
    {"POST",   "/node/v1/heartbeat",    "",                     HEARTBEAT_BODY_MAX, node_heartbeat},
    {"GET",    "/node/v1/range",        "prefix",               0,                  node_range},
    {"GET",    "/node/v1/watch",        "prefix revision wait_ms", 0,               node_watch},
    {"POST",   "/node/v1/transaction",  "",                     2 * REQUEST_BODY_MAX, node_transaction},
};
/* clang-format on */

const uint32_t control_route_count = array_length(control_routes);
