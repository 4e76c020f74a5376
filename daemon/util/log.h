/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Structured logging: to the journal when stderr is connected to it (JOURNAL_STREAM, see systemd.exec(5)), else as
 * one readable line on stderr. Never on stdout.
 *
 *     log_fields(LOG_INFO, MESSAGE_POD_CREATED, (const char *const[]) {"POD=", uuid, "CALLER_UID=", uid_text, NULL},
 *                "Created pod %s", uuid);
 *
 * Fields are pairs of a name that ends in '=' and a string value; a pair with a NULL value is left out. No secret and
 * no unescaped client byte reaches a terminal: control characters are written as \xHH there.
 */

#include <syslog.h>

#include "util/cleanup.h"

/* The name of this process in each line ("keeper", "front", "executor-0"); kept by reference. */
void log_set_role(const char *role);

/* Messages with a priority above `level` (LOG_ERR to LOG_DEBUG) are dropped. */
void log_set_level(int level);
/* The level set; LOG_INFO at first. */
int log_level(void);

/* Parses "error", "warning", "notice", "info", "debug" or a number 3 to 7; -EINVAL for anything else. */
int log_level_from_string(const char *text);

/* Writes one message. `fields` is a NULL-terminated array of name, value, name, value…, or NULL. `message_id` is a
 * 32-digit hexadecimal id or NULL. */
void log_fields(int level, const char *message_id, const char *const *fields, const char *format, ...) _printf_(4, 5);

#define log_message(level, ...) log_fields((level), NULL, NULL, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)

/* Logs "<text>: <strerror>" with ERRNO= and its place in the source, and returns the negative errno, so that the
 * place where an error comes from reads `return log_errno(LOG_ERR, errno, "open %s", path);`. Takes either sign. */
int log_errno_at(int level, int error, const char *file, int line, const char *format, ...) _printf_(5, 6);
/* Tells the compiler what is so: that log_errno() never returns success, and outputs written on success need no check. */
static inline int log_negative(int r) {
        return r < 0 ? r : -EIO;
}
#define log_errno(level, error, ...) log_negative(log_errno_at((level), (error), __FILE__, __LINE__, __VA_ARGS__))
#define log_oom() log_errno(LOG_ERR, ENOMEM, "out of memory")
