/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On the wire, a row is kind, pid and uid as numbers of 32 bits, then three texts, each with its NUL. */

#include "plan/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/text.h"

static const char *const kind_names[] = {
        [HOLDER_CWD] = "cwd",
        [HOLDER_ROOT] = "root",
        [HOLDER_FD] = "fd",
        [HOLDER_EXE] = "exe",
        [HOLDER_MAP] = "map",
        [HOLDER_LOOP] = "loop",
        [HOLDER_SWAP] = "swap",
        [HOLDER_OVERLAY] = "overlay",
        [HOLDER_NAMESPACE] = "namespace",
        [HOLDER_MORE] = "more",
};
_Static_assert(ELEMENTSOF(kind_names) == _HOLDER_KIND_MAX, "a name for each kind of holder");

const char *holder_kind_name(enum holder_kind kind) {
        return (unsigned) kind < _HOLDER_KIND_MAX ? kind_names[kind] : "unknown";
}

static size_t write_text(const char *text, uint8_t *at) {
        size_t size = strnlen(text ?: "", HOLDER_TEXT_MAX - 1);

        if (size > 0)
                memcpy(at, text, size);
        at[size] = 0;
        return size + 1;
}

size_t holder_write(const struct mount_holder *holder, uint8_t *at) {
        const uint32_t head[] = {holder->kind, holder->pid, holder->uid};
        size_t size = sizeof(head);

        memcpy(at, head, sizeof(head));
        size += write_text(holder->command, at + size);
        size += write_text(holder->unit, at + size);
        return size + write_text(holder->detail, at + size);
}

static int read_text(const uint8_t *data, size_t size, size_t *at, char **ret) {
        const uint8_t *end = memchr(data + *at, 0, size - *at);

        if (!end || (size_t) (end - data) - *at >= HOLDER_TEXT_MAX)
                return -EBADMSG;
        *ret = strdup((const char *) data + *at);
        *at = (size_t) (end - data) + 1;
        return *ret ? 0 : -ENOMEM;
}

static int read_row(const uint8_t *data, size_t size, size_t *at, struct mount_holder *row) {
        uint32_t head[3];
        int r;

        if (size - *at < sizeof(head))
                return -EBADMSG;
        memcpy(head, data + *at, sizeof(head));
        *at += sizeof(head);
        if (head[0] >= _HOLDER_KIND_MAX || head[1] > INT32_MAX)
                return -EBADMSG;
        row->kind = (enum holder_kind) head[0];
        row->pid = head[1];
        row->uid = head[2];
        r = read_text(data, size, at, &row->command);
        if (r == 0)
                r = read_text(data, size, at, &row->unit);
        return r == 0 ? read_text(data, size, at, &row->detail) : r;
}

int holders_read(const uint8_t *data, size_t size, struct mount_holder **holders, size_t *n) {
        size_t at = 0;
        int r = 0;

        while (at < size && r == 0) {
                struct mount_holder *row;

                if (*n >= HOLDER_ROWS_MAX)
                        return -EBADMSG;
                row = array_append(holders, n);
                if (!row)
                        return -ENOMEM;
                r = read_row(data, size, &at, row);
                if (r < 0)
                        holders_cut(*holders, *n - 1, n); /* the half of it that was read */
        }
        return r;
}

enum { HOLDER_OWN_SIZE = 64 };

size_t holder_size(const struct mount_holder *holder) {
        const char *const texts[] = {holder->command, holder->unit, holder->detail};
        size_t size = HOLDER_OWN_SIZE;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                size += texts[i] ? strlen(texts[i]) : 0;
        return size;
}

void holders_cut(struct mount_holder *holders, size_t from, size_t *n) {
        for (size_t i = from; i < *n; i++) {
                free(holders[i].command);
                free(holders[i].unit);
                free(holders[i].detail);
        }
        *n = from;
}

void holders_free(struct mount_holder *holders, size_t n) {
        holders_cut(holders, 0, &n);
        free(holders);
}

static char *describe_process(const struct mount_holder *holder) {
        const char *kind = holder_kind_name(holder->kind);

        if (!*holder->command)
                return text_format("a process of uid %" PRIu32 " (pid %" PRIu32 ", %s)", holder->uid, holder->pid, kind);
        return text_format("%s (pid %" PRIu32 "%s%s, %s %s)", holder->command, holder->pid, *holder->unit ? ", " : "", holder->unit, kind,
                           holder->detail);
}

char *holder_describe(const struct mount_holder *holder) {
        if (holder->kind == HOLDER_MORE)
                return text_format("%s", holder->detail);
        if (holder->pid != 0)
                return describe_process(holder);
        return text_format("%s%s%s", holder->kind == HOLDER_NAMESPACE ? "a mount namespace" : holder_kind_name(holder->kind), *holder->detail ? " " : "",
                           holder->detail);
}
