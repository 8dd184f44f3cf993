/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/disk_faults.c — what goes wrong with a request, and what has.
 *
 * The choice is made at submission, by the rules in their order, and carried out when the request
 * is performed; a request of a process that dies before is not hurt.  Harm lies in the sectors
 * themselves (disk_medium.c), so that a later write mends it and a loss of power brings it back.
 */
#include "tests/sim/world/disk_inside.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ON_READ  FAULT_ON(DISK_READ)
#define ON_WRITE FAULT_ON(DISK_WRITE)
#define ON_SYNC  FAULT_ON(DISK_SYNC)
#define ON_ANY   (ON_READ | ON_WRITE | ON_SYNC)

static const struct {
    const char *name;
    uint32_t ops; /* that it can hit */
} kinds[] = {
    [FAULT_ROT] = {"rot", ON_READ},
    [FAULT_LOST_WRITE] = {"lost write", ON_WRITE},
    [FAULT_MISDIRECTED_WRITE] = {"misdirected write", ON_WRITE},
    [FAULT_LATENT] = {"latent error", ON_READ},
    [FAULT_LASTING] = {"lasting error", ON_READ | ON_WRITE},
    [FAULT_MISDIRECTED_READ] = {"misdirected read", ON_READ},
    [FAULT_EIO] = {"transient error", ON_ANY},
    [FAULT_SLOW] = {"slow", ON_ANY},
    [FAULT_STUCK] = {"stuck", ON_ANY},
    [FAULT_LYING_SYNC] = {"lying sync", ON_SYNC},
    [FAULT_BREAKS] = {"breaks", ON_ANY},
    [FAULT_POWER_LOSES] = {"lost with the power", ON_WRITE},
    [FAULT_POWER_KEEPS] = {"kept without power", ON_WRITE},
    [FAULT_POWER_CUTS] = {"cut short by the power", ON_WRITE},
    [FAULT_POWER_HOLES] = {"torn by the power", ON_WRITE},
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return kinds[kind].name;
}

/* ---- what there was ---- */

static void note(struct sim_disk *d, struct sim_fault f)
{
    struct sim_disk_faults *all = &d->faults;
    char text[128];

    if (all->count == all->max) {
        all->max = all->max ? all->max * 2 : 16;
        all->all = realloc(all->all, all->max * sizeof *all->all);
        assert(all->all);
    }
    f.at_us = d->sim->now_us;
    all->all[all->count++] = f;
    snprintf(text, sizeof text, "%s: request %" PRIu64 ", %" PRIu64 " bytes at %" PRIu64,
             kinds[f.kind].name, f.request, f.bytes.count, f.bytes.start);
    sim_trace(d->sim, d->name, text);
}

static void note_io(struct sim_disk *d, const struct sim_io *i, struct extent to)
{
    note(d, (struct sim_fault){i->bad, io_extent(i), to, i->request, 0});
}

const struct sim_fault *sim_disk_faults(const struct sim_disk *d, uint32_t *ret_count)
{
    *ret_count = d->faults.count;
    return d->faults.all;
}

uint32_t sim_disk_fault_count(const struct sim_disk *d, enum sim_fault_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < d->faults.count; i++)
        count += d->faults.all[i].kind == kind;
    return count;
}

/* ---- rules ---- */

void sim_disk_fault(struct sim_disk *d, struct sim_fault_rule rule)
{
    assert(d->faults.rule_count < SIM_FAULT_RULES);
    assert(rule.kind < FAULT_KINDS);
    assert(rule.ops == 0 || (rule.ops & kinds[rule.kind].ops));
    d->faults.rules[d->faults.rule_count++] = rule;
}

void sim_disk_calm(struct sim_disk *d)
{
    d->faults.rule_count = 0;
}

static bool fits(const struct sim_fault_rule *rule, const struct sim_io *i, enum disk_op op)
{
    uint32_t ops = rule->ops ? rule->ops : kinds[rule->kind].ops;

    if (!(ops & kinds[rule->kind].ops & FAULT_ON(op)))
        return false;
    if (rule->request && rule->request != i->request)
        return false;
    return rule->bytes.count == 0 || extent_overlaps(rule->bytes, io_extent(i));
}

