/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/iscsi_target.h — the iSCSI target (RFC 7143, ErrorRecoveryLevel 0; design 8).
 *
 * Listens on portals, logs initiators in, and turns their SCSI commands into requests on a
 * `struct block`.  One volume is one target, LUN 0.  Where a name lives is asked of a directory.
 * It sees nothing of volumes, replication or stores.  All calls belong to the env's reactor.
 *
 * Each reactor may have a target of its own.  Who knows where a name lives is the directory of the
 * targets with portals, on their reactor; a login whose block belongs to another reactor's target
 * goes there (handover.c), and its session with it.  Such a target needs neither portals nor
 * directory.  Those that hand over are closed before those that they hand to.
 *
 * Promises: T1  every length and offset from the wire is checked against what was granted before a
 *               byte is placed or allocated.
 *           T2  memory is that of the limits, taken when opened, never exceeded; being out of it
 *               has a polite form (a narrower window, TASK SET FULL, a login refused with 0x0302).
 *           T3  a garbage connection is closed or answered; no other session notices.
 *           T4  a command that was handed to the block is never recalled (P6); one that was not is
 *               dropped when its session ends.
 *           T5  a login that was handed over is let in as the directory said when it left, unless
 *               a drain that was asked for behind that, by mail from the same reactor, ends it.
 */
#ifndef ISCSI_TARGET_ISCSI_TARGET_H
#define ISCSI_TARGET_ISCSI_TARGET_H

#include "base/block.h"
#include "env/env.h"

#define ISCSI_NAME_MAX 224 /* RFC 7143 4.2.7.1: 223 bytes, and the NUL */
#define ISCSI_CHAP_MAX 256 /* a CHAP name or secret, and the NUL */

/* ---- where a name lives ---- */

enum directory_where {
    DIRECTORY_STARTING,  /* records were not read yet: 0x0301                    */
    DIRECTORY_UNKNOWN,   /* no target has this name: 0x0203                      */
    DIRECTORY_FORBIDDEN, /* the target is known, but not for this initiator: 0x0202 */
    DIRECTORY_ELSEWHERE, /* `address` is its portal now: 0x0101                  */
    DIRECTORY_HERE,      /* `block` is it                                        */
};

/* What an initiator has to prove, and what it may ask us to prove (RFC 7143 12.1.3). */
struct iscsi_chap {
    char user[ISCSI_CHAP_MAX]; /* empty: it is let in without CHAP */
    char secret[ISCSI_CHAP_MAX];
    char mutual_user[ISCSI_CHAP_MAX];   /* what we say who we are … */
    char mutual_secret[ISCSI_CHAP_MAX]; /* … empty: who asks for a proof is refused */
};

struct directory_answer {
    enum directory_where where;
    struct net_address address;
    struct block *block;
    struct iscsi_target *home;  /* whose reactor is the block's; NULL: that of who asks */
    struct identity attachment; /* under which the initiator is let in */
    struct iscsi_chap chap;     /* the attachment's; true where `where` is not UNKNOWN */
    bool read_only;
    uint32_t deadline_seconds; /* a command not answered by then is told BUSY; 0: it never is */
    char alias[65];            /* TargetAlias: the volume's name */
};

struct directory {
    /* At once, from memory.  Names are normalised (lower case) and end with NUL. */
    void (*find)(struct directory *, const char *target, const char *initiator,
                 struct directory_answer *ret);
    /* SendTargets: calls `each` for every target that the initiator may see; `portal` is where it
     * can log in (a portal of this node). */
    void (*list)(struct directory *, const char *initiator,
                 void (*each)(void *arg, const char *target, const char *portal), void *arg);
};

/* ---- the target ---- */

struct iscsi_limits {
    uint32_t sessions_max;
    uint32_t commands_max; /* of all sessions together                        */
    uint32_t window;       /* commands of one session: MaxCmdSN - ExpCmdSN + 1 */
    uint64_t buffer_bytes; /* data of commands, all sessions                  */
    uint32_t max_recv_data_segment_length;
    uint32_t first_burst_length, max_burst_length, max_outstanding_r2t;
    uint32_t transfer_bytes_max; /* of one command: VPD B0 MAXIMUM TRANSFER LENGTH  */
    uint32_t login_seconds_max;  /* a half-open login lives so long                 */
    uint32_t half_open_max;
};
struct iscsi_limits iscsi_limits_small(void);
uint64_t iscsi_limits_bytes(const struct iscsi_limits *l);

struct iscsi_config {
    struct net_address portals[4];
    uint32_t portal_count;
    uint16_t portal_group_tag;
    struct iscsi_limits limits;
};

struct iscsi_target;

/* E_BUSY: a portal's port is taken; *reterr_portal says which (its index).  Without portals the
 * directory may be NULL: it is not asked. */
must_check enum err iscsi_target_open(struct env *env, const struct iscsi_config *config,
                                      struct directory *directory, struct iscsi_target **ret,
                                      uint32_t *reterr_portal);
/* With the port that was given. */
const struct net_address *iscsi_target_portal(const struct iscsi_target *t, uint32_t index);

/*
 * Ends sessions: all on `block` if attachment is none, else those of that attachment.  What was
 * not handed to the block is dropped; `done` when everything handed on was answered below and no
 * such session is left.  The directory refuses new ones before this is called, or before the mail
 * is sent that calls it on another reactor; logins on their way are ended with the rest (T5).
 *
 * With logout_seconds, for a planned move: initiators are asked to log out and have so long, in
 * which what was handed on is answered; whoever still stays is ended then.  Without, at once.
 */
struct iscsi_drain {
    struct block *block;
    struct identity attachment;
    uint16_t logout_seconds;
    void (*done)(struct iscsi_drain *);
    struct list link;
};
void iscsi_target_drain(struct iscsi_target *t, struct iscsi_drain *d);

/* Sessions logged in under an attachment, for status. */
uint32_t iscsi_target_sessions(const struct iscsi_target *t, struct identity attachment);

/* Ends everything; done when nothing is left; then iscsi_target_free(). */
struct iscsi_close {
    void (*done)(struct iscsi_close *);
    uint16_t logout_seconds; /* as a drain's */
};
void iscsi_target_close(struct iscsi_target *t, struct iscsi_close *c);
void iscsi_target_free(struct iscsi_target *t);

/* The target name of a volume: prefix, colon, identity in lower-case hex (design 8).  ret holds
 * ISCSI_NAME_MAX.  iscsi_target_volume() is the way back: false if it is no such name. */
#define ISCSI_PREFIX "iqn.2026-11.internal.dolmen"
void iscsi_target_name(const char *prefix, struct identity volume, char *ret);
bool iscsi_target_volume(const char *prefix, const char *target, struct identity *ret);

#endif
