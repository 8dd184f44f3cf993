/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/e2e/verify_client.c — an initiator that remembers what was acknowledged.
 *
 *   verify_client ISCSI-URL INITIATOR-NAME
 *
 * Keeps 16 commands in flight on slots of 512 bytes to 64 KiB, at any alignment of 512.  A slot has
 * one command at a time.  A write brings the slot's number, the write's number and the place in the
 * slot, every 16 bytes; a read must find the last write that was acknowledged.  libiscsi logs in
 * again by itself and repeats what had no answer; a unit attention, BUSY and TASK SET FULL are
 * tried again here.  Prints "acknowledged N" as it goes, and "told BUSY" the first time.
 *
 * When its standard input ends, it waits for what is in flight, reads every slot, prints what it
 * found and ends: 0 when every acknowledged byte was there.  No answer for two minutes is a
 * failure.
 */
#include <errno.h>
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

/*
 * When a server dies, libiscsi 1.19 forgets the login that had no answer, and the PDU of which it
 * had the beginning.  Nothing of it has a name to suppress by, but the library's own; so what our
 * callbacks leak is not seen either.
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libiscsi.so\n";
}
#endif

#define SLOTS           256
#define IN_FLIGHT       16
#define STRIDE_SECTORS  160u
#define SLOT_BYTES_MAX  65536u
#define SECTOR          512u
#define SILENCE_MAX     120 /* seconds */
#define PAUSE_MS        100
#define REPORT_EVERY    100
#define MARK_BYTES      16u
#define PERCENT_OF_READ 25

struct slot {
    uint32_t number;
    uint64_t lba;
    uint32_t bytes;
    uint32_t acknowledged; /* the last write that was; 0: none, zeros */
    bool busy, verified;
};

struct client;

struct command {
    struct client *client;
    struct slot *slot; /* NULL: free */
    bool reads;
    uint32_t write_number;
    uint8_t bytes[SLOT_BYTES_MAX];
};

struct client {
    struct iscsi_context *iscsi;
    int lun;
    struct slot slots[SLOTS];
    struct command commands[IN_FLIGHT];
    uint32_t in_flight, writes, acknowledged, reads, repeats;
    time_t last_answer;
    bool ending; /* no more writes: verify every slot */
    bool told_busy, failed;
};

static void fail(struct client *c, const char *what)
{
    fprintf(stderr, "verify_client: %s: %s\n", what, iscsi_get_error(c->iscsi));
    c->failed = true;
}

/* ---- what a write brings ---- */

static void mark(uint8_t *at, uint32_t slot, uint32_t write_number, uint32_t place)
{
    const uint32_t words[4] = {slot, write_number, place, slot ^ ~write_number ^ place};

    memcpy(at, words, sizeof words);
}

static void fill(struct command *cmd)
{
    for (uint32_t at = 0; at < cmd->slot->bytes; at += MARK_BYTES)
        mark(cmd->bytes + at, cmd->slot->number, cmd->write_number, at);
}

static void compare(struct client *c, const struct slot *s, const uint8_t *found)
{
    uint8_t expected[MARK_BYTES] = {0};

    for (uint32_t at = 0; at < s->bytes; at += MARK_BYTES) {
        uint32_t number;

        if (s->acknowledged > 0)
            mark(expected, s->number, s->acknowledged, at);
        if (memcmp(expected, found + at, MARK_BYTES) == 0)
            continue;
        memcpy(&number, found + at + 4, sizeof number);
        fprintf(stderr,
                "verify_client: slot %" PRIu32 " byte %" PRIu32 ": write %" PRIu32
                " was acknowledged, found %" PRIu32 "\n",
                s->number, at, s->acknowledged, number);
        c->failed = true;
        return;
    }
}

/* ---- commands ---- */

static void answered(struct iscsi_context *iscsi, int status, void *data, void *private);

static void issue(struct client *c, struct command *cmd)
{
    struct slot *s = cmd->slot;
    struct scsi_task *task;

    if (cmd->reads)
        task = iscsi_read16_task(c->iscsi, c->lun, s->lba, s->bytes, SECTOR, 0, 0, 0, 0, 0,
                                 answered, cmd);
    else
        task = iscsi_write16_task(c->iscsi, c->lun, s->lba, cmd->bytes, s->bytes, SECTOR, 0, 0, 0,
                                  0, 0, answered, cmd);
    if (!task)
        fail(c, "a command could not be sent");
}

static bool is_transient(int status, const struct scsi_task *task)
{
    return status == SCSI_STATUS_BUSY || status == SCSI_STATUS_TASK_SET_FULL ||
           (status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_UNIT_ATTENTION);
}

static void good(struct client *c, struct command *cmd, const struct scsi_task *task)
{
    struct slot *s = cmd->slot;

    if (cmd->reads) {
        c->reads++;
        s->verified = c->ending;
        if (task->datain.size == (int)s->bytes)
            compare(c, s, task->datain.data);
        else
            fail(c, "a read was short");
    } else {
        s->acknowledged = cmd->write_number;
        c->acknowledged++;
        if (c->acknowledged % REPORT_EVERY == 0)
            printf("acknowledged %" PRIu32 "\n", c->acknowledged);
    }
}

