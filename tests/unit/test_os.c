/* Holdfast: promises of the seam to the kernel, of threads, workers and strands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/os.h"

#define RW (OS_READ | OS_WRITE | OS_CREATE)
#define OK(expr) assert_int_equal((expr), RC_OK)

/* Every test has a folder of its own in *state. */
static int folder_make(void **state)
{
    char *dir = strdup("/tmp/holdfast-test-os-XXXXXX");
    *state = dir;
    return dir == NULL || mkdtemp(dir) == NULL;
}

static int folder_remove(void **state)
{
    enum rc rc = os_remove_tree(os_real(), *state, NULL);
    free(*state);
    return rc != RC_OK;
}

static const char *in(void **state, const char *name, char *dst)
{
    assert_true(os_path(dst, *state, name));
    return dst;
}

static struct os_file *open_rw(void **state, const char *name)
{
    char path[OS_PATH_MAX];
    struct os_file *f = NULL;
    OK(os_open(os_real(), in(state, name, path), RW, &f, NULL));
    return f;
}

static void what_is_written_is_read_at_its_offset(void **state)
{
    struct os *os = os_real();
    struct os_file *f = open_rw(state, "a");
    char got[16] = {0};
    OK(os_pwrite(os, f, "hello", 5, 3, NULL));
    OK(os_datasync(os, f, NULL));
    os_flush_hint(os, f, 0, 8);
    OK(os_pread(os, f, got, 8, 0, NULL));
    assert_memory_equal(got, "\0\0\0hello", 8);
    struct err e;
    assert_int_equal(os_pread(os, f, got, 8, 4, &e), RC_END);
    assert_memory_equal(got, "ello", 4);
    struct os_stat st;
    OK(os_fstat(os, f, &st, NULL));
    assert_int_equal(st.size_bytes, 8);
    OK(os_truncate(os, f, 4, NULL));
    OK(os_fstat(os, f, &st, NULL));
    assert_int_equal(st.size_bytes, 4);
    os_close(os, f);
    os_close(os, NULL);
}

static void vectors_longer_than_the_kernel_takes_are_written_whole(void **state)
{
    enum { PIECES = 1024 * 2 + 7 }; /* Linux takes 1024 at once */
    static unsigned char out[PIECES * 3], back[PIECES * 3];
    static struct iovec iov[PIECES];
    struct os *os = os_real();
    struct os_file *f = open_rw(state, "v");
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (unsigned char)(i * 7);
    size_t at = 0;
    for (int i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){out + at, (size_t)(i % 4)}; /* empty pieces too */
        at += iov[i].iov_len;
    }
    OK(os_pwritev(os, f, iov, PIECES, 5, NULL));
    for (int i = 0; i < PIECES; i++)
        iov[i].iov_base = back + ((unsigned char *)iov[i].iov_base - out);
    size_t got = 0;
    OK(os_preadv(os, f, iov, PIECES, 5, &got, NULL));
    assert_int_equal(got, at);
    assert_memory_equal(out, back, at);
    OK(os_preadv(os, f, iov, PIECES, 6, &got, NULL));
    assert_int_equal(got, at - 1);
    OK(os_pwritev(os, f, iov, 1, 0, NULL)); /* nothing at all */
    os_close(os, f);
}

static void reserve_keeps_the_size_and_punch_reads_as_zero(void **state)
{
    struct os *os = os_real();
    struct os_file *f = open_rw(state, "r");
    char block[8192], got[8192];
    struct os_stat st;
    memset(block, 'x', sizeof block);
    OK(os_reserve(os, f, 1u << 20, NULL));
    OK(os_fstat(os, f, &st, NULL));
    assert_int_equal(st.size_bytes, 0);
    OK(os_pwrite(os, f, block, sizeof block, 0, NULL));
    enum rc rc = os_punch(os, f, 0, 4096, NULL);
    if (rc == RC_OK) { /* RC_UNSUPPORTED on file systems without it */
        OK(os_pread(os, f, got, sizeof got, 0, NULL));
        memset(block, 0, 4096);
        assert_memory_equal(got, block, sizeof got);
    } else {
        assert_int_equal(rc, RC_UNSUPPORTED);
    }
    os_close(os, f);
}

