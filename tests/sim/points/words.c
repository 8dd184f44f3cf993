/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/points/words.c — a point as the options that repeat it, and back. */
#include "tests/sim/points/point.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const moment_names[] = {
    [SIM_BEFORE] = "before", [SIM_DURING] = "during", [SIM_AFTER] = "after"};
static const char *const end_names[] = {
    [END_KILLED] = "killed", [END_POWER] = "power", [END_LOST] = "lost", [END_TORN] = "torn"};

static int cut_print(char *to, size_t room, const struct cut *c)
{
    return snprintf(to, room, "%" PRIu64 ":%s:%s", c->io, moment_names[c->moment],
                    end_names[c->end]);
}

const char *point_text(const struct point *p, char ret[160])
{
    size_t at =
        (size_t)snprintf(ret, 160, "--seed %" PRIu64 " --at %s:", p->seed, p->workload->name);

    at += (size_t)cut_print(ret + at, 160 - at, &p->first);
    if (!p->second.io)
        return ret;
    at += (size_t)snprintf(ret + at, 160 - at, " --then ");
    (void)cut_print(ret + at, 160 - at, &p->second);
    return ret;
}

static bool find(const char *const *names, uint32_t count, const char *name, uint32_t *ret)
{
    for (*ret = 0; *ret < count; (*ret)++)
        if (strcmp(names[*ret], name) == 0)
            return true;
    return false;
}

bool cut_parse(const char *text, struct cut *ret)
{
    char moment[16], end[16];
    uint32_t m, e;

    if (sscanf(text, "%" SCNu64 ":%15[a-z]:%15[a-z]", &ret->io, moment, end) != 3 || ret->io == 0)
        return false;
    if (!find(moment_names, MOMENTS, moment, &m) || !find(end_names, ENDS, end, &e))
        return false;
    ret->moment = (enum sim_moment)m;
    ret->end = (enum end)e;
    return true;
}

const struct workload *workload_named(const char *name, size_t length)
{
    for (uint32_t i = 0; i < workload_count; i++)
        if (strlen(workloads[i].name) == length && strncmp(workloads[i].name, name, length) == 0)
            return &workloads[i];
    return NULL;
}

bool point_parse(const char *text, struct point *ret)
{
    const char *colon = strchr(text, ':');

    ret->workload = colon ? workload_named(text, (size_t)(colon - text)) : NULL;
    return ret->workload && cut_parse(colon + 1, &ret->first);
}
