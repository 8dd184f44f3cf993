/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/store/bad_image_test.c — images that an operator may come with: cut short, grown, of
 * another version, of another disk, with superblock, root or a table page rotten or gone.
 *
 * Each is named by the check with its cost, and opens with what can be proved, or is refused in one
 * line that says what to do; a refused one is left as it is, byte by byte.
 */
#include "tests/unit/store/checking.h"

#define SIZE 2000u

struct image {
    const char *name;
    void (*spoil)(struct rig *r, const struct geometry *g);
    enum store_finding_kind finding; /* one of this kind, at least */
    enum err check;                  /* of the check … */
    enum err open;                   /* … and of store_open() */
    const char *says;                /* NULL: it opens */
    bool damaged;                    /* … and its replica is behind 0 */
};

/* ---- how they are spoiled ---- */

static void wipe(struct rig *r, uint64_t offset)
{
    static const uint8_t zeros[PAGE_BYTES];

    sim_disk_poke(r->medium, offset, zeros, sizeof zeros);
}

/* A word of a head, with the checksum made right. */
static void put_sealed(struct rig *r, uint64_t offset, size_t at, uint32_t value)
{
    uint32_t room = (uint32_t)r->medium->size_bytes / 8;
    uint8_t *bytes = malloc(room);
    struct format_head *h = (void *)bytes;
    le32 word = le32_of(value);

    room = (uint32_t)min_u64(room, r->medium->size_bytes - offset);
    sim_disk_peek(r->medium, offset, bytes, room);
    memcpy(bytes + at, &word, sizeof word);
    h->checksum = le64_of(crc64(bytes + 8, le32_get(h->bytes) - 8));
    sim_disk_poke(r->medium, offset, bytes, le32_get(h->bytes));
    free(bytes);
}

static void superblock_one(struct rig *r, const struct geometry *g)
{
    (void)g;
    wipe(r, 0);
}
static void superblock_two(struct rig *r, const struct geometry *g)
{
    (void)g;
    rig_rot(r, superblock_offset(RIG_BYTES, 1) + 100);
}
static void superblocks_rotten(struct rig *r, const struct geometry *g)
{
    rig_rot(r, 100);
    superblock_two(r, g);
}
static void superblocks_gone(struct rig *r, const struct geometry *g)
{
    (void)g;
    wipe(r, 0);
    wipe(r, superblock_offset(RIG_BYTES, 1));
}
static void all_gone(struct rig *r, const struct geometry *g)
{
    superblocks_gone(r, g);
    wipe(r, g->root_offset[0]);
}
static void another_version(struct rig *r, const struct geometry *g)
{
    (void)g;
    for (uint32_t copy = 0; copy < 2; copy++)
        put_sealed(r, superblock_offset(RIG_BYTES, copy), offsetof(struct format_head, version), 2);
}
static void half_another_version(struct rig *r, const struct geometry *g)
{
    (void)g;
    put_sealed(r, 0, offsetof(struct format_head, version), 2);
}
static void another_feature(struct rig *r, const struct geometry *g)
{
    for (uint32_t copy = 0; copy < 2; copy++)
        put_sealed(r, g->root_offset[copy], offsetof(struct format_head, incompat), 1u << 31);
}
static void a_word_that_is_none(struct rig *r, const struct geometry *g)
{
    (void)g;
    for (uint32_t copy = 0; copy < 2; copy++)
        put_sealed(r, superblock_offset(RIG_BYTES, copy),
                   offsetof(struct format_superblock, journal_bytes), 12345);
}
static void root_one(struct rig *r, const struct geometry *g)
{
    rig_rot(r, g->root_offset[0] + 300);
}
static void root_two(struct rig *r, const struct geometry *g)
{
    wipe(r, g->root_offset[1]);
}
static void roots_rotten(struct rig *r, const struct geometry *g)
{
    root_one(r, g);
    root_two(r, g);
}
static void root_of_another_disk(struct rig *r, const struct geometry *g)
{
    for (uint32_t copy = 0; copy < 2; copy++)
        put_sealed(r, g->root_offset[copy], offsetof(struct format_head, disk), 77);
}
static void both_places(struct rig *r, const struct geometry *g, uint64_t page)
{
    rig_rot(r, page_offset(g, page, 0) + 80);
    rig_rot(r, page_offset(g, page, 1) + 80);
}
static void index_page(struct rig *r, const struct geometry *g)
{
    rig_rot(r, index_page_offset(g, 0, 0) + 80);
    rig_rot(r, index_page_offset(g, 0, 1) + 80);
}
static void map_page(struct rig *r, const struct geometry *g)
{
    both_places(r, g, 0);
}
static void checksum_page(struct rig *r, const struct geometry *g)
{
    both_places(r, g, g->map_pages);
}
static void log_page(struct rig *r, const struct geometry *g)
{
    both_places(r, g, g->map_pages + g->checksum_pages);
}
static void data(struct rig *r, const struct geometry *g)
{
    rig_rot(r, g->data_offset + 5000);
}

