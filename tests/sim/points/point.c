/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/points/point.c — script, crash, recovery, and life after it.
 *
 * After the last crash the store must open; player_reopen() holds every block, fact and log against
 * the model.  Then writing goes on, the power fails once more, and at last the store stops in good
 * order and its disk is checked, as it is before every opening: what a recovery left behind unseen
 * shows in one of these.
 */
#include "tests/sim/points/point.h"

#include "tests/sim/points/met.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NEVER       (UINT64_MAX / 2)
#define STAGE_BYTES (UINT64_C(1) << 20)

struct play {
    const struct point *point;
    struct point_result *result;
    struct player *p;
    struct cut cut;  /* of what is played now */
    uint64_t before; /* I/Os of the processes before this one … */
    uint64_t base;   /* … and of this one before it began     */
    struct met met;
};

static bool fails(struct play *y, const char *format, ...) printf_like(2, 3);
static bool fails(struct play *y, const char *format, ...)
{
    va_list rest;

    va_start(rest, format);
    vsnprintf(y->result->why, sizeof y->result->why, format, rest);
    va_end(rest);
    return false;
}

/* ---- crashes ---- */

static enum sim_death death_of(const struct cut *cut)
{
    return cut->end == END_KILLED ? SIM_KILLED : SIM_POWER_LOST;
}

static uint64_t ios(const struct play *y)
{
    return y->before + sim_io_count(y->p->env) - y->base;
}

/* The process has `before` I/Os behind it that count. */
static void arm(struct play *y)
{
    struct player *p = y->p;

    y->base = sim_io_count(p->env);
    if (y->cut.io > y->before)
        sim_crash_around_io(p->sim, p->env,
                            (struct sim_point){y->cut.io - y->before, y->cut.moment},
                            death_of(&y->cut));
    if (y->cut.io && (y->cut.end == END_LOST || y->cut.end == END_TORN))
        sim_disk_fault(p->medium,
                       (struct sim_fault_rule){.kind = y->cut.end == END_LOST ? FAULT_POWER_LOSES
                                                                              : FAULT_POWER_HOLES,
                                               .per_million = EACH});
}

static void begin(struct play *y, struct cut cut)
{
    y->cut = cut;
    y->before = 0;
    arm(y);
}

/* What has not come to pass will not. */
static void disarm(struct play *y)
{
    sim_crash_at_io(y->p->sim, y->p->env, NEVER, SIM_KILLED);
    sim_disk_calm(y->p->medium);
}

static bool is_dead(const struct play *y)
{
    return sim_dead(y->p->env);
}

/* It has died, or dies now; a new process has the disk. */
static void bury(struct play *y)
{
    player_crash(y->p, death_of(&y->cut));
    sim_disk_calm(y->p->medium);
}

static bool agrees(struct play *y, const char *when)
{
    return !y->p->model.wrong[0] || fails(y, "%s: %s", when, y->p->model.wrong);
}

/* The offline check agrees with a disk that only crashes and a store have touched. */
static bool check(struct play *y, const char *when)
{
    (void)player_check(y->p, true, true);
    return agrees(y, when);
}

/* False: it died (why is empty) or fails. */
static bool open_again(struct play *y, const char *when)
{
    struct player_result r = player_reopen(y->p);

    if (r.opened == PLAYER_REFUSED && !is_dead(y))
        return fails(y, "%s: refused: %s: %s", when, err_text(r.err), r.why);
    return agrees(y, when) && r.opened == PLAYER_OPEN;
}

/* ---- the script ---- */

static void restart(struct play *y)
{
    struct env *old = y->p->env;
    uint64_t base = y->base;

    if (!player_settle_down(y->p) || is_dead(y))
        return;
    met_stop(&y->met, y->p);
    if (!player_stop(y->p))
        return;
    y->before += sim_io_count(old) - base;
    if (!check(y, "checked before a restart"))
        return;
    arm(y);
    (void)open_again(y, "restarted in good order");
}

static void settle_down(struct play *y)
{
    if (player_settle_down(y->p) && !is_dead(y))
        met_rest(&y->met, y->p);
}

static void once(struct play *y, const struct step *s, uint32_t i)
{
    struct player *p = y->p;
    struct extent e = step_blocks(s, i);

    met_step(&y->met, p, s, e);
    switch (s->kind) {
    case MAKE:
        (void)player_make(p, s->number);
        return;
    case DELETE:
        player_delete(p, s->replica);
        return;
    case RESIZE:
        player_resize(p, s->replica, s->number);
        return;
    case PROMISE:
        player_promise(p, s->replica, s->number);
        if (s->number > p->epoch[s->replica])
            player_raise_epoch(p, s->replica, s->number);
        return;
    case SET:
        player_set(p, s->replica);
        return;
    case WRITE:
        player_write(p, s->replica, e);
        return;
    case UNMAP:
        player_unmap(p, s->replica, e);
        return;
    case READ:
        player_read(p, s->replica, e);
        return;
    case COMMIT:
        player_commit(p, s->replica, p->model.replicas[s->replica].certain.last_seq, true);
        return;
    case WAIT:
        settle_down(y);
        return;
    case RESTART:
        restart(y);
        return;
    }
}

