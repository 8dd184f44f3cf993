/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check_tables.c — index, map, log and checksum pages: each against the checksum that the
 * level above holds for it, and each record in them against what it may say.
 *
 * The window of a sweep is LOAD_PAGES pages in both places, read where at least one page of it is
 * current there.  Map pages come before log pages; checksum pages when the store is open, which
 * knows who owns a chunk with what the journal says.
 */
#include "store/check_inside.h"

#include <inttypes.h>

enum sweep_state { SWEEP, SWEPT };

static struct checking *checking_of(struct task *t)
{
    return container_of(container_of(t, struct check_sweep, task), struct checking, sweep);
}

static uint64_t offset_of(const struct checking *k, uint64_t page, uint32_t place)
{
    return k->sweep.part == SWEEP_INDEX ? index_page_offset(&k->geo, page, place)
                                        : page_offset(&k->geo, page, place);
}

static struct page_entry *entry_of(const struct checking *k, uint64_t page)
{
    return k->sweep.part == SWEEP_INDEX ? &k->index_pages[page] : &k->index[page];
}

static uint64_t here(const struct checking *k, uint64_t page)
{
    return offset_of(k, page, entry_of(k, page)->flags & PAGE_PLACE);
}

/* ---- index ---- */

static void take_index_page(struct checking *k, uint64_t page, const uint8_t *bytes)
{
    const struct format_index_page *p = (const void *)bytes;
    uint64_t first = page * INDEX_ENTRIES;

    for (uint64_t i = 0; i < INDEX_ENTRIES && first + i < table_pages(&k->geo); i++)
        k->index[first + i] =
            (struct page_entry){le64_get(p->entries[i].checksum),
                                le32_get(p->entries[i].flags) & (PAGE_PLACE | PAGE_WRITTEN)};
}

/* Nobody knows which of its table pages were written: they are not looked at. */
static void lose_index_page(struct checking *k, uint64_t page)
{
    uint64_t first = page * INDEX_ENTRIES;

    for (uint64_t i = 0; i < INDEX_ENTRIES && first + i < table_pages(&k->geo); i++)
        k->index[first + i].flags = PAGE_BAD;
}

/* ---- map ---- */

/* NULL: nothing is wrong with it. */
static const char *wrong_with(struct checking *k, const struct format_map_record *f, uint64_t chunk)
{
    struct check_replica *r = check_replica_at(k, le32_get(f->slot));
    uint32_t index = le32_get(f->index);

    if (le32_get(f->check) != map_record_check(f, chunk))
        return "fails its own check";
    if (f->kind != MAP_CHUNK)
        return "is of a kind that this program does not know";
    if (!r)
        return "names a replica that is not there";
    if ((uint64_t)index * CHUNK_BLOCKS >= r->size_blocks)
        return "lies outside its replica";
    if (check_bit(r->seen, index))
        return "claims what another record has";
    return NULL;
}

static uint64_t term_of(const struct check_replica *r, uint32_t index, uint64_t chunk)
{
    struct {
        le64 replica, chunk;
        le32 index, kind;
    } term = {le64_of(r->identity.bits), le64_of(chunk), le32_of(index), le32_of(MAP_CHUNK)};

    return crc64(&term, sizeof term);
}

static void take_map_record(struct checking *k, const struct format_map_record *f, uint64_t chunk,
                            uint64_t offset)
{
    const char *wrong = wrong_with(k, f, chunk);
    uint32_t index = le32_get(f->index);
    struct check_replica *r;

    check_bit_set(k->taken, chunk);
    if (wrong) {
        check_say(k, FINDING_MAP_RECORD, offset, "the record of chunk %" PRIu64 " %s", chunk,
                  wrong);
        return;
    }
    r = check_replica_at(k, le32_get(f->slot));
    check_bit_set(r->seen, index);
    r->sum += term_of(r, index, chunk);
}

static void take_map_page(struct checking *k, uint64_t page, const uint8_t *bytes)
{
    static const struct format_map_record none;
    const struct format_map_page *p = (const void *)bytes;
    uint64_t first = page * MAP_RECORDS;

    for (uint64_t i = 0; i < MAP_RECORDS; i++) {
        const struct format_map_record *f = &p->records[i];
        uint64_t offset = here(k, page) + offsetof(struct format_map_page, records) + i * sizeof *f;

        if (memcmp(f, &none, sizeof none) == 0)
            continue;
        if (f->kind == MAP_FREE || first + i >= k->geo.chunks)
            check_say(k, FINDING_MAP_RECORD, offset,
                      f->kind == MAP_FREE ? "the record of a free chunk is not zero"
                                          : "a record stands for a chunk that is not there");
        else
            take_map_record(k, f, first + i, offset);
    }
}

