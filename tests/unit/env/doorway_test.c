/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/doorway_test.c — the disk's contract, an address's text, what chance gives. */
#include "base/util.h"
#include "env/env.h"
#include "tests/unit/dies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- the disk ---- */

static uint32_t submitted;

static void count_submit(struct disk *d, struct disk_io *io)
{
    assert_ptr_equal(io->disk, d);
    assert_int_equal(io->bytes_done, 0);
    submitted++;
}

static void no_close(struct disk *d)
{
    (void)d;
}

static void no_done(struct disk_io *io, enum err err)
{
    (void)io;
    (void)err;
}

static const struct disk_ops counting = {.submit = count_submit, .close = no_close};
static struct disk disk = {.ops = &counting, .size_bytes = 16 * DISK_ALIGN};
static _Alignas(4096) uint8_t memory[4 * DISK_ALIGN];

static void make_mistake(void *io)
{
    disk_submit(&disk, io);
}

static void the_doorway_lets_the_contract_through(void **state)
{
    struct iovec pieces[] = {{memory, DISK_ALIGN}, {memory, 3 * DISK_ALIGN}};
    struct disk_io io = {.op = DISK_WRITE,
                         .flags = DISK_DSYNC,
                         .offset = 12 * DISK_ALIGN,
                         .pieces = pieces,
                         .piece_count = 2,
                         .done = no_done,
                         .bytes_done = 77};
    struct disk_io sync = {.op = DISK_SYNC, .done = no_done};

    (void)state;
    submitted = 0;
    disk_submit(&disk, &io);
    disk_submit(&disk, &sync);
    assert_int_equal(submitted, 2);
}

static void the_doorway_stops_every_other(void **state)
{
    static struct iovec good = {memory, DISK_ALIGN}, two = {memory, 2 * DISK_ALIGN},
                        odd_address = {memory + 512, DISK_ALIGN}, odd_length = {memory, 512},
                        empty = {memory, 0}, many[DISK_PIECES_MAX + 1];
    static struct disk large = {.ops = &counting, .size_bytes = UINT64_C(1) << 40};
    struct disk_io wrong[] = {
        {.op = DISK_READ, .pieces = &good, .piece_count = 1}, /* nobody to answer: no done */
        {.op = DISK_READ, .pieces = &good, .piece_count = 1, .offset = 512, .done = no_done},
        {.op = DISK_READ, .pieces = &odd_address, .piece_count = 1, .done = no_done},
        {.op = DISK_READ, .pieces = &odd_length, .piece_count = 1, .done = no_done},
        {.op = DISK_READ, .pieces = &empty, .piece_count = 1, .done = no_done},
        {.op = DISK_READ, .pieces = &good, .piece_count = 0, .done = no_done},
        {.op = DISK_READ, .pieces = &good, .piece_count = 1, .flags = 1, .done = no_done},
        {.op = DISK_WRITE, .pieces = &good, .piece_count = 1, .flags = 2, .done = no_done},
        {.op = DISK_SYNC, .pieces = &good, .piece_count = 1, .done = no_done},
        {.op = DISK_READ,
         .pieces = &two,
         .piece_count = 1,
         .offset = 15 * DISK_ALIGN,
         .done = no_done},
        {.op = DISK_READ,
         .pieces = &good,
         .piece_count = 1,
         .offset = UINT64_MAX - 4095,
         .done = no_done},
    };
    struct disk_io too_many = {
        .op = DISK_READ, .pieces = many, .piece_count = DISK_PIECES_MAX + 1, .done = no_done};

    (void)state;
    for (size_t i = 0; i < array_length(wrong); i++)
        assert_true(aborts(make_mistake, &wrong[i]));
    for (size_t i = 0; i < array_length(many); i++)
        many[i] = good;
    disk.size_bytes = large.size_bytes;
    assert_true(aborts(make_mistake, &too_many));
    too_many.piece_count--;
    assert_false(aborts(make_mistake, &too_many));
    disk.size_bytes = 16 * DISK_ALIGN;
}

/* ---- addresses ---- */

static void addresses_have_one_spelling(void **state)
{
    static const struct {
        const char *text, *spelling;
    } cases[] = {
        {"127.0.0.1:3260", "127.0.0.1:3260"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"10.0.0.1:00080", "10.0.0.1:80"},
        {"[::1]:3260", "[::1]:3260"},
        {"[::]:1", "[::]:1"},
        {"[2001:DB8:0:0:0:0:0:1]:7", "[2001:db8::1]:7"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct net_address address;

        assert_true(net_address_parse(cases[i].text, &address));
        assert_string_equal(address.text, cases[i].spelling);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        ":",
        "127.0.0.1",
        "127.0.0.1:",
        ":3260",
        "127.0.0.1:65536",
        "127.0.0.1:4294967296",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x10",
        "127.1:80",
        "256.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[fe80::1%lo]:80",
        "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:80",
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct net_address address = {"untouched"};

        assert_false(net_address_parse(cases[i], &address));
        assert_string_equal(address.text, "untouched");
    }
}

/* ---- chance ---- */

static uint32_t draws;

/* Zeros twice, then something. */
static void fill_late(struct chance *c, void *bytes, size_t length)
{
    (void)c;
    memset(bytes, draws++ < 2 ? 0 : 0x5a, length);
}

static void an_identity_is_never_none(void **state)
{
    struct chance late = {.fill = fill_late};

    (void)state;
    draws = 0;
    assert_int_equal(chance_u64(&late), 0);
    assert_int_equal(chance_identity(&late).bits, 0x5a5a5a5a5a5a5a5a);
    assert_int_equal(draws, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_doorway_lets_the_contract_through),
        cmocka_unit_test(the_doorway_stops_every_other),
        cmocka_unit_test(addresses_have_one_spelling),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(an_identity_is_never_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