/* A rule that has come true for the last time goes. */
static void use_up(struct sim_disk_faults *all, uint32_t at)
{
    struct sim_fault_rule *rule = &all->rules[at];

    if (rule->times == 0 || --rule->times > 0)
        return;
    all->rule_count--;
    memmove(rule, rule + 1, (all->rule_count - at) * sizeof *rule);
}

/* The first rule, of those for requests or of those for lost power, that fits and comes true. */
static bool choose(struct sim_disk *d, const struct sim_io *i, bool power,
                   struct sim_fault_rule *ret)
{
    enum disk_op op = power ? DISK_WRITE : i->io->op;

    for (uint32_t n = 0; n < d->faults.rule_count; n++) {
        const struct sim_fault_rule *rule = &d->faults.rules[n];

        if (power != (rule->kind >= FAULT_POWER_LOSES) || !fits(rule, i, op))
            continue;
        if (world_draw(d->sim, EACH) >= rule->per_million)
            continue;
        *ret = *rule;
        use_up(&d->faults, n);
        return true;
    }
    return false;
}

uint64_t faults_choose(struct sim_disk *d, struct sim_io *i)
{
    i->bad = FAULT_NONE;
    if (!choose(d, i, false, &i->rule))
        return 0;
    i->bad = i->rule.kind;
    if (i->bad != FAULT_SLOW && i->bad != FAULT_STUCK)
        return 0;
    note_io(d, i, (struct extent){0});
    if (i->bad == FAULT_SLOW)
        return world_draw(d->sim, i->rule.us + 1);
    return i->rule.us + world_draw(d->sim, i->rule.us + 1);
}

enum sim_fault_kind faults_of_power(struct sim_disk *d, const struct sim_io *w)
{
    struct sim_fault_rule rule;

    if (!choose(d, w, true, &rule))
        return FAULT_NONE;
    note(d, (struct sim_fault){rule.kind, io_extent(w), {0}, w->request, 0});
    return rule.kind;
}

/* ---- harm ---- */

