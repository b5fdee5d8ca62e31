/* Holdfast: SQL, for the control database: a thin layer over SQLite (WAL, on the VFS of os/sqlite_vfs.h), with
 * PostgreSQL as the engine to grow into. Statements are always prepared with parameters; never built from strings. One
 * thread per struct sql. */
#ifndef HF_DB_SQL_H
#define HF_DB_SQL_H

#include "os/os.h"

struct sql;
/* synchronous=NORMAL in WAL: consistent after any crash, perhaps a little old; the reader's cursor in it says how old.
 */
enum rc sql_open(struct os *os, const char *path, struct sql **ret, struct err *e) HF_MUST_USE;
enum rc sql_open_memory(struct sql **ret, struct err *e) HF_MUST_USE;
void sql_close(struct sql *s);
/* Runs migrations[version..n) in one transaction each, kept in PRAGMA user_version. RC_UNSUPPORTED for a newer file. */
enum rc sql_migrate(struct sql *s, const char *const *migrations, unsigned n, struct err *e) HF_MUST_USE;
enum rc sql_begin(struct sql *s, struct err *e) HF_MUST_USE;
enum rc sql_commit(struct sql *s, struct err *e) HF_MUST_USE;
void sql_rollback(struct sql *s);

struct sql_stmt; /* cached per struct sql by its text, which must be a string literal or live as long */
/* args: one letter per parameter: i int64_t, t const char * (NULL = NULL), v struct view as text, b struct view as
 * blob. */
enum rc sql_exec(struct sql *s, struct err *e, const char *text, const char *args, ...) HF_MUST_USE;
/* All parameters are numbers: for statements with many. */
enum rc sql_exec_i64(struct sql *s, struct err *e, const char *text, const int64_t *args, unsigned n) HF_MUST_USE;
enum rc sql_query(struct sql *s, struct err *e, struct sql_stmt **ret, const char *text, const char *args,
                  ...) HF_MUST_USE;
/* RC_OK with a row, RC_END when there is none left (the statement is then done with). */
enum rc sql_next(struct sql_stmt *q, struct err *e) HF_MUST_USE;
int64_t sql_i64(struct sql_stmt *q, int column);
struct view sql_text(struct sql_stmt *q, int column); /* borrowed until the next sql_next or sql_done */
bool sql_is_null(struct sql_stmt *q, int column);
void sql_done(struct sql_stmt *q);
int64_t sql_changes(struct sql *s);
int64_t sql_last_id(struct sql *s); /* of the last row inserted into a table with an INTEGER PRIMARY KEY */

#endif
