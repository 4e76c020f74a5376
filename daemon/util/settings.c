/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One table says what podmountd.conf may contain: section, key, type, limits and place in the struct. Reading, writing
 * and the checks walk that table, so a new setting is one line here and one field in the header.
 */

#include "util/settings.h"

#include <dirent.h>
#include <ini.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "util/array.h"
#include "util/link-name.h"
#include "util/log.h"
#include "util/path.h"

enum setting_type { SETTING_LEVEL, SETTING_COUNT, SETTING_SECONDS, SETTING_MILLISECONDS, SETTING_SIZE, SETTING_PROPAGATION, SETTING_VISIBILITY, SETTING_IMAGES, SETTING_BOOLEAN, SETTING_PREFIXES, SETTING_PATHS, SETTING_LINKS };

struct setting {
        const char *section, *name;
        enum setting_type type;
        size_t offset;
        uint64_t min, max;
        bool or_zero; /* 0 is allowed, too */
};

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)
#define FIELD(field) offsetof(struct settings, field)

static const struct setting known_settings[] = {
        {"Daemon", "LogLevel", SETTING_LEVEL, FIELD(log_level), 0, 0},
        {"Daemon", "Executors", SETTING_COUNT, FIELD(executors), 1, 16},
        {"Daemon", "JobTimeoutSec", SETTING_SECONDS, FIELD(job_timeout_us), 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC},
        {"Daemon", "StreamTimeoutSec", SETTING_SECONDS, FIELD(stream_timeout_us), 100 * USEC_PER_MSEC, 24 * 3600 * USEC_PER_SEC},
        {"Daemon", "LeaseGraceSec", SETTING_SECONDS, FIELD(lease_grace_us), 100 * USEC_PER_MSEC, 24 * 3600 * USEC_PER_SEC, true},
        {"Daemon", "SweepSec", SETTING_SECONDS, FIELD(sweep_us), 100 * USEC_PER_MSEC, 24 * 3600 * USEC_PER_SEC, true},
        {"Collection", "GcPrograms", SETTING_PATHS, FIELD(gc_programs), 0, 0},
        {"Collection", "GcInPods", SETTING_BOOLEAN, FIELD(gc_in_pods), 0, 0},
        {"Collection", "GcInRootPods", SETTING_BOOLEAN, FIELD(gc_in_root_pods), 0, 0},
        {"Collection", "GcTimeoutSec", SETTING_SECONDS, FIELD(gc_timeout_us), 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC},
        {"Collection", "RegistryProgram", SETTING_PATHS, FIELD(registry_program), 0, 1},
        {"Mounts", "Propagation", SETTING_PROPAGATION, FIELD(propagation), 0, 0},
        {"Mounts", "Visibility", SETTING_VISIBILITY, FIELD(visibility), 0, 0},
        {"Mounts", "BusyRetries", SETTING_COUNT, FIELD(busy_retries), 0, 1000},
        {"Mounts", "BusyIntervalMSec", SETTING_MILLISECONDS, FIELD(busy_interval_us), USEC_PER_MSEC, 60 * USEC_PER_SEC},
        {"Mounts", "ImageTypes", SETTING_IMAGES, FIELD(image_types), 0, 0},
        {"Mounts", "DeviceTypes", SETTING_IMAGES, FIELD(device_types), 0, 0},
        {"Mounts", "ForeignIDs", SETTING_BOOLEAN, FIELD(foreign_ids), 0, 0},
        {"Mounts", "HostTargets", SETTING_PREFIXES, FIELD(host_targets), 0, 0},
        {"Prepare", "Interfaces", SETTING_LINKS, FIELD(interfaces), 0, 0},
        {"Prepare", "CgroupParent", SETTING_PATHS, FIELD(cgroup_parent), 0, 1},
        {"Layers", "AdditionalStores", SETTING_PATHS, FIELD(additional_stores), 0, 0},
        {"Limits", "PodsPerUser", SETTING_COUNT, FIELD(pods_per_user), 0, UINT32_MAX},
        {"Limits", "PodsPerGroup", SETTING_COUNT, FIELD(pods_per_group), 0, UINT32_MAX},
        {"Limits", "MountsPerPod", SETTING_COUNT, FIELD(mounts_per_pod), 0, UINT32_MAX},
        {"Limits", "MountsPerUser", SETTING_COUNT, FIELD(mounts_per_user), 0, UINT32_MAX},
        {"Limits", "MountsPerGroup", SETTING_COUNT, FIELD(mounts_per_group), 0, UINT32_MAX},
        {"Limits", "MountsHeadroom", SETTING_COUNT, FIELD(mounts_headroom), 0, UINT32_MAX},
        {"Limits", "TmpfsSize", SETTING_SIZE, FIELD(tmpfs_size), 4096, UINT64_MAX / 2},
        {"Limits", "TmpfsBytesPerUser", SETTING_SIZE, FIELD(tmpfs_bytes_per_user), 0, UINT64_MAX / 2},
        {"Limits", "TmpfsBytesPerGroup", SETTING_SIZE, FIELD(tmpfs_bytes_per_group), 0, UINT64_MAX / 2},
        {"Limits", "SpecSizeMax", SETTING_SIZE, FIELD(spec_size_max), 1024, 1024 * MIB},
        {"Limits", "ConnectionsPerUser", SETTING_COUNT, FIELD(connections_per_user), 1, UINT32_MAX},
        {"Limits", "RequestsPerUser", SETTING_COUNT, FIELD(requests_per_user), 1, UINT32_MAX},
        {"Limits", "RequestsPerGroup", SETTING_COUNT, FIELD(requests_per_group), 1, UINT32_MAX},
        {"Limits", "FdsPerUser", SETTING_COUNT, FIELD(fds_per_user), 0, UINT32_MAX},
        {"Limits", "FdsPerGroup", SETTING_COUNT, FIELD(fds_per_group), 0, UINT32_MAX},
        {"Limits", "LayersPerUser", SETTING_COUNT, FIELD(layers_per_user), 0, UINT32_MAX},
        {"Limits", "LayersPerGroup", SETTING_COUNT, FIELD(layers_per_group), 0, UINT32_MAX},
        {"Limits", "LayerBytesPerUser", SETTING_SIZE, FIELD(layer_bytes_per_user), 0, UINT64_MAX / 2},
        {"Limits", "LayerInodesPerUser", SETTING_COUNT, FIELD(layer_inodes_per_user), 0, UINT32_MAX},
        {"Limits", "LayerStreams", SETTING_COUNT, FIELD(layer_streams), 1, 1024},
        {"Limits", "LayerStreamsPerUser", SETTING_COUNT, FIELD(layer_streams_per_user), 0, UINT32_MAX},
};

