/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/cluster_json_fuzz.c — cluster.json as somebody left it: what was read from it can be
 * written, and says the same when it is read again.
 */
#include "cli/cluster.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static char dir[] = "/tmp/dolmen-fuzz-XXXXXX";
static char path[64];

static void remove_dir(void)
{
    char lock[64];

    snprintf(lock, sizeof lock, "%s/cluster.json.new", dir);
    (void)remove(lock);
    (void)remove(path);
    (void)remove(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *made = mkdtemp(dir);

    (void)argc;
    (void)argv;
    assert(made);
    snprintf(path, sizeof path, "%s/cluster.json", dir);
    atexit(remove_dir);
    return 0;
}

static void put(const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "we");
    size_t written;

    assert(file);
    written = fwrite(bytes, 1, length, file);
    assert(written == length);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct cluster c, again;
    json_t *first, *second;
    bool ok;

    put(bytes, length);
    if (cluster_read(dir, &c) != CLUSTER_KNOWN)
        return 0;
    assert(c.node_count <= CLUSTER_NODES_MAX);
    ok = cluster_write(&c);
    assert(ok);
    ok = cluster_read(dir, &again) == CLUSTER_KNOWN;
    assert(ok);
    first = cluster_json(&c);
    second = cluster_json(&again);
    ok = json_equal(first, second);
    assert(ok);
    json_decref(first);
    json_decref(second);
    return 0;
}
