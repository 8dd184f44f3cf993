/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/records.h — what the cluster knows, and the one door to it (design 10).
 *
 * Records are JSON documents under ordered keys with a revision each.  The structs below are what
 * this version understands of them; record.c turns one into the other and keeps what it does not
 * know.  `struct records` is the door: a keeper implements it in metad, an HTTP client in
 * storaged, a lossy link in simulation; agent, arbiter and controller know nothing else.
 *
 * Keys:  node/<node>  disk/<disk>  volume/<volume>  volume-name/<name>  head/<volume>
 *        page/<volume>/<index, 4 digits>  attachment/<volume>/<attachment>  grave/<node>/<replica>
 */
#ifndef METADATA_RECORDS_H
#define METADATA_RECORDS_H

#include "base/err.h"
#include "base/identity.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_KEY_MAX        160u
#define RECORD_VALUE_MAX      (64u << 10)
#define RECORD_NAME_MAX       64u /* of volumes, nodes, racks: [a-z0-9][a-z0-9.-]* */
#define RECORD_INITIATOR_MAX  224u
#define RECORD_IQN_PREFIX_MAX 79u
#define RECORD_CHAP_MAX       128u
#define RECORD_SECRET_LEAST   12u /* RFC 7143 9.2.1: 96 bits */
#define RECORD_VERSION        1u
#define RECORDS_WHY_MAX       160u
#define NODE_PORTALS_MAX      4u
#define PAGE_SHARDS           64u
#define PAGE_REPLICAS_MAX     8u
#define PAGE_DISKS_MAX        64u
#define COMPARES_MAX          100u
#define PUTS_MAX              100u
#define TRANSACTION_BYTES_MAX (1u << 20)

#define SHARD_BYTES           (8ull << 30)
#define VOLUME_PAGES_MAX      64u /* one transaction makes them all */
#define VOLUME_BYTES_MAX      (SHARD_BYTES * PAGE_SHARDS * VOLUME_PAGES_MAX)

/* ---- the records ---- */

struct node_record {
    struct identity node;
    char name[RECORD_NAME_MAX + 1];
    char rack[RECORD_NAME_MAX + 1];
    uint32_t portal_count;
    char portals[NODE_PORTALS_MAX][64]; /* where its target answers, as "127.0.0.1:3260" */
};

struct disk_record {
    struct identity disk, node;
    uint64_t bytes; /* of the device */
    bool removed;   /* a human said that it does not come back; it goes when nothing names it */
};

struct volume_record {
    struct identity volume;
    char name[RECORD_NAME_MAX + 1];
    uint64_t bytes;
    uint32_t logical_block_bytes; /* 512 or 4096 */
    uint32_t copies, min_copies;
    uint32_t salvaged; /* shards, by a human's command, so far */
    bool deleting;
};

/* {epoch, primary, generation, newest snapshot, nonce} (design 2). */
struct head_record {
    struct identity volume;
    uint64_t epoch;
    struct identity primary;     /* node; none: nobody yet */
    struct identity incarnation; /* the process on it      */
    uint64_t generation;         /* 0: no set was recorded yet */
    uint64_t snapshot;
    uint64_t nonce;
};

struct page_replica {
    struct identity replica;
    uint32_t disk; /* place in the page's list of disks */
    bool in_sync;
    uint64_t behind; /* a generation; 0: has nothing */
    /* Salvage (design 6.7): the replica that takes this identity when its node has seen the record;
     * none: it was made as it is. */
    struct identity former;
};

struct page_shard {
    bool is_new; /* no set was recorded yet */
    uint32_t replica_count;
    struct page_replica replicas[PAGE_REPLICAS_MAX];
};

/* 64 shards with their replicas; the disks are listed once. */
struct page_record {
    struct identity volume;
    uint32_t index;
    uint32_t disk_count, shard_count;
    struct {
        struct identity disk, node;
    } disks[PAGE_DISKS_MAX];
    struct page_shard shards[PAGE_SHARDS];
};

