/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/limits_test.c — what the profiles come to: the budget that is printed. */
#include "storaged/homes.h"
#include "storaged/limits.h"
#include "storaged/operation.h"
#include "tests/unit/storaged/config_of.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Every line adds up to the last one. */
struct lines {
    struct log log;
    uint64_t sum, all;
    uint64_t reactors, reactor_bytes, targets, target_bytes;
    uint32_t count;
};

/* "pool=WHO count=N bytes=N" */
static void note_pool(const char *line, const char *who, uint64_t *ret_count, uint64_t *ret_bytes)
{
    const char *pool = strstr(line, who);
    char *rest;

    if (!pool)
        return;
    *ret_count = strtoull(pool + strlen(who) + strlen(" count="), &rest, 10);
    *ret_bytes = strtoull(rest + strlen(" bytes="), NULL, 10);
}

static void note(struct log *log, enum log_level level, const char *line)
{
    struct lines *l = (struct lines *)log;
    const char *bytes = strstr(line, " bytes=");

    (void)level;
    assert_non_null(strstr(line, " budget pool="));
    assert_non_null(bytes);
    if (strstr(line, "pool=all "))
        l->all = strtoull(bytes + 7, NULL, 10);
    else
        l->sum += strtoull(bytes + 7, NULL, 10);
    note_pool(line, "pool=reactors", &l->reactors, &l->reactor_bytes);
    note_pool(line, "pool=target", &l->targets, &l->target_bytes);
    l->count++;
}

/* One line of it. */
struct claimant {
    struct log log;
    const char *who; /* "pool=WHO" */
    uint64_t count, bytes;
};

static void note_claimant(struct log *log, enum log_level level, const char *line)
{
    struct claimant *c = (struct claimant *)log;

    (void)level;
    note_pool(line, c->who, &c->count, &c->bytes);
}

static uint64_t budget(const struct node_config *c)
{
    struct limits l = limits_of(c);
    struct lines lines = {.log = {.write = note}};
    uint64_t all = limits_print(&l, c, 8 * MIB, &lines.log);

    assert_int_equal(lines.all, all);
    assert_int_equal(lines.sum, all);
    assert_true(lines.count > 6);
    return all;
}

/* What is not a volume's is there at start: idle, with a volume or two, it is under 150 MiB. */
static void small_is_small(void **state)
{
    struct node_config c = config_of("small", 1, "4G");
    struct limits l = limits_of(&c);
    uint64_t all = budget(&c), volumes = l.volumes_max * volume_limits_bytes(&l.volume);

    (void)state;
    assert_true(all - volumes + 2 * volume_limits_bytes(&l.volume) < 150 * MIB);
    assert_true(all < 2 * (all - volumes)); /* a budget of twice the use is a wrong one */
}

static void a_nodes_disk_has_what_the_design_gives(void **state)
{
    struct node_config one = config_of("node", 1, "1T"), two = config_of("node", 2, "1T");
    uint64_t disk = budget(&two) - budget(&one);
    struct limits l = limits_of(&one);

    (void)state;
    assert_true(disk <= 385 * MIB); /* 128 MiB per TiB, and 256 MiB; its shards beside */
    assert_true(disk >= 350 * MIB);
    assert_int_equal(limits_store(&one, 1024 * GIB).stage_bytes, 128 * MIB);
    assert_true(l.iscsi.sessions_max >= 500);
    assert_true(l.reactor.connections_max >= 2 * l.iscsi.sessions_max);
    assert_true(l.reactor.timers_max >= l.reactor.connections_max + l.shards_max);
    assert_true(l.files_max > l.reactor.connections_max);
}

