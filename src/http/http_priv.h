/* Holdfast: what the files of src/http share. Nothing outside the room includes this.
 *
 * A request's thread is the libmicrohttpd thread that owns its connection. Everything in struct http_req belongs to
 * that thread, except `gate`, which http_resume moves from any thread:
 *
 *      GATE_RUN ──http_resume──▶ GATE_EARLY     the resume came before the suspend was carried out
 *      GATE_RUN ──suspend_commit──▶ GATE_SUSPENDED ──http_resume──▶ GATE_RUN
 *
 * Invariants:
 * - MHD_suspend_connection runs before GATE_SUSPENDED can be seen, so whoever sees it may resume.
 * - A request is not freed while it is suspended: libmicrohttpd does not look at suspended connections.
 * - server.held counts suspended requests; MHD_stop_daemon runs only when it is 0 and cannot rise again. */
#ifndef HF_HTTP_PRIV_H
#define HF_HTTP_PRIV_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "http/http.h"

/* libmicrohttpd's memory per connection. It clears all of it after each request, so it is both resident for every
 * connection that was used and a cost of every request. It holds the head (HTTP_HEAD_MAX), 64 bytes per header and
 * query argument (200 make 12.8 KiB), and the head of the answer (11 KiB are left in the worst case); during an upload
 * it is the read buffer. Measured: uploads are not faster with 128 or 256 KiB (2 GB/s), small requests are slower. */
#define HTTP_POOL_BYTES (40u * 1024)
#define HTTP_ARENA_MAX (4u << 20)
#define HTTP_METHOD_MAX 32u
/* Block of a streamed answer: one system call each. */
#define HTTP_BLOCK_BYTES (256u * 1024)
/* A body up to this that nobody wants is read, so that the connection can go on. */
#define HTTP_DISCARD_MAX (1u << 20)
/* After an answer that was sent while the client still sends: read this much more, so that it sees the answer and not a
 * reset connection. */
#define HTTP_LINGER_MAX (64u << 20)
#define HTTP_REFUSED_BODY_MAX 4096u

struct http_server {
    struct http_handler handler;
    struct MHD_Daemon *daemon;
    int listen_fd;
    int wake_fd; /* eventfd: tells the acceptor to end */
    pthread_t acceptor;
    char address[64];
    int64_t head_timeout_ns; /* a head has to be there so long after the connection, or the answer before it */
    atomic_bool closing;     /* answers carry Connection: close */
    atomic_bool aborting;    /* no request goes on */
    atomic_uint connections;
    atomic_uint in_flight;      /* between on_request and on_close */
    atomic_uint held;           /* suspended in libmicrohttpd */
    atomic_uint resumers;       /* threads inside http_resume */
    pthread_mutex_t watch_lock; /* of `watched`; a connection in it has its socket open */
    TAILQ_HEAD(http_conns, http_conn) watched;
    pthread_mutex_t lock;   /* only for `changed` */
    pthread_cond_t changed; /* in_flight or held went down while closing */
};

struct http_conn { /* one TCP connection */
    TAILQ_ENTRY(http_conn) link;
    int fd; /* libmicrohttpd's */
    char peer[INET6_ADDRSTRLEN];
    bool had_request;                 /* libmicrohttpd understood at least one request line */
    _Atomic int64_t waiting_since_ns; /* monotonic: for the whole head of a request; 0 = one is being served */
};

struct http_header_line {
    struct view name, value;
};

enum gate { GATE_RUN, GATE_EARLY, GATE_SUSPENDED };

enum phase {
    PHASE_LINE, /* the request line is there, on_request was not called */
    PHASE_HEAD, /* on_request was called, no byte of the body taken */
    PHASE_BODY, /* libmicrohttpd went on to the body, or to the end when there is none */
    PHASE_END,  /* on_end was called */
};

enum reply_kind { REPLY_NONE, REPLY_BUF, REPLY_HEAD, REPLY_STREAM };

struct reply_header {
    struct reply_header *next;
    const char *name, *value;
};