void check_sums(struct checking *k)
{
    for (uint32_t slot = 0; slot < k->geo.replicas_max; slot++) {
        const struct check_replica *r = check_replica_at(k, slot);

        if (r && r->sum != r->sum_told)
            check_say_of(k, FINDING_MAP_SUM,
                         &(struct check_where){.replica = r->identity,
                                               .volume = r->volume,
                                               .offset = FINDING_NOWHERE},
                         "the sum over its map does not come out");
        if (r && !r->everything && r->open != r->open_told)
            check_say_of(
                k, FINDING_LOG_PAGE,
                &(struct check_where){
                    .replica = r->identity, .volume = r->volume, .offset = FINDING_NOWHERE},
                "its activity log has %" PRIu64 " entries of %" PRIu64, r->open, r->open_told);
    }
}

/* ---- logs ---- */

static void take_log_page(struct checking *k, uint64_t page, const uint8_t *bytes)
{
    const struct format_log_page *p = (const void *)bytes;
    struct check_replica *r = map_get(&k->by_identity, le64_get(p->replica));
    uint32_t count = le32_get(p->count);
    bool within = true;

    if (le32_get(p->kind) != LOG_ACTIVITY || !r || count > LOG_ENTRIES) {
        check_say(k, FINDING_LOG_PAGE, here(k, page), "log page %" PRIu64 " %s", page,
                  !r ? "names a replica that is not there" : "says what cannot be meant");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct extent e = {le64_get(p->entries[i].start), le32_get(p->entries[i].count)};

        within = within && extent_within(e, r->size_blocks);
    }
    if (within)
        r->open += count;
    else
        check_say(k, FINDING_LOG_PAGE, here(k, page),
                  "log page %" PRIu64 " names blocks outside its replica", page);
}

/* ---- checksums ---- */

static void take_checksum_page(struct checking *k, uint64_t page, const uint8_t *bytes)
{
    const struct format_checksum_page *p = (const void *)bytes;
    uint64_t first = (page - k->geo.map_pages) * CHECKSUM_RECORDS;

    for (uint64_t i = 0; i < CHECKSUM_RECORDS && first + i < k->geo.chunks; i++)
        check_checksum_record(k, bytes ? &p->records[i] : NULL, first + i);
}

/* ---- a page, whatever it is ---- */

static bool proved(const struct checking *k, uint64_t page, const uint8_t *bytes)
{
    const struct format_head *h = (const void *)bytes;
    bool index = k->sweep.part == SWEEP_INDEX, read_only;
    struct format_name name = {index ? INDEX_MAGIC : page_magic(&k->geo, page), k->check->identity,
                               page, 0};

    return le64_get(h->checksum) == entry_of(k, page)->checksum &&
           format_prove(bytes, PAGE_BYTES, &name) == E_OK && format_features(h, &read_only) == E_OK;
}

static void take_proved(struct checking *k, uint64_t page, const uint8_t *bytes)
{
    switch (k->sweep.part) {
    case SWEEP_INDEX:
        take_index_page(k, page, bytes);
        break;
    case SWEEP_MAP:
        take_map_page(k, page, bytes);
        break;
    case SWEEP_LOGS:
        take_log_page(k, page, bytes);
        break;
    case SWEEP_CHECKSUMS:
        take_checksum_page(k, page, bytes);
        break;
    }
}

static void say_page(struct checking *k, uint64_t page)
{
    static const struct {
        enum store_finding_kind kind;
        const char *name;
    } parts[] = {
        [SWEEP_INDEX] = {FINDING_INDEX_PAGE, "index page"},
        [SWEEP_MAP] = {FINDING_MAP_PAGE, "map page"},
        [SWEEP_LOGS] = {FINDING_LOG_PAGE, "log page"},
        [SWEEP_CHECKSUMS] = {FINDING_CHECKSUM_PAGE, "checksum page"},
    };

    check_say(k, parts[k->sweep.part].kind, here(k, page), "%s %" PRIu64 " does not prove itself",
              parts[k->sweep.part].name, page);
}

