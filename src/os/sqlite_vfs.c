/* Holdfast: a SQLite VFS over struct os. */
#include "os/sqlite_vfs.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/sqlite_priv.h"

/* Assumed of every disk: what is written with one byte of such a sector may be lost with it. Larger than any real one's
 * is safe and costs only padding. */
#define DISK_SECTOR 4096
#define JULIAN_EPOCH_MS 210866760000000LL /* 1970-01-01 in milliseconds of the Julian day */
#define TEMP_RANDOM_BYTES 12

struct vfs {
    sqlite3_vfs base; /* first: SQLite gives us a pointer to it */
    struct os *os;
    struct db_locks locks;
    pthread_mutex_t temp_lock;
    char temp_dir[OS_PATH_MAX]; /* of the database opened last: temporary files go beside it */
    char name[];
};

struct vfs_file {
    sqlite3_file base; /* first */
    struct vfs *vfs;
    struct os_file *f;
    struct db_lock *lock; /* NULL for all but main databases */
    int level;
    bool unlink_on_close;
    bool name_unsynced; /* made by us, and its directory was not synced since */
    char path[OS_PATH_MAX];
};

static struct vfs *vfs_of(sqlite3_vfs *base)
{
    return (struct vfs *)base;
}

static struct vfs_file *file_of(sqlite3_file *base)
{
    return (struct vfs_file *)base;
}

static int map_error(enum rc rc, int otherwise)
{
    switch (rc) {
    case RC_OK:
        return SQLITE_OK;
    case RC_FULL:
        return SQLITE_FULL;
    case RC_NOMEM:
        return SQLITE_NOMEM;
    case RC_UNAVAILABLE:
        return SQLITE_READONLY;
    default:
        return otherwise;
    }
}

static int sync_parent(struct os *os, const char *path)
{
    char dir[OS_PATH_MAX];
    if (!os_parent(dir, path))
        return SQLITE_CANTOPEN;
    return map_error(os_sync_dir(os, dir, NULL), SQLITE_IOERR_DIR_FSYNC);
}

static int file_close(sqlite3_file *base)
{
    struct vfs_file *f = file_of(base);
    int rc = SQLITE_OK;
    if (f->lock != NULL) {
        db_lock_lower(&f->vfs->locks, f->lock, f, SQLITE_LOCK_NONE, &f->level);
        db_lock_put(&f->vfs->locks, f->lock);
        f->lock = NULL;
    }
    os_close(f->vfs->os, f->f);
    f->f = NULL;
    if (f->unlink_on_close)
        rc = map_error(os_unlink(f->vfs->os, f->path, NULL), SQLITE_IOERR_DELETE);
    return rc;
}

static int file_read(sqlite3_file *base, void *p, int n, sqlite3_int64 off)
{
    struct vfs_file *f = file_of(base);
    struct iovec iov = {p, (size_t)n};
    size_t got = 0;
    if (os_preadv(f->vfs->os, f->f, &iov, 1, (uint64_t)off, &got, NULL) != RC_OK)
        return SQLITE_IOERR_READ;
    if (got == (size_t)n)
        return SQLITE_OK;
    memset((char *)p + got, 0, (size_t)n - got); /* SQLite relies on it */
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 off)
{
    struct vfs_file *f = file_of(base);
    return map_error(os_pwrite(f->vfs->os, f->f, p, (size_t)n, (uint64_t)off, NULL), SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *f = file_of(base);
    return map_error(os_truncate(f->vfs->os, f->f, (uint64_t)size, NULL), SQLITE_IOERR_TRUNCATE);
}

/* A file that SQLite wants durable must also have a durable name. */
static int file_sync(sqlite3_file *base, int flags)
{
    struct vfs_file *f = file_of(base);
    (void)flags; /* data only, or with the rest: datasync takes the size along */
    if (os_datasync(f->vfs->os, f->f, NULL) != RC_OK)
        return SQLITE_IOERR_FSYNC;
    if (!f->name_unsynced)
        return SQLITE_OK;
    int rc = sync_parent(f->vfs->os, f->path);
    if (rc == SQLITE_OK)
        f->name_unsynced = false;
    return rc;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    struct vfs_file *f = file_of(base);
    struct os_stat st;
    if (os_fstat(f->vfs->os, f->f, &st, NULL) != RC_OK)
        return SQLITE_IOERR_FSTAT;
    *ret = (sqlite3_int64)st.size_bytes;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    struct vfs_file *f = file_of(base);
    return f->lock ? db_lock_raise(&f->vfs->locks, f->lock, f, level, &f->level) : SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct vfs_file *f = file_of(base);
    if (f->lock != NULL)
        db_lock_lower(&f->vfs->locks, f->lock, f, level, &f->level);
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *ret)
{
    struct vfs_file *f = file_of(base);
    *ret = f->lock != NULL && db_lock_reserved(&f->vfs->locks, f->lock);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    (void)base;
    return DISK_SECTOR;
}

/* Nothing is promised: not even that a write leaves its neighbours in the sector alone. */
static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0;
}

