/* SPDX-License-Identifier: Apache-2.0 */
/* control/api/forms.h — an attachment in the words of each initiator, ready to paste.  Private. */
#ifndef CONTROL_API_FORMS_H
#define CONTROL_API_FORMS_H

#include "metadata/records.h"

#include <jansson.h>

/* {"qemu":"…","libvirt":"…","open_iscsi":"…"}; null where no portal is known yet.  Secrets stand in
 * them only where `secrets` says so; else SECRET. */
json_t *forms_json(const struct attachment_record *a, const char *target, const char *portal,
                   bool secrets);

#endif
