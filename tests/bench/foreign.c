/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * foreign: what mounts that are not podmount's cost it, at 100, 1,000, 10,000 and 90,000 of them in the namespace: CPU
 * time for one that comes and goes, CPU time of a start, memory, and wake-ups when nothing happens. One JSON line a
 * figure. Started by scripts/bench in a mount namespace of its own, or with --manager in a booted host, where it
 * measures PID 1 beside the front, on the same events.
 *
 *     foreign --daemon PROGRAM --config FILE --scratch DIR [--manager] [FIGURE…]       figures: event start memory idle
 *
 * --scratch is an empty directory on a tmpfs.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "raw.h"
#include "sample.h"

enum {
        ROUNDS = 5,
        PAIRS = 400, /* a round */
        PACED_PAIRS = 30,
        PACE_US = 30 * 1000, /* longer than the front waits for more events */
        START_ROUNDS = 5,
        REST_MS = 400,          /* longer than the front puts anything off here */
        MANAGER_REST_MS = 1500, /* PID 1 looks at mountinfo once a second while it is told of changes */
        MANAGER_PAIRS = 50,
        IDLE_S = 5,
        TRIM_S = 4, /* longer than the front keeps what is free */
};

static const size_t sizes[] = {100, 1000, 10000, 90000};

struct foreign {
        const char *program, *config, *scratch;
        struct processes daemon;
        bool manager;
        size_t n; /* mounts that are there now */
};

static int must(int r, const char *what) {
        if (r < 0) {
                fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
                exit(EXIT_FAILURE);
        }
        return r;
}

static int directory_in(int parent, const char *name) {
        must(mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -1 : 0, name);
        return must(openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC), name);
}

static double own_cpu(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts); /* cannot fail for this clock */
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

/* Makes it `n` mounts, on paths as long as an orchestrator's are. */
static void fill(struct foreign *f, size_t n) {
        _cleanup_close_ int scratch = must(open(f->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC), f->scratch), many = -1, pod = -1;
        char name[32];

        if (f->n == 0) {
                many = directory_in(scratch, "many");
                must(fchdir(scratch), "fchdir");
                must(mount("many", "many", "tmpfs", 0, NULL), "mount");
        }
        many = close_fd(many);
        many = directory_in(scratch, "many");
        pod = directory_in(many, "0f3b2c9e-6a1d-4c58-9b7e-5d2f8a4c1e60~volumes");
        for (; f->n < n; f->n++) {
                (void) snprintf(name, sizeof(name), "volume-%zu", f->n); /* 32 bytes hold any size_t */
                (void) close_fd(directory_in(pod, name));
                raw_bind(f->scratch, pod, name);
        }
}

static void empty(struct foreign *f) {
        _cleanup_close_ int scratch = must(open(f->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC), f->scratch);

        if (f->n > 0)
                raw_unmount(scratch, "many", 1);
        f->n = 0;
}

static void start(struct foreign *f) {
        _cleanup_free_ char *directory = NULL;
        static unsigned count;

        must(asprintf(&directory, "%s/run-%u", f->scratch, count++), "asprintf");
        processes_start(f->program, f->config, "nobody", directory, &f->daemon);
}

static void rest(const struct foreign *f) {
        process_rest(f->daemon.front, REST_MS);
        if (f->manager)
                process_rest(1, MANAGER_REST_MS);
}

static void label(char *ret, size_t size, const char *name, size_t n) {
        (void) snprintf(ret, size, "%s-%zu", name, n); /* figures have short names */
}

struct costs {
        struct samples front, manager, raw; /* CPU time a pair */
};

