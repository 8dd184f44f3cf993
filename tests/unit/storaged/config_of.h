/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/config_of.h — a node's configuration, of which only profile and disks matter.
 */
#ifndef TESTS_UNIT_STORAGED_CONFIG_OF_H
#define TESTS_UNIT_STORAGED_CONFIG_OF_H

#include "storaged/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The disks are not there, and are as large as it says: "1T". */
static struct node_config config_of(const char *profile, uint32_t disks, const char *size)
{
    char path[] = "/tmp/storaged-limits-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct node_config c;
    struct config_problem problem = {""};

    assert_non_null(file);
    fprintf(file,
            "dir = \"/d\"; name = \"n\"; rack = \"r\"; metad = \"http://127.0.0.1:1\";\n"
            "portals = [\"127.0.0.1:3260\"]; profile = \"%s\"; disks = (",
            profile);
    for (uint32_t i = 0; i < disks; i++)
        fprintf(file, "%s{ path = \"/nowhere/%u\"; size = \"%s\"; }", i ? ", " : "", i, size);
    fprintf(file, ");\n");
    assert_int_equal(fclose(file), 0);
    if (node_config_read(path, &c, &problem))
        fail_msg("%s", problem.text);
    unlink(path);
    return c;
}

#endif
