/* One keep-alive connection with one request in flight. Edge-triggered: it reads and writes until the socket has had
 * enough; the answer to a request makes the next edge, so nothing is read past it. */
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bodies past this are dropped by the kernel uncopied, so that the generator stays cheap beside the server. */
#define READ_PIECE (1u << 20)

static enum rc resolve(const char *server, struct addrinfo **ret, struct err *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    char host[256];
    size_t colon = view_find(view_cstr(server), ':', 0);

    if (colon == SIZE_MAX || !view_copy(view_of(server, colon), host, sizeof host) ||
        getaddrinfo(host, server + colon + 1, &hints, ret) != 0)
        return err_set(e, RC_INVALID, "%s: must be a numeric HOST:PORT", server);
    return RC_OK;
}

static enum rc connect_to(const struct addrinfo *a, int epoll_fd, struct load_conn *c)
{
    int one = 1;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = c};

    c->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return RC_IO;
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) == 0 &&
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) == 0)
        return RC_OK;
    load_conn_close(c);
    return RC_IO;
}

enum rc load_conn_open(struct load_conn *c, const char *server, int epoll_fd, struct err *e)
{
    struct addrinfo *a = NULL;

    c->busy = false;
    HF_TRY(resolve(server, &a, e));
    enum rc rc = connect_to(a, epoll_fd, c);
    freeaddrinfo(a);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "%s: no connection: %s", server, strerror(errno));
}

void load_conn_close(struct load_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* True: everything is sent, or the socket is full. */
static bool send_some(struct load_conn *c, struct view body)
{
    size_t total = c->head_n + c->body_n;

    while (c->sent < total) {
        bool in_head = c->sent < c->head_n;
        size_t body_at = in_head ? 0 : c->sent - c->head_n;
        struct iovec v[2] = {{c->head + c->sent, c->head_n - c->sent}, {(char *)body.p, body.n}};
        if (!in_head)
            v[0] = (struct iovec){(char *)body.p + body_at, body.n - body_at};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = in_head && body.n ? 2 : 1};
        ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    return true;
}

static struct view header(struct view head, const char *name)
{
    size_t at = 0;

    for (size_t end; (end = view_find(head, '\n', at)) != SIZE_MAX; at = end + 1) {
        struct view line = view_sub(head, at, end - at);
        size_t colon = view_find(line, ':', 0);
        if (colon != SIZE_MAX && view_ieqs(view_sub(line, 0, colon), name)) {
            struct view value = view_sub(line, colon + 1, SIZE_MAX);
            if (value.n && value.p[value.n - 1] == '\r')
                value.n--;
            return view_trim(value);
        }
    }
    return view_of(NULL, 0);
}

static bool parse_head(struct load_conn *c, size_t head_n)
{
    struct view head = view_of(c->answer, head_n), length = header(head, "Content-Length");
    uint64_t status = 0;

    if (!view_starts(head, VIEW("HTTP/1.1 ")) || !view_u64(view_sub(head, 9, 3), &status))
        return false;
    c->status = (unsigned)status;
    c->length = 0;
    if (length.p && !view_u64(length, &c->length))
        return false;
    if (header(head, "Transfer-Encoding").p)
        return false;
    if (status == 204)
        c->length = 0;
    size_t extra = c->answer_n - head_n;
    if (extra > c->length)
        return false;
    c->left = c->length - extra;
    c->answered_head = true;
    return true;
}

static enum load_event read_head(struct load_conn *c)
{
    ssize_t n = recv(c->fd, c->answer + c->answer_n, sizeof c->answer - c->answer_n, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN ? LOAD_WAITING : LOAD_BROKEN;
    c->answer_n += (size_t)n;
    char *end = memmem(c->answer, c->answer_n, "\r\n\r\n", 4);
    if (n == 0 || (!end && c->answer_n == sizeof c->answer))
        return LOAD_BROKEN;
    if (end && !parse_head(c, (size_t)(end - c->answer) + 4))
        return LOAD_BROKEN;
    return LOAD_DONE;
}

/* MSG_TRUNC: the kernel drops the bytes instead of copying them. */
static enum load_event drop_body(struct load_conn *c)
{
    while (c->left) {
        ssize_t n = recv(c->fd, NULL, c->left < READ_PIECE ? c->left : READ_PIECE, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
            return errno == EAGAIN ? LOAD_WAITING : LOAD_BROKEN;
        if (n == 0)
            return LOAD_BROKEN;
        c->left -= (uint64_t)n;
    }
    return LOAD_DONE;
}

static enum load_event receive(struct load_conn *c)
{
    while (!c->answered_head) {
        enum load_event ev = read_head(c);
        if (ev != LOAD_DONE)
            return ev;
    }
    enum load_event ev = drop_body(c);
    if (ev != LOAD_DONE)
        return ev;
    c->busy = false;
    /* An answer before the body was taken: what is unsent can never be, the connection is out of step. */
    return c->sent == c->head_n + c->body_n ? LOAD_DONE : LOAD_BROKEN;
}

enum load_event load_conn_start(struct load_conn *c, size_t head_n, struct view body, int64_t now_ns)
{
    c->head_n = head_n;
    c->body_n = body.n;
    c->sent = c->answer_n = 0;
    c->answered_head = false;
    c->busy = true;
    c->started_ns = now_ns;
    return send_some(c, body) ? LOAD_WAITING : LOAD_BROKEN;
}

enum load_event load_conn_go_on(struct load_conn *c, struct view body)
{
    if (!c->busy)
        return LOAD_WAITING;
    if (!send_some(c, body) && c->answer_n == 0) {
        /* The server may have answered and closed: see what it said. */
        return receive(c) == LOAD_DONE ? LOAD_DONE : LOAD_BROKEN;
    }
    return receive(c);
}
