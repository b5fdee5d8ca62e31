/* A request from its head to its end: who asks, what for, may they; then the operation's steps. */
#include <stdlib.h>

#include "base/log.h"
#include "gateway/gateway_priv.h"

/* ---- references ---- */
void gw_ref(struct gw_req *g)
{
    unsigned before = atomic_fetch_add(&g->refs, 1);
    HF_ASSERT(before > 0);
}

void gw_unref(struct gw_req *g)
{
    HF_ASSERT(g->magic == GW_REQ_MAGIC);
    if (atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    struct gateway *w = g->gw;
    if (g->work_free != NULL)
        g->work_free(g->work);
    gw_body_free(g);
    auth_wipe(&g->auth);
    arena_free(&g->arena);
    pthread_mutex_destroy(&g->lock);
    g->magic = 0;
    free(g);
    pthread_mutex_lock(&w->lock);
    HF_ASSERT(w->live > 0);
    if (--w->live == 0)
        pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
}

void gw_wake(struct gw_req *g)
{
    pthread_mutex_lock(&g->lock);
    if (!g->closed)
        http_resume(g->http);
    pthread_mutex_unlock(&g->lock);
}

void gw_wait(struct gw_req *g, void (*then)(struct gw_req *))
{
    HF_ASSERT(g->then == NULL);
    g->then = then;
    http_suspend(g->http);
}

/* ---- what was sent ---- */
struct view gw_arg(const struct gw_req *g, const char *name)
{
    return gw_param(&g->params, name);
}

struct view gw_header(const struct gw_req *g, const char *name)
{
    struct view v = http_header(g->http, name);
    if (v.p == NULL && g->auth.presigned && view_starts(view_cstr(name), VIEW("x-amz-")))
        v = gw_param_nocase(&g->params, name);
    return v;
}

/* ---- the head ---- */
static struct gw_req *req_new(struct gateway *w, struct http_req *r)
{
    struct gw_req *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->magic = GW_REQ_MAGIC;
    g->gw = w;
    g->http = r;
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    g->arena = ARENA(REQUEST_ARENA_MAX);
    g->started_ns = clock_mono_ns(w->engine->os->clock);
    static const char digits[] = "0123456789ABCDEF";
    uint64_t id = xxh64(&(uint64_t){atomic_fetch_add(&w->id_next, 1)}, sizeof(uint64_t), w->id_seed);
    for (int i = 0; i < REQUEST_ID_SIZE - 1; i++)
        g->id[i] = digits[id >> (60 - 4 * i) & 15];
    pthread_mutex_lock(&w->lock);
    w->live++;
    pthread_mutex_unlock(&w->lock);
    atomic_fetch_add(&w->requests, 1);
    return g;
}

static enum rc lookup_key(void *ctx, struct view access_key, struct caller *ret)
{
    return registry_key(ctx, access_key, ret);
}

static bool collect_headers(struct gw_req *g, struct cat_header **ret, size_t *ret_n)
{
    size_t n = http_header_count(g->http);
    struct cat_header *h = arena_alloc(&g->arena, (n + 1) * sizeof *h);
    if (h == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        http_header_at(g->http, i, &h[i].name, &h[i].value);
    *ret = h;
    *ret_n = n;
    return true;
}

/* Clouds revoke the keys of who does not pay for long. Who holds the secret is told why. */
static bool key_lives(struct gw_req *g)
{
    struct err e = {""};
    if (registry_gate(meter_registry(g->gw->engine->meter), g->auth.caller.account, GATE_READ, &e) == RC_OK)
        return true; /* paid in this very moment */
    gw_fail_with(g, "InvalidAccessKeyId", arena_cstr(&g->arena, view_cstr(e.text)));
    return false;
}

static bool authenticate(struct gw_req *g)
{
    struct auth_request q = {
        .method = http_method(g->http),
        .path = http_path(g->http),
        .query = http_query(g->http),
        .host_bucket = g->route.by_host ? g->route.bucket : VIEW(""),
        .now_ns = clock_real_ns(g->gw->engine->os->clock),
    };
    struct cat_header *headers;
    if (!collect_headers(g, &headers, &q.n_headers)) {
        gw_fail_rc(g, RC_NOMEM, NULL, "request headers");
        return false;
    }
    q.headers = headers;
    const char *code = "AccessDenied";
    struct err e = {""};
    enum rc rc = auth_check(&q, lookup_key, meter_registry(g->gw->engine->meter), &g->arena, &g->auth, &code, &e);
    if (rc == RC_OK) {
        g->known = true;
        return !g->auth.caller.suspended || key_lives(g);
    }
    if (rc == RC_DENIED || rc == RC_INVALID)
        gw_fail_with(g, code, e.text[0] != 0 ? arena_cstr(&g->arena, view_cstr(e.text)) : NULL);
    else
        gw_fail_rc(g, rc, &e, "authentication");
    return false;
}

static bool find_route(struct gw_req *g, const char **ret_code)
{
    *ret_code = NULL;
    enum rc rc = gw_params_parse(http_query(g->http), &g->arena, &g->params);
    if (rc != RC_OK) {
        *ret_code = rc == RC_NOMEM ? "InternalError" : rc == RC_LIMIT ? "InvalidArgument" : "InvalidURI";
        return false;
    }
    struct route_request q = {
        .method = http_method(g->http),
        .path = http_path(g->http),
        .host = http_header(g->http, "host"),
        .domain = g->gw->domain,
        .params = &g->params,
        .copies = http_header(g->http, "x-amz-copy-source").p != NULL ||
                  gw_param_nocase(&g->params, "x-amz-copy-source").p != NULL,
    };
    rc = gw_route(&q, &g->arena, &g->route, ret_code);
    if (rc == RC_NOMEM)
        *ret_code = "InternalError";
    return rc == RC_OK;
}

/* The account's stage: what it owes, in the cloud's words. */
static bool pass_gate(struct gw_req *g)
{
    struct err e = {""};
    enum rc rc = registry_gate(meter_registry(g->gw->engine->meter), g->auth.caller.account, g->op->gate, &e);
    if (rc == RC_OK)
        return true;
    if (rc == RC_DENIED)
        gw_fail_with(g, "AccountProblem", arena_cstr(&g->arena, view_cstr(e.text)));
    else
        gw_fail_rc(g, rc, &e, "the account's gate");
    return false;
}

/* A stranger learns nothing but that: the route's own refusal comes after authentication. */
static void admit(struct gw_req *g)
{
    const char *route_code;
    bool routed = find_route(g, &route_code);
    if (routed && g->route.op == OP_PREFLIGHT) {
        op_preflight(g);
        return;
    }
    if (!authenticate(g))
        return;
    if (!routed) {
        gw_fail(g, route_code);
        return;
    }
    g->op = gw_op_def(g->route.op);
    if (!pass_gate(g) || !gw_take(g, 1, 0))
        return;
    if (g->op->needs_bucket && !gw_bucket_find(g, g->route.bucket, "x-amz-expected-bucket-owner", &g->bucket))
        return;
    if (g->op->check != NULL)
        g->op->check(g);
    if (!gw_replied(g))
        gw_body_begin(g);
}

void gw_on_request(void *ctx, struct http_req *r)
{
    struct gw_req *g = req_new(ctx, r);
    if (g == NULL) {
        http_abort(r);
        return;
    }
    http_set_state(r, g);
    admit(g);
}

/* ---- the body and after ---- */
static struct gw_req *state_of(struct http_req *r)
{
    struct gw_req *g = http_state(r);
    HF_ASSERT(g == NULL || g->magic == GW_REQ_MAGIC);
    return g;
}

void gw_on_body(void *ctx, struct http_req *r, struct view data, size_t *consumed)
{
    struct gateway *w = ctx;
    struct gw_req *g = state_of(r);
    *consumed = data.n;
    if (g != NULL && !gw_replied(g))
        gw_body_take(g, data, consumed);
    atomic_fetch_add(&w->bytes_in, *consumed);
}

void gw_on_end(void *ctx, struct http_req *r)
{
    (void)ctx;
    struct gw_req *g = state_of(r);
    if (g != NULL && !gw_replied(g))
        gw_body_end(g);
}

void gw_on_resume(void *ctx, struct http_req *r)
{
    (void)ctx;
    struct gw_req *g = state_of(r);
    if (g == NULL || g->then == NULL)
        return; /* there is room again: the body goes on by itself */
    void (*then)(struct gw_req *) = g->then;
    g->then = NULL;
    then(g);
}

/* ---- the end ---- */
static void count(struct gw_req *g, uint64_t bytes_sent)
{
    struct gateway *w = g->gw;
    uint64_t us = (uint64_t)(clock_mono_ns(w->engine->os->clock) - g->started_ns) / 1000;
    unsigned bucket = 0;
    while (bucket < LATENCY_BUCKETS - 1 && us >= (uint64_t)64 << bucket)
        bucket++;
    atomic_fetch_add(&w->by_status[g->status / 100 < 6 ? g->status / 100 : 5], 1);
    atomic_fetch_add(&w->bytes_out, bytes_sent);
    atomic_fetch_add(&w->latency_us_bucket[bucket], 1);
    atomic_fetch_add(&w->latency_us_sum, us);
}

void gw_on_close(void *ctx, struct http_req *r, bool sent_whole, uint64_t body_bytes_sent)
{
    (void)ctx;
    (void)sent_whole;
    struct gw_req *g = state_of(r);
    if (g == NULL)
        return;
    count(g, body_bytes_sent);
    /* A client that left before its answer had no status; it is metered as refused unless its record was made. */
    if (g->status == 0)
        g->status = 400;
    gw_meter(g, body_bytes_sent);
    if (g->body.upload != NULL)
        upload_cancel(g->body.upload);
    http_set_state(r, NULL);
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    pthread_mutex_unlock(&g->lock);
    gw_unref(g);
}

void gw_on_refused(void *ctx, unsigned status, const char *what, struct buf *body, const char **content_type)
{
    struct gateway *w = ctx;
    const char *code = status == 408   ? "RequestTimeout"
                       : status == 413 ? "EntityTooLarge"
                       : status == 501 ? "NotImplemented"
                       : status == 503 ? "SlowDown"
                                       : "BadRequest";
    struct s3_error_place at = {VIEW(""), VIEW(""), VIEW(""), "", w->host_id};
    *content_type = "application/xml";
    if (gw_s3_error_xml(gw_s3_error(code), what, &at, body) != RC_OK)
        buf_clear(body);
    atomic_fetch_add(&w->by_status[status / 100 < 6 ? status / 100 : 5], 1);
}
