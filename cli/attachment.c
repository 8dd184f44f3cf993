/* SPDX-License-Identifier: Apache-2.0 */
/* cli/attachment.c — dolmen attachment create, list, show, delete. */
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/http.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_S_MAX 3600u

/* A form is one long line; for people it breaks at `at`, so that it can be pasted all the same: not
 * within a remark at its end. */
struct form {
    const char *member, *title, *at, *broken;
};

static const struct form forms[] = {
    {"qemu", "QEMU", " -", " \\\n  -"},
    {"libvirt", "libvirt", "><", ">\n<"},
    {"open_iscsi", "open-iscsi", " && ", " &&\n"},
};

static void print_form(FILE *to, const struct form *f, const char *text)
{
    const char *next, *remark = strstr(text, " # ");

    fprintf(to, "\n%s:\n", f->title);
    for (; (next = strstr(text, f->at)) != NULL && (!remark || next < remark);
         text = next + strlen(f->at))
        fprintf(to, "%.*s%s", (int)(next - text), text, f->broken);
    fprintf(to, "%s\n", text);
}

static void print_forms(FILE *to, const json_t *all)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *text = json_string_value(json_object_get(all, forms[i].member));

        if (text)
            print_form(to, &forms[i], text);
    }
}

/* Secrets are there in the answer that made them, and never again. */
static void print_chap(FILE *to, const json_t *chap)
{
    static const char *const names[][2] = {{"user", "user"},
                                           {"secret", "secret"},
                                           {"mutual_user", "target's user"},
                                           {"mutual_secret", "target's secret"}};

    fprintf(to, "chap       %s\n", text_of(chap, "kind"));
    for (size_t i = 0; i < 4; i++) {
        const char *word = json_string_value(json_object_get(chap, names[i][0]));

        if (word)
            fprintf(to, "           %s %s\n", names[i][1], word);
    }
}

static const char *deadline_of(const json_t *a, char ret[32])
{
    uint64_t seconds = number_of(a, "deadline_seconds");

    snprintf(ret, 32, "%" PRIu64 "s", seconds);
    return seconds ? ret : "none";
}

static void print_attachment(struct cli *cli, const json_t *a)
{
    char portals[256], deadline[32];
    FILE *to = cli->out;

    fprintf(to, "id         %s\n", text_of(a, "id"));
    fprintf(to, "volume     %s (%s)\n", text_of(a, "volume_name"), text_of(a, "volume"));
    fprintf(to, "initiator  %s\n", text_of(a, "initiator"));
    fprintf(to, "state      %s, %s, %s\n", text_of(a, "state"),
            json_is_true(json_object_get(a, "shared")) ? "shared" : "exclusive",
            json_is_true(json_object_get(a, "read_only")) ? "read-only" : "read and write");
    fprintf(to, "deadline   %s\n", deadline_of(a, deadline));
    fprintf(to, "target     %s\n", text_of(a, "target"));
    fprintf(to, "portals    %s\n", texts_of(a, "portals", portals));
    fprintf(to, "lun        %" PRIu64 "\n", number_of(a, "lun"));
    print_chap(to, json_object_get(a, "chap"));
    print_forms(to, json_object_get(a, "forms"));
}

static enum cli_exit show(struct cli *cli, json_t *attachment)
{
    if (cli->json)
        api_print(cli, attachment);
    else
        print_attachment(cli, attachment);
    json_decref(attachment);
    return CLI_OK;
}

/* The member "chap" of the request; false: the option says something else (said). */
static bool chap_wish(struct cli *cli, const char *option, json_t *body)
{
    if (!option)
        return true;
    if (strcmp(option, "one-way") != 0 && strcmp(option, "mutual") != 0) {
        fprintf(cli->err, "dolmen: --chap is one-way or mutual, not %s\n", option);
        return false;
    }
    json_object_set_new(body, "chap", json_pack("{s:b}", "mutual", option[0] == 'm'));
    return true;
}

