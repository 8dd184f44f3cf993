/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WHOLE                                                                                      \
    "dir = \"/d\";\n"                                                                              \
    "name = \"n1\";\n"                                                                             \
    "rack = \"r1\";\n"                                                                             \
    "metad = \"http://127.0.0.1:7480/\";\n"                                                        \
    "portals = [\"127.0.0.1:3260\", \"[::1]:3261\"];\n"                                            \
    "disks = ({ path = \"/d/disk0\"; size = \"20G\"; },\n"                                         \
    "         { path = \"/dev/sdb\"; });\n"

static enum err read_text(const char *text, struct node_config *ret, struct config_problem *reterr)
{
    char path[] = "/tmp/storaged-config-XXXXXX";
    int fd = mkstemp(path);
    enum err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    err = node_config_read(path, ret, reterr);
    unlink(path);
    return err;
}

static void a_whole_file_is_read(void **state)
{
    struct node_config c;
    struct config_problem problem;

    (void)state;
    assert_int_equal(read_text(WHOLE, &c, &problem), E_OK);
    assert_string_equal(c.dir, "/d");
    assert_string_equal(c.name, "n1");
    assert_string_equal(c.rack, "r1");
    assert_string_equal(c.metad, "http://127.0.0.1:7480");
    assert_string_equal(c.iqn_prefix, ISCSI_PREFIX);
    assert_string_equal(c.profile, "node");
    assert_int_equal(c.lock_memory, 1);
    assert_int_equal(c.sessions, 512);
    assert_int_equal(c.scrub_days, 7);
    assert_int_equal(c.scrub_mib_per_second, 1);
    assert_int_equal(c.portal_count, 2);
    assert_string_equal(c.portals[1].text, "[::1]:3261");
    assert_int_equal(c.disk_count, 2);
    assert_int_equal(c.disks[0].bytes, UINT64_C(20) << 30);
    assert_string_equal(c.disks[1].path, "/dev/sdb");
    assert_int_equal(c.disks[1].bytes, 0);
}

static void the_status_port_may_be_turned_off(void **state)
{
    static const struct {
        const char *text, *status;
    } cases[] = {
        {WHOLE, "127.0.0.1:7490"},
        {WHOLE "status = \"\";\n", ""},
        {WHOLE "status = \"none\";\n", ""},
        {WHOLE "status = \"[::1]:0\";\n", "[::1]:0"},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct node_config c;
        struct config_problem problem = {""};

        assert_int_equal(read_text(cases[i].text, &c, &problem), E_OK);
        assert_string_equal(c.status, cases[i].status);
    }
}

/* Each mistake is one line that names file, line and what. */
static void a_mistake_is_one_line_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {WHOLE "naem = \"n1\";\n", ":8: there is no setting \"naem\""},
        {"dir = 7;\n", ":1: dir is a string in quotes"},
        {"dir = \"\";\n", ":1: dir is empty"},
        {"\nname = \"N1\";\n", ":2: name is lower-case"},
        {"name = \"-n\";\n", ":1: name is lower-case"},
        {"name = \"0123456789abcdef\";\n", ":1: name is lower-case"},
        {"rack = \"0123456789abcdef\";\n", ":1: rack is lower-case"},
        {"metad = \"127.0.0.1:7480\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http:///\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h:0\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h:99999\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h:1/v1\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://u:p@h:1\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h:1?\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://h:1#\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://@h:1\";\n", ":1: metad is \"http://address:port\""},
        {"metad = \"http://[::1:1\";\n", ":1: metad is \"http://address:port\""},
        {"profile = \"huge\";\n", ":1: profile is \"small\" or \"node\", not \"huge\""},
        {"scrub_days = 0;\n", ":1: scrub_days is 1 to 365, not 0"},
        {"scrub_days = 1.5;\n", ":1: scrub_days is a number from 1 to 365"},
        {"scrub_mib_per_second = 5000;\n", ":1: scrub_mib_per_second is 1 to 4096, not 5000"},
        {"lock_memory = 1;\n", ":1: lock_memory is true or false"},
        {"sessions = 5000;\n", ":1: sessions is 1 to 4096, not 5000"},
        {"buffer_bytes = \"1M\";\n", ":1: buffer_bytes is 16 MiB to 64 GiB, not 1M"},
        {"buffer_bytes = \"much\";\n", ":1: buffer_bytes is a size in quotes"},
        {WHOLE "sessions = 100;\ncommands = 150;\n", ":9: commands (150) are twice as many"},
        {"iqn_prefix = \"dolmen\";\n", ":1: iqn_prefix is iqn.yyyy-mm.name"},
        {"iqn_prefix = \"iqn.bad\";\n", ":1: iqn_prefix is iqn.yyyy-mm.name"},
        {"iqn_prefix = \"iqn.2026-11.A\";\n", ":1: iqn_prefix is iqn.yyyy-mm.name"},
        {"status = 7490;\n", ":1: status is a string in quotes"},
        {"status = \"7490\";\n", ":1: status: \"7490\" is no address"},
        {"status = \"0.0.0.0:7490\";\n", ":1: status: 0.0.0.0:7490 is not a loopback address"},
        {"portals = \"127.0.0.1:3260\";\n", ":1: portals is a list"},
        {"portals = [];\n", ":1: portals has 1 to 4 members, not 0"},
        {"portals = [\"localhost:3260\"];\n", ":1: a portal is a number address"},
        {"portals = [\"0.0.0.0:3260\"];\n", ":1: a portal is an address that initiators can reach"},
        {"portals = [\"1.1.1.1:1\",\"1.1.1.1:2\",\"1.1.1.1:3\",\"1.1.1.1:4\",\"1.1.1.1:5\"];\n",
         ":1: portals has 1 to 4 members, not 5"},
        {"portals = [\"127.0.0.1:3260\", \"127.0.0.1:3261\", \"127.0.0.1:3260\"];\n",
         ":1: the portal 127.0.0.1:3260 stands there twice"},
        {"portals = [\"[::1]:3260\", \"[0:0::1]:3260\"];\n",
         ":1: the portal [0:0::1]:3260 stands there twice"},
        {"disks = (\"/d\");\n", ":1: a disk is a group"},
        {"disks = ({ size = \"20G\"; });\n", ":1: a disk without path"},
        {"disks = ({ path = \"/d\xe9\"; });\n", ":1: path is not UTF-8"},
        {"disks = ({ path = \"/d\"; size = \"1M\"; });\n", ":1: size is 512M or more"},
        {"disks = ({ path = \"/d\"; sise = \"1G\"; });\n", "no \"sise\""},
        {"disks = ({ path = \"/d\"; },\n { path = \"/d\"; });\n", "stands there twice"},
        {"dir = \"/d\";\nname = ;\n", ":2: "},
        {"dir = \"/d\";\n", "the setting \"name\" is missing"},
    };

    (void)state;
    for (size_t i = 0; i < array_length(cases); i++) {
        struct node_config c = {.name = "untouched"};
        struct config_problem problem = {""};

        assert_int_equal(read_text(cases[i].text, &c, &problem), E_CONFIG);
        if (!strstr(problem.text, cases[i].says))
            fail_msg("%s does not say %s", problem.text, cases[i].says);
        assert_null(strchr(problem.text, '\n'));
        assert_string_equal(c.name, "untouched");
    }
}

