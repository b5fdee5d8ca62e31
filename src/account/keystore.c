/* Holdfast: the keystore: secrets in memory for every request, and on every usable disk. */
#include "account/keystore_priv.h"

#include <stdlib.h>

#define FILE_NAME "keystore"

/* Invariants (tests/unit/test_keystore.c):
 *  K1 keystore_put and keystore_delete return RC_OK only when every usable disk holds the new image durably
 *     [put_is_on_every_disk, power_cut_at_every_step].
 *  K2 what is in memory is never newer than what was made durable; after a failed write the generation is used up, so a
 *     disk that did take it cannot win over a later image of the same number [failed_put_changes_nothing].
 *  K3 no damage to one disk's file loses a key; damage to all of them is an error, never an empty store
 *     [flip_any_byte, all_copies_bad_is_an_error].
 * Locks: `writing` serialises puts, deletes and scrubs; `lock` guards image for readers and is held only to swap it. */
struct keystore {
    struct os *os;
    struct diskset *disks;
    pthread_mutex_t writing;
    pthread_rwlock_t lock;
    struct key_image image;
    uint64_t generation; /* the newest number that was ever tried */
    keystore_disk_failed_fn *disk_failed;
    void *disk_failed_ctx;
};

static bool file_path(const struct disk *d, char path[OS_PATH_MAX])
{
    return os_path(path, d->path, FILE_NAME);
}

/* ---- one disk's file ---- */

static enum rc disk_read(const struct keystore *k, const struct disk *d, struct key_image *ret, bool *ret_whole,
                         struct err *e)
{
    char path[OS_PATH_MAX];
    struct buf b = BUF(KEYSTORE_FILE_MAX);

    if (!file_path(d, path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", d->path);
    enum rc rc = os_read_file(k->os, path, &b, e);
    if (rc == RC_OK) {
        rc = key_image_decode(buf_view(&b), ret, ret_whole);
        if (rc == RC_CORRUPT)
            rc = err_set(e, rc, "%s: the keystore is damaged in both of its halves", path);
    }
    wipe_buf(&b);
    return rc;
}

static enum rc disk_write(const struct keystore *k, const struct disk *d, struct view file, struct err *e)
{
    char path[OS_PATH_MAX];

    if (!file_path(d, path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", d->path);
    enum rc rc = os_write_file(k->os, path, file, e);
    return rc == RC_OK ? rc : err_wrap(e, rc, "keystore");
}

/* ---- opening ---- */

struct found {
    struct key_image newest;
    bool any;       /* newest holds something */
    bool file_seen; /* some disk has a file, readable or not */
    enum rc rc;     /* why the last one that could not be read could not */
    struct err reason;
};

static void look_at_disk(const struct keystore *k, const struct disk *d, struct found *f)
{
    struct key_image m;
    bool whole;
    enum rc rc = disk_read(k, d, &m, &whole, &f->reason);

    if (rc == RC_NOT_FOUND)
        return;
    f->file_seen = true;
    if (rc != RC_OK) {
        f->rc = rc;
        return;
    }
    if (f->any && key_image_age(&m, &f->newest) <= 0) {
        key_image_free(&m);
        return;
    }
    key_image_free(&f->newest);
    f->newest = m;
    f->any = true;
}

static enum rc load(struct keystore *k, struct err *e)
{
    struct found f = {0};

    for (unsigned i = 0; i < k->disks->n; i++) {
        if (disk_usable(&k->disks->disk[i]))
            look_at_disk(k, &k->disks->disk[i], &f);
    }
    if (!f.any && f.file_seen)
        return err_set(e, f.rc,
                       "no disk has a readable keystore, and without it no request can be checked; put back the disk "
                       "that is missing, or a copy of its `" FILE_NAME "` file: %s",
                       f.reason.text);
    k->image = f.newest;
    k->generation = f.newest.generation;
    /* A set that has moved on to a newer epoch without some disk must win over that disk's later return. */
    if (k->disks->epoch > k->image.epoch)
        k->image.epoch = k->disks->epoch;
    return RC_OK;
}

enum rc keystore_open(struct os *os, struct diskset *disks, struct keystore **ret, struct err *e)
{
    uint64_t blocks = 0, corrupt = 0, repaired = 0;
    struct err ignored;
    struct keystore *k = calloc(1, sizeof(*k));

    if (!k)
        return err_set(e, RC_NOMEM, "keystore: out of memory");
    k->os = os;
    k->disks = disks;
    HF_ASSERT(pthread_mutex_init(&k->writing, NULL) == 0 && pthread_rwlock_init(&k->lock, NULL) == 0);
    enum rc rc = load(k, e);
    if (rc != RC_OK) {
        keystore_close(k);
        return rc;
    }
    /* A disk that cannot be healed now stays for the next scrub, which reports it; the keys are here. */
    if (k->generation > 0 && keystore_scrub(k, &blocks, &corrupt, &repaired, &ignored) == RC_NOMEM) {
        keystore_close(k);
        return err_set(e, RC_NOMEM, "keystore: out of memory");
    }
    *ret = k;
    return RC_OK;
}

void keystore_close(struct keystore *k)
{
    if (!k)
        return;
    key_image_free(&k->image);
    pthread_rwlock_destroy(&k->lock);
    pthread_mutex_destroy(&k->writing);
    free(k);
}

/* ---- changing ---- */

void keystore_on_disk_failed(struct keystore *k, keystore_disk_failed_fn *fn, void *ctx)
{
    pthread_mutex_lock(&k->writing);
    k->disk_failed = fn;
    k->disk_failed_ctx = ctx;
    pthread_mutex_unlock(&k->writing);
}

/* The disk itself failed, somebody can leave it out, and then it no longer counts (K1). */
static bool left_out(struct keystore *k, unsigned slot, enum rc rc)
{
    bool disk_is_bad = rc == RC_IO || rc == RC_UNAVAILABLE || rc == RC_NOT_FOUND;

    return disk_is_bad && k->disk_failed && k->disk_failed(k->disk_failed_ctx, slot) == RC_OK &&
           !disk_usable(&k->disks->disk[slot]);
}

static enum rc write_everywhere(struct keystore *k, const struct key_image *m, struct err *e)
{
    struct buf file = BUF(KEYSTORE_FILE_MAX);
    unsigned written = 0;
    enum rc rc = key_image_encode(m, &file);

    if (rc != RC_OK)
        rc = err_set(e, rc, "keystore: %s", rc_name(rc));
    for (unsigned i = 0; rc == RC_OK && i < k->disks->n; i++) {
        if (!disk_usable(&k->disks->disk[i]))
            continue;
        rc = disk_write(k, &k->disks->disk[i], buf_view(&file), e);
        written += rc == RC_OK;
        if (rc != RC_OK && left_out(k, i, rc))
            rc = RC_OK;
    }
    wipe_buf(&file);
    if (rc == RC_OK && written == 0)
        return err_set(e, RC_UNAVAILABLE, "keystore: no disk can be written to");
    return rc;
}

/* Takes over next on success, frees it otherwise. Caller holds `writing`. */
static enum rc replace_image(struct keystore *k, struct key_image *next, struct err *e)
{
    next->generation = ++k->generation; /* used up even when the write fails: K2 */
    enum rc rc = write_everywhere(k, next, e);
    if (rc == RC_OK) {
        struct key_image old;
        pthread_rwlock_wrlock(&k->lock);
        old = k->image;
        k->image = *next;
        pthread_rwlock_unlock(&k->lock);
        *next = old;
    }
    key_image_free(next);
    return rc;
}

static bool printable(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);
    if (n == 0 || n > max)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= 0x20 || s[i] >= 0x7f)
            return false;
    }
    return true;
}

/* Caller holds `writing`, so the image stands still without `lock`. */
static enum rc put_locked(struct keystore *k, const char *access_key, const char *secret, struct err *e)
{
    struct key_image next;
    size_t at;
    bool there = key_image_find(&k->image, access_key, &at);

