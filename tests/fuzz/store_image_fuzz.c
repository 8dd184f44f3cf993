/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/store_image_fuzz.c — a disk whose image somebody has changed, opened and used.
 *
 * The image comes from a recipe (store_image.h).  It may be refused.  If it opens, its replicas are
 * read, written, resized, made and deleted; then it is closed, or killed, and opened once more.
 * Whatever the image says: what the store answers is what it promises (S1, S3).
 */
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

static enum err read_part(struct store_replica *r, struct extent blocks)
{
    struct iovec piece = {memory, blocks.count * BLOCK_BYTES};
    struct store_read read = {.replica = r, .extent = blocks, .pieces = &piece, .piece_count = 1};
    enum err err = image_read(&read);

    assert(err == E_OK || err == E_MEDIUM || err == E_DISK);
    if (err == E_MEDIUM)
        assert(read.bad_block >= blocks.start && read.bad_block < extent_end(blocks));
    return err;
}

static void read_some(struct store_replica *r, const struct store_facts *f)
{
    uint64_t part = min_u64(f->size_blocks, PART_BLOCKS), at = 0, count = 0;

    if (part == 0)
        return;
    (void)read_part(r, (struct extent){0, part});
    (void)read_part(r, (struct extent){f->size_blocks - part, part});
    for (uint32_t i = 0; i < RUNS_MAX && at < f->size_blocks; i++, at += count) {
        bool mapped = store_mapped(r, at, f->size_blocks - at, &count);

        assert(count > 0 && count <= f->size_blocks - at);
        if (mapped)
            (void)read_part(r, (struct extent){at, min_u64(count, PART_BLOCKS)});
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

static void write_block(struct store_replica *r, const struct store_facts *f)
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
    if (image_change(&c) == E_OK)
        written[written_count++] = (struct written){f->replica, c.extent.start, fill};
}

static void change(struct store_replica *r, const struct store_facts *f)
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
        (void)image_change(&unmap);
    store_commit(r, f->last_epoch, f->last_seq + 1, true);
    (void)image_change(&promise);
    (void)image_change(&set);
    (void)image_change(&grow);
}

/* Each block that was written and answered is there (S1). */
static void check_written(void)
{
    for (uint32_t i = 0; i < written_count; i++) {
        const struct written *w = &written[i];
        struct store_replica *r = store_find(image_store, w->replica);
        enum err err;

        assert(r);
        err = read_part(r, (struct extent){w->block, 1});
        assert(err == E_OK);
        for (uint32_t b = 0; b < BLOCK_BYTES; b++)
            assert(memory[b] == w->fill);
    }
}

static void use(void)
{
    struct store_change make = {
        .kind = STORE_MAKE, .identity = {0x5eed}, .volume = {0x5eed}, .size_blocks = 100};
    struct store_change delete = {.kind = STORE_DELETE};
    struct store_space space = store_space(image_store);
    struct store_replica *r = NULL;

    assert(space.chunks_free <= space.chunks);
    for (uint32_t n = 0; n < REPLICAS_USED && (r = store_next(image_store, r)); n++) {
        struct store_facts f;

        store_facts(r, &f);
        look_at(r, &f);
        read_some(r, &f);
        write_block(r, &f);
        change(r, &f);
    }
    check_written();
    if (image_change(&make) == E_OK) {
        delete.replica = make.replica;
        (void)image_change(&delete);
    }
}

static void use_and_reopen(uint8_t flags)
{
    bool small = flags & IMAGE_SMALL;

    if (image_open(small))
        return;
    use();
    if (flags & IMAGE_NOT_CLOSED)
        image_kill();
    else
        image_close();
    if (image_open(small)) {
        assert(written_count == 0);
        return;
    }
    check_written();
    image_close();
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

    written_count = 0;
    image_put(IMAGE_ALL, flags, &in);
    use_and_reopen(flags);
    return 0;
}
