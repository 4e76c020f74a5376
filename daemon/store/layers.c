/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file format of layers.db: an SQLite database with application_id "pmly" and the schema version in user_version.
 *
 *     layer    a row a layer. number: the key, never given to a second one. parent: NULL for none. metadata: a blob, each
 *              key and each value with a NUL behind it. state: enum record_layer_state
 *
 *              work: enum record_layer_work. bytes, inodes: what it is charged with. chain: the chain id of an image's layer
 *
 *              store: NULL for our own. Else the row stands for a layer of another podmountd, which is read and never changed,
 *              in the state directory of this path: of it id and created_us say which, and number is ours, for those that
 *              stand on it and those that hold it. Several stores may have an id
 *
 *     holder   a row a holder of a layer: who it is for (owner), its name, and how often it holds it. Those that go with their
 *              connection are not here
 *
 * Version 1 is the first; version 2 added holder; version 3 what is being made of a tar, and bytes and inodes;
 * version 4 chain; version 5 store. A step that is part of a release is never changed.
 */

#include "store/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/statement.h"
#include "util/array.h"
#include "util/log.h"

enum {
        LAYERS_APPLICATION_ID = 0x706d6c79, /* "pmly" */
        LAYERS_VERSION = 5,
};

static const char file_name[] = "layers.db", vfs_name[] = "podmount-fd";

static const char settings[] =
        "PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA cell_size_check = ON;"
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON;"
        "PRAGMA temp_store = MEMORY;";

static const char copy_settings[] =
        "PRAGMA cell_size_check = ON;"
        "PRAGMA trusted_schema = OFF;"
        "PRAGMA foreign_keys = ON;"
        "PRAGMA temp_store = MEMORY;";

