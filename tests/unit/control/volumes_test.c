/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes over REST, with a node that does what the records want. */
#include "tests/unit/control/cluster.h"

static struct reply create(struct cluster *c, const char *name, uint64_t bytes, const char *more)
{
    char body[256];

    snprintf(body, sizeof body, "{\"name\":\"%s\",\"size_bytes\":%llu%s}", name,
             (unsigned long long)bytes, more);
    return call(c->metad, "POST", "/v1/volumes", body);
}

#define GIB (1ull << 30)

static void a_volume_is_answered_when_it_is_served(void **state)
{
    struct cluster *c = *state;
    struct reply r = create(c, "web", 20 * GIB, "");
    char path[64], target[64];

    assert_int_equal(r.status, 201);
    assert_string_equal(text_of(&r, "name"), "web");
    assert_int_equal(number_of(&r, "size_bytes"), 20 * GIB);
    assert_int_equal(number_of(&r, "logical_block_bytes"), 512);
    assert_int_equal(number_of(&r, "copies"), 1);
    assert_int_equal(number_of(&r, "min_copies"), 1);
    assert_string_equal(text_of(&r, "state"), "available");
    assert_string_equal(text_of(&r, "why"), "");
    assert_int_equal(number_of(&r, "epoch"), 1);
    assert_int_equal(number_of(&r, "shards"), 3);
    assert_int_equal(number_of(&r, "shards_serving"), 3);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "primary"), "name")), "n1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(r.json, "portals"), 0)),
                        "127.0.0.1:3260");
    snprintf(target, sizeof target, "iqn.2026-11.internal.dolmen:%s", text_of(&r, "id"));
    assert_string_equal(text_of(&r, "target"), target);
    snprintf(path, sizeof path, "/v1/volumes/%s", text_of(&r, "id"));
    assert_non_null(strstr(r.head, path)); /* Location */
    reply_done(&r);

    r = call(c->metad, "GET", path, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "name"), "web");
    reply_done(&r);
    r = call(c->metad, "GET", "/v1/volumes/web", NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(path, text_of(&r, "id")));
    reply_done(&r);
}

static void what_is_recorded_is_what_the_node_needs(void **state)
{
    struct cluster *c = *state;
    struct page_record *page = malloc(sizeof *page);
    struct reply r;
    char path[96], *text;

    r = create(c, "web", 9 * GIB, ",\"logical_block_bytes\":4096");
    assert_int_equal(number_of(&r, "logical_block_bytes"), 4096);
    snprintf(path, sizeof path, "/node/v1/range?prefix=page/%s/0000", text_of(&r, "id"));
    reply_done(&r);
    r = call(c->metad, "GET", path, NULL);
    text = json_dumps(
        json_object_get(json_array_get(json_object_get(r.json, "records"), 0), "value"), 0);
    assert_non_null(text);
    assert_int_equal(page_read(text, page), E_OK);
    assert_int_equal(page->shard_count, 2);
    assert_int_equal(page->disks[0].node.bits, 0xa1);
    assert_int_equal(page->disks[0].disk.bits, 0x10a1);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(page->shards[i].is_new);
        assert_false(page->shards[i].replicas[0].in_sync);
        assert_int_equal(page->shards[i].replicas[0].behind, 0);
    }
    assert_false(
        identity_equal(page->shards[0].replicas[0].replica, page->shards[1].replicas[0].replica));
    free(text);
    free(page);
    reply_done(&r);
}

static void a_wish_that_makes_no_sense_is_refused(void **state)
{
    struct cluster *c = *state;

    expect_problem(create(c, "Web", GIB, ""), 400, "invalid", "\"name\"");
    expect_problem(create(c, "", GIB, ""), 400, "invalid", "\"name\"");
    expect_problem(create(c, "00000000000000aa", GIB, ""), 400, "invalid", "16 hex digits");
    expect_problem(create(c, "a", 0, ""), 400, "invalid", "multiple of 4096");
    expect_problem(create(c, "a", 4097, ""), 400, "invalid", "4097");
    expect_problem(create(c, "a", 33ull << 40, ""), 400, "invalid", "32 TiB");
    expect_problem(create(c, "a", GIB, ",\"logical_block_bytes\":1024"), 400, "invalid",
                   "512 or 4096");
    expect_problem(create(c, "a", 30ull << 40, ""), 507, "no-space", "asked for 30 TiB");
    expect_problem(call(c->metad, "GET", "/v1/volumes/a", NULL), 404, "not-found", " a");
}

