/* SPDX-License-Identifier: Apache-2.0 */
/* Rates between two moments, from what status ports answer; and what is made of nonsense. */
#include "cli/cli.h"
#include "cli/top.h"
#include "tests/unit/cli/metad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A volume at a moment, with reads that all took at most 16 us. */
static json_t *volume(const char *name, double at, int reads, double bytes)
{
    return json_pack("{s:s, s:s, s:i, s:f, s:{s:{s:i, s:f, s:[i,i]}, s:f, s:i}}", "volume", name,
                     "name", name, "epoch", 1, "at_seconds", at, "metrics", "read_seconds", "count",
                     reads, "sum", reads * 0.000010, "buckets", 0, reads, "read_bytes", bytes,
                     "requests", 3);
}

static void put_volumes(struct top_sample *s, const char *node, json_t *items)
{
    json_t *answer = json_pack("{s:o, s:[]}", "items", items, "silent_reactors");

    top_read_volumes(s, node, answer);
    json_decref(answer);
}

static void a_rate_is_the_difference_over_the_reactors_time(void **state)
{
    struct top_sample before, now;
    struct top_rates *rates, sum;

    (void)state;
    top_sample_init(&before);
    top_sample_init(&now);
    put_volumes(&before, "n1",
                json_pack("[o,o]", volume("a", 10, 100, 1000), volume("b", 10, 0, 0)));
    put_volumes(&now, "n1", json_pack("[o,o]", volume("b", 12, 8, 32), volume("a", 12, 300, 5000)));
    assert_int_equal(top_compare(&before.volumes, before.asked, &now.volumes, &rates, &sum), 2);
    assert_string_equal(rates[0].row->name, "a"); /* the busiest first */
    assert_true(rates[0].reads == 100);
    assert_true(rates[0].read_bytes == 2000);
    assert_true(rates[0].request_bytes == 20);
    assert_true(rates[0].read_ms > 0.0099 && rates[0].read_ms < 0.0101);
    assert_true(rates[0].p99_ms > 0.008 && rates[0].p99_ms < 0.016); /* within its bucket */
    assert_true(rates[0].queue == 3);
    assert_true(rates[1].reads == 4);
    assert_true(sum.reads == 104);
    assert_true(sum.queue == 6);
    assert_true(sum.read_ms > 0.0099 && sum.read_ms < 0.0101);
    free(rates);
    top_sample_done(&before);
    top_sample_done(&now);
}

/* Opened again, the counts begin at zero: never a rate below it. */
static void counts_that_went_back_began_anew(void **state)
{
    struct top_sample before, now;
    struct top_rates *rates, sum;

    (void)state;
    top_sample_init(&before);
    top_sample_init(&now);
    put_volumes(&before, "n1", json_pack("[o]", volume("a", 10, 100, 1000)));
    put_volumes(&now, "n1", json_pack("[o,o]", volume("a", 11, 5, 50), volume("c", 11, 7, 70)));
    assert_int_equal(top_compare(&before.volumes, before.asked, &now.volumes, &rates, &sum), 2);
    assert_string_equal(rates[0].row->name, "c"); /* it is new: all that it did is of now */
    assert_true(rates[0].reads == 7);
    assert_true(rates[1].reads == 5);
    free(rates);
    top_sample_done(&before);
    top_sample_done(&now);
}

static void a_node_that_was_not_asked_before_has_no_rates_yet(void **state)
{
    struct top_sample before, now;
    struct top_rates *rates, sum;

    (void)state;
    top_sample_init(&before);
    top_sample_init(&now);
    put_volumes(&now, "n1", json_pack("[o]", volume("a", 11, 100000, 50)));
    assert_int_equal(top_compare(&before.volumes, before.asked, &now.volumes, &rates, &sum), 1);
    assert_true(rates[0].reads == 0);
    assert_true(rates[0].queue == 3);
    free(rates);
    top_sample_done(&before);
    top_sample_done(&now);
}

static void a_percentile_lies_in_the_bucket_that_holds_it(void **state)
{
    struct top_sample before, now;
    struct top_rates *rates, sum;
    json_t *v = volume("a", 11, 0, 0);
    json_t *reads = json_object_get(json_object_get(v, "metrics"), "read_seconds");
    json_t *buckets = json_array();

    (void)state;
    top_sample_init(&before);
    top_sample_init(&now);
    put_volumes(&before, "n1", json_pack("[o]", volume("a", 10, 0, 0)));
    for (uint32_t i = 0; i < TOP_BUCKETS; i++)
        json_array_append_new(buckets, json_integer(i == 3 ? 98 : i == 10 ? 2 : 0));
    json_object_set_new(reads, "buckets", buckets);
    put_volumes(&now, "n1", json_pack("[o]", v));
    assert_int_equal(top_compare(&before.volumes, before.asked, &now.volumes, &rates, &sum), 1);
    assert_true(rates[0].p99_ms > 4.096 && rates[0].p99_ms < 8.192);
    free(rates);
    top_sample_done(&before);
    top_sample_done(&now);
}

/* ---- nonsense ---- */