static void the_profile_gives_what_is_not_given(void **state)
{
    struct node_config c;
    struct config_problem problem;

    (void)state;
    assert_int_equal(read_text(WHOLE "sessions = 40;\nprofile = \"small\";\n", &c, &problem), E_OK);
    assert_int_equal(c.sessions, 40);
    assert_int_equal(c.lock_memory, 0);
    assert_int_equal(c.commands, 1024);
    assert_int_equal(c.stage_bytes, 16 << 20);
}

static char *printed(void (*print)(const struct node_config *, FILE *), const struct node_config *c)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    print(c, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* What --check-config shows is a configuration, and the same one. */
static void what_is_shown_reads_back(void **state)
{
    struct node_config c, again;
    struct config_problem problem = {""};
    char *text, *second;

    (void)state;
    assert_int_equal(read_text(WHOLE "window = 7;\nstage_bytes = \"24M\";\n", &c, &problem), E_OK);
    text = printed(node_config_show, &c);
    if (read_text(text, &again, &problem))
        fail_msg("%s in %s", problem.text, text);
    second = printed(node_config_show, &again);
    assert_string_equal(text, second);
    assert_non_null(strstr(text, "window = 7;"));
    free(text);
    free(second);
}

/* Fewer reactors run than are wished for: it says so, and reads back as the wish. */
static void reactors_that_no_disk_is_for_are_shown_as_such(void **state)
{
    struct node_config c;
    struct config_problem problem = {""};
    char *text;

    (void)state;
    assert_int_equal(read_text(WHOLE "reactors = 3;\n", &c, &problem), E_OK);
    text = printed(node_config_show, &c);
    assert_non_null(strstr(text, "\nreactors = 3; # 2 run: at most one for each disk\n"));
    assert_int_equal(read_text(text, &c, &problem), E_OK);
    assert_int_equal(c.reactors, 3);
    free(text);
    c.reactors = 2;
    text = printed(node_config_show, &c);
    assert_non_null(strstr(text, "\nreactors = 2;\n"));
    free(text);
}

static void example(const struct node_config *c, FILE *to)
{
    (void)c;
    node_config_example(to);
}

/* As it stands it is right, and nothing of it differs from the defaults. */
static void the_example_is_a_configuration(void **state)
{
    struct node_config c, plain;
    struct config_problem problem = {""};
    char *text = printed(example, NULL), *shown, *expected;

    (void)state;
    if (read_text(text, &c, &problem))
        fail_msg("%s", problem.text);
    for (char *at = text; (at = strstr(at, "\n#")) != NULL; at++)
        if (at[2] != ' ')
            at[1] = ' '; /* every default, given */
    if (read_text(text, &plain, &problem))
        fail_msg("%s", problem.text);
    shown = printed(node_config_show, &c);
    expected = printed(node_config_show, &plain);
    assert_string_equal(shown, expected);
    free(text);
    free(shown);
    free(expected);
}

static void a_file_that_is_not_there_is_said(void **state)
{
    struct node_config c;
    struct config_problem problem;

    (void)state;
    assert_int_equal(node_config_read("/nonexistent/storaged.conf", &c, &problem), E_CONFIG);
    assert_string_equal(problem.text,
                        "/nonexistent/storaged.conf: it cannot be read: No such file or directory");
}

static void a_folder_is_no_file(void **state)
{
    struct node_config c;
    struct config_problem problem;

    (void)state;
    assert_int_equal(node_config_read("/tmp", &c, &problem), E_CONFIG);
    assert_string_equal(problem.text, "/tmp: it cannot be read: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(the_status_port_may_be_turned_off),
        cmocka_unit_test(a_mistake_is_one_line_with_its_place),
        cmocka_unit_test(the_profile_gives_what_is_not_given),
        cmocka_unit_test(what_is_shown_reads_back),
        cmocka_unit_test(reactors_that_no_disk_is_for_are_shown_as_such),
        cmocka_unit_test(the_example_is_a_configuration),
        cmocka_unit_test(a_file_that_is_not_there_is_said),
        cmocka_unit_test(a_folder_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
