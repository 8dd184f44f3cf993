/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/store/limits_test.c — the memory that a node's disk may take, and takes. */
#include "tests/unit/store/rig.h"

#include <malloc.h>
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define GIB UINT64_C(1024 * 1024 * 1024)
#define TIB (1024 * GIB)

/* Bytes of the heap that are in use. */
static uint64_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
#endif
}

/* Design 7: 128 MiB per TiB for the map, 256 MiB for all the rest. */
static void a_nodes_disk_keeps_to_its_budget(void **state)
{
    (void)state;
    for (uint64_t size = 64 * GIB; size <= 4 * TIB; size *= 2) {
        struct store_limits l = store_limits_node(size);
        uint64_t map = size / TIB * (128 << 20) + size % TIB / 8192;

        assert_true(l.map_bytes >= map);
        assert_true(l.stage_bytes >= 128u << 20);
        assert_true(l.checksum_pages >= 3072);
        assert_true(store_limits_bytes(&l) <= map + 256 * (GIB / 1024));
    }
}

/* Nothing says before it is opened that a file's size is sense. */
static void a_disk_of_any_size_has_limits(void **state)
{
    struct store_limits most = store_limits_node(UINT64_C(1) << 50);

    (void)state;
    for (uint32_t shift = 0; shift < 64; shift++) {
        struct store_limits l = store_limits_node(UINT64_MAX >> shift);

        assert_true(l.map_bytes <= most.map_bytes);
        assert_in_range(l.checksum_pages, 1, 65536);
    }
}

/* What is promised to be enough is asked for, and no more. */
static void what_is_taken_is_what_was_said(void **state)
{
    struct rig r = {.sim = sim_open(1)};
    struct store_limits l = store_limits_node(2 * GIB);
    struct rig_wait w = {0};
    struct store_format f = {
        .identity = DISK, .journal_bytes = 8u << 20, .done = rig_format_done, .own = &w};
    uint64_t said, before, taken;

    (void)state;
    l.device_bytes = 2 * GIB;
    said = store_limits_bytes(&l);
    r.medium = sim_disk_make(r.sim, "disk", 2 * GIB);
    rig_start(&r);
    f.env = r.env;
    f.disk = r.disk;
    store_format(&f);
    assert_int_equal(rig_await(&r, &w), E_OK);
    assert_int_equal(rig_open_with(&r, l), E_OK); /* the simulated disk has its pages from now on */
    rig_close(&r);
    before = allocated();
    assert_int_equal(rig_open_with(&r, l), E_OK);
    taken = allocated() - before + f.journal_bytes; /* which replay read, into its window */
    assert_true(taken <= said);
    assert_true(said - taken < GIB / 256);
    assert_true(pool_bytes(&r.store->leaves) >= (2 * GIB) / CHUNK_BYTES * 8);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nodes_disk_keeps_to_its_budget),
        cmocka_unit_test(a_disk_of_any_size_has_limits),
        cmocka_unit_test(what_is_taken_is_what_was_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
