/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/settings_read.c — each setting's type and bounds, checked as it is read. */
#include "base/size.h"
#include "storaged/settings.h"
#include "storaged/status.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool config_wrong(struct config_reader *r, unsigned line, const char *what, ...)
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
static bool read_text(struct config_reader *r, const config_setting_t *s, char *ret, size_t room)
{
    const char *text;

    if (config_setting_type(s) != CONFIG_TYPE_STRING)
        return config_wrong(r, line_of(s), "%s is a string in quotes", name_of(s));
    text = config_setting_get_string(s);
    if (!*text)
        return config_wrong(r, line_of(s), "%s is empty", name_of(s));
    if (strlen(text) >= room)
        return config_wrong(r, line_of(s), "%s is longer than %zu bytes", name_of(s), room - 1);
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

static bool read_name(struct config_reader *r, const config_setting_t *s, char *ret)
{
    if (!read_text(r, s, ret, RECORD_NAME_MAX + 1))
        return false;
    return record_name_valid(ret) ||
           config_wrong(r, line_of(s),
                        "%s is lower-case letters, digits, dots and dashes, and not 16 hex digits "
                        "(an identity), not \"%s\"",
                        name_of(s), ret);
}

bool read_dir(struct config_reader *r, const config_setting_t *s)
{
    return read_text(r, s, r->config->dir, sizeof r->config->dir);
}

bool read_node_name(struct config_reader *r, const config_setting_t *s)
{
    return read_name(r, s, r->config->name);
}

bool read_rack(struct config_reader *r, const config_setting_t *s)
{
    return read_name(r, s, r->config->rack);
}

/* http://address:port or http://name:port, and nothing behind it but slashes. */
static bool is_metad_url(const char *text)
{
    CURLU *url = curl_url();
    char *path = NULL, *port = NULL;
    bool is = url && strncmp(text, "http://", 7) == 0 && !strpbrk(text, "?#@") &&
              curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK && strcmp(port, "0") != 0 &&
              curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
              strspn(path, "/") == strlen(path);

    curl_free(path);
    curl_free(port);
    curl_url_cleanup(url);
    return is;
}

bool read_metad(struct config_reader *r, const config_setting_t *s)
{
    char *url = r->config->metad;

    if (!read_text(r, s, url, sizeof r->config->metad))
        return false;
    if (!is_metad_url(url))
        return config_wrong(r, line_of(s), "metad is \"http://address:port\", not \"%s\"", url);
    for (size_t end = strlen(url); end > 7 && url[end - 1] == '/'; end--)
        url[end - 1] = '\0';
    return true;
}

bool read_status(struct config_reader *r, const config_setting_t *s)
{
    const char *text = config_setting_get_string(s);
    char *status = r->config->status, why[160];

    if (text && (*text == '\0' || strcmp(text, "none") == 0)) {
        *status = '\0';
        return true;
    }
    if (!read_text(r, s, status, sizeof r->config->status))
        return false;
    return !http_listen_check(status, why) || config_wrong(r, line_of(s), "status: %s", why);
}

bool read_iqn_prefix(struct config_reader *r, const config_setting_t *s)
{
    char *prefix = r->config->iqn_prefix;

    if (!read_text(r, s, prefix, sizeof r->config->iqn_prefix))
        return false;
    return record_iqn_prefix_valid(prefix) ||
           config_wrong(r, line_of(s),
                        "iqn_prefix is iqn.yyyy-mm.name of a-z 0-9 . - :, not \"%s\"", prefix);
}

bool read_profile(struct config_reader *r, const config_setting_t *s)
{
    if (!read_text(r, s, r->config->profile, sizeof r->config->profile))
        return false;
    if (strcmp(r->config->profile, "small") != 0 && strcmp(r->config->profile, "node") != 0)
        return config_wrong(r, line_of(s), "profile is \"small\" or \"node\", not \"%s\"",
                            r->config->profile);
    return true;
}

/* ---- numbers, sizes, switches ---- */

static bool read_switch(struct config_reader *r, const config_setting_t *s, uint64_t *ret)
{
    if (config_setting_type(s) != CONFIG_TYPE_BOOL)
        return config_wrong(r, line_of(s), "%s is true or false", name_of(s));
    *ret = config_setting_get_bool(s) == CONFIG_TRUE;
    return true;
}

static bool read_bytes(struct config_reader *r, const config_setting_t *s,
                       const struct setting *row, uint64_t *ret)
{
    const char *text = config_setting_get_string(s);
    uint64_t value = 0;

    if (!text || !size_parse(text, &value))
        return config_wrong(r, line_of(s), "%s is a size in quotes (\"64M\")", name_of(s));
    if (value < row->least || value > row->most)
        return config_wrong(r, line_of(s), "%s is %s to %s, not %s", name_of(s),
                            size_show(row->least).text, size_show(row->most).text, text);
    *ret = value & ~(uint64_t)(DISK_ALIGN - 1);
    return true;
}

static bool read_number(struct config_reader *r, const config_setting_t *s,
                        const struct setting *row, uint64_t *ret)
{
    long long value = config_setting_get_int64(s);

    if (config_setting_is_number(s) != CONFIG_TRUE || config_setting_type(s) == CONFIG_TYPE_FLOAT)
        return config_wrong(r, line_of(s), "%s is a number from %" PRIu64 " to %" PRIu64,
                            name_of(s), row->least, row->most);
    if (value < (long long)row->least || value > (long long)row->most)
        return config_wrong(r, line_of(s), "%s is %" PRIu64 " to %" PRIu64 ", not %lld", name_of(s),
                            row->least, row->most, value);
    *ret = (uint64_t)value;
    return true;
}

bool setting_read_number(struct config_reader *r, const config_setting_t *s,
                         const struct setting *row)
{
    uint64_t *place = setting_number(row, r->config);

    if (row->form == SETTING_SWITCH)
        return read_switch(r, s, place);
    return row->form == SETTING_BYTES ? read_bytes(r, s, row, place)
                                      : read_number(r, s, row, place);
}

/* ---- lists ---- */

/* How many members it has; 0: it is not that kind of list, or out of bounds (said). */
static uint32_t members_of(struct config_reader *r, const config_setting_t *s, uint32_t most)
{
    int count;

    if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
        config_wrong(r, line_of(s), "%s is a list", name_of(s));
        return 0;
    }
    count = config_setting_length(s);
    if (count < 1 || count > (int)most) {
        config_wrong(r, line_of(s), "%s has 1 to %u members, not %d", name_of(s), most, count);
        return 0;
    }
    return (uint32_t)count;
}

