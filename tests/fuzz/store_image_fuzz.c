/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/store_image_fuzz.c — a disk whose image somebody has changed, opened and used.
 *
 * The image comes from a recipe (store_image.h).  It may be refused.  If it opens, its replicas are
 * read, written, resized, made and deleted; then it is closed, or killed, and opened once more.
 * Whatever the image says: what the store answers is what it promises (S1, S3).
 */
#include "store/store.h"
#include "tests/fuzz/store_image.h"

#define REPLICAS_USED 3u
#define RUNS_MAX      64u
#define PART_BLOCKS   16u

/* A block that was written and answered. */
struct written {
    struct identity replica;
    uint64_t block;
    uint8_t fill;
};

static struct written written[REPLICAS_USED];
static uint32_t written_count;

static uint8_t memory[PART_BLOCKS * BLOCK_BYTES];

static enum err read_part(struct image_store *s, struct store_replica *r, struct extent blocks)
{
    struct iovec piece = {memory, blocks.count * BLOCK_BYTES};
    struct store_read read = {.replica = r, .extent = blocks, .pieces = &piece, .piece_count = 1};
    enum err err = image_read(s, &read);

    assert(err == E_OK || err == E_MEDIUM || err == E_DISK);
    if (err == E_MEDIUM)
        assert(read.bad_block >= blocks.start && read.bad_block < extent_end(blocks));
    return err;
}

static void read_some(struct image_store *s, struct store_replica *r, const struct store_facts *f)
{
    uint64_t part = min_u64(f->size_blocks, PART_BLOCKS), at = 0, count = 0;

    if (part == 0)
        return;
    (void)read_part(s, r, (struct extent){0, part});
    (void)read_part(s, r, (struct extent){f->size_blocks - part, part});
    for (uint32_t i = 0; i < RUNS_MAX && at < f->size_blocks; i++, at += count) {
        bool mapped = store_mapped(r, at, f->size_blocks - at, &count);

        assert(count > 0 && count <= f->size_blocks - at);
        if (mapped)
            (void)read_part(s, r, (struct extent){at, min_u64(count, PART_BLOCKS)});
    }
}

static void look_at(const struct store_replica *r, const struct store_facts *f)
{
    static struct extent open[OPEN_EXTENTS_MAX];
    uint32_t count = store_open_writes(r, open, OPEN_EXTENTS_MAX);

    assert(f->size_blocks <= SHARD_BLOCKS);
    assert(f->set.member_count <= REPLICAS_PER_SHARD);
    assert(count <= OPEN_EXTENTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        assert(extent_within(open[i], f->size_blocks));
}

static void write_block(struct image_store *s, struct store_replica *r, const struct store_facts *f)
{
    uint32_t checksum;
    struct iovec piece = {memory, BLOCK_BYTES};
    struct store_change c = {.kind = STORE_WRITE,
                             .replica = r,
                             .extent = {f->size_blocks / 2, 1},
                             .pieces = &piece,
                             .piece_count = 1,
                             .checksums = &checksum,
                             .stamp = {.generation = f->set.generation,
                                       .snapshot = f->set.snapshot,
                                       .epoch = f->last_epoch,
                                       .seq = f->last_seq + 1}};
    uint8_t fill = (uint8_t)(0x40 + written_count);

    if (f->size_blocks == 0)
        return;
    memset(memory, fill, BLOCK_BYTES);
    checksum = block_checksum(f->volume, f->shard * SHARD_BLOCKS + c.extent.start, memory);
    if (image_change(s, &c) == E_OK)
        written[written_count++] = (struct written){f->replica, c.extent.start, fill};
}

static void change(struct image_store *s, struct store_replica *r, const struct store_facts *f)
{
    struct store_change unmap = {
        .kind = STORE_UNMAP,
        .replica = r,
        .extent = {0, min_u64(f->size_blocks / 2, 2 * CHUNK_BLOCKS)},
        .stamp = {.generation = f->set.generation, .epoch = f->last_epoch, .seq = f->last_seq + 2}};
    struct store_change promise = {.kind = STORE_PROMISE, .replica = r, .epoch = f->promised};
    struct store_change set = {.kind = STORE_SET, .replica = r, .set = f->set};
    struct store_change grow = {
        .kind = STORE_RESIZE, .replica = r, .size_blocks = f->size_blocks + 16};

    if (unmap.extent.count > 0)
        (void)image_change(s, &unmap);
    store_commit(r, f->last_epoch, f->last_seq + 1, true);
    (void)image_change(s, &promise);
    (void)image_change(s, &set);
    (void)image_change(s, &grow);
}

/* Each block that was written and answered is there (S1). */
static void check_written(struct image_store *s)
{
    for (uint32_t i = 0; i < written_count; i++) {
        const struct written *w = &written[i];
        struct store_replica *r = store_find(s->store, w->replica);
        enum err err;

        assert(r);
        err = read_part(s, r, (struct extent){w->block, 1});
        assert(err == E_OK);
        for (uint32_t b = 0; b < BLOCK_BYTES; b++)
            assert(memory[b] == w->fill);
    }
}

static void use(struct image_store *s)
{
    struct store_change make = {
        .kind = STORE_MAKE, .identity = {0x5eed}, .volume = {0x5eed}, .size_blocks = 100};
    struct store_change delete = {.kind = STORE_DELETE};
    struct store_space space = store_space(s->store);
    struct store_replica *r = NULL;

    assert(space.chunks_free <= space.chunks);
    for (uint32_t n = 0; n < REPLICAS_USED && (r = store_next(s->store, r)); n++) {
        struct store_facts f;

        store_facts(r, &f);
        look_at(r, &f);
        read_some(s, r, &f);
        write_block(s, r, &f);
        change(s, r, &f);
    }
    check_written(s);
    if (image_change(s, &make) == E_OK) {
        delete.replica = make.replica;
        (void)image_change(s, &delete);
    }
}

static void use_and_reopen(struct image_store *s, uint8_t flags)
{
    bool small = flags & IMAGE_SMALL;

    if (image_open(s, small))
        return;
    use(s);
    if (flags & IMAGE_NOT_CLOSED)
        image_copy(s);
    image_close(s);
    if (flags & IMAGE_NOT_CLOSED)
        image_start(s, "copy");
    if (image_open(s, small)) {
        assert(written_count == 0);
        return;
    }
    check_written(s);
    image_close(s);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    images_make();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    uint8_t flags = (uint8_t)input_number(&in, 1);
    struct image_store s = {.sim = sim_open(1)};
    struct sim_disk *d = sim_disk_make(s.sim, "disk", IMAGE_BYTES);

    written_count = 0;
    image_put(d, flags, &in);
    image_start(&s, "disk");
    use_and_reopen(&s, flags);
    sim_close(s.sim);
    return 0;
}
