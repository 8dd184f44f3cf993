/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/status_metrics.c — every list of every room, as Prometheus reads it.
 *
 * Reactors, targets and disks live as long as the port: their counters are read as they are, also
 * while a reactor stands still.  Volumes come and go: they are asked of their reactor.
 */
#include "storaged/status_metrics.h"

#include "env/log_writer.h"
#include "iscsi-target/metrics.h"
#include "storaged/status_tell.h"
#include "store/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#define ANSWERS "storaged_reactor_answers"
#define ANSWERS_TEXT                                                                               \
    "1: the reactor answered the status port within a second; 0: its volumes are missing here."

/* ---- what stays ---- */

/* One struct of counters for each home. */
static void write_homes(FILE *to, const struct status_node *n, const struct metric_table *table,
                        const void *(*values)(const struct home *))
{
    struct metric_set sets[HOMES_MAX];

    for (uint32_t i = 0; i < n->home_count; i++) {
        sets[i].values = values(&n->homes[i]);
        snprintf(sets[i].labels, sizeof sets[i].labels, "reactor=\"%u\"", i);
    }
    metrics_write(to, table, sets, n->home_count);
}

static const void *of_reactor(const struct home *h)
{
    return reactor_metrics(h->reactor);
}

static const void *of_target(const struct home *h)
{
    return iscsi_target_metrics(h->target);
}

/* False: it is not open. */
static bool of_disk(const struct node_disk *d, struct metric_set *ret)
{
    if (!d->store)
        return false;
    ret->values = store_metrics(d->store);
    snprintf(ret->labels, sizeof ret->labels, "disk=\"%s\"",
             identity_show(store_identity(d->store)).text);
    return true;
}

static void write_disks(FILE *to, const struct status_node *n)
{
    struct metric_set sets[CONFIG_DISKS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->home_count; i++)
        for (uint32_t j = 0; j < n->homes[i].disks.count; j++)
            count += of_disk(&n->homes[i].disks.disks[j], &sets[count]);
    metrics_write(to, &store_metric_table, sets, count);
}

static void write_log(FILE *to)
{
    const struct metric_set set = {.values = log_writer_metrics()};

    metrics_write(to, &log_metric_table, &set, 1);
}

/* ---- what comes and goes ---- */

struct told {
    struct told_volumes *homes[HOMES_MAX]; /* NULL: no answer */
    uint32_t volumes;
};

static void told_ask(struct status_node *n, struct told *t)
{
    *t = (struct told){0};
    for (uint32_t i = 0; i < n->home_count; i++) {
        t->homes[i] = tell_volumes(n, &n->homes[i]);
        t->volumes += t->homes[i] ? t->homes[i]->count : 0;
    }
}

static void told_free(const struct status_node *n, struct told *t)
{
    for (uint32_t i = 0; i < n->home_count; i++)
        free(t->homes[i]);
}

static const void *of_volume(const struct told_volume *v)
{
    return &v->counts.volume;
}

static const void *of_replication(const struct told_volume *v)
{
    return &v->counts.rep;
}

static void write_volumes(FILE *to, const struct status_node *n, const struct told *t,
                          const struct metric_table *table,
                          const void *(*values)(const struct told_volume *))
{
    struct metric_set *sets = calloc(t->volumes + 1, sizeof *sets);
    uint32_t count = 0;

    for (uint32_t i = 0; sets && i < n->home_count; i++) {
        for (uint32_t v = 0; t->homes[i] && v < t->homes[i]->count; v++, count++) {
            const struct told_volume *volume = &t->homes[i]->volumes[v];

            sets[count].values = values(volume);
            snprintf(sets[count].labels, sizeof sets[count].labels, "volume=\"%s\",name=\"%s\"",
                     identity_show(volume->volume).text, volume->name);
        }
    }
    if (sets)
        metrics_write(to, table, sets, count);
    free(sets);
}

static void write_answers(FILE *to, const struct status_node *n, const struct told *t)
{
    metric_describe(to, ANSWERS, METRIC_GAUGE, ANSWERS_TEXT);
    for (uint32_t i = 0; i < n->home_count; i++)
        fprintf(to, ANSWERS "{reactor=\"%u\"} %d\n", i, t->homes[i] != NULL);
}

/* ---- the whole ---- */

static void write_all(FILE *to, struct status_node *n)
{
    struct told t;

    told_ask(n, &t);
    write_answers(to, n, &t);
    write_homes(to, n, &reactor_metric_table, of_reactor);
    write_homes(to, n, &iscsi_metric_table, of_target);
    write_volumes(to, n, &t, &volume_metric_table, of_volume);
    write_volumes(to, n, &t, &rep_metric_table, of_replication);
    write_disks(to, n);
    write_log(to);
    told_free(n, &t);
}

void metrics_show(struct status_node *n, const struct http_request *r, struct http_answer *a)
{
    FILE *to = open_memstream(&a->body, &a->body_bytes);

    (void)r;
    if (!to) {
        a->status = 503;
        return;
    }
    write_all(to, n);
    if (fclose(to) != 0) { /* without memory it is cut short */
        free(a->body);
        *a = (struct http_answer){.status = 503};
        return;
    }
    a->status = 200;
    a->type = "text/plain; version=0.0.4";
}

void metrics_page(FILE *to)
{
    static const struct {
        const char *title, *labels;
        const struct metric_table *table;
    } parts[] = {
        {"The loop of a reactor", "`reactor`", &reactor_metric_table},
        {"The iSCSI target", "`reactor`", &iscsi_metric_table},
        {"Volumes", "`volume`, `name`", &volume_metric_table},
        {"Replication", "`volume`, `name`", &rep_metric_table},
        {"Stores", "`disk`", &store_metric_table},
        {"The log", "none", &log_metric_table},
    };

    for (size_t i = 0; i < array_length(parts); i++) {
        fprintf(to, "%s### %s\n\nLabels: %s.\n\n| name | kind | meaning |\n| --- | --- | --- |\n",
                i > 0 ? "\n" : "", parts[i].title, parts[i].labels);
        if (parts[i].table == &reactor_metric_table)
            metric_list_row(to, ANSWERS, METRIC_GAUGE, ANSWERS_TEXT);
        metrics_list(to, parts[i].table);
    }
}
