/* SPDX-License-Identifier: Apache-2.0 */
/* store/replay.h — what the files of replay share: a window of the ring, and what lies in it. */
#ifndef STORE_REPLAY_H
#define STORE_REPLAY_H

#include "store/inside.h"

/* ---- the window (replay_window.c) ---- */

/* Begins to read from `position` on, up to where the ring ends; then the rest.  False: there is
 * none. */
void replay_read_window(struct replay *r, uint64_t position);
bool replay_read_rest(struct replay *r);
/* What was just read: notes which pages of it the disk refused. */
void replay_heed(struct replay *r);
/* Whether it refused one where a group at `position` may have its head and records. */
bool replay_unread_at(const struct replay *r, uint64_t position);

const struct format_group *replay_group_at(const struct replay *r, uint64_t position);
uint64_t replay_window_left(const struct replay *r, uint64_t position);
uint64_t replay_meta_bytes(const struct format_group *h);  /* head, list and records, padded */
uint64_t replay_group_bytes(const struct format_group *h); /* and its payload                */
/* A group's head, list and records, wherever in the chain it belongs. */
bool replay_group_proved(const struct replay *r, const struct format_group *h, uint64_t position);
/* Such a group's word about the newest root, if it is of this lap or a later one (J5). */
void replay_hear_root(struct replay *r, const struct format_group *h, uint64_t position);
const struct format_list_entry *replay_list(const struct format_group *h);

/* Records, one after the other. */
struct replay_records {
    const uint8_t *at, *end;
    uint32_t left;
};
struct replay_records replay_records(const struct format_group *h);
/* E_NOT_FOUND: none is left. */
enum err replay_next_record(struct replay_records *c, struct fact *ret, struct record_scratch *x);

/* ---- space (replay_space.c) ---- */

/* Whether the stage has room for all of the group. */
bool replay_stage_has_room(const struct replay *r, const struct format_group *h);
/* Whether a checkpoint makes chunks free that any group may need. */
bool replay_waits_for_space(const struct replay *r);

/* ---- chunks that records name (replay_redirect.c) ---- */

/* Whether the chunks of a REDIRECT can be meant. */
bool replay_chunks_make_sense(const struct store *s, const struct fact *f);
/* They are the fact's from now on; those that are not get their bit in f->lost. */
void replay_claim(struct replay *r, struct fact *f);
/* Looks at the window, which the scan began at the head: false: it goes on in the one behind. */
bool replay_scan(struct replay *r);
/* What the scan found and no record claimed is nobody's. */
void replay_unname(struct replay *r);

#endif