static void a_name_is_given_once(void **state)
{
    struct cluster *c = *state;

    expect_status(create(c, "web", GIB, ""), 201);
    expect_problem(create(c, "web", GIB, ""), 409, "exists", "web");
    expect_status(call(c->metad, "DELETE", "/v1/volumes/web", NULL), 204);
    expect_status(create(c, "web", GIB, ""), 201);
}

static void promises_are_counted(void **state)
{
    struct cluster *c = *state;
    uint64_t cap = c->node.chunks * 65536 * 10;

    expect_status(create(c, "large", cap - 8 * GIB, ""), 201);
    expect_problem(create(c, "b", 8 * GIB + 4096, ""), 507, "no-space", "may promise 8 GiB more");
    expect_status(create(c, "b", 8 * GIB, ""), 201);
    expect_problem(create(c, "c", 4096, ""), 507, "no-space", "asked for 4 KiB");
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/b", "{\"size_bytes\":8589938688}"), 507,
                   "no-space", "");
}

static void without_waiting_it_is_creating(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    c->node.ignores = true;
    r = create(c, "web", GIB, ",\"wait\":false");
    assert_int_equal(r.status, 201);
    assert_string_equal(text_of(&r, "state"), "creating");
    assert_true(strlen(text_of(&r, "why")) > 0);
    assert_int_equal(number_of(&r, "shards_serving"), 0);
    reply_done(&r);
}

static void a_volume_grows_and_never_shrinks(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    expect_status(create(c, "web", GIB, ""), 201);
    r = call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":1288490188800}");
    assert_int_equal(r.status, 200);
    assert_int_equal(number_of(&r, "size_bytes"), 1200 * GIB);
    assert_int_equal(number_of(&r, "shards"), 150); /* three pages */
    assert_int_equal(number_of(&r, "shards_serving"), 150);
    reply_done(&r);
    r = call(c->metad, "GET", "/node/v1/range?prefix=page/", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "records")), 3);
    reply_done(&r);
    r = call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":1288490188800}");
    assert_int_equal(r.status, 200); /* as it is */
    reply_done(&r);
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":4096}"), 400,
                   "invalid", "only grow");
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":1288490188801}"),
                   400, "invalid", "multiple of 4096");
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/web", "{\"name\":\"b\"}"), 400, "invalid",
                   "\"name\"");
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/nope", "{\"size_bytes\":4096}"), 404,
                   "not-found", "nope");
}

static void a_volume_that_nobody_serves_is_not_resized(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    c->node.ignores = true;
    expect_status(create(c, "web", GIB, ",\"wait\":false"), 201);
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":2147483648}"), 409,
                   "conflict", "volume web is not served now (its primary, node n1, has not");
    r = call(c->metad, "GET", "/v1/volumes/web", NULL);
    assert_int_equal(number_of(&r, "size_bytes"), GIB);
    reply_done(&r);
}

/* What it has begun to say has come in before it is relied on. */
static void node_says(struct node *n)
{
    node_stop(n);
    n->stopping = false;
    node_beat(n);
    assert_int_equal(pthread_create(&n->thread, NULL, node_run, n), 0);
}

/* P7: after a restore a volume may be smaller than it was. */
static void a_new_shard_hides_no_replica(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    expect_status(create(c, "web", GIB, ""), 201);
    c->node.orphan = 2;
    node_says(&c->node);
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":9663676416}"), 409,
                   "conflict",
                   "replica 00000000000000ff on disk 00000000000010a1 of node n1 holds what was "
                   "written to shard 2 of volume web after the backup that was restored; a new "
                   "shard would hide it: restore a later backup, or copy the volume to a larger");
    r = call(c->metad, "GET", "/v1/volumes/web", NULL);
    assert_int_equal(number_of(&r, "size_bytes"), GIB);
    reply_done(&r);
    expect_status(call(c->metad, "PATCH", "/v1/volumes/web", "{\"size_bytes\":8589934592}"), 200);
}

