/* SPDX-License-Identifier: Apache-2.0 */
/* env/parcel.c — the bytes that travel with a connection from one env to another. */
#include "env/env.h"

#include <string.h>

bool net_parcel_keep(struct net_parcel *p, const uint8_t *bytes, uint32_t length)
{
    if (length > p->kept_max - p->kept_bytes)
        return false;
    if (length > 0)
        memcpy(p->kept + p->kept_bytes, bytes, length);
    p->kept_bytes += length;
    return true;
}
