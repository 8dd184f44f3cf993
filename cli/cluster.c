/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cluster.c — cluster.json, its folder, and ports for what is new. */
#include "cli/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLUSTER_DIR_OF_ROOT "/var/lib/dolmen" /* and of the package's services */

bool path_join(char ret[CLUSTER_PATH_MAX], const char *folder, const char *name)
{
    return snprintf(ret, CLUSTER_PATH_MAX, "%s/%s", folder, name) < (int)CLUSTER_PATH_MAX;
}

/* A relative folder is made whole: daemons and later calls start elsewhere. */
static bool absolute(const char *path, char ret[CLUSTER_PATH_MAX])
{
    char here[CLUSTER_PATH_MAX];

    if (path[0] == '/')
        return snprintf(ret, CLUSTER_PATH_MAX, "%s", path) < (int)CLUSTER_PATH_MAX;
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    return getcwd(here, sizeof here) && path_join(ret, here, path);
}

bool cluster_dir(const char *option, char ret[CLUSTER_PATH_MAX])
{
    const char *dir = option ? option : getenv("DOLMEN_DIR");
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char states[CLUSTER_PATH_MAX];

    if (dir && *dir)
        return absolute(dir, ret);
    if (geteuid() == 0 && access("/var/lib", W_OK) == 0)
        return absolute(CLUSTER_DIR_OF_ROOT, ret);
    if (state && state[0] == '/')
        return path_join(ret, state, "dolmen");
    return path_join(states, home && *home ? home : ".", ".local/state/dolmen") &&
           absolute(states, ret);
}

