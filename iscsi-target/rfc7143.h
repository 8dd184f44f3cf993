/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/rfc7143.h — the PDUs of RFC 7143, byte by byte.
 *
 * Every header is 48 bytes, big-endian, made of byte structs: any address will do.  Sequence
 * numbers stand at the same place in all of them: CmdSN and ExpStatSN of what comes, StatSN,
 * ExpCmdSN and MaxCmdSN of what goes, from byte 24 on.
 */
#ifndef ISCSI_TARGET_RFC7143_H
#define ISCSI_TARGET_RFC7143_H

#include "base/wire.h"

#include <assert.h>
#include <stddef.h>

#define BHS_BYTES        48u
#define AHS_BYTES_MAX    1020u       /* TotalAHSLength: 255 words of four bytes */
#define TAG_NONE         0xffffffffu /* "reserved" in an ITT or a TTT           */
#define DIGEST_BYTES     4u          /* CRC32C, least significant byte first    */

#define OPCODE_MASK      0x3fu
#define OPCODE_IMMEDIATE 0x40u

enum opcode { /* 11.2.1.2 */
              NOP_OUT = 0x00,
              SCSI_COMMAND = 0x01,
              TASK_MANAGEMENT = 0x02,
              LOGIN = 0x03,
              TEXT = 0x04,
              DATA_OUT = 0x05,
              LOGOUT = 0x06,
              SNACK = 0x10,
              NOP_IN = 0x20,
              SCSI_RESPONSE = 0x21,
              TASK_MANAGEMENT_RESPONSE = 0x22,
              LOGIN_RESPONSE = 0x23,
              TEXT_RESPONSE = 0x24,
              DATA_IN = 0x25,
              LOGOUT_RESPONSE = 0x26,
              R2T = 0x31,
              ASYNC_MESSAGE = 0x32,
              REJECT = 0x3f,
};

#define FLAG_FINAL         0x80u /* also the T bit of a login          */
#define FLAG_CONTINUE      0x40u /* C: login and text                  */
#define FLAG_READ          0x40u /* SCSI command                       */
#define FLAG_WRITE         0x20u
#define TASK_ATTRIBUTE     0x07u /* of a SCSI command: enum task_attribute */
#define FLAG_STATUS        0x01u /* Data-In carries the status         */
#define FLAG_UNDERFLOW     0x02u
#define FLAG_OVERFLOW      0x04u
#define LOGIN_CSG(flags)   (((flags) >> 2) & 3u)
#define LOGIN_NSG(flags)   ((flags)&3u)
#define STAGE_SECURITY     0u
#define STAGE_OPERATIONAL  1u
#define STAGE_FULL_FEATURE 3u

enum login_status { /* 11.13.5: class and detail */
                    LOGIN_OK = 0x0000,
                    LOGIN_MOVED_TEMPORARILY = 0x0101,
                    LOGIN_INITIATOR_ERROR = 0x0200,
                    LOGIN_AUTHENTICATION = 0x0201,
                    LOGIN_FORBIDDEN = 0x0202,
                    LOGIN_NOT_FOUND = 0x0203,
                    LOGIN_VERSION = 0x0205,
                    LOGIN_TOO_MANY_CONNECTIONS = 0x0206,
                    LOGIN_MISSING_PARAMETER = 0x0207,
                    LOGIN_SESSION_TYPE = 0x0209,
                    LOGIN_NO_SESSION = 0x020a,
                    LOGIN_UNAVAILABLE = 0x0301,
                    LOGIN_OUT_OF_RESOURCES = 0x0302,
};

enum reject_reason { /* 11.17.1 */
                     REJECT_DATA_DIGEST = 0x02,
                     REJECT_SNACK = 0x03,
                     REJECT_PROTOCOL = 0x04,
                     REJECT_NOT_SUPPORTED = 0x05,
                     REJECT_IMMEDIATE = 0x06,
                     REJECT_TASK_IN_PROGRESS = 0x07,
                     REJECT_INVALID_FIELD = 0x09,
                     REJECT_OUT_OF_RESOURCES = 0x0a,
};

enum task_attribute { /* 11.3.1, SAM-5 8 */
                      UNTAGGED = 0,
                      SIMPLE = 1,
                      ORDERED = 2,
                      HEAD_OF_QUEUE = 3,
                      ACA = 4,
};

