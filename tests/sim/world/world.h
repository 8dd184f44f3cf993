/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/world.h — a world in memory behind env/env.h, played from one seed (design 12).
 *
 * Several processes (each a `struct env`), their disks and the network between them live on one
 * virtual clock in one thread.  Whatever the real world leaves open (how long, in which order, in
 * how many pieces, what of the unsynced survives) is drawn from the seed, so a run repeats exactly.
 *
 *   struct sim *s = sim_open(seed);
 *   sim_disk_make(s, "disk0", 64 << 20);
 *   struct env *e = sim_env(s, "node0");
 *   … open rooms with e, start something …
 *   assert_true(sim_run_until(s, answered, &request, 10 * 1000 * 1000));
 *   sim_crash(s, e, SIM_POWER_LOST);
 *   e = sim_env(s, "node0"); … open again, look what is there …
 *   sim_close(s);
 *
 * A process that is dead gets no call any more: no done, no closed, no timer.  What it had
 * allocated is never freed, as in life.  So that a leak checker knows it for a corpse, its tasks,
 * connections and I/O under way stay reachable; hand whatever else it owned (the room's root
 * pointer) to sim_abandon().  Long series of crashes go into children: sim_seeds().
 *
 * SIM_TRACE=1 in the environment shows logs and crashes with their virtual time on stderr.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/world/disk_faults.h"

struct sim;

struct sim *sim_open(uint64_t seed);
void sim_close(struct sim *s); /* what lives still simply ends */

/* For what the test itself has to draw: from the seed, apart from the world's own draws. */
uint64_t sim_draw(struct sim *s, uint64_t below);

/* ---- processes ---- */

/* A new process with clock, chance, log (silent unless SIM_TRACE) and a task queue of its own. */
struct env *sim_env(struct sim *s, const char *name);

/* Another thread of that process, with an env of its own: it dies when the process does, and its
 * I/O counts as the process's. */
struct env *sim_env_beside(struct sim *s, struct env *e, const char *name);

enum sim_death {
    SIM_KILLED,     /* the process ends; what its disks had taken stays and will be durable */
    SIM_POWER_LOST, /* of what was not yet durable each write stays, is lost, or is torn    */
};

/* At once; never from inside a call of that process. */
void sim_crash(struct sim *s, struct env *e, enum sim_death death);

/*
 * The same just before the n-th I/O (from 1, from now on) that could change anything outside: disk
 * write, disk sync, net send.  That I/O and all later ones come to nothing; the call that issued
 * it returns as if nothing were wrong, and the process is dead when its turn ends.
 */
void sim_crash_at_io(struct sim *s, struct env *e, uint64_t n, enum sim_death death);

enum sim_moment {
    SIM_BEFORE, /* as sim_crash_at_io()                                                      */
    SIM_DURING, /* it was handed out, and its fate is open as that of all others under way    */
    SIM_AFTER,  /* the disk has performed it (a send is on its way); nobody was told          */
};

struct sim_point {
    uint64_t io; /* the n-th, from 1, from now on */
    enum sim_moment moment;
};

/* The same around the n-th I/O. */
void sim_crash_around_io(struct sim *s, struct env *e, struct sim_point at, enum sim_death death);

/* Such I/Os so far, to choose n from; also of a dead process. */
uint64_t sim_io_count(const struct env *e);
bool sim_dead(const struct env *e);

/* `root` was a dead process's: keep it, and what it points to, reachable for ever. */
void sim_abandon(struct sim *s, void *root);

/* ---- time ---- */

/*
 * Turns the world until `is_true`, which is asked after every turn; false when `bound_us` of
 * virtual time passed first.
 */
bool sim_run_until(struct sim *s, bool (*is_true)(void *), void *arg, uint64_t bound_us);
void sim_run_for(struct sim *s, uint64_t us);
/* The clock jumps forwards, as it does when a machine slept: nothing happens in between, and then
 * everything that is due. */
void sim_jump(struct sim *s, uint64_t us);
uint64_t sim_now_us(const struct sim *s);

/* ---- the network ---- */

/*
 * What goes one way on a connection, from or to the owner of `c`, stays on its way until it is held
 * no more, the end of the connection with it; the network takes some 256 KiB, then it is full.  So
 * a peer reads nothing, or bytes come late.
 */
enum sim_way { SIM_SENT, SIM_RECEIVED };
void sim_net_hold(struct net_conn *c, enum sim_way way, bool held);

/* ---- disks: they outlive the processes ---- */

/*
 * Sparse, zeros at first.  A write is in the disk's cache when it is done, and durable with
 * DISK_DSYNC (that write alone), write_through, or a DISK_SYNC submitted after it was done.  What
 * else may happen to it is a matter of rules: tests/sim/world/disk_faults.h.
 * Nothing that was written may change its bytes before its done: that aborts.
 */
struct sim_disk {
    bool write_through; /* reported as struct disk's; set it before it is opened */
    bool broken;        /* every request ends with E_DISK */
    uint64_t slow_us;   /* added to each request */
    uint64_t requests;  /* so far, reads too: a rule may aim at the next one */

    /* the world's own */
    struct sim *sim;
    struct list link;
    char *name;
    uint64_t size_bytes;
    struct sim_page **pages; /* by number; NULL: zeros */
    bool *harmed;            /* by page: whether harm was ever done to it */
    struct list cached;      /* writes that are done and not durable, oldest first */
    struct list under_way;   /* requests in no order */
    uint64_t sequence;       /* of the newest write */
    struct sim_disk_faults faults;
    struct sim_handle *open;
};

struct sim_disk *sim_disk_make(struct sim *s, const char *name, uint64_t bytes);
struct sim_disk *sim_disk_find(struct sim *s, const char *name); /* NULL: there is none */

/* Looks at, or changes, what the disk holds: rot, for one.  Any offset and length within it. */
void sim_disk_peek(const struct sim_disk *d, uint64_t offset, void *ret, size_t length);
void sim_disk_poke(struct sim_disk *d, uint64_t offset, const void *bytes, size_t length);

/* ---- many seeds ---- */

/*
 * Plays `story` for seeds first … first + count - 1, each in a child, two at a time; a story fails
 * by assert, by a sanitizer's report or by returning false.  Prints each failed seed with the
 * commit and returns how many there were.  SIM_SEED in the environment plays that one alone, here.
 */
uint32_t sim_seeds(uint64_t first, uint32_t count, bool (*story)(uint64_t seed));

/* Of the tree that this runs in, for the report of a failed seed: "git describe", or "unknown". */
const char *sim_commit(void);

#endif
