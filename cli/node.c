/* SPDX-License-Identifier: Apache-2.0 */
/* cli/node.c — dolmen node list, remove. */
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <inttypes.h>

static void list_row(struct table *t, const json_t *n)
{
    char portals[256], disks[24], volumes[24], seen[32];

    snprintf(disks, sizeof disks, "%zu", json_array_size(json_object_get(n, "disks")));
    snprintf(volumes, sizeof volumes, "%" PRIu64, number_of(n, "volumes"));
    if (json_is_integer(json_object_get(n, "seen_ms_ago")))
        snprintf(seen, sizeof seen, "%.1f s ago", (double)number_of(n, "seen_ms_ago") / 1000);
    else
        snprintf(seen, sizeof seen, "never");
    table_row(t, (const char *[]){text_of(n, "name"), text_of(n, "rack"), text_of(n, "state"),
                                  texts_of(n, "portals", portals), disks, volumes, seen,
                                  text_of(n, "id")});
}

enum cli_exit node_list(struct cli *cli, const struct arguments *a)
{
    struct table t;
    json_t *list, *n;
    size_t i;

    (void)a;
    if (!api_list(cli, "/v1/nodes", &list))
        return CLI_FAILED;
    if (cli->json) {
        api_print(cli, list);
    } else {
        table_init(&t, (const char *[]){"NAME", "RACK", "STATE", "PORTALS", "DISKS", "VOLUMES",
                                        "SEEN", "ID", NULL});
        json_array_foreach(list, i, n) list_row(&t, n);
        table_print(&t, cli->out);
        table_done(&t);
    }
    json_decref(list);
    return CLI_OK;
}

enum cli_exit node_remove(struct cli *cli, const struct arguments *a)
{
    char path[1024];
    json_t *answer;

    if (!api_path(cli, "/v1/nodes/", a->words[0], path))
        return CLI_USAGE;
    cli->list = "node list";
    if (!api_call(cli, "DELETE", path, NULL, &answer))
        return CLI_FAILED;
    json_decref(answer);
    if (!cli->json)
        fprintf(cli->out, "node %s removed\n", a->words[0]);
    return CLI_OK;
}