enum task_function { /* 11.5.1 */
                     TMF_ABORT_TASK = 1,
                     TMF_ABORT_TASK_SET = 2,
                     TMF_CLEAR_ACA = 3,
                     TMF_CLEAR_TASK_SET = 4,
                     TMF_LOGICAL_UNIT_RESET = 5,
                     TMF_TARGET_WARM_RESET = 6,
                     TMF_TARGET_COLD_RESET = 7,
                     TMF_TASK_REASSIGN = 8,
};

enum task_response { /* 11.6.1 */
                     TMF_COMPLETE = 0,
                     TMF_NO_TASK = 1,
                     TMF_NO_LUN = 2,
                     TMF_NO_REASSIGN = 4,
                     TMF_NOT_SUPPORTED = 5,
                     TMF_REJECTED = 255,
};

enum async_event { /* 11.9.1 */
                   ASYNC_SCSI = 0,
                   ASYNC_LOGOUT = 1, /* log out within Parameter3 seconds */
                   ASYNC_DROP_CONNECTION = 2,
                   ASYNC_DROP_SESSION = 3, /* come back after Parameter2 seconds */
                   ASYNC_NEGOTIATE = 4,
};

enum logout_reason { LOGOUT_SESSION = 0, LOGOUT_CONNECTION = 1, LOGOUT_RECOVERY = 2 };
enum logout_response { LOGOUT_CLOSED = 0, LOGOUT_NO_CID = 1, LOGOUT_NO_RECOVERY = 2 };

/* What all headers share.  Sequence numbers: of what comes / of what goes. */
struct bhs_any { /* 11.2.1 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t specific[2];
    uint8_t total_ahs_length; /* in four-byte words */
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 target_transfer_tag;
    be32 sn;        /* CmdSN / StatSN        */
    be32 second_sn; /* ExpStatSN / ExpCmdSN  */
    be32 third_sn;  /* — / MaxCmdSN          */
    uint8_t rest[12];
};

struct bhs_scsi_command { /* 11.3 */
    uint8_t opcode;
    uint8_t flags; /* F, R, W and the task attribute */
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 expected_data_transfer_length;
    be32 cmd_sn;
    be32 exp_stat_sn;
    uint8_t cdb[16];
};

struct bhs_scsi_response { /* 11.4 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t response; /* 0: command completed at target */
    uint8_t status;
    uint8_t total_ahs_length;
    be24 data_segment_length;
    uint8_t reserved[8];
    be32 initiator_task_tag;
    be32 snack_tag;
    be32 stat_sn;
    be32 exp_cmd_sn;
    be32 max_cmd_sn;
    be32 exp_data_sn;
    be32 bidirectional_residual;
    be32 residual;
};

struct bhs_task_management { /* 11.5 */
    uint8_t opcode;
    uint8_t function; /* under 0x80 */
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 referenced_task_tag;
    be32 cmd_sn;
    be32 exp_stat_sn;
    be32 ref_cmd_sn;
    be32 exp_data_sn;
    uint8_t reserved2[8];
};

struct bhs_task_management_response { /* 11.6 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t response;
    uint8_t reserved[45];
};

struct bhs_data_out { /* 11.7 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 target_transfer_tag;
    be32 reserved2;
    be32 exp_stat_sn;
    be32 reserved3;
    be32 data_sn;
    be32 buffer_offset;
    be32 reserved4;
};

struct bhs_data_in { /* 11.7 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t reserved;
    uint8_t status;
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 target_transfer_tag;
    be32 stat_sn;
    be32 exp_cmd_sn;
    be32 max_cmd_sn;
    be32 data_sn;
    be32 buffer_offset;
    be32 residual;
};

struct bhs_r2t { /* 11.8 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag;
    be32 target_transfer_tag;
    be32 stat_sn;
    be32 exp_cmd_sn;
    be32 max_cmd_sn;
    be32 r2t_sn;
    be32 buffer_offset;
    be32 desired_length;
};

struct bhs_async_message { /* 11.9 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    be64 lun;
    be32 initiator_task_tag; /* TAG_NONE */
    be32 reserved2;
    be32 stat_sn;
    be32 exp_cmd_sn;
    be32 max_cmd_sn;
    uint8_t event;
    uint8_t vendor_code;
    be16 parameter1, parameter2, parameter3;
    uint8_t reserved3[4];
};