/* A login elsewhere is sent to this address: it must be one that can be reached. */
static bool address_any(const struct net_address *a)
{
    return strncmp(a->text, "0.0.0.0:", 8) == 0 || strncmp(a->text, "[::]:", 5) == 0;
}

/* Two that ask for a free port each (0) get two. */
static bool stands_before(const struct net_address *portals, uint32_t index)
{
    const char *text = portals[index].text, *port = strrchr(text, ':');

    for (uint32_t i = 0; i < index; i++)
        if (strcmp(portals[i].text, text) == 0)
            return !port || strcmp(port, ":0") != 0;
    return false;
}

bool read_portals(struct config_reader *r, const config_setting_t *s)
{
    uint32_t count = members_of(r, s, NODE_PORTALS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const char *text = config_setting_get_string_elem(s, (int)i);

        if (!text || !net_address_parse(text, &r->config->portals[i]))
            return config_wrong(r, line_of(s),
                                "a portal is a number address and a port (\"127.0.0.1:3260\", "
                                "\"[::1]:3260\"), not \"%s\"",
                                text ? text : "?");
        if (address_any(&r->config->portals[i]))
            return config_wrong(r, line_of(s),
                                "a portal is an address that initiators can reach, not %s", text);
        if (stands_before(r->config->portals, i))
            return config_wrong(r, line_of(s), "the portal %s stands there twice", text);
    }
    r->config->portal_count = count;
    return count > 0;
}

/* Heartbeats and the status port name it in JSON, which takes nothing but UTF-8. */
static bool read_disk_path(struct config_reader *r, const config_setting_t *s,
                           struct node_disk_config *disk)
{
    json_t *told;
    bool can_be_told;

    if (!read_text(r, s, disk->path, sizeof disk->path))
        return false;
    told = json_string(disk->path);
    can_be_told = told != NULL;
    json_decref(told);
    return can_be_told || config_wrong(r, line_of(s), "path is not UTF-8");
}

static bool read_disk_size(struct config_reader *r, const config_setting_t *s,
                           struct node_disk_config *disk)
{
    char text[64];

    if (!read_text(r, s, text, sizeof text))
        return false;
    if (!size_parse(text, &disk->bytes) || disk->bytes < DISK_BYTES_LEAST)
        return config_wrong(r, line_of(s), "size is 512M or more (\"20G\"), not \"%s\"", text);
    disk->bytes &= ~(uint64_t)(DISK_ALIGN - 1);
    return true;
}

static bool read_disk(struct config_reader *r, const config_setting_t *s,
                      struct node_disk_config *disk)
{
    if (!config_setting_is_group(s))
        return config_wrong(r, line_of(s), "a disk is a group: { path = \"…\"; size = \"…\"; }");
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);
        const char *name = name_of(member);

        if (strcmp(name, "path") == 0) {
            if (!read_disk_path(r, member, disk))
                return false;
        } else if (strcmp(name, "size") == 0) {
            if (!read_disk_size(r, member, disk))
                return false;
        } else {
            return config_wrong(r, line_of(member), "a disk has path and size, and no \"%s\"",
                                name);
        }
    }
    return *disk->path || config_wrong(r, line_of(s), "a disk without path");
}

bool read_disks(struct config_reader *r, const config_setting_t *s)
{
    struct node_config *c = r->config;
    uint32_t count = members_of(r, s, CONFIG_DISKS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        const config_setting_t *disk = config_setting_get_elem(s, i);

        if (!read_disk(r, disk, &c->disks[i]))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(c->disks[i].path, c->disks[j].path) == 0)
                return config_wrong(r, line_of(disk), "the disk %s stands there twice",
                                    c->disks[i].path);
    }
    c->disk_count = count;
    return count > 0;
}
