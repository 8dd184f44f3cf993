/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as a person uses it: words in, exit code, stdout and stderr out. */
#include "cli/cli.h"
#include "tests/unit/cli/metad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct run {
    enum cli_exit result;
    char out[16384], err[4096];
};

/* Words separated by blanks, after "dolmen". */
static void run(struct run *r, const char *words)
{
    char line[1024], *argv[24] = {(char *)(uintptr_t) "dolmen"}, *rest = line, *word;
    FILE *out = fmemopen(r->out, sizeof r->out, "w"), *err = fmemopen(r->err, sizeof r->err, "w");
    int argc = 1;

    snprintf(line, sizeof line, "%s", words);
    while ((word = strsep(&rest, " ")) != NULL)
        if (*word)
            argv[argc++] = word;
    r->out[0] = r->err[0] = '\0';
    r->result = cli_run(argc, argv, out, err);
    fclose(out);
    fclose(err);
}

static void contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void what_is_not_understood_is_said(void **state)
{
    static const struct {
        const char *words, *says;
    } cases[] = {
        {"frobnicate", "unknown command: frobnicate"},
        {"volume frobnicate", "unknown command: volume frobnicate; there are:"},
        {"volume creat first 1G", "volume create NAME SIZE"},
        {"volume", "volume needs a verb"},
        {"volume create", "a word is missing: NAME"},
        {"volume create first", "a word is missing: SIZE"},
        {"attachment create", "usage: dolmen attachment create VOLUME --initiator IQN [--shared]"},
        {"volume create first 1G more", "one word too many: more"},
        {"volume create first 10GB", "this is no size: 10GB"},
        {"volume create first 0", "this is no size: 0"},
        {"volume create first 10", "a multiple of 4096 bytes, not 10 (write 10G for 10 GiB)"},
        {"volume resize first +1G", "this is no size: +1G"},
        {"disk show /srv/disk0", "neither a name nor an id: /srv/disk0"},
        {"volume create first 1G --block 1024", "--block is 512 or 4096, not 1024"},
        {"volume create first 1G --block", "a value is missing after: --block"},
        {"volume list --block 512", "unknown option: --block"},
        {"volume list --url", "a value is missing after: --url"},
        {"attachment create first --shared=yes", "this option takes no value"},
        {"attachment create first", "--initiator is missing"},
        {"attachment create first --initiator iqn.a --deadline 0", "none or 1s to 3600s, not 0"},
        {"attachment create first --initiator iqn.a --deadline 25m", "none or 1s to 3600s"},
        {"attachment create first --initiator iqn.a --deadline 3601s", "none or 1s to 3600s"},
        {"--frobnicate volume list", "unknown option: --frobnicate"},
        {"completion zsh", "for bash only"},
        {"help frobnicate", "there is no command"},
    };
    struct run r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(&r, cases[i].words);
        assert_int_equal(r.result, CLI_USAGE);
        contains(r.err, cases[i].says);
        assert_string_equal(r.out, "");
    }
}

static void a_backup_without_a_keeper_asks_where_it_is(void **state)
{
    struct run r;

    (void)state;
    run(&r, "--dir /tmp/dolmen-cli-nowhere keeper backup /tmp/dolmen-cli-backup");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "there is no keeper: No such file or directory; --keeper says where");
    run(&r, "keeper backup /tmp/dolmen-cli-backup --keeper /tmp/dolmen-cli-nowhere");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "there is no keeper: No such file or directory\n");
}

