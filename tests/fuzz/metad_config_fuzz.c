/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/metad_config_fuzz.c — metad's configuration: taken within its bounds, or refused with
 * one line that names the file.
 */
#include "control/config.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct control_config config;
    char why[CONFIG_WHY] = "";
    struct file f;
    enum err err;

    if (file_includes(bytes, length))
        return 0;
    f = file_of(bytes, length);
    err = control_config_read(f.path, &config, why);
    if (err) {
        assert(strncmp(why, f.path, strlen(f.path)) == 0);
        assert(memchr(why, '\0', sizeof why));
    } else {
        assert(config.dir[0] && memchr(config.dir, '\0', sizeof config.dir));
        assert(config.listen[0] && memchr(config.listen, '\0', sizeof config.listen));
        assert(strncmp(config.iqn_prefix, "iqn.", 4) == 0);
    }
    close(f.fd);
    return 0;
}
