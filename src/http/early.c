/* Holdfast: answers that go straight to the socket, past libmicrohttpd, which can answer only after a body.
 *
 * A client that is sending gigabytes nobody wants gets its answer at once, then the sending side is shut, and what it
 * still sends is read and dropped for a while (HTTP_LINGER_MAX): closing with unread bytes would reset the connection,
 * and many clients would never see the answer. */
#include "http/http_priv.h"

#include <errno.h>
#include <linux/tcp.h>
#include <unistd.h>

#include "os/os.h"

#define EARLY_TEXT_MAX (1u << 20)

static enum rc early_head(struct buf *b, unsigned status, const struct reply_header *headers, uint64_t content_length)
{
    char date[TIME_TEXT_MAX];
    HF_TRY(buf_printf(b, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, MHD_get_reason_phrase_for(status),
                      time_http(clock_real_ns(os_clock()), date)));
    for (const struct reply_header *h = headers; h; h = h->next)
        HF_TRY(buf_printf(b, "%s: %s\r\n", h->name, h->value));
    return buf_printf(b, "Content-Length: %llu\r\nConnection: close\r\n\r\n", (unsigned long long)content_length);
}

void early_start(struct http_req *r)
{
    const struct http_reply *p = &r->reply;
    struct http_early *early = &r->early;
    bool head_only = p->kind == REPLY_HEAD || view_eqs(r->method, "HEAD");
    early->text = BUF(EARLY_TEXT_MAX);
    if (early_head(&early->text, p->status, p->first, p->kind == REPLY_HEAD ? p->size : p->body.n) != RC_OK) {
        http_abort(r);
        return;
    }
    early->body_at = early->text.n;
    if (!head_only && buf_putv(&early->text, buf_view(&p->body)) != RC_OK) {
        http_abort(r);
        return;
    }
    early->on = true;
    early_pump(r);
}

void early_pump(struct http_req *r)
{
    struct http_early *early = &r->early;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info || early->sent == early->text.n)
        return;
    ssize_t n =
        send(info->connect_fd, early->text.p + early->sent, early->text.n - early->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            http_abort(r);
        return;
    }
    early->sent += (size_t)n;
    if (early->sent == early->text.n && shutdown(info->connect_fd, SHUT_WR) != 0)
        http_abort(r);
}

void refusal_body(const struct http_server *s, unsigned status, const char *what, struct buf *body,
                  const char **content_type)
{
    if (s->handler.on_refused) {
        s->handler.on_refused(s->handler.ctx, status, what, body, content_type);
        return;
    }
    *content_type = "text/plain";
    if (buf_puts(body, what) != RC_OK)
        buf_clear(body);
}

/* The client said something and libmicrohttpd has not answered it. */
static bool spoke_in_vain(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_bytes_received > 0 &&
           info.tcpi_bytes_sent == 0;
}

void early_garbage(const struct http_server *s, int fd)
{
    if (!spoke_in_vain(fd))
        return;
    struct buf body = BUF(HTTP_REFUSED_BODY_MAX), text = BUF(EARLY_TEXT_MAX);
    const char *type = NULL;
    refusal_body(s, MHD_HTTP_BAD_REQUEST, "The request is malformed: this is no request line.", &body, &type);
    struct reply_header header = {.name = "Content-Type", .value = type};
    if (early_head(&text, MHD_HTTP_BAD_REQUEST, type ? &header : NULL, body.n) == RC_OK &&
        buf_putv(&text, buf_view(&body)) == RC_OK) {
        /* A client that does not take it does not get it: the connection is being closed anyway. */
        ssize_t n = send(fd, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)n;
    }
    buf_free(&body);
    buf_free(&text);
}
