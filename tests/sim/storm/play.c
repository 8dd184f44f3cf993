/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/storm/play.c — one seed: a few lives, a death and a recovery between them. */
#include "tests/sim/storm/storm.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define COMMANDS_LEAST  1000u
#define LIVES           3u
#define LIVES_MOST      40u
#define NEVER           (UINT64_MAX / 2)
#define DEATHS_AT_START 3u
#define RECOVERY_IOS    25u
#define LIFE_IOS        400u

static uint64_t draw(struct storm *s, uint64_t below)
{
    return sim_draw(s->p->sim, below);
}

/* ---- what the player tells ---- */

static void started(struct player *p)
{
    struct storm *s = p->config.own;
    enum err err = geometry_choose(p->config.disk_bytes, p->config.journal_bytes, &s->geo);

    assert(!err);
    s->p = p;
    s->settled = false;
    watch_begin(s);
}

static void judging(struct player *p)
{
    struct storm *s = p->config.own;

    cost_tell(s);
    cost_of_harm(s); /* it may have hit what was not anybody's yet */
}

static void settled(struct player *p)
{
    struct storm *s = p->config.own;

    memset(s->doomed, 0, sizeof s->doomed);
    p->model.disk_ails = s->ailing;
    cost_of_harm(s);
    s->settled = true;
}

static void answered(struct player *p, enum store_change_kind kind, enum err err)
{
    struct storm *s = p->config.own;

    (void)kind;
    if (err == E_NO_SPACE)
        tell(s, TALLY_REFUSED_SPACE);
    else if (err == E_LBA_RANGE)
        tell(s, TALLY_REFUSED_RANGE);
    else if (err == E_STALE_EPOCH)
        tell(s, TALLY_REFUSED_EPOCH);
    else if (err == E_INVALID)
        tell(s, TALLY_REFUSED_SHRINK);
    cost_tell(s);
}

/* ---- deaths and recoveries ---- */

static enum sim_death draw_death(struct storm *s)
{
    return draw(s, 3) == 0 ? SIM_KILLED : SIM_POWER_LOST;
}

static void die_at_io(struct storm *s, uint64_t most)
{
    sim_crash_at_io(s->p->sim, s->p->env, 1 + draw(s, most), draw_death(s));
}

static bool was_growing(const struct model *m)
{
    for (uint32_t i = m->answered; i < m->change_count; i++)
        if (m->changes[i].kind == STORE_RESIZE)
            return true;
    return false;
}

static void bury(struct storm *s)
{
    enum sim_death death = draw_death(s);

    if (!sim_dead(s->p->env))
        tell(s, TALLY_DIED_IDLE);
    if (was_growing(&s->p->model))
        tell(s, TALLY_DIED_GROWING);
    if (s->p->store && state_scrubs(s))
        tell(s, TALLY_DIED_SCRUBBING);
    tell(s, death == SIM_KILLED ? TALLY_KILLS : TALLY_POWER_LOSSES);
    cost_tell(s);
    player_crash(s->p, death);
}

/* True: it is open, and all is right.  An end of the journal that is refused is so up to here. */
static bool open_again(struct storm *s)
{
    struct player_result r = player_reopen(s->p);

    if (r.opened != PLAYER_DIED && s->end_refused) {
        s->end_refused = false;
        weather_ends(s);
        if (r.err == E_DISK && strstr(r.why, "refuses to read the end of its journal")) {
            tell(s, TALLY_END_REFUSED);
            bury(s);
            return open_again(s);
        }
    }
    if (r.opened == PLAYER_OPEN)
        return !s->p->model.wrong[0];
    if (r.opened == PLAYER_REFUSED && !s->ailing)
        (void)model_wrong(&s->p->model, "it does not open: %s; %s", err_text(r.err), r.why);
    return false;
}

/* What ails stays so for the first try; without it the store must open. */
static void open_at_last(struct storm *s)
{
    if (open_again(s) || s->p->model.wrong[0] || !s->ailing)
        return;
    weather_ends(s);
    bury(s);
    s->ailing = false;
    (void)open_again(s);
}

/*
 * A few deaths on the way, then a recovery that nothing disturbs but the weather.  What it loses
 * was a finding of the check before.
 */
static void recover(struct storm *s, uint64_t findings)
{
    uint64_t errors = s->p->look_errors, damaged = s->p->damaged;
    uint64_t deaths = draw(s, 2) ? 0 : draw(s, DEATHS_AT_START + 1);
    bool open = false;

    for (; deaths > 0 && !open && !s->p->model.wrong[0]; deaths--) {
        die_at_io(s, RECOVERY_IOS);
        open = open_again(s);
        if (!open)
            bury(s);
    }
    if (!open && !s->p->model.wrong[0])
        open_at_last(s);
    sim_crash_at_io(s->p->sim, s->p->env, NEVER, SIM_KILLED);
    tell(s, TALLY_RECOVERIES);
    if (findings == 0 && (s->p->look_errors > errors || s->p->damaged > damaged))
        (void)model_wrong(&s->p->model, "the check found nothing, and the store lost something");
}

