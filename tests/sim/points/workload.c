/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/points/workload.c — the scripts. */
#include "tests/sim/points/workload.h"

#include "base/util.h"

#define W(slot, first, n)  .kind = WRITE, .replica = (slot), .blocks = {(first), (n)}
#define U(slot, first, n)  .kind = UNMAP, .replica = (slot), .blocks = {(first), (n)}
#define R(slot, first, n)  .kind = READ, .replica = (slot), .blocks = {(first), (n)}
#define OF(k, slot, value) .kind = (k), .replica = (slot), .number = (value)

// clang-format off
/* Single blocks and a few, one after the other and many at once. */
static const struct step small[] = {
    {OF(MAKE, 0, 512)},
    {.kind = WAIT},
    {W(0, 3, 1), .times = 6, .stride = 17, .one_by_one = true},
    {W(0, 0, 1), .times = 40, .stride = 13},
    {OF(COMMIT, 0, 0)},
    {W(0, 100, 3), .times = 12, .stride = 29},
    {R(0, 90, 60)},
    {.kind = WAIT},
    {W(0, 3, 1), .times = 10, .stride = 17},
    {.kind = WAIT},
};

/* Whole chunks, aligned and ragged, fresh and over what is there. */
static const struct step full[] = {
    {OF(MAKE, 0, 1024)},
    {.kind = WAIT},
    {W(0, 0, 16)},
    {.kind = WAIT},
    {W(0, 16, 64), .times = 3, .stride = 64},
    {.kind = WAIT},
    {W(0, 5, 70)},             /* ragged at both ends, over chunks that are there */
    {W(0, 8, 1), .times = 4, .stride = 16},
    {W(0, 0, 32)},             /* … and over small writes that are still under way */
    {R(0, 0, 80)},
    {.kind = WAIT},
    {W(0, 400, 256)},          /* one of 1 MiB */
    {W(0, 416, 16), .times = 6, .stride = 16, .one_by_one = true},
    {.kind = WAIT},
};

/* The same blocks again and again, from all sides, with many in flight. */
static const struct step overlapping[] = {
    {OF(MAKE, 0, 128)},
    {.kind = WAIT},
    {W(0, 16, 4), .times = 12, .stride = 1, .within = 5},
    {W(0, 10, 30)},
    {W(0, 16, 16)},
    {W(0, 20, 1)},
    {W(0, 14, 20)},
    {.kind = WAIT},
    {W(0, 18, 1), .times = 8, .one_by_one = true},
    {W(0, 0, 48)},
    {W(0, 17, 2)},
    {U(0, 16, 8)},
    {W(0, 12, 10)},
    {W(0, 16, 16)},
    {.kind = WAIT},
};

/* Parts of chunks, whole ones and runs of them; written again, at once and later. */
static const struct step unmap[] = {
    {OF(MAKE, 0, 512)},
    {.kind = WAIT},
    {W(0, 0, 128)},
    {W(0, 200, 3), .times = 5, .stride = 16},
    {.kind = WAIT},
    {U(0, 4, 3)},
    {U(0, 16, 16)},
    {W(0, 20, 1)},
    {U(0, 30, 60)},
    {.kind = WAIT},
    {.kind = RESTART},
    {U(0, 0, 20)},
    {W(0, 2, 2)},
    {U(0, 64, 64)},
    {W(0, 64, 32)},
    {U(0, 200, 200)},
    {.kind = WAIT},
    {W(0, 200, 1), .times = 5, .stride = 16},
    {U(0, 0, 512)},
    {.kind = WAIT},
};

/* A stage so small that a checkpoint is always due; writes, unmaps and reads go on beside it. */
static const struct step checkpoint[] = {
    {OF(MAKE, 0, 512)},
    {OF(MAKE, 0, 256)},
    {.kind = WAIT},
    {W(0, 0, 4), .times = 50, .stride = 11, .within = 500},
    {W(1, 0, 16), .times = 6, .stride = 16},
    {U(0, 20, 40)},
    {W(0, 24, 2), .times = 60, .stride = 7, .within = 480},
    {R(0, 0, 256)},
    {U(1, 16, 48)},
    {W(1, 8, 60)},
    {W(0, 1, 3), .times = 60, .stride = 5, .within = 200},
    {.kind = WAIT},
};

/* More than twice the journal's length. */
static const struct step wrap[] = {
    {OF(MAKE, 0, 384)},
    {.kind = WAIT},
    {W(0, 0, 6), .times = 110, .stride = 19, .within = 370},
    {.kind = WAIT},
    {W(0, 3, 1), .times = 10, .stride = 41, .within = 380, .one_by_one = true},
    {W(0, 1, 11), .times = 30, .stride = 23, .within = 370},
    {.kind = WAIT},
};

/* It grows, also while writes go on, into and out of a chunk's middle. */
static const struct step resize[] = {
    {OF(MAKE, 0, 24)},
    {.kind = WAIT},
    {W(0, 0, 24)},
    {OF(RESIZE, 0, 40)},
    {.kind = WAIT},
    {W(0, 20, 20)},
    {OF(RESIZE, 0, 400)},
    {W(0, 8, 1)},
    {.kind = WAIT},
    {W(0, 41, 3), .times = 10, .stride = 35},
    {.kind = RESTART},
    {OF(RESIZE, 0, 1000)},
    {.kind = WAIT},
    {W(0, 990, 10)},
    {W(0, 384, 32)},
    {.kind = WAIT},
};

