/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/harm.c — harm to a disk at rest: chunks, pages, heads.
 *
 * Of chunks and pages rot only: a store whose tables the disk refuses to read is not opened, and
 * loses nothing by that.
 */
#include "tests/sim/storm/weather.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t draw(struct storm *s, uint64_t below)
{
    return sim_draw(s->p->sim, below);
}

static void rot(struct storm *s, uint64_t offset, uint64_t bytes)
{
    sim_disk_harm(s->p->medium, FAULT_ROT, (struct extent){offset, bytes});
}

/* A table page in both its places: one of them is the current one. */
static void rot_page(struct storm *s, uint64_t page)
{
    for (uint32_t place = 0; place < 2; place++)
        rot(s, s->geo.table_offset + (place * table_pages(&s->geo) + page) * PAGE_BYTES + 512, 512);
}

static void harm_data(struct storm *s)
{
    tell(s, TALLY_HARM_DATA);
    rot(s, s->geo.data_offset + draw(s, s->geo.chunks / 4) * CHUNK_BYTES, 512 * (1 + draw(s, 99)));
}

static void harm_page(struct storm *s, enum tally_item what, uint64_t first, uint64_t count)
{
    tell(s, what);
    rot_page(s, first + draw(s, count));
}

static void harm_index(struct storm *s)
{
    uint64_t page = draw(s, s->geo.index_pages);

    tell(s, TALLY_HARM_INDEX);
    for (uint32_t place = 0; place < 2; place++)
        sim_disk_harm(
            s->p->medium, FAULT_ROT,
            (struct extent){s->geo.index_offset + (place * s->geo.index_pages + page) * PAGE_BYTES,
                            512});
}

void harm_at_rest(struct storm *s)
{
    const struct geometry *g = &s->geo;

    switch (draw(s, 6)) {
    case 0:
        harm_page(s, TALLY_HARM_MAP, 0, g->map_pages);
        return;
    case 1:
        harm_page(s, TALLY_HARM_CHECKSUMS, g->map_pages, g->checksum_pages);
        return;
    case 2: /* the first ones are in use */
        harm_page(s, TALLY_HARM_LOG, g->map_pages + g->checksum_pages, 4);
        return;
    case 3:
        harm_index(s);
        return;
    default:
        harm_data(s);
        return;
    }
}

/* ---- heads: two copies, and never both ---- */

/* The number of a copy of the root; 0: it does not prove itself, a crash may have taken it. */
static uint64_t root_number(struct storm *s, uint32_t copy)
{
    struct format_name name = {ROOT_MAGIC, s->identity, copy, 0};
    uint8_t *root = malloc(s->geo.root_bytes);
    const struct format_head *h = (const void *)root;
    uint64_t number;

    assert(root);
    sim_disk_peek(s->p->medium, s->geo.root_offset[copy], root, s->geo.root_bytes);
    number = format_prove(root, s->geo.root_bytes, &name) ? 0 : le64_get(h->checkpoint);
    free(root);
    return number;
}

/* A write of data went astray. */
static void write_over(struct storm *s, uint64_t offset)
{
    uint8_t page[PAGE_BYTES];

    sim_disk_peek(s->p->medium, s->geo.data_offset + draw(s, s->geo.chunks / 4) * CHUNK_BYTES, page,
                  sizeof page);
    sim_disk_poke(s->p->medium, offset, page, sizeof page);
}

/* By one opening, which asks once for the whole of it and then for its page alone. */
static void refuse_for_once(struct storm *s, uint64_t offset)
{
    sim_disk_fault(s->p->medium, (struct sim_fault_rule){.kind = FAULT_EIO,
                                                         .per_million = EACH,
                                                         .ops = FAULT_ON(DISK_READ),
                                                         .times = 1 + READ_TRIES,
                                                         .bytes = {offset, 512}});
}

static void harm_head(struct storm *s, uint64_t offset)
{
    switch (draw(s, 4)) {
    case 0:
        tell(s, TALLY_HEAD_REFUSED);
        sim_disk_harm(s->p->medium, FAULT_LATENT, (struct extent){offset, 512});
        return;
    case 1:
        tell(s, TALLY_HEAD_STRAY);
        write_over(s, offset);
        return;
    case 2:
        tell(s, TALLY_HEAD_BACK);
        refuse_for_once(s, offset);
        return;
    default:
        rot(s, offset, 512);
        return;
    }
}

/* A superblock is written once: its copies are harmed in turn by one seed only. */
static void harm_superblock(struct storm *s, uint32_t copy)
{
    s->head_harmed = true;
    tell(s, TALLY_HARM_SUPERBLOCK);
    harm_head(s, superblock_offset(s->p->config.disk_bytes, copy));
}

/* A copy that a kill left in the disk's cache alone is no second one. */
static bool roots_are_durable(const struct storm *s)
{
    return list_empty(&s->p->medium->cached);
}

void harm_to_heads(struct storm *s)
{
    uint32_t copy = (uint32_t)draw(s, 2);
    uint64_t number = root_number(s, copy), other = root_number(s, copy ^ 1);

    if (!s->head_harmed && draw(s, 4) == 0) {
        harm_superblock(s, copy);
    } else if (!roots_are_durable(s)) {
        return;
    } else if (number > 0 && number == other && draw(s, 2)) {
        tell(s, TALLY_ROOT_LOST);
        sim_disk_poke(s->p->medium, s->geo.root_offset[copy], s->root_before[copy],
                      s->geo.root_bytes);
    } else if (number > 0 && other > 0) {
        tell(s, TALLY_HARM_ROOT);
        harm_head(s, s->geo.root_offset[copy]);
    }
}
