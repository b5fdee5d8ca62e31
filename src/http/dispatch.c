/* Holdfast: which callback is next? libmicrohttpd calls dispatch() when the head is complete (data NULL), for each
 * piece of the body, when all of it was taken (data NULL again), and again after a suspended connection was resumed.
 *
 * A reply is handed over only at the call after the body: one that is queued at the first call makes libmicrohttpd
 * close the connection. That is wanted only when the client waits for 100 Continue. */
#include "http/http_priv.h"

#include <time.h>

void http_suspend(struct http_req *r)
{
    HF_ASSERT(!r->want_suspend && !http_replied(r));
    r->want_suspend = true;
}

void http_resume(struct http_req *r)
{
    struct http_server *s = r->s;
    struct MHD_Connection *conn = r->conn;
    /* From here to the end of this function the server stays, even when the request goes. */
    atomic_fetch_add(&s->resumers, 1);
    int seen = GATE_RUN;
    if (!atomic_compare_exchange_strong(&r->gate, &seen, GATE_EARLY)) {
        HF_ASSERT(seen == GATE_SUSPENDED);
        atomic_store(&r->gate, GATE_RUN);
        MHD_resume_connection(conn);
    }
    atomic_fetch_sub(&s->resumers, 1);
}

void http_abort(struct http_req *r)
{
    r->aborted = true;
}

/* The server is going down and libmicrohttpd must not be left with suspended connections: this thread waits for the
 * resume itself. Whoever will call it may not learn of this thread, so it looks from time to time. */
static void wait_for_resume(struct http_req *r)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(&r->gate) != GATE_EARLY)
        nanosleep(&pause, NULL);
    r->aborted = true;
}

/* Carries out http_suspend. False when the resume was there already: the request goes on at once. */
static bool suspend_commit(struct http_req *r)
{
    struct http_server *s = r->s;
    r->want_suspend = false;
    if (atomic_load(&r->gate) == GATE_EARLY) {
        atomic_store(&r->gate, GATE_RUN);
        return false;
    }
    /* Counted before looking: http_close sets aborting before it looks at the count. */
    atomic_fetch_add(&s->held, 1);
    if (atomic_load(&s->aborting)) {
        request_unhold(r);
        wait_for_resume(r);
        return false;
    }
    r->suspended = true;
    MHD_suspend_connection(r->conn);
    int seen = GATE_RUN;
    if (!atomic_compare_exchange_strong(&r->gate, &seen, GATE_SUSPENDED)) {
        atomic_store(&r->gate, GATE_RUN);
        MHD_resume_connection(r->conn);
    }
    return true;
}

/* After a callback: false when the request is suspended. Otherwise the handler wants to go on, has replied, or has
 * aborted. */
static bool settle(struct http_req *r)
{
    const struct http_handler *h = &r->s->handler;
    while (r->want_suspend && !r->aborted) {
        if (suspend_commit(r))
            return false;
        if (!r->aborted)
            h->on_resume(h->ctx, r);
    }
    return true;
}

/* The reply came while the client still has a body to send. */
static void reply_before_body_end(struct http_req *r)
{
    bool known = r->content_length != UINT64_MAX;
    if (known && r->content_length - r->body_seen <= HTTP_DISCARD_MAX)
        return;
    if (!known && r->discarded <= HTTP_DISCARD_MAX)
        return;
    if (!r->early.on && r->reply.kind != REPLY_STREAM)
        early_start(r);
}

