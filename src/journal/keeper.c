/* Holdfast: spares. A segment's file is reserved, at its full size and synced, before it is needed, so that a commit
 * never has to find space; one is always kept ahead. When there is no space for it the journal is full: the active
 * segment is then the reserve of what cannot be refused (fault 2). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_cond_clockwait */
#endif
#include <time.h>

#include "journal/journal_priv.h"

enum { ZERO_CHUNK = 64 << 10, ZERO_PIECES = 16 };
/* Zeroing is synced in steps, so that a commit's sync never waits behind a whole segment's worth of it. */
enum { SYNC_EVERY = 4 << 20 };
/* A full disk is looked at again so often even when nobody asks. */
enum { RETRY_S = 1 };
/* The spare is about this part of what the journal holds: small folders stay small. */
enum { GROWTH = 4 };

static const uint8_t zeros[ZERO_CHUNK];

enum rc zero_range(struct os *os, struct os_file *f, uint64_t off, uint64_t end, struct err *e)
{
    struct iovec iov[ZERO_PIECES];

    while (off < end) {
        int n = 0;
        uint64_t at = off;

        for (; n < ZERO_PIECES && off < end; n++) {
            size_t len = end - off < ZERO_CHUNK ? (size_t)(end - off) : ZERO_CHUNK;

            iov[n] = (struct iovec){(void *)(uintptr_t)zeros, len};
            off += len;
        }
        HF_TRY(os_pwritev(os, f, iov, n, at, e));
    }
    return RC_OK;
}

/* Reserved space reads as zeros and is ours; writing zeros as well was measured and only took the disk's time from the
 * commits. A file system that cannot reserve gets the zeros. */
static enum rc spare_fill(struct journal *j, struct os_file *f, uint64_t size, struct err *e)
{
    enum rc rc = os_reserve(j->os, f, size, e);

    if (rc == RC_OK) {
        HF_TRY(os_truncate(j->os, f, size, e));
        return os_datasync(j->os, f, e);
    }
    if (rc != RC_UNSUPPORTED)
        return rc;
    for (uint64_t off = 0; off < size; off += SYNC_EVERY) {
        HF_TRY(zero_range(j->os, f, off, size - off < SYNC_EVERY ? size : off + SYNC_EVERY, e));
        HF_TRY(os_datasync(j->os, f, e));
    }
    return RC_OK;
}

static enum rc spare_make(struct member *m, uint64_t size, struct err *e)
{
    struct os *os = m->j->os;
    char tmp[OS_PATH_MAX], path[OS_PATH_MAX];
    struct os_file *f;
    enum rc rc;

