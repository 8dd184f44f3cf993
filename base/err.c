/* SPDX-License-Identifier: Apache-2.0 */
/* base/err.c — the tables behind err.h. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>

struct err_row {
    const char *name;
    const char *text;
    enum err_class class;
};

/* clang-format off */
#define ERR_ROW(name, class, text) [E_##name] = {#name, text, ERR_##class},
static const struct err_row rows[] = { ERR_LIST(ERR_ROW) };
#undef ERR_ROW
/* clang-format on */

static const struct err_row *row_of(enum err err)
{
    assert((unsigned)err < sizeof rows / sizeof rows[0]);
    return &rows[err];
}

const char *err_name(enum err err)
{
    return row_of(err)->name;
}

const char *err_text(enum err err)
{
    return row_of(err)->text;
}

enum err_class err_class(enum err err)
{
    return row_of(err)->class;
}

enum err err_of_errno(int number)
{
    switch (number) {
    case 0:
        return E_OK;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ENOTDIR:
        return E_NOT_FOUND;
    case EEXIST:
        return E_EXISTS;
    case EACCES:
    case EPERM:
        return E_FORBIDDEN;
    case EROFS:
        return E_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return E_NO_SPACE;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return E_NO_MEMORY;
    case EBUSY:
    case EADDRINUSE:
    case EAGAIN:
        return E_BUSY;
    case ETIMEDOUT:
        return E_TIMED_OUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return E_UNREACHABLE;
    case ECANCELED:
        return E_CLOSED;
    case EIO:
        return E_DISK;
    case EINVAL:
        return E_INVALID;
    default:
        return E_SYSTEM;
    }
}

int errno_of_file(const char *path)
{
    int error = errno;
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : error;
}
