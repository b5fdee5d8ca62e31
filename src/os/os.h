/* Holdfast: the one seam to files and disks (invariant 9). Every open, read, write, sync, rename, mkdir, listing and
 * statfs that we make goes through a struct os, so that tests can fail the n-th call or drop what was not synced.
 *
 * Implementations: os_real() (the kernel), os_sim_* (os/sim.h: a file system in memory that models a power cut: what
 * was not synced may be lost, torn or reordered; directory entries need their directory's sync) and os_fault_*
 * (os/fault.h: wraps another os and fails chosen calls).
 *
 * Errors: RC_NOT_FOUND (ENOENT), RC_EXISTS, RC_FULL (ENOSPC, EDQUOT), RC_DENIED (EACCES, EPERM), RC_UNAVAILABLE
 * (EROFS), RC_NOMEM, RC_LIMIT (EMFILE, ENFILE), otherwise RC_IO, with the path and strerror in err. EINTR is retried
 * inside. Short writes are continued inside; a read that meets the end of the file early gives fewer bytes. After a
 * failed fsync the caller never retries on that file: it abandons it (DESIGN §4). Threads: a struct os and different
 * files may be used from any thread; one file may be read from many threads and written at disjoint ranges from many
 * threads. */
#ifndef HF_OS_OS_H
#define HF_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/view.h"

struct os_file; /* opaque, owned by whoever opened it */

#define OS_READ 1u
#define OS_WRITE 2u
#define OS_CREATE 4u    /* make it when absent (mode 0600) */
#define OS_EXCLUSIVE 8u /* with OS_CREATE: RC_EXISTS when present */
#define OS_TRUNCATE 16u

#define OS_PATH_MAX 4096

struct os_stat {
    uint64_t size_bytes;
    uint64_t allocated_bytes; /* blocks really held */
    bool is_dir;
};

struct os_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for us, not for root */
    bool read_only;
};

/* Called once per entry, without "." and "..", in no order. Anything but RC_OK ends the listing and is returned. */
typedef enum rc os_list_fn(void *ctx, const char *name, bool is_dir);

struct os;
struct os_ops {
    enum rc (*open)(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e);
    void (*close)(struct os *os,
                  struct os_file *f); /* f may be NULL; never the place where errors matter: sync first */
    enum rc (*preadv)(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, size_t *ret_n,
                      struct err *e);
    enum rc (*pwritev)(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, struct err *e);
    enum rc (*datasync)(struct os *os, struct os_file *f, struct err *e);              /* fdatasync */
    enum rc (*flush_hint)(struct os *os, struct os_file *f, uint64_t off, uint64_t n); /* start writeback; no promise */
    enum rc (*reserve)(struct os *os, struct os_file *f, uint64_t size,
                       struct err *e); /* fallocate, keeps size; RC_UNSUPPORTED where the file system has none */
    enum rc (*punch)(struct os *os, struct os_file *f, uint64_t off, uint64_t n,
                     struct err *e); /* reads as zero after */
    enum rc (*truncate)(struct os *os, struct os_file *f, uint64_t size, struct err *e);
    enum rc (*fstat)(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e);
    enum rc (*stat)(struct os *os, const char *path, struct os_stat *ret, struct err *e);
    enum rc (*mkdir)(struct os *os, const char *path, struct err *e); /* RC_EXISTS when there */
    enum rc (*rename)(struct os *os, const char *from, const char *to, struct err *e);
    enum rc (*unlink)(struct os *os, const char *path, struct err *e); /* a file, or a directory that is empty */
    enum rc (*sync_dir)(struct os *os, const char *path, struct err *e);
    enum rc (*list)(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e);
    enum rc (*space)(struct os *os, const char *path, struct os_space *ret, struct err *e);
    void (*random)(struct os *os, void *p, size_t n);
};
struct os {
    const struct os_ops *ops;
    const struct clock *clock;
    void *ctx;
};

/* The kernel. One per process, never freed. */
struct os *os_real(void);

/* Conveniences over the table. All HF_MUST_USE but close and flush_hint. */
enum rc os_open(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e) HF_MUST_USE;
void os_close(struct os *os, struct os_file *f);
/* Exactly n bytes or RC_END (the file is shorter; what there is has been read). */
enum rc os_pread(struct os *os, struct os_file *f, void *p, size_t n, uint64_t off, struct err *e) HF_MUST_USE;
enum rc os_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, size_t *ret_n,
                  struct err *e) HF_MUST_USE;
