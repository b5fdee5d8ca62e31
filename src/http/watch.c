/* Holdfast: clients that are gone without libmicrohttpd having noticed.
 *
 * libmicrohttpd waits with edge-triggered epoll, and takes a read that did not fill its buffer for all that this edge
 * announced. When a client's end (FIN) is there together with its last bytes, one edge announces both: the bytes are
 * read, the end never is, and half a request or a kept-alive connection stays until its idle time-out. No callback of
 * libmicrohttpd sees all of these cases: half a request line, or a cut chunk of a body, never get as far as one.
 *
 * So the acceptor looks at all connections, HTTP_LEAVER_MS apart; a look costs 0.3 us. One that is at its end,
 * everything before it read, gets a new edge: shutting its receiving side, which changes nothing for a socket at its
 * end, wakes whoever waits for it. libmicrohttpd then reads the end, if it waits for a request or for more of one; an
 * answer that is still being sent goes on. This is done again each time, so it does not matter when an edge is lost
 * again.
 *
 * It also ends connections whose next head takes too long: libmicrohttpd's idle time-out begins anew with each byte, so
 * a head that trickles in would hold its connection for ever. */
#include "http/http_priv.h"

#include "os/os.h"

/* So many are looked at under one hold of the lock, which libmicrohttpd's threads need for connections that come and
 * go. */
#define WATCH_SLICE 64u

void watch_wait(struct http_conn *c)
{
    atomic_store_explicit(&c->waiting_since_ns, clock_mono_ns(os_clock()), memory_order_relaxed);
}

void watch_serve(struct http_conn *c)
{
    atomic_store_explicit(&c->waiting_since_ns, 0, memory_order_relaxed);
}

void watch_add(struct http_server *s, struct http_conn *c)
{
    watch_wait(c);
    pthread_mutex_lock(&s->watch_lock);
    TAILQ_INSERT_TAIL(&s->watched, c, link);
    pthread_mutex_unlock(&s->watch_lock);
}

void watch_remove(struct http_server *s, struct http_conn *c)
{
    pthread_mutex_lock(&s->watch_lock);
    TAILQ_REMOVE(&s->watched, c, link);
    pthread_mutex_unlock(&s->watch_lock);
}

bool watch_at_end(const struct http_conn *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool head_is_late(const struct http_server *s, const struct http_conn *c, int64_t now_ns)
{
    int64_t since_ns = atomic_load_explicit(&c->waiting_since_ns, memory_order_relaxed);
    return since_ns != 0 && now_ns - since_ns > s->head_timeout_ns;
}

static void look(const struct http_server *s, const struct http_conn *c, int64_t now_ns)
{
    if (!head_is_late(s, c, now_ns) && !watch_at_end(c))
        return;
    /* One that was reset in the meantime cannot be shut, and has its edge already. */
    int bad = shutdown(c->fd, SHUT_RD);
    (void)bad;
}

/* The list is turned round: those that were looked at go to its tail. */
void watch_all(struct http_server *s)
{
    int64_t now_ns = clock_mono_ns(os_clock());
    unsigned left = atomic_load(&s->connections);
    while (left > 0) {
        pthread_mutex_lock(&s->watch_lock);
        unsigned slice = left < WATCH_SLICE ? left : WATCH_SLICE;
        left -= slice;
        for (struct http_conn *c; slice > 0 && (c = TAILQ_FIRST(&s->watched)) != NULL; slice--) {
            look(s, c, now_ns);
            TAILQ_REMOVE(&s->watched, c, link);
            TAILQ_INSERT_TAIL(&s->watched, c, link);
        }
        pthread_mutex_unlock(&s->watch_lock);
    }
}
