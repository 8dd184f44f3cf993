/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/err.h — what can go wrong, in a small vocabulary; a class says what the caller does.
 *
 * Functions of the data path return `enum err`; no text is formatted on the way.  Where an error
 * leaves the house there is one table per exit (SCSI sense, HTTP status, login status).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_class {
    ERR_NONE,    /* nothing is wrong                                     */
    ERR_RETRY,   /* try again, or elsewhere                              */
    ERR_DATA,    /* bytes are lost or rotten: repair, tell the operator  */
    ERR_LIMIT,   /* out of something: back off, alert                    */
    ERR_REFUSED, /* the asker's mistake                                  */
    ERR_BROKEN,  /* a part of the machine does not work                  */
};

/* clang-format off */
#define ERR_LIST(X)                                                              \
    X(OK,            NONE,    "success")                                         \
    X(NOT_PRIMARY,   RETRY,   "this process is not the volume's primary")        \
    X(STALE_EPOCH,   RETRY,   "the sender's epoch is older than ours")           \
    X(NO_QUORUM,     RETRY,   "too few replicas are in sync")                    \
    X(NOT_READY,     RETRY,   "it is not open yet")                              \
    X(BUSY,          RETRY,   "it is busy")                                      \
    X(TIMED_OUT,     RETRY,   "no answer came in time")                          \
    X(UNREACHABLE,   RETRY,   "the peer cannot be reached")                      \
    X(IN_DOUBT,      RETRY,   "the outcome is unknown")                          \
    X(CONFLICT,      RETRY,   "it conflicts with what is there now")             \
    X(COMPACTED,     RETRY,   "the watch is too old: read again")                \
    X(CLOSED,        RETRY,   "it was closed before an answer")                  \
    X(MEDIUM,        DATA,    "a block failed its checksum")                     \
    X(DAMAGED,       DATA,    "what is on the disk fails its own check")         \
    X(NO_SPACE,      LIMIT,   "no free space is left")                           \
    X(NO_MEMORY,     LIMIT,   "memory for it was not set aside")                 \
    X(TOO_LARGE,     LIMIT,   "it is larger than the limit")                     \
    X(LBA_RANGE,     REFUSED, "the address is past the end of the volume")       \
    X(INVALID,       REFUSED, "the request makes no sense")                      \
    X(UNSUPPORTED,   REFUSED, "this version does not know it")                   \
    X(NOT_FOUND,     REFUSED, "there is no such thing")                          \
    X(EXISTS,        REFUSED, "it exists already")                               \
    X(FORBIDDEN,     REFUSED, "the asker may not do this")                       \
    X(READ_ONLY,     REFUSED, "it is read-only")                                 \
    X(MISCOMPARE,    REFUSED, "the data compared are not the same")              \
    X(FOREIGN,       REFUSED, "the disk holds something else")                   \
    X(CONFIG,        REFUSED, "the configuration is wrong")                      \
    X(DISK,          BROKEN,  "the disk answered with an error")                 \
    X(SYSTEM,        BROKEN,  "the operating system refused")

#define ERR_ENUM(name, class, text) E_##name,
enum err { ERR_LIST(ERR_ENUM) };
#undef ERR_ENUM
/* clang-format on */

#define must_check __attribute__((warn_unused_result))

const char *err_name(enum err err); /* "NO_SPACE" */
const char *err_text(enum err err); /* "no free space is left" */
enum err_class err_class(enum err err);

/* The err that says best what an errno value means. */
enum err err_of_errno(int number);

/* errno of a file that could not be read; EISDIR where it is a folder, of which a reader by stdio
 * may say anything. */
int errno_of_file(const char *path);

#endif