static void nodes_and_sizes_that_cannot_be_are_refused(void **state)
{
    static const char *const numbers[] = {"4294967297", "0",  "33",
                                          "-1",         "1x", "99999999999999999999"};
    char dir[] = "/tmp/dolmen-cli-XXXXXX", words[128];
    struct run r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(words, sizeof words, "--dir %s up --nodes %s", dir, numbers[i]);
        run(&r, words);
        assert_int_equal(r.result, CLI_USAGE);
        contains(r.err, "--nodes is a number from 1 to 32");
    }
    snprintf(words, sizeof words, "--dir %s up --disks 25", dir);
    run(&r, words);
    assert_int_equal(r.result, CLI_USAGE);
    contains(r.err, "--disks is a number from 1 to 24");
    snprintf(words, sizeof words, "--dir %s up --reactors 0", dir);
    run(&r, words);
    assert_int_equal(r.result, CLI_USAGE);
    contains(r.err, "--reactors is a number from 1 to 64");
    snprintf(words, sizeof words, "--dir %s up --nodes 2 --size 3000000T", dir);
    run(&r, words); /* would fill the file system before it failed */
    assert_int_equal(r.result, CLI_USAGE);
    contains(r.err, "--size 3000000T for 2 new nodes does not fit: /tmp/");
    contains(r.err, " are needed; say a smaller --size, or another --dir\n");
    snprintf(words, sizeof words, "%s/cluster.lock", dir);
    assert_int_equal(unlink(words), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Every command has help that names its words, its options and an end. */
static void every_command_has_help(void **state)
{
    struct run r;

    (void)state;
    for (uint32_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        char words[128], usage[256];

        snprintf(words, sizeof words, "%s %s --help", c->noun, c->verb ? c->verb : "");
        run(&r, words);
        assert_int_equal(r.result, CLI_OK);
        command_usage(c, usage);
        contains(r.out, usage);
        contains(r.out, c->summary);
        contains(r.out, "--json");
        for (uint32_t o = 0; o < CLI_OPTIONS_MAX && c->options[o].name; o++)
            contains(r.out, c->options[o].help);
        assert_int_equal(c->details[strlen(c->details) - 1], '\n');
    }
    run(&r, "--help");
    for (uint32_t i = 0; i < command_count; i++)
        contains(r.out, commands[i].summary);
    run(&r, "help volume");
    contains(r.out, "volume resize NAME SIZE");
    run(&r, "--version");
    contains(r.out, "dolmen " DOLMEN_VERSION);
}

static void without_a_cluster_the_way_out_is_said(void **state)
{
    struct run r;

    (void)state;
    unsetenv("DOLMEN_URL");
    run(&r, "--dir /nonexistent/dolmen volume list");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "start one with `dolmen up`");
    run(&r, "--url http://127.0.0.1:1 status");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "metad did not answer: http://127.0.0.1:1");
    contains(r.err, "; is this where metad runs");
}

/* ---- against metad ---- */

static void with(struct run *r, struct fake_metad *m, const char *const *answers, const char *words)
{
    fake_metad_start(m, answers);
    setenv("DOLMEN_URL", m->url, 1);
    run(r, words);
    fake_metad_stop(m);
    unsetenv("DOLMEN_URL");
}

#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define A_VOLUME                                                                                   \
    "{\"id\":\"00000000000000aa\",\"name\":\"web01\",\"size_bytes\":10737418240,"                  \
    "\"logical_block_bytes\":512,\"copies\":1,\"min_copies\":1,\"state\":\"available\",\"why\":"   \
    "\"\","                                                                                        \
    "\"epoch\":3,\"generation\":1,\"primary\":{\"node\":\"01\",\"name\":\"n1\"},"                  \
    "\"target\":\"iqn.x:aa\",\"portals\":[\"127.0.0.1:3260\",\"127.0.0.1:3261\"],\"shards\":2,"    \
    "\"shards_serving\":2,\"disks\":[\"d2\",\"d1\"]}"

static void a_volume_is_created_with_what_was_asked(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("201\n" A_VOLUME), "volume create web01 10G --block=4096");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out, "volume web01 created: 10 GiB, available\n");
    contains(m.requests[0], "POST /v1/volumes HTTP/1.1");
    contains(m.requests[0], "\"name\":\"web01\"");
    contains(m.requests[0], "\"size_bytes\":10737418240");
    contains(m.requests[0], "\"logical_block_bytes\":4096");
}