/* Version 1: without shared memory, so WAL needs exclusive locking mode. */
static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static void remember_temp_dir(struct vfs *v, const char *db_path)
{
    char dir[OS_PATH_MAX];
    if (!os_parent(dir, db_path))
        return;
    if (pthread_mutex_lock(&v->temp_lock) != 0)
        HF_BUG("a mutex cannot be locked");
    memcpy(v->temp_dir, dir, sizeof dir);
    if (pthread_mutex_unlock(&v->temp_lock) != 0)
        HF_BUG("a mutex cannot be unlocked");
}

static bool temp_path(struct vfs *v, char *dst)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char random[TEMP_RANDOM_BYTES];
    char name[sizeof "sqlite-" + 2 * TEMP_RANDOM_BYTES] = "sqlite-";
    size_t n = strlen(name);
    os_random(v->os, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        name[n++] = hex[random[i] >> 4];
        name[n++] = hex[random[i] & 15];
    }
    if (pthread_mutex_lock(&v->temp_lock) != 0)
        HF_BUG("a mutex cannot be locked");
    bool fits = os_path(dst, v->temp_dir, name);
    if (pthread_mutex_unlock(&v->temp_lock) != 0)
        HF_BUG("a mutex cannot be unlocked");
    return fits;
}

static unsigned os_flags(int flags)
{
    unsigned f = OS_READ;
    if (flags & SQLITE_OPEN_READWRITE)
        f |= OS_WRITE;
    if (flags & SQLITE_OPEN_CREATE)
        f |= OS_CREATE;
    if (flags & SQLITE_OPEN_EXCLUSIVE)
        f |= OS_EXCLUSIVE;
    return f;
}

static bool is_absent(struct os *os, const char *path)
{
    struct os_stat st;
    return os_stat(os, path, &st, NULL) == RC_NOT_FOUND;
}

static int vfs_open(sqlite3_vfs *base, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct vfs *v = vfs_of(base);
    struct vfs_file *f = file_of(file);
    memset(f, 0, sizeof *f);
    f->vfs = v;
    bool fits = name != NULL ? view_copy(view_cstr(name), f->path, sizeof f->path) : temp_path(v, f->path);
    if (!fits)
        return SQLITE_CANTOPEN;
    f->name_unsynced =
        (flags & SQLITE_OPEN_CREATE) && !(flags & SQLITE_OPEN_DELETEONCLOSE) && is_absent(v->os, f->path);
    f->unlink_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    if (flags & SQLITE_OPEN_MAIN_DB) {
        f->lock = db_lock_get(&v->locks, f->path);
        if (f->lock == NULL)
            return SQLITE_NOMEM;
        remember_temp_dir(v, f->path);
    }
    enum rc rc = os_open(v->os, f->path, os_flags(flags), &f->f, NULL);
    if (rc != RC_OK) {
        db_lock_put(&v->locks, f->lock);
        return rc == RC_NOMEM ? SQLITE_NOMEM : SQLITE_CANTOPEN;
    }
    f->base.pMethods = &file_methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
    struct vfs *v = vfs_of(base);
    enum rc rc = os_unlink(v->os, name, NULL);
    if (rc == RC_NOT_FOUND)
        return SQLITE_IOERR_DELETE_NOENT;
    if (rc != RC_OK)
        return SQLITE_IOERR_DELETE;
    return sync_dir ? sync_parent(v->os, name) : SQLITE_OK;
}