static const char *const propagation_names[] = {
        [SETTINGS_PROPAGATION_SHARED] = "shared",
        [SETTINGS_PROPAGATION_PRIVATE] = "private",
};

static const char *const visibility_names[] = {
        [SETTINGS_VISIBILITY_HOST] = "host",
        [SETTINGS_VISIBILITY_PRIVATE] = "private",
};

static const char *const image_names[] = {"erofs", "squashfs", "ext4"};

uint32_t settings_image_bit(const char *type) {
        for (size_t i = 0; i < ELEMENTSOF(image_names); i++)
                if (strcmp(type, image_names[i]) == 0)
                        return UINT32_C(1) << i;
        return 0;
}

const char *settings_cgroup_parent(const struct settings *settings) {
        return settings->cgroup_parent[0] != '\0' ? settings->cgroup_parent : "/podmount";
}

void settings_defaults(struct settings *ret) {
        *ret = (struct settings) {
                .log_level = LOG_INFO,
                .executors = 2,
                .job_timeout_us = 30 * USEC_PER_SEC,
                .propagation = SETTINGS_PROPAGATION_SHARED,
                .busy_retries = 5,
                .busy_interval_us = 100 * USEC_PER_MSEC,
                .pods_per_user = 256,
                .pods_per_group = UINT32_MAX,
                .mounts_per_pod = 16384,
                .mounts_per_user = 65536,
                .mounts_per_group = UINT32_MAX,
                .mounts_headroom = 5000,
                .tmpfs_size = 64 * MIB,
                .tmpfs_bytes_per_user = 65536 * MIB,
                .tmpfs_bytes_per_group = UINT64_MAX / 2,
                .spec_size_max = 1 * MIB,
                .connections_per_user = 64,
                .requests_per_user = 1024,
                .requests_per_group = UINT32_MAX,
                .fds_per_user = 4096,
                .fds_per_group = UINT32_MAX,
                .layers_per_user = 1024,
                .layers_per_group = UINT32_MAX,
                .layer_bytes_per_user = 65536 * MIB,
                .layer_inodes_per_user = 4 * 1024 * 1024,
                .layer_streams = 16,
                .layer_streams_per_user = 4,
                .stream_timeout_us = 60 * USEC_PER_SEC,
                .lease_grace_us = 5 * USEC_PER_SEC,
                .gc_timeout_us = 10 * USEC_PER_SEC,
        };
}

