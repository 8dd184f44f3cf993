/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/weather.c — what goes wrong in a seed: rules while the store runs, harm while it
 * does not.
 *
 * Just inside of what the design promises to survive: never both copies of root or superblock, of
 * the journal only what a later group names, and no sync that lies.
 */
#include "tests/sim/storm/weather.h"

struct weather {
    const char *name;
    void (*rises)(struct storm *);
    void (*at_rest)(struct storm *);
    bool may_ail; /* the disk refuses writes: the store may turn read-only */
    bool write_through;
    bool stops; /* in good order, not by a crash, before what it does at rest */
    bool scrubs;
    bool last; /* what it breaks stays broken: only in the last life */
};

static struct extent data_of(const struct storm *s)
{
    return (struct extent){s->geo.data_offset, s->geo.chunks * CHUNK_BYTES};
}
static struct extent tables_of(const struct storm *s)
{
    return (struct extent){s->geo.table_offset, 2 * table_pages(&s->geo) * PAGE_BYTES};
}
static struct extent map_of(const struct storm *s, uint32_t place)
{
    return (struct extent){s->geo.table_offset + place * table_pages(&s->geo) * PAGE_BYTES,
                           s->geo.map_pages * PAGE_BYTES};
}
static struct extent index_of(const struct storm *s)
{
    return (struct extent){s->geo.index_offset, 2 * s->geo.index_pages * PAGE_BYTES};
}
static struct extent journal_of(const struct storm *s)
{
    return (struct extent){s->geo.journal_offset, s->geo.journal_bytes};
}
static struct extent root_of(const struct storm *s, uint32_t copy)
{
    return (struct extent){s->geo.root_offset[copy], s->geo.root_bytes};
}
static struct extent superblock_of(const struct storm *s, uint32_t copy)
{
    return (struct extent){superblock_offset(s->p->config.disk_bytes, copy), PAGE_BYTES};
}
static struct extent all_of(const struct storm *s)
{
    return (struct extent){0, s->p->config.disk_bytes};
}

static void rule(struct storm *s, enum sim_fault_kind kind, uint32_t ops, struct extent bytes,
                 uint32_t per_million)
{
    sim_disk_fault(
        s->p->medium,
        (struct sim_fault_rule){
            .kind = kind, .ops = ops, .bytes = bytes, .per_million = per_million, .us = 30000});
}

/* Misdirected: `to` has room for every request that touches `bytes`. */
static void stray(struct storm *s, enum sim_fault_kind kind, struct extent bytes, struct extent to,
                  uint32_t per_million)
{
    sim_disk_fault(s->p->medium,
                   (struct sim_fault_rule){
                       .kind = kind, .bytes = bytes, .per_million = per_million, .to = to});
}

/* ---- while it runs ---- */

#define ON_READ  FAULT_ON(DISK_READ)
#define ON_WRITE FAULT_ON(DISK_WRITE)

static void rot_in_data(struct storm *s)
{
    rule(s, FAULT_ROT, 0, data_of(s), 30000);
}
static void rot_in_tables(struct storm *s)
{
    rule(s, FAULT_ROT, 0, tables_of(s), 20000);
    rule(s, FAULT_ROT, 0, index_of(s), 10000);
}
static void latent_in_data(struct storm *s)
{
    rule(s, FAULT_LATENT, 0, data_of(s), 20000);
}
static void latent_in_tables(struct storm *s)
{
    rule(s, FAULT_LATENT, 0, tables_of(s), 20000);
    rule(s, FAULT_LATENT, 0, index_of(s), 10000);
}
static void lost_writes_home(struct storm *s)
{
    rule(s, FAULT_LOST_WRITE, 0, data_of(s), 20000);
}
static void lost_writes_of_pages(struct storm *s)
{
    rule(s, FAULT_LOST_WRITE, 0, tables_of(s), 20000);
    rule(s, FAULT_LOST_WRITE, 0, index_of(s), 10000);
}
/* Never onto journal, root or superblock: what was there is not to be lost, and has one copy while
 * the store runs (harm_in_journal(), harm_to_heads() hit what has another, or a bounded cost). */
static void misdirected_writes(struct storm *s)
{
    stray(s, FAULT_MISDIRECTED_WRITE, data_of(s), data_of(s), 10000);
    stray(s, FAULT_MISDIRECTED_WRITE, data_of(s), tables_of(s), 4000);
    stray(s, FAULT_MISDIRECTED_WRITE, tables_of(s), data_of(s), 8000);
    stray(s, FAULT_MISDIRECTED_WRITE, tables_of(s), tables_of(s), 5000);
    stray(s, FAULT_MISDIRECTED_WRITE, tables_of(s), index_of(s), 2000);
    stray(s, FAULT_MISDIRECTED_WRITE, index_of(s), tables_of(s), 5000);
}
/* Of journal, map, index, roots and superblocks: read again, it costs nothing; the end of the
 * journal is seen by two reads, so that one in a life may go wrong. */
