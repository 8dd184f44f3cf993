/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/store_formats_fuzz.c — the store's structures, one by one, in exactly the bytes that
 * are there.
 *
 * First byte: which structure.  A superblock's checksum is made right, as a careless hand would;
 * what is taken must lie inside the device and say so again when it is encoded.
 */
#include "store/inside.h"
#include "tests/fuzz/fuzz.h"

#define DEVICE_BYTES (UINT64_C(64) << 20)

static void superblock(struct input in)
{
    uint8_t page[PAGE_BYTES] = {0}, again[PAGE_BYTES];
    struct format_head *h = (void *)page;
    struct geometry geo, same;
    struct identity disk;
    enum err err;

    memcpy(page, in.at, in.left < sizeof page ? in.left : sizeof page);
    if (le32_get(h->bytes) >= sizeof *h && le32_get(h->bytes) <= sizeof page)
        h->checksum = le64_of(crc64(page + sizeof h->checksum, le32_get(h->bytes) - 8));
    if (superblock_decode(page, 0, DEVICE_BYTES, &geo, &disk))
        return;
    assert(geo.size_bytes <= DEVICE_BYTES && geo.chunks > 0);
    assert(geo.data_offset + geo.chunks * CHUNK_BYTES <= geo.root_offset[1]);
    assert(geo.root_offset[1] + geo.root_bytes + PAGE_BYTES <= geo.size_bytes);
    superblock_encode(again, 0, disk, &geo);
    err = superblock_decode(again, 0, DEVICE_BYTES, &same, &disk);
    assert(!err && memcmp(&geo, &same, sizeof geo) == 0);
}

static void record(struct input in)
{
    uint8_t *bytes = input_copy(&in), *again;
    static struct record_scratch x, y;
    struct fact f, same;
    enum err err = record_decode(bytes, in.left, &f, &x);

    if (!err) {
        uint32_t length = record_bytes(&f);

        assert(length <= in.left && length % 8 == 0);
        assert(f.kind != RECORD_SET || f.set->member_count <= REPLICAS_PER_SHARD);
        again = malloc(length);
        assert(again);
        record_encode(again, &f);
        err = record_decode(again, length, &same, &y);
        assert(!err && same.kind == f.kind && same.replica.bits == f.replica.bits);
        assert(same.extent.start == f.extent.start && same.extent.count == f.extent.count);
        free(again);
    }
    free(bytes);
}

static void head(struct input in)
{
    uint8_t *bytes = input_copy(&in);
    struct format_name name = {.magic = ROOT_MAGIC};
    const struct format_head *h = (void *)bytes;
    bool read_only = false;

    if (in.left >= sizeof *h) {
        name.disk.bits = le64_get(h->disk);
        name.page = le64_get(h->page);
    }
    if (format_prove(bytes, in.left, &name) == E_OK)
        (void)format_features(h, &read_only);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};

    switch (input_number(&in, 1) % 3) {
    case 0:
        superblock(in);
        break;
    case 1:
        record(in);
        break;
    default:
        head(in);
        break;
    }
    return 0;
}