    if (there && strcmp(k->image.entry[at].secret, secret) == 0)
        return RC_OK;
    enum rc rc = key_image_copy(&k->image, k->image.n + !there, &next);
    if (rc == RC_LIMIT)
        return err_set(e, rc, "keystore: %d keys are the most; revoke some", KEYSTORE_KEYS_MAX);
    if (rc != RC_OK)
        return err_set(e, rc, "keystore: out of memory");
    if (!there) {
        memmove(&next.entry[at + 1], &next.entry[at], (next.n - at) * sizeof(*next.entry));
        next.n++;
    }
    memset(&next.entry[at], 0, sizeof(next.entry[at]));
    HF_ASSERT(view_copy(view_cstr(access_key), next.entry[at].access_key, sizeof(next.entry[at].access_key)));
    HF_ASSERT(view_copy(view_cstr(secret), next.entry[at].secret, sizeof(next.entry[at].secret)));
    return replace_image(k, &next, e);
}

enum rc keystore_put(struct keystore *k, const char *access_key, const char *secret, struct err *e)
{
    if (!printable(access_key, ACCESS_KEY_MAX))
        return err_set(e, RC_INVALID, "an access key is 1 to %d printable characters without blanks", ACCESS_KEY_MAX);
    if (!printable(secret, SECRET_KEY_MAX))
        return err_set(e, RC_INVALID, "a secret key is 1 to %d printable characters without blanks", SECRET_KEY_MAX);
    pthread_mutex_lock(&k->writing);
    enum rc rc = put_locked(k, access_key, secret, e);
    pthread_mutex_unlock(&k->writing);
    return rc;
}

static enum rc delete_locked(struct keystore *k, const char *access_key, struct err *e)
{
    struct key_image next;
    size_t at;