#define WAITS(state, why)                                                                          \
    "{\"name\":\"web01\",\"size_bytes\":25769803776,\"state\":\"" state "\",\"why\":\"" why "\"}"

/* 202: recorded, and not done; also a volume that nobody serves yet says for what it waits. */
static void what_is_not_in_force_is_not_called_done(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("202\n" WAITS("waiting", "it grows to 24 GiB: no free space is left")),
         "volume resize web01 24G");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out, "volume web01 is not resized yet, it is recorded: 24 GiB, waiting: "
                               "it grows to 24 GiB: no free space is left\n");
    with(&r, &m, ANSWERS("202\n" WAITS("waiting", "node n1 is silent")),
         "volume salvage web01 --yes");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out, "volume web01 is not salvaged yet, it is recorded: 24 GiB, waiting: "
                               "node n1 is silent\n");
    with(&r, &m, ANSWERS("201\n" WAITS("creating", "its replicas are being made")),
         "volume create web01 24G");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out,
                        "volume web01 created: 24 GiB, creating: its replicas are being made\n");
    with(&r, &m, ANSWERS("200\n" WAITS("available", "")), "volume resize web01 24G");
    assert_string_equal(r.out, "volume web01 resized: 24 GiB, available\n");
}

static void a_refusal_is_title_and_detail(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS(
             "507\n{\"type\":\"/problems/no-space\",\"title\":\"there is no place for it now\","
             "\"status\":507,\"detail\":\"asked for 2 TiB; the largest disk has 1.4 TiB free\"}"),
         "volume create web01 2T");
    assert_int_equal(r.result, CLI_FAILED);
    assert_string_equal(r.err, "dolmen: there is no place for it now: asked for 2 TiB; the largest "
                               "disk has 1.4 TiB free\n");
    assert_string_equal(r.out, "");
}

/* From whoever answers at that address. */
static void a_refusal_does_nothing_to_the_terminal(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("507\n{\"title\":\"no \\u001b[2J space\",\"detail\":\"a\\u0007b\\nc\"}"),
         "volume create web01 2T");
    assert_int_equal(r.result, CLI_FAILED);
    assert_string_equal(r.err, "dolmen: no ?[2J space: a?b?c\n");
}

static void what_is_not_there_is_looked_for(void **state)
{
    static const struct {
        const char *words, *says;
    } cases[] = {
        {"volume show web02", "`dolmen volume list` shows what there is"},
        {"volume delete web02", "`dolmen volume list` shows what there is"},
        {"attachment delete web02", "`dolmen attachment list` shows what there is"},
        {"disk show disk0", "`dolmen disk list` shows what there is"},
        {"disk remove disk0", "`dolmen disk list` shows what there is"},
        {"node remove n9", "`dolmen node list` shows what there is"},
    };
    struct fake_metad m;
    struct run r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        with(&r, &m, ANSWERS("404\n{\"title\":\"there is no such thing\"}"), cases[i].words);
        assert_int_equal(r.result, CLI_FAILED);
        contains(r.err, "dolmen: there is no such thing; `dolmen ");
        contains(r.err, cases[i].says);
    }
    run(&r, "volume show one/two");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "neither a name nor an id: one/two");
}

static void what_is_not_metad_is_said(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("200\n<html>"), "volume show web01");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.err, "what answers is not metad");
    with(&r, &m, ANSWERS("502\n<html>"), "volume show web01");
    contains(r.err, "metad answered with status 502");
}

static void a_list_is_a_table_of_all_pages(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS("200\n{\"items\":[" A_VOLUME "],\"next\":\"a b\"}",
                 "200\n{\"items\":[" A_VOLUME "],\"next\":null}"),
         "volume list");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out,
                        "NAME   SIZE    BLOCK  STATE      PRIMARY  SHARDS  ID\n"
                        "web01  10 GiB  512    available  n1       2/2     00000000000000aa\n"
                        "web01  10 GiB  512    available  n1       2/2     00000000000000aa\n");
    contains(m.requests[1], "GET /v1/volumes?after=a%20b HTTP/1.1");
}