static void pairs(const struct foreign *f, size_t n, useconds_t pace, struct costs *costs) {
        _cleanup_close_ int scratch = must(open(f->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC), f->scratch);
        double front, manager, raw;

        (void) close_fd(directory_in(scratch, "pair"));
        rest(f);
        front = process_cpu(f->daemon.front);
        manager = f->manager ? process_cpu(1) : 0;
        raw = own_cpu();
        for (size_t i = 0; i < n; i++) {
                raw_bind(f->scratch, scratch, "pair");
                if (pace > 0)
                        (void) usleep(pace); /* an early end is no harm */
                raw_unmount(scratch, "pair", 0);
                if (pace > 0)
                        (void) usleep(pace);
        }
        samples_add(&costs->raw, (own_cpu() - raw) / (double) n);
        rest(f);
        samples_add(&costs->front, (process_cpu(f->daemon.front) - front) / (double) n);
        if (f->manager)
                samples_add(&costs->manager, (process_cpu(1) - manager) / (double) n);
}

static void costs_done(struct costs *costs) {
        samples_done(&costs->front);
        samples_done(&costs->manager);
        samples_done(&costs->raw);
}

static void costs_print(const char *name, struct costs *costs, struct costs *least, size_t n, bool manager) {
        char figure[64], base[64];

        label(figure, sizeof(figure), name, n);
        label(base, sizeof(base), name, sizes[0]);
        sample_print(figure, samples_median(&costs->front), base, samples_median(&least->front), n == 90000 ? 1.5 : 0);
        (void) snprintf(figure, sizeof(figure), "%s-raw-%zu", name, n); /* figures have short names */
        sample_print(figure, samples_median(&costs->raw), NULL, 0, 0);
        if (!manager)
                return;
        (void) snprintf(figure, sizeof(figure), "%s-pid1-%zu", name, n); /* figures have short names */
        label(base, sizeof(base), name, n);
        sample_print(figure, samples_median(&costs->manager), base, samples_median(&costs->front), 0);
}

/* The sizes in turns, a few pairs of mount and unmount at each. PID 1 takes a minute for 10,000 mounts to come, and far
 * longer for more: with it, fewer of all. */
static void bench_event(struct foreign *f) {
        size_t n_sizes = f->manager ? 3 : ELEMENTSOF(sizes), rounds = f->manager ? 1 : ROUNDS;
        struct costs fast[ELEMENTSOF(sizes)] = {}, paced[ELEMENTSOF(sizes)] = {};

        for (size_t round = 0; round < rounds; round++) {
                for (size_t i = 0; i < n_sizes; i++) {
                        fill(f, sizes[i]);
                        pairs(f, f->manager ? MANAGER_PAIRS : PAIRS, 0, fast + i);
                        pairs(f, PACED_PAIRS, PACE_US, paced + i);
                }
                empty(f);
        }
        for (size_t i = 0; i < n_sizes; i++) {
                costs_print("event", fast + i, fast, sizes[i], f->manager);
                costs_print("event-paced", paced + i, paced, sizes[i], f->manager);
        }
        for (size_t i = 0; i < n_sizes; i++) {
                costs_done(fast + i);
                costs_done(paced + i);
        }
}

/* All processes' CPU time until the table is filled and they rest, beside the raw loop that shows the same. */
static void bench_start(struct foreign *f) {
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct samples raws = {}, ours = {};
                char figure[64];

                fill(f, sizes[i]);
                for (size_t round = 0; round < START_ROUNDS; round++) {
                        double before = own_cpu();

                        raw_list();
                        samples_add(&raws, own_cpu() - before);
                        start(f);
                        process_rest(f->daemon.front, REST_MS);
                        samples_add(&ours, processes_cpu(&f->daemon));
                        processes_stop(&f->daemon);
                }
                label(figure, sizeof(figure), "start", sizes[i]);
                sample_print(figure, samples_median(&ours), "raw listmount and statmount", samples_median(&raws),
                        sizes[i] == 90000 ? 1.5 : 0);
                samples_done(&raws);
                samples_done(&ours);
        }
        empty(f);
}

static void print_memory(const char *name, double bytes, double budget) {
        printf("{ \"figure\": \"%s\", \"bytes\": %.0f", name, bytes);
        if (budget > 0)
                printf(", \"ratio\": %.2f, \"budget\": %.0f, \"within\": %s", bytes / budget, budget,
                        bytes <= budget ? "true" : "false");
        printf(" }\n");
        (void) fflush(stdout); /* a reader that is gone shows in the exit of the next write */
}