static void a_node_takes_so_many_volumes(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    c->node.most = 2;
    node_says(&c->node);
    expect_status(create(c, "a", GIB, ""), 201);
    expect_status(create(c, "b", GIB, ""), 201);
    r = create(c, "c", GIB, "");
    assert_string_equal(text_of(&r, "title"), "there is no place for it now"); /* disks have room */
    expect_problem(r, 507, "no-space",
                   "node n1 has 2 volumes and takes 2 (its setting \"volumes\")");
    expect_status(call(c->metad, "PATCH", "/v1/volumes/b", "{\"size_bytes\":17179869184}"), 200);
    expect_status(call(c->metad, "DELETE", "/v1/volumes/a", NULL), 204);
    expect_status(create(c, "c", GIB, ""), 201);
}

/* Of shards that are recorded, and of orphans; the last shard grows in its place. */
static void a_disk_takes_so_many_replicas(void **state)
{
    struct cluster *c = *state;

    c->node.places = 5;
    node_says(&c->node);
    expect_status(create(c, "a", 20 * GIB, ""), 201);
    expect_problem(create(c, "b", 20 * GIB, ""), 507, "no-space",
                   "asked for 20 GiB; the largest node may promise 16 GiB more, its disks up to "
                   "16 GiB (at most 10 times their size); disk 00000000000010a1 has 3 replicas and "
                   "takes 5");
    c->node.orphan = 100;
    node_says(&c->node);
    expect_problem(create(c, "b", 9 * GIB, ""), 507, "no-space", "has 4 replicas and takes 5");
    expect_status(create(c, "b", GIB, ""), 201);
    expect_status(call(c->metad, "PATCH", "/v1/volumes/b", "{\"size_bytes\":8589934592}"), 200);
    c->node.orphan = 0;
    node_says(&c->node);
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/a", "{\"size_bytes\":51539607552}"), 507,
                   "no-space", "has 4 replicas and takes 5");
    expect_status(call(c->metad, "PATCH", "/v1/volumes/a", "{\"size_bytes\":34359738368}"), 200);
}

/* After a restore, until it is started again: what is placed there would not be made. */
static void a_node_that_is_held_gets_nothing_new(void **state)
{
    struct cluster *c = *state;
    struct node other;
    struct reply r;

    expect_status(create(c, "a", GIB, ""), 201);
    c->node.held = "other records";
    node_says(&c->node);
    expect_problem(create(c, "b", GIB, ""), 507, "no-space",
                   "no node that answers has a writable disk with room; node n1 is held");
    expect_problem(call(c->metad, "PATCH", "/v1/volumes/a", "{\"size_bytes\":2147483648}"), 409,
                   "conflict",
                   "node n1 is held (other records): volume a can be resized when it is not");
    node_start(&other, c->metad, 0xa2, "n2");
    expect_status(create(c, "full", 1200 * GIB, ""), 201); /* n1 has promised less now */
    r = create(c, "b", GIB, "");
    assert_int_equal(r.status, 201);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r.json, "primary"), "name")), "n2");
    reply_done(&r);
    c->node.held = "";
    node_says(&c->node);
    expect_status(call(c->metad, "PATCH", "/v1/volumes/a", "{\"size_bytes\":2147483648}"), 200);
    node_stop(&other);
}

/* Of "web", as GET shows it when it has been given this size. */
static struct reply with_size(struct cluster *c, uint64_t bytes)
{
    for (uint32_t i = 0;; i++) {
        struct reply r = call(c->metad, "GET", "/v1/volumes/web", NULL);

        assert_true(i < 100000);
        if (number_of(&r, "size_bytes") == (json_int_t)bytes)
            return r;
        reply_done(&r);
    }
}

