/* SPDX-License-Identifier: Apache-2.0 */
/* Where a name lives, for every state of the records (design 8). */
#include "storaged/directory.h"
#include "tests/unit/storaged/cluster.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct block a_block;
static struct home a_home = {.target =
                                 (struct iscsi_target *)&a_block}; /* named, not looked into */
static struct hosted a_volume = {.home = &a_home, .block = &a_block};

struct scene {
    struct view view;
    struct node_directory directory;
    struct net_address portals[2];
    struct head_record head;
    struct volume_record volume;
    struct attachment_record attachment;
    struct node_record other;
    bool open_here, without_attachment, without_head;
    char listed[4][ISCSI_NAME_MAX + 64];
    uint32_t listed_count;
};

static const struct hosted *open_here(void *owner, struct identity volume,
                                      struct identity attachment)
{
    const struct scene *s = owner;

    assert_int_equal(volume.bits, VOLUME.bits);
    assert_int_equal(attachment.bits, ATTACHMENT.bits);
    return s->open_here ? &a_volume : NULL;
}

static int each_new(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->head = cluster_head(NODE, US);
    s->volume = cluster_volume(GIB);
    s->attachment = cluster_attachment();
    s->other = cluster_node(OTHER_NODE, "127.0.0.1:3262");
    s->open_here = true;
    node_directory_init(&s->directory);
    s->directory.view = &s->view;
    s->directory.node = NODE;
    s->directory.prefix = ISCSI_PREFIX;
    snprintf(s->portals[0].text, sizeof s->portals[0].text, "127.0.0.1:3260");
    snprintf(s->portals[1].text, sizeof s->portals[1].text, "127.0.0.1:3261");
    s->directory.portals = s->portals;
    s->directory.portal_count = 2;
    s->directory.open_here = open_here;
    s->directory.owner = s;
    *state = s;
    return 0;
}

static int each_done(void **state)
{
    struct scene *s = *state;

    view_done(&s->view);
    free(s);
    return 0;
}

static void read_records(struct scene *s)
{
    struct record_list l = {0};

    if (!s->without_attachment)
        cluster_put_attachment(&l, s->attachment);
    if (!s->without_head)
        cluster_put_head(&l, s->head);
    cluster_put_node(&l, s->other);
    cluster_put_volume(&l, s->volume);
    assert_int_equal(view_fill(&s->view, &l), E_OK);
    record_list_free(&l);
}

static struct directory_answer find(struct scene *s, const char *initiator)
{
    struct directory_answer answer;
    char target[ISCSI_NAME_MAX];

    iscsi_target_name(ISCSI_PREFIX, VOLUME, target);
    s->directory.directory.find(&s->directory.directory, target, initiator, &answer);
    return answer;
}

static void before_records_were_read_everything_is_starting(void **state)
{
    assert_int_equal(find(*state, INITIATOR).where, DIRECTORY_STARTING);
}

static void an_attached_initiator_is_let_in_here(void **state)
{
    struct scene *s = *state;
    struct directory_answer answer;

    s->attachment.read_only = true;
    s->attachment.deadline_seconds = 7;
    snprintf(s->attachment.chap.user, sizeof s->attachment.chap.user, "u");
    snprintf(s->attachment.chap.secret, sizeof s->attachment.chap.secret, "0123456789ab");
    read_records(s);
    answer = find(s, INITIATOR);
    assert_int_equal(answer.where, DIRECTORY_HERE);
    assert_ptr_equal(answer.block, &a_block);
    assert_ptr_equal(answer.home, a_home.target);
    assert_int_equal(answer.attachment.bits, ATTACHMENT.bits);
    assert_true(answer.read_only);
    assert_int_equal(answer.deadline_seconds, 7);
    assert_string_equal(answer.chap.user, "u");
    assert_string_equal(answer.chap.secret, "0123456789ab");
    assert_string_equal(answer.chap.mutual_user, "");
    assert_string_equal(answer.alias, "web01");
}

