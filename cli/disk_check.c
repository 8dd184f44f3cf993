/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/disk_check.c — dolmen disk check: looks at a disk that no storaged has open.
 *
 * A reactor for the length of one store_check().  The disk is open for reading alone, and locked
 * against a storaged that would begin to write it.  Each finding is one line as soon as it is
 * found; beyond FINDINGS_MAX they are counted only.
 */
#include "base/size.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "env/uring/reactor.h"
#include "store/check.h"

#include <inttypes.h>

#define FINDINGS_MAX 1000u
#define PROGRESS_US  (UINT64_C(5) * 1000 * 1000)

enum { OPTION_DATA };

struct disk_checking {
    struct cli *cli;
    const char *path;
    struct reactor *reactor;
    struct env *env;
    struct disk *disk;
    struct store_check check;
    struct timer progress;
    enum err err;
    json_t *findings;
};

/* ---- what is found ---- */

static void print_finding(struct cli *cli, const struct store_finding *f)
{
    fprintf(cli->out, "%s", store_finding_word(f->kind));
    if (f->offset != FINDING_NOWHERE)
        fprintf(cli->out, " at byte %" PRIu64, f->offset);
    if (!identity_none(f->replica))
        fprintf(cli->out, ", replica %s", identity_show(f->replica).text);
    if (!identity_none(f->volume))
        fprintf(cli->out, " of volume %s", identity_show(f->volume).text);
    if (f->blocks.count > 0)
        fprintf(cli->out, ", blocks %" PRIu64 " to %" PRIu64 " of 4096", f->blocks.start,
                extent_end(f->blocks) - 1);
    fprintf(cli->out, ": %s; costs %s; to do: %s\n", f->what, store_finding_costs(f->kind),
            store_finding_to_do(f->kind));
}

static json_t *finding_json(const struct store_finding *f)
{
    json_t *j =
        json_pack("{ss, ss, ss, ss}", "kind", store_finding_word(f->kind), "what", f->what, "costs",
                  store_finding_costs(f->kind), "to_do", store_finding_to_do(f->kind));

    if (f->offset != FINDING_NOWHERE)
        json_object_set_new(j, "offset", json_integer((json_int_t)f->offset));
    if (!identity_none(f->replica))
        json_object_set_new(j, "replica", json_string(identity_show(f->replica).text));
    if (!identity_none(f->volume))
        json_object_set_new(j, "volume", json_string(identity_show(f->volume).text));
    if (f->blocks.count > 0) {
        json_object_set_new(j, "block", json_integer((json_int_t)f->blocks.start));
        json_object_set_new(j, "blocks", json_integer((json_int_t)f->blocks.count));
    }
    return j;
}

static void found(struct store_check *check, const struct store_finding *f)
{
    struct disk_checking *c = container_of(check, struct disk_checking, check);

    if (check->counts.findings > FINDINGS_MAX)
        return;
    if (c->cli->json)
        json_array_append_new(c->findings, finding_json(f));
    else
        print_finding(c->cli, f);
}

/* ---- its end ---- */

static void print_counts(const struct disk_checking *c)
{
    const struct store_check_counts *n = &c->check.counts;
    FILE *out = c->cli->out;

    if (n->findings > FINDINGS_MAX)
        fprintf(out, "and %" PRIu64 " more\n", n->findings - FINDINGS_MAX);
    if (!identity_none(c->check.identity))
        fprintf(out, "disk %s\n", identity_show(c->check.identity).text);
    fprintf(out,
            "looked at %" PRIu64 " replicas, %" PRIu64 " of %" PRIu64 " chunks, %" PRIu64
            " pages, %" PRIu64 " journal groups",
            n->replicas, n->chunks, n->chunks_all, n->pages, n->groups);
    if (c->check.data)
        fprintf(out, ", %s of data", size_show(n->blocks_read * 4096).text);
    if (c->err)
        fputs("\n", out);
    else if (n->findings > 0)
        fprintf(out, "\n%" PRIu64 " finding%s\n", n->findings, n->findings == 1 ? "" : "s");
    else
        fputs("\nclean\n", out);
}

