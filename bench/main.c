/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/main.c — store_bench: loads for one store on one file, by command.
 *
 *   store_bench FILE STORE_BYTES FILE_BYTES [hollow]
 *
 * hollow: what is written to chunks is forgotten, so that FILE may be sparse and its size a claim;
 * reads of data then fail, as they must.
 *
 * Reads commands from stdin, one a line, `name key=value …`; answers each with one line of JSON,
 * which has "error" when it did not work.  bench/store drives it; what the figures mean stands in
 * bench/README.md.
 *
 *   format journal=BYTES
 *   start  blocks=N [pages=N]                opens, with the limits of a node's disk, or so many
 *                                            pages of checksums; a replica of so many blocks is
 *                                            made if need be; what the start took
 *   memory                                   resident since the start began
 *   stop
 *   renew  blocks=N                          the replica is deleted and made anew
 *   add    blocks=N                          one more replica, for the loads that follow
 *   settle                                   until the disk is left alone
 *   write, read  order=random|sequential|fresh size=BYTES depth=N span=BYTES
 *                [warm=BYTES] [bytes=BYTES] ms=N
 */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bench {
    struct scene scene;
    struct load *load;
    uint64_t resident_before; /* the start */
};

/* ---- words of a command ---- */

/* The text after `key=`; NULL: it is not there. */
static const char *word(const char *line, const char *key)
{
    size_t length = strlen(key);
    const char *at = line;

    while ((at = strchr(at, ' '))) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=')
            return at + length + 1;
    }
    return NULL;
}

static uint64_t number(const char *line, const char *key)
{
    const char *text = word(line, key);

    return text ? strtoull(text, NULL, 10) : 0;
}

static bool word_is(const char *line, const char *key, const char *value)
{
    const char *text = word(line, key);
    size_t length = strlen(value);

    return text && strncmp(text, value, length) == 0 && (text[length] == ' ' || !text[length]);
}

/* ---- answers ---- */

static void print_part(const struct samples *s, const char *name, double part)
{
    double us;

    if (samples_part(s, part, &us))
        printf(", \"%s\": %.1f", name, us);
    else
        printf(", \"%s\": null", name);
}

static void print_figures(const struct bench *b, const struct load_figures *f)
{
    double seconds = (double)f->wall_ns / 1e9, requests = (double)f->requests;
    const struct samples *s = load_samples(b->load);
    double sum_ns = 0;

    for (uint64_t i = 0; i < s->count; i++)
        sum_ns += s->ns[i];
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.3f, \"iops\": %.1f", f->requests, seconds,
           requests / seconds);
    printf(", \"mean_us\": %.1f", sum_ns / (double)s->count / 1e3);
    print_part(s, "p50_us", 0.5);
    print_part(s, "p99_us", 0.99);
    print_part(s, "p999_us", 0.999);
    printf(", \"max_us\": %.1f, \"silence_us\": %.1f", s->ns[s->count - 1] / 1e3,
           (double)f->silence_ns / 1e3);
    printf(", \"cpu_us\": %.2f, \"others\": %.2f", (double)f->cpu_ns / 1e3 / requests,
           ((double)f->machine_ns - (double)f->cpu_ns) / (double)f->wall_ns);
    if (f->bytes_written > 0)
        printf(", \"bytes_per_byte\": %.3f", (double)f->bytes_written / (double)f->bytes);
    if (f->read_from < f->read_to)
        printf(", \"read_from\": %" PRIu64 ", \"read_to\": %" PRIu64, f->read_from, f->read_to);
    printf("}\n");
}

/* ---- commands ---- */

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char text[64] = "", *at = text;

    if (!file)
        return 0;
    if (!fgets(text, sizeof text, file))
        at = NULL;
    fclose(file);
    at = at ? strchr(text, ' ') : NULL; /* the second number is what is resident */
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static enum err command_start(struct bench *b, const char *line)
{
    struct store_limits limits = store_limits_node(b->scene.meter.disk.size_bytes);
    uint64_t cpu = cpu_ns();
    struct timespec begun, now;
    enum err err;

    if (number(line, "pages") > 0)
        limits.checksum_pages = (uint32_t)number(line, "pages");
    b->resident_before = resident_bytes();
    clock_gettime(CLOCK_MONOTONIC, &begun);
    err = scene_start(&b->scene, &limits, number(line, "blocks"));
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!err)
        printf("{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"limits_bytes\": %" PRIu64
               ", \"chunks_taken\": %" PRIu64 "}\n",
               (double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9,
               (double)(cpu_ns() - cpu) / 1e9, store_limits_bytes(&limits),
               store_space(b->scene.store).chunks - store_space(b->scene.store).chunks_free);
    return err;
}