/* Made, deleted, and made again in the slot and over the chunks of one that is gone. */
static const struct step replicas[] = {
    {OF(MAKE, 0, 256)},
    {OF(MAKE, 0, 64)},
    {OF(MAKE, 0, 512)},
    {.kind = WAIT},
    {W(0, 0, 64)},
    {W(1, 3, 9)},
    {W(2, 100, 5), .times = 10, .stride = 31},
    {.kind = WAIT},
    {OF(DELETE, 1, 0)},
    {W(0, 60, 8)},
    {.kind = WAIT},
    {OF(MAKE, 0, 128)},
    {.kind = WAIT},
    {W(1, 0, 3)},
    {.kind = RESTART},
    {OF(DELETE, 0, 0)},
    {.kind = WAIT},
    {.kind = RESTART},         /* its chunks are the first that are handed out */
    {W(2, 0, 48)},
    {OF(MAKE, 0, 300)},
    {.kind = WAIT},
    {W(0, 16, 4), .times = 12, .stride = 16},
    {OF(DELETE, 2, 0)},
    {.kind = WAIT},
    {OF(MAKE, 0, 100)},
    {.kind = WAIT},
};

/* Promises, sets, commit words and epochs among writes: what replication keeps here. */
static const struct step facts[] = {
    {OF(MAKE, 0, 256)},
    {OF(MAKE, 0, 256)},
    {.kind = WAIT},
    {OF(PROMISE, 0, 1)},
    {OF(SET, 0, 0)},
    {W(0, 0, 5), .times = 8, .stride = 9},
    {OF(PROMISE, 1, 4)},
    {W(1, 7, 1), .times = 4, .stride = 50},
    {.kind = WAIT},
    {OF(COMMIT, 0, 0)},
    {W(0, 100, 2), .times = 6, .stride = 20},
    {OF(SET, 0, 0)},
    {OF(PROMISE, 0, 2)},
    {W(0, 1, 2)},
    {OF(SET, 0, 0)},
    {.kind = WAIT},
    {.kind = RESTART},
    {OF(PROMISE, 0, 7)},
    {OF(SET, 1, 0)},
    {W(0, 30, 30)},
    {OF(COMMIT, 0, 0)},
    {W(0, 2, 2)},
    {.kind = WAIT},
};

/* Nearly full from the start, until nothing is left; then what needs no space, room made by unmap
 * and delete, and on. */
static const struct step full_disk[] = {
    {OF(MAKE, 0, 2048)},
    {OF(MAKE, 0, 64)},
    {OF(MAKE, 0, 2048)},
    {.kind = WAIT},
    {W(1, 0, 20)},
    {W(0, 0, 256), .times = 8, .stride = 256},
    {W(2, 0, 256), .times = 5, .stride = 256},
    {.kind = WAIT}, /* the prelude ends here */
    {W(2, 1280, 5), .times = 50, .stride = 15},
    {.kind = WAIT},
    {W(0, 9, 1), .times = 10, .stride = 67},
    {U(0, 128, 96)},
    {W(0, 3, 2)},
    {.kind = WAIT},
    {.kind = RESTART},
    {W(2, 1500, 100)},
    {OF(DELETE, 1, 0)},
    {.kind = WAIT},
    {W(2, 1504, 24), .times = 4, .stride = 24},
    {.kind = WAIT},
};
// clang-format on

#define SCRIPT(s) .steps = (s), .step_count = array_length(s)

const struct workload workloads[] = {
    {.name = "small", SCRIPT(small), .least = {[MET_SHARED] = 20, [MET_GROUPS] = 8}},
    {.name = "full", SCRIPT(full), .least = {[MET_AROUND] = 1, [MET_OVERLAPS] = 6}},
    {.name = "overlapping", SCRIPT(overlapping), .least = {[MET_OVERLAPS] = 60}},
    {.name = "unmap", SCRIPT(unmap), .least = {[MET_PARTS] = 3, [MET_FREED] = 8}},
    {.name = "checkpoint",
     SCRIPT(checkpoint),
     .stage_bytes = 512 << 10,
     .least = {[MET_ROOTS] = 3}},
    {.name = "wrap", SCRIPT(wrap), .least = {[MET_RINGS] = 2}},
    {.name = "resize",
     SCRIPT(resize),
     .least = {[MET_GROWN_BESIDE] = 2, [MET_GROWN_AMID] = 2, [MET_BEYOND] = 80}},
    {.name = "replicas",
     SCRIPT(replicas),
     .least = {[MET_SLOTS_AGAIN] = 3, [MET_FREED] = 10, [MET_CHUNKS_AGAIN] = 1}},
    {.name = "facts",
     SCRIPT(facts),
     .least = {[MET_PROMISES] = 4, [MET_SETS] = 4, [MET_LOGGED] = 8}},
    {.name = "full-disk",
     SCRIPT(full_disk),
     .prelude = 8,
     .least = {[MET_REFUSED] = 1, [MET_CHUNKS_AGAIN] = 1}},
};
const uint32_t workload_count = array_length(workloads);
