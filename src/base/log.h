/* Holdfast: the log. One line per event on stderr, `time level room message`, or JSON with log_init(true).
 * Only the top rooms (sequence, gateway, api, cli, main) log; libraries return errors. Thread-safe. Never pass a
 * secret: see view_redact in the rooms that hold keys. */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Called once at start, before threads. */
void log_init(bool json, enum log_level min);
void log_line(enum log_level level, const char *room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_info(room, ...) log_line(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_warn(room, ...) log_line(LOG_LEVEL_WARN, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_LEVEL_ERROR, room, __VA_ARGS__)

#endif