static void harm_sector(struct sim_disk *d, enum sim_fault_kind kind, uint64_t offset)
{
    struct sim_page *page = page_of(d, offset);
    uint64_t sector = offset % PAGE / SECTOR;
    uint64_t bit = world_draw(d->sim, SECTOR * 8);

    d->harmed[offset / PAGE] = true;
    page->harm_now[sector] |= FAULT_BIT(kind);
    page->harm_durable[sector] |= FAULT_BIT(kind);
    if (kind != FAULT_ROT)
        return;
    page->now[sector * SECTOR + bit / 8] ^= (uint8_t)(1u << bit % 8);
    page->durable[sector * SECTOR + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

void sim_disk_harm(struct sim_disk *d, enum sim_fault_kind kind, struct extent bytes)
{
    assert(kind == FAULT_ROT || kind == FAULT_LATENT || kind == FAULT_LASTING);
    assert(bytes.count > 0 && extent_within(bytes, d->size_bytes));
    for (uint64_t at = round_down(bytes.start, SECTOR); at < extent_end(bytes); at += SECTOR)
        harm_sector(d, kind, at);
    note(d, (struct sim_fault){kind, bytes, {0}, 0, 0});
}

uint32_t sim_disk_harmed(const struct sim_disk *d, struct extent bytes)
{
    uint32_t harm = 0;

    assert(extent_within(bytes, d->size_bytes));
    for (uint64_t at = round_down(bytes.start, SECTOR); at < extent_end(bytes); at += SECTOR)
        if (d->harmed[at / PAGE])
            harm |= d->pages[at / PAGE]->harm_now[at % PAGE / SECTOR];
    return harm;
}

/* The sectors that both the request and its rule mean. */
static struct extent aimed_at(const struct sim_io *i)
{
    uint64_t start = i->offset, end = i->offset + i->length;

    if (i->rule.bytes.count > 0) {
        start = max_u64(start, round_down(i->rule.bytes.start, SECTOR));
        end = min_u64(end, round_up(extent_end(i->rule.bytes), SECTOR));
    }
    return (struct extent){start, end - start};
}

static void harm_one(struct sim_disk *d, const struct sim_io *i, uint64_t offset)
{
    sim_disk_harm(d, i->bad, (struct extent){offset, SECTOR});
    d->faults.all[d->faults.count - 1].request = i->request;
}

enum err faults_refuse(const struct sim_disk *d, const struct sim_io *i)
{
    uint32_t fatal = FAULT_BIT(FAULT_LASTING);

    if (d->broken)
        return E_DISK;
    if (i->io->op == DISK_READ)
        fatal |= FAULT_BIT(FAULT_LATENT);
    return sim_disk_harmed(d, io_extent(i)) & fatal ? E_DISK : E_OK;
}

/* ---- requests ---- */

/* Another place of the rule's, for `length` bytes; the same one where there is no other. */
static uint64_t elsewhere(struct sim_disk *d, const struct sim_io *i)
{
    struct extent to = i->rule.to.count ? i->rule.to : (struct extent){0, d->size_bytes};
    uint64_t places;
    uint64_t place;

    assert(to.start % PAGE == 0 && extent_within(to, d->size_bytes) && to.count >= i->length);
    places = (to.count - i->length) / PAGE + 1;
    place = world_draw(d->sim, places);
    if (to.start + place * PAGE == i->offset)
        place = (place + 1) % places;
    return to.start + place * PAGE;
}

static bool breaks(struct sim_disk *d, const struct sim_io *i)
{
    if (i->bad == FAULT_BREAKS)
        d->broken = true;
    note_io(d, i, (struct extent){0});
    return false;
}

bool faults_of_read(struct sim_disk *d, struct sim_io *i)
{
    struct extent aim = aimed_at(i);
    uint64_t sector;

    switch ((uint32_t)i->bad) {
    case FAULT_ROT:
    case FAULT_LATENT:
        sector = aim.start + world_draw(d->sim, aim.count / SECTOR) * SECTOR;
        harm_one(d, i, sector);
        return i->bad == FAULT_ROT;
    case FAULT_LASTING:
        harm_one(d, i, aim.start);
        return false;
    case FAULT_MISDIRECTED_READ:
        aim = (struct extent){elsewhere(d, i), i->length};
        note_io(d, i, aim);
        i->offset = aim.start;
        return true;
    case FAULT_EIO:
    case FAULT_BREAKS:
        return breaks(d, i);
    default:
        return true;
    }
}

/* The bytes land somewhere else; what is left in `i` is a lost write. */
static void misdirect(struct sim_disk *d, struct sim_io *i)
{
    struct sim_io *stray = calloc(1, sizeof *stray);
    bool durable = (i->io->flags & DISK_DSYNC) || d->write_through;

    assert(stray);
    stray->disk = d;
    stray->request = i->request;
    stray->offset = elsewhere(d, i);
    stray->length = i->length;
    stray->bytes = malloc(i->length);
    assert(stray->bytes);
    memcpy(stray->bytes, i->bytes, i->length);
    stray->harm = FAULT_BIT(FAULT_MISDIRECTED_WRITE);
    list_init(&stray->link);
    note_io(d, i, io_extent(stray));
    if (stray->offset == i->offset)
        stray->harm = 0;
    else
        i->harm = FAULT_BIT(FAULT_LOST_WRITE);
    medium_take(d, stray, durable);
}

bool faults_of_write(struct sim_disk *d, struct sim_io *i)
{
    switch ((uint32_t)i->bad) {
    case FAULT_LOST_WRITE:
        i->harm = FAULT_BIT(FAULT_LOST_WRITE);
        note_io(d, i, (struct extent){0});
        return true;
    case FAULT_MISDIRECTED_WRITE:
        misdirect(d, i);
        return true;
    case FAULT_LASTING:
        harm_one(d, i, aimed_at(i).start);
        i->length = 0;
        return false;
    case FAULT_EIO:
    case FAULT_BREAKS:
        (void)breaks(d, i);
        i->length = world_draw(d->sim, i->length / SECTOR + 1) * SECTOR;
        return false;
    default:
        return true;
    }
}

bool faults_of_sync(struct sim_disk *d, struct sim_io *i)
{
    switch ((uint32_t)i->bad) {
    case FAULT_LYING_SYNC:
        note_io(d, i, (struct extent){0});
        return true;
    case FAULT_EIO:
    case FAULT_BREAKS:
        return breaks(d, i);
    default:
        return true;
    }
}
