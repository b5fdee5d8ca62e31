/* Speaking to the daemon over the socket in its data folder, and the progress line. */
#include "cli/cli_priv.h"

#include "os/sock.h"

#include <stdlib.h>
#include <unistd.h>

#define SHOW_EVERY_NS 100000000LL
#define SHOW_AFTER_NS (1LL * NS_PER_S)

static void human(double v, const char *unit, char *dst, size_t n)
{
    static const char *const prefix[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
    unsigned i = 0;

    if (unit[0] != 'b') {
        snprintf(dst, n, "%.0f %s", v, unit);
        return;
    }
    while (v >= 1024 && i < 5) {
        v /= 1024;
        i++;
    }
    snprintf(dst, n, i ? "%.1f %sB" : "%.0f %sB", v, prefix[i]);
}

void progress_show(struct progress_line *p, uint64_t done, uint64_t total, const char *unit)
{
    int64_t now = clock_mono_ns(os_clock());
    char have[32], all[32], rate[32];

    if (!p->started_ns)
        p->started_ns = now;
    if (!isatty(STDERR_FILENO) || now - p->started_ns < SHOW_AFTER_NS || now - p->shown_ns < SHOW_EVERY_NS)
        return;
    double seconds = (double)(now - p->started_ns) / 1e9, per_s = (double)done / seconds;
    human((double)done, unit, have, sizeof have);
    human((double)total, unit, all, sizeof all);
    human(per_s, unit, rate, sizeof rate);
    fprintf(stderr, "\r\033[K%s %s of %s (%.0f %%), %s/s", p->what, have, all,
            total ? 100.0 * (double)done / (double)total : 0, rate);
    if (per_s > 0 && total > done)
        fprintf(stderr, ", %.0f s left", (double)(total - done) / per_s);
    fflush(stderr);
    p->shown_ns = now;
    p->shown = true;
}

void progress_end(struct progress_line *p)
{
    if (p->shown)
        fprintf(stderr, "\r\033[K");
    p->shown = false;
}

static void show_progress(struct progress_line *line, const json_t *p)
{
    const char *unit = json_string_value(json_object_get(p, "unit"));

    progress_show(line, (uint64_t)json_integer_value(json_object_get(p, "done")),
                  (uint64_t)json_integer_value(json_object_get(p, "total")), unit ? unit : "");
}

static enum rc send_request(int fd, json_t *request, struct err *e)
{
    char *text = json_dumps(request, JSON_COMPACT);
    enum rc rc = text ? os_sock_send(fd, view_cstr(text)) : RC_NOMEM;

    if (rc == RC_OK)
        rc = os_sock_send(fd, VIEW("\n"));
    free(text);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "the daemon went away");
}

static enum rc read_answer(int fd, const char *what, json_t **ret_result, struct err *e)
{
    struct buf rest = BUF(OS_LINE_MAX + 65536), line = BUF(OS_LINE_MAX);
    struct progress_line progress = {.what = what};
    enum rc rc = RC_OK;
    bool answered = false;

    while (!answered && (rc = os_sock_line(fd, &rest, &line)) == RC_OK) {
        json_t *m = json_loadb(line.p, line.n, 0, NULL), *result = json_object_get(m, "result");
        const json_t *p = json_object_get(m, "progress"), *error = json_object_get(m, "error");

        if (p) {
            show_progress(&progress, p);
        } else if (result) {
            *ret_result = json_incref(result);
            answered = true;
        } else {
            rc = err_set(e, RC_UNAVAILABLE, "%s",
                         json_is_string(error) ? json_string_value(error) : "the daemon's answer was not understood");
            answered = true;
        }
        json_decref(m);
    }
    progress_end(&progress);
    if (!answered)
        rc = err_set(e, RC_UNAVAILABLE, "the daemon went away before it answered");
    buf_free(&rest);
    buf_free(&line);
    return rc;
}

enum rc client_call(const char *data_dir, json_t *request, json_t **ret_result, struct err *e)
{
    char path[OS_PATH_MAX];
    int fd = -1;

    if (!os_path(path, data_dir, "holdfast.sock"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", data_dir);
    enum rc rc = os_sock_connect(path, &fd, e);
    if (rc == RC_NOT_FOUND)
        return err_set(
            e, rc,
            "no daemon is running on %s: start it with `holdfast serve --data %s`, or name the folder with --data",
            data_dir, data_dir);
    if (rc != RC_OK)
        return rc;
    rc = send_request(fd, request, e);
    if (rc == RC_OK)
        rc = read_answer(fd, json_string_value(json_object_get(request, "verb")), ret_result, e);
    os_sock_close(fd);
    return rc;
}
