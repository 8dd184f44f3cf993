/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/file.h — an input as a file that a reader can open by its path. */
#ifndef TESTS_FUZZ_FILE_H
#define TESTS_FUZZ_FILE_H

#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct file {
    int fd;
    char path[32];
};

static inline struct file file_of(const uint8_t *bytes, size_t length)
{
    struct file f = {.fd = memfd_create("input", MFD_CLOEXEC)};
    ssize_t written;

    assert(f.fd >= 0);
    written = write(f.fd, bytes, length);
    assert(written == (ssize_t)length);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

/* libconfig would read other files of this machine on its own: no input of ours. */
static inline bool file_includes(const uint8_t *bytes, size_t length)
{
    return length > 0 && memmem(bytes, length, "@include", 8) != NULL;
}

/* libconfig forgets a string that its file does not end.  The process reads one file, and ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

#endif
