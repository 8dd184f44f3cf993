/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/node_config_fuzz.c — storaged's configuration: taken within its bounds, or refused
 * with one line that names the file.
 */
#include "storaged/config.h"
#include "tests/fuzz/file.h"

static void check_bounds(const struct node_config *c)
{
    struct net_address again;

    assert(record_name_valid(c->name) && record_name_valid(c->rack));
    assert(c->portal_count >= 1 && c->portal_count <= NODE_PORTALS_MAX);
    for (uint32_t i = 0; i < c->portal_count; i++)
        assert(net_address_parse(c->portals[i].text, &again));
    assert(c->disk_count >= 1 && c->disk_count <= CONFIG_DISKS_MAX);
    for (uint32_t i = 0; i < c->disk_count; i++)
        assert(c->disks[i].path[0] &&
               (c->disks[i].bytes == 0 || c->disks[i].bytes >= DISK_BYTES_LEAST));
    assert(strncmp(c->metad, "http://", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct config_problem problem = {.text = ""};
    static struct node_config config;
    struct file f;

    if (file_includes(bytes, length))
        return 0;
    f = file_of(bytes, length);
    if (node_config_read(f.path, &config, &problem))
        assert(strncmp(problem.text, f.path, strlen(f.path)) == 0);
    else
        check_bounds(&config);
    close(f.fd);
    return 0;
}
