/* SPDX-License-Identifier: Apache-2.0 */
/* The records in memory: filled, changed, looked up by key. */
#include "storaged/view.h"
#include "tests/unit/storaged/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void fill(struct view *v)
{
    struct record_list l = {0};
    struct volume_record volume = cluster_volume(GIB);
    struct page_record page = cluster_page(NODE, DISK, 3);
    struct attachment_record a = cluster_attachment(), b = cluster_attachment();

    b.attachment = ID(42);
    cluster_put_volume(&l, volume); /* in no order */
    cluster_put_page(&l, page);
    cluster_put_attachment(&l, b);
    cluster_put_attachment(&l, a);
    view_init(v);
    assert_false(view_ready(v));
    assert_int_equal(view_fill(v, &l), E_OK);
    assert_true(view_ready(v));
    record_list_free(&l);
}

static uint32_t attachments_in(const struct view *v, uint64_t *ret_last)
{
    uint32_t count = 0;

    view_for_each(e, v, "attachment/0000000000000015/")
    {
        *ret_last = ((const struct attachment_record *)e->decoded)->attachment.bits;
        count++;
    }
    return count;
}

static void records_are_found_by_key_and_in_order(void **state)
{
    const struct page_record *page;
    struct view v;
    uint64_t last = 0;

    (void)state;
    fill(&v);
    assert_int_equal(view_volume(&v, VOLUME)->bytes, GIB);
    assert_null(view_volume(&v, ID(22)));
    assert_null(view_head(&v, VOLUME));
    assert_int_equal(view_attachment(&v, VOLUME, ATTACHMENT)->attachment.bits, ATTACHMENT.bits);
    assert_int_equal(attachments_in(&v, &last), 2);
    assert_int_equal(last, 42);
    assert_int_equal(view_shard(&v, VOLUME, 2, &page)->replicas[0].replica.bits, 33);
    assert_int_equal(page->disks[0].disk.bits, DISK.bits);
    assert_null(view_shard(&v, VOLUME, 3, NULL));
    assert_null(view_shard(&v, VOLUME, PAGE_SHARDS, NULL));
    view_done(&v);
}

static void changes_replace_add_and_delete(void **state)
{
    struct record_list l = {0};
    struct volume_record volume = cluster_volume(2 * GIB);
    struct head_record head = cluster_head(NODE, US);
    struct view v;
    uint64_t last = 0;

    (void)state;
    fill(&v);
    cluster_put_volume(&l, volume);
    cluster_put_head(&l, head);
    assert_int_equal(record_list_add(&l, attachment_key(VOLUME, ID(42)).text, 9, NULL), E_OK);
    assert_int_equal(record_list_add(&l, attachment_key(VOLUME, ID(43)).text, 9, NULL), E_OK);
    l.revision = 9;
    assert_int_equal(view_apply(&v, &l), E_OK);
    record_list_free(&l);
    assert_int_equal(v.revision, 9);
    assert_int_equal(view_volume(&v, VOLUME)->bytes, 2 * GIB);
    assert_int_equal(view_head(&v, VOLUME)->epoch, 3);
    assert_int_equal(attachments_in(&v, &last), 1);
    assert_int_equal(last, ATTACHMENT.bits);
    view_done(&v);
}

/* What cannot be read is not shown, also not as it was before. */
static void a_record_that_cannot_be_read_is_left_out(void **state)
{
    struct record_list l = {0};
    struct view v;

    (void)state;
    fill(&v);
    assert_int_equal(record_list_add(&l, volume_key(VOLUME).text, 5, "{\"nonsense\":1}"), E_OK);
    assert_int_equal(record_list_add(&l, "rack/r1", 5, "{}"), E_OK);
    l.revision = 5;
    assert_int_equal(view_apply(&v, &l), E_OK);
    record_list_free(&l);
    assert_null(view_volume(&v, VOLUME));
    assert_int_equal(v.unreadable, 1); /* another kind of record is none of ours */
    view_done(&v);
}

static void filling_anew_forgets_what_was(void **state)
{
    struct record_list l = {.revision = 3};
    struct view v;

    (void)state;
    fill(&v);
    assert_int_equal(view_fill(&v, &l), E_OK);
    assert_int_equal(v.count, 0);
    assert_null(view_first(&v, ""));
    assert_int_equal(v.revision, 3);
    view_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_by_key_and_in_order),
        cmocka_unit_test(changes_replace_add_and_delete),
        cmocka_unit_test(a_record_that_cannot_be_read_is_left_out),
        cmocka_unit_test(filling_anew_forgets_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