enum rc os_pwrite(struct os *os, struct os_file *f, const void *p, size_t n, uint64_t off, struct err *e) HF_MUST_USE;
enum rc os_pwritev(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                   struct err *e) HF_MUST_USE; /* n may pass IOV_MAX; split inside */
enum rc os_datasync(struct os *os, struct os_file *f, struct err *e) HF_MUST_USE;
void os_flush_hint(struct os *os, struct os_file *f, uint64_t off, uint64_t n);
enum rc os_reserve(struct os *os, struct os_file *f, uint64_t size, struct err *e) HF_MUST_USE;
enum rc os_punch(struct os *os, struct os_file *f, uint64_t off, uint64_t n, struct err *e) HF_MUST_USE;
enum rc os_truncate(struct os *os, struct os_file *f, uint64_t size, struct err *e) HF_MUST_USE;
enum rc os_fstat(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e) HF_MUST_USE;
enum rc os_stat(struct os *os, const char *path, struct os_stat *ret, struct err *e) HF_MUST_USE;
enum rc os_mkdir(struct os *os, const char *path, struct err *e) HF_MUST_USE;  /* RC_OK when it is there already */
enum rc os_mkdirs(struct os *os, const char *path, struct err *e) HF_MUST_USE; /* with parents, each synced */
enum rc os_unlink(struct os *os, const char *path, struct err *e) HF_MUST_USE;
enum rc os_rename(struct os *os, const char *from, const char *to, struct err *e) HF_MUST_USE;
enum rc os_sync_dir(struct os *os, const char *path, struct err *e) HF_MUST_USE;
enum rc os_list(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e) HF_MUST_USE;
enum rc os_space(struct os *os, const char *path, struct os_space *ret, struct err *e) HF_MUST_USE;
/* The whole file, at most b->max bytes. */
enum rc os_read_file(struct os *os, const char *path, struct buf *b, struct err *e) HF_MUST_USE;
/* Replaces path: writes path.tmp, syncs it, renames, syncs the directory. Old or new after a crash, never between. */
enum rc os_write_file(struct os *os, const char *path, struct view v, struct err *e) HF_MUST_USE;
/* Removes path and everything below it; absent is RC_OK. Nothing is synced: after a crash some of it may be back. */
enum rc os_remove_tree(struct os *os, const char *path, struct err *e) HF_MUST_USE;
/* dst = a "/" b; false when it does not fit in OS_PATH_MAX. */
bool os_path(char *dst, const char *a, const char *b);
/* The directory that holds path: "/a/b" gives "/a", "/a" gives "/", "a" gives ".". dst holds OS_PATH_MAX bytes; false
 * when it does not fit. */
bool os_parent(char *dst, const char *path);

/* path made absolute by the working directory, leading "./" dropped; false when it does not fit in OS_PATH_MAX. */
bool os_absolute(const char *path, char *dst);

/* Random bytes for ids and salts (getrandom). The simulated os gives them from its seed. */
void os_random(struct os *os, void *p, size_t n);

/* Wall and monotonic clock of the kernel. */
const struct clock *os_clock(void);

/* Exclusive lock on a file for the life of the process; RC_UNAVAILABLE when another process has it. *ret_fd is closed
 * by the caller to release it. */
enum rc os_lock(const char *path, int *ret_fd, struct err *e) HF_MUST_USE;

/* Threads with a name (15 bytes); RC_UNAVAILABLE when the system refuses. Signals are blocked in them. */
#include <pthread.h>
enum rc os_thread(pthread_t *ret, const char *name, void *(*fn)(void *), void *ctx) HF_MUST_USE;

/* Workers: `n` threads that run jobs in order of submission. A strand runs its jobs one after another, in order.
 * The queue is unbounded on purpose: the number of jobs is bounded by whoever submits (a connection has at most a
 * few in flight). Jobs are intrusive: no allocation. */
struct os_job {
    void (*run)(struct os_job *job);
    struct os_job *next; /* private */
};
struct os_pool;
enum rc os_pool_new(unsigned n, const char *name, struct os_pool **ret) HF_MUST_USE;
void os_pool_submit(struct os_pool *p, struct os_job *job);
/* Runs what is queued, then ends the threads. */
void os_pool_free(struct os_pool *p);
struct os_strand {
    pthread_mutex_t lock; /* of the queue, running, runner and gone */
    pthread_cond_t idle;  /* running became false */
    struct os_job *head, *tail;
    bool running; /* its turn is queued in the pool, or under way */
    bool in_turn; /* under way, by runner */
    pthread_t runner;
    bool *gone; /* of the turn under way: set when a job ends the strand that runs it */
    struct os_pool *pool;
    struct os_job job; /* its turn */
};
void os_strand_init(struct os_strand *s, struct os_pool *p);
void os_strand_submit(struct os_strand *s, struct os_job *job);
/* After its last job was submitted: waits until that has run. A job of the strand may call it as its last act (when
 * nothing is queued behind it) and then free the memory that holds the strand. */
void os_strand_done(struct os_strand *s);

#endif