/* No more homes than disks; what the node may have is divided among them. */
static void homes_share_what_there_is(void **state)
{
    struct node_config one = config_of("node", 3, "1T"), many = one;
    struct limits l = limits_of(&one), shared;

    (void)state;
    assert_int_equal(l.homes, 1);
    many.reactors = 2;
    assert_int_equal(limits_of(&many).homes, 2);
    many.reactors = 64;
    shared = limits_of(&many);
    assert_int_equal(shared.homes, 3);
    assert_in_range(3 * shared.iscsi.sessions_max, l.iscsi.sessions_max, l.iscsi.sessions_max + 2);
    assert_in_range(3 * shared.iscsi.commands_max, l.iscsi.commands_max, l.iscsi.commands_max + 2);
    assert_in_range(3 * shared.iscsi.buffer_bytes, l.iscsi.buffer_bytes - 2, l.iscsi.buffer_bytes);
    assert_true(shared.iscsi.half_open_max >= many.sessions); /* all come to one's portals */
    assert_true(shared.iscsi_beside.half_open_max >= shared.iscsi_beside.sessions_max);
    assert_int_equal(shared.beside.workers, 0);
    assert_true(shared.files_max > 3 * shared.beside.connections_max);
}

/* Each reactor, and each home's target, is in the sum once. */
static void every_home_is_in_the_budget(void **state)
{
    struct node_config c = config_of("small", 3, "4G");
    const char *text;

    (void)state;
    for (c.reactors = 1; c.reactors <= 3; c.reactors++) {
        struct limits l = limits_of(&c);
        struct lines lines = {.log = {.write = note}};
        struct homes homes;
        uint64_t bytes = 0;

        assert_int_equal(homes_open(&homes, &c, &l, &text), E_OK);
        for (uint32_t i = 0; i < c.reactors; i++)
            bytes += reactor_bytes(homes.list[i].reactor);
        limits_print(&l, &c, homes_bytes(&homes), &lines.log);
        assert_int_equal(lines.sum, lines.all);
        assert_int_equal(lines.reactors, c.reactors);
        assert_int_equal(lines.reactor_bytes, bytes);
        assert_int_equal(lines.targets, c.reactors);
        assert_int_equal(lines.target_bytes,
                         iscsi_limits_bytes(&l.iscsi) +
                             (c.reactors - 1) * iscsi_limits_bytes(&l.iscsi_beside));
        homes_close(&homes);
    }
}

static void a_setting_changes_its_limit(void **state)
{
    struct node_config c = config_of("node", 1, "1T");
    uint64_t before = budget(&c);

    (void)state;
    c.cache_bytes = 8 * MIB;
    assert_int_equal(limits_store(&c, 1024 * GIB).checksum_pages, 2048);
    c.buffer_bytes += 100 * MIB;
    c.cache_bytes = 0;
    assert_int_equal(budget(&c), before + 100 * MIB);
}

/* The items that are set aside at start for what records want are in the sum, to the byte. */
static void what_the_agent_sets_aside_is_in_the_budget(void **state)
{
    static const char *const claimants[] = {"pool=tenures", "pool=attachments", "pool=operations"};
    struct node_config c = config_of("node", 24, "1T");
    struct limits l = limits_of(&c);
    struct agent a = {.limits = &l};
    struct node_volumes volumes = {.limits = &l};
    uint64_t taken, said = 0;

    (void)state;
    assert_int_equal(agent_init(&a), E_OK);
    assert_int_equal(volumes_init(&volumes), E_OK);
    taken = pool_bytes(&a.operations) + pool_bytes(&volumes.volume_pool) +
            pool_bytes(&volumes.attachment_pool) + l.volumes_max * sizeof *a.facts.volumes +
            l.attachments_max * sizeof *a.facts.attachments;
    for (size_t i = 0; i < array_length(claimants); i++) {
        struct claimant who = {.log = {.write = note_claimant}, .who = claimants[i]};

        limits_print(&l, &c, 8 * MIB, &who.log);
        assert_true(who.bytes > 0);
        said += who.bytes;
    }
    assert_int_equal(said, taken);
    assert_true(taken < 32 * MIB); /* not much beside a disk's 350 MiB */
    volumes_done(&volumes);
    agent_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_is_small),
        cmocka_unit_test(a_nodes_disk_has_what_the_design_gives),
        cmocka_unit_test(homes_share_what_there_is),
        cmocka_unit_test(every_home_is_in_the_budget),
        cmocka_unit_test(a_setting_changes_its_limit),
        cmocka_unit_test(what_the_agent_sets_aside_is_in_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