static void print_json(const struct disk_checking *c)
{
    const struct store_check_counts *n = &c->check.counts;
    const char *verdict = c->err ? "unknown" : n->findings > 0 ? "findings" : "clean";
    json_t *j = json_pack(
        "{ss, ss, sI, sO, s{sI, sI, sI, sI, sI, sI, sI, sI, sI}}", "path", c->path, "verdict",
        verdict, "findings_count", (json_int_t)n->findings, "findings", c->findings, "counts",
        "replicas", (json_int_t)n->replicas, "chunks", (json_int_t)n->chunks, "chunks_all",
        (json_int_t)n->chunks_all, "pages", (json_int_t)n->pages, "groups", (json_int_t)n->groups,
        "records", (json_int_t)n->records, "blocks_lost", (json_int_t)n->blocks_lost, "blocks_read",
        (json_int_t)n->blocks_read, "blocks_bad", (json_int_t)n->blocks_bad);

    if (!identity_none(c->check.identity))
        json_object_set_new(j, "disk", json_string(identity_show(c->check.identity).text));
    if (c->err)
        json_object_set_new(j, "why", json_string(c->check.why));
    api_print(c->cli, j);
    json_decref(j);
}

static enum cli_exit untold(const struct disk_checking *c, const char *why)
{
    fprintf(c->cli->err, "dolmen: %s: %s\n", c->path, why);
    return CLI_UNTOLD;
}

/* A disk without a store holds something else, or nothing. */
static enum cli_exit not_a_store(const struct disk_checking *c)
{
    char text[80], why[200];

    if (store_probe(c->path, text) != E_FOREIGN)
        return untold(c, "there is no Dolmen store here; is it the right path?");
    snprintf(why, sizeof why, "there is no Dolmen store here, but %s; is it the right path?", text);
    return untold(c, why);
}

static enum cli_exit judge(const struct disk_checking *c)
{
    char why[300];

    if (c->cli->json)
        print_json(c);
    else if (c->err != E_NOT_FOUND)
        print_counts(c);
    if (c->err == E_NOT_FOUND)
        return not_a_store(c);
    if (c->err == E_UNSUPPORTED) {
        snprintf(why, sizeof why, "%s; use the version of dolmen that wrote it, or a newer one",
                 c->check.why);
        return untold(c, why);
    }
    if (c->err)
        return untold(c, c->check.why);
    return c->check.counts.findings > 0 ? CLI_FAILED : CLI_OK;
}

/* ---- its life ---- */

static void progress_due(struct timer *t)
{
    struct disk_checking *c = container_of(t, struct disk_checking, progress);

    fprintf(c->cli->err, "dolmen: %s: %s of %s, %" PRIu64 " findings\n", c->path,
            size_show(c->check.bytes_done).text, size_show(c->check.bytes_total).text,
            c->check.counts.findings);
    timer_start(&c->env->clock, t, PROGRESS_US, progress_due);
}

static void checked(struct store_check *check, enum err err)
{
    struct disk_checking *c = container_of(check, struct disk_checking, check);

    c->err = err;
    timer_stop(&c->env->clock, &c->progress);
    reactor_stop(c->reactor);
}

static enum cli_exit run(struct disk_checking *c)
{
    char why[120];
    enum err err = reactor_disk_look(c->reactor, c->path, &c->disk);

    if (err == E_BUSY)
        return untold(c, "a running storaged, or another program, uses it; stop that first");
    if (err == E_INVALID)
        return untold(c, "it is neither a block device nor a file");
    if (err) {
        snprintf(why, sizeof why, "cannot be opened: %s", err_text(err));
        return untold(c, why);
    }
    c->env = reactor_env(c->reactor);
    c->check.env = c->env;
    c->check.disk = c->disk;
    timer_start(&c->env->clock, &c->progress, PROGRESS_US, progress_due);
    store_check(&c->check);
    reactor_run(c->reactor);
    disk_close(c->disk);
    return judge(c);
}

enum cli_exit disk_check(struct cli *cli, const struct arguments *a)
{
    struct reactor_config config = {.ring_entries = 64,
                                    .timers_max = 16,
                                    .connections_max = 1,
                                    .receive_buffers = 2,
                                    .receive_bytes = 4096,
                                    .workers = 1};
    struct disk_checking c = {
        .cli = cli,
        .path = a->words[0],
        .check = {.data = a->options[OPTION_DATA] != NULL, .found = found, .done = checked}};
    const char *text = "";
    enum cli_exit result;

    if (reactor_open(&config, &log_stderr, &c.reactor, &text))
        return untold(&c, text);
    c.findings = json_array();
    result = run(&c);
    json_decref(c.findings);
    reactor_close(c.reactor);
    return result;
}
