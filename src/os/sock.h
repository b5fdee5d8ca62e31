/* Holdfast: local stream sockets with one line per message, for the control socket. Blocking, with deadlines; any
 * thread, one at a time per socket. A path longer than sockaddr_un allows is reached through its directory. */
#ifndef HF_OS_SOCK_H
#define HF_OS_SOCK_H

#include "base/err.h"
#include "base/view.h"

#define OS_LINE_MAX (16u << 20)

/* Listens at path (mode 0600), replacing a dead socket there. The caller closes *ret_fd with os_sock_close and unlinks
 * the path. */
enum rc os_sock_listen(const char *path, int *ret_fd, struct err *e) HF_MUST_USE;
/* RC_NOT_FOUND: nobody listens there. */
enum rc os_sock_connect(const char *path, int *ret_fd, struct err *e) HF_MUST_USE;
/* Waits for the next connection; RC_CANCELLED after os_sock_shutdown on the listening socket. */
enum rc os_sock_accept(int listen_fd, int *ret_fd) HF_MUST_USE;
enum rc os_sock_send(int fd, struct view v) HF_MUST_USE;
/* One line without its end into out (cleared first); RC_END when the peer closed; `rest` keeps what came after between
 * calls. */
enum rc os_sock_line(int fd, struct buf *rest, struct buf *out) HF_MUST_USE;
/* Has the peer gone away? Never blocks. */
bool os_sock_gone(int fd);
void os_sock_shutdown(int fd);
void os_sock_close(int fd);

#endif