struct unit {
        const char *name;
        uint64_t factor;
};

static const struct unit count_units[] = {{"", 1}, {}};
static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", UINT64_C(1) << 40}, {}};
static const struct unit second_units[] = {
        {"", USEC_PER_SEC}, {"us", 1}, {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC}, {"min", 60 * USEC_PER_SEC}, {}};
static const struct unit millisecond_units[] = {{"", USEC_PER_MSEC}, {"us", 1}, {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC}, {}};

static int parse_number(const char *text, const struct unit *units, uint64_t *ret) {
        unsigned long long number;
        uint64_t value;
        char *end;

        /* strtoull() takes signs and leading space, we don't. */
        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0)
                return -ERANGE; /* the one error that strtoull(3) has for a valid base */
        end += strspn(end, " ");
        for (; units->name; units++)
                if (strcmp(end, units->name) == 0) {
                        if (__builtin_mul_overflow((uint64_t) number, units->factor, &value))
                                return -ERANGE;
                        *ret = value;
                        return 0;
                }
        return -EINVAL;
}

/* The index of a word in a list of `n`, or -EINVAL. */
static int parse_word(const char *text, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(text, words[i]) == 0)
                        return (int) i;
        return -EINVAL;
}

static int parse_propagation(const char *text, enum settings_propagation *ret) {
        int r = parse_word(text, propagation_names, ELEMENTSOF(propagation_names));

        if (r >= 0)
                *ret = (enum settings_propagation) r;
        return r < 0 ? r : 0;
}

static int parse_visibility(const char *text, enum settings_visibility *ret) {
        int r = parse_word(text, visibility_names, ELEMENTSOF(visibility_names));

        if (r >= 0)
                *ret = (enum settings_visibility) r;
        return r < 0 ? r : 0;
}

static int parse_boolean(const char *text, bool *ret) {
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
                return -EINVAL;
        *ret = text[0] == 'y';
        return 0;
}

/* Names with spaces between them; none at all is a list, too. */
static int parse_images(const char *text, uint32_t *ret) {
        _cleanup_free_ char *copy = strdup(text);
        uint32_t bits = 0;
        char *rest = copy;

        if (!copy)
                return log_oom();
        for (char *word; (word = strsep(&rest, " \t"));) {
                uint32_t bit = settings_image_bit(word);

                if (*word == '\0')
                        continue;
                if (bit == 0)
                        return -EINVAL;
                bits |= bit;
        }
        *ret = bits;
        return 0;
}

