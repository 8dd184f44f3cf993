/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/transaction.c — compares and puts, gathered within the limits of every keeper. */
#include "metadata/records.h"

#include <stdlib.h>
#include <string.h>

void transaction_init(struct record_transaction *t)
{
    t->compare_count = t->put_count = 0;
}

void transaction_done(struct record_transaction *t)
{
    for (uint32_t i = 0; i < t->put_count; i++)
        free(t->puts[i].value);
    transaction_init(t);
}

struct record_transaction *transaction_new(void)
{
    struct record_transaction *t = malloc(sizeof *t);

    if (t)
        transaction_init(t);
    return t;
}

void transaction_free(struct record_transaction *t)
{
    if (t)
        transaction_done(t);
    free(t);
}

enum err transaction_compare(struct record_transaction *t, struct record_key key, uint64_t revision)
{
    struct record_compare *c = &t->compares[t->compare_count];

    if (t->compare_count == COMPARES_MAX)
        return E_TOO_LARGE;
    memcpy(c->key, key.text, sizeof c->key);
    c->revision = revision;
    t->compare_count++;
    return E_OK;
}

static uint64_t transaction_bytes(const struct record_transaction *t)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < t->compare_count; i++)
        sum += strlen(t->compares[i].key);
    for (uint32_t i = 0; i < t->put_count; i++)
        sum += strlen(t->puts[i].key) + (t->puts[i].value ? strlen(t->puts[i].value) : 0);
    return sum;
}

static enum err put_add(struct record_transaction *t, struct record_key key, char *value)
{
    struct record_put *p = &t->puts[t->put_count];
    uint64_t bytes = strlen(key.text) + (value ? strlen(value) : 0);

    if (t->put_count == PUTS_MAX || (value && strlen(value) > RECORD_VALUE_MAX) ||
        transaction_bytes(t) + bytes > TRANSACTION_BYTES_MAX)
        return E_TOO_LARGE;
    memcpy(p->key, key.text, sizeof p->key);
    p->value = value;
    t->put_count++;
    return E_OK;
}

enum err transaction_put(struct record_transaction *t, struct record_key key, char *value)
{
    enum err err = value ? put_add(t, key, value) : E_NO_MEMORY;

    if (err)
        free(value);
    return err;
}

enum err transaction_delete(struct record_transaction *t, struct record_key key)
{
    return put_add(t, key, NULL);
}

/* Printable ASCII without blanks: every keeper and every log line can carry it. */
static bool key_valid(const char *key)
{
    size_t length = strnlen(key, RECORD_KEY_MAX);

    if (length == 0 || length == RECORD_KEY_MAX)
        return false;
    for (const char *c = key; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    return true;
}

static bool put_twice(const struct record_transaction *t, uint32_t place)
{
    for (uint32_t i = 0; i < place; i++) {
        if (strcmp(t->puts[i].key, t->puts[place].key) == 0)
            return true;
    }
    return false;
}

enum err transaction_check(const struct record_transaction *t)
{
    if (t->compare_count > COMPARES_MAX || t->put_count > PUTS_MAX)
        return E_TOO_LARGE;
    for (uint32_t i = 0; i < t->compare_count; i++) {
        if (!key_valid(t->compares[i].key))
            return E_INVALID;
    }
    for (uint32_t i = 0; i < t->put_count; i++) {
        if (!key_valid(t->puts[i].key) || put_twice(t, i))
            return E_INVALID;
        if (t->puts[i].value && strlen(t->puts[i].value) > RECORD_VALUE_MAX)
            return E_TOO_LARGE;
    }
    return transaction_bytes(t) > TRANSACTION_BYTES_MAX ? E_TOO_LARGE : E_OK;
}
