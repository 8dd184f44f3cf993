/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/scsi.h — SCSI commands on a `struct block` (SAM-5, SPC-5, SBC-4).
 *
 * The transport fills a `struct scsi_command` with a CDB and calls scsi_decode(): everything that
 * can be refused is refused there, or it says how many bytes the command takes and gives.  The
 * transport then gathers the data-out and calls scsi_perform(), which answers through `done`,
 * never inside the call.  One table drives it: an opcode is a row (scsi/operations.c).
 *
 * A nexus is one I_T_L nexus: what one session may do with one logical unit, and what it must still
 * be told (unit attentions).
 */
#ifndef ISCSI_TARGET_SCSI_SCSI_H
#define ISCSI_TARGET_SCSI_SCSI_H

#include "base/block.h"
#include "iscsi-target/buffers.h"

#define SCSI_SENSE_MAX 32u /* descriptor format with information and field pointer: 28 used */
#define SCSI_CDB_MAX   16u
#define SCSI_RUNS_MAX  64u /* descriptors that one GET LBA STATUS gives at most */

enum scsi_status { /* SAM-5 5.3.1 */
                   SCSI_GOOD = 0x00,
                   SCSI_CHECK_CONDITION = 0x02,
                   SCSI_BUSY = 0x08,
                   SCSI_RESERVATION_CONFLICT = 0x18,
                   SCSI_TASK_SET_FULL = 0x28,
                   SCSI_TASK_ABORTED = 0x40,
};

/* ---- what one session may do with LUN 0 ---- */

/* What MODE SELECT can change: the same for all nexuses of a block. */
struct scsi_mode {
    bool descriptor_sense; /* D_SENSE */
    bool write_protected;  /* SWP     */
};

struct scsi_nexus {
    struct block *block;
    bool read_only; /* this one; mode.write_protected is for all */
    struct scsi_mode mode;
    uint32_t transfer_bytes_max;
    const char *target_name; /* for VPD 83; lives as long as the nexus */
    const char *alias;       /* the volume's name: VPD 83 T10 vendor id */
    uint16_t portal_group_tag;
    uint64_t initiator, session;  /* block_note: who asks; 0: nothing is remembered */
    uint32_t unit_attentions;     /* bits: what it must be told next */
    struct block_watcher watcher; /* resized: 2A/09 */
};

/* The nexus begins with POWER ON, RESET, OR BUS DEVICE RESET OCCURRED (29/00), and with the mode
 * of those that are open on the block. */
void scsi_nexus_open(struct scsi_nexus *n, struct block *block);
void scsi_nexus_close(struct scsi_nexus *n);

/* After a logical unit reset that another nexus asked for (29/03 …): tells this one.  A reset also
 * ends what MODE SELECT has changed (SPC-5 6.11). */
enum scsi_attention {
    SCSI_UA_POWER_ON,
    SCSI_UA_TARGET_RESET,
    SCSI_UA_UNIT_RESET,
    SCSI_UA_MODE,
    SCSI_UA_CAPACITY,
    SCSI_UA_CLEARED, /* CLEAR TASK SET of another: its commands are gone */
};
void scsi_nexus_attention(struct scsi_nexus *n, enum scsi_attention what);

/* ---- a command ---- */

struct scsi_operation;

struct scsi_command {
    /* from the transport, before decode */
    struct scsi_nexus *nexus;
    struct buffers *buffers;
    uint64_t lun; /* as RFC 7143 carries it: 8 bytes, SAM-5 4.7 */
    uint8_t cdb[SCSI_CDB_MAX];
    uint32_t data_out_offered; /* what the initiator has announced to send (EDTL with W); 0: nothing
                                * said.  WRITE SAME, COMPARE AND WRITE refuse any other size than
                                * theirs */
    void (*done)(struct scsi_command *);
    bool (*may_take)(struct scsi_command *, uint32_t bytes); /* so much memory now; NULL: always */

    /* from decode */
    const struct scsi_operation *operation;
    uint32_t data_out_bytes; /* what the command takes; the transport may bring less or more */
    uint32_t data_in_bytes;  /* what it gives at most                                        */
    struct extent extent;    /* in 512-byte units                                            */

    /* from the transport, before perform */
    struct payload data_out; /* min(data_out_bytes, EDTL) bytes of it; the transport's       */

    /* the answer */
    uint8_t status;
    bool starved; /* TASK SET FULL for want of memory, before anything happened */
    uint8_t sense[SCSI_SENSE_MAX];
    uint32_t sense_bytes;   /* 0 without CHECK CONDITION */
    struct payload data_in; /* taken from buffers here; the transport puts it back; its bytes
                               are what the command gives, at most data_in_bytes            */

    /* scsi's own */
    struct block_request request;
    struct extent left;  /* of a long operation: what was not submitted yet, in units */
    uint32_t descriptor; /* UNMAP: the next of its list; GET LBA STATUS: how many have room */
    uint32_t step;
    bool stopped;
    union {
        struct iovec pieces[PAYLOAD_PIECES_MAX];
        struct block_run runs[SCSI_RUNS_MAX];
    };
};

/*
 * False: refused, status and sense are set, nothing else happens with it.  Delivers a pending unit
 * attention (except to INQUIRY, REPORT LUNS and REQUEST SENSE: SPC-5 5.14).
 */
must_check bool scsi_decode(struct scsi_command *c);

/* True if there is nothing to wait for below (INQUIRY …): it is answered when the call returns, and
 * done is not called.  False: `done` comes later, from the loop.  Short data-out is an error of the
 * command's own kind (data_out.bytes < data_out_bytes).  If it left `starved` set, the transport
 * may call it again when there is memory, instead of giving the answer. */
must_check bool scsi_perform(struct scsi_command *c);

/* Decoded: performing it is more than giving an answer. */
bool scsi_asks_block(const struct scsi_command *c);

/* Decoded: it changes data, or the unit for others. */
bool scsi_changes(const struct scsi_command *c);

/*
 * Nobody waits for the answer any more: aborted, or its session has ended.  What the block has runs
 * on (P6), but is held no longer for a disk that reads nothing (block.h: unwanted); a long command
 * begins no further request, so that it cannot overwrite what a later session has written.  `done`
 * still comes, with TASK ABORTED.  Harmless when nothing is under way.
 */
void scsi_stop(struct scsi_command *c);

/* CHECK CONDITION for what went wrong below; the one table from enum err to sense. */
void scsi_fail(struct scsi_command *c, enum err err);

/* For whoever counts: what kind of command a CDB is. */
enum scsi_traffic { SCSI_READS, SCSI_CHANGES, SCSI_ELSE };
enum scsi_traffic scsi_traffic(const uint8_t *cdb);

/* Sense key, code and qualifier, in the format that the mode says (SPC-5 4.4); for the transport's
 * own refusals (e.g. ABORTED COMMAND with 0C/0D unexpected unsolicited data). */
void scsi_sense(struct scsi_command *c, uint8_t key, uint16_t code);

#endif
