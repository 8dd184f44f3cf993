/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/top.c — dolmen top: asks metad for the nodes, each node's status port for its volumes and
 * sessions, and shows the difference between one moment and the next.
 *
 * What can go wrong: metad does not answer (said, and that is the end); a node cannot be asked
 * (named on each page, the others are shown).  Exit code 1 when none could be asked at the end.
 */
#include "cli/top.h"

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/http.h"
#include "cli/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NODE_MS        3000u /* a node that stands still is left out */
#define INTERVAL_MOST  3600.0
#define INTERVAL_LEAST 0.1
#define COUNT_MOST     1000000ul

struct top {
    struct cli *cli;
    double interval;
    unsigned long count; /* 0: for ever */
    bool terminal;
};

/* ---- asking ---- */

static bool ask(struct top_sample *s, const json_t *node, const char *path,
                void (*read)(struct top_sample *, const char *, const json_t *))
{
    struct http_answer answer;
    char url[96];
    bool ok;

    snprintf(url, sizeof url, "http://%.63s", text_of(node, "status_address"));
    ok = http_get(url, path, NODE_MS, &answer);
    if (ok)
        read(s, text_of(node, "name"), answer.body);
    else
        top_unasked(s, text_of(node, "name"), *answer.detail ? answer.detail : answer.title);
    http_answer_done(&answer);
    return ok;
}

static void ask_node(struct top_sample *s, const json_t *node)
{
    if (strcmp(text_of(node, "state"), "silent") == 0)
        top_unasked(s, text_of(node, "name"), "it is silent");
    else if (!json_is_string(json_object_get(node, "status_address")))
        top_unasked(s, text_of(node, "name"), "it has no status port");
    else if (ask(s, node, "/v1/volumes", top_read_volumes))
        ask(s, node, "/v1/sessions", top_read_sessions);
}

/* False: metad does not say which nodes there are (said). */
static bool sample_take(struct top *t, struct top_sample *ret)
{
    json_t *nodes, *node;
    size_t i;

    top_sample_init(ret);
    if (!api_list(t->cli, "/v1/nodes", &nodes))
        return false;
    json_array_foreach(nodes, i, node) ask_node(ret, node);
    json_decref(nodes);
    return true;
}

/* ---- showing ---- */

static uint32_t terminal_lines(const struct top *t)
{
    struct winsize size;

    if (!t->terminal || ioctl(fileno(t->cli->out), TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_row;
}

static void say_unasked(FILE *to, const struct top_sample *s)
{
    json_t *line;
    size_t i;

    json_array_foreach(s->unasked, i, line) fprintf(to, "dolmen: node %s cannot be asked: %s\n",
                                                    text_of(line, "node"), text_of(line, "why"));
}

static void show_text(struct top *t, const struct top_page *p)
{
    uint32_t lines = terminal_lines(t);

    if (t->terminal)
        fputs("\033[H\033[J", t->cli->out); /* the page replaces the one before */
    top_print(t->cli->out, p, lines);
    if (t->terminal)
        say_unasked(t->cli->out, p->sample);
    else
        fputc('\n', t->cli->out);
}

static void show_json(struct top *t, const struct top_page *p)
{
    json_t *page = top_json(p);

    json_dumpf(page, t->cli->out, JSON_COMPACT);
    fputc('\n', t->cli->out);
    json_decref(page);
}

static void show(struct top *t, const struct top_sample *before, const struct top_sample *now)
{
    struct top_page p = {.sample = now, .interval_seconds = t->interval};

    p.volume_count =
        top_compare(&before->volumes, before->asked, &now->volumes, &p.volumes, &p.volume_sum);
    p.session_count =
        top_compare(&before->sessions, before->asked, &now->sessions, &p.sessions, &p.session_sum);
    if (t->cli->json)
        show_json(t, &p);
    else
        show_text(t, &p);
    if (!t->terminal || t->cli->json)
        say_unasked(t->cli->err, now);
    fflush(t->cli->out);
    free(p.volumes);
    free(p.sessions);
}

/* ---- the command ---- */

static void wait_interval(const struct top *t)
{
    struct timespec time = {.tv_sec = (time_t)t->interval};

    time.tv_nsec = (long)((t->interval - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

static bool options(struct top *t, const struct arguments *a)
{
    char *end;

    t->interval = 1;
    t->count = t->terminal ? 0 : 1;
    if (a->options[0]) {
        t->interval = strtod(a->options[0], &end);
        if (*end || end == a->options[0] || !(t->interval >= INTERVAL_LEAST) ||
            t->interval > INTERVAL_MOST) {
            fprintf(t->cli->err, "dolmen: --interval is a number of seconds from 0.1 to 3600\n");
            return false;
        }
    }
    if (a->options[1]) {
        t->count = strtoul(a->options[1], &end, 10);
        if (*a->options[1] < '0' || *a->options[1] > '9' || *end || t->count > COUNT_MOST) {
            fprintf(t->cli->err, "dolmen: --count is a number from 0 to %lu\n", COUNT_MOST);
            return false;
        }
    }
    return true;
}

enum cli_exit top_run(struct cli *cli, const struct arguments *a)
{
    struct top t = {.cli = cli};
    struct top_sample before, now;
    bool ok, asked;

    t.terminal = !cli->json && isatty(fileno(cli->out)) == 1;
    if (!options(&t, a))
        return CLI_USAGE;
    ok = sample_take(&t, &before);
    asked = json_object_size(before.asked) > 0;
    for (unsigned long shown = 0; ok && (t.count == 0 || shown < t.count); shown++) {
        wait_interval(&t);
        ok = sample_take(&t, &now);
        asked = json_object_size(now.asked) > 0;
        if (ok)
            show(&t, &before, &now);
        top_sample_done(&before);
        before = now;
    }
    top_sample_done(&before);
    return ok && asked ? CLI_OK : CLI_FAILED;
}
