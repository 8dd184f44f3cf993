/* SPDX-License-Identifier: Apache-2.0 */
/* M2: another thread may read while the owner counts; the thread sanitizer judges. */
#include "base/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define ROUNDS 100000u

/* clang-format off */
#define PUMP_METRICS(X)                                  \
    X(COUNTER,   strokes,        "Strokes.")             \
    X(HISTOGRAM, stroke_seconds, "From valve to valve.")
/* clang-format on */
METRICS_STRUCT(pump_metrics, PUMP_METRICS);

static struct pump_metrics pump;

static void *stroke(void *arg)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        metric_add(&pump.strokes, 1);
        metric_record(&pump.stroke_seconds, 5);
    }
    return arg;
}

static void a_reader_sees_a_counter_grow(void **state)
{
    pthread_t writer;
    uint64_t before = 0, now;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, stroke, NULL), 0);
    while ((now = metric_get(&pump.strokes)) < ROUNDS) {
        assert_true(now >= before);
        before = now;
        now = metric_get(&pump.stroke_seconds.buckets[0]);
        assert_true(now <= ROUNDS);
    }
    pthread_join(writer, NULL);
    assert_int_equal(metric_get(&pump.stroke_seconds.sum_us), 5 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_reader_sees_a_counter_grow)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
