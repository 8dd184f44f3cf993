/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/load.c — keeps so many requests under way, and looks at the clock when each is answered.
 *
 * A latency begins before the checksums of a write are computed: whoever writes must do that.  A
 * load may begin unmeasured (warm): then at least 32 requests are under way, until the journal and
 * the stage are as full as they are going to be; after that only `depth` go on.
 */
#include "bench/bench.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM_DEPTH  32u
#define SAMPLES_MAX (UINT64_C(16) << 20)

struct slot {
    struct load *load;
    uint32_t number;
    struct store_change change;
    struct store_read read;
    struct iovec piece;
    uint64_t begun_ns;
    uint32_t checksums[BENCH_BLOCKS_MAX];
};

struct load {
    struct scene *scene;
    struct samples samples;
    uint8_t *memory;
    struct slot slots[BENCH_DEPTH_MAX];

    struct load_plan plan;
    struct load_figures figures;
    uint64_t issued, flying;
    uint64_t chance; /* state of a small generator */
    bool measuring;
    uint64_t begun_ns, begun_cpu_ns, begun_machine_ns, last_ns;
    uint64_t warm_bytes; /* acknowledged so far */
    enum err err;
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * 1000000000 +
           ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000;
}

/* The whole machine: what is not idle, by the kernel's hundredths of a second. */
static uint64_t machine_ns(void)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[256] = "cpu ", *at = line + strlen("cpu ");
    uint64_t ticks = 0;

    if (!file)
        return 0;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    for (int field = 0; field < 7; field++) { /* user nice system idle iowait irq softirq */
        uint64_t value = strtoull(at, &at, 10);

        ticks += field == 3 || field == 4 ? 0 : value;
    }
    return ticks * 10000000;
}

/* ---- where ---- */

static uint64_t random_u64(struct load *l)
{
    l->chance ^= l->chance << 13;
    l->chance ^= l->chance >> 7;
    l->chance ^= l->chance << 17;
    return l->chance;
}

/* The first block of the next request. */
static uint64_t place(struct load *l)
{
    const struct load_plan *p = &l->plan;
    uint64_t places = p->span_blocks / p->blocks, number = l->issued++;

    if (p->sequential)
        return number % places * p->blocks;
    if (p->fresh) { /* an odd step visits every chunk of a power of two of them */
        uint64_t chunks = p->span_blocks / CHUNK_BLOCKS;

        return number * 40503 % chunks * CHUNK_BLOCKS;
    }
    return random_u64(l) % places * p->blocks;
}

/* ---- one request ---- */

static void issue(struct slot *s);

static void begin_measuring(struct load *l)
{
    l->measuring = true;
    l->samples.count = l->samples.lost = 0;
    l->figures = (struct load_figures){0};
    meter_reset(&l->scene->meter);
    l->begun_cpu_ns = cpu_ns();
    l->begun_machine_ns = machine_ns();
    l->begun_ns = l->last_ns = clock_ns();
}

static void end_measuring(struct load *l)
{
    const struct meter *m = &l->scene->meter;

    l->measuring = false;
    l->figures.wall_ns = l->last_ns - l->begun_ns;
    l->figures.cpu_ns = cpu_ns() - l->begun_cpu_ns;
    l->figures.machine_ns = machine_ns() - l->begun_machine_ns;
    l->figures.bytes_written = m->bytes_written;
    l->figures.read_from = m->read_from;
    l->figures.read_to = m->read_to;
}

static bool enough(const struct load *l)
{
    const struct load_plan *p = &l->plan;

    return l->err || l->last_ns - l->begun_ns >= p->us_max * 1000 ||
           (p->bytes_max && l->figures.bytes >= p->bytes_max);
}

static void measure(struct load *l, const struct slot *s)
{
    uint64_t now = clock_ns();

    l->figures.requests++;
    l->figures.bytes += s->piece.iov_len;
    l->figures.silence_ns = max_u64(l->figures.silence_ns, now - l->last_ns);
    l->last_ns = now;
    samples_add(&l->samples, now - s->begun_ns);
}

