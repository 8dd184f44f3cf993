/* SPDX-License-Identifier: Apache-2.0 */
/* env/memory_max.c — the least of what is said between the process's control group and the machine.
 */
#include "env/memory_max.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4352u /* of a root, the folder of groups, and a group */

/* The first line of a file; false: there is none. */
static bool first_line(const char *path, char *ret, int bytes)
{
    FILE *file = fopen(path, "re");
    bool there = file && fgets(ret, bytes, file);

    if (file)
        fclose(file);
    if (there)
        ret[strcspn(ret, "\n")] = '\0';
    return there;
}

/* "0::/system.slice/x.service" is its line (cgroups(7)); "": it is in none that can be seen. */
static void own_group(const char *root, char ret[PATH_BYTES / 2])
{
    char path[PATH_BYTES], *line = NULL;
    size_t bytes = 0;
    FILE *file;

    ret[0] = '\0';
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    if (!file)
        return;
    while (getline(&line, &bytes, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0 && strlen(line) < PATH_BYTES / 2 && !strstr(line, "/.."))
            snprintf(ret, PATH_BYTES / 2, "%s", line + 3);
    }
    free(line);
    fclose(file);
}

static void ask_group(const char *root, const char *group, struct memory_max *max)
{
    char path[PATH_BYTES], text[40], *end;
    uint64_t bytes;

    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.max", root, group);
    if (!first_line(path, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return; /* "max" */
    errno = 0;
    bytes = strtoull(text, &end, 10);
    if (errno || *end || bytes >= max->bytes)
        return;
    max->bytes = bytes;
    snprintf(max->whose, sizeof max->whose, "memory.max of the group %.70s", *group ? group : "/");
}

struct memory_max memory_max(const char *root)
{
    struct memory_max max = {UINT64_MAX, "nobody"};
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    char group[PATH_BYTES / 2];

    if (pages > 0 && page_bytes > 0)
        max = (struct memory_max){(uint64_t)pages * (uint64_t)page_bytes, "the machine"};
    own_group(root, group);
    for (char *end = group; end;) { /* it, those that it is in, and the root of what can be seen */
        ask_group(root, group, &max);
        end = strrchr(group, '/');
        if (end)
            *end = '\0';
    }
    return max;
}