static void misdirected_reads(struct storm *s)
{
    stray(s, FAULT_MISDIRECTED_READ, data_of(s), data_of(s), 15000);
    stray(s, FAULT_MISDIRECTED_READ, data_of(s), tables_of(s), 5000);
    for (uint32_t place = 0; place < 2; place++)
        stray(s, FAULT_MISDIRECTED_READ, map_of(s, place), tables_of(s), 30000);
    stray(s, FAULT_MISDIRECTED_READ, tables_of(s), data_of(s), 5000);
    stray(s, FAULT_MISDIRECTED_READ, tables_of(s), tables_of(s), 5000);
    stray(s, FAULT_MISDIRECTED_READ, index_of(s), tables_of(s), 10000);
    for (uint32_t copy = 0; copy < 2; copy++) {
        stray(s, FAULT_MISDIRECTED_READ, root_of(s, copy), data_of(s), 20000);
        stray(s, FAULT_MISDIRECTED_READ, superblock_of(s, copy), data_of(s), 20000);
    }
    sim_disk_fault(s->p->medium, (struct sim_fault_rule){.kind = FAULT_MISDIRECTED_READ,
                                                         .per_million = EACH / 2,
                                                         .bytes = journal_of(s),
                                                         .times = 1,
                                                         .to = data_of(s)});
}
static void passing_read_errors(struct storm *s)
{
    rule(s, FAULT_EIO, ON_READ, data_of(s), 20000);
    rule(s, FAULT_EIO, ON_READ, tables_of(s), 20000);
    rule(s, FAULT_EIO, ON_READ, index_of(s), 10000);
    rule(s, FAULT_EIO, ON_READ, journal_of(s), 20000);
    for (uint32_t copy = 0; copy < 2; copy++) {
        rule(s, FAULT_EIO, ON_READ, root_of(s, copy), 10000);
        rule(s, FAULT_EIO, ON_READ, superblock_of(s, copy), 10000);
    }
}
static void write_errors(struct storm *s)
{
    rule(s, FAULT_EIO, ON_WRITE | FAULT_ON(DISK_SYNC), (struct extent){0}, 4000);
}
static void disk_breaks(struct storm *s)
{
    rule(s, FAULT_BREAKS, ON_WRITE, (struct extent){0}, 3000);
}
static void lasting_errors(struct storm *s)
{
    rule(s, FAULT_LASTING, ON_WRITE, data_of(s), 5000);
}
/* What is stuck is so for 20 s to 40; syncs, too. */
static void slow_disk(struct storm *s)
{
    rule(s, FAULT_SLOW, 0, all_of(s), 100000);
    sim_disk_fault(s->p->medium, (struct sim_fault_rule){.kind = FAULT_STUCK,
                                                         .per_million = 2000,
                                                         .us = UINT64_C(20) * 1000 * 1000});
}
static void power_has_its_ways(struct storm *s)
{
    rule(s, FAULT_POWER_HOLES, 0, (struct extent){0}, 300000);
    rule(s, FAULT_POWER_CUTS, 0, (struct extent){0}, 300000);
    rule(s, FAULT_POWER_LOSES, 0, (struct extent){0}, 300000);
    rule(s, FAULT_POWER_KEEPS, 0, (struct extent){0}, 900000);
}

/* clang-format off */
static const struct weather weathers[] = {
    {.name = "clear",                   .scrubs = true},
    {.name = "clear, at rest checked",  .stops = true},
    {.name = "write through",           .write_through = true},
    {.name = "power in its ways",       .rises = power_has_its_ways},
    {.name = "rot in data",             .rises = rot_in_data},
    {.name = "rot in tables",           .rises = rot_in_tables},
    {.name = "latent errors in data",   .rises = latent_in_data},
    {.name = "latent errors in tables", .rises = latent_in_tables},
    {.name = "writes home lost",        .rises = lost_writes_home, .scrubs = true},
    {.name = "writes of pages lost",    .rises = lost_writes_of_pages},
    {.name = "misdirected writes",      .rises = misdirected_writes, .scrubs = true},
    {.name = "misdirected reads",       .rises = misdirected_reads},
    {.name = "passing read errors",     .rises = passing_read_errors},
    {.name = "write errors",            .rises = write_errors, .may_ail = true},
    {.name = "a disk that breaks",      .rises = disk_breaks, .may_ail = true},
    {.name = "lasting errors",          .rises = lasting_errors, .may_ail = true, .last = true},
    {.name = "a slow disk",             .rises = slow_disk},
    {.name = "harm at rest",            .at_rest = harm_at_rest, .stops = true},
    {.name = "harm in the journal",     .at_rest = harm_in_journal},
    {.name = "harm to heads",           .at_rest = harm_to_heads, .scrubs = true},
};
/* clang-format on */

/* Another pace than the moods': all pairs are met. */
const struct weather *weather_of(uint64_t seed)
{
    return &weathers[seed % array_length(weathers)];
}

const char *weather_name(const struct weather *w)
{
    return w->name;
}

bool weather_stops(const struct weather *w)
{
    return w->stops;
}

bool weather_is_write_through(const struct weather *w)
{
    return w->write_through;
}

bool weather_is_clear(const struct weather *w)
{
    return (!w->rises || w->rises == slow_disk || w->rises == power_has_its_ways) && !w->at_rest;
}

bool weather_is_scrubbed(const struct weather *w)
{
    return w->scrubs;
}

bool weather_is_at_rest(const struct weather *w)
{
    return !w->rises;
}

void weather_rises(struct storm *s, bool last)
{
    weather_ends(s);
    s->ailing = s->weather->may_ail && (last || !s->weather->last);
    s->p->model.disk_ails = s->ailing;
    if (s->weather->rises && (last || !s->weather->last))
        s->weather->rises(s);
}

void weather_ends(struct storm *s)
{
    sim_disk_calm(s->p->medium);
    s->p->medium->broken = false;
}

void weather_at_rest(struct storm *s)
{
    if (s->weather->at_rest)
        s->weather->at_rest(s);
}