static void answered(struct iscsi_context *iscsi, int status, void *data, void *private)
{
    struct command *cmd = private;
    struct client *c = cmd->client;
    struct scsi_task *task = data;
    bool again = is_transient(status, task);

    (void)iscsi;
    if (status == SCSI_STATUS_GOOD)
        good(c, cmd, task);
    else if (!again && !c->failed)
        fail(c, cmd->reads ? "a read failed" : "a write failed");
    scsi_free_scsi_task(task);
    if (again && !c->failed) {
        c->repeats++;
        if (status == SCSI_STATUS_BUSY && !c->told_busy)
            puts("told BUSY");
        c->told_busy |= status == SCSI_STATUS_BUSY;
        issue(c, cmd);
        return;
    }
    c->last_answer = time(NULL);
    cmd->slot->busy = false;
    cmd->slot = NULL;
    c->in_flight--;
}

/* The next slot to work on: any free one, at the end each that was not verified; NULL: none now. */
static struct slot *next_slot(struct client *c)
{
    uint32_t from = (uint32_t)random() % SLOTS;

    for (uint32_t i = 0; i < SLOTS; i++) {
        struct slot *s = &c->slots[(from + i) % SLOTS];

        if (!s->busy && !(c->ending && s->verified))
            return s;
    }
    return NULL;
}

static void start(struct client *c, struct command *cmd, struct slot *s)
{
    s->busy = true;
    cmd->client = c;
    cmd->slot = s;
    cmd->reads = c->ending || random() % 100 < PERCENT_OF_READ;
    c->in_flight++;
    if (!cmd->reads) {
        cmd->write_number = ++c->writes;
        fill(cmd);
    }
    issue(c, cmd);
}

static void start_commands(struct client *c)
{
    for (int i = 0; i < IN_FLIGHT && !c->failed; i++) {
        struct slot *s = c->commands[i].slot ? NULL : next_slot(c);

        if (s)
            start(c, &c->commands[i], s);
    }
}

/* ---- the loop ---- */

static void turn(struct client *c)
{
    struct pollfd fds[2] = {
        {.fd = iscsi_get_fd(c->iscsi), .events = (short)iscsi_which_events(c->iscsi)},
        {.fd = c->ending ? -1 : STDIN_FILENO, .events = POLLIN},
    };
    char unread[64];

    if (poll(fds, 2, 200) < 0 && errno != EINTR)
        fail(c, "poll");
    if (fds[1].revents && read(STDIN_FILENO, unread, sizeof unread) <= 0)
        c->ending = true;
    if (iscsi_service(c->iscsi, fds[0].revents) < 0)
        (void)poll(NULL, 0, PAUSE_MS); /* it logged in just before: libiscsi does not yet again */
    if (time(NULL) - c->last_answer > SILENCE_MAX)
        fail(c, "no answer for two minutes");
}

static void lay_out(struct client *c)
{
    static const uint32_t sizes[] = {SECTOR, 4096, 8192, 3 * SECTOR, 65536, 12288};

    for (uint32_t i = 0; i < SLOTS; i++)
        c->slots[i] = (struct slot){.number = i,
                                    .lba = (uint64_t)i * STRIDE_SECTORS + i % 8,
                                    .bytes = sizes[i % (sizeof sizes / sizeof sizes[0])]};
}

static bool log_in(struct client *c, const char *url_text, const char *initiator)
{
    struct iscsi_url *url;
    bool in;

    c->iscsi = iscsi_create_context(initiator);
    if (!c->iscsi)
        return false;
    url = iscsi_parse_full_url(c->iscsi, url_text);
    if (!url)
        return false;
    iscsi_set_targetname(c->iscsi, url->target);
    iscsi_set_session_type(c->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(c->iscsi, ISCSI_HEADER_DIGEST_NONE_CRC32C);
    c->lun = url->lun;
    in = iscsi_full_connect_sync(c->iscsi, url->portal, url->lun) == 0;
    iscsi_destroy_url(url);
    return in;
}

int main(int argc, char **argv)
{
    static struct client client;
    struct client *c = &client;

    if (argc != 3) {
        fprintf(stderr, "usage: verify_client ISCSI-URL INITIATOR-NAME\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    lay_out(c);
    if (!log_in(c, argv[1], argv[2])) {
        fprintf(stderr, "verify_client: no login: %s\n", c->iscsi ? iscsi_get_error(c->iscsi) : "");
        return 1;
    }
    c->last_answer = time(NULL);
    do {
        start_commands(c);
        turn(c);
    } while (!c->failed && (!c->ending || c->in_flight > 0 || next_slot(c)));
    if (c->failed)
        return 1;
    printf("verified %d slots after %" PRIu32 " writes and %" PRIu32 " reads, %" PRIu32
           " commands repeated\n",
           SLOTS, c->acknowledged, c->reads, c->repeats);
    iscsi_logout_sync(c->iscsi);
    iscsi_destroy_context(c->iscsi);
    return 0;
}
