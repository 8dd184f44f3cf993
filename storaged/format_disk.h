/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/format_disk.h — storaged --format: one disk, by hand. */
#ifndef STORAGED_FORMAT_DISK_H
#define STORAGED_FORMAT_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* The process's exit code: 0 done; 1 refused or failed, which the log says.  bytes > 0: a file that
 * is not there is made so large.  force: whatever the disk holds is lost. */
int format_disk(const char *path, uint64_t bytes, bool force);

#endif
