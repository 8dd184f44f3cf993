/* SPDX-License-Identifier: Apache-2.0 */
/* store/format.c — how a structure on disk is sealed, and how it proves itself. */
#include "store/format.h"

void format_seal(void *structure, uint32_t bytes, const struct format_name *name)
{
    format_seal_with(structure, bytes, name, 0);
}

void format_seal_with(void *structure, uint32_t bytes, const struct format_name *name,
                      uint32_t incompat)
{
    struct format_head *h = structure;

    memset(h, 0, sizeof *h);
    h->magic = le32_of(name->magic);
    h->version = le32_of(FORMAT_VERSION);
    h->bytes = le32_of(bytes);
    h->incompat = le32_of(incompat);
    h->disk = le64_of(name->disk.bits);
    h->page = le64_of(name->page);
    h->checkpoint = le64_of(name->checkpoint);
    h->checksum =
        le64_of(crc64((uint8_t *)structure + sizeof h->checksum, bytes - sizeof h->checksum));
}

enum err format_prove(const void *structure, size_t room, const struct format_name *name)
{
    const struct format_head *h = structure;
    uint32_t bytes;

    if (room < sizeof *h || le32_get(h->magic) != name->magic)
        return E_NOT_FOUND;
    bytes = le32_get(h->bytes);
    if (bytes < sizeof *h || bytes > room)
        return E_DAMAGED;
    if (le64_get(h->checksum) !=
        crc64((const uint8_t *)structure + sizeof h->checksum, bytes - sizeof h->checksum))
        return E_DAMAGED;
    if (le64_get(h->disk) != name->disk.bits || le64_get(h->page) != name->page)
        return E_DAMAGED;
    return E_OK;
}

enum err format_features(const struct format_head *h, bool *ret_read_only)
{
    if (le32_get(h->version) != FORMAT_VERSION)
        return E_UNSUPPORTED;
    if (le32_get(h->incompat) & ~FORMAT_INCOMPAT)
        return E_UNSUPPORTED;
    if (le32_get(h->ro_compat) & ~FORMAT_RO)
        *ret_read_only = true;
    return E_OK;
}

uint32_t map_record_check(const struct format_map_record *r, uint64_t chunk)
{
    le64 number = le64_of(chunk);
    uint32_t crc = crc32c(&number, sizeof number);

    return crc32c_go_on(crc, (const uint8_t *)r + sizeof r->check, sizeof *r - sizeof r->check);
}
