/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/folder.h — the node's folder: one process at a time, and an identity for good.
 */
#ifndef STORAGED_FOLDER_H
#define STORAGED_FOLDER_H

#include "env/env.h"

struct folder {
    int lock; /* a file that is held locked; -1: not */
    struct identity node;
};

/*
 * Blocking, for start.  Makes the folder, locks it (folder/lock) and reads node.id, which is minted
 * where there is none.  A process that was killed has its files until its last thread is gone: the
 * lock is waited for, `patience_ms` at most.  On failure why holds one line: E_BUSY another process
 * has it; E_DAMAGED node.id is no identity; E_SYSTEM.
 */
must_check enum err folder_open(const char *path, struct chance *chance, uint32_t patience_ms,
                                struct folder *ret, char why[700]);
void folder_close(struct folder *f);

#endif
