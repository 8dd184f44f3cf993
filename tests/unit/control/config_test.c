/* SPDX-License-Identifier: Apache-2.0 */
/* metad's configuration: what is right, and the one line for what is not. */
#include "control/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum err read_text(const char *text, struct control_config *ret, char why[CONFIG_WHY])
{
    char path[] = "/tmp/dolmen-config-XXXXXX";
    int fd = mkstemp(path);
    enum err err;

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    err = control_config_read(path, ret, why);
    unlink(path);
    return err;
}

static void a_right_file_is_read_with_its_defaults(void **state)
{
    struct control_config c;
    char why[CONFIG_WHY];

    (void)state;
    assert_int_equal(read_text("dir = \"/x\";\n", &c, why), E_OK);
    assert_string_equal(c.dir, "/x");
    assert_string_equal(c.listen, "127.0.0.1:7480");
    assert_string_equal(c.iqn_prefix, "iqn.2026-11.internal.dolmen");
    assert_int_equal(read_text("# mine\ndir = \"/x\"; listen = \"[::1]:0\";\n"
                               "iqn_prefix = \"iqn.2001-04.com.example:storage\";",
                               &c, why),
                     E_OK);
    assert_string_equal(c.listen, "[::1]:0");
}

static void each_mistake_is_one_line_with_its_place(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", ":1: dir: must be given"},
        {"dir = \"\";", ":1: dir: must name a folder"},
        {"dir = 5;", ":1: dir: must be a string"},
        {"dir = \"/x\";\nlisten = \"0.0.0.0:7480\";", ":2: listen: 0.0.0.0:7480 is not a loopback"},
        {"dir = \"/x\";\nlisten = \"[::]:7480\";", "not a loopback"},
        {"dir = \"/x\";\nlisten = \"10.0.0.1:7480\";", "not a loopback"},
        {"dir = \"/x\";\nlisten = \"localhost:7480\";", "is no address"},
        {"dir = \"/x\";\nlisten = \"127.0.0.1\";", "is no address"},
        {"dir = \"/x\";\nlisten = \"127.0.0.1:65536\";", "is no address"},
        {"dir = \"/x\";\nlisten = \"127.0.0.1:-1\";", "is no address"},
        {"dir = \"/x\";\n\nlsiten = \"127.0.0.1:1\";", ":3: lsiten: unknown key"},
        {"dir = \"/x\";\niqn_prefix = \"dolmen\";", ":2: iqn_prefix: \"dolmen\" must be iqn."},
        {"dir = \"/x\";\niqn_prefix = \"iqn.abcde-fg.h\";", ":2: iqn_prefix:"},
        {"dir = \"/x\";\niqn_prefix = \"iqn.2026-11.Internal\";", ":2: iqn_prefix:"},
        {"dir = \"/x\"\nlisten = = 5;", ": syntax error"},
        {"dir = (\"/x\");", ":1: dir: must be a string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct control_config c = {.dir = "untouched"};
        char why[CONFIG_WHY] = "";

        assert_int_equal(read_text(rows[i].text, &c, why), E_CONFIG);
        if (!strstr(why, rows[i].why) || strchr(why, '\n'))
            fail_msg("\"%s\" gives \"%s\"", rows[i].text, why);
        assert_string_equal(c.dir, "untouched");
    }
}

static void what_is_shown_reads_back(void **state)
{
    struct control_config c, again;
    char why[CONFIG_WHY], *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    assert_int_equal(read_text("dir = \"/a \\\"b\";\n", &c, why), E_OK);
    assert_non_null(to);
    control_config_show(&c, to);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(read_text(text, &again, why), E_OK);
    assert_string_equal(again.dir, "/a \"b");
    assert_memory_equal(&c, &again, sizeof c);
    free(text);
}

/* As it stands it is right, and with every default given nothing differs. */
static void the_example_is_a_configuration(void **state)
{
    struct control_config c, plain;
    char why[CONFIG_WHY] = "", *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    (void)state;
    assert_non_null(to);
    control_config_example(to);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(read_text(text, &c, why), E_OK);
    for (char *at = text; (at = strstr(at, "\n#")) != NULL; at++)
        if (at[2] != ' ')
            at[1] = ' ';
    assert_int_equal(read_text(text, &plain, why), E_OK);
    assert_string_equal(c.listen, plain.listen);
    assert_string_equal(c.iqn_prefix, plain.iqn_prefix);
    free(text);
}

static void a_file_that_is_none_is_named(void **state)
{
    struct control_config c;
    char why[CONFIG_WHY];

    (void)state;
    assert_int_equal(control_config_read("/no/such/file", &c, why), E_NOT_FOUND);
    assert_non_null(strstr(why, "/no/such/file"));
    assert_int_equal(control_config_read("/tmp", &c, why), E_NOT_FOUND);
    assert_string_equal(why, "/tmp: cannot be read: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_file_is_read_with_its_defaults),
        cmocka_unit_test(each_mistake_is_one_line_with_its_place),
        cmocka_unit_test(what_is_shown_reads_back),
        cmocka_unit_test(the_example_is_a_configuration),
        cmocka_unit_test(a_file_that_is_none_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