/* What an initiator proves at login (RFC 7143 12.1.3), and what the target proves to it. */
struct chap_record {
    char user[RECORD_CHAP_MAX + 1]; /* empty: no CHAP */
    char secret[RECORD_CHAP_MAX + 1];
    char mutual_user[RECORD_CHAP_MAX + 1]; /* empty: one-way */
    char mutual_secret[RECORD_CHAP_MAX + 1];
};

struct attachment_record {
    struct identity attachment, volume;
    char initiator[RECORD_INITIATOR_MAX];
    struct chap_record chap;
    bool shared; /* others may be attached too; else exclusive */
    bool read_only;
    uint32_t deadline_seconds; /* of a command, then BUSY (design 8); 0: none */
    bool ending; /* detach was recorded: no new session; it goes when the primary has drained it */
};

/* Orders one replica's deletion, by identity (P8). */
struct grave_record {
    struct identity replica, node, disk;
};

#define ATTACHMENT_DEADLINE_S     25u /* of one that says nothing */
#define ATTACHMENT_DEADLINE_S_MAX 3600u

/* [a-z0-9][a-z0-9.-]*, at most RECORD_NAME_MAX; 16 hex digits are an identity and no name. */
bool record_name_valid(const char *name);
/* iqn., eui. or naa., then letters, digits and . : - _ ; shorter than RECORD_INITIATOR_MAX. */
bool record_initiator_valid(const char *initiator);
/* iqn.yyyy-mm.name (RFC 7143 4.2.7.4) of a-z 0-9 . - :, at most RECORD_IQN_PREFIX_MAX: what metad
 * and every node begin a target's name with. */
bool record_iqn_prefix_valid(const char *prefix);
/* 1 to RECORD_CHAP_MAX of [A-Za-z0-9._~+/=:@-]: nothing that any initiator's form must quote. */
bool record_chap_word_valid(const char *word);
/* Users are words, secrets words of RECORD_SECRET_LEAST bytes and more; both directions differ. */
bool record_chap_valid(const struct chap_record *chap);

static inline uint32_t volume_shards(uint64_t bytes)
{
    return (uint32_t)((bytes + SHARD_BYTES - 1) / SHARD_BYTES);
}

/* ---- keys ---- */

struct record_key {
    char text[RECORD_KEY_MAX];
};
struct record_key node_key(struct identity node);
struct record_key disk_key(struct identity disk);
struct record_key volume_key(struct identity volume);
struct record_key volume_name_key(const char *name);
struct record_key head_key(struct identity volume);
struct record_key page_key(struct identity volume, uint32_t index);
struct record_key attachment_key(struct identity volume, struct identity attachment);
struct record_key grave_key(struct identity node, struct identity replica);

/* ---- between documents and structs ---- */

/*
 * read: E_DAMAGED: not a document of this kind; E_UNSUPPORTED: its "incompat" names something this
 * version does not know.  *ret is set only on success.
 * write: a new document (NUL-terminated, free() it), or NULL without memory, never a part of it;
 * `former` (may be NULL) is the document that it replaces: fields unknown to this version are
 * carried over, and NULL comes of one that is no JSON object.
 */
enum err node_read(const char *json, struct node_record *ret);
enum err disk_read(const char *json, struct disk_record *ret);
enum err volume_read(const char *json, struct volume_record *ret);
enum err head_read(const char *json, struct head_record *ret);
enum err page_read(const char *json, struct page_record *ret);
enum err attachment_read(const char *json, struct attachment_record *ret);
enum err grave_read(const char *json, struct grave_record *ret);
/* volume-name/<name>: whose name it is. */
enum err volume_name_read(const char *json, struct identity *ret_volume);
char *volume_name_write(struct identity volume);
char *node_write(const struct node_record *r, const char *former);
char *disk_write(const struct disk_record *r, const char *former);
char *volume_write(const struct volume_record *r, const char *former);
char *head_write(const struct head_record *r, const char *former);
char *page_write(const struct page_record *p, const char *former);
char *attachment_write(const struct attachment_record *r, const char *former);
char *grave_write(const struct grave_record *r, const char *former);

