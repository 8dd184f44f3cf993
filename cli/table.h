/* SPDX-License-Identifier: Apache-2.0 */
/* cli/table.h — columns for people: as wide as their widest cell, no trailing blanks. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 10u

struct table {
    uint32_t columns, rows, room;
    char **cells; /* rows * columns, each its own copy; the first row is the head */
};

/* The head names the columns; a NULL ends it. */
void table_init(struct table *t, const char *const *head);
/* As many cells as there are columns. */
void table_row(struct table *t, const char *const *cells);
void table_print(const struct table *t, FILE *to);
void table_done(struct table *t);

#endif