static bool goes_on(const struct play *y)
{
    return !is_dead(y) && !y->p->model.wrong[0] && !y->result->why[0];
}

/* What nothing cut did what it is there for: else its points are for nothing. */
static bool meets_the_least(struct play *y)
{
    const uint64_t *least = y->point->workload->least, *count = y->met.count;

    met_end(&y->met, y->p);
    for (uint32_t i = 0; i < MET_ITEMS; i++)
        if (count[i] < least[i])
            return fails(y, "the script is there for %" PRIu64 " %s, and met %" PRIu64, least[i],
                         met_words((enum met_item)i), count[i]);
    return true;
}

/* False: something is wrong. */
static bool play_script(struct play *y)
{
    const struct workload *w = y->point->workload;

    for (uint32_t n = 0; n < w->step_count; n++) {
        const struct step *s = &w->steps[n];

        if (n == w->prelude) {
            begin(y, y->point->first);
            met_begin(&y->met, y->p);
        }
        for (uint32_t i = 0; i < max_u32(1, s->times) && goes_on(y); i++) {
            if (!player_can_change(y->p) || !player_can_read(y->p))
                settle_down(y);
            if (!is_dead(y))
                once(y, s, i);
            if (s->one_by_one)
                settle_down(y);
        }
    }
    y->result->ios = ios(y);
    if (y->result->why[0] || !agrees(y, "in the script"))
        return false;
    return y->point->first.io > 0 || meets_the_least(y);
}

/* ---- after the crash ---- */

/* The first attempt to open, with the second crash. */
static bool recover(struct play *y)
{
    bool open;

    begin(y, y->point->second);
    open = open_again(y, "opened after the crash");
    y->result->recovery_ios = ios(y);
    y->result->cut_second = is_dead(y);
    if (y->result->why[0])
        return false;
    if (!is_dead(y)) {
        disarm(y);
        return open;
    }
    bury(y);
    return check(y, "checked after the second crash") &&
           open_again(y, "opened after the second crash");
}

/* Every replica is written all over, old places and new ones, and a new one is made. */
static void go_on_writing(struct play *y)
{
    struct player *p = y->p;
    uint32_t slot;

    for (slot = 0; slot < MODEL_REPLICAS; slot++) {
        uint64_t size = p->model.replicas[slot].certain.size_blocks;

        if (!p->model.replicas[slot].certain.exists)
            continue;
        for (uint64_t b = slot; b < size; b += 61)
            player_write(p, slot, (struct extent){b, min_u64(1 + b % 7, size - b)});
        player_unmap(p, slot, (struct extent){size / 2, min_u64(20, size - size / 2)});
        player_write(p, slot, (struct extent){size / 3, min_u64(40, size - size / 3)});
        settle_down(y);
    }
    if (model_free_slot(&p->model) == MODEL_REPLICAS)
        return;
    slot = player_make(p, 64);
    settle_down(y);
    if (p->model.replicas[slot].certain.exists)
        player_write(p, slot, (struct extent){0, 20});
    settle_down(y);
}

/* A last loss of power, then an end in good order. */
static bool live_on(struct play *y)
{
    go_on_writing(y);
    if (!agrees(y, "written on"))
        return false;
    y->cut = (struct cut){.end = END_POWER};
    bury(y);
    if (!check(y, "checked after writing on") || !open_again(y, "opened after writing on"))
        return false;
    if (!player_stop(y->p))
        return fails(y, "it does not stop: %s", y->p->model.wrong);
    if (!check(y, "checked after a stop") || !open_again(y, "opened after a stop"))
        return false;
    bury(y);
    return check(y, "checked after the last opening");
}

static bool play(struct play *y)
{
    if (!play_script(y))
        return false;
    y->result->cut_first = is_dead(y);
    if (!is_dead(y))
        disarm(y);
    y->cut = y->point->first;
    bury(y);
    return check(y, "checked after the crash") && recover(y) && live_on(y);
}

static void answered(struct player *p, enum store_change_kind kind, enum err err)
{
    met_answer(&((struct play *)p->config.own)->met, kind, err);
}

struct point_result point_play(const struct point *point)
{
    struct point_result result = {0};
    struct play y = {.point = point, .result = &result};
    struct player_config config = {.seed = point->seed,
                                   .limits = player_limits(),
                                   .trace = point->trace,
                                   .answered = answered,
                                   .own = &y};

    config.limits.stage_bytes =
        point->workload->stage_bytes ? point->workload->stage_bytes : STAGE_BYTES;
    y.p = player_open(&config);
    result.fine = play(&y);
    player_close(y.p);
    return result;
}
