/* SPDX-License-Identifier: Apache-2.0 */
/* store/probe.h — the parts of store_probe(). */
#ifndef STORE_PROBE_H
#define STORE_PROBE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Root number 1 is written by a format alone, before its superblocks; an open makes a later one
 * durable before it takes a change.  So where a format was broken off, nobody's data lie. */
bool probe_is_of_a_format(const uint8_t *page, uint32_t magic);

/* Without superblocks: E_OK nothing of ours is found; E_EXISTS; E_DISK it cannot be told. */
enum err probe_remains(int fd, uint64_t bytes);

/* Of what has no name: E_OK a sample of it holds nothing; E_FOREIGN: *ret_text says where;
 * E_DISK: the same. */
enum err probe_sample(int fd, uint64_t bytes, char ret_text[80]);

#endif
