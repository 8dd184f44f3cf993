/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/name.c — a volume's target name, and the way back (RFC 7143 4.2.7, design 8). */
#include "iscsi-target/iscsi_target.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void iscsi_target_name(const char *prefix, struct identity volume, char *ret)
{
    int length = snprintf(ret, ISCSI_NAME_MAX, "%s:%s", prefix, identity_show(volume).text);

    assert(length > 0 && length < ISCSI_NAME_MAX);
}

bool iscsi_target_volume(const char *prefix, const char *target, struct identity *ret)
{
    size_t length = strlen(prefix);

    if (strncmp(target, prefix, length) != 0 || target[length] != ':')
        return false;
    return identity_parse(target + length + 1, ret);
}