/* "25s", "25" or "none"; false: something else (said). */
static bool deadline_wish(struct cli *cli, const char *option, json_t *body)
{
    unsigned long seconds = 0;
    char *end = NULL;

    if (!option)
        return true;
    if (strcmp(option, "none") != 0) {
        seconds = option[0] >= '1' && option[0] <= '9' ? strtoul(option, &end, 10) : 0;
        if (seconds == 0 || seconds > DEADLINE_S_MAX || (end[0] && strcmp(end, "s") != 0)) {
            fprintf(cli->err, "dolmen: --deadline is none or 1s to %us, not %s\n", DEADLINE_S_MAX,
                    option);
            return false;
        }
    }
    json_object_set_new(body, "deadline_seconds", json_integer((json_int_t)seconds));
    return true;
}

enum cli_exit attachment_create(struct cli *cli, const struct arguments *a)
{
    json_t *attachment, *body;

    if (!a->options[0]) {
        fprintf(cli->err, "dolmen: --initiator is missing: the name of who may log in\n");
        return CLI_USAGE;
    }
    body = json_pack("{s:s, s:s, s:b, s:b}", "volume", a->words[0], "initiator", a->options[0],
                     "shared", a->options[1] != NULL, "read_only", a->options[2] != NULL);
    if (!chap_wish(cli, a->options[3], body) || !deadline_wish(cli, a->options[4], body)) {
        json_decref(body);
        return CLI_USAGE;
    }
    if (!api_call(cli, "POST", "/v1/attachments", body, &attachment))
        return CLI_FAILED;
    return show(cli, attachment);
}

static void print_list(struct cli *cli, const json_t *list)
{
    char deadline[32];
    struct table t;
    json_t *a;
    size_t i;

    table_init(&t, (const char *[]){"VOLUME", "INITIATOR", "STATE", "SHARE", "ACCESS", "DEADLINE",
                                    "ID", NULL});
    json_array_foreach(list, i, a) table_row(
        &t,
        (const char *[]){text_of(a, "volume_name"), text_of(a, "initiator"), text_of(a, "state"),
                         json_is_true(json_object_get(a, "shared")) ? "shared" : "exclusive",
                         json_is_true(json_object_get(a, "read_only")) ? "ro" : "rw",
                         deadline_of(a, deadline), text_of(a, "id")});
    table_print(&t, cli->out);
    table_done(&t);
}

enum cli_exit attachment_list(struct cli *cli, const struct arguments *a)
{
    char path[1024] = "/v1/attachments";
    json_t *list;

    if (a->count > 0 && !api_path(cli, "/v1/attachments?volume=", a->words[0], path))
        return CLI_USAGE;
    if (!api_list(cli, path, &list))
        return CLI_FAILED;
    if (cli->json)
        api_print(cli, list);
    else
        print_list(cli, list);
    json_decref(list);
    return CLI_OK;
}

static bool call_on(struct cli *cli, const char *method, const char *id, json_t **ret)
{
    char path[1024];

    if (!api_path(cli, "/v1/attachments/", id, path))
        return false;
    cli->list = "attachment list";
    return api_call(cli, method, path, NULL, ret);
}

enum cli_exit attachment_show(struct cli *cli, const struct arguments *a)
{
    json_t *attachment;

    if (!call_on(cli, "GET", a->words[0], &attachment))
        return CLI_FAILED;
    return show(cli, attachment);
}

enum cli_exit attachment_delete(struct cli *cli, const struct arguments *a)
{
    json_t *answer;

    if (!call_on(cli, "DELETE", a->words[0], &answer))
        return CLI_FAILED;
    json_decref(answer);
    if (cli->json)
        return CLI_OK;
    if (api_status() == 202)
        fprintf(cli->out, "attachment %s: recorded, its sessions are still ending\n", a->words[0]);
    else
        fprintf(cli->out, "attachment %s ended\n", a->words[0]);
    return CLI_OK;
}
