/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_image.c — see store_image.h. */
#include "tests/fuzz/arena.h"
#include "tests/fuzz/store_image_parts.h"

#include <assert.h>

struct ram image_ram;
struct store *image_store;
struct image images[2]; /* closed, crashed */
struct geometry image_geo;
uint32_t images_memory;
static const struct identity volume = {0x0a00000000000001};
static const struct identity replicas[] = {{0x0b00000000000001}, {0x0b00000000000002}};

/* ---- calls that wait ---- */

struct wait {
    bool over;
    enum err err;
};

static enum err await(const struct wait *w)
{
    ram_run(&image_ram, &w->over);
    return w->err;
}

static void format_done(struct store_format *f, enum err err)
{
    *(struct wait *)f->own = (struct wait){true, err};
}
static void open_done(struct store_open *o, enum err err)
{
    *(struct wait *)o->own = (struct wait){true, err};
}
static void close_done(struct store_close *c)
{
    *(struct wait *)c->own = (struct wait){true, E_OK};
}
static void change_done(struct store_change *c, enum err err)
{
    *(struct wait *)c->own = (struct wait){true, err};
}
static void read_done(struct store_read *r, enum err err)
{
    *(struct wait *)r->own = (struct wait){true, err};
}

enum err image_open(bool small)
{
    struct store_limits limits = {.replicas_max = small ? 3 : 0,
                                  .map_bytes = small ? 8192 : 1u << 20,
                                  .stage_bytes = 4u << 20,
                                  .checksum_pages = small ? 4 : 64,
                                  .changes_max = 64};
    struct wait w = {0};
    struct store_open o = {.env = &image_ram.env,
                           .disk = &image_ram.disk,
                           .limits = limits,
                           .done = open_done,
                           .own = &w};

    store_open(&o);
    (void)await(&w);
    assert(w.err == E_OK || *o.why);
    image_store = w.err ? NULL : o.store;
    return w.err;
}

enum err image_change(struct store_change *c)
{
    struct wait w = {0};

    c->done = change_done;
    c->own = &w;
    store_change(image_store, c);
    return await(&w);
}

enum err image_read(struct store_read *r)
{
    struct wait w = {0};

    r->done = read_done;
    r->own = &w;
    store_read(r);
    return await(&w);
}

void image_close(void)
{
    struct wait w = {0};
    struct store_close c = {.done = close_done, .own = &w};

    store_close(image_store, &c);
    (void)await(&w);
    image_store = NULL;
}

void image_kill(void)
{
    image_ram.deaf = true;
    image_close();
    image_ram.deaf = false;
}

/* ---- making them ---- */

static void format(void)
{
    struct wait w = {0};
    struct store_format f = {.env = &image_ram.env,
                             .disk = &image_ram.disk,
                             .identity = {0xd15c000000000001},
                             .journal_bytes = UINT64_C(1) << 20,
                             .done = format_done,
                             .own = &w};
    enum err err;

    store_format(&f);
    err = await(&w);
    assert(!err);
}

static void must_change(struct store_change c)
{
    enum err err = image_change(&c);

    assert(!err);
}

static void write_blocks(uint32_t replica, struct extent blocks, uint64_t seq)
{
    static _Alignas(DISK_ALIGN) uint8_t bytes[64 * BLOCK_BYTES]; /* whole chunks go around */
    static uint32_t checksums[64];
    struct iovec piece = {bytes, blocks.count * BLOCK_BYTES};

    memset(bytes, (int)seq, sizeof bytes);
    block_checksums(volume, replica * SHARD_BLOCKS + blocks.start, blocks.count, &piece, checksums);
    must_change((struct store_change){.kind = STORE_WRITE,
                                      .replica = store_find(image_store, replicas[replica]),
                                      .extent = blocks,
                                      .pieces = &piece,
                                      .piece_count = 1,
                                      .checksums = checksums,
                                      .stamp = {.generation = 1, .epoch = 1, .seq = seq}});
}

static void make(uint32_t replica)
{
    must_change((struct store_change){.kind = STORE_MAKE,
                                      .identity = replicas[replica],
                                      .volume = volume,
                                      .shard = replica,
                                      .size_blocks = 4096});
}

static void promise_and_set(uint64_t generation)
{
    struct store_replica *r = store_find(image_store, replicas[0]);

    must_change((struct store_change){.kind = STORE_PROMISE, .replica = r, .epoch = generation});
    must_change((struct store_change){.kind = STORE_SET,
                                      .replica = r,
                                      .set = {.epoch = generation,
                                              .generation = generation,
                                              .member_count = 1,
                                              .members = {replicas[0]}}});
}

