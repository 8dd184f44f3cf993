/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/format_test.c — the bytes on disk, one by one: docs/formats holds the same. */
#include "tests/unit/store/rig.h"

static uint8_t page[PAGE_BYTES];

static void expect_bytes(const void *at, const char *hex)
{
    const uint8_t *bytes = at;

    for (size_t i = 0; hex[2 * i]; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

        assert_int_equal(bytes[i], strtoul(two, NULL, 16));
    }
}

static void the_checksum_is_crc64_xz(void **state)
{
    (void)state;
    assert_true(crc64("123456789", 9) == UINT64_C(0x995dc9bbdf1939fa));
}

static void a_head_is_laid_out_as_documented(void **state)
{
    struct format_name name = {MAP_MAGIC, {UINT64_C(0x1122334455667788)}, 7, 9};

    (void)state;
    memset(page, 0, sizeof page);
    page[100] = 0xee;
    format_seal(page, PAGE_BYTES, &name);
    expect_bytes(page + 8, "444c4d50"         /* "DLMP"     */
                           "01000000"         /* version    */
                           "00000000"         /* compat     */
                           "00000000"         /* ro_compat  */
                           "00000000"         /* incompat   */
                           "00100000"         /* bytes      */
                           "8877665544332211" /* disk     */
                           "0700000000000000" /* page     */
                           "0900000000000000" /* checkpoint */
                           "0000000000000000");
    assert_true(le64_get(((struct format_head *)(void *)page)->checksum) ==
                crc64(page + 8, PAGE_BYTES - 8));
    assert_int_equal(page[100], 0xee);
}

