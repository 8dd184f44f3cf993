/* SPDX-License-Identifier: Apache-2.0 */
/* cli/table.c — rows are gathered first, for the widths; without memory a row is left out. */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

/* Characters as a terminal counts them: UTF-8's continuation bytes take no room. */
static uint32_t width_of(const char *text)
{
    uint32_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_row(struct table *t, const char *const *cells)
{
    if (t->rows == t->room) {
        uint32_t room = t->room ? t->room * 2 : 16;
        char **grown = realloc(t->cells, sizeof *grown * room * t->columns);

        if (!grown)
            return;
        t->cells = grown;
        t->room = room;
    }
    for (uint32_t i = 0; i < t->columns; i++)
        t->cells[t->rows * t->columns + i] = strdup(cells[i]);
    t->rows++;
}

void table_init(struct table *t, const char *const *head)
{
    memset(t, 0, sizeof *t);
    while (head[t->columns] && t->columns < TABLE_COLUMNS_MAX)
        t->columns++;
    table_row(t, head);
}

static const char *cell(const struct table *t, uint32_t row, uint32_t column)
{
    const char *text = t->cells[row * t->columns + column];

    return text ? text : "";
}

void table_print(const struct table *t, FILE *to)
{
    uint32_t widths[TABLE_COLUMNS_MAX] = {0};

    for (uint32_t row = 0; row < t->rows; row++)
        for (uint32_t i = 0; i < t->columns; i++)
            if (width_of(cell(t, row, i)) > widths[i])
                widths[i] = width_of(cell(t, row, i));
    for (uint32_t row = 0; row < t->rows; row++) {
        for (uint32_t i = 0; i < t->columns; i++) {
            uint32_t pad = i + 1 < t->columns ? widths[i] - width_of(cell(t, row, i)) + 2 : 0;

            fprintf(to, "%s%*s", cell(t, row, i), (int)pad, "");
        }
        fputc('\n', to);
    }
}

void table_done(struct table *t)
{
    for (uint32_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    memset(t, 0, sizeof *t);
}