/* Memory at rest; then what each mount adds, for a daemon that saw them come and for one that found them. */
static void bench_memory(struct foreign *f) {
        enum { MIB = 1024 * 1024 };
        double empty_came = process_heap(f->daemon.front), empty_found = 0;
        struct processes running = f->daemon;
        char figure[64];

        print_memory("memory-rest-front", process_memory(f->daemon.front), 10 * MIB);
        print_memory("memory-rest-keeper", process_memory(f->daemon.keeper), 2 * MIB);
        for (size_t i = 0; i < f->daemon.n_executors; i++) {
                label(figure, sizeof(figure), "memory-rest-executor", i);
                print_memory(figure, process_memory(f->daemon.executors[i]), 2 * MIB);
        }
        for (size_t i = 0; i <= ELEMENTSOF(sizes); i++) {
                size_t n = i > 0 ? sizes[i - 1] : 0;
                double found;

                fill(f, n);
                process_rest(running.front, REST_MS);
                if (n > 0) {
                        label(figure, sizeof(figure), "memory-came", n);
                        print_memory(figure, (process_heap(running.front) - empty_came) / (double) n, n >= 1000 ? 400 : 0);
                }
                start(f);
                process_rest(f->daemon.front, REST_MS);
                found = process_heap(f->daemon.front);
                processes_stop(&f->daemon);
                if (n == 0)
                        empty_found = found;
                else {
                        label(figure, sizeof(figure), "memory-found", n);
                        print_memory(figure, (found - empty_found) / (double) n, n >= 1000 ? 400 : 0);
                }
        }
        empty(f);
        f->daemon = running;
        process_rest(running.front, REST_MS);
        (void) sleep(TRIM_S); /* an early end only makes the figure worse */
        print_memory("memory-front-after", process_memory(running.front), 0);
}

static void bench_idle(struct foreign *f) {
        double before, count;

        fill(f, 1000);
        rest(f);
        (void) sleep(6); /* what the front puts off is done by then; an early end only makes the figure worse */
        before = processes_switches(&f->daemon);
        (void) sleep(IDLE_S);
        count = processes_switches(&f->daemon) - before;
        printf("{ \"figure\": \"idle\", \"wakeups\": %.0f, \"seconds\": %d, \"budget\": 0, \"within\": %s }\n", count, IDLE_S,
                count == 0 ? "true" : "false");
        (void) fflush(stdout); /* a reader that is gone shows in the exit of the next write */
        empty(f);
}

static bool asked(char **figures, const char *name) {
        if (!*figures)
                return true;
        for (; *figures; figures++)
                if (strcmp(*figures, name) == 0)
                        return true;
        return false;
}

static int usage(void) {
        fprintf(stderr, "usage: foreign --daemon PROGRAM --config FILE --scratch DIR [--manager] [FIGURE…]\n");
        return 2;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"daemon", required_argument, NULL, 'd'}, {"config", required_argument, NULL, 'c'},
                {"scratch", required_argument, NULL, 's'}, {"manager", no_argument, NULL, 'm'}, {},
        };
        struct foreign f = {};
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        f.program = optarg;
                        break;
                case 'c':
                        f.config = optarg;
                        break;
                case 's':
                        f.scratch = optarg;
                        break;
                case 'm':
                        f.manager = true;
                        break;
                default:
                        return usage();
                }
        if (!f.program || !f.config || !f.scratch)
                return usage();
        argv += optind;
        if (!f.manager && asked(argv, "start"))
                bench_start(&f);
        start(&f);
        rest(&f);
        if (!f.manager && asked(argv, "memory"))
                bench_memory(&f);
        if (!f.manager && asked(argv, "idle"))
                bench_idle(&f);
        if (asked(argv, "event"))
                bench_event(&f);
        processes_stop(&f.daemon);
        return EXIT_SUCCESS;
}
