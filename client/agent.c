/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The polkit agent: a child that asks for the password on the terminal while our call waits in the daemon. It tells
 * that it is registered by closing the write end of a pipe (its --notify-fd).
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "client/agent.h"
#include "util/cleanup.h"

enum { AGENT_START_TIMEOUT_MS = 5000 };

extern char **environ;

static pid_t spawn_agent(int notify_fd) {
        char program[] = "pkttyagent", notify[] = "--notify-fd", fallback[] = "--fallback", number[16];
        char *const argv[] = {program, notify, number, fallback, NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;
        int r;

        (void) snprintf(number, sizeof(number), "%d", notify_fd);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return 0;
        /* dup2 of an fd onto itself clears its close-on-exec flag in the child (posix_spawn_file_actions_adddup2(3)) */
        r = posix_spawn_file_actions_adddup2(&actions, notify_fd, notify_fd);
        if (r == 0)
                r = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions); /* frees memory only */
        return r == 0 ? pid : 0;
}

pid_t agent_start(void) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        int ends[2];
        struct pollfd wait;
        pid_t pid;

        if (geteuid() == 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return 0;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return 0;
        read_end = ends[0];
        write_end = ends[1];
        pid = spawn_agent(write_end);
        write_end = close_fd(write_end);
        if (pid == 0)
                return 0;
        wait = (struct pollfd) {.fd = read_end, .events = POLLIN};
        while (poll(&wait, 1, AGENT_START_TIMEOUT_MS) < 0 && errno == EINTR)
                ;
        return pid;
}

void agent_stop(pid_t agent) {
        if (agent <= 0)
                return;
        (void) kill(agent, SIGTERM); /* gone already is fine: it is waited for below */
        (void) kill(agent, SIGCONT); /* a stopped one takes the SIGTERM only when it goes on */
        while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
                ;
}
