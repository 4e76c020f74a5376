/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts podmountd, finds its processes, and reads what they cost from /proc: the run time of schedstat is exact for a
 * process that sleeps, unlike the ticks of stat. */

#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static FILE *open_proc(pid_t pid, const char *name) {
        _cleanup_free_ char *path = NULL;
        FILE *file;

        if (asprintf(&path, "/proc/%d/%s", (int) pid, name) < 0)
                give_up("asprintf");
        file = fopen(path, "re");
        if (!file)
                give_up(path);
        return file;
}

/* The number behind the word that begins a line; several such lines are added up. */
static double proc_number(pid_t pid, const char *file_name, const char *word) {
        FILE *file = open_proc(pid, file_name);
        _cleanup_free_ char *line = NULL;
        size_t size = 0, length = strlen(word);
        double sum = 0;

        while (getline(&line, &size, file) > 0)
                if (strncmp(line, word, length) == 0)
                        sum += strtod(line + length, NULL);
        (void) fclose(file); /* it was only read */
        return sum;
}

double process_cpu(pid_t pid) {
        return proc_number(pid, "schedstat", "") / 1e3;
}

double process_switches(pid_t pid) {
        return proc_number(pid, "status", "voluntary_ctxt_switches:") +
               proc_number(pid, "status", "nonvoluntary_ctxt_switches:");
}

double process_memory(pid_t pid) {
        return proc_number(pid, "smaps_rollup", "Pss:") * 1024;
}

double process_heap(pid_t pid) {
        return proc_number(pid, "smaps_rollup", "Pss_Anon:") * 1024;
}

static double sum(const struct processes *processes, double (*of)(pid_t pid)) {
        double result = of(processes->keeper) + of(processes->front);

        for (size_t i = 0; i < processes->n_executors; i++)
                result += of(processes->executors[i]);
        return result;
}

double processes_cpu(const struct processes *processes) {
        return sum(processes, process_cpu);
}

double processes_switches(const struct processes *processes) {
        return sum(processes, process_switches);
}

void process_rest(pid_t pid, unsigned ms) {
        double until = sample_now() + 120e6, last = -1;

        for (double now = process_cpu(pid); now > last && sample_now() < until; now = process_cpu(pid)) {
                last = now;
                (void) usleep(ms * 1000); /* an early end only asks once more */
        }
}

/* A datagram socket in the environment that takes the news of sd_notify(3). */
static int listen_for_news(const char *directory) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || snprintf(address.sun_path, sizeof(address.sun_path), "%s-notify", directory) >=
                              (int) sizeof(address.sun_path))
                give_up("socket");
        (void) unlink(address.sun_path); /* of the one before */
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(address.sun_path, 0777) < 0 ||
                setenv("NOTIFY_SOCKET", address.sun_path, 1) < 0)
                give_up(address.sun_path);
        return fd;
}

static void wait_for_ready(int fd) {
        struct timeval limit = {.tv_sec = 60};
        char text[4096];
        ssize_t n;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
                give_up("SO_RCVTIMEO");
        do {
                n = recv(fd, text, sizeof(text) - 1, 0);
                if (n < 0)
                        give_up("podmountd is not ready");
                text[n] = '\0';
        } while (!strstr(text, "READY=1"));
}

static void find_children(struct processes *processes, uid_t uid) {
        _cleanup_free_ char *path = NULL;
        FILE *file;
        int pid;

        if (asprintf(&path, "task/%d/children", (int) processes->keeper) < 0)
                give_up("asprintf");
        file = open_proc(processes->keeper, path);
        while (fscanf(file, "%d", &pid) == 1)
                if (proc_number(pid, "status", "Uid:") == uid)
                        processes->front = pid;
                else if (processes->n_executors < PROCESSES_MAX)
                        processes->executors[processes->n_executors++] = pid;
        (void) fclose(file); /* it was only read */
        if (processes->front == 0)
                give_up("podmountd has no front");
}

void processes_start(const char *program, const char *config, const char *user, const char *directory,
        struct processes *ret) {
        _cleanup_close_ int news = listen_for_news(directory);
        const struct passwd *account = getpwnam(user);
        struct processes processes = {};

        if (!account || mkdir(directory, 0755) < 0)
                give_up(account ? directory : user);
        processes.keeper = fork();
        if (processes.keeper < 0)
                give_up("fork");
        if (processes.keeper == 0) {
                (void) execl(program, program, "--runtime-dir", directory, "--bus", "none", "--user", user, "--config", config,
                        (char *) NULL);
                _exit(127);
        }
        wait_for_ready(news);
        (void) unsetenv("NOTIFY_SOCKET"); /* the name is right */
        find_children(&processes, account->pw_uid);
        *ret = processes;
}

void processes_stop(struct processes *processes) {
        if (kill(processes->keeper, SIGTERM) < 0 || waitpid(processes->keeper, NULL, 0) < 0)
                give_up("podmountd does not end");
        *processes = (struct processes){};
}
