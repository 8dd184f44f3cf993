/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/script.h — what an initiator says and must hear, line by line: raw PDUs with every
 * field settable, for one rule of RFC 7143 each, kept or broken.
 *
 *   write edtl=8192 cdb=8a000000000000000000000000100000     a PDU: its kind, then field=value
 *   < r2t offset=0 length=8192                               what must come next, and its fields
 *   data-out offset=0 data=8192 flags=80
 *   < response status=0
 *
 * Kinds: login text scsi read write data-out nop tmf logout snack pdu (any: opcode=).  What a line
 * does not set is as an honest initiator would have it: ITT and sequence numbers of the session,
 * for a Data-Out the ITT and TTT of the last R2T.  Fields by name (script.c has the table), any
 * other bytes of the header as @AT:BYTES=value; numbers are hexadecimal behind 0x or in flags and
 * cdb, else decimal; sn=+N is relative to ExpCmdSN.  Further words of a line:
 *
 *   data=N      N bytes of data        keys=A=1;B=2   text, NUL for each ;
 *   cut=N       only N bytes are sent  immediate      the I bit; uses up no CmdSN
 *   hex=0102    these bytes of data    spoil-header, spoil-data   the digest is wrong
 *   has=K=V     text that came has it  sense=KCCQQ    key, ASC, ASCQ of a response
 *
 * Other lines: `bytes HEX`; `< nothing` for a second; `< closed`; `< whatever` until silence or the
 * end; `times N` repeats the next line; `wait N` milliseconds; `new` goes on with a new connection.
 */
#ifndef TESTS_ISCSI_SCRIPT_H
#define TESTS_ISCSI_SCRIPT_H

#include "tests/iscsi/fixture.h"

enum script_way { KEPT, BROKEN };

struct script {
    const char *section; /* of RFC 7143 */
    const char *rule;
    enum script_way way;
    const char *login; /* keys of the login before it; NULL: only connected */
    const char *lines;
};

/* Plays it on a connection of its own; false, and says on stderr where, if something else came. */
bool script_play(struct lab *w, const struct script *s);

/* tests/iscsi/scripts/: each ends with a row without lines. */
extern const struct script login_scripts[];
extern const struct script full_feature_scripts[];
extern const struct script probe_scripts[]; /* iscsi.md 5.2: malformed, and no rule's */

#endif