static const struct image images[] = {
    {"superblock one", superblock_one, FINDING_SUPERBLOCK, E_OK, E_OK, NULL, false},
    {"superblock two", superblock_two, FINDING_SUPERBLOCK, E_OK, E_OK, NULL, false},
    {"superblocks rotten", superblocks_rotten, FINDING_SUPERBLOCKS, E_OK, E_DAMAGED,
     "both superblocks are damaged: nothing on it can be found; restore its volumes, then "
     "`storaged --format PATH --force`",
     false},
    {"superblocks gone", superblocks_gone, FINDING_SUPERBLOCKS, E_OK, E_NOT_FOUND,
     "no superblock of a Dolmen store is left: nothing on it can be found; restore its volumes",
     false},
    {"nothing left", all_gone, FINDING_SUPERBLOCKS, E_NOT_FOUND, E_NOT_FOUND, "no superblock",
     false},
    {"another version", another_version, FINDING_SUPERBLOCKS, E_UNSUPPORTED, E_UNSUPPORTED,
     "of a version, or with a feature, that this one does not know: use a newer one", false},
    {"half another version", half_another_version, FINDING_SUPERBLOCKS, E_UNSUPPORTED,
     E_UNSUPPORTED, "use a newer one", false},
    {"another feature", another_feature, FINDING_ROOTS, E_UNSUPPORTED, E_UNSUPPORTED,
     "feature that this version does not know: use a newer one", false},
    {"a layout that is none", a_word_that_is_none, FINDING_SUPERBLOCKS, E_OK, E_DAMAGED,
     "both superblocks are damaged", false},
    {"root one", root_one, FINDING_ROOT, E_OK, E_OK, NULL, false},
    {"root two", root_two, FINDING_ROOT, E_OK, E_OK, NULL, false},
    {"roots", roots_rotten, FINDING_ROOTS, E_OK, E_DAMAGED,
     "both copies of the root are damaged: nothing on it can be found; restore its volumes", false},
    {"roots of another disk", root_of_another_disk, FINDING_ROOTS, E_OK, E_DAMAGED,
     "both copies of the root are damaged", false},
    {"index page", index_page, FINDING_INDEX_PAGE, E_OK, E_OK, NULL, true},
    {"map page", map_page, FINDING_MAP_PAGE, E_OK, E_OK, NULL, true},
    {"checksum page", checksum_page, FINDING_CHECKSUM_PAGE, E_OK, E_OK, NULL, false},
    {"log page", log_page, FINDING_LOG_PAGE, E_OK, E_OK, NULL, false},
    {"data", data, FINDING_DATA, E_OK, E_OK, NULL, false},
};

static struct rig at_rest(uint64_t seed, struct geometry *ret)
{
    struct rig r = rig_begin(seed, SIZE);

    *ret = r.store->geo;
    assert_int_equal(rig_write(&r, 0, 100, 1000), E_OK);
    rig_close(&r);
    return r;
}