static void any_flipped_bit_is_seen(void **state)
{
    struct format_name name = {ROOT_MAGIC, DISK, 1, 2};

    (void)state;
    memset(page, 0x5a, sizeof page);
    format_seal(page, 1000, &name);
    assert_int_equal(format_prove(page, PAGE_BYTES, &name), E_OK);
    for (uint32_t bit = 0; bit < 1000 * 8; bit += 37) {
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(format_prove(page, PAGE_BYTES, &name), E_OK);
        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    page[1000] ^= 1; /* not of the structure */
    assert_int_equal(format_prove(page, PAGE_BYTES, &name), E_OK);
    assert_int_equal(format_prove(page, 999, &name), E_DAMAGED);
}

static void a_page_of_another_place_or_disk_is_refused(void **state)
{
    struct format_name name = {INDEX_MAGIC, DISK, 5, 2};
    struct format_name other_page = {INDEX_MAGIC, DISK, 6, 2};
    struct format_name other_disk = {INDEX_MAGIC, VOLUME, 5, 2};
    struct format_name other_kind = {MAP_MAGIC, DISK, 5, 2};

    (void)state;
    memset(page, 0, sizeof page);
    format_seal(page, PAGE_BYTES, &name);
    assert_int_equal(format_prove(page, PAGE_BYTES, &other_page), E_DAMAGED);
    assert_int_equal(format_prove(page, PAGE_BYTES, &other_disk), E_DAMAGED);
    assert_int_equal(format_prove(page, PAGE_BYTES, &other_kind), E_NOT_FOUND);
}

static void feature_words_decide(void **state)
{
    struct format_head h = {.version = le32_of(FORMAT_VERSION)};
    bool read_only = false;

    (void)state;
    h.compat = le32_of(1u << 31);
    assert_int_equal(format_features(&h, &read_only), E_OK);
    assert_false(read_only);
    h.ro_compat = le32_of(1u << 31);
    assert_int_equal(format_features(&h, &read_only), E_OK);
    assert_true(read_only);
    h.incompat = le32_of(1u << 31);
    assert_int_equal(format_features(&h, &read_only), E_UNSUPPORTED);
    h.incompat = le32_of(0);
    h.version = le32_of(FORMAT_VERSION + 1);
    assert_int_equal(format_features(&h, &read_only), E_UNSUPPORTED);
}

static void expect_sound(const struct geometry *g)
{
    uint64_t tables = g->map_pages + g->checksum_pages + g->log_pages;

    assert_true(g->root_offset[0] >= PAGE_BYTES);
    assert_true(g->journal_offset >= g->root_offset[0] + g->root_bytes);
    assert_true(g->table_offset >= g->journal_offset + g->journal_bytes);
    assert_true(g->index_offset >= g->table_offset + 2 * tables * PAGE_BYTES);
    assert_true(g->data_offset >= g->index_offset + 2 * g->index_pages * PAGE_BYTES);
    assert_true(g->data_offset % CHUNK_BYTES == 0);
    assert_true(g->root_offset[1] >= g->data_offset + g->chunks * CHUNK_BYTES);
    assert_true(g->root_offset[1] + g->root_bytes + PAGE_BYTES <= g->size_bytes);
    assert_true(g->map_pages * MAP_RECORDS >= g->chunks);
    assert_true(g->checksum_pages * CHECKSUM_RECORDS >= g->chunks);
    assert_true(g->index_pages * INDEX_ENTRIES >= tables);
    assert_true(g->replicas_max >= 256);
    assert_true(g->replicas_max >= g->size_bytes / (UINT64_C(2) << 30));
}

static void regions_never_overlap(void **state)
{
    static const uint64_t mib = UINT64_C(1) << 20;
    static const struct {
        uint64_t device, journal, want_journal;
    } cases[] = {
        {32 * mib, mib, mib},
        {33 * mib + 4097, mib, mib},
        {1024 * mib, 0, 64 * mib},
        {16384 * mib, 0, 256 * mib},
        {UINT64_C(16) << 40, 0, 4096 * mib},
        {UINT64_C(100) << 30, 0, (UINT64_C(100) << 30) / 64},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct geometry g;

        assert_int_equal(geometry_choose(cases[i].device, cases[i].journal, &g), E_OK);
        assert_true(g.journal_bytes == cases[i].want_journal);
        expect_sound(&g);
    }
}

static void what_cannot_be_a_store_is_refused(void **state)
{
    static const uint64_t mib = UINT64_C(1) << 20;
    struct geometry g;

    (void)state;
    assert_int_equal(geometry_choose(0, mib, &g), E_NO_SPACE);
    assert_int_equal(geometry_choose(8 * mib, mib, &g), E_NO_SPACE);
    assert_int_equal(geometry_choose(128 * mib, 0, &g), E_NO_SPACE);
    assert_int_equal(geometry_choose(64 * mib, 4096, &g), E_INVALID);
    assert_int_equal(geometry_choose(UINT64_C(1) << 52, 0, &g), E_TOO_LARGE);
}

static void a_superblock_comes_back(void **state)
{
    const uint64_t bytes = UINT64_C(64) << 20;
    struct geometry g, back;
    struct identity disk;

    (void)state;
    assert_int_equal(geometry_choose(bytes, RIG_JOURNAL, &g), E_OK);
    superblock_encode(page, 1, DISK, &g);
    assert_int_equal(superblock_decode(page, 1, bytes, &back, &disk), E_OK);
    assert_true(identity_equal(disk, DISK));
    assert_memory_equal(&back, &g, sizeof g);
    assert_int_equal(superblock_decode(page, 0, bytes, &back, &disk), E_DAMAGED);
    assert_int_equal(superblock_decode(page, 1, bytes - PAGE_BYTES, &back, &disk), E_DAMAGED);
    expect_bytes(page + 8, "444c5342"); /* "DLSB" */
    expect_bytes(page + 64, "0000000400000000");
    expect_bytes(page + 72, "0020030000000000"); /* journal_offset */
    g.data_offset += PAGE_BYTES;                 /* sealed, and still nonsense */
    superblock_encode(page, 1, DISK, &g);
    assert_int_equal(superblock_decode(page, 1, bytes, &back, &disk), E_DAMAGED);
}

static struct fact a_write(const uint32_t *checksums)
{
    return (struct fact){
        .kind = RECORD_WRITE,
        .flags = RECORD_SEALED | RECORD_PART,
        .replica = REPLICA,
        .extent = {0x123, 3},
        .stamp =
            {.generation = 4, .snapshot = 5, .epoch = 6, .seq = 7, .commit_seq = 8, .sealed = true},
        .checksums = checksums,
        .payload = 9,
    };
}

static void a_write_record_is_laid_out_as_documented(void **state)
{
    static const uint32_t checksums[3] = {0x11111111, 0x22222222, 0x33333333};
    static struct record_scratch x;
    struct fact f = a_write(checksums), back;

    (void)state;
    assert_int_equal(record_bytes(&f), 112);
    record_encode(page, &f);
    expect_bytes(page, "70000000" /* bytes */
                       "01"       /* WRITE */
                       "03"       /* sealed, part */
                       "0000"
                       "010000000000000b" /* replica */
                       "0000000000000000" /* volume */
                       "2301000000000000" /* start */
                       "0300000000000000" /* count */
                       "0400000000000000" /* generation */
                       "0500000000000000" /* snapshot */
                       "0600000000000000" /* epoch */
                       "0700000000000000" /* seq */
                       "0800000000000000" /* commit_seq */
                       "0000000000000000" /* chunk */
                       "09000000"         /* payload */
                       "00000000"         /* shard */
                       "111111112222222233333333"
                       "00000000");
    assert_int_equal(record_decode(page, 112, &back, &x), E_OK);
    assert_int_equal(back.kind, RECORD_WRITE);
    assert_true(back.stamp.sealed);
    assert_true(back.extent.start == 0x123 && back.extent.count == 3);
    assert_true(back.stamp.seq == 7 && back.stamp.commit_seq == 8 && back.payload == 9);
    assert_memory_equal(back.checksums, checksums, sizeof checksums);
}

static void a_list_entry_is_laid_out_as_documented(void **state)
{
    struct fact f = a_write(NULL);
    struct format_list_entry e;

    (void)state;
    list_entry_encode(&e, &f);
    memcpy(page, &e, sizeof e);
    expect_bytes(page, "010000000000000b" /* replica */
                       "2301000000000000" /* start */
                       "0600000000000000" /* epoch */
                       "0700000000000000" /* seq */
                       "0400000000000000" /* generation */
                       "03000000"         /* count */
                       "01"               /* WRITE */
                       "03"               /* sealed, part */
                       "0000");
}

static void a_set_record_comes_back(void **state)
{
    static struct record_scratch x;
    struct store_set set = {
        .epoch = 3, .generation = 9, .snapshot = 2, .member_count = 2, .members = {{11}, {12}}};
    struct fact f = {.kind = RECORD_SET, .replica = REPLICA, .set = &set}, back;

    (void)state;
    assert_int_equal(record_bytes(&f), 96 + 96);
    record_encode(page, &f);
    assert_int_equal(record_decode(page, 192, &back, &x), E_OK);
    assert_memory_equal(back.set, &set, sizeof set);
}

static void what_is_no_record_is_refused(void **state)
{
    static const uint32_t checksums[3];
    static struct record_scratch x;
    struct fact f = a_write(checksums), back;

    (void)state;
    record_encode(page, &f);
    assert_int_equal(record_decode(page, 111, &back, &x), E_DAMAGED); /* reaches beyond */
    assert_int_equal(record_decode(page, 95, &back, &x), E_DAMAGED);
    page[0] = 0x68; /* bytes that do not fit the count */
    assert_int_equal(record_decode(page, 112, &back, &x), E_DAMAGED);
    record_encode(page, &f);
    page[33] = 0x40; /* more blocks than a group has */
    assert_int_equal(record_decode(page, PAGE_BYTES, &back, &x), E_DAMAGED);
    record_encode(page, &f);
    page[4] = RECORD_REDIRECT; /* not of whole chunks */
    assert_int_equal(record_decode(page, 112, &back, &x), E_DAMAGED);
    page[4] = RECORD_LOST;
    assert_int_equal(record_decode(page, 112, &back, &x), E_UNSUPPORTED);
    page[4] = 0;
    assert_int_equal(record_decode(page, 112, &back, &x), E_UNSUPPORTED);
}

static void a_redirect_names_its_chunks(void **state)
{
    static struct record_scratch x;
    uint32_t checksums[32];
    struct fact f = {.kind = RECORD_REDIRECT,
                     .flags = RECORD_PART,
                     .replica = {7},
                     .extent = {48, 32},
                     .checksums = checksums,
                     .chunk = 0x1122334455};
    struct fact back;

    (void)state;
    for (uint32_t i = 0; i < 32; i++)
        checksums[i] = i * 3;
    record_encode(page, &f);
    assert_int_equal(page[0], 96 + 128);
    assert_int_equal(page[4], 9);
    assert_memory_equal(page + 80, "\x55\x44\x33\x22\x11\0\0\0", 8);
    assert_int_equal(record_decode(page, 224, &back, &x), E_OK);
    assert_int_equal(back.chunk, f.chunk);
    assert_int_equal(back.extent.start, 48);
    assert_int_equal(back.extent.count, 32);
    assert_memory_equal(back.checksums, checksums, sizeof checksums);
    page[24] = 49; /* not where a chunk begins */
    assert_int_equal(record_decode(page, 224, &back, &x), E_DAMAGED);
}

static void a_map_record_stands_for_its_chunk_only(void **state)
{
    struct format_map_record r = {.kind = MAP_CHUNK, .slot = le32_of(1), .index = le32_of(2)};

    (void)state;
    assert_int_not_equal(map_record_check(&r, 5), map_record_check(&r, 6));
    r.index = le32_of(3);
    assert_int_not_equal(map_record_check(&r, 5), 0);
}

static void states_are_two_bits_a_block(void **state)
{
    uint32_t states = 0;

    (void)state;
    states = state_with(states, 0, BLOCK_DATA);
    states = state_with(states, 1, BLOCK_ZERO);
    states = state_with(states, 15, BLOCK_LOST);
    assert_int_equal(states, 0xc0000009);
    assert_int_equal(state_of(states, 15), BLOCK_LOST);
    assert_int_equal(state_with(states, 15, BLOCK_DATA), 0x40000009);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc64_xz),
        cmocka_unit_test(a_head_is_laid_out_as_documented),
        cmocka_unit_test(any_flipped_bit_is_seen),
        cmocka_unit_test(a_page_of_another_place_or_disk_is_refused),
        cmocka_unit_test(feature_words_decide),
        cmocka_unit_test(regions_never_overlap),
        cmocka_unit_test(what_cannot_be_a_store_is_refused),
        cmocka_unit_test(a_superblock_comes_back),
        cmocka_unit_test(a_write_record_is_laid_out_as_documented),
        cmocka_unit_test(a_list_entry_is_laid_out_as_documented),
        cmocka_unit_test(a_set_record_comes_back),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_redirect_names_its_chunks),
        cmocka_unit_test(a_map_record_stands_for_its_chunk_only),
        cmocka_unit_test(states_are_two_bits_a_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
