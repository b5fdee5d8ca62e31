/* Holdfast: the listening socket and the thread that accepts from it. */
#include "http/http_priv.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "os/os.h"

#define LISTEN_BACKLOG 1024
#define HOST_TEXT_MAX 256
#define PORT_TEXT_MAX 6
/* Out of descriptors or memory: wait for some to come back rather than spin. */
#define ACCEPT_PAUSE_MS 100
#define NS_PER_MS (NS_PER_S / 1000)

/* "host:port" or "[v6]:port"; the host may be empty (every address). */
static bool listen_split(const char *listen, char *host, char *port)
{
    struct view v = view_cstr(listen);
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == ':')
            colon = i;
    uint64_t number;
    if (colon == SIZE_MAX || !view_copy(view_sub(v, colon + 1, v.n), port, PORT_TEXT_MAX) ||
        !view_u64(view_cstr(port), &number) || number > 65535)
        return false;
    struct view h = view_sub(v, 0, colon);
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = view_sub(h, 1, h.n - 2);
    else if (view_find(h, ':', 0) != SIZE_MAX)
        return false;
    return view_copy(h, host, HOST_TEXT_MAX);
}

static enum rc address_text(int fd, char *dst, size_t dst_size, struct err *e)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[INET6_ADDRSTRLEN], port[PORT_TEXT_MAX];
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0 ||
        getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        return err_set(e, RC_IO, "cannot tell the address that was bound: %s", strerror(errno));
    int len = a.ss_family == AF_INET6 ? snprintf(dst, dst_size, "[%s]:%s", host, port)
                                      : snprintf(dst, dst_size, "%s:%s", host, port);
    if (len < 0 || (size_t)len >= dst_size)
        return err_set(e, RC_LIMIT, "the bound address is too long");
    return RC_OK;
}

static int listen_socket(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, a->ai_addr, a->ai_addrlen) == 0 &&
        listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

enum rc listen_open(const char *listen, int *ret_fd, char *address, size_t address_size, struct err *e)
{
    char host[HOST_TEXT_MAX], port[PORT_TEXT_MAX];
    if (!listen_split(listen, host, port))
        return err_set(e, RC_INVALID, "%s is no address to listen on: write HOST:PORT or [IPV6]:PORT", listen);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int bad = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (bad)
        return err_set(e, RC_INVALID, "cannot listen on %s: %s", listen, gai_strerror(bad));
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = listen_socket(a);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return err_set(e, saved == EACCES ? RC_DENIED : RC_UNAVAILABLE,
                       "cannot listen on %s: %s; choose another address or stop the program that has it", listen,
                       strerror(saved));
    enum rc rc = address_text(fd, address, address_size, e);
    if (rc != RC_OK) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return RC_OK;
}

static bool accept_must_pause(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Takes everything that waits; returns how long to pause before asking again. */
static int accept_all(struct http_server *s)
{
    for (;;) {
        struct sockaddr_storage a;
        socklen_t n = sizeof a;
        int fd = accept(s->listen_fd, (struct sockaddr *)&a, &n);
        if (fd >= 0) {
            /* It sets O_NONBLOCK and FD_CLOEXEC, and closes the socket on failure: its limit of connections, for one.
             */
            if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&a, n) != MHD_YES)
                continue;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return 0;
        } else if (accept_must_pause(errno)) {
            return ACCEPT_PAUSE_MS;
        }
        /* Anything else is the trouble of one connection that is gone already. */
    }
}

/* Watches when it is time to; returns how long until the next time. */
static int watch_if_due(struct http_server *s, int64_t *due_ns)
{
    int64_t now_ns = clock_mono_ns(os_clock());
    if (now_ns >= *due_ns) {
        watch_all(s);
        *due_ns = now_ns + HTTP_LEAVER_MS * NS_PER_MS;
    }
    return (int)((*due_ns - now_ns) / NS_PER_MS) + 1;
}

void *listen_accept(void *server)
{
    struct http_server *s = server;
    int pause_ms = 0;
    int64_t watch_due_ns = 0;
    for (;;) {
        struct pollfd p[2] = {{.fd = s->wake_fd, .events = POLLIN}, {.fd = s->listen_fd, .events = POLLIN}};
        int watch_ms = watch_if_due(s, &watch_due_ns);
        int n = poll(p, pause_ms ? 1 : 2, pause_ms ? pause_ms : watch_ms);
        if (n < 0 && errno != EINTR)
            HF_BUG("poll of the listening socket");
        if (n > 0 && p[0].revents)
            return NULL;
        pause_ms = accept_all(s);
    }
}
