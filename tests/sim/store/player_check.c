/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/store/player_check.c — the offline check, held against what is known of the disk.
 *
 * Nothing leaks and nothing is crossed, whatever has happened (store/check.h); a disk that only
 * crashes have touched has no finding at all, but perhaps a copy of the root that was being
 * written.
 */
#include "store/check.h"
#include "tests/sim/store/player.h"

struct checking_player {
    struct store_check check;
    struct player *player;
    bool clean; /* no finding is right */
};

static void check_found(struct store_check *c, const struct store_finding *f)
{
    struct checking_player *own = container_of(c, struct checking_player, check);
    struct player *p = own->player;

    player_tell(p, "check: %s at %lu: %s", store_finding_word(f->kind), (unsigned long)f->offset,
                f->what);
    if ((own->clean && f->kind != FINDING_ROOT) || f->kind == FINDING_LEAKED ||
        f->kind == FINDING_CROSSED || f->kind == FINDING_DISAGREED)
        (void)model_wrong(&p->model, "the check finds %s at %lu: %s", store_finding_word(f->kind),
                          (unsigned long)f->offset, f->what);
}

static void check_done(struct store_check *c, enum err err)
{
    struct player *p = container_of(c, struct checking_player, check)->player;

    p->over = true;
    p->err = err;
}

uint64_t player_check(struct player *p, bool clean, bool data)
{
    static struct checking_player own; /* outlives a process that dies */

    own = (struct checking_player){
        .check =
            {
                .env = p->env,
                .disk = p->disk,
                .data = data,
                .found = check_found,
                .done = check_done,
            },
        .player = p,
        .clean = clean,
    };
    p->over = false;
    store_check(&own.check);
    if (!player_await(p, "a check"))
        return 0;
    if (p->err && clean)
        (void)model_wrong(&p->model, "the check fails with \"%s\": %s", err_text(p->err),
                          own.check.why);
    return own.check.counts.findings + (p->err != E_OK);
}