static void answered(struct slot *s, enum err err)
{
    struct load *l = s->load;
    bool ended = l->figures.wall_ns > 0 || l->err;

    l->flying--;
    if (err && !l->err)
        l->err = err;
    if (l->measuring) {
        measure(l, s);
        ended = enough(l);
        if (ended)
            end_measuring(l);
    } else if (!ended) {
        l->warm_bytes += s->piece.iov_len;
        if (l->warm_bytes >= l->plan.warm_bytes)
            begin_measuring(l);
    }
    if (!ended && (!l->measuring || s->number < l->plan.depth))
        issue(s);
    else if (l->flying == 0)
        scene_over(l->scene, l->err);
}

static void written(struct store_change *c, enum err err)
{
    struct slot *s = c->own;

    s->load->scene->answered_seq = c->stamp.seq; /* answers come in order (S2) */
    answered(s, err);
}

static void have_read(struct store_read *r, enum err err)
{
    answered(r->own, err);
}

static void issue(struct slot *s)
{
    struct load *l = s->load;
    struct scene *scene = l->scene;
    struct extent at = {place(l), l->plan.blocks};

    s->begun_ns = clock_ns();
    l->flying++;
    if (l->plan.write) {
        block_checksums(SCENE_VOLUME, at.start, at.count, &s->piece, s->checksums);
        s->change = (struct store_change){.kind = STORE_WRITE,
                                          .replica = scene->replica,
                                          .extent = at,
                                          .pieces = &s->piece,
                                          .piece_count = 1,
                                          .checksums = s->checksums,
                                          .stamp = {.generation = 1,
                                                    .epoch = 1,
                                                    .seq = ++scene->seq,
                                                    .commit_seq = scene->answered_seq},
                                          .done = written,
                                          .own = s};
        store_change(scene->store, &s->change);
    } else {
        s->read = (struct store_read){.replica = scene->replica,
                                      .extent = at,
                                      .pieces = &s->piece,
                                      .piece_count = 1,
                                      .done = have_read,
                                      .own = s};
        store_read(&s->read);
    }
}

/* ---- a load ---- */

enum err load_open(struct load **ret, struct scene *scene)
{
    size_t bytes = (size_t)BENCH_DEPTH_MAX * BENCH_BLOCKS_MAX * BLOCK_BYTES;
    struct load *l = calloc(1, sizeof *l);

    if (!l)
        return E_NO_MEMORY;
    l->scene = scene;
    l->chance = 0x9e3779b97f4a7c15;
    l->memory = aligned_alloc(DISK_ALIGN, bytes);
    if (!l->memory || samples_open(&l->samples, SAMPLES_MAX)) {
        load_close(l);
        return E_NO_MEMORY;
    }
    scene->env->chance->fill(scene->env->chance, l->memory, bytes);
    *ret = l;
    return E_OK;
}

void load_close(struct load *l)
{
    if (!l)
        return;
    samples_close(&l->samples);
    free(l->memory);
    free(l);
}

struct samples *load_samples(struct load *l)
{
    return &l->samples;
}

enum err load_run(struct load *l, const struct load_plan *plan, struct load_figures *ret)
{
    uint32_t depth = plan->warm_bytes > 0 ? max_u32(plan->depth, WARM_DEPTH) : plan->depth;
    enum err err;

    assert(plan->blocks <= BENCH_BLOCKS_MAX);
    assert(depth <= BENCH_DEPTH_MAX);
    l->plan = *plan;
    l->issued = l->warm_bytes = 0;
    l->figures = (struct load_figures){0};
    l->measuring = false;
    l->err = E_OK;
    if (plan->warm_bytes == 0)
        begin_measuring(l);
    for (uint32_t i = 0; i < depth; i++) {
        struct slot *s = &l->slots[i];

        s->load = l;
        s->number = i;
        s->piece = (struct iovec){l->memory + (size_t)i * BENCH_BLOCKS_MAX * BLOCK_BYTES,
                                  (size_t)plan->blocks * BLOCK_BYTES};
        issue(s);
    }
    err = scene_await(l->scene);
    samples_sort(&l->samples);
    *ret = l->figures;
    return err;
}
