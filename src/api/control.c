/* The control socket: one thread per connection, one verb per connection. */
#include "api/api_priv.h"

#include "base/log.h"
#include "codec/codec.h"
#include "os/sock.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY_NS 100000000LL
#define REQUEST_MAX (1u << 20)

struct connection {
    struct api *api;
    unsigned place;
    int fd;
};

static enum rc send_json(int fd, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(12));
    struct buf line = BUF(OS_LINE_MAX);
    enum rc rc = RC_NOMEM;

    if (text)
        rc = buf_puts(&line, text);
    if (rc == RC_OK)
        rc = buf_puts(&line, "\n");
    if (rc == RC_OK)
        rc = os_sock_send(fd, buf_view(&line));
    buf_free(&line);
    free(text);
    return rc;
}

void control_progress(struct control_call *c, uint64_t done, uint64_t total, const char *unit, const char *what)
{
    int64_t now = clock_mono_ns(c->engine->os->clock);

    if (now < c->progress_due_ns)
        return;
    c->progress_due_ns = now + PROGRESS_EVERY_NS;
    json_t *m = json_pack("{s:{s:I,s:I,s:s,s:s}}", "progress", "done", (json_int_t)done, "total", (json_int_t)total,
                          "unit", unit, "what", what);
    /* A client that went away misses its progress; the verb itself goes on. */
    if (m && send_json(c->fd, m) != RC_OK)
        c->progress_due_ns = INT64_MAX;
    json_decref(m);
}

/* A message may quote what a client sent, cut in the middle of a character; JSON holds only UTF-8. */
static const char *sentence(struct err *e, enum rc rc)
{
    if (!utf8_valid(view_cstr(e->text)))
        for (char *p = e->text; *p; p++)
            if ((unsigned char)*p > 0x7f)
                *p = '?';
    return e->text[0] ? e->text : rc_name(rc);
}

static void answer(struct control_call *c)
{
    json_t *result = NULL, *message = NULL;
    const json_t *verb = json_object_get(c->args, "verb");
    enum rc rc = json_is_string(verb) ? control_run(c, json_string_value(verb), &result)
                                      : err_set(&c->err, RC_INVALID, "the request names no verb");

    if (rc == RC_OK)
        message = json_pack("{s:o}", "result", result);
    else
        message = json_pack("{s:s,s:s}", "error", sentence(&c->err, rc), "code", rc_name(rc));
    if (message && send_json(c->fd, message) != RC_OK)
        log_info("api", "a client went away before its answer");
    json_decref(message);
}

static void serve_one(struct connection *k)
{
    struct control_call c = {.api = k->api, .engine = k->api->cfg.engine, .fd = k->fd};
    struct buf rest = BUF(REQUEST_MAX + 65536), line = BUF(REQUEST_MAX);

    if (os_sock_line(k->fd, &rest, &line) == RC_OK) {
        c.args = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);
        answer(&c);
        json_decref(c.args);
    }
    if (line.p)
        explicit_bzero(line.p, line.n);
    buf_free(&rest);
    buf_free(&line);
}

static void *connection_run(void *ctx)
{
    struct connection *k = ctx;
    struct api *a = k->api;

    serve_one(k);
    pthread_mutex_lock(&a->lock);
    os_sock_close(k->fd);
    a->open_fd[k->place] = -1;
    a->n_open--;
    pthread_cond_broadcast(&a->idle);
    pthread_mutex_unlock(&a->lock);
    free(k);
    return NULL;
}

static bool start_connection(struct api *a, int fd)
{
    pthread_t t;
    struct connection *k = calloc(1, sizeof *k);

    if (!k)
        return false;
    pthread_mutex_lock(&a->lock);
    while (a->n_open == CONTROL_CONNECTIONS_MAX && !a->closing)
        pthread_cond_wait(&a->idle, &a->lock);
    unsigned place = 0;
    while (place < CONTROL_CONNECTIONS_MAX && a->open_fd[place] >= 0)
        place++;
    bool ok = !a->closing && place < CONTROL_CONNECTIONS_MAX;
    if (ok) {
        *k = (struct connection){a, place, fd};
        a->open_fd[place] = fd;
        a->n_open++;
        ok = os_thread(&t, "hf-control", connection_run, k) == RC_OK;
        if (ok) {
            pthread_detach(t);
        } else {
            a->open_fd[place] = -1;
            a->n_open--;
        }
    }
    pthread_mutex_unlock(&a->lock);
    if (!ok)
        free(k);
    return ok;
}

static void *accept_run(void *ctx)
{
    struct api *a = ctx;
    int fd = -1;

    for (;;) {
        enum rc rc = os_sock_accept(a->listen_fd, &fd);
        if (rc == RC_CANCELLED)
            return NULL;
        if (rc == RC_OK && !start_connection(a, fd))
            os_sock_close(fd);
    }
}

