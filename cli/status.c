/* SPDX-License-Identifier: Apache-2.0 */
/* cli/status.c — dolmen status: health in a few lines; exit code 1 when something is wrong. */
#include "cli/api.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>

static void print_health(struct cli *cli, const char *url, const json_t *health)
{
    json_t *reason;
    size_t i;

    fprintf(cli->out, "%s at %s\n", text_of(health, "status"), url);
    fprintf(cli->out, "nodes    %" PRIu64 ", %" PRIu64 " silent\n", number_of(health, "nodes"),
            number_of(health, "nodes_silent"));
    fprintf(cli->out, "volumes  %" PRIu64 ", %" PRIu64 " waiting\n", number_of(health, "volumes"),
            number_of(health, "volumes_waiting"));
    json_array_foreach(json_object_get(health, "why"), i, reason)
        fprintf(cli->out, "  %s\n", json_string_value(reason) ? json_string_value(reason) : "?");
}

enum cli_exit status_run(struct cli *cli, const struct arguments *a)
{
    json_t *health;
    char url[256];
    bool well;

    (void)a;
    if (!api_url(cli, url) || !api_call(cli, "GET", "/healthz", NULL, &health))
        return CLI_FAILED;
    well = strcmp(text_of(health, "status"), "ok") == 0;
    if (cli->json)
        api_print(cli, health);
    else
        print_health(cli, url, health);
    json_decref(health);
    return well ? CLI_OK : CLI_FAILED;
}
