/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/record.c — node, disk, volume, head, attachment and grave as documents; pages have a
 * file of their own.
 *
 * Every reader decodes everything first and sets *ret only when all of it is right.
 */
#include "metadata/document.h"

#include <string.h>

static bool read_portals(const json_t *list, struct node_record *ret)
{
    if (!list)
        return true;
    if (!json_is_array(list) || json_array_size(list) > NODE_PORTALS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || strlen(text) >= sizeof ret->portals[0])
            return false;
        memcpy(ret->portals[ret->portal_count++], text, strlen(text) + 1);
    }
    return true;
}

enum err node_read(const char *json, struct node_record *ret)
{
    AUTO_JSON *d = NULL;
    struct node_record r = {0};
    enum err err = document_open(json, &d);

    if (err)
        return err;
    if (!member_identity(d, "node", &r.node) || !member_name(d, "name", r.name) ||
        !member_name(d, "rack", r.rack) || !read_portals(json_object_get(d, "portals"), &r))
        return E_DAMAGED;
    *ret = r;
    return E_OK;
}

char *node_write(const struct node_record *r, const char *former)
{
    struct draft d = document_begin(former);
    json_t *portals = json_array();

    set_identity(&d, "node", r->node);
    set_text(&d, "name", r->name);
    set_text(&d, "rack", r->rack);
    for (uint32_t i = 0; i < r->portal_count; i++)
        append_json(&d, portals, json_string(r->portals[i]));
    set_json(&d, "portals", portals);
    return document_finish(&d);
}

enum err disk_read(const char *json, struct disk_record *ret)
{
    AUTO_JSON *d = NULL;
    struct disk_record r = {0};
    enum err err = document_open(json, &d);

    if (err)
        return err;
    if (!member_identity(d, "disk", &r.disk) || !member_identity(d, "node", &r.node) ||
        !member_u64(d, "bytes", &r.bytes) || !member_flag(d, "removed", &r.removed))
        return E_DAMAGED;
    *ret = r;
    return E_OK;
}

char *disk_write(const struct disk_record *r, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "disk", r->disk);
    set_identity(&d, "node", r->node);
    set_u64(&d, "bytes", r->bytes);
    set_flag(&d, "removed", r->removed);
    return document_finish(&d);
}

static bool volume_sane(const struct volume_record *r)
{
    return r->bytes > 0 && r->bytes % 4096 == 0 && r->bytes <= VOLUME_BYTES_MAX &&
           (r->logical_block_bytes == 512 || r->logical_block_bytes == 4096) &&
           r->min_copies >= 1 && r->copies >= r->min_copies && r->copies <= PAGE_REPLICAS_MAX;
}

enum err volume_read(const char *json, struct volume_record *ret)
{
    AUTO_JSON *d = NULL;
    struct volume_record r = {0};
    enum err err = document_open(json, &d);

    if (err)
        return err;
    if (!member_identity(d, "volume", &r.volume) || !member_name(d, "name", r.name) ||
        !member_u64(d, "bytes", &r.bytes) ||
        !member_u32(d, "logical_block_bytes", &r.logical_block_bytes) ||
        !member_u32(d, "copies", &r.copies) || !member_u32(d, "min_copies", &r.min_copies) ||
        !member_u32_or_none(d, "salvaged", &r.salvaged) ||
        !member_flag(d, "deleting", &r.deleting) || !volume_sane(&r))
        return E_DAMAGED;
    *ret = r;
    return E_OK;
}

char *volume_write(const struct volume_record *r, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "volume", r->volume);
    set_text(&d, "name", r->name);
    set_u64(&d, "bytes", r->bytes);
    set_u64(&d, "logical_block_bytes", r->logical_block_bytes);
    set_u64(&d, "copies", r->copies);
    set_u64(&d, "min_copies", r->min_copies);
    set_u64(&d, "salvaged", r->salvaged);
    set_flag(&d, "deleting", r->deleting);
    return document_finish(&d);
}

enum err volume_name_read(const char *json, struct identity *ret_volume)
{
    AUTO_JSON *d = NULL;
    enum err err = document_open(json, &d);

    if (err)
        return err;
    return member_identity(d, "volume", ret_volume) ? E_OK : E_DAMAGED;
}

char *volume_name_write(struct identity volume)
{
    struct draft d = document_begin(NULL);

    set_identity(&d, "volume", volume);
    return document_finish(&d);
}

enum err head_read(const char *json, struct head_record *ret)
{
    AUTO_JSON *d = NULL;
    struct head_record r = {0};
    enum err err = document_open(json, &d);

    if (err)
        return err;
    if (!member_identity(d, "volume", &r.volume) || !member_u64(d, "epoch", &r.epoch) ||
        !member_identity_or_none(d, "primary", &r.primary) ||
        !member_identity_or_none(d, "incarnation", &r.incarnation) ||
        !member_u64(d, "generation", &r.generation) || !member_u64(d, "snapshot", &r.snapshot) ||
        !member_bits(d, "nonce", &r.nonce))
        return E_DAMAGED;
    if (r.epoch == 0 || identity_none(r.primary) != identity_none(r.incarnation))
        return E_DAMAGED;
    *ret = r;
    return E_OK;
}

