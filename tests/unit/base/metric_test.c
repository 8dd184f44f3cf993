/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
#define PUMP_METRICS(X)                                       \
    X(COUNTER,   strokes,       "Strokes that were made.")    \
    X(COUNTER,   shut_seconds,  "How long it stood.")         \
    X(HISTOGRAM, stroke_seconds, "From valve to valve.")      \
    X(GAUGE,     waiting_bytes, "What waits.")
/* clang-format on */
METRICS_STRUCT(pump_metrics, PUMP_METRICS);
extern const struct metric_table pump_metric_table;
METRICS_TABLE(pump_metric_table, pump_metrics, "pump", PUMP_METRICS);

static char *written(const struct metric_set *sets, uint32_t count)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    metrics_write(to, &pump_metric_table, sets, count);
    fclose(to);
    return text;
}

static uint32_t times_in(const char *text, const char *what)
{
    uint32_t times = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        times++;
    return times;
}

/* A bucket's bound is inclusive, as Prometheus' `le` is. */
static void a_bucket_holds_what_took_at_most_its_bound(void **state)
{
    (void)state;
    assert_int_equal(metric_bucket(0), 0);
    assert_int_equal(metric_bucket(8), 0);
    assert_int_equal(metric_bucket(9), 1);
    for (uint32_t n = 0; n + 1 < METRIC_BUCKETS; n++) {
        assert_int_equal(metric_bucket(UINT64_C(8) << n), n);
        assert_int_equal(metric_bucket((UINT64_C(8) << n) + 1), n + 1);
    }
    assert_int_equal(metric_bucket(UINT64_MAX), METRIC_BUCKETS - 1);
}

static void each_row_is_described_once_and_told_for_every_set(void **state)
{
    struct pump_metrics a = {0}, b = {0};
    const struct metric_set sets[] = {{&a, "pump=\"a\""}, {&b, "pump=\"b\""}};
    char *text;

    (void)state;
    metric_add(&a.strokes, 3);
    metric_add(&a.strokes, 2);
    metric_set(&b.waiting_bytes, 4096);
    metric_add(&b.waiting_bytes, 4096);
    metric_subtract(&b.waiting_bytes, 1);
    text = written(sets, 2);
    assert_non_null(strstr(text, "# HELP storaged_pump_strokes_total Strokes that were made.\n"
                                 "# TYPE storaged_pump_strokes_total counter\n"
                                 "storaged_pump_strokes_total{pump=\"a\"} 5\n"
                                 "storaged_pump_strokes_total{pump=\"b\"} 0\n"));
    assert_non_null(strstr(text, "# TYPE storaged_pump_waiting_bytes gauge\n"
                                 "storaged_pump_waiting_bytes{pump=\"a\"} 0\n"
                                 "storaged_pump_waiting_bytes{pump=\"b\"} 8191\n"));
    assert_int_equal(times_in(text, "# HELP storaged_pump_waiting_bytes"), 1);
    free(text);
}

static void times_are_shown_in_seconds(void **state)
{
    struct pump_metrics a = {0};
    const struct metric_set set = {&a, ""};
    char *text;

    (void)state;
    metric_add(&a.shut_seconds, 1000001);
    metric_record(&a.stroke_seconds, 7);
    metric_record(&a.stroke_seconds, 100);
    metric_record(&a.stroke_seconds, 90000000);
    text = written(&set, 1);
    assert_non_null(strstr(text, "storaged_pump_shut_seconds_total 1.000001\n"));
    assert_non_null(strstr(text, "storaged_pump_stroke_seconds_bucket{le=\"0.000008\"} 1\n"
                                 "storaged_pump_stroke_seconds_bucket{le=\"0.000016\"} 1\n"));
    assert_non_null(strstr(text, "storaged_pump_stroke_seconds_bucket{le=\"0.000128\"} 2\n"));
    assert_non_null(strstr(text, "storaged_pump_stroke_seconds_bucket{le=\"33.554432\"} 2\n"
                                 "storaged_pump_stroke_seconds_bucket{le=\"+Inf\"} 3\n"
                                 "storaged_pump_stroke_seconds_sum 90.000107\n"
                                 "storaged_pump_stroke_seconds_count 3\n"));
    free(text);
}

static void labels_stand_before_the_bucket(void **state)
{
    struct pump_metrics a = {0};
    const struct metric_set set = {&a, "pump=\"a\""};
    char *text;

    (void)state;
    text = written(&set, 1);
    assert_non_null(
        strstr(text, "storaged_pump_stroke_seconds_bucket{pump=\"a\",le=\"0.000008\"} 0\n"));
    assert_non_null(strstr(text, "storaged_pump_stroke_seconds_sum{pump=\"a\"} 0.000000\n"
                                 "storaged_pump_stroke_seconds_count{pump=\"a\"} 0\n"));
    free(text);
    text = written(&set, 0); /* nothing is described that has no number */
    assert_string_equal(text, "");
    free(text);
}

static void a_cursor_finds_every_member(void **state)
{
    struct pump_metrics a = {0};
    struct metric_cursor c;

    (void)state;
    c = metric_first(&pump_metric_table, &a);
    assert_ptr_equal(c.value, &a.strokes);
    metric_next(&c);
    assert_ptr_equal(c.value, &a.shut_seconds);
    metric_next(&c);
    assert_ptr_equal(c.histogram, &a.stroke_seconds);
    assert_null(c.value);
    metric_next(&c);
    assert_ptr_equal(c.value, &a.waiting_bytes);
    assert_null(c.histogram);
    metric_next(&c);
    assert_null(c.row);
}

static void the_list_is_a_table_for_people(void **state)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    assert_non_null(to);
    metrics_list(to, &pump_metric_table);
    fclose(to);
    assert_string_equal(text,
                        "| `storaged_pump_strokes_total` | counter | Strokes that were made. |\n"
                        "| `storaged_pump_shut_seconds_total` | counter | How long it stood. |\n"
                        "| `storaged_pump_stroke_seconds` | histogram | From valve to valve. |\n"
                        "| `storaged_pump_waiting_bytes` | gauge | What waits. |\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_what_took_at_most_its_bound),
        cmocka_unit_test(each_row_is_described_once_and_told_for_every_set),
        cmocka_unit_test(times_are_shown_in_seconds),
        cmocka_unit_test(labels_stand_before_the_bucket),
        cmocka_unit_test(a_cursor_finds_every_member),
        cmocka_unit_test(the_list_is_a_table_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
