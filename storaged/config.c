/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/config.c — reads the file against a table of keys, strictly.
 *
 * Every key of the file must be in the table; every row is read by its own function, which checks
 * type and bounds.  The first mistake ends the reading.
 */
#include "storaged/config.h"

#include "base/size.h"
#include "storaged/status.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const char *path;
    struct node_config *config;
    struct config_problem *problem;
};

struct key {
    const char *name;
    bool needed;
    bool (*read)(struct reader *, const config_setting_t *);
};

static bool wrong(struct reader *r, unsigned line, const char *what, ...) printf_like(3, 4);

static bool wrong(struct reader *r, unsigned line, const char *what, ...)
{
    char text[CONFIG_PROBLEM_MAX - 100], place[24] = "";
    va_list args;

    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    if (line > 0)
        snprintf(place, sizeof place, "%u: ", line);
    snprintf(r->problem->text, sizeof r->problem->text, "%s:%s%s%s", r->path, line > 0 ? "" : " ",
             place, text);
    return false;
}

static unsigned line_of(const config_setting_t *s)
{
    return config_setting_source_line(s);
}

static const char *name_of(const config_setting_t *s)
{
    const char *name = config_setting_name(s);

    return name ? name : "value";
}

/* A string of 1 to room - 1 bytes. */
static bool read_text(struct reader *r, const config_setting_t *s, char *ret, size_t room)
{
    const char *text;

    if (config_setting_type(s) != CONFIG_TYPE_STRING)
        return wrong(r, line_of(s), "%s is a string in quotes", name_of(s));
    text = config_setting_get_string(s);
    if (!*text)
        return wrong(r, line_of(s), "%s is empty", name_of(s));
    if (strlen(text) >= room)
        return wrong(r, line_of(s), "%s is longer than %zu bytes", name_of(s), room - 1);
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

/* As records have names: [a-z0-9][a-z0-9.-]* */
static bool read_name(struct reader *r, const config_setting_t *s, char *ret)
{
    if (!read_text(r, s, ret, RECORD_NAME_MAX + 1))
        return false;
    for (const char *c = ret; *c; c++) {
        bool plain = islower((unsigned char)*c) || isdigit((unsigned char)*c);

        if (!plain && (c == ret || !strchr(".-", *c)))
            return wrong(r, line_of(s),
                         "%s is lower-case letters, digits, dots and dashes, not \"%s\"",
                         name_of(s), ret);
    }
    return true;
}

static bool read_dir(struct reader *r, const config_setting_t *s)
{
    return read_text(r, s, r->config->dir, sizeof r->config->dir);
}

static bool read_node_name(struct reader *r, const config_setting_t *s)
{
    return read_name(r, s, r->config->name);
}

static bool read_rack(struct reader *r, const config_setting_t *s)
{
    return read_name(r, s, r->config->rack);
}

static bool read_metad(struct reader *r, const config_setting_t *s)
{
    char *url = r->config->metad;

    if (!read_text(r, s, url, sizeof r->config->metad))
        return false;
    if (strncmp(url, "http://", 7) != 0 || url[7] == '\0')
        return wrong(r, line_of(s), "metad is \"http://address:port\", not \"%s\"", url);
    for (size_t end = strlen(url); end > 7 && url[end - 1] == '/'; end--)
        url[end - 1] = '\0';
    return true;
}

static bool read_status(struct reader *r, const config_setting_t *s)
{
    const char *text = config_setting_get_string(s);
    char *status = r->config->status, why[160];

    if (text && (*text == '\0' || strcmp(text, "none") == 0)) {
        *status = '\0';
        return true;
    }
    if (!read_text(r, s, status, sizeof r->config->status))
        return false;
    return !status_listen_check(status, why) || wrong(r, line_of(s), "status: %s", why);
}

static bool read_iqn_prefix(struct reader *r, const config_setting_t *s)
{
    char *prefix = r->config->iqn_prefix;

    if (!read_text(r, s, prefix, sizeof r->config->iqn_prefix))
        return false;
    if (strncmp(prefix, "iqn.", 4) != 0)
        return wrong(r, line_of(s), "iqn_prefix begins with \"iqn.\" (RFC 7143 4.2.7.4)");
    for (const char *c = prefix; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr(".-:", *c))
            return wrong(r, line_of(s),
                         "iqn_prefix is lower-case letters, digits, dots, dashes and colons");
    return true;
}

static bool read_profile(struct reader *r, const config_setting_t *s)
{
    if (!read_text(r, s, r->config->profile, sizeof r->config->profile))
        return false;
    if (strcmp(r->config->profile, "small") != 0)
        return wrong(r, line_of(s), "profile is \"small\", not \"%s\"", r->config->profile);
    return true;
}

static bool read_count(struct reader *r, const config_setting_t *s, uint32_t most, uint32_t *ret)
{
    long long value = config_setting_get_int64(s);

    if (config_setting_is_number(s) != CONFIG_TRUE || config_setting_type(s) == CONFIG_TYPE_FLOAT)
        return wrong(r, line_of(s), "%s is a number from 1 to %u", name_of(s), most);
    if (value < 1 || value > most)
        return wrong(r, line_of(s), "%s is 1 to %u, not %lld", name_of(s), most, value);
    *ret = (uint32_t)value;
    return true;
}

static bool read_scrub_days(struct reader *r, const config_setting_t *s)
{
    return read_count(r, s, SCRUB_DAYS_MOST, &r->config->scrub_days);
}

static bool read_scrub_mib(struct reader *r, const config_setting_t *s)
{
    return read_count(r, s, SCRUB_MIB_MOST, &r->config->scrub_mib_per_second);
}

/* How many members it has; 0: it is not that kind of list, or out of bounds (said). */
static uint32_t members_of(struct reader *r, const config_setting_t *s, uint32_t most)
{
    int count;

    if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
        wrong(r, line_of(s), "%s is a list", name_of(s));
        return 0;
    }
    count = config_setting_length(s);
    if (count < 1 || count > (int)most) {
        wrong(r, line_of(s), "%s has 1 to %u members, not %d", name_of(s), most, count);
        return 0;
    }
    return (uint32_t)count;
}