    if (!key_image_find(&k->image, access_key, &at))
        return err_set(e, RC_NOT_FOUND, "keystore: there is no such access key");
    if (key_image_copy(&k->image, k->image.n, &next) != RC_OK)
        return err_set(e, RC_NOMEM, "keystore: out of memory");
    next.n--;
    memmove(&next.entry[at], &next.entry[at + 1], (next.n - at) * sizeof(*next.entry));
    explicit_bzero(&next.entry[next.n], sizeof(next.entry[next.n]));
    return replace_image(k, &next, e);
}

enum rc keystore_delete(struct keystore *k, const char *access_key, struct err *e)
{
    pthread_mutex_lock(&k->writing);
    enum rc rc = delete_locked(k, access_key, e);
    pthread_mutex_unlock(&k->writing);
    return rc;
}

enum rc keystore_get(struct keystore *k, const char *access_key, char secret[SECRET_KEY_MAX + 1])
{
    size_t at;

    pthread_rwlock_rdlock(&k->lock);
    bool there = key_image_find(&k->image, access_key, &at);
    if (there)
        memcpy(secret, k->image.entry[at].secret, SECRET_KEY_MAX + 1);
    pthread_rwlock_unlock(&k->lock);
    return there ? RC_OK : RC_NOT_FOUND;
}

/* ---- scrub ---- */

/* Is this disk's file exactly what it should be? */
static enum rc disk_check(const struct keystore *k, const struct disk *d, bool *ret_good, struct err *e)
{
    struct key_image m;
    bool whole = false;
    enum rc rc = disk_read(k, d, &m, &whole, e);

    *ret_good = false;
    if (rc == RC_NOT_FOUND || rc == RC_CORRUPT || rc == RC_LIMIT || rc == RC_IO)
        return RC_OK;
    HF_TRY(rc);
    *ret_good = whole && key_image_age(&m, &k->image) == 0;
    key_image_free(&m);
    return RC_OK;
}

static enum rc disk_heal(const struct keystore *k, const struct disk *d, struct view file, uint64_t *repaired,
                         struct err *e)
{
    bool good = false;

    HF_TRY(disk_write(k, d, file, e));
    HF_TRY(disk_check(k, d, &good, e));
    if (!good)
        return err_set(e, RC_IO, "%s/%s: written again, but it does not read back", d->path, FILE_NAME);
    (*repaired)++;
    return RC_OK;
}

/* Caller holds `writing`. Goes on to the other disks after one that fails; gives the first failure. */
static enum rc scrub_locked(struct keystore *k, uint64_t *blocks, uint64_t *corrupt, uint64_t *repaired, struct err *e)
{
    struct buf file = BUF(KEYSTORE_FILE_MAX);
    struct err this;
    enum rc first = key_image_encode(&k->image, &file);

    if (first != RC_OK)
        err_set(e, first, "keystore: %s", rc_name(first));
    for (unsigned i = 0; first != RC_NOMEM && i < k->disks->n; i++) {
        const struct disk *d = &k->disks->disk[i];
        bool good = false;
        if (!disk_usable(d))
            continue;
        enum rc rc = disk_check(k, d, &good, &this);
        *blocks += 1;
        if (rc == RC_OK && !good) {
            *corrupt += 1;
            rc = disk_heal(k, d, buf_view(&file), repaired, &this);
        }
        if (rc != RC_OK && left_out(k, i, rc))
            rc = RC_OK;
        if (rc != RC_OK && first == RC_OK) {
            first = rc;
            err_set(e, rc, "%s", this.text);
        }
    }
    wipe_buf(&file);
    return first;
}

enum rc keystore_scrub(struct keystore *k, uint64_t *blocks, uint64_t *corrupt, uint64_t *repaired, struct err *e)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&k->writing);
    if (k->generation > 0)
        rc = scrub_locked(k, blocks, corrupt, repaired, e);
    pthread_mutex_unlock(&k->writing);
    return rc;
}

/* ---- new keys ---- */

static void random_text(struct os *os, const char *alphabet, unsigned alphabet_n, char *dst, size_t n)
{
    unsigned limit = 256 - 256 % alphabet_n; /* bytes from here on would favour the first letters */

    for (size_t i = 0; i < n;) {
        uint8_t pool[64];
        os_random(os, pool, sizeof(pool));
        for (size_t j = 0; j < sizeof(pool) && i < n; j++) {
            if (pool[j] < limit)
                dst[i++] = alphabet[pool[j] % alphabet_n];
        }
        explicit_bzero(pool, sizeof(pool));
    }
    dst[n] = 0;
}

void key_make(struct os *os, char access_key[ACCESS_KEY_MAX + 1], char secret[SECRET_KEY_MAX + 1])
{
    memcpy(access_key, "HF", 2);
    random_text(os, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, access_key + 2, 18);
    /* Letters and digits only, so that it survives shells, URLs and ini files unquoted. */
    random_text(os, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 62, secret, 40);
}
