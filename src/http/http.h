/* Holdfast: HTTP/1.1 server. The only room that knows libmicrohttpd. A pool of epoll threads; a request's callbacks all
 * run in its connection's thread, one at a time.
 *
 * What it refuses before a handler sees it (DESIGN §3): CL together with TE, repeated or malformed Content-Length,
 * Transfer-Encoding other than chunked, header names that are no RFC 9110 tokens, header values with control
 * characters, lines continued on the next line, NUL bytes, an HTTP/1.1 request without exactly one Host, a request line
 * or head past HTTP_HEAD_MAX: 400 (or 431, 414), mostly in the handler's own error format through on_refused, and the
 * connection ends. What libmicrohttpd itself refuses comes in its words.
 *
 * Life of a request: on_request (head complete, no byte of the body taken; it may reply at once, in which case no 100
 * Continue is sent) -> on_body (each piece, 16 to 32 KiB when the client is fast; *consumed says how much was taken;
 * taking nothing must go with http_suspend; it may reply) -> on_end -> reply. A reply before the end of the body: what
 * is left is read and dropped when it is at most 1 MiB, and the connection goes on; when it is more, the answer is sent
 * at once, the connection ends, and up to 64 MiB are dropped so that the client gets to see it. on_close is called once
 * for each on_request, at the very end, also when the client went away: free there.
 *
 * http_suspend stops the connection (no thread waits) when the callback that called it returns; http_resume from any
 * thread, once for each http_suspend, and it may come first; after it on_resume runs in the connection's thread, and
 * then the request goes on from where it was: on_body with what was not taken, or on_end, which is never called twice:
 * after it, on_resume replies or suspends again. A client that leaves is not noticed while its request is suspended.
 *
 * A client that shuts its sending side after a whole request is answered, then the connection is closed; only when it
 * does so while the request is suspended it may get no answer. In the middle of a request, it has left: the connection
 * ends unanswered. Both take at most about HTTP_LEAVER_MS.
 *
 * An idle connection costs about 1 KiB before its first request and 42 KiB after it. */
#ifndef HF_HTTP_HTTP_H
#define HF_HTTP_HTTP_H

#include "base/view.h"

#define HTTP_HEAD_MAX 16384u /* twice what S3 takes */
#define HTTP_HEADERS_MAX 200u
#define HTTP_LEAVER_MS 250

struct http_server;
struct http_req; /* opaque */

struct http_handler {
    void (*on_request)(void *ctx, struct http_req *r);
    /* data lives until it returns. Must not be NULL; neither may the others, but on_refused. */
    void (*on_body)(void *ctx, struct http_req *r, struct view data, size_t *consumed);
    void (*on_end)(void *ctx, struct http_req *r);
    void (*on_resume)(void *ctx, struct http_req *r);
    void (*on_close)(void *ctx, struct http_req *r, bool sent_whole, uint64_t body_bytes_sent);
    /* Fills a body for an error found by this room, for example S3's XML. status 400, 431, 503. */
    void (*on_refused)(void *ctx, unsigned status, const char *what, struct buf *body, const char **content_type);
    void *ctx;
};
struct http_cfg {
    const char *listen;       /* "127.0.0.1:9000", "[::1]:9000"; port 0 = any free */
    unsigned threads;         /* 0 = one per core, at least 2 */
    unsigned connections_max; /* 0 = 4096 */
    unsigned idle_timeout_s;  /* 0 = 60 */
    struct http_handler handler;
};
enum rc http_open(const struct http_cfg *cfg, struct http_server **ret, struct err *e) HF_MUST_USE;
/* "127.0.0.1:9000" as really bound. */
const char *http_address(const struct http_server *s);
/* Stops listening at once, lets requests in flight end for at most grace_ms, closes idle keep-alive connections, then
 * all. A suspended request is in somebody's hands: it is waited for, however long, and ends unanswered after the grace.
 * The handler may go when this returns. */
void http_close(struct http_server *s, unsigned grace_ms);
unsigned http_connections(const struct http_server *s);

/* ---- the request; views live until on_close ---- */
struct view http_method(const struct http_req *r);
struct view http_target(const struct http_req *r); /* raw, as sent: path and query, nothing decoded */
struct view http_path(const struct http_req *r);   /* raw path */
struct view http_query(const struct http_req *r);  /* raw query without '?' */
struct view http_header(const struct http_req *r,
                        const char *name); /* first of that name, case-insensitive; p NULL when absent */
size_t http_header_count(const struct http_req *r);
void http_header_at(const struct http_req *r, size_t i, struct view *ret_name,
                    struct view *ret_value); /* in order of arrival */
/* Declared size of the body; UINT64_MAX = chunked; 0 = none. */
uint64_t http_content_length(const struct http_req *r);
bool http_has_body(const struct http_req *r);
const char *http_peer(const struct http_req *r);      /* numeric address of the client */
void http_set_state(struct http_req *r, void *state); /* the handler's own; NULL at first */
void *http_state(struct http_req *r);
struct arena *http_arena(struct http_req *r); /* lives until on_close; at most 4 MiB (bodies are not kept here) */

void http_suspend(struct http_req *r);
void http_resume(struct http_req *r);

/* ---- the reply; exactly one of these, once ---- */
/* Call before replying; name and value are copied. RC_INVALID for control characters, and for Content-Length,
 * Transfer-Encoding, Connection and Date, which the room writes. */
enum rc http_reply_header(struct http_req *r, const char *name, struct view value) HF_MUST_USE;
/* body is copied. HEAD: Content-Length as given, no body is sent. */
void http_reply(struct http_req *r, unsigned status, struct view body);
/* body's memory passes to the room: freed with free(). */
void http_reply_buf(struct http_req *r, unsigned status, struct buf *body);
/* As http_reply with an empty body but this Content-Length (HEAD). */
void http_reply_head(struct http_req *r, unsigned status, uint64_t content_length);
/* Streams `size` bytes: fill(state, offset, dst, n) puts 1..n bytes and returns their number, or -1: the connection is
 * ended short, never with a full length. Called in the connection's thread with n >= min(remaining, 128 KiB) whenever
 * possible. */
typedef int64_t http_fill_fn(void *ctx, uint64_t offset, char *dst, size_t n);
void http_reply_stream(struct http_req *r, unsigned status, uint64_t size, http_fill_fn *fill, void *ctx);
/* Ends the connection without an answer. */
void http_abort(struct http_req *r);
bool http_replied(const struct http_req *r);

#endif
