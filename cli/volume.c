/* SPDX-License-Identifier: Apache-2.0 */
/* cli/volume.c — dolmen volume create, list, show, resize, salvage, delete. */
#include "base/size.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VOLUME_GRAIN 4096u

static bool size_word(struct cli *cli, const char *word, uint64_t *ret)
{
    if (!size_parse(word, ret) || *ret == 0)
        fprintf(cli->err,
                "dolmen: this is no size: %s (write 10G, 512MiB, 1.5T, or bytes; a K is 1024)\n",
                word);
    else if (*ret % VOLUME_GRAIN != 0)
        fprintf(cli->err,
                "dolmen: a volume has a multiple of %u bytes, not %s (write 10G for 10 GiB)\n",
                VOLUME_GRAIN, word);
    else
        return true;
    return false;
}

/* In the order of its shards. */
static void print_disks(FILE *to, const json_t *disks)
{
    json_t *disk;
    size_t i;

    fprintf(to, "disks    ");
    json_array_foreach(disks, i, disk)
        fprintf(to, " %s", json_string_value(disk) ? json_string_value(disk) : "?");
    fprintf(to, "%s\n", json_array_size(disks) == 0 ? " -" : "");
}

/* And what it waits for. */
static void print_state(FILE *to, const json_t *v)
{
    const char *why = text_of(v, "why");
    bool waits = strcmp(why, "-") != 0;

    fprintf(to, "%s%s%s\n", text_of(v, "state"), waits ? ": " : "", waits ? why : "");
}

static void print_volume(struct cli *cli, const json_t *v)
{
    char portals[256];
    const json_t *primary = json_object_get(v, "primary");
    FILE *to = cli->out;

    fprintf(to, "name      %s\n", text_of(v, "name"));
    fprintf(to, "id        %s\n", text_of(v, "id"));
    fprintf(to, "size      %s (%" PRIu64 " bytes)\n", size_show(number_of(v, "size_bytes")).text,
            number_of(v, "size_bytes"));
    fprintf(to, "block     %" PRIu64 "\n", number_of(v, "logical_block_bytes"));
    fputs("state     ", to);
    print_state(to, v);
    fprintf(to, "copies    %" PRIu64 " (at least %" PRIu64 ")\n", number_of(v, "copies"),
            number_of(v, "min_copies"));
    fprintf(to, "shards    %" PRIu64 " of %" PRIu64 " served\n", number_of(v, "shards_serving"),
            number_of(v, "shards"));
    if (number_of(v, "salvaged") > 0)
        fprintf(to, "salvaged  %" PRIu64 " shards: what they had lost was given up\n",
                number_of(v, "salvaged"));
    fprintf(to, "epoch     %" PRIu64 "\n", number_of(v, "epoch"));
    fprintf(to, "primary   %s\n", text_of(primary, "name"));
    print_disks(to, json_object_get(v, "disks"));
    fprintf(to, "target    %s\n", text_of(v, "target"));
    fprintf(to, "portals   %s\n", texts_of(v, "portals", portals));
}

/* In one line; 202: metad did not see its node do it within its time. */
static void print_done(struct cli *cli, const json_t *v, const char *done)
{
    bool in_force = api_status() != 202;

    fprintf(cli->out, "volume %s %s%s%s: %s, ", text_of(v, "name"), in_force ? "" : "is not ", done,
            in_force ? "" : " yet, it is recorded", size_show(number_of(v, "size_bytes")).text);
    print_state(cli->out, v);
}

static enum cli_exit show(struct cli *cli, json_t *volume, const char *done)
{
    if (cli->json) {
        api_print(cli, volume);
    } else if (done) {
        print_done(cli, volume, done);
    } else {
        print_volume(cli, volume);
    }
    json_decref(volume);
    return CLI_OK;
}

enum cli_exit volume_create(struct cli *cli, const struct arguments *a)
{
    const char *block = a->options[0] ? a->options[0] : "512";
    uint64_t bytes;
    json_t *volume;

