/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/metrics.c — GET /metrics: the recorded nodes, their last heartbeats and metad's own
 * log, for Prometheus.
 *
 * One table says name, kind and meaning of each metric and how it is taken from a disk or volume;
 * a silent node's last words are not repeated, only that it is silent.
 */
#include "base/metric.h"
#include "control/api/api.h"
#include "control/api/view.h"
#include "control/control.h"
#include "env/log_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk_metric {
    const char *name;
    enum metric_kind kind;
    const char *help;
    uint64_t (*value)(const struct heartbeat_disk *);
};

struct volume_metric {
    const char *name;
    enum metric_kind kind;
    const char *help;
    uint64_t (*value)(const struct heartbeat_volume *);
};

#define CHUNK        UINT64_C(65536)
#define NODE_UP      "dolmen_node_up"
#define NODE_UP_TEXT "1: its heartbeats come; 0: it is silent."
#define LOST         "metad_log_lines_lost_total"
#define LOST_TEXT                                                                                  \
    "Lines of metad's log for which there was no room, for nobody reads stderr fast enough."

static uint64_t disk_bytes(const struct heartbeat_disk *d)
{
    return d->bytes;
}
static uint64_t disk_free(const struct heartbeat_disk *d)
{
    return d->chunks_free * CHUNK;
}
static uint64_t disk_read_only(const struct heartbeat_disk *d)
{
    return d->read_only;
}
static uint64_t scrub_passes(const struct heartbeat_disk *d)
{
    return d->scrub.passes;
}
static uint64_t scrub_done(const struct heartbeat_disk *d)
{
    return d->scrub.done_bytes;
}
static uint64_t scrub_total(const struct heartbeat_disk *d)
{
    return d->scrub.total_bytes;
}
static uint64_t scrub_pace(const struct heartbeat_disk *d)
{
    return d->scrub.bytes_per_second;
}
static uint64_t scrub_bad_blocks(const struct heartbeat_disk *d)
{
    return d->scrub.bad_blocks;
}
static uint64_t scrub_bad_pages(const struct heartbeat_disk *d)
{
    return d->scrub.bad_pages;
}
static uint64_t volume_shards_open(const struct heartbeat_volume *v)
{
    return v->shards;
}
static uint64_t volume_shards_served(const struct heartbeat_volume *v)
{
    return v->serving;
}
static uint64_t volume_bytes(const struct heartbeat_volume *v)
{
    return v->bytes;
}

/* clang-format off */
static const struct disk_metric disk_metrics[] = {
    {"dolmen_disk_bytes", METRIC_GAUGE, "Size of the device.", disk_bytes},
    {"dolmen_disk_free_bytes", METRIC_GAUGE, "What writes may take; the reserve of 1/32, at most 40 MiB, is not in it.", disk_free},
    {"dolmen_disk_read_only", METRIC_GAUGE, "1: the disk takes no more changes.", disk_read_only},
    {"dolmen_scrub_rounds_total", METRIC_COUNTER, "Whole rounds of the scrub since the disk was opened.", scrub_passes},
    {"dolmen_scrub_done_bytes", METRIC_GAUGE, "Read by the scrub in this round.", scrub_done},
    {"dolmen_scrub_round_bytes", METRIC_GAUGE, "What a round reads.", scrub_total},
    {"dolmen_scrub_bytes_per_second", METRIC_GAUGE, "Pace of the scrub.", scrub_pace},
    {"dolmen_scrub_bad_blocks", METRIC_GAUGE, "Blocks that are not what was written, in this round or the one before.", scrub_bad_blocks},
    {"dolmen_scrub_bad_pages", METRIC_GAUGE, "The same of table pages, roots and superblocks.", scrub_bad_pages},
};

static const struct volume_metric volume_metrics[] = {
    {"dolmen_volume_bytes", METRIC_GAUGE, "Size of the volume as it is served.", volume_bytes},
    {"dolmen_volume_shards", METRIC_GAUGE, "Shards of 8 GiB.", volume_shards_open},
    {"dolmen_volume_shards_serving", METRIC_GAUGE, "Shards that are served.", volume_shards_served},
};
/* clang-format on */