static void errors_say_what_where_and_have_their_result(void **state)
{
    struct os *os = os_real();
    char path[OS_PATH_MAX], deep[OS_PATH_MAX];
    struct os_file *f = NULL;
    struct os_stat st;
    struct err e;
    in(state, "none", path);
    assert_int_equal(os_open(os, path, OS_READ, &f, &e), RC_NOT_FOUND);
    assert_non_null(strstr(e.text, path));
    assert_non_null(strstr(e.text, "No such file"));
    assert_null(f);
    assert_int_equal(os_stat(os, path, &st, &e), RC_NOT_FOUND);
    assert_int_equal(os_unlink(os, path, &e), RC_NOT_FOUND);
    assert_int_equal(os_rename(os, path, path, &e), RC_NOT_FOUND);
    assert_int_equal(os_sync_dir(os, path, &e), RC_NOT_FOUND);
    assert_int_equal(os_open(os, path, 0, &f, &e), RC_INVALID);
    os_close(os, open_rw(state, "none"));
    assert_int_equal(os_open(os, path, RW | OS_EXCLUSIVE, &f, &e), RC_EXISTS);
    assert_true(os_path(deep, path, "below-a-file"));
    assert_int_equal(os_open(os, deep, RW, &f, &e), RC_IO);
    assert_int_equal(os_mkdirs(os, path, &e), RC_EXISTS);
    assert_int_equal(os_unlink(os, *state, &e), RC_IO); /* not empty */
    assert_int_equal(os_open(os, "/dev/full", OS_WRITE, &f, &e), RC_OK);
    assert_int_equal(os_pwrite(os, f, "x", 1, 0, &e), RC_FULL);
    assert_non_null(strstr(e.text, "free space"));
    os_close(os, f);
}

static enum rc count_entry(void *ctx, const char *name, bool is_dir)
{
    unsigned *seen = ctx;
    if (strcmp(name, "file") == 0)
        *seen += is_dir ? 1000 : 1;
    else if (strcmp(name, "sub") == 0)
        *seen += is_dir ? 10 : 1000;
    else
        *seen += 1000;
    return RC_OK;
}

static enum rc stop_listing(void *ctx, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    (*(unsigned *)ctx)++;
    return RC_CANCELLED;
}