    if (!size_word(cli, a->words[1], &bytes))
        return CLI_USAGE;
    if (strcmp(block, "512") != 0 && strcmp(block, "4096") != 0) {
        fprintf(cli->err, "dolmen: --block is 512 or 4096, not %s\n", block);
        return CLI_USAGE;
    }
    if (!api_call(cli, "POST", "/v1/volumes",
                  json_pack("{s:s, s:I, s:I}", "name", a->words[0], "size_bytes", (json_int_t)bytes,
                            "logical_block_bytes", (json_int_t)strtol(block, NULL, 10)),
                  &volume))
        return CLI_FAILED;
    return show(cli, volume, "created");
}

static void list_row(struct table *t, const json_t *v)
{
    char block[24], shards[48];

    snprintf(block, sizeof block, "%" PRIu64, number_of(v, "logical_block_bytes"));
    snprintf(shards, sizeof shards, "%" PRIu64 "/%" PRIu64, number_of(v, "shards_serving"),
             number_of(v, "shards"));
    struct size_text size = size_show(number_of(v, "size_bytes"));

    table_row(t, (const char *[]){text_of(v, "name"), size.text, block, text_of(v, "state"),
                                  text_of(json_object_get(v, "primary"), "name"), shards,
                                  text_of(v, "id")});
}

enum cli_exit volume_list(struct cli *cli, const struct arguments *a)
{
    struct table t;
    json_t *list, *v;
    size_t i;

    (void)a;
    if (!api_list(cli, "/v1/volumes", &list))
        return CLI_FAILED;
    if (cli->json) {
        api_print(cli, list);
    } else {
        table_init(&t, (const char *[]){"NAME", "SIZE", "BLOCK", "STATE", "PRIMARY", "SHARDS", "ID",
                                        NULL});
        json_array_foreach(list, i, v) list_row(&t, v);
        table_print(&t, cli->out);
        table_done(&t);
    }
    json_decref(list);
    return CLI_OK;
}

/* A call on one volume by name or id. */
static bool call_on(struct cli *cli, const char *method, const char *name, json_t *body,
                    json_t **ret)
{
    char path[1024];

    if (!api_path(cli, "/v1/volumes/", name, path)) {
        json_decref(body);
        return false;
    }
    cli->list = "volume list";
    return api_call(cli, method, path, body, ret);
}

enum cli_exit volume_show(struct cli *cli, const struct arguments *a)
{
    json_t *volume;

    if (!call_on(cli, "GET", a->words[0], NULL, &volume))
        return CLI_FAILED;
    return show(cli, volume, NULL);
}

enum cli_exit volume_resize(struct cli *cli, const struct arguments *a)
{
    uint64_t bytes;
    json_t *volume;

    if (!size_word(cli, a->words[1], &bytes))
        return CLI_USAGE;
    if (!call_on(cli, "PATCH", a->words[0], json_pack("{s:I}", "size_bytes", (json_int_t)bytes),
                 &volume))
        return CLI_FAILED;
    return show(cli, volume, "resized");
}

enum cli_exit volume_salvage(struct cli *cli, const struct arguments *a)
{
    char path[1024], call[1100];
    json_t *volume;

    if (!a->options[0]) {
        fprintf(cli->err,
                "dolmen: salvage gives up what volume %s has lost, for good; say --yes to do it\n",
                a->words[0]);
        return CLI_USAGE;
    }
    if (!api_path(cli, "/v1/volumes/", a->words[0], path))
        return CLI_USAGE;
    snprintf(call, sizeof call, "%s/salvage", path);
    if (!api_call(cli, "POST", call, NULL, &volume))
        return CLI_FAILED;
    return show(cli, volume, "salvaged");
}

enum cli_exit volume_delete(struct cli *cli, const struct arguments *a)
{
    json_t *answer;

    if (!call_on(cli, "DELETE", a->words[0], NULL, &answer))
        return CLI_FAILED;
    json_decref(answer);
    if (cli->json)
        return CLI_OK;
    if (api_status() == 202)
        fprintf(cli->out,
                "volume %s: still being deleted; `dolmen volume list` shows when it is "
                "gone\n",
                a->words[0]);
    else
        fprintf(cli->out, "volume %s deleted\n", a->words[0]);
    return CLI_OK;
}
