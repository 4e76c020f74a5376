/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Turns what the kernel shows into entries: mountinfo's option words into bits and its optional fields into
 * propagation, statmount's flags into the words that mountinfo has for them. */

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "kernel/mountinfo.h"
#include "table/reading.h"
#include "util/array.h"
#include "util/heap.h"
#include "util/log.h"

enum { SAMPLE = 1024 }; /* entries that tell how large the others will be */

struct reading {
        struct entry **entries;
        size_t n_entries;
};

static void reading_done(struct reading *reading) {
        reading_free(reading->entries, reading->n_entries);
}

/* The optional fields, "shared:N master:N propagate_from:N unbindable"; unknown ones are to be ignored
 * (proc_pid_mountinfo(5)). */
static void read_propagation(const char *optional, struct entry *entry) {
        while (optional && *optional) {
                size_t n = strcspn(optional, " ");

                if (strncmp(optional, "shared:", 7) == 0) {
                        entry->propagation |= ENTRY_SHARED;
                        entry->peer_group = strtoull(optional + 7, NULL, 10);
                } else if (strncmp(optional, "master:", 7) == 0) {
                        entry->propagation |= ENTRY_SLAVE;
                        entry->master_group = strtoull(optional + 7, NULL, 10);
                } else if (n == strlen("unbindable") && memcmp(optional, "unbindable", n) == 0)
                        entry->propagation |= ENTRY_UNBINDABLE;
                optional += n;
                optional += *optional == ' ';
        }
}

static int entry_from_line(const struct mountinfo_line *line, struct entry **ret) {
        _cleanup_(entry_freep) struct entry *entry = entry_new();
        /* The kernel writes "none" for a mount without a source, and nothing for an empty one. */
        bool sourceless = !line->source || !*line->source || strcmp(line->source, "none") == 0;

        if (!entry)
                return -ENOMEM;
        entry->id = line->id;
        entry->parent_id = line->parent_id;
        entry->device = line->device;
        entry->attributes = mountinfo_attributes(line->options_mount);
        entry->superblock_readonly = mountinfo_has_word(line->options_super, "ro");
        read_propagation(line->optional, entry);
        if (entry_set_texts(entry, &(struct entry_texts){
                                           .root = line->root ?: "/",
                                           .point = line->point ?: "/",
                                           .type = line->type,
                                           .source = sourceless ? NULL : line->source,
                                           .options = line->options_super,
                                   }) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(entry);
        return 0;
}

static int take_line(const struct mountinfo_line *line, void *userdata) {
        _cleanup_(entry_freep) struct entry *entry = NULL;
        struct reading *reading = userdata;
        struct entry **slot;

        if (entry_from_line(line, &entry) < 0)
                return log_oom();
        slot = array_append(&reading->entries, &reading->n_entries);
        if (!slot)
                return log_oom();
        *slot = TAKE_PTR(entry);
        return 0;
}

int reading_take_mountinfo(int fd, struct entry ***ret, size_t *ret_n) {
        _cleanup_(reading_done) struct reading reading = {};
        size_t skipped;
        int r;

        r = mountinfo_read(fd, take_line, &reading, &skipped); /* what is skipped has been logged there */
        if (r < 0)
                return r;
        *ret_n = reading.n_entries;
        *ret = TAKE_PTR(reading.entries);
        reading.n_entries = 0;
        return 0;
}

/* The words that mountinfo has for a superblock's flags. */
static void flag_words(uint32_t flags, char words[static sizeof("rw,sync,dirsync,lazytime")]) {
        char *end = stpcpy(words, flags & MS_RDONLY ? "ro" : "rw");

        if (flags & MS_SYNCHRONOUS)
                end = stpcpy(end, ",sync");
        if (flags & MS_DIRSYNC)
                end = stpcpy(end, ",dirsync");
        if (flags & MS_LAZYTIME)
                (void) stpcpy(end, ",lazytime"); /* the last one */
}

static int entry_from_status(const struct statmount_line *line, struct entry **ret) {
        bool sourceless = !line->source || !*line->source || strcmp(line->source, "none") == 0;
        _cleanup_(entry_freep) struct entry *entry = entry_new();
        char flags[sizeof("rw,sync,dirsync,lazytime")];

        if (!entry)
                return -ENOMEM;
        entry->unique_id = line->id;
        entry->parent_unique = line->parent_id;
        entry->id = line->mount_id;
        entry->parent_id = line->parent_mount_id;
        entry->device = line->device;
        entry->attributes = line->attributes;
        entry->superblock_readonly = line->superblock_flags & MS_RDONLY;
        entry->propagation = (uint8_t) ((line->propagation & MS_SHARED ? ENTRY_SHARED : 0) |
                                        (line->propagation & MS_SLAVE ? ENTRY_SLAVE : 0) |
                                        (line->propagation & MS_UNBINDABLE ? ENTRY_UNBINDABLE : 0));
        entry->peer_group = line->peer_group;
        entry->master_group = line->master_group;
        flag_words(line->superblock_flags, flags);
        if (entry_set_texts(entry, &(struct entry_texts){
                                           .root = line->root ?: "/",
                                           .point = line->point,
                                           .type = line->type,
                                           .subtype = line->subtype,
                                           .source = sourceless ? NULL : line->source,
                                           .flags = flags,
                                           .options = line->options,
                                           .escaped = true,
                                   }) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(entry);
        return 0;
}

int reading_look(struct statmount *statmount, uint64_t id, struct entry **ret) {
        struct statmount_line line;
        int r = statmount_read(statmount, id, &line);

        if (r == -ENOENT || r == -EPERM)
                return 0;
        if (r >= 0)
                r = entry_from_status(&line, ret);
        return r < 0 ? log_errno(LOG_ERR, r, "look at mount %" PRIu64, id) : 1;
}

/* What so many more entries will take, going by those that are there. */
static size_t estimate(const struct reading *reading, size_t n) {
        size_t bytes = 0;

        for (size_t i = 0; i < reading->n_entries; i++)
                bytes += entry_bytes(reading->entries[i]);
        return bytes / reading->n_entries * n;
}

int reading_take_statmount(struct statmount *statmount, struct entry ***ret, size_t *ret_n) {
        _cleanup_(heap_room_done) struct heap_room room = {};
        _cleanup_(reading_done) struct reading reading = {};
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n;
        int r = statmount_list(&ids, &n);

        if (r < 0)
                return log_errno(LOG_ERR, r, "list the mounts");
        for (size_t i = 0; i < n; i++) {
                _cleanup_(entry_freep) struct entry *entry = NULL;
                struct entry **slot;

                r = reading_look(statmount, ids[i], &entry);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue; /* gone since the list was made */
                if (reading.n_entries == SAMPLE)
                        heap_room_make(&room, estimate(&reading, n - i));
                slot = array_append(&reading.entries, &reading.n_entries);
                if (!slot)
                        return log_oom();
                *slot = TAKE_PTR(entry);
        }
        *ret_n = reading.n_entries;
        *ret = TAKE_PTR(reading.entries);
        reading.n_entries = 0;
        return 0;
}

int reading_take(struct watch *watch, struct entry ***ret, size_t *ret_n) {
        _cleanup_(statmount_freep) struct statmount *statmount = NULL;

        if (watch_tracking(watch) == WATCH_MOUNTINFO)
                return reading_take_mountinfo(watch_mountinfo_fd(watch), ret, ret_n);
        statmount = statmount_new();
        return statmount ? reading_take_statmount(statmount, ret, ret_n) : log_oom();
}

void reading_free(struct entry **entries, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void) entry_free(entries[i]);
        free(entries);
}