static void folders_are_made_listed_and_removed_whole(void **state)
{
    struct os *os = os_real();
    char path[OS_PATH_MAX], file[OS_PATH_MAX];
    unsigned seen = 0;
    OK(os_mkdirs(os, in(state, "top/sub/deeper//deepest/", path), NULL));
    OK(os_mkdirs(os, path, NULL));
    OK(os_write_file(os, in(state, "top/sub/deeper/x", file), VIEW("x"), NULL));
    OK(os_write_file(os, in(state, "top/file", file), VIEW("x"), NULL));
    OK(os_list(os, in(state, "top", path), count_entry, &seen, NULL));
    assert_int_equal(seen, 11);
    seen = 0;
    assert_int_equal(os_list(os, path, stop_listing, &seen, NULL), RC_CANCELLED);
    assert_int_equal(seen, 1);
    OK(os_remove_tree(os, path, NULL));
    struct os_stat st;
    assert_int_equal(os_stat(os, path, &st, NULL), RC_NOT_FOUND);
    OK(os_remove_tree(os, path, NULL));
    OK(os_mkdir(os, path, NULL));
    OK(os_mkdir(os, path, NULL));
    OK(os_stat(os, path, &st, NULL));
    assert_true(st.is_dir);
    struct os_space space;
    OK(os_space(os, path, &space, NULL));
    assert_true(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
}

static void whole_files_are_replaced_and_read_within_a_limit(void **state)
{
    struct os *os = os_real();
    char path[OS_PATH_MAX], tmp[OS_PATH_MAX];
    struct buf small = BUF(4), b = BUF(100);
    struct os_stat st;
    in(state, "conf", path);
    OK(os_write_file(os, path, VIEW("first"), NULL));
    OK(os_write_file(os, path, VIEW("second"), NULL));
    OK(os_read_file(os, path, &b, NULL));
    assert_true(view_eqs(buf_view(&b), "second"));
    assert_int_equal(os_read_file(os, path, &small, NULL), RC_LIMIT);
    assert_int_equal(os_stat(os, in(state, "conf.tmp", tmp), &st, NULL), RC_NOT_FOUND);
    OK(os_write_file(os, path, VIEW(""), NULL));
    buf_clear(&b);
    OK(os_read_file(os, path, &b, NULL));
    assert_int_equal(b.n, 0);
    buf_free(&b);
}

static void paths_are_joined_and_taken_apart(void **state)
{
    (void)state;
    static char dst[OS_PATH_MAX], longest[OS_PATH_MAX];
    assert_true(os_path(dst, "/a", "b"));
    assert_string_equal(dst, "/a/b");
    memset(longest, 'x', sizeof longest - 1);
    assert_false(os_path(dst, longest, "b"));
    static const char *const pairs[][2] = {{"/a/b", "/a"}, {"/a", "/"}, {"a", "."},      {"a/b", "a"},
                                           {"/", "/"},     {"a/", "."}, {"/a//b/", "/a"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_true(os_parent(dst, pairs[i][0]));
        assert_string_equal(dst, pairs[i][1]);
    }
}

static void a_lock_is_one_holders_until_released(void **state)
{
    char path[OS_PATH_MAX];
    int first, second;
    struct err e;
    OK(os_lock(in(state, "lock", path), &first, &e));
    assert_int_equal(os_lock(path, &second, &e), RC_UNAVAILABLE);
    assert_non_null(strstr(e.text, "stop it first"));
    close(first);
    OK(os_lock(path, &second, &e));
    close(second);
}

static void random_bytes_differ_and_clocks_run(void **state)
{
    (void)state;
    char a[32] = {0}, b[32] = {0};
    os_random(os_real(), a, sizeof a);
    os_random(os_real(), b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    int64_t before = clock_mono_ns(os_clock());
    assert_true(clock_mono_ns(os_clock()) >= before);
    assert_true(clock_real_ns(os_clock()) > 1700000000 * NS_PER_S);
}

/* threads */

static void *report_mask(void *ctx)
{
    pthread_sigmask(SIG_BLOCK, NULL, ctx);
    return ctx;
}

static void threads_start_with_signals_blocked(void **state)
{
    (void)state;
    sigset_t theirs, ours;
    pthread_t t;
    OK(os_thread(&t, "a name that is much too long", report_mask, &theirs));
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_true(sigismember(&theirs, SIGTERM));
    assert_true(sigismember(&theirs, SIGINT));
    assert_false(sigismember(&theirs, SIGSEGV));
    pthread_sigmask(SIG_BLOCK, NULL, &ours);
    assert_false(sigismember(&ours, SIGTERM));
}

struct counted {
    struct os_job job;
    atomic_uint *count;
    unsigned order; /* expected, in a strand */
    struct strand_log *log;
};
struct strand_log {
    unsigned next; /* written by the strand's jobs only: no lock, so that TSan would see a strand that overlaps */
    unsigned wrong;
};

static void count_job(struct os_job *job)
{
    struct counted *c = (struct counted *)(void *)job;
    atomic_fetch_add(c->count, 1);
}

static void ordered_job(struct os_job *job)
{
    struct counted *c = (struct counted *)(void *)job;
    if (c->log->next++ != c->order)
        c->log->wrong++;
    atomic_fetch_add(c->count, 1);
}

static void a_pool_runs_every_job_before_it_ends(void **state)
{
    (void)state;
    enum { JOBS = 5000 };
    static struct counted jobs[JOBS];
    atomic_uint count = 0;
    struct os_pool *p;
    OK(os_pool_new(3, "worker", &p));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job.run = count_job, .count = &count};
        os_pool_submit(p, &jobs[i].job);
    }
    os_pool_free(p);
    assert_int_equal(atomic_load(&count), JOBS);
}

static void one_worker_keeps_the_order_of_submission(void **state)
{
    (void)state;
    enum { JOBS = 1000 };
    static struct counted jobs[JOBS];
    atomic_uint count = 0;
    struct strand_log log = {0, 0};
    struct os_pool *p;
    OK(os_pool_new(1, "worker", &p));
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job.run = ordered_job, .count = &count, .order = i, .log = &log};
        os_pool_submit(p, &jobs[i].job);
    }
    os_pool_free(p);
    assert_int_equal(log.wrong, 0);
    assert_int_equal(log.next, JOBS);
}

