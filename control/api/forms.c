/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/forms.c — see forms.h.
 *
 * Names and portals are of a small alphabet (record_initiator_valid, the configuration's check), so
 * that nothing here needs quoting.
 *
 * An attachment has one deadline, and not every initiator is served by it: QEMU has no timer of its
 * own and gives up after seven BUSY; the kernel's timer of 30 s must not come first.  A form that
 * the deadline does not fit says so, in a comment of its own language.
 */
#include "control/api/forms.h"

#include <stdio.h>
#include <string.h>

/* "[::1]:3260" → "::1" and "3260". */
static bool portal_split(const char *portal, char host[64], const char **ret_port)
{
    const char *colon = strrchr(portal, ':');
    size_t length = colon ? (size_t)(colon - portal) : 0;

    if (length == 0 || length >= 64)
        return false;
    if (portal[0] == '[' && portal[length - 1] == ']') {
        portal++;
        length -= 2;
    }
    memcpy(host, portal, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

#define KERNEL_TIMER_S 30u /* of a SCSI command, /sys/block/…/device/timeout */

#define QEMU_WANTS_NONE                                                                            \
    " # QEMU gives up after seven BUSY, and this attachment has a deadline: --deadline none"

/* Its iSCSI driver proves itself and asks for no proof: a mutual attachment is one-way for it. */
static json_t *qemu_form(const struct attachment_record *a, const char *target, const char *portal,
                         bool secrets)
{
    char object[RECORD_CHAP_MAX + 64] = "", chap[RECORD_CHAP_MAX + 80] = "";
    struct identity_text id = identity_show(a->attachment);

    if (a->chap.user[0]) {
        snprintf(object, sizeof object, "-object secret,id=chap-%s,data=%s ", id.text,
                 secrets ? a->chap.secret : "SECRET");
        snprintf(chap, sizeof chap, ",user=%s,password-secret=chap-%s", a->chap.user, id.text);
    }
    return json_sprintf("%s-blockdev driver=iscsi,node-name=dolmen-%s,transport=tcp,portal=%s,"
                        "target=%s,lun=0,initiator-name=%s%s%s -device virtio-blk-pci,"
                        "drive=dolmen-%s%s",
                        object, id.text, portal, target, a->initiator, chap,
                        a->read_only ? ",read-only=on" : ",discard=unmap", id.text,
                        a->deadline_seconds ? QEMU_WANTS_NONE : "");
}

/* A comment of XML has no two hyphens. */
#define LIBVIRT_WANTS_NONE                                                                         \
    "<!-- QEMU gives up after seven BUSY, and this attachment has a deadline: none fits better "   \
    "-->"

static json_t *libvirt_form(const struct attachment_record *a, const char *target,
                            const char *portal)
{
    char host[64], auth[RECORD_CHAP_MAX + 128] = "";
    const char *port;

    if (!portal_split(portal, host, &port))
        return json_null();
    if (a->chap.user[0]) /* the secret itself: virsh secret-define and secret-set-value */
        snprintf(auth, sizeof auth,
                 "<auth username='%s'><secret type='iscsi' usage='dolmen-%s'/></auth>",
                 a->chap.user, identity_show(a->attachment).text);
    return json_sprintf("<disk type='network' device='disk'><driver name='qemu' type='raw' "
                        "cache='none' discard='unmap'/>"
                        "<source protocol='iscsi' name='%s/0'><host name='%s' port='%s'/>"
                        "<initiator><iqn name='%s'/></initiator>%s</source>"
                        "<target dev='vdb' bus='virtio'/>%s%s</disk>%s",
                        target, host, port, a->initiator, auth, a->shared ? "<shareable/>" : "",
                        a->read_only ? "<readonly/>" : "",
                        a->deadline_seconds ? LIBVIRT_WANTS_NONE : "");
}

static const char *kernel_wants(const struct attachment_record *a)
{
    if (a->deadline_seconds > 0 && a->deadline_seconds < KERNEL_TIMER_S)
        return "";
    return "; the kernel's timer (30 s) comes before this attachment's deadline: --deadline 25s";
}

/* open-iscsi takes its own name from one file for the whole host. */
static json_t *open_iscsi_form(const struct attachment_record *a, const char *target,
                               const char *portal, bool secrets)
{
    const struct chap_record *c = &a->chap;
    char chap[4 * RECORD_CHAP_MAX + 320] = "";
    int used = 0;

    if (c->user[0])
        used = snprintf(chap, sizeof chap,
                        " -n node.session.auth.authmethod -v CHAP -n node.session.auth.username "
                        "-v %s -n node.session.auth.password -v %s",
                        c->user, secrets ? c->secret : "SECRET");
    if (c->mutual_user[0])
        snprintf(chap + used, sizeof chap - (size_t)used,
                 " -n node.session.auth.username_in -v %s -n node.session.auth.password_in -v %s",
                 c->mutual_user, secrets ? c->mutual_secret : "SECRET");
    return json_sprintf("iscsiadm -m node -o new -T %s -p %s && %s%s%s%s%s%s%s"
                        "iscsiadm -m node -T %s -p %s "
                        "--login # with InitiatorName=%s in /etc/iscsi/initiatorname.iscsi%s",
                        target, portal, *chap ? "iscsiadm -m node -T " : "", *chap ? target : "",
                        *chap ? " -p " : "", *chap ? portal : "", *chap ? " -o update" : "", chap,
                        *chap ? " && " : "", target, portal, a->initiator, kernel_wants(a));
}

json_t *forms_json(const struct attachment_record *a, const char *target, const char *portal,
                   bool secrets)
{
    if (!portal)
        return json_pack("{sn sn sn}", "qemu", "libvirt", "open_iscsi");
    return json_pack("{so so so}", "qemu", qemu_form(a, target, portal, secrets), "libvirt",
                     libvirt_form(a, target, portal), "open_iscsi",
                     open_iscsi_form(a, target, portal, secrets));
}
