/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/key.c — the ordered keys, and the names that may stand in records. */
#include "metadata/records.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct record_key node_key(struct identity node)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "node/%s", identity_show(node).text);
    return k;
}

struct record_key disk_key(struct identity disk)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "disk/%s", identity_show(disk).text);
    return k;
}

struct record_key volume_key(struct identity volume)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "volume/%s", identity_show(volume).text);
    return k;
}

struct record_key volume_name_key(const char *name)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "volume-name/%.*s", (int)RECORD_NAME_MAX, name);
    return k;
}

struct record_key head_key(struct identity volume)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "head/%s", identity_show(volume).text);
    return k;
}

struct record_key page_key(struct identity volume, uint32_t index)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "page/%s/%04u", identity_show(volume).text, index);
    return k;
}

struct record_key attachment_key(struct identity volume, struct identity attachment)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "attachment/%s/%s", identity_show(volume).text,
             identity_show(attachment).text);
    return k;
}

struct record_key grave_key(struct identity node, struct identity replica)
{
    struct record_key k;

    snprintf(k.text, sizeof k.text, "grave/%s/%s", identity_show(node).text,
             identity_show(replica).text);
    return k;
}

bool record_name_valid(const char *name)
{
    size_t length = strlen(name);
    struct identity id;

    if (length == 0 || length > RECORD_NAME_MAX || identity_parse(name, &id))
        return false;
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');

        if (!letter && (c == name || (*c != '.' && *c != '-')))
            return false;
    }
    return true;
}

bool record_initiator_valid(const char *initiator)
{
    size_t length = strlen(initiator);

    if (length < 5 || length >= RECORD_INITIATOR_MAX)
        return false;
    if (strncmp(initiator, "iqn.", 4) != 0 && strncmp(initiator, "eui.", 4) != 0 &&
        strncmp(initiator, "naa.", 4) != 0)
        return false;
    for (const char *c = initiator; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr(".:-_", *c))
            return false;
    }
    return true;
}

/* 'd': a digit; anything else: itself. */
static bool follows(const char *text, const char *form)
{
    for (; *form; form++, text++) {
        if (*form == 'd' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    }
    return true;
}

bool record_iqn_prefix_valid(const char *prefix)
{
    const char *month, *name;

    if (strlen(prefix) > RECORD_IQN_PREFIX_MAX || !follows(prefix, "iqn.dddd-dd."))
        return false;
    month = prefix + strlen("iqn.yyyy-");
    name = month + strlen("mm.");
    return strncmp(month, "00", 2) != 0 && strncmp(month, "12", 2) <= 0 &&
           (islower((unsigned char)*name) || isdigit((unsigned char)*name)) &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-:")] == '\0';
}