static void take_page(struct checking *k, uint64_t page, const uint8_t *bytes, bool refused)
{
    uint32_t flags = entry_of(k, page)->flags;

    if (!(flags & (PAGE_WRITTEN | PAGE_BAD)))
        return;
    if ((flags & PAGE_WRITTEN) && !refused && proved(k, page, bytes)) {
        k->check->counts.pages++;
        take_proved(k, page, bytes);
        return;
    }
    if (refused)
        check_say(k, FINDING_UNREADABLE, here(k, page), "the disk refuses to read this page");
    else if (flags & PAGE_WRITTEN)
        say_page(k, page);
    k->refused |= refused;
    if (k->sweep.part == SWEEP_INDEX)
        lose_index_page(k, page);
    if (k->sweep.part == SWEEP_CHECKSUMS)
        take_checksum_page(k, page, NULL);
}

/* ---- the sweep ---- */

static uint64_t window_end(const struct check_sweep *w)
{
    return min_u64(w->at + LOAD_PAGES, w->end);
}

static bool wants_place(const struct checking *k, uint32_t place)
{
    const struct check_sweep *w = &k->sweep;

    for (uint64_t p = w->at; p < window_end(w); p++) {
        uint32_t flags = entry_of(k, p)->flags;

        if ((flags & PAGE_WRITTEN) && (flags & PAGE_PLACE) == place)
            return true;
    }
    return false;
}

static void take_window(struct checking *k)
{
    struct check_sweep *w = &k->sweep;

    for (uint64_t p = w->at; p < window_end(w); p++) {
        uint32_t place = entry_of(k, p)->flags & PAGE_PLACE;
        uint64_t nth = (uint64_t)place * LOAD_PAGES + (p - w->at);

        take_page(k, p, k->buffer + nth * PAGE_BYTES, w->refused[place] >> (p - w->at) & 1);
    }
    w->refused[0] = w->refused[1] = 0;
}

/* True: the part is done; false: a read is under way. */
static bool sweep(struct checking *k)
{
    struct check_sweep *w = &k->sweep;

    if (w->place > 0) /* a read is done */
        w->refused[w->place - 1] = k->io.mask;
    for (; w->at < w->end; w->at += LOAD_PAGES, w->place = 0) {
        while (w->place < 2) {
            uint32_t place = w->place++;
            uint64_t bytes = (window_end(w) - w->at) * PAGE_BYTES;

            if (!wants_place(k, place))
                continue;
            open_io_read(&k->io, k->buffer + (size_t)place * LOAD_PAGES * PAGE_BYTES,
                         offset_of(k, w->at, place), bytes);
            k->check->bytes_done += bytes;
            return false;
        }
        take_window(k);
    }
    return true;
}

static void part_begin(struct checking *k, enum sweep_part part)
{
    const struct geometry *g = &k->geo;
    uint64_t logs = g->map_pages + g->checksum_pages;
    const struct extent pages[] = {
        [SWEEP_INDEX] = {0, g->index_pages},
        [SWEEP_MAP] = {0, g->map_pages},
        [SWEEP_LOGS] = {logs, k->log_pages},
        [SWEEP_CHECKSUMS] = {g->map_pages, g->checksum_pages},
    };

    assert(part <= SWEEP_CHECKSUMS);
    k->sweep.part = part;
    k->sweep.at = pages[part].start;
    k->sweep.end = extent_end(pages[part]);
    k->sweep.place = 0;
    k->sweep.refused[0] = k->sweep.refused[1] = 0;
}

static enum task_next sweep_step(struct task *t)
{
    struct checking *k = checking_of(t);

    if (k->io.busy)
        return TASK_WAIT;
    switch ((enum sweep_state)t->state) {
    case SWEEP:
        if (!sweep(k))
            return TASK_WAIT;
        if (k->sweep.part == k->sweep.last)
            return task_goto(t, SWEPT);
        part_begin(k, k->sweep.part + 1);
        return TASK_AGAIN;
    case SWEPT:
        return TASK_DONE;
    }
    unreachable();
}

static void sweep_done(struct task *t)
{
    task_run(checking_of(t)->sweep.waiter);
}

static const struct task_state sweep_states[] = {
    [SWEEP] = {"sweep", TASK_FIRST},
    [SWEPT] = {"swept", TASK_AFTER(SWEEP)},
};
static const struct task_kind sweep_kind = {
    .name = "store_check_sweep",
    .step = sweep_step,
    .done = sweep_done,
    .states = sweep_states,
    .state_count = array_length(sweep_states),
};

void check_sweep_begin(struct checking *k, enum sweep_part first, enum sweep_part last,
                       struct task *waiter)
{
    k->sweep = (struct check_sweep){.waiter = waiter, .last = last};
    part_begin(k, first);
    k->io.waiter = &k->sweep.task;
    task_start(&k->sweep.task, &sweep_kind, &k->check->env->tasks, SWEEP);
}
