/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/metad_answers_fuzz.c — what storaged hears from metad: lists of records, which then
 * fill its view (first line) and change it (each further line), and revisions.
 */
#include "storaged/records_json.h"
#include "storaged/view.h"
#include "tests/fuzz/fuzz.h"

static void take(struct view *v, const struct record_list *list)
{
    enum err err = view_ready(v) ? view_apply(v, list) : view_fill(v, list);
    const struct view_entry *former = NULL;

    assert(!err);
    view_for_each(e, v, "")
    {
        assert(!former || strcmp(former->key, e->key) < 0);
        assert(strlen(e->key) < RECORD_KEY_MAX);
        former = e;
    }
    view_for_each(e, v, "head/")
    {
        const struct page_record *page;

        if (e->kind == VIEW_HEAD) {
            const struct head_record *head = e->decoded;

            (void)view_volume(v, head->volume);
            (void)view_shard(v, head->volume, 0, &page);
            (void)view_shard(v, head->volume, UINT32_MAX, &page);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    struct view v;

    view_init(&v);
    while (in.left > 0) {
        struct input line = input_until(&in, '\n');
        uint8_t *json = input_copy(&line);
        struct record_list list = {0};
        char why[RECORDS_WHY_MAX];
        uint64_t revision;

        if (records_list_read((const char *)json, line.left, &list) == E_OK) {
            take(&v, &list);
            record_list_free(&list);
        } else {
            assert(!list.records && list.count == 0);
        }
        (void)records_revision_read((const char *)json, line.left, &revision);
        records_problem_read((const char *)json, line.left, why);
        free(json);
    }
    view_done(&v);
    return 0;
}