static void write_disks(FILE *to, const struct heartbeat_set *set, const struct disk_metric *m)
{
    metric_describe(to, m->name, m->kind, m->help);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct heartbeat *h = heartbeats_alive(set, set->items[i]->node);

        for (uint32_t d = 0; h && d < h->disk_count; d++)
            fprintf(to, "%s{disk=\"%s\",node=\"%s\"} %" PRIu64 "\n", m->name,
                    identity_show(h->disks[d].disk).text, h->name, m->value(&h->disks[d]));
    }
}

static void write_volumes(FILE *to, const struct heartbeat_set *set, const struct volume_metric *m)
{
    metric_describe(to, m->name, m->kind, m->help);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct heartbeat *h = heartbeats_alive(set, set->items[i]->node);

        for (uint32_t v = 0; h && v < h->volume_count; v++)
            fprintf(to, "%s{volume=\"%s\",node=\"%s\"} %" PRIu64 "\n", m->name,
                    identity_show(h->volumes[v].volume).text, h->name, m->value(&h->volumes[v]));
    }
}

/* Each as recorded: two may have one name, and one that was removed is none any more.  Who was not
 * heard yet has no row until he may be judged. */
static void write_nodes(FILE *to, const struct record_list *nodes, const struct heartbeat_set *set)
{
    metric_describe(to, NODE_UP, METRIC_GAUGE, NODE_UP_TEXT);
    for (uint32_t i = 0; i < nodes->count; i++) {
        struct node_record r;
        bool up;

        if (node_read(nodes->records[i].value, &r) != E_OK)
            continue;
        up = heartbeats_alive(set, r.node) != NULL;
        if (up || heartbeats_silent(set, r.node))
            fprintf(to, NODE_UP "{id=\"%s\",node=\"%s\"} %d\n", identity_show(r.node).text, r.name,
                    up);
    }
}

static void write_log(FILE *to)
{
    metric_describe(to, LOST, METRIC_COUNTER, LOST_TEXT);
    fprintf(to, LOST " %" PRIu64 "\n", metric_get(&log_writer_metrics()->lines_lost));
}

void metrics_show(struct control *c, const struct http_request *r, struct http_answer *a)
{
    struct heartbeat_set set = {0};
    struct record_list nodes = {0};
    struct problem p;
    FILE *to = NULL;

    (void)r;
    if (!control_range(c, "node/", &nodes, &p)) {
        answer_problem(a, &p);
        return;
    }
    if (board_snapshot(&c->board, &set))
        to = open_memstream(&a->body, &a->body_bytes);
    if (!to) {
        record_list_free(&nodes);
        board_release(&set);
        answer_json(a, 503, NULL);
        return;
    }
    write_nodes(to, &nodes, &set);
    record_list_free(&nodes);
    for (size_t i = 0; i < array_length(disk_metrics); i++)
        write_disks(to, &set, &disk_metrics[i]);
    for (size_t i = 0; i < array_length(volume_metrics); i++)
        write_volumes(to, &set, &volume_metrics[i]);
    board_release(&set);
    write_log(to);
    if (fclose(to) != 0) { /* without memory it is cut short */
        free(a->body);
        answer_json(a, 503, NULL);
        return;
    }
    a->status = 200;
    a->type = "text/plain; version=0.0.4";
}

void control_metrics_list(FILE *to)
{
    static const char head[] = "| name | kind | meaning |\n| --- | --- | --- |\n";

    fprintf(to,
            "### The cluster\n\nLabels: `node`, its name; of a node also `id`, of a disk `disk`, "
            "of a volume "
            "`volume`; of metad's own log none.\n\n%s",
            head);
    metric_list_row(to, NODE_UP, METRIC_GAUGE, NODE_UP_TEXT);
    for (size_t i = 0; i < array_length(disk_metrics); i++)
        metric_list_row(to, disk_metrics[i].name, disk_metrics[i].kind, disk_metrics[i].help);
    for (size_t i = 0; i < array_length(volume_metrics); i++)
        metric_list_row(to, volume_metrics[i].name, volume_metrics[i].kind, volume_metrics[i].help);
    metric_list_row(to, LOST, METRIC_COUNTER, LOST_TEXT);
}
