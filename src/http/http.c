/* Holdfast: opening and closing the server. */
#include "http/http_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

#define CONNECTIONS_DEFAULT 4096u
#define IDLE_TIMEOUT_DEFAULT_S 60u
#define THREADS_MIN 2u
#define THREADS_MAX 256u

/* Nothing is decoded: signatures are made over what was sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *text)
{
    (void)cls;
    (void)conn;
    return strlen(text);
}

static void connection_started(struct http_server *s, struct MHD_Connection *conn, void **context)
{
    atomic_fetch_add(&s->connections, 1);
    const union MHD_ConnectionInfo *socket = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_conn *c = socket ? calloc(1, sizeof *c) : NULL;
    *context = c;
    if (!c)
        return; /* no request will be taken from it */
    c->fd = socket->connect_fd;
    watch_add(s, c);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr) {
        const struct sockaddr *a = info->client_addr;
        const void *ip = a->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
                                                  : (const void *)&((const struct sockaddr_in *)a)->sin_addr;
        if (!inet_ntop(a->sa_family, ip, c->peer, sizeof c->peer))
            c->peer[0] = 0;
    }
}

static void connection_changed(void *cls, struct MHD_Connection *conn, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_started(s, conn, context);
        return;
    }
    struct http_conn *c = *context;
    atomic_fetch_sub(&s->connections, 1);
    if (!c)
        return;
    watch_remove(s, c);
    if (!c->had_request)
        early_garbage(s, c->fd);
    free(c);
    *context = NULL;
}

static unsigned threads_of(const struct http_cfg *cfg)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = cfg->threads ? cfg->threads : cores > 0 ? (unsigned)cores : THREADS_MIN;
    return n < THREADS_MIN ? THREADS_MIN : n > THREADS_MAX ? THREADS_MAX : n;
}

static unsigned idle_timeout_s(const struct http_cfg *cfg)
{
    return cfg->idle_timeout_s ? cfg->idle_timeout_s : IDLE_TIMEOUT_DEFAULT_S;
}

/* MHD_USE_TURBO: a connection is not shut down before it is closed, so that early_garbage can still speak. */
static struct MHD_Daemon *daemon_start(struct http_server *s, const struct http_cfg *cfg)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_TURBO |
                     MHD_USE_NO_LISTEN_SOCKET;
    unsigned limit = cfg->connections_max ? cfg->connections_max : CONNECTIONS_DEFAULT;
    unsigned threads = threads_of(cfg);
    if (limit < threads)
        limit = threads;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, dispatch, s, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout_s(cfg), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK, request_begin, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_end, s,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, s, MHD_OPTION_END);
}

static enum rc locks_init(struct http_server *s)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return RC_NOMEM;
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&s->changed, &attr) == 0;
    pthread_condattr_destroy(&attr);
    if (!ok)
        return RC_NOMEM;
    if (pthread_mutex_init(&s->lock, NULL) != 0)
        goto err_changed;
    if (pthread_mutex_init(&s->watch_lock, NULL) != 0)
        goto err_lock;
    return RC_OK;
err_lock:
    pthread_mutex_destroy(&s->lock);
err_changed:
    pthread_cond_destroy(&s->changed);
    return RC_NOMEM;
}

static void locks_destroy(struct http_server *s)
{
    pthread_mutex_destroy(&s->watch_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

enum rc http_open(const struct http_cfg *cfg, struct http_server **ret, struct err *e)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, RC_NOMEM, "out of memory for the HTTP server on %s", cfg->listen);
    s->head_timeout_ns = (int64_t)idle_timeout_s(cfg) * NS_PER_S;
    s->handler = cfg->handler;
    TAILQ_INIT(&s->watched);
    enum rc rc = locks_init(s);
    if (rc != RC_OK)
        goto err_free;
    rc = listen_open(cfg->listen, &s->listen_fd, s->address, sizeof s->address, e);
    if (rc != RC_OK)
        goto err_locks;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0) {
        rc = err_set(e, RC_UNAVAILABLE, "cannot make an eventfd: %s; raise the limit of open files", strerror(errno));
        goto err_listen;
    }
    s->daemon = daemon_start(s, cfg);
    if (!s->daemon) {
        rc = err_set(e, RC_UNAVAILABLE, "cannot start the HTTP server on %s: %s", cfg->listen, strerror(errno));
        goto err_wake;
    }
    rc = os_thread(&s->acceptor, "http-accept", listen_accept, s);
    if (rc != RC_OK) {
        rc = err_set(e, rc, "cannot start a thread for the HTTP server on %s", cfg->listen);
        goto err_daemon;
    }
    *ret = s;
    return RC_OK;
err_daemon:
    MHD_stop_daemon(s->daemon);
err_wake:
    close(s->wake_fd);
err_listen:
    close(s->listen_fd);
err_locks:
    locks_destroy(s);
err_free:
    free(s);
    return rc;
}

const char *http_address(const struct http_server *s)
{
    return s->address;
}

unsigned http_connections(const struct http_server *s)
{
    return atomic_load(&s->connections);
}

static void stop_accepting(struct http_server *s)
{
    uint64_t one = 1;
    if (write(s->wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
        HF_BUG("an eventfd takes one more");
    pthread_join(s->acceptor, NULL);
    close(s->listen_fd);
    close(s->wake_fd);
}

/* Until the counter is 0, or the deadline (NULL = none). */
static void wait_until_none(struct http_server *s, atomic_uint *counter, const struct timespec *deadline)
{
    pthread_mutex_lock(&s->lock);
    while (atomic_load(counter) > 0) {
        int bad = deadline ? pthread_cond_timedwait(&s->changed, &s->lock, deadline)
                           : pthread_cond_wait(&s->changed, &s->lock);
        if (bad == ETIMEDOUT)
            break;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Threads in http_resume are a few instructions from its end. */
static void wait_for_resumers(struct http_server *s)
{
    while (atomic_load(&s->resumers) > 0)
        sched_yield();
}

void http_close(struct http_server *s, unsigned grace_ms)
{
    if (!s)
        return;
    stop_accepting(s);
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += grace_ms / 1000;
    deadline.tv_nsec += (long)(grace_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= NS_PER_S) {
        deadline.tv_sec++;
        deadline.tv_nsec -= NS_PER_S;
    }
    atomic_store(&s->closing, true);
    wait_until_none(s, &s->in_flight, &deadline);
    /* Whoever suspended a request still has it in hand: it cannot be taken away, only waited for. */
    atomic_store(&s->aborting, true);
    wait_until_none(s, &s->held, NULL);
    wait_for_resumers(s);
    MHD_stop_daemon(s->daemon);
    wait_for_resumers(s);
    HF_ASSERT(atomic_load(&s->in_flight) == 0);
    locks_destroy(s);
    free(s);
}
