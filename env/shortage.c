/* SPDX-License-Identifier: Apache-2.0 */
/* env/shortage.c — one line a minute. */
#include "env/shortage.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SILENT_US UINT64_C(60000000)

void shortage_met(struct shortage *s, int number, uint64_t now_us, struct log *log,
                  const char *subject)
{
    bool memory = number == ENOMEM || number == ENOBUFS;

    if (number != EMFILE && number != ENFILE && !memory)
        return;
    if (now_us < s->silent_until_us)
        return;
    s->silent_until_us = now_us + SILENT_US;
    log_event(log, LOG_LEVEL_ERROR, subject, "connections_wait",
              "why=\"%s\" who is connected is served, who connects waits; %s", strerror(number),
              memory ? "the machine has no memory left for sockets"
                     : "raise LimitNOFILE= (systemd, `prlimit --nofile` at once), or fs.file-max "
                       "of the machine");
}