/* A checkpoint of this is the closed image: chunks, activity logs, two replicas. */
static void use_first(void)
{
    make(0);
    make(1);
    promise_and_set(1);
    write_blocks(0, (struct extent){0, 40}, 1);
    write_blocks(0, (struct extent){2000, 16}, 2);
    write_blocks(1, (struct extent){5, 3}, 1);
}

/* What the journal of the crashed image holds. */
static void use_second(void)
{
    struct store_replica *r = store_find(image_store, replicas[0]);

    write_blocks(0, (struct extent){8, 20}, 3);
    store_commit(r, 1, 3, false);
    must_change((struct store_change){.kind = STORE_UNMAP,
                                      .replica = r,
                                      .extent = {16, 20},
                                      .stamp = {.generation = 1, .epoch = 1, .seq = 4}});
    promise_and_set(2);
    must_change((struct store_change){.kind = STORE_RESIZE, .replica = r, .size_blocks = 8192});
    write_blocks(0, (struct extent){8000, 2}, 5);
    must_change((struct store_change){.kind = STORE_DELETE,
                                      .replica = store_find(image_store, replicas[1])});
    make(1);
    write_blocks(1, (struct extent){0, 1}, 1);
    write_blocks(1, (struct extent){60, 40}, 2);
    write_blocks(0, (struct extent){2000, 16}, 6);
}

/* ---- taking them apart ---- */

static bool is_structure(uint32_t magic)
{
    return magic == SUPERBLOCK_MAGIC || magic == ROOT_MAGIC || magic == GROUP_MAGIC ||
           magic == MAP_MAGIC || magic == CHECKSUM_MAGIC || magic == LOG_MAGIC ||
           magic == INDEX_MAGIC;
}

/* A group, its payload included, that may follow the structure before it. */
static void note_group(struct structure *x, const struct format_group *g, bool first)
{
    const struct structure *before = x - 1;

    x->sequence = le64_get(g->sequence);
    x->room = (uint32_t)round_up(x->bytes, PAGE_BYTES) + le32_get(g->payload_blocks) * PAGE_BYTES;
    x->follows = !first && before->magic == GROUP_MAGIC && before->sequence + 1 == x->sequence;
}

static void note_structure(struct image *i, uint64_t offset, const uint8_t *page)
{
    const struct format_group *g = (const void *)page;
    struct structure *x = &i->structures[i->structure_count];
    bool data = offset >= image_geo.data_offset && offset < image_geo.root_offset[1];
    uint32_t magic = data ? 0 : le32_get(g->head.magic);

    if (!data && !is_structure(magic))
        return;
    assert(i->structure_count < STRUCTURES_MAX);
    *x = (struct structure){.offset = offset, .magic = magic, .room = PAGE_BYTES};
    if (!data) {
        x->page = le64_get(g->head.page);
        x->bytes = le32_get(g->head.bytes);
    }
    if (magic == ROOT_MAGIC)
        x->room = (uint32_t)image_geo.root_bytes;
    if (magic == GROUP_MAGIC)
        note_group(x, g, i->structure_count == 0);
    assert(x->room <= ROOM_MAX);
    x->used = x->room;
    while (x->used > 192 && image_ram.bytes[offset + x->used - 1] == 0)
        x->used--;
    x->used = (uint32_t)round_up(x->used, 64);
    i->structure_count++;
}

static void image_take(struct image *i)
{
    static const uint8_t zeros[PAGE_BYTES];
    uint8_t page[PAGE_BYTES];
    struct identity disk;
    enum err err;

    i->pages = calloc(PAGES_MAX, PAGE_BYTES);
    assert(i->pages);
    ram_peek(&image_ram, 0, page, sizeof page);
    err = superblock_decode(page, 0, IMAGE_BYTES, &image_geo, &disk);
    assert(!err);
    for (uint64_t at = 0; at < IMAGE_BYTES; at += PAGE_BYTES) {
        ram_peek(&image_ram, at, page, sizeof page);
        if (memcmp(page, zeros, sizeof page) == 0)
            continue;
        assert(i->page_count < PAGES_MAX);
        i->offsets[i->page_count] = at;
        memcpy(i->pages[i->page_count++], page, sizeof page);
        note_structure(i, at, page);
    }
}

void images_make(void)
{
    enum err err;

    ram_open(&image_ram, IMAGE_BYTES);
    format();
    err = image_open(false);
    assert(!err);
    use_first();
    image_close();
    image_take(&images[0]);
    err = image_open(false);
    assert(!err);
    use_second();
    image_take(&images[1]);
    image_close();
    images_memory = arena_taken();
}