/* What is recorded, and not served yet, is nothing that anybody may rely on. */
static void a_volume_that_does_not_grow_waits(void **state)
{
    static const char patch[] = "PATCH /v1/volumes/web HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                "Connection: close\r\nContent-Length: 26\r\n\r\n"
                                "{\"size_bytes\":25769803776}";
    struct cluster *c = *state;
    struct reply r;
    int fd;

    c->node.stays = 9 * GIB;
    expect_status(create(c, "web", 9 * GIB, ""), 201);
    c->node.fails = "no free space is left";
    node_says(&c->node);
    fd = dial(c->metad);
    assert_true(say(fd, patch, strlen(patch)));
    r = with_size(c, 24 * GIB);
    assert_string_equal(text_of(&r, "state"), "waiting");
    assert_int_equal(number_of(&r, "shards"), 3);
    assert_int_equal(number_of(&r, "shards_serving"), 2);
    assert_string_equal(text_of(&r, "why"), "it grows to 24 GiB: no free space is left");
    reply_done(&r);
    r = call(c->metad, "GET", "/healthz", NULL);
    assert_int_equal(number_of(&r, "volumes_waiting"), 1);
    reply_done(&r);
    c->node.stays = 0;
    c->node.fails = NULL;
    r = hear(fd); /* it waited for this */
    assert_int_equal(r.status, 200);
    assert_string_equal(text_of(&r, "state"), "available");
    assert_string_equal(text_of(&r, "why"), "");
    reply_done(&r);
    close(fd);
}

static void one_that_cannot_be_made_is_reported(void **state)
{
    struct cluster *c = *state;
    bool reported = false;

    c->node.fails = "no room for one more volume";
    expect_status(create(c, "web", GIB, ",\"wait\":false"), 201);
    for (uint32_t i = 0; !reported; i++) {
        struct reply r = call(c->metad, "GET", "/healthz", NULL);
        const json_t *why = json_array_get(json_object_get(r.json, "why"), 0);

        assert_true(i < 100000);
        reported = why && strcmp(json_string_value(why),
                                 "volume web waits: no room for one more volume") == 0;
        assert_int_equal(number_of(&r, "volumes_waiting"), reported);
        assert_string_equal(text_of(&r, "status"), reported ? "degraded" : "ok");
        reply_done(&r);
    }
    c->node.fails = NULL;
}

static void a_disk_with_a_volume_is_not_removed(void **state)
{
    struct cluster *c = *state;

    metad_listens_since(c->metad, 0);
    expect_status(create(c, "web", GIB, ""), 201);
    node_stop(&c->node);
    c->node.disk = 0x77; /* its disk is gone, and another one there */
    c->node.stopping = false;
    node_beat(&c->node);
    assert_int_equal(pthread_create(&c->node.thread, NULL, node_run, &c->node), 0);
    expect_problem(call(c->metad, "DELETE", "/v1/disks/00000000000010a1", NULL), 409, "conflict",
                   "volume web lies on it");
    expect_status(call(c->metad, "DELETE", "/v1/volumes/web", NULL), 204);
    expect_status(call(c->metad, "DELETE", "/v1/disks/00000000000010a1", NULL), 204);
}

static void a_deleted_volume_leaves_nothing(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    expect_status(create(c, "web", 20 * GIB, ""), 201);
    expect_status(call(c->metad, "DELETE", "/v1/volumes/web", NULL), 204);
    r = call(c->metad, "GET", "/node/v1/range", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "records")), 2); /* node, disk */
    reply_done(&r);
    expect_problem(call(c->metad, "DELETE", "/v1/volumes/web", NULL), 404, "not-found", "web");
    expect_problem(call(c->metad, "GET", "/v1/volumes/00000000000000ff", NULL), 404, "not-found",
                   "00000000000000ff");
}

static void a_restarted_node_gets_its_volumes_back(void **state)
{
    struct cluster *c = *state;
    struct reply r;

    expect_status(create(c, "web", GIB, ""), 201);
    node_stop(&c->node);
    node_start(&c->node, c->metad, 0xa1, "n1");
    c->node.incarnation++; /* seen with the next heartbeat */
    for (uint32_t i = 0;; i++) {
        assert_true(i < 100000);
        r = call(c->metad, "GET", "/v1/volumes/web", NULL);
        assert_int_equal(r.status, 200);
        if (number_of(&r, "epoch") == 2 && strcmp(text_of(&r, "state"), "available") == 0)
            break;
        reply_done(&r);
    }
    reply_done(&r);
}

