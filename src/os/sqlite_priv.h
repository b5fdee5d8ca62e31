/* Holdfast: the locks between connections of this process to one SQLite database. */
#ifndef HF_OS_SQLITE_PRIV_H
#define HF_OS_SQLITE_PRIV_H

#include <pthread.h>

#include "os/os.h"

/* One database file that is open, in a list of its VFS. Invariants: shared counts the holders of SHARED or more; at
 * most one holder has RESERVED or more (writer); with EXCLUSIVE it is the only one of shared. */
struct db_lock {
    struct db_lock *next;
    unsigned refs;
    unsigned shared;
    const void *writer;
    bool pending; /* writer waits for the readers to go: no new ones */
    char path[];
};
struct db_locks {
    pthread_mutex_t mutex;
    struct db_lock *list;
};

/* NULL when out of memory. */
struct db_lock *db_lock_get(struct db_locks *all, const char *path);
/* After everything `who` held was given up. */
void db_lock_put(struct db_locks *all, struct db_lock *l);
/* Moves `who` from level *held up to `want` (SQLITE_LOCK_*); SQLITE_BUSY when another connection is in the way. */
int db_lock_raise(struct db_locks *all, struct db_lock *l, const void *who, int want, int *held);
void db_lock_lower(struct db_locks *all, struct db_lock *l, const void *who, int want, int *held);
bool db_lock_reserved(struct db_locks *all, const struct db_lock *l);

#endif