char *head_write(const struct head_record *r, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "volume", r->volume);
    set_u64(&d, "epoch", r->epoch);
    set_identity(&d, "primary", r->primary);
    set_identity(&d, "incarnation", r->incarnation);
    set_u64(&d, "generation", r->generation);
    set_u64(&d, "snapshot", r->snapshot);
    set_text(&d, "nonce", identity_show((struct identity){r->nonce}).text);
    return document_finish(&d);
}

bool record_chap_word_valid(const char *word)
{
    size_t length = strlen(word);

    return length > 0 && length <= RECORD_CHAP_MAX &&
           strspn(word,
                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~+/=:@-") ==
               length;
}

static bool chap_pair_valid(const char *user, const char *secret)
{
    return record_chap_word_valid(user) && record_chap_word_valid(secret) &&
           strlen(secret) >= RECORD_SECRET_LEAST;
}

bool record_chap_valid(const struct chap_record *chap)
{
    if (!chap->user[0])
        return !chap->secret[0] && !chap->mutual_user[0] && !chap->mutual_secret[0];
    if (!chap_pair_valid(chap->user, chap->secret))
        return false;
    if (!chap->mutual_user[0])
        return !chap->mutual_secret[0];
    return chap_pair_valid(chap->mutual_user, chap->mutual_secret) &&
           strcmp(chap->secret, chap->mutual_secret) != 0;
}

/* A member that may be missing. */
static bool chap_word(const json_t *chap, const char *name, char ret[RECORD_CHAP_MAX + 1])
{
    const json_t *v = json_object_get(chap, name);
    const char *word = json_string_value(v);

    if (!v)
        return true;
    if (!word || strlen(word) > RECORD_CHAP_MAX)
        return false;
    memcpy(ret, word, strlen(word) + 1);
    return true;
}

static bool chap_read(const json_t *d, struct chap_record *ret)
{
    const json_t *chap = json_object_get(d, "chap");

    if (!chap)
        return true;
    return json_is_object(chap) && chap_word(chap, "user", ret->user) &&
           chap_word(chap, "secret", ret->secret) &&
           chap_word(chap, "mutual_user", ret->mutual_user) &&
           chap_word(chap, "mutual_secret", ret->mutual_secret) && ret->user[0] &&
           record_chap_valid(ret);
}

static json_t *chap_json(const struct chap_record *chap)
{
    if (!chap->mutual_user[0])
        return json_pack("{ss ss}", "user", chap->user, "secret", chap->secret);
    return json_pack("{ss ss ss ss}", "user", chap->user, "secret", chap->secret, "mutual_user",
                     chap->mutual_user, "mutual_secret", chap->mutual_secret);
}

/* Documents from before there were deadlines have none of their own. */
static bool deadline_read(const json_t *d, uint32_t *ret)
{
    *ret = ATTACHMENT_DEADLINE_S;
    if (!json_object_get(d, "deadline_seconds"))
        return true;
    return member_u32(d, "deadline_seconds", ret) && *ret <= ATTACHMENT_DEADLINE_S_MAX;
}

enum err attachment_read(const char *json, struct attachment_record *ret)
{
    AUTO_JSON *d = NULL;
    struct attachment_record r = {0};
    const char *initiator;
    enum err err = document_open(json, &d);

    if (err)
        return err;
    initiator = json_string_value(json_object_get(d, "initiator"));
    if (!initiator || !record_initiator_valid(initiator) ||
        !member_identity(d, "attachment", &r.attachment) ||
        !member_identity(d, "volume", &r.volume) || !member_flag(d, "shared", &r.shared) ||
        !member_flag(d, "read_only", &r.read_only) || !member_flag(d, "ending", &r.ending) ||
        !deadline_read(d, &r.deadline_seconds) || !chap_read(d, &r.chap))
        return E_DAMAGED;
    memcpy(r.initiator, initiator, strlen(initiator) + 1);
    *ret = r;
    return E_OK;
}

char *attachment_write(const struct attachment_record *r, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "attachment", r->attachment);
    set_identity(&d, "volume", r->volume);
    set_text(&d, "initiator", r->initiator);
    set_flag(&d, "shared", r->shared);
    set_flag(&d, "read_only", r->read_only);
    set_u64(&d, "deadline_seconds", r->deadline_seconds);
    set_flag(&d, "ending", r->ending);
    if (r->chap.user[0])
        set_json(&d, "chap", chap_json(&r->chap));
    return document_finish(&d);
}

enum err grave_read(const char *json, struct grave_record *ret)
{
    AUTO_JSON *d = NULL;
    struct grave_record r = {0};
    enum err err = document_open(json, &d);

    if (err)
        return err;
    if (!member_identity(d, "replica", &r.replica) || !member_identity(d, "node", &r.node) ||
        !member_identity(d, "disk", &r.disk))
        return E_DAMAGED;
    *ret = r;
    return E_OK;
}

char *grave_write(const struct grave_record *r, const char *former)
{
    struct draft d = document_begin(former);

    set_identity(&d, "replica", r->replica);
    set_identity(&d, "node", r->node);
    set_identity(&d, "disk", r->disk);
    return document_finish(&d);
}