static enum rc control_open(struct api *a, struct err *e)
{
    for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        a->open_fd[i] = -1;
    pthread_mutex_init(&a->change, NULL);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->idle, NULL);
    if (!os_path(a->socket_path, a->cfg.data_dir, "holdfast.sock"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", a->cfg.data_dir);
    HF_TRY(os_sock_listen(a->socket_path, &a->listen_fd, e));
    enum rc rc = os_thread(&a->acceptor, "hf-accept", accept_run, a);
    if (rc != RC_OK) {
        os_sock_close(a->listen_fd);
        return err_set(e, rc, "no thread for the control socket");
    }
    return RC_OK;
}

static void control_close(struct api *a)
{
    struct err e;

    os_sock_shutdown(a->listen_fd);
    pthread_join(a->acceptor, NULL);
    os_sock_close(a->listen_fd);
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    pthread_cond_broadcast(&a->idle);
    for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        if (a->open_fd[i] >= 0)
            os_sock_shutdown(a->open_fd[i]);
    while (a->n_open > 0)
        pthread_cond_wait(&a->idle, &a->lock);
    pthread_mutex_unlock(&a->lock);
    if (os_unlink(os_real(), a->socket_path, &e) != RC_OK)
        log_warn("api", "%s", e.text);
    pthread_cond_destroy(&a->idle);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->change);
}

/* ---- /healthz, /readyz, /metrics ---- */

static void on_request(void *ctx, struct http_req *r)
{
    struct api *a = ctx;
    struct view path = http_path(r);
    struct buf body = BUF(4u << 20);
    unsigned status = 200;
    const char *type = "text/plain; charset=utf-8";

    if (!view_eqs(http_method(r), "GET") && !view_eqs(http_method(r), "HEAD")) {
        http_reply(r, 405, VIEW("only GET\n"));
        return;
    }
    enum rc rc = RC_OK;
    if (view_eqs(path, "/healthz")) {
        rc = buf_puts(&body, "ok\n");
    } else if (view_eqs(path, "/readyz")) {
        bool ready = atomic_load(&a->ready);
        status = ready ? 200 : 503;
        rc = buf_puts(&body, ready ? "ready\n" : "not ready\n");
    } else if (view_eqs(path, "/metrics")) {
        type = "text/plain; version=0.0.4; charset=utf-8";
        rc = metrics_text(a, &body);
    } else {
        status = 404;
        rc = buf_puts(&body, "not found: /healthz, /readyz and /metrics are here\n");
    }
    if (rc == RC_OK)
        rc = http_reply_header(r, "Content-Type", view_cstr(type));
    if (rc != RC_OK) {
        buf_free(&body);
        http_reply(r, 503, VIEW("not now\n"));
        return;
    }
    http_reply_buf(r, status, &body);
}

static void on_body(void *ctx, struct http_req *r, struct view data, size_t *consumed)
{
    (void)ctx;
    (void)r;
    *consumed = data.n;
}

static void on_nothing(void *ctx, struct http_req *r)
{
    (void)ctx;
    (void)r;
}

static void on_close(void *ctx, struct http_req *r, bool sent_whole, uint64_t bytes)
{
    (void)ctx;
    (void)r;
    (void)sent_whole;
    (void)bytes;
}

static void on_refused(void *ctx, unsigned status, const char *what, struct buf *body, const char **content_type)
{
    (void)ctx;
    *content_type = "text/plain; charset=utf-8";
    if (buf_printf(body, "%u %s\n", status, what) != RC_OK)
        buf_clear(body);
}

enum rc api_open(const struct api_cfg *cfg, struct api **ret, struct err *e)
{
    struct api *a = calloc(1, sizeof *a);

    if (!a)
        return err_set(e, RC_NOMEM, "out of memory");
    a->cfg = *cfg;
    a->started_ns = clock_real_ns(cfg->engine->os->clock);
    struct http_cfg hc = {
        .listen = cfg->listen,
        .threads = 1,
        .connections_max = 256,
        .handler = {on_request, on_body, on_nothing, on_nothing, on_close, on_refused, a},
    };
    enum rc rc = http_open(&hc, &a->http, e);
    if (rc != RC_OK)
        goto err0;
    rc = control_open(a, e);
    if (rc != RC_OK)
        goto err1;
    *ret = a;
    return RC_OK;
err1:
    http_close(a->http, 0);
err0:
    free(a);
    return rc;
}

const char *api_address(const struct api *a)
{
    return http_address(a->http);
}

void api_set_ready(struct api *a, bool ready)
{
    atomic_store(&a->ready, ready);
}

void api_close(struct api *a)
{
    if (!a)
        return;
    control_close(a);
    http_close(a->http, 1000);
    free(a);
}
