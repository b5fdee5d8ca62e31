/* Local stream sockets: listen, connect, lines. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define READ_PIECE 65536u

/* sun_path holds 108 bytes; a deeper folder is named through /proc/self/fd of its directory, kept open in *ret_dir. */
static enum rc address(const char *path, struct sockaddr_un *sa, int *ret_dir, struct err *e)
{
    const char *slash = strrchr(path, '/');

    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir = -1;
    if (view_copy(view_cstr(path), sa->sun_path, sizeof sa->sun_path))
        return RC_OK;
    if (!slash)
        return err_set(e, RC_LIMIT, "%s: the name is too long for a socket", path);
    char dir[4096];
    if (!view_copy(view_of(path, (size_t)(slash - path)), dir, sizeof dir))
        return err_set(e, RC_LIMIT, "%s: the path is too long", path);
    *ret_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dir < 0)
        return err_set(e, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "%s: %s", dir, strerror(errno));
    int n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d%s", *ret_dir, slash);
    if (n < 0 || (size_t)n >= sizeof sa->sun_path) {
        close(*ret_dir);
        return err_set(e, RC_LIMIT, "%s: the name is too long for a socket", path);
    }
    return RC_OK;
}

static void close_dir(int dir)
{
    if (dir >= 0)
        close(dir);
}

enum rc os_sock_listen(const char *path, int *ret_fd, struct err *e)
{
    struct sockaddr_un sa;
    int dir = -1;

    HF_TRY(address(path, &sa, &dir, e));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        close_dir(dir);
        return err_set(e, RC_IO, "%s: no socket: %s", path, strerror(errno));
    }
    if (unlink(sa.sun_path) != 0 && errno != ENOENT)
        goto fail;
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(before);
    if (bound != 0 || listen(fd, BACKLOG) != 0)
        goto fail;
    close_dir(dir);
    *ret_fd = fd;
    return RC_OK;
fail:
    err_set(e, RC_IO, "%s: cannot listen: %s", path, strerror(errno));
    close(fd);
    close_dir(dir);
    return RC_IO;
}

enum rc os_sock_connect(const char *path, int *ret_fd, struct err *e)
{
    struct sockaddr_un sa;
    int dir = -1;

    HF_TRY(address(path, &sa, &dir, e));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        close_dir(dir);
        return err_set(e, RC_IO, "%s: no socket: %s", path, strerror(errno));
    }
    int r = connect(fd, (struct sockaddr *)&sa, sizeof sa), why = errno;
    close_dir(dir);
    if (r != 0) {
        close(fd);
        return err_set(e, why == ENOENT || why == ECONNREFUSED ? RC_NOT_FOUND : RC_IO, "%s: %s", path, strerror(why));
    }
    *ret_fd = fd;
    return RC_OK;
}

enum rc os_sock_accept(int listen_fd, int *ret_fd)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            *ret_fd = fd;
            return RC_OK;
        }
        if (errno == EINVAL || errno == EBADF)
            return RC_CANCELLED;
        if (errno != EINTR && errno != ECONNABORTED)
            return RC_UNAVAILABLE;
    }
}

enum rc os_sock_send(int fd, struct view v)
{
    while (v.n > 0) {
        ssize_t n = send(fd, v.p, v.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return RC_IO;
        v = view_sub(v, (size_t)n, v.n);
    }
    return RC_OK;
}

enum rc os_sock_line(int fd, struct buf *rest, struct buf *out)
{
    size_t searched = 0;

    for (;;) {
        size_t at = view_find(buf_view(rest), '\n', searched);
        if (at != SIZE_MAX) {
            buf_clear(out);
            HF_TRY(buf_put(out, rest->p, at));
            memmove(rest->p, rest->p + at + 1, rest->n - at - 1);
            rest->n -= at + 1;
            return RC_OK;
        }
        searched = rest->n;
        HF_TRY(buf_reserve(rest, READ_PIECE));
        ssize_t n = recv(fd, rest->p + rest->n, READ_PIECE, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return RC_IO;
        if (n == 0)
            return RC_END;
        rest->n += (size_t)n;
    }
}

bool os_sock_gone(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void os_sock_shutdown(int fd)
{
    if (shutdown(fd, SHUT_RDWR) != 0 && errno == ENOTSOCK)
        HF_BUG("not a socket");
}

void os_sock_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