struct bhs_login { /* 11.12 */
    uint8_t opcode;
    uint8_t flags; /* T, C, CSG, NSG */
    uint8_t version_max;
    uint8_t version_min;
    uint8_t total_ahs_length;
    be24 data_segment_length;
    uint8_t isid[6];
    be16 tsih;
    be32 initiator_task_tag;
    be16 cid;
    uint8_t reserved[2];
    be32 cmd_sn;
    be32 exp_stat_sn;
    uint8_t reserved2[16];
};

struct bhs_login_response { /* 11.13 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t version_max;
    uint8_t version_active;
    uint8_t total_ahs_length;
    be24 data_segment_length;
    uint8_t isid[6];
    be16 tsih;
    be32 initiator_task_tag;
    uint8_t reserved[4];
    be32 stat_sn;
    be32 exp_cmd_sn;
    be32 max_cmd_sn;
    be16 status; /* class, detail */
    uint8_t reserved2[10];
};

struct bhs_logout { /* 11.14 */
    uint8_t opcode;
    uint8_t reason; /* under 0x80 */
    uint8_t reserved[2];
    uint8_t total_ahs_length;
    be24 data_segment_length;
    uint8_t reserved2[8];
    be32 initiator_task_tag;
    be16 cid;
    uint8_t reserved3[2];
    be32 cmd_sn;
    be32 exp_stat_sn;
    uint8_t reserved4[16];
};

struct bhs_logout_response { /* 11.15 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t response;
    uint8_t reserved[37];
    be16 time2wait;
    be16 time2retain;
    uint8_t reserved2[4];
};

struct bhs_reject { /* 11.17 */
    uint8_t opcode;
    uint8_t flags;
    uint8_t reason;
    uint8_t reserved[45];
};

union bhs {
    uint8_t bytes[BHS_BYTES];
    struct bhs_any any; /* NOP-Out, NOP-In, text and text response need no more */
    struct bhs_scsi_command scsi_command;
    struct bhs_scsi_response scsi_response;
    struct bhs_task_management task_management;
    struct bhs_task_management_response task_management_response;
    struct bhs_data_out data_out;
    struct bhs_data_in data_in;
    struct bhs_r2t r2t;
    struct bhs_async_message async_message;
    struct bhs_login login;
    struct bhs_login_response login_response;
    struct bhs_logout logout;
    struct bhs_logout_response logout_response;
    struct bhs_reject reject;
};

static_assert(sizeof(struct bhs_any) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_scsi_command) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_scsi_response) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_task_management) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_task_management_response) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_data_out) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_data_in) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_r2t) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_async_message) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_login) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_login_response) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_logout) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_logout_response) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(struct bhs_reject) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(sizeof(union bhs) == BHS_BYTES, "a BHS is 48 bytes");
static_assert(_Alignof(union bhs) == 1, "a BHS may lie anywhere");
static_assert(offsetof(struct bhs_any, sn) == 24, "CmdSN and StatSN");
static_assert(offsetof(struct bhs_scsi_command, cdb) == 32, "the CDB ends the BHS");
static_assert(offsetof(struct bhs_scsi_response, stat_sn) == 24, "StatSN");
static_assert(offsetof(struct bhs_data_out, buffer_offset) == 40, "Buffer Offset");
static_assert(offsetof(struct bhs_data_in, buffer_offset) == 40, "Buffer Offset");
static_assert(offsetof(struct bhs_r2t, desired_length) == 44, "Desired Data Transfer Length");
static_assert(offsetof(struct bhs_async_message, event) == 36, "AsyncEvent");
static_assert(offsetof(struct bhs_login, cmd_sn) == 24, "CmdSN");
static_assert(offsetof(struct bhs_login_response, status) == 36, "Status-Class, Status-Detail");
static_assert(offsetof(struct bhs_logout_response, time2wait) == 40, "Time2Wait");

/* The additional header segments of a PDU. */
static inline uint32_t bhs_ahs_bytes(const union bhs *h)
{
    return h->any.total_ahs_length * 4u;
}

static inline uint32_t bhs_data_bytes(const union bhs *h)
{
    return be24_get(h->any.data_segment_length);
}

/* Padding of a data segment to whole words (11.2.3). */
static inline uint32_t pad_bytes(uint32_t length)
{
    return -length & 3u;
}

static inline uint32_t bhs_itt(const union bhs *h)
{
    return be32_get(h->any.initiator_task_tag);
}

/* CmdSN and its like in 32-bit serial arithmetic (RFC 1982): a is not after b. */
static inline int sn_not_after(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

#endif
