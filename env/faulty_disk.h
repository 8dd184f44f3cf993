/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/faulty_disk.h — a disk over a disk that is slow, hangs, errs or vanishes on purpose.
 *
 * For tests alone (decisions/0023): it works on the env's timers, so in the real world and in the
 * simulated one, and its faults may change at any time.  As it is opened it has none.
 */
#ifndef ENV_FAULTY_DISK_H
#define ENV_FAULTY_DISK_H

#include "env/env.h"

enum disk_errors { DISK_ERRORS_NONE, DISK_ERRORS_READS, DISK_ERRORS_WRITES, DISK_ERRORS_ALL };

/* Zeroed is "no fault"; a sync counts as a write. */
struct disk_faults {
    uint64_t blocks_per_second;     /* of DISK_ALIGN, a sync is one; 0: as quick as the disk is */
    uint64_t delay_us;              /* of each request, before the disk hears of it             */
    uint64_t hang_us;               /* from now on nothing is handed on or answered; 0: no hang */
    enum disk_errors errors;        /* which requests end with E_DISK and do nothing …          */
    uint64_t errors_after_requests; /* … once so many of these kinds have gone well …           */
    uint64_t errors_us;             /* … for so long from now on; 0: until it is set otherwise  */
    bool vanished;                  /* every request ends with E_DISK, for good                 */
};

/* Opens it over `under`, which it closes with itself.  E_NO_MEMORY: `under` stays as it is. */
must_check enum err faulty_disk_open(struct env *e, struct disk *under, struct disk **ret);

/* From now on these and no others; what waits already is judged by them too.  `vanished` stays. */
void faulty_disk_set(struct disk *d, const struct disk_faults *faults);

#endif
