/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/store_image_check.c — check and store look at one image, and must agree. */
#include "store/check.h"
#include "tests/fuzz/store_image.h"

#include <stdio.h>

#define READ_BLOCKS 64u
#define READS_MAX   200u

static bool over;
static enum err check_err;

static void checked(struct store_check *c, enum err err)
{
    (void)c;
    check_err = err;
    over = true;
}

static void found(struct store_check *c, const struct store_finding *f)
{
    (void)c;
    assert(*f->what && *store_finding_word(f->kind));
    assert(*store_finding_costs(f->kind) && *store_finding_to_do(f->kind));
    if (getenv("FUZZ_SAY")) /* for whoever plays a finding again */
        fprintf(stderr, "%s at %llx: %s\n", store_finding_word(f->kind),
                (unsigned long long)f->offset, f->what);
}

static struct store_check check(bool data)
{
    struct store_check c = {.env = &image_ram.env,
                            .disk = &image_ram.disk,
                            .data = data,
                            .found = found,
                            .done = checked};
    uint64_t writes = image_ram.writes;

    over = false;
    store_check(&c);
    ram_run(&image_ram, &over);
    assert(image_ram.writes == writes); /* K1 */
    assert(check_err == E_OK || *c.why);
    return c;
}

/* How many reads came to E_MEDIUM; of each run of data its beginning. */
static uint64_t read_all(const struct store_replica *r, uint64_t size)
{
    static uint8_t memory[READ_BLOCKS * BLOCK_BYTES];
    uint64_t bad = 0, count = 0;

    for (uint64_t at = 0, n = 0; at < size && n < READS_MAX; at += count) {
        struct iovec piece = {memory, 0};
        struct store_read read = {
            .replica = (struct store_replica *)r, .pieces = &piece, .piece_count = 1};
        enum err err;

        if (!store_mapped(r, at, size - at, &count))
            continue;
        read.extent = (struct extent){at, min_u64(count, READ_BLOCKS)};
        piece.iov_len = read.extent.count * BLOCK_BYTES;
        err = image_read(&read);
        assert(err == E_OK || err == E_MEDIUM);
        bad += err != E_OK;
        if (err && getenv("FUZZ_SAY"))
            fprintf(stderr, "%s: block %llu\n", err_name(err), (unsigned long long)read.bad_block);
        n++;
    }
    return bad;
}

struct damage {
    uint64_t replicas, blocks;
};

static struct damage damage_of(void)
{
    struct store_replica *r = NULL;
    struct damage d = {0};

    while ((r = store_next(image_store, r))) {
        struct store_facts f;

        store_facts(r, &f);
        assert(f.size_blocks <= SHARD_BLOCKS);
        d.replicas += f.damaged;
        d.blocks += read_all(r, f.size_blocks);
    }
    return d;
}

void image_check_and_open(enum image_part part, const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    uint8_t flags = (uint8_t)input_number(&in, 1);
    struct store_check c;
    struct damage d;
    enum err err;

    image_put(part, flags, &in);
    c = check(true);
    err = image_open(false);
    if (err) {
        assert(check_err != E_OK || c.counts.findings > 0); /* K3 */
        return;
    }
    assert(check_err == E_OK);
    d = damage_of();
    assert(c.counts.findings > 0 || (d.replicas == 0 && d.blocks == 0)); /* K3 */
    /* Of a damaged replica it does not count what chunks may have held that it does not name. */
    assert(c.counts.blocks_lost + c.counts.blocks_bad > 0 || d.replicas > 0 || d.blocks == 0);
    image_close();
    if (c.counts.findings > 0)
        return;
    c = check(false);
    assert(check_err == E_OK && c.counts.findings == 0); /* K2 */
}
