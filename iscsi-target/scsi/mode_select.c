/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/scsi/mode_select.c — MODE SELECT(6) and (10) (SPC-5 6.11, 7.5.6; SBC-4 6.5).
 *
 * The parameter list: a header, at most one block descriptor, pages.  The whole list is judged
 * before anything changes.  The descriptor must say what is so already, and so must every bit of a
 * page that cannot be changed; what MODE SENSE has given comes back unharmed.  A change is for all
 * nexuses, and the others are told: 2A/01.
 */
#include "base/util.h"
#include "base/wire.h"
#include "iscsi-target/scsi/mode.h"
#include "iscsi-target/scsi/operation.h"

#define PAGE_FORMAT 0x10u

/* The list, as far as it was judged, and the mode that it asks for. */
struct mode_list {
    struct scsi_command *c;
    uint32_t at, bytes;
    struct scsi_mode mode;
};

static bool is_6(const struct scsi_command *c)
{
    return scsi_cdb_bytes(c->cdb[0]) == 6;
}

/* Saving (SP), reverting (RTD) and pages of no standard's format (PF 0) are not there. */
bool scsi_mode_select_decode(struct scsi_command *c)
{
    bool saves_or_reverts = c->cdb[1] & 0x03;

    c->data_out_bytes = is_6(c) ? c->cdb[4] : be16_at(c->cdb, 7);
    if (saves_or_reverts || (c->data_out_bytes && !(c->cdb[1] & PAGE_FORMAT)))
        return scsi_refuse_field(c, 1);
    return true;
}

/* The next bytes of the list, which must have them. */
static bool take(struct mode_list *l, void *to, uint32_t length)
{
    if (length > l->bytes - l->at)
        return scsi_refuse(l->c, PARAMETER_LIST_LENGTH_ERROR);
    payload_read(&l->c->data_out, l->at, to, length);
    l->at += length;
    return true;
}

/* No blocks, and as many as the field can say, leave their number as it is. */
static bool take_descriptor(struct mode_list *l, bool is_long)
{
    uint32_t begin = l->at, count_bytes = is_long ? 8 : 4;
    uint8_t said[16] = {0}, same[16], any[8];
    uint32_t length = scsi_mode_descriptor(l->c, is_long, same);

    memset(any, 0xff, sizeof any);
    if (!take(l, said, length))
        return false;
    if (memcmp(said, same, count_bytes) != 0 && memcmp(said, any, count_bytes) != 0) {
        memset(any, 0, sizeof any);
        if (memcmp(said, any, count_bytes) != 0)
            return scsi_refuse_parameter(l->c, begin);
    }
    if (be24_at(said, length - 3) != be24_at(same, length - 3))
        return scsi_refuse_parameter(l->c, begin + length - 3);
    return true;
}

/* MODE DATA LENGTH and the device-specific parameter mean nothing here: SPC-5 7.5.5, SBC-4 6.5.1.
 */
static bool take_header(struct mode_list *l)
{
    bool small = is_6(l->c), is_long;
    uint8_t head[8] = {0};
    uint32_t descriptor;

    if (!take(l, head, small ? 4 : 8))
        return false;
    if (head[small ? 1 : 2] != 0) /* MEDIUM TYPE */
        return scsi_refuse_parameter(l->c, small ? 1 : 2);
    is_long = !small && head[4] & 0x01;
    descriptor = small ? head[3] : be16_at(head, 6);
    if (descriptor == 0)
        return true;
    if (descriptor != (is_long ? 16u : 8u))
        return scsi_refuse_parameter(l->c, small ? 3 : 6);
    return take_descriptor(l, is_long);
}

static bool take_page(struct mode_list *l)
{
    uint8_t said[MODE_PAGE_MAX] = {0}, same[MODE_PAGE_MAX];
    const struct mode_page *p;
    uint32_t begin = l->at;

    if (!take(l, said, 2))
        return false;
    p = scsi_mode_page(said[0] & 0x7f); /* PS says nothing here; SPF names a subpage */
    if (!p)
        return scsi_refuse_parameter(l->c, begin);
    if (said[1] != p->bytes[1])
        return scsi_refuse_parameter(l->c, begin + 1);
    if (!take(l, said + 2, p->length - 2u))
        return false;
    scsi_mode_current(p, l->mode, same);
    for (uint32_t i = 2; i < p->length; i++)
        if ((said[i] ^ same[i]) & ~p->changes[i])
            return scsi_refuse_parameter(l->c, begin + i);
    scsi_mode_take(p, said, &l->mode);
    return true;
}

static bool same_mode(struct scsi_mode a, struct scsi_mode b)
{
    return a.descriptor_sense == b.descriptor_sense && a.write_protected == b.write_protected;
}

bool scsi_mode_select_perform(struct scsi_command *c)
{
    struct mode_list l = {.c = c, .bytes = c->data_out_bytes, .mode = c->nexus->mode};

    if (l.bytes == 0)
        return true;
    if (c->data_out.bytes < l.bytes) {
        scsi_refuse(c, PARAMETER_LIST_LENGTH_ERROR);
        return true;
    }
    if (!take_header(&l))
        return true;
    while (l.at < l.bytes)
        if (!take_page(&l))
            return true;
    if (!same_mode(l.mode, c->nexus->mode))
        scsi_nexus_set_mode(c->nexus, l.mode);
    return true;
}