struct http_reply {
    enum reply_kind kind;
    unsigned status;
    struct reply_header *first, **last;
    struct buf body;
    uint64_t size; /* of REPLY_STREAM; Content-Length of REPLY_HEAD */
    http_fill_fn *fill;
    void *fill_ctx;
    bool queued;   /* libmicrohttpd has it */
    uint64_t sent; /* bytes of a stream that went out before the last block */
};

/* An answer that goes past libmicrohttpd, because the client is still sending (early.c). */
struct http_early {
    bool on;
    struct buf text;
    size_t body_at; /* where the body starts in text */
    size_t sent;
};

struct http_req {
    struct http_server *s;
    struct MHD_Connection *conn;
    struct http_conn *peer;
    void *state;
    struct arena arena;
    struct view method, target, path, query;
    const struct http_header_line *headers;
    size_t n_headers;
    uint64_t content_length; /* UINT64_MAX = chunked */
    bool expects_continue;
    enum phase phase;
    atomic_int gate;      /* enum gate */
    bool want_suspend;    /* http_suspend was called in this callback */
    bool suspended;       /* libmicrohttpd holds it */
    bool kept_byte;       /* the last byte given to on_body stays with libmicrohttpd, see body_piece */
    bool stopped_reading; /* libmicrohttpd waits for nothing from the client, see must_stop_reading */
    bool aborted;         /* to be ended without an answer */
    bool refused;         /* by this room: no handler saw it */
    uint64_t body_seen;   /* bytes of the body taken or discarded */
    uint64_t discarded;
    struct http_reply reply;
    struct http_early early;
    const char *target_at; /* where libmicrohttpd has it, only to be compared */
    size_t target_n;
    char target_text[]; /* target_n bytes */
};

/* head.c: NULL when the head is fine, else what is wrong; *ret_status is the answer. Fills method, path, query,
 * headers, content_length and expects_continue. */
const char *head_read(struct http_req *r, const char *method, const char *version, unsigned *ret_status);

/* dispatch.c */
enum MHD_Result dispatch(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                         const char *version, const char *data, size_t *data_n, void **req);

/* request.c */
void *request_begin(void *cls, const char *target, struct MHD_Connection *conn);
void request_end(void *cls, struct MHD_Connection *conn, void **req, enum MHD_RequestTerminationCode why);
/* A request stopped being suspended. */
void request_unhold(struct http_req *r);

/* reply.c */
/* Hands the reply to libmicrohttpd; false: the connection must be ended. */
bool reply_queue(struct http_req *r);
void reply_refuse(struct http_req *r, unsigned status, const char *what);
void reply_free(struct http_req *r);

/* early.c */
/* Starts sending the reply (REPLY_BUF or REPLY_HEAD) straight to the socket. */
void early_start(struct http_req *r);
/* Sends what is left, as far as the socket takes it. */
void early_pump(struct http_req *r);
/* Body for an error of this room, made by the handler's on_refused. */
void refusal_body(const struct http_server *s, unsigned status, const char *what, struct buf *body,
                  const char **content_type);
/* An answer to a connection whose very first line made no sense, sent as it is being closed. */
void early_garbage(const struct http_server *s, int fd);

/* watch.c */
/* From now on the connection owes the head of a request; it has it. */
void watch_wait(struct http_conn *c);
void watch_serve(struct http_conn *c);
void watch_add(struct http_server *s, struct http_conn *c);
void watch_remove(struct http_server *s, struct http_conn *c);
/* The client will send nothing more, and all that it sent was read. */
bool watch_at_end(const struct http_conn *c);
/* Makes libmicrohttpd look again at each connection whose client is gone. In the acceptor's thread. */
void watch_all(struct http_server *s);

/* listen.c */
enum rc listen_open(const char *listen, int *ret_fd, char *address, size_t address_size, struct err *e) HF_MUST_USE;
/* Thread: gives new connections to libmicrohttpd, round robin over its threads, and watches those that are open, until
 * wake_fd speaks. */
void *listen_accept(void *server);

#endif
