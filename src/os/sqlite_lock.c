/* Holdfast: SQLite's five lock levels between the connections of one process. The data folder is locked against other
 * processes as a whole (os_lock). */
#include "os/sqlite_priv.h"

#include <sqlite3.h>
#include <stdlib.h>

static void lock(struct db_locks *all)
{
    if (pthread_mutex_lock(&all->mutex) != 0)
        HF_BUG("a mutex cannot be locked");
}

static void unlock(struct db_locks *all)
{
    if (pthread_mutex_unlock(&all->mutex) != 0)
        HF_BUG("a mutex cannot be unlocked");
}

static struct db_lock *find(const struct db_locks *all, const char *path)
{
    struct db_lock *l = all->list;
    while (l != NULL && strcmp(l->path, path) != 0)
        l = l->next;
    return l;
}

struct db_lock *db_lock_get(struct db_locks *all, const char *path)
{
    lock(all);
    struct db_lock *l = find(all, path);
    if (l == NULL) {
        size_t n = strlen(path) + 1;
        l = calloc(1, sizeof *l + n);
        if (l != NULL) {
            memcpy(l->path, path, n);
            l->next = all->list;
            all->list = l;
        }
    }
    if (l != NULL)
        l->refs++;
    unlock(all);
    return l;
}

void db_lock_put(struct db_locks *all, struct db_lock *l)
{
    if (l == NULL)
        return;
    lock(all);
    HF_ASSERT(l->refs > 0);
    if (--l->refs == 0) {
        struct db_lock **at = &all->list;
        while (*at != l)
            at = &(*at)->next;
        *at = l->next;
        free(l);
    }
    unlock(all);
}

static int take_shared(struct db_lock *l, int *held)
{
    if (l->pending)
        return SQLITE_BUSY;
    l->shared++;
    *held = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

/* RESERVED keeps other writers out; EXCLUSIVE waits, as PENDING, until the other readers are gone. */
static int take_writer(struct db_lock *l, const void *who, int want, int *held)
{
    if (l->writer != NULL && l->writer != who)
        return SQLITE_BUSY;
    l->writer = who;
    if (want == SQLITE_LOCK_RESERVED) {
        *held = SQLITE_LOCK_RESERVED;
        return SQLITE_OK;
    }
    l->pending = true;
    *held = SQLITE_LOCK_PENDING;
    if (want == SQLITE_LOCK_PENDING)
        return SQLITE_OK;
    if (l->shared > 1)
        return SQLITE_BUSY;
    *held = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

int db_lock_raise(struct db_locks *all, struct db_lock *l, const void *who, int want, int *held)
{
    int rc = SQLITE_OK;
    lock(all);
    if (*held < want && *held == SQLITE_LOCK_NONE)
        rc = take_shared(l, held);
    if (rc == SQLITE_OK && *held < want)
        rc = take_writer(l, who, want, held);
    unlock(all);
    return rc;
}

void db_lock_lower(struct db_locks *all, struct db_lock *l, const void *who, int want, int *held)
{
    lock(all);
    if (*held > want) {
        if (l->writer == who) {
            l->writer = NULL;
            l->pending = false;
        }
        if (want == SQLITE_LOCK_NONE) {
            HF_ASSERT(l->shared > 0);
            l->shared--;
        }
        *held = want;
    }
    unlock(all);
}

bool db_lock_reserved(struct db_locks *all, const struct db_lock *l)
{
    lock(all);
    bool reserved = l->writer != NULL;
    unlock(all);
    return reserved;
}