static void json_is_what_metad_said(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("200\n" A_VOLUME), "volume show web01 --json");
    assert_int_equal(r.result, CLI_OK);
    contains(r.out, "\"target\": \"iqn.x:aa\"");
    with(&r, &m, ANSWERS("200\n{\"items\":[" A_VOLUME "],\"next\":null}"), "--json volume list");
    assert_int_equal(r.out[0], '[');
}

static void a_volume_is_shown_in_full(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("200\n" A_VOLUME), "volume show we?b 01");
    assert_int_equal(r.result, CLI_USAGE);
    with(&r, &m, ANSWERS("200\n" A_VOLUME), "volume show we?b01");
    contains(m.requests[0], "GET /v1/volumes/we%3Fb01 HTTP/1.1");
    contains(r.out, "size      10 GiB (10737418240 bytes)\n");
    contains(r.out, "portals   127.0.0.1:3260,127.0.0.1:3261\n");
    contains(r.out, "state     available\n");
    contains(r.out, "disks     d2 d1\n");
}

static void a_disk_names_its_volumes(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS("200\n{\"id\":\"00000000000000d1\",\"volumes\":[{\"volume\":\"aa\",\"name\":"
                 "\"web01\"},{\"volume\":\"bb\",\"name\":null}]}"),
         "disk show 00000000000000d1");
    assert_int_equal(r.result, CLI_OK);
    contains(r.out, "volumes   web01\n          bb\n");
}

static void delete_tells_done_from_under_way(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("204\n"), "volume delete web01");
    assert_int_equal(r.result, CLI_OK);
    assert_string_equal(r.out, "volume web01 deleted\n");
    contains(m.requests[0], "DELETE /v1/volumes/web01 HTTP/1.1");
    with(&r, &m, ANSWERS("202\n{}"), "volume delete web01");
    contains(r.out, "still being deleted");
    with(&r, &m, ANSWERS("204\n"), "disk remove 0b");
    assert_string_equal(r.out, "disk 0b removed\n");
    contains(m.requests[0], "DELETE /v1/disks/0b HTTP/1.1");
    with(&r, &m, ANSWERS("202\n{}"), "disk remove 0b");
    contains(r.out, "it goes with the last deleted volume on it");
}

static void an_attachment_comes_with_its_forms(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS("201\n{\"id\":\"bb\",\"volume\":\"aa\",\"volume_name\":\"web01\","
                 "\"initiator\":\"iqn.2026-11.example:one\",\"shared\":true,\"read_only\":true,"
                 "\"deadline_seconds\":25,\"state\":\"attached\",\"target\":\"iqn.x:aa\",\"lun\":0,"
                 "\"portals\":[\"p\"],"
                 "\"forms\":{\"qemu\":\"-blockdev x -device z # not "
                 "-k\",\"libvirt\":\"<disk><a/></disk>\","
                 "\"open_iscsi\":\"iscsiadm y && iscsiadm z\"}}"),
         "attachment create web01 --initiator iqn.2026-11.example:one --shared --read-only "
         "--deadline none");
    assert_int_equal(r.result, CLI_OK);
    contains(m.requests[0], "\"volume\":\"web01\"");
    contains(m.requests[0], "\"initiator\":\"iqn.2026-11.example:one\"");
    contains(m.requests[0], "\"shared\":true");
    contains(m.requests[0], "\"read_only\":true");
    contains(m.requests[0], "\"deadline_seconds\":0");
    contains(r.out, "deadline   25s\n");
    contains(r.out, "attached, shared, read-only\n");
    contains(r.out, "QEMU:\n-blockdev x \\\n  -device z # not -k\n");
    contains(r.out, "libvirt:\n<disk>\n<a/>\n</disk>\n");
    contains(r.out, "open-iscsi:\niscsiadm y &&\niscsiadm z\n");
}