static bool plan_of(const char *line, struct load_plan *ret)
{
    *ret = (struct load_plan){.write = strncmp(line, "write ", 6) == 0,
                              .sequential = word_is(line, "order", "sequential"),
                              .fresh = word_is(line, "order", "fresh"),
                              .blocks = (uint32_t)number(line, "size") / BLOCK_BYTES,
                              .depth = (uint32_t)number(line, "depth"),
                              .span_blocks = number(line, "span") / BLOCK_BYTES,
                              .warm_bytes = number(line, "warm"),
                              .bytes_max = number(line, "bytes"),
                              .us_max = number(line, "ms") * 1000};
    return ret->blocks > 0 && ret->blocks <= BENCH_BLOCKS_MAX && ret->depth > 0 &&
           ret->depth <= BENCH_DEPTH_MAX && ret->span_blocks >= ret->blocks && ret->us_max > 0;
}

static enum err command_load(struct bench *b, const char *line)
{
    struct load_plan plan;
    struct load_figures figures;
    enum err err;

    if (!b->scene.store || !plan_of(line, &plan))
        return E_INVALID;
    err = load_run(b->load, &plan, &figures);
    if (!err)
        print_figures(b, &figures);
    return err;
}

static enum err perform(struct bench *b, const char *line, bool *ret_printed)
{
    bool is_open = b->scene.store;

    *ret_printed = strncmp(line, "write ", 6) == 0 || strncmp(line, "read ", 5) == 0;
    if (*ret_printed)
        return command_load(b, line);
    if (strncmp(line, "format ", 7) == 0 && !is_open)
        return scene_format(&b->scene, number(line, "journal"));
    if (strncmp(line, "start ", 6) == 0 && !is_open) {
        *ret_printed = true;
        return command_start(b, line);
    }
    if (strcmp(line, "memory") == 0 && is_open) {
        *ret_printed = true;
        printf("{\"resident_bytes\": %" PRIu64 "}\n", resident_bytes() - b->resident_before);
        return E_OK;
    }
    if (strncmp(line, "add ", 4) == 0 && is_open)
        return scene_add(&b->scene, number(line, "blocks"));
    if (strncmp(line, "renew ", 6) == 0 && is_open)
        return scene_renew(&b->scene, number(line, "blocks"));
    if (strcmp(line, "stop") == 0 && is_open)
        return scene_stop(&b->scene);
    if (strcmp(line, "settle") != 0)
        return E_INVALID;
    scene_settle(&b->scene);
    return E_OK;
}

static bool answer(struct bench *b, char *line)
{
    bool printed = false;
    enum err err;

    line[strcspn(line, "\n")] = 0;
    err = perform(b, line, &printed);
    if (err)
        printf("{\"error\": \"%s: %s %s\"}\n", line, err_text(err), b->scene.why);
    else if (!printed)
        printf("{}\n");
    fflush(stdout);
    return err == E_OK;
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    char line[512];
    enum err err;
    bool well = true;

    if (argc != 4 && (argc != 5 || strcmp(argv[4], "hollow") != 0)) {
        fprintf(stderr, "usage: store_bench FILE STORE_BYTES FILE_BYTES [hollow]\n");
        return 2;
    }
    err = scene_open(&b.scene, argv[1], strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (!err)
        err = load_open(&b.load, &b.scene);
    if (err) {
        fprintf(stderr, "store_bench: %s\n", b.scene.why[0] ? b.scene.why : err_text(err));
        return 1;
    }
    if (argc == 5)
        meter_hollow(&b.scene.meter, &b.scene.env->clock);
    while (well && fgets(line, sizeof line, stdin))
        well = answer(&b, line);
    if (b.scene.store && scene_stop(&b.scene))
        well = false;
    load_close(b.load);
    scene_close(&b.scene);
    return well ? 0 : 1;
}
