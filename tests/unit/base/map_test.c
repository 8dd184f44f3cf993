/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/map_test.c — against an array that holds the same. */
#include "base/map.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 200u
#define MAX  100u

static struct map map;
static void *model[KEYS]; /* what stands under each key */
static int things[64];

static uint32_t draw(void)
{
    static uint32_t x = 2463534242;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* Keys that crowd a few homes: small, large, and far apart. */
static uint64_t key_of(uint32_t number)
{
    switch (number % 3) {
    case 0:
        return number;
    case 1:
        return UINT64_MAX - number;
    default:
        return (uint64_t)number << 40;
    }
}

static void put_one(uint32_t number, uint32_t *used)
{
    void *thing = &things[draw() % array_length(things)];
    enum err err = map_put(&map, key_of(number), thing);

    if (!model[number] && *used == MAX) {
        assert_int_equal(err, E_NO_MEMORY);
        return;
    }
    assert_int_equal(err, E_OK);
    *used += !model[number];
    model[number] = thing;
}

static void any_order_is_as_the_model_has_it(void **state)
{
    uint32_t used = 0;

    (void)state;
    assert_int_equal(map_open(&map, MAX), E_OK);
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t number = draw() % KEYS;
        /* fills up, empties, fills up again */
        uint32_t puts_of_8 = round / 1000 % 2 ? 6 : 2;

        if (draw() % 8 < puts_of_8) {
            put_one(number, &used);
        } else {
            assert_ptr_equal(map_remove(&map, key_of(number)), model[number]);
            used -= model[number] != NULL;
            model[number] = NULL;
        }
        assert_int_equal(map.used, used);
        number = draw() % KEYS;
        assert_ptr_equal(map_get(&map, key_of(number)), model[number]);
        if (round % 997 != 0)
            continue;
        for (uint32_t i = 0; i < KEYS; i++)
            assert_ptr_equal(map_get(&map, key_of(i)), model[i]);
    }
    map_close(&map);
}

static void a_full_map_still_replaces(void **state)
{
    (void)state;
    assert_int_equal(map_open(&map, 2), E_OK);
    assert_int_equal(map_put(&map, 0, &things[0]), E_OK);
    assert_int_equal(map_put(&map, UINT64_MAX, &things[1]), E_OK);
    assert_int_equal(map_put(&map, 5, &things[2]), E_NO_MEMORY);
    assert_int_equal(map_put(&map, 0, &things[3]), E_OK);
    assert_ptr_equal(map_get(&map, 0), &things[3]);
    assert_null(map_get(&map, 5));
    assert_ptr_equal(map_remove(&map, 0), &things[3]);
    assert_null(map_remove(&map, 0));
    assert_int_equal(map_put(&map, 5, &things[2]), E_OK);
    map_close(&map);
    map_close(&map); /* nothing to do */
}

static void a_map_of_nothing_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(map_open(&map, 0), E_OK);
    assert_int_equal(map_put(&map, 1, &things[0]), E_NO_MEMORY);
    assert_null(map_get(&map, 1));
    map_close(&map);
    assert_int_equal(map_open(&map, UINT32_MAX), E_NO_MEMORY); /* more than can be counted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_is_as_the_model_has_it),
        cmocka_unit_test(a_full_map_still_replaces),
        cmocka_unit_test(a_map_of_nothing_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
