/* SPDX-License-Identifier: Apache-2.0 */
/* cli/api.c — calls to metad; an error becomes one line: the problem's title and detail. */
#include "cli/api.h"

#include "cli/cluster.h"
#include "cli/http.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static long last_status; /* one thread, one call at a time */

bool api_url(struct cli *cli, char ret[256])
{
    const char *url = cli->url ? cli->url : getenv("DOLMEN_URL");
    struct cluster cluster;
    char dir[CLUSTER_PATH_MAX];
    size_t length;

    if (!url || !*url) {
        enum cluster_found found =
            cluster_dir(cli->dir, dir) ? cluster_read(dir, &cluster) : CLUSTER_NONE;

        if (found == CLUSTER_UNREADABLE || found == CLUSTER_LOST) {
            cluster_say(found, dir, cli->err);
            return false;
        }
        if (found == CLUSTER_NONE || !*cluster.url) {
            fprintf(cli->err,
                    "dolmen: no cluster is known here: say where metad answers with --url or "
                    "DOLMEN_URL (as a service: http://127.0.0.1:7480), or start one with `dolmen "
                    "up`\n");
            return false;
        }
        url = cluster.url;
    }
    length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    if (length >= 256) {
        fprintf(cli->err, "dolmen: the url is too long: %s\n", url);
        return false;
    }
    memcpy(ret, url, length);
    ret[length] = '\0';
    return true;
}

/* One line: the problem, and what to look at. */
static void say_why(struct cli *cli, const struct http_answer *answer)
{
    const char *given = cli->url ? cli->url : getenv("DOLMEN_URL");

    fprintf(cli->err, "dolmen: %s%s%s", answer->title, *answer->detail ? ": " : "", answer->detail);
    if (answer->status == 0 && (!given || !*given))
        fputs("; `dolmen up` starts what has died of the cluster", cli->err);
    else if (answer->status == 0)
        fputs("; is this where metad runs (--url, DOLMEN_URL)?", cli->err);
    else if (answer->status == 404 && cli->list)
        fprintf(cli->err, "; `dolmen %s` shows what there is", cli->list);
    fputc('\n', cli->err);
}

bool api_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret)
{
    struct http_answer answer;
    char url[256];
    bool ok = false;

    *ret = NULL;
    if (api_url(cli, url)) {
        ok = http_call(url, method, path, body, &answer);
        last_status = answer.status;
        if (ok)
            *ret = json_incref(answer.body);
        else
            say_why(cli, &answer);
        http_answer_done(&answer);
    }
    json_decref(body);
    return ok;
}

long api_status(void)
{
    return last_status;
}

bool api_list(struct cli *cli, const char *path, json_t **ret)
{
    json_t *all = json_array(), *page;
    char more[1100] = "";
    const char *next;

    for (uint32_t pages = 0; pages < 100000; pages++) {
        if (!api_call(cli, "GET", *more ? more : path, NULL, &page))
            break;
        json_array_extend(all, json_object_get(page, "items"));
        next = json_string_value(json_object_get(page, "next"));
        if (next) {
            char *segment = http_segment(next);

            snprintf(more, sizeof more, "%s%cafter=%s", path, strchr(path, '?') ? '&' : '?',
                     segment ? segment : "");
            free(segment);
        }
        json_decref(page);
        if (!next) {
            *ret = all;
            return true;
        }
    }
    json_decref(all);
    return false;
}

bool api_path(struct cli *cli, const char *collection, const char *name, char ret[1024])
{
    char *segment = http_segment(name);
    bool fits = segment && *name && !strchr(name, '/') &&
                snprintf(ret, 1024, "%s%s", collection, segment) < 1024;

    free(segment);
    if (!fits)
        fprintf(cli->err, "dolmen: this is neither a name nor an id: %.80s\n", name);
    return fits;
}

void api_print(struct cli *cli, const json_t *answer)
{
    json_dumpf(answer, cli->out, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', cli->out);
}

const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text && *text ? text : "-";
}

uint64_t number_of(const json_t *object, const char *member)
{
    json_int_t value = json_integer_value(json_object_get(object, member));

    return value > 0 ? (uint64_t)value : 0;
}

const char *texts_of(const json_t *object, const char *member, char ret[256])
{
    const json_t *array = json_object_get(object, member);
    size_t used = 0, i;
    json_t *item;

    ret[0] = '\0';
    json_array_foreach(array, i, item)
    {
        const char *text = json_string_value(item);
        int length = snprintf(ret + used, 256 - used, "%s%s", i > 0 ? "," : "", text ? text : "?");

        used += (size_t)length;
        if (used >= 256)
            break;
    }
    return *ret ? ret : "-";
}
