/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of extract share: extract.c has the entries, extract-place.c where they go, extract-meta.c what they carry,
 * extract-link.c hard links, extract-below.c what a tar leads through, extract-follow.c through which links of the layers below, extract-copy.c what is copied
 * from there, extract-whiteout.c whiteouts. */

#include <sys/stat.h>
#include <time.h>

#include "executor/extract.h"
#include "util/map.h"

/* A directory, whose time of change is set when all is in it. */
struct extract_directory {
        char *name;
        struct timespec times[2];
        void *acl; /* for what is made in it, or NULL */
        size_t acl_size;
};

struct extract {
        struct worker *worker;
        struct extract_setup setup;
        char *name;         /* of the entry: relative, "" for the root itself… */
        char *base;         /* …its last component, in the same memory… */
        char *link;         /* …and what it is a hard link to, or NULL */
        bool whiteout;      /* the name is what is hidden… */
        bool opaque;        /* …or the directory in which all is */
        bool left_out;      /* nobody knows what to do with it */
        int parent;         /* an fd of the last entry's directory, or -1… */
        char *parent_name;  /* …and its name */
        struct extract_directory *directories;
        size_t n_directories;
        char **whiteouts;   /* names of those that were made */
        size_t n_whiteouts;
        bool plain;
        bool has_root;      /* the tar has an entry for the root directory */
        struct map *hidden; /* names of directories that show nothing of what lies below, or NULL… */
        int below;          /* …and what shows of that in the directory that was last looked for there, or -1… */
        char *below_name;   /* …by this name */
        bool led;           /* a directory was made as one below is */
        struct map *copies; /* what was copied of what lies below, by its inode, or NULL… */
        struct map *wanted; /* …and the names that it has there (extract-link.c), or NULL */
        struct map *noted;  /* names of hard links that are made later, or NULL */
};

/* "NAME: …" as worker_fail() has it. */
int extract_fail(struct extract *extract, enum failure_kind kind, int error, const char *what);
/* A system call failed on the entry. */
int extract_errno(struct extract *extract, int error, const char *what);

/* extract-place.c */
/* Takes the entry's names apart: all of struct extract up to left_out. */
int extract_name(struct extract *extract, struct archive_entry *entry);
/* What to do about a directory that is not there: it is a failure; it is made; -ENOENT, also for what is none; -ENOENT, -ENOTDIR for a whiteout, and a failure
 * for anything else. */
enum extract_way { EXTRACT_FIND, EXTRACT_MAKE, EXTRACT_SEEK, EXTRACT_VISIT };
/* The directory of a name, opened; the extract's until the next call. *ret_base: what is left of the name. */
int extract_parent(struct extract *extract, const char *name, enum extract_way way, int *ret_fd, const char **ret_base);
/* What a tree has of a name, through no link: 1; 0: nothing; -ENOTDIR: something on the way is no directory; or another negative errno. */
int extract_look_in(int root, const char *name, struct stat *ret);
/* Removes whatever has this name. */
int extract_remove(struct extract *extract, int directory, const char *name);
/* One more file or directory; so many bytes more. FAILURE_QUOTA_EXCEEDED. */
int extract_count(struct extract *extract);
int extract_charge(struct extract *extract, uint64_t bytes);

/* extract.c */
/* Nothing that lies below shows in the directory of this name. Whoever repeats that pays for it. */
int extract_opaque(struct extract *extract, const char *name);
/* Writes down what is to be done later; `second` may be NULL. It is paid for, too. */
int extract_note(struct extract *extract, char kind, const char *first, const char *second);
int extract_write_all(struct extract *extract, int fd, const uint8_t *data, size_t size);

/* extract-link.c */
/* Makes the entry, a hard link, in this directory. */
int extract_write_link(struct extract *extract, int directory, const char *name);
/* When all is written: what was copied for hard links gets its own names, where these still show. */
int extract_place_copies(struct extract *extract);
void extract_link_done(struct extract *extract);

/* extract-copy.c */
/* Makes `name` in `to` a copy of what is no directory in what lies below: all that is kept of it, with holes and without its other names. */
int extract_copy(struct extract *extract, int from, const char *base, const struct stat *is, int to, const char *name);

/* extract-below.c */
/* From now on nothing that lies below shows in the directory of this name. */
int extract_hide(struct extract *extract, const char *name);
/* Whether that is so. */
bool extract_hides(const struct extract *extract, const char *name);
/* extract->below: the directory of this name in what lies below, as far as that is not hidden, or -1. 0, or a negative errno; -EACCES: through an id mapping
 * that has no place for an owner; -EPERM: overlayfs believes no redirect and no metacopy. */
int extract_find_below(struct extract *extract, const char *name);
/* extract_errno() for what is looked up there. */
int extract_below_errno(struct extract *extract, int error, const char *what);
/* Whether the owner of something that lies below has a place in the layer's mapping, and the failure if it has none. */
bool extract_is_mapped(const struct extract *extract, const struct stat *is);
int extract_not_mapped(struct extract *extract, const char *what, const char *name);
/* Attributes that are kept, from what lies below; the default ACL of a directory goes into the slot, which is NULL for a file. */
int extract_copy_attributes(struct extract *extract, int from, int to, struct extract_directory *slot);
/* Whether the ids of such an attribute could be read. */
int extract_check_acl(struct extract *extract, const char *key, const void *value, size_t size);
/* Makes a directory that the tar does not have (yet), `base` in `directory`: as the one below, or 0755 and root's. */
int extract_lead(struct extract *extract, int directory, const char *base, const char *name);
/* The same for the root directory, when all is written. */
int extract_lead_root(struct extract *extract);
/* An entry of the tar comes for a directory that is there: what it has of the one below goes. */
int extract_strip(struct extract *extract, int fd);
void extract_below_done(struct extract *extract);
/* The directory of this name in what lies below, if it shows: the extract's until the next call, or -1. A negative errno: nobody can look there. */
int extract_look_below(struct extract *extract, const char *name, int *ret_fd);

/* extract-follow.c */
/* Puts in the place of *name, which is `what` of the entry, where it leads through links of the layers below: all but its last component is followed,
 * inside the root of the layer, where the tar itself has nothing. */
int extract_follow(struct extract *extract, const char *what, char **name);

/* extract-whiteout.c */
/* Makes the entry, a whiteout or what makes a directory opaque, if something is below that it hides. */
int extract_write_whiteout(struct extract *extract, struct archive_entry *entry);
int extract_write_opaque(struct extract *extract, struct archive_entry *entry);
/* When all is written: those in directories that became opaque later go. */
int extract_drop_whiteouts(struct extract *extract);
void extract_whiteouts_done(struct extract *extract);

/* extract-meta.c */
/* Whether an extended attribute of this name is kept, of a file or a directory. */
bool extract_keeps(const char *name, bool file);
/* Owner and group on the disk. */
int extract_ids(struct extract *extract, struct archive_entry *entry, uid_t *ret_uid, gid_t *ret_gid);
/* Extended attributes and ACLs of a file or directory that is open. *ret_default (may be NULL) is the ACL for what is made in it. */
int extract_attributes(struct extract *extract, struct archive_entry *entry, int fd, void **ret_default, size_t *ret_size);
/* The ACL of a FIFO or device, by its name in this directory: nobody opens those. They have nothing else that is kept. */
int extract_special_acl(struct extract *extract, struct archive_entry *entry, int directory, const char *name);
/* Of access and change, as far as the tar has them. */
void extract_times(struct archive_entry *entry, struct timespec times[2]);
