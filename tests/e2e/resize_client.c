/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/e2e/resize_client.c — initiators that are logged in while a volume grows.
 *
 *   resize_client ISCSI-URL INITIATOR-NAME…
 *
 * Logs in under each name, reads the size, prints "ready BYTES".  When its standard input ends,
 * each says what it is told next ("attention 2a09", or "good"), what it is told after that, and the
 * size that it reads then; and it writes the last block of that size and reads it back ("last block
 * kept").  Ends with 0 unless it could not ask.
 */
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define BLOCK_MAX   4096u

struct client {
    struct iscsi_context *iscsi;
    const char *name;
    int lun;
    uint64_t blocks;
    uint32_t block_bytes;
};

static void need(bool good, const struct client *c, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "resize_client: %s: %s: %s\n", c->name, what,
            c->iscsi ? iscsi_get_error(c->iscsi) : "");
    exit(1);
}

static void log_in(struct client *c, const char *text)
{
    struct iscsi_url *url;

    c->iscsi = iscsi_create_context(c->name);
    need(c->iscsi != NULL, c, "context");
    url = iscsi_parse_full_url(c->iscsi, text);
    need(url != NULL, c, "URL");
    c->lun = url->lun;
    iscsi_set_targetname(c->iscsi, url->target);
    iscsi_set_session_type(c->iscsi, ISCSI_SESSION_NORMAL);
    need(iscsi_full_connect_sync(c->iscsi, url->portal, url->lun) == 0, c, "login");
    iscsi_destroy_url(url);
}

static void read_size(struct client *c)
{
    struct scsi_task *task = iscsi_readcapacity16_sync(c->iscsi, c->lun);
    struct scsi_readcapacity16 *size;

    need(task && task->status == SCSI_STATUS_GOOD, c, "READ CAPACITY");
    size = scsi_datain_unmarshall(task);
    need(size && size->block_length <= BLOCK_MAX, c, "READ CAPACITY");
    c->blocks = size->returned_lba + 1;
    c->block_bytes = size->block_length;
    scsi_free_scsi_task(task);
}

static void say_next(struct client *c)
{
    struct scsi_task *task = iscsi_testunitready_sync(c->iscsi, c->lun);

    need(task != NULL, c, "TEST UNIT READY");
    if (task->status == SCSI_STATUS_GOOD)
        printf("good\n");
    else if (task->sense.key == SCSI_SENSE_UNIT_ATTENTION)
        printf("attention %04x\n", (unsigned)task->sense.ascq);
    else
        need(false, c, "TEST UNIT READY");
    scsi_free_scsi_task(task);
}

static void keep_last_block(struct client *c)
{
    unsigned char bytes[BLOCK_MAX];
    struct scsi_task *task;

    memset(bytes, 0x5a, sizeof bytes);
    task = iscsi_write16_sync(c->iscsi, c->lun, c->blocks - 1, bytes, c->block_bytes,
                              (int)c->block_bytes, 0, 0, 0, 0, 0);
    need(task && task->status == SCSI_STATUS_GOOD, c, "WRITE");
    scsi_free_scsi_task(task);
    task = iscsi_read16_sync(c->iscsi, c->lun, c->blocks - 1, c->block_bytes, (int)c->block_bytes,
                             0, 0, 0, 0, 0);
    need(task && task->status == SCSI_STATUS_GOOD && task->datain.size == (int)c->block_bytes, c,
         "READ");
    printf(memcmp(task->datain.data, bytes, c->block_bytes) == 0 ? "last block kept\n"
                                                                 : "last block lost\n");
    scsi_free_scsi_task(task);
}

static uint64_t bytes_of(const struct client *c)
{
    return c->blocks * c->block_bytes;
}

int main(int argc, char **argv)
{
    struct client clients[CLIENTS_MAX] = {{0}};
    int count = argc - 2;
    char byte;

    if (count < 1 || count > CLIENTS_MAX) {
        fprintf(stderr, "usage: resize_client ISCSI-URL INITIATOR-NAME…\n");
        return 1;
    }
    for (int i = 0; i < count; i++) {
        clients[i].name = argv[i + 2];
        log_in(&clients[i], argv[1]);
        read_size(&clients[i]);
        printf("ready %" PRIu64 "\n", bytes_of(&clients[i]));
    }
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (int i = 0; i < count; i++) {
        say_next(&clients[i]);
        say_next(&clients[i]);
        read_size(&clients[i]);
        printf("size %" PRIu64 "\n", bytes_of(&clients[i]));
        keep_last_block(&clients[i]);
        iscsi_logout_sync(clients[i].iscsi);
        iscsi_destroy_context(clients[i].iscsi);
    }
    return 0;
}
