/* Holdfast: SQLite on the seam (invariant 9). Databases opened with this VFS do all their file I/O through a struct os.
 * One process, one connection per database: WAL needs `PRAGMA locking_mode=EXCLUSIVE` (no shared memory). */
#ifndef HF_OS_SQLITE_VFS_H
#define HF_OS_SQLITE_VFS_H

#include "os/os.h"

/* Registers a VFS of this name over os (both must live until the process or the test ends). Not the default VFS. */
enum rc os_sqlite_vfs(struct os *os, const char *name, struct err *e) HF_MUST_USE;
/* Takes it out again, after every database on it was closed. */
void os_sqlite_vfs_remove(const char *name);

#endif
