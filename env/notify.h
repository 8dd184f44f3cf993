/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/notify.h — what a supervisor is told (the protocol of sd_notify(3): one datagram).
 *
 * Our own few lines, because the library would bring compression and more into every process for
 * one sendto().  Does nothing, quickly, where $NOTIFY_SOCKET is not set; never blocks.
 */
#ifndef ENV_NOTIFY_H
#define ENV_NOTIFY_H

#include "base/util.h"

#include <stdint.h>

/* "READY=1", "STOPPING=1", "STATUS=…", "WATCHDOG=1"; several are lines of one message. */
void notify(const char *message, ...) printf_like(1, 2);

/* How often WATCHDOG=1 is expected of this process, at half of what would kill it; 0: never. */
uint64_t notify_watchdog_us(void);

#endif