    if (!member_path(m, JOURNAL_SPARE_TMP, tmp) || !member_path(m, JOURNAL_SPARE, path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    HF_TRY(os_open(os, tmp, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, e));
    rc = spare_fill(m->j, f, size, e);
    os_close(os, f);
    if (rc == RC_OK)
        rc = os_rename(os, tmp, path, e);
    if (rc == RC_OK)
        rc = os_sync_dir(os, m->dir, e);
    if (rc != RC_OK)
        file_forget(os, tmp);
    return rc;
}

/* The size of the next segment: it grows with the journal. */
static uint64_t spare_size(const struct journal *j)
{
    uint64_t want = (j->bytes_sealed + j->tail_off) / GROWTH, size = j->seg_min;

    while (size < want && size < j->seg_max)
        size *= 2;
    return size < j->seg_max ? size : j->seg_max;
}

/* One member's spare, of at least `need`; smaller than wanted rather than none. *full is set when there is no space. */
static void spare_ensure(struct journal *j, struct member *m, uint64_t need, bool *full)
{
    uint64_t size = spare_size(j), least = need > j->seg_min ? need : j->seg_min;
    struct err why = {{0}};
    uint64_t have;
    enum rc rc;

    pthread_mutex_lock(&j->keeper.lock);
    have = m->spare_size;
    pthread_mutex_unlock(&j->keeper.lock);
    if (have >= need && have > 0)
        return;
    size = size > least ? size : least;
    rc = spare_make(m, size, &why);
    if (rc == RC_FULL && size > least) {
        size = least;
        rc = spare_make(m, size, &why);
    }
    if (rc == RC_OK) {
        m->disk->bytes_used += size - have;
        pthread_mutex_lock(&j->keeper.lock);
        m->spare_size = size;
        pthread_mutex_unlock(&j->keeper.lock);
    } else if (rc == RC_FULL) {
        *full = true;
    } else {
        member_fault(m, &why);
    }
}

static enum rc trim_part(struct journal *j, struct member *m, uint64_t first, uint64_t end, struct err *e)
{
    char path[OS_PATH_MAX];
    struct os_file *f;
    struct os_stat before;
    enum rc rc;

    if (!seg_path(m, first, "", path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    HF_TRY(os_open(j->os, path, OS_READ | OS_WRITE, &f, e));
    rc = j->os->ops->fstat(j->os, f, &before, e);
    if (rc == RC_OK && before.size_bytes > end) {
        rc = j->os->ops->truncate(j->os, f, end, e);
        if (rc == RC_OK)
            rc = os_datasync(j->os, f, e);
        if (rc == RC_OK)
            m->disk->bytes_used -= before.size_bytes - end;
    }
    os_close(j->os, f);
    return rc;
}

/* Sealed segments end where their seal does. */
static void trim_all(struct journal *j)
{
    for (;;) {
        uint64_t first, end;
        struct seg s;

        pthread_mutex_lock(&j->keeper.lock);
        if (j->keeper.n_trim == 0) {
            pthread_mutex_unlock(&j->keeper.lock);
            return;
        }
        j->keeper.n_trim--;
        first = j->keeper.trim[j->keeper.n_trim].first;
        end = j->keeper.trim[j->keeper.n_trim].end;
        pthread_mutex_unlock(&j->keeper.lock);
        for (unsigned i = 0; i < j->n_members && index_get(j, first, &s); i++) {
            struct err why = {{0}};
            enum rc rc = RC_OK;

            if ((members_live(j) & s.have) >> i & 1)
                rc = trim_part(j, &j->member[i], first, end, &why);
            if (rc != RC_OK && rc != RC_NOT_FOUND) /* a file that is gone is the scrub's business */
                member_fault(&j->member[i], &why);
        }
    }
}

static void keeper_round(struct journal *j, uint64_t need)
{
    unsigned mask;
    bool full = false;

    pthread_mutex_lock(&j->keeper.lock);
    mask = members_live(j) | j->keeper.joining;
    pthread_mutex_unlock(&j->keeper.lock);
    for (unsigned i = 0; i < j->n_members; i++)
        if ((mask >> i & 1) && !j->member[i].failed)
            spare_ensure(j, &j->member[i], need, &full);
    trim_all(j);
    pthread_mutex_lock(&j->keeper.lock);
    j->keeper.full = full;
    pthread_mutex_unlock(&j->keeper.lock);
}

static void *keeper_main(void *ctx)
{
    struct journal *j = ctx;
    struct keeper *k = &j->keeper;

    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        struct timespec until;
        uint64_t round = k->asked, need = k->need;

        if (k->finished < round) {
            pthread_mutex_unlock(&k->lock);
            keeper_round(j, need);
            pthread_mutex_lock(&k->lock);
            k->finished = round;
            pthread_cond_broadcast(&k->done);
        } else if (k->full) {
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_sec += RETRY_S;
            if (pthread_cond_clockwait(&k->wake, &k->lock, CLOCK_MONOTONIC, &until) != 0 && k->asked == round)
                k->asked++;
        } else {
            pthread_cond_wait(&k->wake, &k->lock);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

void keeper_kick(struct journal *j)
{
    if (j->single_thread) {
        keeper_round(j, 0);
        return;
    }
    pthread_mutex_lock(&j->keeper.lock);
    j->keeper.asked++;
    pthread_cond_signal(&j->keeper.wake);
    pthread_mutex_unlock(&j->keeper.lock);
}

/* Every member that needs a spare has one of this size; failed members need none. Under keeper.lock. */
static bool spares_ready(const struct journal *j, uint64_t need)
{
    unsigned mask = members_live(j) | j->keeper.joining;

    for (unsigned i = 0; i < j->n_members; i++)
        if ((mask >> i & 1) && !j->member[i].failed && (j->member[i].spare_size == 0 || j->member[i].spare_size < need))
            return false;
    return true;
}

/* Asks for a round and waits for its end. Under keeper.lock, with the thread on. */
static void round_wait(struct keeper *k)
{
    uint64_t round = ++k->asked;

    pthread_cond_signal(&k->wake);
    while (k->finished < round)
        pthread_cond_wait(&k->done, &k->lock);
}

void keeper_idle(struct journal *j)
{
    pthread_mutex_lock(&j->keeper.lock);
    if (j->keeper.on)
        round_wait(&j->keeper);
    pthread_mutex_unlock(&j->keeper.lock);
}

enum rc keeper_wait(struct journal *j, uint64_t need, struct err *e)
{
    struct keeper *k = &j->keeper;
    bool ready;

    pthread_mutex_lock(&k->lock);
    if (!spares_ready(j, need) && !k->on) {
        pthread_mutex_unlock(&k->lock);
        keeper_round(j, need);
        pthread_mutex_lock(&k->lock);
    } else if (!spares_ready(j, need)) {
        k->need = need;
        round_wait(k);
        k->need = 0;
    }
    ready = spares_ready(j, need);
    pthread_mutex_unlock(&k->lock);
    if (!ready)
        return err_set(e, RC_FULL, "no space for another journal segment: free space on the disks");
    return RC_OK;
}

void keeper_trim(struct journal *j, uint64_t first, uint64_t end)
{
    pthread_mutex_lock(&j->keeper.lock);
    if (j->keeper.n_trim < TRIM_MAX) { /* what does not fit in is trimmed after the next start */
        j->keeper.trim[j->keeper.n_trim].first = first;
        j->keeper.trim[j->keeper.n_trim].end = end;
        j->keeper.n_trim++;
    }
    pthread_mutex_unlock(&j->keeper.lock);
}

bool keeper_full(struct journal *j)
{
    bool full;

    pthread_mutex_lock(&j->keeper.lock);
    full = j->keeper.full;
    pthread_mutex_unlock(&j->keeper.lock);
    return full;
}

void keeper_adopt(struct journal *j, struct member *m)
{
    char path[OS_PATH_MAX];
    struct os_stat st;

    if (!member_path(m, JOURNAL_SPARE, path) || os_stat(j->os, path, &st, NULL) != RC_OK)
        return;
    pthread_mutex_lock(&j->keeper.lock);
    m->spare_size = st.size_bytes / BATCH_ALIGN * BATCH_ALIGN;
    if (m->spare_size < j->seg_min)
        m->spare_size = 0;
    pthread_mutex_unlock(&j->keeper.lock);
    m->disk->bytes_used += m->spare_size;
}

enum rc keeper_start(struct journal *j, struct err *e)
{
    if (j->single_thread)
        return RC_OK;
    if (os_thread(&j->keeper.thread, "journal-keep", keeper_main, j) != RC_OK)
        return err_set(e, RC_UNAVAILABLE, "no thread for the journal's spares");
    j->keeper.on = true;
    return RC_OK;
}

void keeper_stop(struct journal *j)
{
    if (!j->keeper.on)
        return;
    pthread_mutex_lock(&j->keeper.lock);
    j->keeper.stop = true;
    pthread_cond_signal(&j->keeper.wake);
    pthread_mutex_unlock(&j->keeper.lock);
    pthread_join(j->keeper.thread, NULL);
    j->keeper.on = false;
}