/* What is too long is cut between two letters: half of one could not be written again. */
static void text_read(const json_t *object, const char *member, char *ret, size_t room)
{
    const char *text = json_string_value(json_object_get(object, member));
    size_t length = text ? strlen(text) : 0;

    if (length >= room) {
        length = room - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(ret, text ? text : "", length);
    ret[length] = '\0';
}

static void process_read(const json_t *object, struct cluster_process *ret)
{
    ret->pid = json_integer_value(json_object_get(object, "pid"));
    ret->start_time = (uint64_t)json_integer_value(json_object_get(object, "start_time"));
    text_read(object, "config", ret->config, sizeof ret->config);
    text_read(object, "log", ret->log, sizeof ret->log);
}

static void members_read(const json_t *file, struct cluster *ret)
{
    json_t *node;
    size_t i;

    text_read(file, "url", ret->url, sizeof ret->url);
    process_read(json_object_get(file, "metad"), &ret->metad);
    json_array_foreach(json_object_get(file, "nodes"), i, node)
    {
        if (i == CLUSTER_NODES_MAX)
            break;
        text_read(node, "name", ret->nodes[i].name, sizeof ret->nodes[i].name);
        text_read(node, "portal", ret->nodes[i].portal, sizeof ret->nodes[i].portal);
        text_read(node, "status", ret->nodes[i].status, sizeof ret->nodes[i].status);
        process_read(node, &ret->nodes[i].process);
        ret->node_count++;
    }
}

/* A daemon that runs holds a lock in its own folder. */
static bool is_locked(const char *dir, const char *name)
{
    char path[CLUSTER_PATH_MAX];
    bool locked;
    int fd;

    if (!path_join(path, dir, name))
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* Daemons that `up` started: where it never was, they are somebody else's. */
static bool daemons_run(const char *dir)
{
    char name[24], lock[CLUSTER_PATH_MAX];

    if (!path_join(lock, dir, "cluster.lock") || access(lock, F_OK) != 0)
        return false;
    for (uint32_t i = 1; i <= CLUSTER_NODES_MAX; i++) {
        snprintf(name, sizeof name, "n%u/lock", i);
        if (is_locked(dir, name))
            return true;
    }
    return is_locked(dir, "metad/keeper.lock");
}

bool cluster_of_services(const char *dir)
{
    char path[CLUSTER_PATH_MAX];

    return strcmp(dir, CLUSTER_DIR_OF_ROOT) == 0 && access("/etc/dolmen/metad.conf", F_OK) == 0 &&
           path_join(path, dir, "cluster.json") && access(path, F_OK) != 0;
}

enum cluster_found cluster_read(const char *dir, struct cluster *ret)
{
    char path[CLUSTER_PATH_MAX];
    enum cluster_found found = CLUSTER_UNREADABLE;
    json_t *file;

    memset(ret, 0, sizeof *ret);
    snprintf(ret->dir, sizeof ret->dir, "%s", dir);
    if (!path_join(path, dir, "cluster.json"))
        return CLUSTER_NONE;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return !cluster_of_services(dir) && daemons_run(dir) ? CLUSTER_LOST : CLUSTER_NONE;
    file = json_load_file(path, 0, NULL);
    if (json_is_object(file)) {
        members_read(file, ret);
        found = CLUSTER_KNOWN;
    }
    json_decref(file);
    return found;
}

void cluster_say(enum cluster_found found, const char *dir, FILE *to)
{
    if (found == CLUSTER_LOST)
        fprintf(to,
                "dolmen: %s/cluster.json is gone, and daemons run that it named; put it back as it "
                "was, or end them yourself (`pgrep -af %s/` shows them) and start them anew\n",
                dir, dir);
    else
        fprintf(to,
                "dolmen: %s/cluster.json cannot be read; put it back as it was, or move it away to "
                "start the same folder anew\n",
                dir);
}

static json_t *process_json(const struct cluster_process *p)
{
    return json_pack("{s:I, s:I, s:s, s:s}", "pid", (json_int_t)p->pid, "start_time",
                     (json_int_t)p->start_time, "config", p->config, "log", p->log);
}

json_t *cluster_json(const struct cluster *c)
{
    json_t *nodes = json_array();

    for (uint32_t i = 0; i < c->node_count; i++) {
        json_t *node = json_pack("{s:s, s:s, s:s}", "name", c->nodes[i].name, "portal",
                                 c->nodes[i].portal, "status", c->nodes[i].status);

        json_object_update_new(node, process_json(&c->nodes[i].process));
        json_array_append_new(nodes, node);
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "url", c->url, "dir", c->dir, "metad",
                     process_json(&c->metad), "nodes", nodes);
}

bool cluster_write(const struct cluster *c)
{
    char path[CLUSTER_PATH_MAX], fresh[CLUSTER_PATH_MAX];
    json_t *file = cluster_json(c);
    bool ok;

    ok = file && path_join(path, c->dir, "cluster.json") &&
         path_join(fresh, c->dir, "cluster.json.new") &&
         json_dump_file(file, fresh, JSON_INDENT(2)) == 0 && rename(fresh, path) == 0;
    json_decref(file);
    return ok;
}

int cluster_lock(const char *dir)
{
    char path[CLUSTER_PATH_MAX];
    int fd;

    errno = ENAMETOOLONG;
    if (!path_join(path, dir, "cluster.lock"))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t length = strlen(text), tail_length = strlen(tail);

    return length > tail_length && strcmp(text + length - tail_length, tail) == 0;
}

static bool port_ours(const struct cluster *c, uint16_t port)
{
    char tail[8];

    snprintf(tail, sizeof tail, ":%u", port);
    if (ends_with(c->url, tail))
        return true;
    for (uint32_t i = 0; i < c->node_count; i++)
        if (ends_with(c->nodes[i].portal, tail) || ends_with(c->nodes[i].status, tail))
            return true;
    return false;
}

bool port_bindable(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    if (fd < 0)
        return false;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ok = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

/* Bound without SO_REUSEADDR, which nobody can beside another; with it from then on: a listener
 * can. */
static int port_hold(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0)
        return fd;
    close(fd);
    return -1;
}

uint16_t port_reserve(const struct cluster *c, uint16_t first, int *ret_held)
{
    for (uint32_t port = first; port < 65536; port++) {
        int held = port_ours(c, (uint16_t)port) ? -1 : port_hold((uint16_t)port);

        if (held < 0)
            continue;
        *ret_held = held;
        return (uint16_t)port;
    }
    return 0;
}
