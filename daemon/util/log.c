/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two writers, chosen once: the journal's own protocol when stderr is the journal, else one line with one write(2), so
 * that the lines of several processes on one terminal do not mix. A journal that cannot be reached (another mount
 * namespace, a restart) gets the line on stderr instead.
 */

#include "util/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "util/array.h"
#include "util/text.h"

enum { LOG_TEXT_MAX = 8192 }; /* bytes of one message */

static const char *log_role;
static int log_max_level = LOG_INFO;

static const char *const level_names[] = {
        [LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",   [LOG_CRIT] = "critical", [LOG_ERR] = "error",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info",     [LOG_DEBUG] = "debug",
};

void log_set_role(const char *role) {
        log_role = role;
}

void log_set_level(int level) {
        log_max_level = level;
}

int log_level(void) {
        return log_max_level;
}

int log_level_from_string(const char *text) {
        for (int level = LOG_ERR; level <= LOG_DEBUG; level++)
                if (strcmp(text, level_names[level]) == 0 || (text[0] == '0' + level && text[1] == '\0'))
                        return level;
        return -EINVAL;
}

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream; a stderr that was redirected since is another file. */
static bool stderr_is_journal(void) {
        static int answer = -1;
        unsigned long long device, inode;
        const char *stream;
        struct stat st;
        char end;

        if (answer >= 0)
                return answer;
        stream = getenv("JOURNAL_STREAM");
        answer = stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &end) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
                 st.st_dev == (dev_t) device && st.st_ino == (ino_t) inode;
        return answer;
}

static int to_journal(int level, const char *message_id, const char *const *fields, const char *text) {
        _cleanup_strv_ char **entries = NULL;
        _cleanup_free_ struct iovec *vector = NULL;
        size_t n_entries;
        int r;

        r = strv_appendf(&entries, "MESSAGE=%s", text);
        if (r >= 0)
                r = strv_appendf(&entries, "PRIORITY=%i", level);
        if (r >= 0 && message_id)
                r = strv_appendf(&entries, "MESSAGE_ID=%s", message_id);
        if (r >= 0 && log_role)
                r = strv_appendf(&entries, "PODMOUNT_ROLE=%s", log_role);
        for (size_t i = 0; r >= 0 && fields && fields[i]; i += 2)
                if (fields[i + 1])
                        r = strv_appendf(&entries, "%s%s", fields[i], fields[i + 1]);
        if (r < 0)
                return r;

        n_entries = strv_length(entries);
        vector = calloc(n_entries, sizeof(*vector));
        if (!vector)
                return -ENOMEM;
        for (size_t i = 0; i < n_entries; i++)
                vector[i] = (struct iovec) {.iov_base = entries[i], .iov_len = strlen(entries[i])};
        return sd_journal_sendv(vector, (int) n_entries);
}

static void to_stderr(int level, const char *text) {
        _cleanup_free_ char *line = NULL;
        int length;

        if (stderr_is_journal())
                length = asprintf(&line, "<%i>%s\n", level, text); /* sd-daemon(3): the stream's own priority prefix */
        else if (log_role)
                length = asprintf(&line, "%s[%s]: %s: %s\n", program_invocation_short_name, log_role,
                                  level_names[level & LOG_PRIMASK], text);
        else
                length = asprintf(&line, "%s: %s: %s\n", program_invocation_short_name,
                                  level_names[level & LOG_PRIMASK], text);
        if (length < 0) {
                line = NULL;
                return;
        }
        /* A log line that nobody can take has nowhere else to go. */
        if (write(STDERR_FILENO, line, (size_t) length) < 0)
                return;
}

_printf_(4, 0)
static void emit(int level, const char *message_id, const char *const *fields, const char *format, va_list arguments) {
        _cleanup_free_ char *raw = text_vformat(format, arguments), *text = NULL;

        if (!raw)
                return;
        text = text_escape(raw, LOG_TEXT_MAX);
        if (!text)
                return;
        if (stderr_is_journal() && to_journal(level, message_id, fields, text) >= 0)
                return;
        to_stderr(level, text);
}

void log_fields(int level, const char *message_id, const char *const *fields, const char *format, ...) {
        int saved = errno;
        va_list arguments;

        if (level > log_max_level)
                return;
        va_start(arguments, format);
        emit(level, message_id, fields, format, arguments);
        va_end(arguments);
        errno = saved;
}

int log_errno_at(int level, int error, const char *file, int line, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        int saved = errno, number = error < 0 ? -error : error;
        char number_text[16], line_text[16]; /* of an int: 11 characters and the end at most */
        const char *description = strerrordesc_np(number);
        va_list arguments;

        if (level > log_max_level)
                return -number;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);

        (void) snprintf(number_text, sizeof(number_text), "%i", number); /* always fits */
        (void) snprintf(line_text, sizeof(line_text), "%i", line);
        log_fields(level, NULL,
                   (const char *const[]) {"ERRNO=", number_text, "CODE_FILE=", file, "CODE_LINE=", line_text, NULL},
                   "%s: %s", text ? text : "out of memory", description ? description : "unknown error");
        errno = saved;
        return -number;
}