static enum MHD_Result discard(struct http_req *r, size_t *data_n)
{
    r->body_seen += *data_n;
    r->discarded += *data_n;
    *data_n = 0;
    reply_before_body_end(r);
    if (r->early.on)
        early_pump(r);
    return r->aborted || r->discarded > HTTP_LINGER_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result head_done(struct http_req *r)
{
    if (!settle(r))
        return MHD_YES;
    if (r->aborted)
        return MHD_NO;
    if (http_replied(r) && http_has_body(r)) {
        if (r->expects_continue)
            return reply_queue(r) ? MHD_YES : MHD_NO;
        reply_before_body_end(r);
    }
    r->phase = PHASE_BODY;
    return r->aborted ? MHD_NO : MHD_YES;
}

static enum MHD_Result head_piece(struct http_req *r, const char *method, const char *version)
{
    const struct http_handler *h = &r->s->handler;
    unsigned status;
    const char *wrong = head_read(r, method, version, &status);
    if (wrong) {
        r->refused = true;
        reply_refuse(r, status, wrong);
        return reply_queue(r) ? MHD_YES : MHD_NO;
    }
    r->phase = PHASE_HEAD;
    atomic_fetch_add(&r->s->in_flight, 1);
    h->on_request(h->ctx, r);
    return head_done(r);
}

/* Gives a piece to the handler. When it suspends after having taken everything, the last byte is left with
 * libmicrohttpd (and skipped next time): otherwise the resume would be noticed only when the client sends more. */
static enum MHD_Result body_piece(struct http_req *r, struct view data, size_t *data_n)
{
    const struct http_handler *h = &r->s->handler;
    if (r->kept_byte) {
        data = view_sub(data, 1, data.n);
        r->kept_byte = false;
    }
    while (data.n > 0 && !http_replied(r) && !r->aborted) {
        size_t consumed = 0;
        h->on_body(h->ctx, r, data, &consumed);
        HF_ASSERT(consumed <= data.n);
        HF_ASSERT(consumed > 0 || r->want_suspend || http_replied(r) || r->aborted);
        r->body_seen += consumed;
        data = view_sub(data, consumed, data.n);
        if (!settle(r)) {
            r->kept_byte = data.n == 0;
            *data_n = r->kept_byte ? 1 : data.n;
            return MHD_YES;
        }
    }
    *data_n = data.n;
    if (r->aborted)
        return MHD_NO;
    return http_replied(r) ? discard(r, data_n) : MHD_YES;
}

/* A resumed connection is read first when it waited for more at the time of its suspension, although the request is
 * whole: a client that has shut its sending side would be taken for one that left, and get no answer. A connection that
 * was once left here without a reply waits for nothing any more, and is called again at once. Requests that only read
 * are spared the look: they are answered without a suspension as a rule. */
static bool must_stop_reading(struct http_req *r)
{
    if (r->stopped_reading || http_replied(r) || view_eqs(r->method, "GET") || view_eqs(r->method, "HEAD"))
        return false;
    r->stopped_reading = watch_at_end(r->peer);
    return r->stopped_reading;
}

static enum MHD_Result end_piece(struct http_req *r)
{
    const struct http_handler *h = &r->s->handler;
    if (r->early.on)
        return MHD_NO; /* answered; the connection ends */
    if (must_stop_reading(r))
        return MHD_YES;
    if (!http_replied(r) && r->phase == PHASE_BODY) {
        r->phase = PHASE_END;
        h->on_end(h->ctx, r);
        if (!settle(r))
            return MHD_YES;
    }
    if (r->aborted)
        return MHD_NO;
    HF_ASSERT(http_replied(r));
    return reply_queue(r) ? MHD_YES : MHD_NO;
}

/* A resumed request: on_resume, then on from where it was. False when it is suspended again; nothing of the piece of
 * body that waits was taken then. */
static bool resumed(struct http_req *r)
{
    const struct http_handler *h = &r->s->handler;
    h->on_resume(h->ctx, r);
    return settle(r);
}

enum MHD_Result dispatch(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                         const char *version, const char *data, size_t *data_n, void **req)
{
    (void)conn;
    (void)url;
    struct http_server *s = cls;
    struct http_req *r = *req;
    if (!r)
        return MHD_NO; /* there was no memory for it */
    bool was_suspended = r->suspended;
    if (was_suspended)
        request_unhold(r);
    if (atomic_load(&s->aborting))
        return MHD_NO;
    if (r->phase == PHASE_LINE) {
        watch_serve(r->peer);
        return head_piece(r, method, version);
    }
    if (was_suspended && !resumed(r))
        return MHD_YES;
    if (r->aborted)
        return MHD_NO;
    if (r->phase == PHASE_HEAD)
        return head_done(r);
    if (data)
        return body_piece(r, view_of(data, *data_n), data_n);
    return end_piece(r);
}