/* Adds to the list that there is; nothing at all empties it. */
static int parse_prefixes(const char *text, const char *const *reserved, char list[PREFIXES_SIZE], const char **expected) {
        int r;

        if (text[strspn(text, " \t")] == '\0') {
                list[0] = '\0';
                return 0;
        }
        r = prefixes_add(list, text, reserved);
        *expected = r == -EPERM ? "a list of places for mounts on the host: / is none, nor is what is in or holds /proc, /sys, "
                                  "/dev or a directory of podmountd's own"
                                : "a list of absolute paths without \"..\", \".\" and slashes too many";
        return r == -E2BIG ? -ERANGE : r;
}

/* The same for paths that may be anywhere, each once, and `max` of them, or 0 for as many as there can be. */
static int parse_paths(const char *text, uint64_t max, char list[PREFIXES_SIZE], const char **expected) {
        char longer[PREFIXES_SIZE];
        size_t n = 0;
        int r;

        memcpy(longer, list, sizeof(longer));
        r = parse_prefixes(text, NULL, longer, expected);
        *expected = "a list of absolute paths without \"..\", \".\" and slashes too many, none of them /";
        if (r < 0)
                return r;
        for (const char *at = longer; *at; at += strspn(at, " ")) {
                size_t size = strcspn(at, " ");

                for (const char *other = at + size; *other; other += strcspn(other, " ")) {
                        other += strspn(other, " ");
                        if (strcspn(other, " ") == size && strncmp(at, other, size) == 0) {
                                *expected = "a list of different paths: one is there twice";
                                return -EINVAL;
                        }
                }
                at += size;
                n++;
        }
        if (n > (max > 0 ? max : SETTINGS_STORES_MAX))
                return -ERANGE;
        memcpy(list, longer, sizeof(longer));
        return 0;
}

/* Stores `text` as the setting's value; `expected` gets a phrase for the log when it is bad. */
static int apply(const struct setting *setting, const char *text, const char *const *reserved, struct settings *settings,
                 const char **expected) {
        char *field = (char *) settings + setting->offset;
        const struct unit *units = count_units;
        uint64_t value;
        int r;

        switch (setting->type) {
        case SETTING_LEVEL:
                *expected = "one of error, warning, notice, info, debug";
                r = log_level_from_string(text);
                if (r >= 0)
                        memcpy(field, &r, sizeof(r));
                return r < 0 ? r : 0;
        case SETTING_PROPAGATION:
                *expected = "shared or private";
                return parse_propagation(text, &settings->propagation);
        case SETTING_VISIBILITY:
                *expected = "host or private";
                return parse_visibility(text, &settings->visibility);
        case SETTING_IMAGES:
                *expected = "a list of erofs, squashfs and ext4";
                return parse_images(text, (uint32_t *) (void *) field);
        case SETTING_BOOLEAN:
                *expected = "yes or no";
                return parse_boolean(text, (bool *) field);
        case SETTING_PREFIXES:
                return parse_prefixes(text, reserved, field, expected);
        case SETTING_PATHS:
                return parse_paths(text, setting->max, field, expected);
        case SETTING_LINKS:
                *expected = "names of network interfaces, which have no slash, colon, percent sign or quotation mark";
                r = *text ? link_names_add(field, text) : (field[0] = 0);
                return r == -E2BIG ? -ERANGE : r;
        case SETTING_COUNT:
                *expected = "a whole number";
                break;
        case SETTING_SECONDS:
                *expected = "a time in seconds, or with one of the units us, ms, s, min";
                units = second_units;
                break;
        case SETTING_MILLISECONDS:
                *expected = "a time in milliseconds, or with one of the units us, ms, s";
                units = millisecond_units;
                break;
        case SETTING_SIZE:
                *expected = "a size in bytes, or with one of the units K, M, G, T";
                units = size_units;
                break;
        }

        r = parse_number(text, units, &value);
        if (r < 0)
                return r;
        if ((value < setting->min && !(value == 0 && setting->or_zero)) || value > setting->max)
                return -ERANGE;
        if (setting->type == SETTING_COUNT)
                memcpy(field, &(uint32_t) {(uint32_t) value}, sizeof(uint32_t));
        else
                memcpy(field, &value, sizeof(value));
        return 0;
}

