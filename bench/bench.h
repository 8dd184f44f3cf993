/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/bench.h — what the files of store_bench share.
 *
 * A *scene* is one reactor, one file or device behind a meter, and the store that is open on it.
 * main.c reads commands, one a line, and answers each with one line of JSON; between commands
 * nothing runs, so that another program can be measured on the same file.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "env/uring/reactor.h"
#include "store/store.h"

#define BENCH_DEPTH_MAX  128u
#define BENCH_BLOCKS_MAX 256u /* of one request: 1 MiB */

/* ---- meter.c: a disk that counts, and may be smaller than the one below ---- */

struct meter {
    struct disk disk; /* what the store is given */
    struct disk *below;
    uint64_t requests;
    uint64_t bytes_written;
    uint64_t read_from, read_to; /* where reads fell since meter_reset(); none: from > to */

    bool hollow, learning;       /* learning: what is formatted tells where chunks are     */
    uint64_t hole_from, hole_to; /* chunks: writes there are answered and forgotten        */
    struct list forgotten;       /* struct disk_io, to be answered                         */
    struct timer timer;
    struct clock *clock;
};

void meter_open(struct meter *m, struct disk *below, uint64_t size_bytes);
void meter_hollow(struct meter *m, struct clock *clock); /* before it is formatted */
void meter_reset(struct meter *m);

/* ---- samples.c: every latency, none thrown away ---- */

struct samples {
    uint32_t *ns;
    uint64_t count, max;
    uint64_t lost; /* did not fit */
};

must_check enum err samples_open(struct samples *s, uint64_t max);
void samples_close(struct samples *s);
void samples_add(struct samples *s, uint64_t ns);
void samples_sort(struct samples *s);
/* Of sorted samples, 0 < part < 1; false: too few of them to say it. */
bool samples_part(const struct samples *s, double part, double *ret_us);

/* ---- scene.c ---- */

struct scene {
    struct reactor *reactor;
    struct env *env;
    struct disk *file;
    struct meter meter;
    struct store *store;
    struct store_replica *replica;
    uint32_t added; /* replicas besides the first */
    uint64_t seq, answered_seq;
    enum err err; /* of what was waited for */
    bool over;
    char why[160];
};

#define SCENE_VOLUME  ((struct identity){0x0a0be7c4})
#define SCENE_REPLICA ((struct identity){0x0b0be7c4}) /* the first; others count on from it */

/* Opens `path`, made with `file_bytes` if it is not there; the store gets its first `store_bytes`.
 */
must_check enum err scene_open(struct scene *s, const char *path, uint64_t store_bytes,
                               uint64_t file_bytes);
void scene_close(struct scene *s);

must_check enum err scene_format(struct scene *s, uint64_t journal_bytes);
/* The replica is made when it is not there. */
must_check enum err scene_start(struct scene *s, const struct store_limits *limits,
                                uint64_t replica_blocks);
must_check enum err scene_stop(struct scene *s);
must_check enum err scene_renew(struct scene *s, uint64_t replica_blocks); /* never written */
/* One more replica, which loads go to from now on. */
must_check enum err scene_add(struct scene *s, uint64_t replica_blocks);

/* The loop goes on until scene_over() was called; then until the disk was left alone for 200 ms. */
enum err scene_await(struct scene *s);
void scene_over(struct scene *s, enum err err);
void scene_settle(struct scene *s);

/* ---- load.c: so many requests at once ---- */

struct load_plan {
    bool write;
    bool sequential; /* else random, aligned to its size                          */
    bool fresh;      /* random, but each chunk once: none was written before      */
    uint32_t blocks; /* of a request                                              */
    uint32_t depth;
    uint64_t span_blocks; /* of the replica, from its beginning                   */
    uint64_t warm_bytes;  /* acknowledged before anything is measured, at 32 and more at once */
    uint64_t bytes_max;   /* measured at most … (0: no bound)                     */
    uint64_t us_max;      /* … and so long                                        */
};

struct load_figures {
    uint64_t requests;
    uint64_t wall_ns, cpu_ns;
    uint64_t machine_ns;           /* CPU time of all that ran meanwhile          */
    uint64_t bytes, bytes_written; /* acknowledged; given to the disk meanwhile   */
    uint64_t silence_ns;           /* the longest time without any answer         */
    uint64_t read_from, read_to;   /* of the disk                                 */
};

struct load;

uint64_t cpu_ns(void); /* of this process so far, the kernel's threads for its ring included */

/* Memory for the largest load. */
must_check enum err load_open(struct load **ret, struct scene *scene);
void load_close(struct load *l);
must_check enum err load_run(struct load *l, const struct load_plan *plan,
                             struct load_figures *ret);
struct samples *load_samples(struct load *l); /* of the last run */

#endif
