/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/scsi/mode.h — the mode pages, for MODE SENSE and MODE SELECT (SPC-5 7.5, SBC-4 6.5).
 */
#ifndef ISCSI_TARGET_SCSI_MODE_H
#define ISCSI_TARGET_SCSI_MODE_H

#include "iscsi-target/scsi/command.h"

#define MODE_PAGE_MAX 20u
#define MODE_PAGES    4u

/* A page as it lies on the wire, from its page code on; bytes not named are zero. */
struct mode_page {
    uint8_t length;                 /* whole, with the two bytes of its head          */
    uint8_t bytes[MODE_PAGE_MAX];   /* what it is when nobody has changed it          */
    uint8_t changes[MODE_PAGE_MAX]; /* the bits that MODE SELECT may change          */
};

extern const struct mode_page scsi_mode_pages[MODE_PAGES];

/* NULL: there is none of this code. */
const struct mode_page *scsi_mode_page(uint8_t code);

/* The page as it is now, into MODE_PAGE_MAX bytes; and what its bits say into *ret. */
void scsi_mode_current(const struct mode_page *p, struct scsi_mode mode, uint8_t *ret);
void scsi_mode_take(const struct mode_page *p, const uint8_t *bytes, struct scsi_mode *ret);

/* The block descriptor, short (8 bytes) or long (16), into ret; its length.  SBC-4 6.5.2. */
uint32_t scsi_mode_descriptor(const struct scsi_command *c, bool is_long, uint8_t *ret);

#endif