/* One file being read. inih takes lines through read_line(), which is what knows their numbers. */
struct reader {
        const char *name; /* of the file */
        FILE *file;
        unsigned line;
        bool bad;
        const char *const *reserved; /* what HostTargets= may not name */
        struct settings *settings;
};

static char *read_line(char *buffer, int size, void *stream) {
        struct reader *reader = stream;
        size_t length;

        if (!fgets(buffer, size, reader->file))
                return NULL;
        reader->line++;
        length = strlen(buffer);
        if (length + 1 < (size_t) size || (length > 0 && buffer[length - 1] == '\n'))
                return buffer;

        /* Longer than inih's line: the rest must not be read as a line of its own. */
        if (buffer[strspn(buffer, " \t")] != '#' && buffer[strspn(buffer, " \t")] != ';') {
                log_error("%s:%u: The line is longer than %i bytes; shorten it", reader->name, reader->line, size - 1);
                reader->bad = true;
        }
        for (int c = fgetc(reader->file); c != EOF && c != '\n'; c = fgetc(reader->file))
                ;
        return strcpy(buffer, "\n");
}

static int handle(void *user, const char *section, const char *name, const char *value) {
        struct reader *reader = user;
        const char *expected = NULL;
        bool section_known = false;

        for (size_t i = 0; i < ELEMENTSOF(known_settings); i++) {
                const struct setting *setting = known_settings + i;
                int r;

                if (strcmp(section, setting->section) != 0)
                        continue;
                section_known = true;
                if (strcmp(name, setting->name) != 0)
                        continue;
                r = apply(setting, value, reader->reserved, reader->settings, &expected);
                if (r >= 0)
                        return 1;
                if (r == -ERANGE)
                        log_error("%s:%u: %s=%s is out of range; see podmountd.conf(5)", reader->name, reader->line, name, value);
                else
                        log_error("%s:%u: %s=%s is not %s", reader->name, reader->line, name, value, expected);
                reader->bad = true;
                return 1;
        }
        if (section_known)
                log_error("%s:%u: [%s] has no setting %s=; see podmountd.conf(5)", reader->name, reader->line, section, name);
        else
                log_error("%s:%u: There is no section [%s] for %s=; see podmountd.conf(5)", reader->name, reader->line, section, name);
        reader->bad = true;
        return 1;
}

static int read_stream(FILE *file, const char *name, const char *const *reserved, struct settings *settings) {
        struct reader reader = {.name = name, .file = file, .reserved = reserved, .settings = settings};
        int r;

        r = ini_parse_stream(read_line, &reader, handle, &reader);
        if (ferror(file))
                return log_errno(LOG_ERR, EIO, "read %s", name);
        if (r > 0) {
                log_error("%s:%i: This line is neither a [Section] nor Key=Value; see podmountd.conf(5)", name, r);
                return -EINVAL;
        }
        if (r < 0)
                return log_oom();
        return reader.bad ? -EINVAL : 0;
}

static int read_one(const char *path, bool must_exist, const char *const *reserved, struct settings *settings) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");

        if (!file) {
                if (errno == ENOENT && !must_exist)
                        return 0;
                return log_errno(LOG_ERR, errno, "open the configuration file %s", path);
        }
        return read_stream(file, path, reserved, settings);
}

static int is_conf(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);

        return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* By bytes: the order must not depend on a locale, as alphasort() does. */
static int compare_entries(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_directory(const char *path, const char *const *reserved, struct settings *settings) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        if (asprintf(&directory, "%s.d", path) < 0) {
                directory = NULL;
                return log_oom();
        }
        n = scandir(directory, &entries, is_conf, compare_entries);
        if (n < 0)
                return errno == ENOENT ? 0 : log_errno(LOG_ERR, errno, "read the directory %s", directory);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = path_join(directory, entries[i]->d_name);
                int one = file ? read_one(file, true, reserved, settings) : log_oom();

                /* All files are read, so that one start shows all mistakes. */
                if (one < 0 && r == 0)
                        r = one;
                free(entries[i]);
        }
        free(entries);
        return r;
}

