/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi-target/scsi/vpd.h — vital product data pages (SPC-5 7.7, SBC-4 6.6). */
#ifndef ISCSI_TARGET_SCSI_VPD_H
#define ISCSI_TARGET_SCSI_VPD_H

#include "iscsi-target/scsi/scsi.h"

#define VPD_BYTES_MAX 1280u /* page 83h with the longest names */

bool scsi_vpd_known(uint8_t page);

/* Writes the page, header and all, into zeroed memory of VPD_BYTES_MAX; its length in bytes. */
uint32_t scsi_vpd_put(const struct scsi_command *c, uint8_t page, uint8_t *ret);

#endif
