/* Holdfast: the log, one line per event on stderr. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define LOG_MESSAGE_MAX 2048                     /* longer ones are cut */
#define LOG_LINE_MAX (6 * LOG_MESSAGE_MAX + 256) /* every byte may become \u00xx */

/* Written once by log_init, before threads; read-only after. */
static struct {
    bool json;
    enum log_level min;
} log_conf = {false, LOG_LEVEL_INFO};

void log_init(bool json, enum log_level min)
{
    log_conf.json = json;
    log_conf.min = min;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "debug";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_ERROR:
        return "error";
    }
    return "?";
}

/* Keeps one event on one line whatever a client sent: control characters become \u00xx; for JSON quotes and
 * backslashes are escaped too. dst holds LOG_LINE_MAX bytes. */
static void escape(const char *src, bool json, char *dst, size_t dst_size)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (; *src && n + 7 < dst_size; src++) {
        unsigned char c = (unsigned char)*src;
        if (c < 0x20 || c == 0x7f) {
            const char seq[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            for (size_t i = 0; i < sizeof seq; i++)
                dst[n++] = seq[i];
            continue;
        }
        if (json && (c == '"' || c == '\\'))
            dst[n++] = '\\';
        dst[n++] = (char)c;
    }
    dst[n] = 0;
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    if (level < log_conf.min)
        return;
    char message[LOG_MESSAGE_MAX], safe[LOG_LINE_MAX], when[TIME_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(message, sizeof message, fmt, ap) < 0)
        message[0] = 0;
    va_end(ap);
    escape(message, log_conf.json, safe, sizeof safe);

    /* The kernel's clock, not a struct clock: a log is read beside other programs' logs, in a drill too. */
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    time_rfc3339((int64_t)now.tv_sec * NS_PER_S + now.tv_nsec, true, when);
    const char *format =
        log_conf.json ? "{\"time\":\"%s\",\"level\":\"%s\",\"room\":\"%s\",\"message\":\"%s\"}\n" : "%s %s %s %s\n";
    flockfile(stderr);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(stderr, format, when, level_name(level), room, safe);
#pragma GCC diagnostic pop
    funlockfile(stderr);
}
