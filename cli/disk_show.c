/* SPDX-License-Identifier: Apache-2.0 */
/* cli/disk_show.c — dolmen disk show, remove. */
#include "base/size.h"
#include "cli/api.h"
#include "cli/cli.h"

#include <inttypes.h>

static void print_scrub(struct cli *cli, const json_t *s)
{
    struct size_text done = size_show(number_of(s, "done_bytes"));
    struct size_text total = size_show(number_of(s, "total_bytes"));
    struct size_text pace = size_show(number_of(s, "bytes_per_second"));
    const json_t *findings = json_object_get(s, "findings"), *line;
    size_t i;

    if (!json_is_object(s)) {
        fprintf(cli->out, "scrub     not heard of\n");
        return;
    }
    fprintf(cli->out, "scrub     %s of %s in this round, %s a second, %" PRIu64 " rounds before\n",
            done.text, total.text, pace.text, number_of(s, "passes"));
    fprintf(cli->out, "found     %" PRIu64 " bad blocks, %" PRIu64 " bad pages\n",
            number_of(s, "bad_blocks"), number_of(s, "bad_pages"));
    json_array_foreach(findings, i, line)
        fprintf(cli->out, "          %s\n", json_string_value(line));
}

/* A name a line: there may be many. */
static void print_volumes(struct cli *cli, const json_t *volumes)
{
    json_t *v;
    size_t i;

    json_array_foreach(volumes, i, v)
    {
        const char *name = json_string_value(json_object_get(v, "name"));

        fprintf(cli->out, "%s%s\n", i == 0 ? "volumes   " : "          ",
                name ? name : text_of(v, "volume"));
    }
}

static void print_disk(struct cli *cli, const json_t *d)
{
    fprintf(cli->out, "id        %s\n", text_of(d, "id"));
    fprintf(cli->out, "node      %s\n", text_of(d, "node_name"));
    fprintf(cli->out, "path      %s\n", text_of(d, "path"));
    fprintf(cli->out, "size      %s\n", size_show(number_of(d, "size_bytes")).text);
    fprintf(cli->out, "free      %s\n", size_show(number_of(d, "free_bytes")).text);
    fprintf(cli->out, "state     %s%s\n", text_of(d, "state"),
            json_is_true(json_object_get(d, "read_only")) ? ", read-only" : "");
    fprintf(cli->out, "replicas  %" PRIu64 ", %" PRIu64 " of them orphans\n",
            number_of(d, "replicas"), number_of(d, "orphans"));
    print_scrub(cli, json_object_get(d, "scrub"));
    print_volumes(cli, json_object_get(d, "volumes"));
}

enum cli_exit disk_show(struct cli *cli, const struct arguments *a)
{
    char path[1024];
    json_t *disk;

    if (!api_path(cli, "/v1/disks/", a->words[0], path))
        return CLI_USAGE;
    cli->list = "disk list";
    if (!api_call(cli, "GET", path, NULL, &disk))
        return CLI_FAILED;
    if (cli->json)
        api_print(cli, disk);
    else
        print_disk(cli, disk);
    json_decref(disk);
    return CLI_OK;
}

enum cli_exit disk_remove(struct cli *cli, const struct arguments *a)
{
    char path[1024];
    json_t *answer;

    if (!api_path(cli, "/v1/disks/", a->words[0], path))
        return CLI_USAGE;
    cli->list = "disk list";
    if (!api_call(cli, "DELETE", path, NULL, &answer))
        return CLI_FAILED;
    json_decref(answer);
    if (!cli->json)
        fprintf(cli->out,
                api_status() == 202 ? "disk %s: it goes with the last deleted volume on it\n"
                                    : "disk %s removed\n",
                a->words[0]);
    return CLI_OK;
}