static void a_strand_runs_its_jobs_in_order_and_never_two_at_once(void **state)
{
    (void)state;
    enum { STRANDS = 8, JOBS = 500 };
    static struct counted jobs[STRANDS][JOBS];
    struct os_strand strand[STRANDS];
    struct strand_log log[STRANDS] = {{0, 0}};
    atomic_uint count = 0;
    struct os_pool *p;
    OK(os_pool_new(4, "worker", &p));
    for (int s = 0; s < STRANDS; s++)
        os_strand_init(&strand[s], p);
    for (unsigned i = 0; i < JOBS; i++) {
        for (int s = 0; s < STRANDS; s++) {
            jobs[s][i] = (struct counted){.job.run = ordered_job, .count = &count, .order = i, .log = &log[s]};
            os_strand_submit(&strand[s], &jobs[s][i].job);
        }
    }
    for (int s = 0; s < STRANDS; s++) {
        os_strand_done(&strand[s]); /* waits for what is queued */
        assert_int_equal(log[s].next, JOBS);
        assert_int_equal(log[s].wrong, 0);
    }
    os_pool_free(p);
    assert_int_equal(atomic_load(&count), STRANDS * JOBS);
}

/* A connection that frees itself in its last job. */
struct owner {
    struct os_strand strand;
    struct os_job job;
    unsigned left;
    atomic_uint *freed;
};

static void owner_job(struct os_job *job)
{
    struct owner *o = (struct owner *)(void *)((char *)job - offsetof(struct owner, job));
    if (--o->left > 0) {
        os_strand_submit(&o->strand, &o->job);
        return;
    }
    atomic_uint *freed = o->freed;
    os_strand_done(&o->strand);
    free(o);
    atomic_fetch_add(freed, 1);
}

static void a_strand_may_end_in_its_own_last_job(void **state)
{
    (void)state;
    enum { OWNERS = 200 };
    atomic_uint freed = 0;
    struct os_pool *p;
    OK(os_pool_new(4, "worker", &p));
    for (unsigned i = 0; i < OWNERS; i++) {
        struct owner *o = calloc(1, sizeof *o);
        assert_non_null(o);
        os_strand_init(&o->strand, p);
        o->job.run = owner_job;
        o->left = i % 40 + 1;
        o->freed = &freed;
        os_strand_submit(&o->strand, &o->job);
    }
    os_pool_free(p);
    assert_int_equal(atomic_load(&freed), OWNERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_at_its_offset, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(vectors_longer_than_the_kernel_takes_are_written_whole, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(reserve_keeps_the_size_and_punch_reads_as_zero, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(errors_say_what_where_and_have_their_result, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(folders_are_made_listed_and_removed_whole, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(whole_files_are_replaced_and_read_within_a_limit, folder_make, folder_remove),
        cmocka_unit_test(paths_are_joined_and_taken_apart),
        cmocka_unit_test_setup_teardown(a_lock_is_one_holders_until_released, folder_make, folder_remove),
        cmocka_unit_test(random_bytes_differ_and_clocks_run),
        cmocka_unit_test(threads_start_with_signals_blocked),
        cmocka_unit_test(a_pool_runs_every_job_before_it_ends),
        cmocka_unit_test(one_worker_keeps_the_order_of_submission),
        cmocka_unit_test(a_strand_runs_its_jobs_in_order_and_never_two_at_once),
        cmocka_unit_test(a_strand_may_end_in_its_own_last_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