/* A login elsewhere is sent to this address: it must be one that can be reached. */
static bool address_any(const struct net_address *a)
{
    return strncmp(a->text, "0.0.0.0:", 8) == 0 || strncmp(a->text, "[::]:", 5) == 0;
}

static bool read_portals(struct reader *r, const config_setting_t *s)
{
    uint32_t count = members_of(r, s, NODE_PORTALS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const char *text = config_setting_get_string_elem(s, (int)i);

        if (!text || !net_address_parse(text, &r->config->portals[i]))
            return wrong(r, line_of(s),
                         "a portal is a number address and a port (\"127.0.0.1:3260\", "
                         "\"[::1]:3260\"), not \"%s\"",
                         text ? text : "?");
        if (address_any(&r->config->portals[i]))
            return wrong(r, line_of(s), "a portal is an address that initiators can reach, not %s",
                         text);
    }
    r->config->portal_count = count;
    return count > 0;
}

static bool read_disk_size(struct reader *r, const config_setting_t *s,
                           struct node_disk_config *disk)
{
    char text[64];

    if (!read_text(r, s, text, sizeof text))
        return false;
    if (!size_parse(text, &disk->bytes) || disk->bytes < DISK_BYTES_LEAST)
        return wrong(r, line_of(s), "size is 512M or more (\"20G\"), not \"%s\"", text);
    disk->bytes &= ~(uint64_t)(DISK_ALIGN - 1);
    return true;
}

static bool read_disk(struct reader *r, const config_setting_t *s, struct node_disk_config *disk)
{
    if (!config_setting_is_group(s))
        return wrong(r, line_of(s), "a disk is a group: { path = \"…\"; size = \"…\"; }");
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);
        const char *name = name_of(member);

        if (strcmp(name, "path") == 0) {
            if (!read_text(r, member, disk->path, sizeof disk->path))
                return false;
        } else if (strcmp(name, "size") == 0) {
            if (!read_disk_size(r, member, disk))
                return false;
        } else {
            return wrong(r, line_of(member), "a disk has path and size, and no \"%s\"", name);
        }
    }
    return *disk->path || wrong(r, line_of(s), "a disk without path");
}

static bool read_disks(struct reader *r, const config_setting_t *s)
{
    struct node_config *c = r->config;
    uint32_t count = members_of(r, s, CONFIG_DISKS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const config_setting_t *disk = config_setting_get_elem(s, i);

        if (!read_disk(r, disk, &c->disks[i]))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(c->disks[i].path, c->disks[j].path) == 0)
                return wrong(r, line_of(disk), "the disk %s stands there twice", c->disks[i].path);
    }
    c->disk_count = count;
    return count > 0;
}

/* clang-format off */
static const struct key keys[] = {
    {"dir",        true,  read_dir},
    {"name",       true,  read_node_name},
    {"rack",       true,  read_rack},
    {"metad",      true,  read_metad},
    {"portals",    true,  read_portals},
    {"status",     false, read_status},
    {"iqn_prefix", false, read_iqn_prefix},
    {"profile",    false, read_profile},
    {"scrub_days", false, read_scrub_days},
    {"scrub_mib_per_second", false, read_scrub_mib},
    {"disks",      true,  read_disks},
};
/* clang-format on */

static const struct key *key_find(const char *name)
{
    for (size_t i = 0; i < array_length(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool read_all(struct reader *r, const config_t *file)
{
    const config_setting_t *root = config_root_setting(file);

    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        const struct key *key = key_find(name_of(s));

        if (!key)
            return wrong(r, line_of(s), "there is no setting \"%s\"", name_of(s));
        if (!key->read(r, s))
            return false;
    }
    for (size_t i = 0; i < array_length(keys); i++)
        if (keys[i].needed && !config_lookup(file, keys[i].name))
            return wrong(r, 0, "the setting \"%s\" is missing", keys[i].name);
    return true;
}

enum err node_config_read(const char *path, struct node_config *ret, struct config_problem *reterr)
{
    struct node_config config = {.iqn_prefix = ISCSI_PREFIX,
                                 .status = "127.0.0.1:7490",
                                 .profile = "small",
                                 .scrub_days = 7,
                                 .scrub_mib_per_second = 1};
    struct reader r = {.path = path, .config = &config, .problem = reterr};
    config_t file;
    bool ok;

    config_init(&file);
    if (config_read_file(&file, path) == CONFIG_TRUE)
        ok = read_all(&r, &file);
    else if (config_error_type(&file) == CONFIG_ERR_FILE_IO)
        ok = wrong(&r, 0, "it cannot be read");
    else
        ok = wrong(&r, (unsigned)config_error_line(&file), "%s", config_error_text(&file));
    config_destroy(&file);
    if (ok)
        *ret = config;
    return ok ? E_OK : E_CONFIG;
}