static bool over(const struct storm *s)
{
    return s->p->model.wrong[0] || !s->p->store;
}

/* ---- a seed ---- */

/* False: it died on the way. */
static bool stop(struct storm *s)
{
    if (sim_dead(s->p->env) || store_space(s->p->store).read_only)
        return false;
    if (!player_settle_down(s->p) || sim_dead(s->p->env))
        return false;
    state_when_quiet(s);
    if (!player_stop(s->p))
        return false;
    tell(s, TALLY_STOPS);
    return true;
}

/*
 * The check looks at what was left, on a disk that keeps still meanwhile; what it found.  Where
 * rules go on while it runs they may take what it saw whole (UINT64_MAX), and data may be lost
 * anyhow.
 */
static uint64_t check(struct storm *s)
{
    struct sim_disk *d = s->p->medium;
    const struct sim_disk_faults before = d->faults;
    bool broken = d->broken, clear = weather_is_clear(s->weather);
    bool tells = clear || weather_is_at_rest(s->weather);
    uint64_t findings;

    weather_ends(s);
    tell(s, TALLY_CHECKS);
    findings = player_check(s->p, clear, tells);
    d->broken = broken;
    for (uint32_t i = 0; i < before.rule_count; i++)
        sim_disk_fault(d, before.rules[i]);
    return tells ? findings : UINT64_MAX;
}

static void life(struct storm *s, bool last)
{
    bool stops = weather_stops(s->weather);

    weather_rises(s, last);
    if (!stops && draw(s, 4))
        die_at_io(s, LIFE_IOS);
    workload_live(s, COMMANDS_LEAST / LIVES + 1 + draw(s, 100));
    if (s->p->model.wrong[0])
        return;
    if (!stops || !stop(s))
        bury(s);
    weather_at_rest(s);
    recover(s, check(s));
    if (!over(s))
        workload_mend(s);
}

/*
 * Everything is still there when nothing goes wrong any more, and no opening left a trace; by a
 * crash, where none has come.
 */
static void last_look(struct storm *s)
{
    weather_ends(s);
    if (s->p->crashes == 0 || !stop(s))
        bury(s);
    if (!s->p->model.wrong[0])
        (void)check(s);
    if (!s->p->model.wrong[0])
        open_at_last(s);
    if (over(s))
        return;
    if (!stop(s))
        bury(s);
    if (!s->p->model.wrong[0])
        (void)check(s);
}

static void begin(struct storm *s, uint64_t seed, bool trace)
{
    struct player_config config = {.seed = seed,
                                   .trace = trace,
                                   .started = started,
                                   .judging = judging,
                                   .settled = settled,
                                   .answered = answered,
                                   .own = s};

    s->mood = mood_of(seed);
    s->weather = weather_of(seed);
    config.write_through = weather_is_write_through(s->weather);
    s->p = player_open(&config);
    s->identity = store_identity(s->p->store);
    player_tell(s->p, "seed %lu: %s; weather: %s", (unsigned long)seed, mood_name(s->mood),
                weather_name(s->weather));
    workload_begin(s);
}

/* Each seed has its commands, a crash with recovery, and a checkpoint. */
static void demand_the_least(struct storm *s)
{
    const struct player *p = s->p;

    if (p->commands < COMMANDS_LEAST)
        (void)model_wrong(&s->p->model, "only %lu commands", (unsigned long)p->commands);
    if (p->crashes == 0)
        (void)model_wrong(&s->p->model, "no crash with a recovery");
    if (s->tally.count[TALLY_CHECKPOINTS] == 0)
        (void)model_wrong(&s->p->model, "no checkpoint");
}

static void sum_up(struct storm *s, struct tally *ret, char *wrong)
{
    s->tally.seeds = 1;
    s->tally.commands = s->p->commands;
    s->tally.virtual_us = sim_now_us(s->p->sim);
    s->tally.count[TALLY_READ_ERRORS] = s->p->read_errors;
    s->tally.count[TALLY_DAMAGED] = s->p->damaged;
    s->tally.count[TALLY_NOTES] = s->p->notes_found;
    s->tally.count[TALLY_DIED_OPENING] = s->p->deaths_in_recovery;
    demand_the_least(s); /* what went wrong before stands */
    *ret = s->tally;
    memcpy(wrong, s->p->model.wrong, sizeof s->p->model.wrong);
}

bool storm_play(uint64_t seed, bool trace, struct tally *ret, char wrong[256])
{
    struct storm s = {0};
    bool last = false;

    begin(&s, seed, trace);
    for (uint32_t n = 1; !over(&s) && !last && n < LIVES_MOST; n++) {
        last = n >= LIVES && s.p->commands >= COMMANDS_LEAST;
        life(&s, last);
    }
    if (!over(&s))
        last_look(&s);
    sum_up(&s, ret, wrong);
    player_close(s.p);
    watch_end(&s);
    return !wrong[0];
}