static void nonsense_counts_as_nothing(void **state)
{
    static const char *const answers[] = {
        "7",
        "[]",
        "{}",
        "{\"items\":7}",
        "{\"items\":[7,null,\"x\",[]]}",
        "{\"items\":[{}]}",
        "{\"items\":[{\"metrics\":7,\"name\":7,\"at_seconds\":\"x\"}]}",
        "{\"items\":[{\"metrics\":{\"read_seconds\":{\"count\":-5,\"sum\":1e308,\"buckets\":"
        "[-1,1e308,\"x\",0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}}}]}",
        "{\"items\":[{\"name\":\"\\u001b[31m\\u0007\",\"initiator\":\"\\u001b]0;x\"}],"
        "\"silent_reactors\":[0,1]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        json_t *answer = json_loads(answers[i], JSON_DECODE_ANY, NULL), *page;
        struct top_sample before, now;
        struct top_page p = {.sample = &now};
        char *text = NULL;
        size_t length;
        FILE *to = open_memstream(&text, &length);

        assert_non_null(answer);
        top_sample_init(&before);
        top_sample_init(&now);
        top_read_volumes(&before, "n1", answer);
        top_read_volumes(&now, "n1", answer);
        top_read_sessions(&now, "n1", answer);
        p.volume_count =
            top_compare(&before.volumes, before.asked, &now.volumes, &p.volumes, &p.volume_sum);
        p.session_count =
            top_compare(&before.sessions, before.asked, &now.sessions, &p.sessions, &p.session_sum);
        top_print(to, &p, 0);
        top_print(to, &p, 24);
        fclose(to);
        assert_null(strchr(text, '\033'));
        page = top_json(&p);
        assert_non_null(page);
        json_decref(page);
        free(text);
        free(p.volumes);
        free(p.sessions);
        json_decref(answer);
        top_sample_done(&before);
        top_sample_done(&now);
    }
}

static void a_page_fits_the_terminal(void **state)
{
    struct top_sample before, now;
    struct top_page p = {.sample = &now};
    json_t *items = json_array();
    uint32_t lines = 0;
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    top_sample_init(&before);
    top_sample_init(&now);
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof name, "v%d", i);
        json_array_append_new(items, volume(name, 1, i, 0));
    }
    put_volumes(&now, "n1", items);
    p.volume_count =
        top_compare(&before.volumes, before.asked, &now.volumes, &p.volumes, &p.volume_sum);
    p.session_count =
        top_compare(&before.sessions, before.asked, &now.sessions, &p.sessions, &p.session_sum);
    top_print(to, &p, 24);
    fclose(to);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_in_range(lines, 15, 24);
    assert_non_null(strstr(text, " more\n"));
    free(text);
    free(p.volumes);
    free(p.sessions);
    top_sample_done(&before);
    top_sample_done(&now);
}

/* ---- the command ---- */

static int run(char *url, const char *option, char *said, size_t room)
{
    char *argv[] = {(char *)(uintptr_t) "dolmen", (char *)(uintptr_t) "--url", url,
                    (char *)(uintptr_t) "top", (char *)(uintptr_t)option};
    FILE *err = fmemopen(said, room, "w"), *out = fopen("/dev/null", "w");
    int result = cli_run(5, argv, out, err);

    fclose(out);
    fclose(err);
    return result;
}

static void a_node_that_cannot_be_asked_is_named(void **state)
{
    static const char nodes[] =
        "200\n{\"items\":["
        "{\"name\":\"n1\",\"state\":\"silent\",\"status_address\":\"127.0.0.1:1\"},"
        "{\"name\":\"n2\",\"state\":\"up\",\"status_address\":null},"
        "{\"name\":\"n3\",\"state\":\"up\",\"status_address\":\"127.0.0.1:1\"}],\"next\":null}";
    const char *const answers[] = {nodes, nodes, NULL};
    struct fake_metad m;
    char said[2000] = "";

    (void)state;
    fake_metad_start(&m, answers);
    setenv("no_proxy", "*", 1);
    assert_int_equal(run(m.url, "--interval=0.1", said, sizeof said), CLI_FAILED);
    assert_non_null(strstr(said, "node n1 cannot be asked: it is silent\n"));
    assert_non_null(strstr(said, "node n2 cannot be asked: it has no status port\n"));
    assert_non_null(strstr(said, "node n3 cannot be asked: http://127.0.0.1:1: "));
    fake_metad_stop(&m);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const options[] = {"--count=9999999", "--count=x",     "--count=-1",
                                          "--interval=0",    "--interval=1x", "--interval=nan",
                                          "--interval=",     "--interval=1e9"};
    char url[] = "http://127.0.0.1:1";

    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char said[500] = "";

        assert_int_equal(run(url, options[i], said, sizeof said), CLI_USAGE);
        assert_non_null(strchr(said, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_the_difference_over_the_reactors_time),
        cmocka_unit_test(counts_that_went_back_began_anew),
        cmocka_unit_test(a_node_that_was_not_asked_before_has_no_rates_yet),
        cmocka_unit_test(a_percentile_lies_in_the_bucket_that_holds_it),
        cmocka_unit_test(nonsense_counts_as_nothing),
        cmocka_unit_test(a_page_fits_the_terminal),
        cmocka_unit_test(a_node_that_cannot_be_asked_is_named),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
