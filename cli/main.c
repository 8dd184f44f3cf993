/* SPDX-License-Identifier: Apache-2.0 */
/* cli/main.c — the door from the shell. */
#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
    enum cli_exit result;

    signal(SIGPIPE, SIG_IGN); /* a reader that left (`dolmen … | head`) is a failed write */
    result = cli_run(argc, argv, stdout, stderr);
    if (fflush(stdout) != 0 && result == CLI_OK)
        return CLI_FAILED;
    return (int)result;
}
