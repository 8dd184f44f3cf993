/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/api/forms.c — see forms.h.
 *
 * Names and portals are of a small alphabet (record_initiator_valid, the configuration's check), so
 * that nothing here needs quoting.
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

static json_t *qemu_form(const struct attachment_record *a, const char *target, const char *portal)
{
    return json_sprintf("-blockdev driver=iscsi,node-name=dolmen-%s,transport=tcp,portal=%s,"
                        "target=%s,lun=0,initiator-name=%s%s",
                        identity_show(a->attachment).text, portal, target, a->initiator,
                        a->read_only ? ",read-only=on" : "");
}

static json_t *libvirt_form(const struct attachment_record *a, const char *target,
                            const char *portal)
{
    char host[64];
    const char *port;

    if (!portal_split(portal, host, &port))
        return json_null();
    return json_sprintf("<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
                        "<source protocol='iscsi' name='%s/0'><host name='%s' port='%s'/>"
                        "<initiator><iqn name='%s'/></initiator></source>"
                        "<target dev='vdb' bus='virtio'/>%s%s</disk>",
                        target, host, port, a->initiator, a->shared ? "<shareable/>" : "",
                        a->read_only ? "<readonly/>" : "");
}

/* open-iscsi takes its own name from one file for the whole host. */
static json_t *open_iscsi_form(const struct attachment_record *a, const char *target,
                               const char *portal)
{
    return json_sprintf("iscsiadm -m node -o new -T %s -p %s && iscsiadm -m node -T %s -p %s "
                        "--login # with InitiatorName=%s in /etc/iscsi/initiatorname.iscsi",
                        target, portal, target, portal, a->initiator);
}

json_t *forms_json(const struct attachment_record *a, const char *target, const char *portal)
{
    if (!portal)
        return json_pack("{sn sn sn}", "qemu", "libvirt", "open_iscsi");
    return json_pack("{so so so}", "qemu", qemu_form(a, target, portal), "libvirt",
                     libvirt_form(a, target, portal), "open_iscsi",
                     open_iscsi_form(a, target, portal));
}
