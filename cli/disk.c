/* SPDX-License-Identifier: Apache-2.0 */
/* cli/disk.c — dolmen disk list. */
#include "base/size.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <inttypes.h>

static void list_row(struct table *t, const json_t *d)
{
    char replicas[24], orphans[24], state[48];
    struct size_text size = size_show(number_of(d, "size_bytes"));
    struct size_text free_size = size_show(number_of(d, "free_bytes"));

    snprintf(replicas, sizeof replicas, "%" PRIu64, number_of(d, "replicas"));
    snprintf(orphans, sizeof orphans, "%" PRIu64, number_of(d, "orphans"));
    snprintf(state, sizeof state, "%s%s", text_of(d, "state"),
             json_is_true(json_object_get(d, "read_only")) ? ",read-only" : "");
    table_row(t, (const char *[]){text_of(d, "node_name"), text_of(d, "path"), size.text,
                                  free_size.text, replicas, orphans, state, text_of(d, "id")});
}

enum cli_exit disk_list(struct cli *cli, const struct arguments *a)
{
    struct table t;
    json_t *list, *d;
    size_t i;

    (void)a;
    if (!api_list(cli, "/v1/disks", &list))
        return CLI_FAILED;
    if (cli->json) {
        api_print(cli, list);
    } else {
        table_init(&t, (const char *[]){"NODE", "PATH", "SIZE", "FREE", "REPLICAS", "ORPHANS",
                                        "STATE", "ID", NULL});
        json_array_foreach(list, i, d) list_row(&t, d);
        table_print(&t, cli->out);
        table_done(&t);
    }
    json_decref(list);
    return CLI_OK;
}
