/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/top.h — what nodes say of their volumes and sessions at one moment, and the rates between
 * two moments.
 */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TOP_BUCKETS 24u /* of storaged's histograms: at most 8 << n microseconds */
#define TOP_NAME    224u

/* Counted since the volume was opened, or the session logged in. */
struct top_counts {
    double reads, writes, read_bytes, write_bytes, read_seconds, write_seconds;
    double again, shut_seconds;
    double buckets[TOP_BUCKETS]; /* of reads and writes together */
};

struct top_row {
    char node[64], key[TOP_NAME + 160]; /* which one it is, among all nodes */
    char name[TOP_NAME], volume[TOP_NAME], address[64];
    double at_seconds; /* on its reactor's clock */
    struct top_counts counts;
    double queue, window, received_seconds_ago;
};

struct top_rows {
    struct top_row *items;
    uint32_t count, room;
};

struct top_sample {
    struct top_rows volumes, sessions;
    json_t *unasked; /* [{"node", "why"}] */
    json_t *asked;   /* {"n1": true} */
};

void top_sample_init(struct top_sample *s);
void top_sample_done(struct top_sample *s);
void top_unasked(struct top_sample *s, const char *node, const char *why);

/* The answers of a node's status port; what is not understood counts as nothing. */
void top_read_volumes(struct top_sample *s, const char *node, const json_t *answer);
void top_read_sessions(struct top_sample *s, const char *node, const json_t *answer);

/* ---- rates (top_rates.c) ---- */

struct top_rates {
    const struct top_row *row;                            /* NULL: a sum */
    double reads, writes, read_bytes, write_bytes, again; /* a second */
    double request_bytes;                                 /* mean */
    double read_ms, write_ms, wait_ms, p99_ms;
    double queue, window, shut_share;
};

/* What one did between two samples, and all of them together; sorted, the busiest first.  *ret is
 * malloc'ed, `now`'s rows stand in it; how many.  Rows of a node that was not asked before have no
 * rates. */
uint32_t top_compare(const struct top_rows *before, const json_t *asked_before,
                     const struct top_rows *now, struct top_rates **ret, struct top_rates *ret_sum);

/* ---- pages (top_print.c) ---- */

struct top_page {
    const struct top_sample *sample;
    struct top_rates *volumes, *sessions;
    uint32_t volume_count, session_count;
    struct top_rates volume_sum, session_sum;
    double interval_seconds;
};
void top_print(FILE *to, const struct top_page *p, uint32_t lines_max); /* 0: as many as it takes */
json_t *top_json(const struct top_page *p);

#endif
