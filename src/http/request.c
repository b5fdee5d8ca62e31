/* Holdfast: the life of a request, and what a handler can ask about it. */
#include "http/http_priv.h"

#include <stdlib.h>

/* Called when the request line is there, before anything in it was touched. */
void *request_begin(void *cls, const char *target, struct MHD_Connection *conn)
{
    struct http_server *s = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *c = info ? info->socket_context : NULL;
    if (!c || !target)
        return NULL;
    c->had_request = true;
    size_t n = strlen(target);
    struct http_req *r = malloc(sizeof *r + n);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    memcpy(r->target_text, target, n);
    r->s = s;
    r->conn = conn;
    r->peer = c;
    r->arena = ARENA(HTTP_ARENA_MAX);
    r->target = view_of(r->target_text, n);
    r->target_at = target;
    r->target_n = n;
    r->reply.last = &r->reply.first;
    return r;
}

static void tell_closer(struct http_server *s)
{
    if (!atomic_load(&s->closing))
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void request_unhold(struct http_req *r)
{
    r->suspended = false;
    atomic_fetch_sub(&r->s->held, 1);
    tell_closer(r->s);
}

static bool body_forbidden(const struct http_req *r)
{
    return view_eqs(r->method, "HEAD") || r->reply.status == MHD_HTTP_NO_CONTENT ||
           r->reply.status == MHD_HTTP_NOT_MODIFIED;
}

/* How much of the reply's body went out. */
static uint64_t body_sent(const struct http_req *r, bool whole)
{
    const struct http_reply *p = &r->reply;
    if (r->early.on)
        return r->early.sent > r->early.body_at ? r->early.sent - r->early.body_at : 0;
    if (!p->queued || body_forbidden(r) || p->kind == REPLY_HEAD)
        return 0;
    if (!whole)
        return p->sent;
    return p->kind == REPLY_STREAM ? p->size : p->body.n;
}

void request_end(void *cls, struct MHD_Connection *conn, void **req, enum MHD_RequestTerminationCode why)
{
    (void)conn;
    struct http_server *s = cls;
    struct http_req *r = *req;
    if (!r)
        return;
    *req = NULL;
    /* The client went away between the resume and the next call of the handler. */
    if (r->suspended)
        request_unhold(r);
    bool was_open = r->phase != PHASE_LINE;
    if (was_open) {
        bool whole = r->early.on ? r->early.sent == r->early.text.n
                                 : r->reply.queued && why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
        s->handler.on_close(s->handler.ctx, r, whole, body_sent(r, whole));
    }
    if (r->peer)
        watch_wait(r->peer);
    reply_free(r);
    arena_free(&r->arena);
    free(r);
    if (was_open) {
        atomic_fetch_sub(&s->in_flight, 1);
        tell_closer(s);
    }
}

struct view http_method(const struct http_req *r)
{
    return r->method;
}

struct view http_target(const struct http_req *r)
{
    return r->target;
}

struct view http_path(const struct http_req *r)
{
    return r->path;
}

struct view http_query(const struct http_req *r)
{
    return r->query;
}

struct view http_header(const struct http_req *r, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < r->n_headers; i++)
        if (r->headers[i].name.n == n && view_ieqs(r->headers[i].name, name))
            return r->headers[i].value;
    return (struct view){NULL, 0};
}

size_t http_header_count(const struct http_req *r)
{
    return r->n_headers;
}

void http_header_at(const struct http_req *r, size_t i, struct view *ret_name, struct view *ret_value)
{
    HF_ASSERT(i < r->n_headers);
    *ret_name = r->headers[i].name;
    *ret_value = r->headers[i].value;
}

uint64_t http_content_length(const struct http_req *r)
{
    return r->content_length;
}

bool http_has_body(const struct http_req *r)
{
    return r->content_length > 0;
}

const char *http_peer(const struct http_req *r)
{
    return r->peer->peer;
}

void http_set_state(struct http_req *r, void *state)
{
    r->state = state;
}

void *http_state(struct http_req *r)
{
    return r->state;
}

struct arena *http_arena(struct http_req *r)
{
    return &r->arena;
}