static const char step_1[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE layer ("
        " number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " id TEXT NOT NULL,"
        " parent INTEGER REFERENCES layer (number),"
        " owner INTEGER NOT NULL,"
        " owner_group INTEGER NOT NULL,"
        " read_write INTEGER NOT NULL,"
        " label TEXT,"
        " uid_map TEXT,"
        " gid_map TEXT,"
        " metadata BLOB,"
        " state INTEGER NOT NULL,"
        " created_us INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX layer_by_id ON layer (id) WHERE state <> 2;"
        "CREATE INDEX layer_by_parent ON layer (parent);"
        "PRAGMA application_id = 0x706d6c79;"
        "PRAGMA user_version = 1;"
        "COMMIT;";

/* Nobody could hold a layer before. */
static const char step_2[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE holder ("
        " layer INTEGER NOT NULL REFERENCES layer (number) ON DELETE CASCADE,"
        " owner INTEGER NOT NULL,"
        " name TEXT NOT NULL,"
        " count INTEGER NOT NULL,"
        " PRIMARY KEY (layer, owner, name)) WITHOUT ROWID;"
        "PRAGMA user_version = 2;"
        "COMMIT;";

/* There were no tars before, so that nothing was written for anybody's account. */
static const char step_3[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE layer ADD COLUMN work INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE layer ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE layer ADD COLUMN inodes INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 3;"
        "COMMIT;";

/* No layer was an image's before. An owner has each chain once: it is shared. */
static const char step_4[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE layer ADD COLUMN chain TEXT;"
        "CREATE UNIQUE INDEX layer_by_chain ON layer (owner, chain) WHERE chain IS NOT NULL AND state <> 2;"
        "PRAGMA user_version = 4;"
        "COMMIT;";

/* All layers were our own before. */
static const char step_5[] =
        "BEGIN IMMEDIATE;"
        "ALTER TABLE layer ADD COLUMN store TEXT;"
        "DROP INDEX layer_by_id;"
        "CREATE UNIQUE INDEX layer_by_id ON layer (id) WHERE state <> 2 AND store IS NULL;"
        "CREATE UNIQUE INDEX layer_by_store ON layer (store, id, created_us) WHERE store IS NOT NULL;"
        "PRAGMA user_version = 5;"
        "COMMIT;";

/* From the version of its index to the next. */
static const char *const steps[LAYERS_VERSION] = {step_1, step_2, step_3, step_4, step_5};

enum layer_statement {
        LAYER_LOAD,
        LAYER_ADD,
        LAYER_SET_STATE,
        LAYER_REMOVING,
        LAYER_KEEP,
        LAYER_DELETE,
        LAYER_SET_WORK,
        LAYER_SET_METADATA,
        LAYER_LOAD_HOLDERS,
        LAYER_PUT_HOLDER,
        LAYER_DELETE_HOLDER,
        _LAYER_STATEMENT_MAX,
};

static const char *const statement_sql[_LAYER_STATEMENT_MAX] = {
        [LAYER_LOAD] = "SELECT number, id, ifnull(parent, 0), owner, owner_group, read_write, label, uid_map, gid_map, metadata,"
                       " state, created_us, work, bytes, inodes, chain, store FROM layer ORDER BY number",
        [LAYER_ADD] = "INSERT INTO layer (id, parent, owner, owner_group, read_write, label, uid_map, gid_map, metadata, state,"
                      " created_us, chain, store) VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [LAYER_SET_STATE] = "UPDATE layer SET state = ? WHERE number = ?",
        [LAYER_REMOVING] = "UPDATE layer SET state = 2, parent = NULL WHERE number = ?",
        [LAYER_KEEP] = "UPDATE layer SET state = 1, parent = nullif(?, 0) WHERE number = ?",
        [LAYER_DELETE] = "DELETE FROM layer WHERE number = ?",
        [LAYER_SET_WORK] = "UPDATE layer SET work = ?, bytes = ?, inodes = ? WHERE number = ?",
        [LAYER_SET_METADATA] = "UPDATE layer SET metadata = ? WHERE number = ?",
        [LAYER_LOAD_HOLDERS] = "SELECT layer, owner, name, count FROM holder ORDER BY layer, owner, name",
        [LAYER_PUT_HOLDER] = "INSERT INTO holder (layer, owner, name, count) VALUES (?, ?, ?, ?)"
                             " ON CONFLICT (layer, owner, name) DO UPDATE SET count = excluded.count",
        [LAYER_DELETE_HOLDER] = "DELETE FROM holder WHERE layer = ? AND owner = ? AND name = ?",
};

struct layer_store {
        struct store base; /* its db and its errors; the statements are our own */
        sqlite3_stmt *statements[_LAYER_STATEMENT_MAX];
};

struct record_layer *record_layer_free(struct record_layer *layer) {
        if (!layer)
                return NULL;
        free(layer->id);
        free(layer->label);
        free(layer->uid_map);
        free(layer->gid_map);
        free(layer->chain);
        free(layer->store);
        strv_free(layer->metadata);
        free(layer);
        return NULL;
}

/* SQLite wants the full path of its file, and looks at each of its components, which takes search permission on all of them.
 * Ours is below /proc/self/fd, where the fd is all that is needed. */
static int keep_path(sqlite3_vfs *vfs _unused_, const char *path, int size, char *ret) {
        size_t length = strlen(path);

        if (size <= 0 || length >= (size_t) size)
                return SQLITE_CANTOPEN;
        memcpy(ret, path, length + 1);
        return SQLITE_OK;
}

/* The system's own way to files, but for the above. */
static int register_vfs(void) {
        static sqlite3_vfs ours; /* SQLite keeps it for as long as the process lives */
        const sqlite3_vfs *system = sqlite3_vfs_find(NULL);

        if (!system)
                return SQLITE_NOTFOUND;
        if (sqlite3_vfs_find(vfs_name))
                return SQLITE_OK;
        ours = *system;
        ours.pNext = NULL;
        ours.zName = vfs_name;
        ours.xFullPathname = keep_path;
        return sqlite3_vfs_register(&ours, 0);
}

/* The outcome of a failed SQLite call while opening. */
static int open_failed(struct layer_store *store, int rc, const char *what) {
        sqlite3 *db = store->base.db;

        switch (rc & 0xff) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_ERROR: /* a table or a column is missing */
                log_error("layers.db cannot be used (%s): %s", what, sqlite3_errmsg(db));
                return STORE_DAMAGED;
        default:
                return log_errno(LOG_ERR, statement_errno(db, rc), "layers.db (%s): %s", what, sqlite3_errmsg(db));
        }
}

static int open_file(struct layer_store *store, int directory) {
        /* Made before SQLite would, for its mode, and so that it is no link. */
        _cleanup_close_ int fd = openat(directory, file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        char path[sizeof("/proc/self/fd/2147483647/layers.db")];
        int rc;

        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open layers.db");
        rc = register_vfs();
        if (rc != SQLITE_OK)
                return log_errno(LOG_ERR, EIO, "give SQLite a way to layers.db: %s", sqlite3_errstr(rc));
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", directory, file_name); /* always fits */
        rc = sqlite3_open_v2(path, &store->base.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs_name);
        return rc == SQLITE_OK ? 0 : log_errno(LOG_ERR, statement_errno(store->base.db, rc), "open layers.db");
}

/* Looks, and changes nothing in what is not ours. */
static int look(struct layer_store *store, int *ret_version) {
        sqlite3 *db = store->base.db;
        int application_id, version, tables;
        int rc = schema_get_int(db, "PRAGMA application_id", &application_id);

        if (rc == SQLITE_OK)
                rc = schema_get_int(db, "PRAGMA user_version", &version);
        if (rc == SQLITE_OK)
                rc = schema_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
        if (rc != SQLITE_OK)
                return open_failed(store, rc, "read");
        *ret_version = version;
        if (application_id == 0 && version == 0 && tables == 0)
                return STORE_OPENED;
        if (application_id != LAYERS_APPLICATION_ID || version < 1) {
                log_error("layers.db is no store of podmount's layers");
                return STORE_DAMAGED;
        }
        return version > LAYERS_VERSION ? STORE_NEWER : STORE_OPENED;
}

static int bring_up(struct layer_store *store, int version) {
        sqlite3 *db = store->base.db;
        int rc = SQLITE_OK;

        for (int i = version; i < LAYERS_VERSION && rc == SQLITE_OK; i++)
                rc = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
        for (size_t i = 0; i < _LAYER_STATEMENT_MAX && rc == SQLITE_OK; i++)
                rc = sqlite3_prepare_v3(db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
        return rc == SQLITE_OK ? STORE_OPENED : open_failed(store, rc, "migrate");
}

static int migrate(struct layer_store *store, int version) {
        int rc = sqlite3_exec(store->base.db, settings, NULL, NULL, NULL);

        return rc == SQLITE_OK ? bring_up(store, version) : open_failed(store, rc, "migrate");
}

int layer_store_open(int directory, struct layer_store **ret, int *ret_version) {
        _cleanup_(layer_store_freep) struct layer_store *store = calloc(1, sizeof(*store));
        int version = 0, r;

        if (!store)
                return log_oom();
        store->base.file = file_name;
        r = open_file(store, directory);
        if (r == 0)
                r = look(store, &version);
        if (r == STORE_NEWER)
                *ret_version = version;
        if (r == 0)
                r = migrate(store, version);
        if (r != STORE_OPENED)
                return r;
        *ret_version = version;
        *ret = TAKE_PTR(store);
        return STORE_OPENED;
}

/* The bytes of another daemon's layers.db, by SQLite's allocator, with the two that say "WAL" saying that there is none: there is
 * no file beside a copy. 0, or a negative errno. */
static int read_copy(int fd, unsigned char **ret, int64_t *ret_size) {
        enum { READ_VERSION = 18, WRITE_VERSION = 19, HEADER_SIZE = 100, ROLLBACK = 1 };
        struct stat st;
        unsigned char *data;
        size_t size, got = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < HEADER_SIZE)
                return -EBADMSG;
        if (st.st_size > LAYERS_COPY_MAX)
                return -EFBIG;
        size = (size_t) st.st_size;
        data = sqlite3_malloc64(size);
        if (!data)
                return -ENOMEM;
        while (got < size) {
                ssize_t n = pread(fd, data + got, size - got, (off_t) got);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        int r = n < 0 ? -errno : -EBADMSG; /* somebody cuts it */

                        sqlite3_free(data);
                        return r;
                }
                got += (size_t) n;
        }
        data[READ_VERSION] = data[WRITE_VERSION] = ROLLBACK;
        *ret = data;
        *ret_size = (int64_t) size;
        return 0;
}

/* All pages make sense, and all that they say of each other. */
static int check_copy(struct layer_store *store) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(store->base.db, "PRAGMA quick_check(1)", -1, &statement, NULL);
        const char *says;

        if (rc == SQLITE_OK)
                rc = sqlite3_step(statement);
        says = rc == SQLITE_ROW ? (const char *) sqlite3_column_text(statement, 0) : NULL;
        if (rc == SQLITE_ROW)
                rc = says && strcmp(says, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        (void) sqlite3_finalize(statement); /* repeats an error that is known */
        return rc == SQLITE_OK ? STORE_OPENED : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? STORE_DAMAGED : open_failed(store, rc, "check");
}

int layer_store_open_copy(int fd, struct layer_store **ret, int *ret_version) {
        _cleanup_(layer_store_freep) struct layer_store *store = calloc(1, sizeof(*store));
        unsigned char *data = NULL;
        int64_t size = 0;
        int version = 0, rc, r;

        if (!store)
                return log_oom();
        store->base.file = file_name;
        r = read_copy(fd, &data, &size);
        if (r < 0)
                return r == -EBADMSG ? STORE_DAMAGED : r;
        rc = sqlite3_open_v2(":memory:", &store->base.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
        if (rc != SQLITE_OK) {
                sqlite3_free(data);
                return log_errno(LOG_ERR, statement_errno(store->base.db, rc), "open a copy of layers.db");
        }
        rc = sqlite3_deserialize(store->base.db, "main", data, size, size, SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(store->base.db, copy_settings, NULL, NULL, NULL);
        r = rc == SQLITE_OK ? check_copy(store) : open_failed(store, rc, "read");
        if (r == 0)
                r = look(store, &version);
        *ret_version = version;
        if (r == 0 && version == 0)
                r = STORE_DAMAGED;
        if (r == 0)
                r = bring_up(store, version);
        if (r == STORE_OPENED)
                *ret = TAKE_PTR(store);
        return r;
}

struct layer_store *layer_store_free(struct layer_store *store) {
        if (!store)
                return NULL;
        for (size_t i = 0; i < _LAYER_STATEMENT_MAX; i++)
                (void) sqlite3_finalize(store->statements[i]); /* repeats an error that was told before */
        (void) sqlite3_close(store->base.db); /* cannot be busy: every statement is gone */
        free(store);
        return NULL;
}

static struct statement use(struct layer_store *store, enum layer_statement kind) {
        return (struct statement) {.store = &store->base, .handle = store->statements[kind]};
}

/* What could not be synchronized is in the log for all that, and would be read from it after a crash: a transaction that changes nothing
 * takes its place there. */
static void overwrite(struct layer_store *store) {
        char sql[sizeof("PRAGMA user_version = ") + 3 * sizeof(int)];

        (void) snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", LAYERS_VERSION); /* cannot be cut: sized for any int */
        if (sqlite3_exec(store->base.db, sql, NULL, NULL, NULL) != SQLITE_OK)
                log_warning("layers.db may have after the next start what could not be recorded now: %s", sqlite3_errmsg(store->base.db));
}

static int change(struct layer_store *store, struct statement *statement) {
        int r = statement_run(statement);

        if (r < 0)
                overwrite(store);
        return r;
}

static int read_layer(struct statement *statement, struct record_layer ***layers, size_t *n) {
        _cleanup_(record_layer_freep) struct record_layer *layer = calloc(1, sizeof(*layer));
        struct record_layer **slot;

        if (!layer)
                return log_oom();
        layer->number = statement_u64(statement);
        if (statement_name(statement, &layer->id) < 0)
                return -ENOMEM;
        layer->parent = statement_u64(statement);
        layer->owner = statement_u32(statement);
        layer->owner_group = statement_u32(statement);
        layer->read_write = statement_bool(statement);
        if (statement_text(statement, &layer->label) < 0 || statement_text(statement, &layer->uid_map) < 0 ||
            statement_text(statement, &layer->gid_map) < 0 || statement_strv(statement, &layer->metadata) < 0)
                return -ENOMEM;
        layer->state = (enum record_layer_state) statement_enum(statement, _RECORD_LAYER_STATE_MAX);
        layer->created_us = statement_u64(statement);
        layer->work = (enum record_layer_work) statement_enum(statement, _RECORD_LAYER_WORK_MAX);
        layer->bytes = statement_u64(statement);
        layer->inodes = statement_u64(statement);
        if (statement_text(statement, &layer->chain) < 0 || statement_text(statement, &layer->store) < 0)
                return -ENOMEM;
        slot = array_append(layers, n);
        if (!slot)
                return log_oom();
        *slot = TAKE_PTR(layer);
        return 0;
}

int layer_store_load(struct layer_store *store, struct record_layer ***ret, size_t *ret_n) {
        struct statement statement = use(store, LAYER_LOAD);
        struct record_layer **layers = NULL;
        size_t n = 0;
        int r;

        while ((r = statement_next(&statement)) > 0) {
                r = read_layer(&statement, &layers, &n);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        record_layer_free(layers[i]);
                free(layers);
                return r;
        }
        *ret = layers;
        *ret_n = n;
        return 0;
}

int layer_store_add(struct layer_store *store, struct record_layer *layer) {
        struct statement statement = use(store, LAYER_ADD);
        int r;

        statement_bind_text(&statement, layer->id);
        statement_bind_u64(&statement, layer->parent);
        statement_bind_int(&statement, layer->owner);
        statement_bind_int(&statement, layer->owner_group);
        statement_bind_int(&statement, layer->read_write);
        statement_bind_text(&statement, layer->label);
        statement_bind_text(&statement, layer->uid_map);
        statement_bind_text(&statement, layer->gid_map);
        statement_bind_strv(&statement, layer->metadata);
        statement_bind_int(&statement, layer->state);
        statement_bind_u64(&statement, layer->created_us);
        statement_bind_text(&statement, layer->chain);
        statement_bind_text(&statement, layer->store);
        r = change(store, &statement);
        if (r == 0)
                layer->number = (uint64_t) sqlite3_last_insert_rowid(store->base.db);
        return r;
}

int layer_store_set_state(struct layer_store *store, uint64_t number, enum record_layer_state state) {
        struct statement statement = use(store, state == RECORD_LAYER_REMOVING ? LAYER_REMOVING : LAYER_SET_STATE);

        if (state != RECORD_LAYER_REMOVING)
                statement_bind_int(&statement, state);
        statement_bind_u64(&statement, number);
        return change(store, &statement);
}

int layer_store_keep(struct layer_store *store, uint64_t number, uint64_t parent) {
        struct statement statement = use(store, LAYER_KEEP);

        statement_bind_u64(&statement, parent);
        statement_bind_u64(&statement, number);
        return change(store, &statement);
}

int layer_store_delete(struct layer_store *store, uint64_t number) {
        struct statement statement = use(store, LAYER_DELETE);

        statement_bind_u64(&statement, number);
        return change(store, &statement);
}

int layer_store_set_work(struct layer_store *store, uint64_t number, enum record_layer_work work, uint64_t bytes, uint64_t inodes) {
        struct statement statement = use(store, LAYER_SET_WORK);

        statement_bind_int(&statement, work);
        statement_bind_u64(&statement, bytes);
        statement_bind_u64(&statement, inodes);
        statement_bind_u64(&statement, number);
        return change(store, &statement);
}

int layer_store_set_metadata(struct layer_store *store, uint64_t number, char *const *metadata) {
        struct statement statement = use(store, LAYER_SET_METADATA);

        statement_bind_strv(&statement, metadata);
        statement_bind_u64(&statement, number);
        return change(store, &statement);
}

void record_holders_free(struct record_holder *holders, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(holders[i].name);
        free(holders);
}

static int read_holder(struct statement *statement, struct record_holder **holders, size_t *n) {
        struct record_holder *holder = array_append(holders, n);

        if (!holder)
                return log_oom();
        holder->layer = statement_u64(statement);
        holder->owner = statement_u32(statement);
        if (statement_name(statement, &holder->name) < 0)
                return -ENOMEM;
        holder->count = statement_u32(statement);
        return 0;
}

int layer_store_load_holders(struct layer_store *store, struct record_holder **ret, size_t *ret_n) {
        struct statement statement = use(store, LAYER_LOAD_HOLDERS);
        struct record_holder *holders = NULL;
        size_t n = 0;
        int r;

        while ((r = statement_next(&statement)) > 0) {
                r = read_holder(&statement, &holders, &n);
                if (r < 0) {
                        statement_end(&statement);
                        break;
                }
        }
        if (r < 0) {
                record_holders_free(holders, n);
                return r;
        }
        *ret = holders;
        *ret_n = n;
        return 0;
}

int layer_store_put_holder(struct layer_store *store, const struct record_holder *holder) {
        struct statement statement = use(store, holder->count > 0 ? LAYER_PUT_HOLDER : LAYER_DELETE_HOLDER);

        statement_bind_u64(&statement, holder->layer);
        statement_bind_int(&statement, holder->owner);
        statement_bind_text(&statement, holder->name);
        if (holder->count > 0)
                statement_bind_int(&statement, holder->count);
        return change(store, &statement);
}

int layer_store_put_holders(struct layer_store *store, const struct record_holder *holders, size_t n) {
        sqlite3 *db = store->base.db;
        int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), r = 0;

        for (size_t i = 0; rc == SQLITE_OK && i < n && r == 0; i++)
                r = layer_store_put_holder(store, &holders[i]);
        if (rc == SQLITE_OK && r == 0)
                rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
        if (rc == SQLITE_OK && r == 0)
                return 0;
        if (rc != SQLITE_OK)
                r = log_errno(LOG_ERR, statement_errno(db, rc), "layers.db (change holders): %s", sqlite3_errmsg(db));
        (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* not open any more: all the better */
        overwrite(store);
        return r;
}