/* ---- the door ---- */

struct record {
    char key[RECORD_KEY_MAX];
    uint64_t revision; /* of its last change */
    char *value;       /* JSON, if it is not damaged; NULL in a watch: deleted */
};
/* E_DAMAGED, E_UNSUPPORTED: as its reader says, or its key is not the one that its value belongs
 * under; E_NOT_FOUND: of no kind that this version knows. */
enum err record_check(const struct record *r);

#define RECORD_KINDS      8u
#define CENSUS_KEYS_SHOWN 3u
#define CENSUS_KEYS_BYTES 256u /* three of the longest, and more */
extern const char
    *const record_kinds[RECORD_KINDS]; /* "attachment", …: what their keys begin with */

/* How many there are of each kind, and those that record_check() refuses; the first of their keys,
 * as plain ASCII: "volume/…, page/…". */
struct record_census {
    uint32_t counts[RECORD_KINDS];
    uint32_t unreadable;
    char keys[CENSUS_KEYS_BYTES];
};

/* Owned by the call that it came in, until record_list_free(). */
struct record_list {
    struct record *records;
    uint32_t count;
    uint64_t revision; /* of the keeper, when it was read */
};
void record_list_free(struct record_list *l);
void record_census(const struct record_list *all, struct record_census *ret);
must_check enum err record_list_add(struct record_list *l, const char *key, uint64_t revision,
                                    const char *value);
/* In a list that a range gave, by key: the record (NULL: not there); and those whose keys begin
 * with `prefix`, as a part of the list that owns nothing. */
struct record *record_list_find(const struct record_list *l, const char *key);
struct record_list record_list_part(const struct record_list *l, const char *prefix);

struct record_compare {
    char key[RECORD_KEY_MAX];
    uint64_t revision; /* 0: it must not be there */
};

struct record_put {
    char key[RECORD_KEY_MAX];
    char *value; /* NULL: delete.  Owned by the transaction */
};

struct record_transaction {
    struct record_compare compares[COMPARES_MAX];
    struct record_put puts[PUTS_MAX];
    uint32_t compare_count, put_count;
};
void transaction_init(struct record_transaction *t);
void transaction_done(struct record_transaction *t); /* frees the values */
/* On the heap, for it is large; NULL: no memory.  transaction_free() takes NULL, too. */
struct record_transaction *transaction_new(void);
void transaction_free(struct record_transaction *t);
/* E_TOO_LARGE past the limits; put takes `value` in every case. */
enum err transaction_compare(struct record_transaction *t, struct record_key key,
                             uint64_t revision);
enum err transaction_put(struct record_transaction *t, struct record_key key, char *value);
enum err transaction_delete(struct record_transaction *t, struct record_key key);
/* For keepers, before they act: E_INVALID: a key that is none, or put twice; E_TOO_LARGE. */
enum err transaction_check(const struct record_transaction *t);

enum records_op { RECORDS_RANGE, RECORDS_TRANSACT, RECORDS_WATCH };

/*
 * One call.  Memory is the caller's until `done`, which comes once, never inside the call.
 *   RANGE     every record whose key begins with `prefix` → list
 *   TRANSACT  all puts if every compare holds → revision; E_CONFLICT: nothing changed;
 *             E_IN_DOUBT: the answer was lost, either may have happened
 *   WATCH     changes after `revision` under `prefix`; waits up to wait_ms for the first; an empty
 *             list means none came → list (newest state of each key; list.revision: go on from
 *             there); E_COMPACTED: too old, read again
 */
struct records_call {
    enum records_op op;
    char prefix[RECORD_KEY_MAX];
    uint64_t revision;
    uint32_t wait_ms;
    struct record_transaction *transaction;
    void (*done)(struct records_call *, enum err);

    struct record_list list;
    char why[RECORDS_WHY_MAX]; /* of an error, in the other side's words; empty: it said nothing */
    struct list link;          /* the implementation's */
    void *below;
};

struct records {
    void (*call)(struct records *, struct records_call *);
};

#endif