/* An empty journal counts as none: it was made and never written. */
static int vfs_access(sqlite3_vfs *base, const char *name, int flags, int *ret)
{
    struct vfs *v = vfs_of(base);
    struct os_stat st;
    enum rc rc = os_stat(v->os, name, &st, NULL);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return SQLITE_IOERR_ACCESS;
    *ret = rc == RC_OK && (flags != SQLITE_ACCESS_EXISTS || st.is_dir || st.size_bytes > 0);
    return SQLITE_OK;
}

/* Paths are ours, not a user's: the process never changes its folder, so a relative one stays good. */
static int vfs_full_pathname(sqlite3_vfs *base, const char *name, int n, char *dst)
{
    (void)base;
    return n > 0 && view_copy(view_cstr(name), dst, (size_t)n) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static void *vfs_dl_open(sqlite3_vfs *base, const char *name)
{
    (void)base;
    (void)name;
    return NULL;
}

static void vfs_dl_error(sqlite3_vfs *base, int n, char *dst)
{
    (void)base;
    snprintf(dst, n > 0 ? (size_t)n : 0, "extensions are not loaded");
}

static void (*vfs_dl_sym(sqlite3_vfs *base, void *lib, const char *name))(void)
{
    (void)base;
    (void)lib;
    (void)name;
    return NULL;
}

static void vfs_dl_close(sqlite3_vfs *base, void *lib)
{
    (void)base;
    (void)lib;
}

static int vfs_randomness(sqlite3_vfs *base, int n, char *dst)
{
    os_random(vfs_of(base)->os, dst, (size_t)n);
    return n;
}

/* Only a connection that waits for another one of this process sleeps; letting that one run is enough. */
static int vfs_sleep(sqlite3_vfs *base, int microseconds)
{
    (void)base;
    sched_yield();
    return microseconds;
}

static int vfs_time_ms(sqlite3_vfs *base, sqlite3_int64 *ret)
{
    *ret = JULIAN_EPOCH_MS + clock_real_ns(vfs_of(base)->os->clock) / 1000000;
    return SQLITE_OK;
}

/* SQLite's own interface is a double here; nothing of ours reads it. */
static int vfs_time_days(sqlite3_vfs *base, double *ret)
{
    sqlite3_int64 ms;
    int rc = vfs_time_ms(base, &ms);
    *ret = (double)ms / 86400000.0;
    return rc;
}

static int vfs_last_error(sqlite3_vfs *base, int n, char *dst)
{
    (void)base;
    if (n > 0)
        dst[0] = 0;
    return 0;
}

static const sqlite3_vfs vfs_template = {
    .iVersion = 2,
    .szOsFile = sizeof(struct vfs_file),
    .mxPathname = OS_PATH_MAX - 1,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xDlOpen = vfs_dl_open,
    .xDlError = vfs_dl_error,
    .xDlSym = vfs_dl_sym,
    .xDlClose = vfs_dl_close,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time_days,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time_ms,
};

static void vfs_free(struct vfs *v)
{
    pthread_mutex_destroy(&v->locks.mutex);
    pthread_mutex_destroy(&v->temp_lock);
    free(v);
}

enum rc os_sqlite_vfs(struct os *os, const char *name, struct err *e)
{
    if (sqlite3_vfs_find(name) != NULL)
        return err_set(e, RC_EXISTS, "SQLite has a VFS named %s already", name);
    size_t n = strlen(name) + 1;
    struct vfs *v = calloc(1, sizeof *v + n);
    if (v == NULL)
        return err_set(e, RC_NOMEM, "out of memory for SQLite's VFS %s", name);
    memcpy(v->name, name, n);
    v->base = vfs_template;
    v->base.zName = v->name;
    v->os = os;
    v->temp_dir[0] = '.';
    pthread_mutex_init(&v->locks.mutex, NULL);
    pthread_mutex_init(&v->temp_lock, NULL);
    if (sqlite3_vfs_register(&v->base, 0) == SQLITE_OK)
        return RC_OK;
    vfs_free(v);
    return err_set(e, RC_IO, "SQLite refuses the VFS %s", name);
}

void os_sqlite_vfs_remove(const char *name)
{
    sqlite3_vfs *base = sqlite3_vfs_find(name);
    if (base == NULL || base->xOpen != vfs_open)
        return;
    if (sqlite3_vfs_unregister(base) != SQLITE_OK)
        HF_BUG("SQLite does not give a VFS back");
    struct vfs *v = vfs_of(base);
    HF_ASSERT(v->locks.list == NULL);
    vfs_free(v);
}