static void expect_refused(struct rig *r, const struct image *i)
{
    uint64_t before = medium_sum(r);

    assert_int_equal(rig_open(r), i->open);
    if (!strstr(r->why, i->says) || strncmp(r->why, r->disk->name, strlen(r->disk->name)) != 0)
        fail_msg("%s: it says \"%s\"", i->name, r->why);
    assert_null(strchr(r->why, '\n'));
    assert_true(medium_sum(r) == before); /* nothing is repaired, trimmed or formatted */
}

static void each_is_named_and_opens_or_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < array_length(images); n++) {
        const struct image *i = &images[n];
        struct geometry g;
        struct rig r = at_rest(n, &g);
        struct checked x;

        i->spoil(&r, &g);
        x = rig_check(&r, true);
        if (x.err != i->check || (!x.err && x.of_kind[i->finding] == 0))
            fail_msg("%s: the check says %s, %s", i->name, err_name(x.err), x.check.why);
        if (i->says) {
            expect_refused(&r, i);
        } else {
            assert_int_equal(rig_open(&r), i->open);
            assert_int_equal(rig_facts(&r).damaged, i->damaged);
            assert_int_equal(x.of_kind[FINDING_DAMAGED], i->damaged);
        }
        rig_end(&r);
    }
}

/* ---- another length ---- */

/* The same bytes on a device of another length. */
static void move_to(struct rig *r, uint64_t bytes)
{
    struct sim_disk *to = sim_disk_make(r->sim, "other", bytes);
    uint8_t page[PAGE_BYTES];

    for (uint64_t at = 0; at < min_u64(bytes, RIG_BYTES); at += sizeof page) {
        sim_disk_peek(r->medium, at, page, sizeof page);
        sim_disk_poke(to, at, page, sizeof page);
    }
    r->medium = to;
    assert_int_equal(r->env->ops->disk_open(r->env, "other", 0, &r->disk), E_OK);
}

static void a_disk_cut_short_is_refused(void **state)
{
    static const uint64_t lengths[] = {RIG_BYTES - PAGE_BYTES, RIG_BYTES / 2, 4 * PAGE_BYTES};

    (void)state;
    for (size_t n = 0; n < array_length(lengths); n++) {
        static const struct image cut = {.name = "cut short",
                                         .open = E_DAMAGED,
                                         .says = "the device is smaller than the store on it: "
                                                 "give it back its full length"};
        struct geometry g;
        struct rig r = at_rest(n, &g);
        struct checked x;

        move_to(&r, lengths[n]);
        x = rig_check(&r, true);
        assert_int_equal(x.err, E_OK);
        assert_int_equal(x.of_kind[FINDING_CUT_SHORT], 1);
        expect_refused(&r, &cut);
        rig_end(&r);
    }
}

static void a_disk_that_grew_opens_and_is_clean(void **state)
{
    struct geometry g;
    struct rig r = at_rest(1, &g);

    (void)state;
    move_to(&r, 2 * RIG_BYTES);
    expect_clean(&r);
    assert_int_equal(rig_open(&r), E_OK);
    expect_blocks(&r, 0, 100, 1000);
    expect_clean(&r);
    rig_end(&r);
}

static void a_disk_of_two_pages_or_less_holds_nothing(void **state)
{
    (void)state;
    for (uint64_t bytes = 0; bytes <= 2 * PAGE_BYTES; bytes += PAGE_BYTES) {
        struct rig r = {.sim = sim_open(bytes)};
        struct checked x;

        r.medium = sim_disk_make(r.sim, "disk", bytes);
        rig_start(&r);
        x = rig_check(&r, true);
        assert_int_equal(x.err, E_NOT_FOUND);
        assert_int_equal(rig_open(&r), E_NOT_FOUND);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_named_and_opens_or_is_refused),
        cmocka_unit_test(a_disk_cut_short_is_refused),
        cmocka_unit_test(a_disk_that_grew_opens_and_is_clean),
        cmocka_unit_test(a_disk_of_two_pages_or_less_holds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
