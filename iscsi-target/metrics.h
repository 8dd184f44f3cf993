/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/metrics.h — what a target counts, and what it tells of each session.
 *
 * Overload is visible (iscsi.md 3.2, 13): how long windows stood shut, who was told to come again,
 * how long pings and task management waited.  A latency is from the turn of the loop in which a PDU
 * came to the one in which its answer was made; the number of commands is the histogram's count.
 */
#ifndef ISCSI_TARGET_METRICS_H
#define ISCSI_TARGET_METRICS_H

#include "base/metric.h"
#include "iscsi-target/iscsi_target.h"

/* clang-format off */
#define ISCSI_METRICS(X)                                                                          \
    X(HISTOGRAM, read_seconds,     "READ commands, from their PDU to their status.")              \
    X(HISTOGRAM, write_seconds,    "WRITE, UNMAP and whatever else changes data, from their PDU to their status.") \
    X(HISTOGRAM, other_seconds,    "All other SCSI commands, from their PDU to their status.")    \
    X(COUNTER,   read_bytes,       "Data that READ commands brought.")                            \
    X(COUNTER,   write_bytes,      "Data that came with commands which change data.")             \
    X(COUNTER,   check_conditions, "Commands that ended with CHECK CONDITION.")                   \
    X(COUNTER,   status_busy,      "Commands that ended with BUSY.")                              \
    X(COUNTER,   task_set_full,    "Commands that ended with TASK SET FULL.")                     \
    X(COUNTER,   expired,          "Commands that were told BUSY at the deadline of their attachment, or whose data did not come.") \
    X(COUNTER,   late_answers,     "Answers of the block that came after a command was told BUSY, and were told nobody.") \
    X(COUNTER,   turned_away,      "Commands that were told BUSY because another session reset the unit or cleared its task set.") \
    X(COUNTER,   memory_waits,     "Commands that waited for memory for their data.")             \
    X(COUNTER,   window_shut_seconds, "How long command windows stood shut, all sessions together.") \
    X(COUNTER,   windows_opened_late, "Windows that stayed shut, and were opened for commands which are told TASK SET FULL.") \
    X(HISTOGRAM, ping_seconds,     "NOP-Outs, from their PDU to our answer.")                     \
    X(COUNTER,   pings_sent,       "NOP-Ins of our own.")                                         \
    X(COUNTER,   pings_answered,   "NOP-Ins of our own that asked for an answer and got it.")     \
    X(COUNTER,   gated_writes,     "Commands that waited for a ping's answer, for they may have been old.") \
    X(HISTOGRAM, tmf_seconds,      "Task management functions, from their PDU to our answer.")    \
    X(GAUGE,     sessions,         "Sessions that are logged in, discovery included.")            \
    X(GAUGE,     half_open,        "Connections that have not logged in yet.")                    \
    X(COUNTER,   logins,           "Logins that led to a session.")                               \
    X(COUNTER,   logins_moved,     "Logins that were sent to another portal (0101).")             \
    X(COUNTER,   logins_denied,    "Logins that did not prove who they are, or may not (0201, 0202).") \
    X(COUNTER,   logins_refused,   "Logins that were refused for any other mistake (02xx).")      \
    X(COUNTER,   logins_unavailable, "Logins that found us starting, or full (03xx).")            \
    X(COUNTER,   connections_refused, "Connections that found no room and were closed.")          \
    X(COUNTER,   silent_ends,      "Sessions that ended after a minute in which not a byte came, or none was taken.")          \
    X(COUNTER,   unproved_ends,    "Sessions that ended because a ping stayed unanswered: a newer one of the name was there, or for a minute.") \
    X(COUNTER,   rejects,          "PDUs that were answered with a Reject.")

#define ISCSI_SESSION_METRICS(X)                                                                  \
    X(HISTOGRAM, read_seconds,     "READ commands, from their PDU to their status.")              \
    X(HISTOGRAM, write_seconds,    "Commands that change data, from their PDU to their status.")  \
    X(COUNTER,   read_bytes,       "Data that READ commands brought.")                            \
    X(COUNTER,   write_bytes,      "Data that came with commands which change data.")             \
    X(COUNTER,   told_again,       "Commands that ended with BUSY or TASK SET FULL.")             \
    X(COUNTER,   window_shut_seconds, "How long its command window stood shut.")
/* clang-format on */
METRICS_STRUCT(iscsi_metrics, ISCSI_METRICS);
METRICS_STRUCT(iscsi_session_metrics, ISCSI_SESSION_METRICS);
extern const struct metric_table iscsi_metric_table, iscsi_session_metric_table;

/* Read by any thread, while the target is open. */
const struct iscsi_metrics *iscsi_target_metrics(const struct iscsi_target *t);

/* A normal session at this moment. */
struct iscsi_session_info {
    char initiator[ISCSI_NAME_MAX];
    char alias[65]; /* the volume's name */
    struct identity volume, attachment;
    struct net_address address; /* the initiator's */
    uint8_t isid[6];
    uint16_t tsih;
    bool read_only;
    uint32_t outstanding;                  /* commands that are not over */
    uint32_t window;                       /* commands it may have outstanding */
    uint64_t received_us_ago, sent_us_ago; /* the last bytes */
    struct iscsi_session_metrics metrics;
};

/* Fills `ret` with at most `max` sessions; how many there are.  On the target's reactor. */
uint32_t iscsi_target_tell(const struct iscsi_target *t, struct iscsi_session_info *ret,
                           uint32_t max);

#endif