static void attachments_of_one_volume_are_asked_for(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m, ANSWERS("200\n{\"items\":[],\"next\":null}"), "attachment list web01");
    contains(m.requests[0], "GET /v1/attachments?volume=web01 HTTP/1.1");
    assert_string_equal(r.out, "VOLUME  INITIATOR  STATE  SHARE  ACCESS  DEADLINE  ID\n");
}

static void status_fails_when_something_is_wrong(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS("200\n{\"status\":\"degraded\",\"nodes\":3,\"nodes_silent\":1,\"volumes\":2,"
                 "\"volumes_waiting\":1,\"why\":[\"node n2 is silent\"]}"),
         "status");
    assert_int_equal(r.result, CLI_FAILED);
    contains(r.out, "degraded at http://127.0.0.1:");
    contains(r.out, "nodes    3, 1 silent\n");
    contains(r.out, "  node n2 is silent\n");
    with(&r, &m,
         ANSWERS("200\n{\"status\":\"ok\",\"nodes\":1,\"nodes_silent\":0,\"volumes\":0,"
                 "\"volumes_waiting\":0,\"why\":[]}"),
         "status");
    assert_int_equal(r.result, CLI_OK);
}

static void nodes_and_disks_are_tables(void **state)
{
    struct fake_metad m;
    struct run r;

    (void)state;
    with(&r, &m,
         ANSWERS("200\n{\"items\":[{\"id\":\"01\",\"name\":\"n1\",\"rack\":\"r1\",\"state\":\"up\","
                 "\"incarnation\":\"05\",\"portals\":[\"127.0.0.1:3260\"],\"disks\":[\"0b\"],"
                 "\"volumes\":2,\"seen_ms_ago\":420}],\"next\":null}"),
         "node list");
    contains(r.out, "n1    r1    up     127.0.0.1:3260  1      2        0.4 s ago  01\n");
    with(&r, &m,
         ANSWERS("200\n{\"items\":[{\"id\":\"0b\",\"node\":\"01\",\"node_name\":\"n1\","
                 "\"path\":\"/d/disk0\",\"size_bytes\":1073741824,\"free_bytes\":1048576,"
                 "\"read_only\":true,\"replicas\":2,\"orphans\":1,\"state\":\"open\"}],"
                 "\"next\":null}"),
         "disk list");
    contains(r.out, "n1    /d/disk0  1 GiB  1 MiB  2         1        open,read-only  0b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_understood_is_said),
        cmocka_unit_test(a_backup_without_a_keeper_asks_where_it_is),
        cmocka_unit_test(nodes_and_sizes_that_cannot_be_are_refused),
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(without_a_cluster_the_way_out_is_said),
        cmocka_unit_test(a_volume_is_created_with_what_was_asked),
        cmocka_unit_test(what_is_not_in_force_is_not_called_done),
        cmocka_unit_test(a_refusal_is_title_and_detail),
        cmocka_unit_test(a_refusal_does_nothing_to_the_terminal),
        cmocka_unit_test(what_is_not_there_is_looked_for),
        cmocka_unit_test(what_is_not_metad_is_said),
        cmocka_unit_test(a_list_is_a_table_of_all_pages),
        cmocka_unit_test(json_is_what_metad_said),
        cmocka_unit_test(a_volume_is_shown_in_full),
        cmocka_unit_test(a_disk_names_its_volumes),
        cmocka_unit_test(delete_tells_done_from_under_way),
        cmocka_unit_test(an_attachment_comes_with_its_forms),
        cmocka_unit_test(attachments_of_one_volume_are_asked_for),
        cmocka_unit_test(status_fails_when_something_is_wrong),
        cmocka_unit_test(nodes_and_disks_are_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