/* It goes on with these; a heartbeat has come in before they are relied on. */
static void node_again(struct cluster *c, uint64_t first, uint64_t second)
{
    c->node.disk = first;
    c->node.second = second;
    c->node.stopping = false;
    node_beat(&c->node);
    assert_int_equal(pthread_create(&c->node.thread, NULL, node_run, &c->node), 0);
}

static void expect_text(const json_t *array, size_t i, const char *text)
{
    assert_string_equal(json_string_value(json_array_get(array, i)), text);
}

static void a_volume_says_where_it_lies(void **state)
{
    struct cluster *c = *state;
    const json_t *disks, *volumes;
    struct reply r;

    expect_status(create(c, "small", GIB, ""), 201); /* so the other disk is next */
    node_stop(&c->node);
    node_again(c, 0x10a1, 0x10a2);
    r = create(c, "web", 1200 * GIB, ""); /* three pages */
    disks = json_object_get(r.json, "disks");
    assert_int_equal(r.status, 201);
    assert_int_equal(json_array_size(disks), 2);
    expect_text(disks, 0, "00000000000010a2");
    expect_text(disks, 1, "00000000000010a1");
    reply_done(&r);

    r = call(c->metad, "GET", "/v1/volumes/small", NULL);
    disks = json_object_get(r.json, "disks");
    assert_int_equal(json_array_size(disks), 1);
    expect_text(disks, 0, "00000000000010a1");
    reply_done(&r);

    r = call(c->metad, "GET", "/v1/disks/00000000000010a1", NULL);
    volumes = json_object_get(r.json, "volumes");
    assert_int_equal(json_array_size(volumes),
                     2); /* in the order of identities, which are random */
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(volumes, i);
        const char *name = json_string_value(json_object_get(v, "name"));
        char path[64];
        struct reply named;

        assert_true(strcmp(name, "web") == 0 || strcmp(name, "small") == 0);
        snprintf(path, sizeof path, "/v1/volumes/%s", name);
        named = call(c->metad, "GET", path, NULL);
        assert_string_equal(text_of(&named, "id"), json_string_value(json_object_get(v, "volume")));
        reply_done(&named);
    }
    reply_done(&r);
}

static int ask_to_delete(struct cluster *c, const char *path)
{
    char request[160];
    int fd = dial(c->metad);

    snprintf(request, sizeof request,
             "DELETE %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    say(fd, request, strlen(request));
    return fd;
}

static void expect_gone(int fd)
{
    struct reply r = hear(fd);

    assert_int_equal(r.status, 204);
    reply_done(&r);
    close(fd);
}

/* In a while the volume web is deleting, and says this. */
static void deleting_waits_for(struct cluster *c, const char *what)
{
    bool waits = false;

    for (uint32_t i = 0; !waits; i++) {
        struct reply r = call(c->metad, "GET", "/v1/volumes/web", NULL);

        if (i == 100000)
            fail_msg("%s, %s", text_of(&r, "state"), text_of(&r, "why"));
        waits = strcmp(text_of(&r, "state"), "deleting") == 0 && strstr(text_of(&r, "why"), what);
        reply_done(&r);
    }
}

static void deleting_says_what_it_waits_for(void **state)
{
    struct cluster *c = *state;
    char path[64], ending[96];
    struct reply r;
    int attachment, volume;

    metad_listens_since(c->metad, 0);
    expect_status(create(c, "web", GIB, ""), 201);
    r = call(c->metad, "POST", "/v1/attachments",
             "{\"volume\":\"web\",\"initiator\":\"iqn.2026-11.example:a\"}");
    assert_int_equal(r.status, 201);
    snprintf(path, sizeof path, "/v1/attachments/%s", text_of(&r, "id"));
    snprintf(ending, sizeof ending, "attachment %s is ending", text_of(&r, "id"));
    reply_done(&r);

    c->node.keeps = true;
    attachment = ask_to_delete(c, path);
    for (uint32_t i = 0; strcmp(text_of(&r, "state"), "ending") != 0; i++) {
        assert_true(i < 100000);
        reply_done(&r);
        r = call(c->metad, "GET", path, NULL);
    }
    reply_done(&r);
    volume = ask_to_delete(c, "/v1/volumes/web");
    deleting_waits_for(c, ending);

    c->node.digs_not = true;
    c->node.keeps = false;
    expect_gone(attachment);
    deleting_waits_for(c, " on disk 00000000000010a1 yet");
    node_stop(&c->node);
    node_again(c, 0x77, 0);
    deleting_waits_for(c, "disk 00000000000010a1 of node n1 is not open there");
    node_stop(&c->node);
    deleting_waits_for(c, "node n1, which has disk 00000000000010a1, is silent");
    c->node.digs_not = false;
    node_again(c, 0, 0);
    expect_gone(volume);
}

static void a_volume_that_is_not_closed_says_so(void **state)
{
    struct cluster *c = *state;
    int volume;

    expect_status(create(c, "web", GIB, ""), 201);
    c->node.keeps = true;
    volume = ask_to_delete(c, "/v1/volumes/web");
    deleting_waits_for(c, "its primary, node n1, has not closed it yet");
    c->node.keeps = false;
    expect_gone(volume);
}

static void lists_are_paged(void **state)
{
    struct cluster *c = *state;
    char name[16], path[96] = "/v1/volumes?limit=3", last[20] = "";
    uint32_t seen = 0;

    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "v%d", i);
        expect_status(create(c, name, 4096, ",\"wait\":false"), 201);
    }
    for (;;) {
        struct reply r = call(c->metad, "GET", path, NULL);
        const json_t *items = json_object_get(r.json, "items");

        assert_int_equal(r.status, 200);
        for (size_t i = 0; i < json_array_size(items); i++, seen++) {
            const char *id = json_string_value(json_object_get(json_array_get(items, i), "id"));

            assert_true(strcmp(id, last) > 0); /* in order, none twice */
            snprintf(last, sizeof last, "%s", id);
        }
        if (json_is_null(json_object_get(r.json, "next"))) {
            reply_done(&r);
            break;
        }
        assert_int_equal(json_array_size(items), 3);
        assert_string_equal(text_of(&r, "next"), last);
        snprintf(path, sizeof path, "/v1/volumes?limit=3&after=%s", last);
        reply_done(&r);
    }
    assert_int_equal(seen, 7);
}