int settings_read(const char *path, bool must_exist, const char *const *reserved, struct settings *ret) {
        struct settings settings;
        int main_file, drop_ins;

        settings_defaults(&settings);
        main_file = read_one(path, must_exist, reserved, &settings);
        drop_ins = read_directory(path, reserved, &settings);
        if (main_file < 0)
                return main_file;
        if (drop_ins < 0)
                return drop_ins;
        *ret = settings;
        return 0;
}

static void write_prefixes(FILE *out, const char *name, const char *list) {
        for (size_t size; *list; list += size + (list[size] == ' ')) {
                size = strcspn(list, " ");
                (void) fprintf(out, "\n%s=%.*s", name, (int) size, list);
        }
}

static void write_value(FILE *out, const struct setting *setting, const struct settings *settings) {
        const char *field = (const char *) settings + setting->offset;
        uint32_t count;
        uint64_t value;
        int level;

        switch (setting->type) {
        case SETTING_LEVEL:
                memcpy(&level, field, sizeof(level));
                (void) fprintf(out, "%i", level); /* errors show at fclose() */
                return;
        case SETTING_PROPAGATION:
                (void) fputs(propagation_names[settings->propagation], out);
                return;
        case SETTING_VISIBILITY:
                (void) fputs(visibility_names[settings->visibility], out);
                return;
        case SETTING_IMAGES:
                memcpy(&count, field, sizeof(count));
                for (size_t i = 0, n = 0; i < ELEMENTSOF(image_names); i++)
                        if (count & UINT32_C(1) << i)
                                (void) fprintf(out, "%s%s", n++ > 0 ? " " : "", image_names[i]);
                return;
        case SETTING_BOOLEAN:
                (void) fputs(*(const bool *) field ? "yes" : "no", out);
                return;
        case SETTING_PREFIXES:
        case SETTING_PATHS: /* a line each: the reader's lines are short */
        case SETTING_LINKS:
                write_prefixes(out, setting->name, field);
                return;
        case SETTING_COUNT:
                memcpy(&count, field, sizeof(count));
                (void) fprintf(out, "%" PRIu32, count);
                return;
        case SETTING_SECONDS:
        case SETTING_MILLISECONDS:
        case SETTING_SIZE:
                memcpy(&value, field, sizeof(value));
                (void) fprintf(out, "%" PRIu64 "%s", value, setting->type == SETTING_SIZE ? "" : "us");
                return;
        }
}

int settings_to_text(const struct settings *settings, char **ret) {
        const char *section = "";
        char *text = NULL;
        size_t size = 0;
        FILE *out;

        out = open_memstream(&text, &size);
        if (!out)
                return log_oom();
        for (size_t i = 0; i < ELEMENTSOF(known_settings); i++) {
                const struct setting *setting = known_settings + i;

                if (strcmp(section, setting->section) != 0)
                        (void) fprintf(out, "[%s]\n", setting->section);
                section = setting->section;
                (void) fprintf(out, "%s=", setting->name);
                write_value(out, setting, settings);
                (void) fputc('\n', out);
        }
        if (fclose(out) != 0) {
                free(text);
                return log_oom();
        }
        *ret = text;
        return 0;
}

int settings_from_text(const char *text, struct settings *ret) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *copy = strdup(text);
        struct settings settings;
        int r;

        if (!copy)
                return log_oom();
        settings_defaults(&settings);
        /* fmemopen() refuses an empty buffer. */
        if (copy[0] != '\0') {
                file = fmemopen(copy, strlen(copy), "r");
                if (!file)
                        return log_oom();
                r = read_stream(file, "the configuration", NULL, &settings);
                if (r < 0)
                        return r;
        }
        *ret = settings;
        return 0;
}