/* A login brings the name in its normal form (RFC 3722); a record has it as it was written. */
static void a_name_with_capitals_is_the_same_name(void **state)
{
    struct scene *s = *state;
    char *name = s->attachment.initiator;

    for (uint32_t i = 0; name[i]; i++)
        name[i] = (char)toupper((unsigned char)name[i]);
    memcpy(name, "iqn", 3);
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_HERE);
}

static void without_an_attachment_nobody_gets_in(void **state)
{
    struct scene *s = *state;

    read_records(s);
    assert_int_equal(find(s, "iqn.2026-11.example:two").where, DIRECTORY_FORBIDDEN);
    s->attachment.ending = true;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_FORBIDDEN);
    s->without_attachment = true;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_FORBIDDEN);
}

static void names_that_are_none_are_unknown(void **state)
{
    struct scene *s = *state;
    struct directory *d = &s->directory.directory;
    struct directory_answer answer;

    read_records(s);
    d->find(d, "iqn.2026-11.internal.dolmen:0000000000000016", INITIATOR, &answer);
    assert_int_equal(answer.where, DIRECTORY_UNKNOWN);
    d->find(d, "iqn.2026-11.internal.dolmen:first", INITIATOR, &answer);
    assert_int_equal(answer.where, DIRECTORY_UNKNOWN);
    d->find(d, "iqn.2001-04.com.example:0000000000000015", INITIATOR, &answer);
    assert_int_equal(answer.where, DIRECTORY_UNKNOWN);
    s->volume.deleting = true;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_UNKNOWN);
}

static void another_nodes_volume_is_elsewhere(void **state)
{
    struct scene *s = *state;
    struct directory_answer answer;

    s->head.primary = OTHER_NODE;
    read_records(s);
    answer = find(s, INITIATOR);
    assert_int_equal(answer.where, DIRECTORY_ELSEWHERE);
    assert_string_equal(answer.address.text, "127.0.0.1:3262");
    s->other.portal_count = 0; /* nowhere to send it */
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_STARTING);
    s->other.node = ID(3); /* … and no such node */
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_STARTING);
}

static void what_will_be_here_is_starting(void **state)
{
    struct scene *s = *state;

    s->open_here = false;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_STARTING);
    s->head.primary = ID(0);
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_STARTING);
    s->without_head = true;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_STARTING);
}

/* Open here still, but the records say another node: it is not let in here. */
static void the_records_count_not_what_is_open(void **state)
{
    struct scene *s = *state;

    s->head.primary = OTHER_NODE;
    s->open_here = true;
    read_records(s);
    assert_int_equal(find(s, INITIATOR).where, DIRECTORY_ELSEWHERE);
}

static void note(void *arg, const char *target, const char *portal)
{
    struct scene *s = arg;

    snprintf(s->listed[s->listed_count++], sizeof s->listed[0], "%s %s", target, portal);
}

static void send_targets_lists_what_the_initiator_may_see(void **state)
{
    struct scene *s = *state;
    struct directory *d = &s->directory.directory;

    d->list(d, INITIATOR, note, s);
    assert_int_equal(s->listed_count, 0);
    s->head.primary = OTHER_NODE; /* any portal knows the way */
    read_records(s);
    d->list(d, INITIATOR, note, s);
    assert_int_equal(s->listed_count, 2);
    assert_string_equal(s->listed[0],
                        "iqn.2026-11.internal.dolmen:0000000000000015 127.0.0.1:3260");
    assert_string_equal(s->listed[1],
                        "iqn.2026-11.internal.dolmen:0000000000000015 127.0.0.1:3261");
    d->list(d, "iqn.2026-11.example:two", note, s);
    s->attachment.ending = true;
    read_records(s);
    d->list(d, INITIATOR, note, s);
    assert_int_equal(s->listed_count, 2);
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(before_records_were_read_everything_is_starting),
        each(an_attached_initiator_is_let_in_here),
        each(a_name_with_capitals_is_the_same_name),
        each(without_an_attachment_nobody_gets_in),
        each(names_that_are_none_are_unknown),
        each(another_nodes_volume_is_elsewhere),
        each(what_will_be_here_is_starting),
        each(the_records_count_not_what_is_open),
        each(send_targets_lists_what_the_initiator_may_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