static void everything_is_there_after_a_restart_of_metad(void **state)
{
    struct cluster *c = *state;
    struct reply before, after;

    before = create(c, "web", GIB, "");
    node_stop(&c->node);
    control_close(c->metad->control);
    metad_open(c->metad);
    after = call(c->metad, "GET", "/v1/volumes/web", NULL);
    assert_int_equal(after.status, 200);
    assert_string_equal(text_of(&after, "id"), text_of(&before, "id"));
    assert_non_null(strstr(text_of(&after, "why"), "silent"));
    reply_done(&after);
    node_start(&c->node, c->metad, 0xa1, "n1");
    after = call(c->metad, "GET", "/v1/volumes/web", NULL);
    assert_string_equal(text_of(&after, "state"), "available");
    assert_int_equal(number_of(&after, "epoch"), 1); /* the same process: no new epoch */
    reply_done(&after);
    reply_done(&before);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_volume_is_answered_when_it_is_served),
        TEST(what_is_recorded_is_what_the_node_needs),
        TEST(a_wish_that_makes_no_sense_is_refused),
        TEST(a_name_is_given_once),
        TEST(promises_are_counted),
        TEST(without_waiting_it_is_creating),
        TEST(a_volume_grows_and_never_shrinks),
        TEST(a_volume_that_nobody_serves_is_not_resized),
        TEST(a_new_shard_hides_no_replica),
        TEST(a_node_takes_so_many_volumes),
        TEST(a_disk_takes_so_many_replicas),
        TEST(a_node_that_is_held_gets_nothing_new),
        TEST(a_volume_that_does_not_grow_waits),
        TEST(one_that_cannot_be_made_is_reported),
        TEST(a_disk_with_a_volume_is_not_removed),
        TEST(a_deleted_volume_leaves_nothing),
        TEST(a_restarted_node_gets_its_volumes_back),
        TEST(a_volume_says_where_it_lies),
        TEST(deleting_says_what_it_waits_for),
        TEST(a_volume_that_is_not_closed_says_so),
        TEST(lists_are_paged),
        TEST(everything_is_there_after_a_restart_of_metad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
