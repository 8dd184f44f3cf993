/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/words_fuzz.c — the small words that operators and initiators write: sizes, identities,
 * addresses, names.  What a parser accepts it must write back as something it accepts.
 */
#include "base/identity.h"
#include "base/size.h"
#include "env/env.h"
#include "iscsi-target/iscsi_target.h"
#include "metadata/records.h"
#include "tests/fuzz/fuzz.h"

static void sizes(const char *text)
{
    uint64_t bytes = 42;

    if (size_parse(text, &bytes))
        assert(bytes < UINT64_C(1) << 63 && *size_show(bytes).text);
    else
        assert(bytes == 42);
}

static void identities(const char *text)
{
    struct identity id = {42}, again;

    if (!identity_parse(text, &id)) {
        assert(id.bits == 42);
        return;
    }
    assert(!identity_none(id));
    assert(identity_parse(identity_show(id).text, &again));
    assert(identity_equal(id, again));
}

static void addresses(const char *text)
{
    struct net_address address, again;

    if (!net_address_parse(text, &address))
        return;
    assert(net_address_parse(address.text, &again));
    assert(strcmp(address.text, again.text) == 0);
}

static void names(const char *text)
{
    struct identity volume, again;
    char name[ISCSI_NAME_MAX];

    if (record_name_valid(text))
        assert(strlen(text) <= RECORD_NAME_MAX && !identity_parse(text, &volume));
    if (record_initiator_valid(text))
        assert(strlen(text) < RECORD_INITIATOR_MAX);
    if (!iscsi_target_volume(ISCSI_PREFIX, text, &volume))
        return;
    iscsi_target_name(ISCSI_PREFIX, volume, name);
    assert(iscsi_target_volume(ISCSI_PREFIX, name, &again));
    assert(identity_equal(volume, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = input_text(&(struct input){bytes, length});

    sizes(text);
    identities(text);
    addresses(text);
    names(text);
    free(text);
    return 0;
}
