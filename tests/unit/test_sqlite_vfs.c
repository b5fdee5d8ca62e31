/* Holdfast: promises of SQLite on the seam: the same answers as on the kernel, and after a power cut a whole database
 * with every acknowledged transaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "os/fault.h"
#include "os/sim.h"
#include "os/sqlite_vfs.h"

#define OK(expr) assert_int_equal((expr), RC_OK)
#define VFS "holdfast-test"

/* A database in the mode that a test asks for; NULL when the disk did not let it be opened. */
static sqlite3 *open_db(const char *path, const char *pragmas)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, VFS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

static const char wal_full[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                               "PRAGMA wal_autocheckpoint=8;";
static const char wal_normal[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                 "PRAGMA wal_autocheckpoint=8;";
static const char journal_full[] = "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;";
static const char journal_truncate[] = "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL;";

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(q, 0);
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
    return v;
}

static void assert_whole(sqlite3 *db)
{
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), "ok");
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
}

/* Two tables that one transaction changes together: k transactions are k rows in each. */
static const char make_tables[] = "CREATE TABLE IF NOT EXISTS a(n INTEGER PRIMARY KEY, body BLOB);"
                                  "CREATE TABLE IF NOT EXISTS b(n INTEGER PRIMARY KEY, body TEXT);"
                                  "CREATE INDEX IF NOT EXISTS b_body ON b(body);";
static const char one_transaction[] = "BEGIN IMMEDIATE; INSERT INTO a(body) VALUES(zeroblob(900));"
                                      "INSERT INTO b(body) VALUES(hex(randomblob(700))); COMMIT;";

static void answers_are_those_of_sqlite(const char *path, const char *pragmas)
{
    sqlite3 *db = open_db(path, pragmas);
    assert_non_null(db);
    assert_int_equal(run(db, make_tables), SQLITE_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(run(db, one_transaction), SQLITE_OK);
    assert_int_equal(run(db, "BEGIN; DELETE FROM a; ROLLBACK;"), SQLITE_OK);
    assert_int_equal(run(db, "DELETE FROM a WHERE n % 2; VACUUM;"), SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM a"), 50);
    /* large enough to spill into a temporary file */
    assert_int_equal(run(db, "PRAGMA temp_store=FILE; PRAGMA cache_size=10; CREATE TEMP TABLE t AS"
                             " SELECT x.body FROM b x, b y ORDER BY x.body, y.body;"),
                     SQLITE_OK);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 10000);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    db = open_db(path, pragmas);
    assert_non_null(db);
    assert_int_equal(ask(db, "SELECT count(*) FROM b"), 100);
    assert_whole(db);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void sqlite_works_on_the_kernel_and_leaves_no_temporary_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/holdfast-test-vfs-XXXXXX", path[OS_PATH_MAX];
    assert_non_null(mkdtemp(dir));
    OK(os_sqlite_vfs(os_real(), VFS, NULL));
    assert_true(os_path(path, dir, "wal.db"));
    answers_are_those_of_sqlite(path, wal_normal);
    OK(os_unlink(os_real(), path, NULL)); /* its WAL went with the last close */
    assert_true(os_path(path, dir, "journal.db"));
    answers_are_those_of_sqlite(path, journal_full);
    OK(os_unlink(os_real(), path, NULL));
    OK(os_unlink(os_real(), dir, NULL)); /* would fail if anything were left */
    os_sqlite_vfs_remove(VFS);
}

static void sqlite_works_in_memory_and_keeps_its_clock(void **state)
{
    (void)state;
    struct os_sim *s;
    OK(os_sim_new(3, &s));
    OK(os_mkdirs(os_sim_os(s), "/d", NULL));
    OK(os_sqlite_vfs(os_sim_os(s), VFS, NULL));
    struct err e;
    assert_int_equal(os_sqlite_vfs(os_sim_os(s), VFS, &e), RC_EXISTS);
    answers_are_those_of_sqlite("/d/x.db", wal_full);
    sqlite3 *db = open_db("/d/x.db", wal_full);
    assert_int_equal(ask(db, "SELECT strftime('%s','now')"), 1795219200);
    sqlite3_close(db);
    assert_int_equal(os_sim_open_files(s), 0);
    os_sqlite_vfs_remove(VFS);
    os_sim_free(s);
}

/* Runs transactions until the process dies at `step`, cuts the power, opens again. True when the script came to its end
 * before the step. */
struct script {
    const char *pragmas;
    bool committed_survives;
    int transactions;
};

static bool crash_once(const struct script *c, uint64_t seed, uint64_t step, enum os_sim_loss loss)
{
    struct os_sim *s;
    OK(os_sim_new(seed, &s));
    OK(os_mkdirs(os_sim_os(s), "/d", NULL));
    OK(os_sqlite_vfs(os_sim_os(s), VFS, NULL));
    os_sim_crash_at(s, step);
    int committed = 0;
    sqlite3 *db = open_db("/d/x.db", c->pragmas);
    bool alive = db != NULL && run(db, make_tables) == SQLITE_OK, made = alive;
    for (int i = 0; alive && i < c->transactions; i++) {
        alive = run(db, one_transaction) == SQLITE_OK;
        committed += alive;
    }
    sqlite3_close(db);
    os_sim_power_cut(s, loss);

    db = open_db("/d/x.db", c->pragmas);
    assert_non_null(db);
    assert_whole(db);
    if (!made || !c->committed_survives)
        assert_int_equal(run(db, make_tables), SQLITE_OK);
    int64_t rows = ask(db, "SELECT count(*) FROM a");
    assert_int_equal(ask(db, "SELECT count(*) FROM b"), rows);
    assert_true(rows <= committed + 1);
    if (c->committed_survives)
        assert_true(rows >= committed);
    assert_int_equal(run(db, one_transaction), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(os_sim_open_files(s), 0);
    os_sqlite_vfs_remove(VFS);
    os_sim_free(s);
    return alive;
}

static void crash_everywhere(const struct script *c)
{
    bool finished = false;
    for (uint64_t step = 1; !finished; step++) {
        finished = true;
        for (uint64_t seed = 0; seed < 3; seed++)
            finished &= crash_once(c, step * 1000 + seed, step, OS_SIM_LOSE_SOME);
        finished &= crash_once(c, step, step, OS_SIM_LOSE_ALL);
        finished &= crash_once(c, step, step, OS_SIM_LOSE_NONE);
        assert_true(step < 2000);
    }
}

static void a_committed_wal_transaction_survives_a_cut_at_every_step(void **state)
{
    (void)state;
    crash_everywhere(&(struct script){wal_full, true, 8});
}

static void synchronous_normal_may_lose_the_newest_but_is_never_torn(void **state)
{
    (void)state;
    crash_everywhere(&(struct script){wal_normal, false, 8});
}

static void a_rollback_journal_survives_a_cut_at_every_step(void **state)
{
    (void)state;
    crash_everywhere(&(struct script){journal_full, true, 3});
    crash_everywhere(&(struct script){journal_truncate, true, 3});
}

static void on_a_disk_that_lies_a_commit_is_lost(void **state)
{
    (void)state;
    struct os_sim *s;
    OK(os_sim_new(1, &s));
    OK(os_mkdirs(os_sim_os(s), "/d", NULL));
    OK(os_sqlite_vfs(os_sim_os(s), VFS, NULL));
    os_sim_disk_set(s, "/d", OS_SIM_DISK_SYNC_LIES);
    sqlite3 *db = open_db("/d/x.db", wal_full);
    assert_int_equal(run(db, make_tables), SQLITE_OK);
    assert_int_equal(run(db, one_transaction), SQLITE_OK);
    os_sim_power_cut(s, OS_SIM_LOSE_ALL);
    sqlite3_close(db);
    db = open_db("/d/x.db", wal_full);
    assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_master"), 0);
    sqlite3_close(db);
    os_sqlite_vfs_remove(VFS);
    os_sim_free(s);
}

static void a_disk_fault_fails_the_statement_and_not_the_database(void **state)
{
    (void)state;
    static const struct {
        enum os_call call;
        enum rc rc;
        int expect;
    } faults[] = {{OS_CALL_WRITE, RC_FULL, SQLITE_FULL},
                  {OS_CALL_WRITE, RC_IO, SQLITE_IOERR},
                  {OS_CALL_SYNC, RC_IO, SQLITE_IOERR}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct os_sim *s;
        struct os_fault *x;
        OK(os_sim_new(1, &s));
        OK(os_mkdirs(os_sim_os(s), "/d", NULL));
        OK(os_fault_new(os_sim_os(s), &x));
        OK(os_sqlite_vfs(os_fault_os(x), VFS, NULL));
        sqlite3 *db = open_db("/d/x.db", wal_full);
        assert_int_equal(run(db, make_tables), SQLITE_OK);
        assert_int_equal(run(db, one_transaction), SQLITE_OK);
        os_fault_set(x, &(struct os_fault_plan){
                            .calls = 1u << faults[i].call, .nth = 1, .rc = faults[i].rc, .short_write = true});
        assert_int_equal(run(db, one_transaction), faults[i].expect);
        assert_int_equal(os_fault_fired(x), 1);
        os_fault_set(x, NULL);
        sqlite3_close(db);
        db = open_db("/d/x.db", wal_full);
        assert_whole(db);
        assert_true(ask(db, "SELECT count(*) FROM a") >= 1);
        sqlite3_close(db);
        os_sqlite_vfs_remove(VFS);
        os_fault_free(x);
        os_sim_free(s);
    }
}

static void two_connections_of_the_process_keep_out_of_each_others_way(void **state)
{
    (void)state;
    struct os_sim *s;
    OK(os_sim_new(1, &s));
    OK(os_mkdirs(os_sim_os(s), "/d", NULL));
    OK(os_sqlite_vfs(os_sim_os(s), VFS, NULL));
    sqlite3 *a = open_db("/d/x.db", journal_full), *b = open_db("/d/x.db", journal_full);
    assert_int_equal(run(a, make_tables), SQLITE_OK);
    assert_int_equal(run(a, "BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(run(b, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    assert_int_equal(ask(b, "SELECT count(*) FROM a"), 0);
    assert_int_equal(run(a, "INSERT INTO a(body) VALUES('x'); COMMIT"), SQLITE_OK);
    assert_int_equal(ask(b, "SELECT count(*) FROM a"), 1);
    assert_int_equal(run(b, one_transaction), SQLITE_OK);
    assert_int_equal(ask(a, "SELECT count(*) FROM a"), 2);
    sqlite3_close(a);
    sqlite3_close(b);
    /* WAL here is one connection's alone */
    a = open_db("/d/x.db", wal_full);
    assert_int_equal(run(a, one_transaction), SQLITE_OK);
    assert_null(open_db("/d/x.db", wal_full));
    sqlite3_close(a);
    os_sqlite_vfs_remove(VFS);
    os_sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_works_on_the_kernel_and_leaves_no_temporary_files),
        cmocka_unit_test(sqlite_works_in_memory_and_keeps_its_clock),
        cmocka_unit_test(a_committed_wal_transaction_survives_a_cut_at_every_step),
        cmocka_unit_test(synchronous_normal_may_lose_the_newest_but_is_never_torn),
        cmocka_unit_test(a_rollback_journal_survives_a_cut_at_every_step),
        cmocka_unit_test(on_a_disk_that_lies_a_commit_is_lost),
        cmocka_unit_test(a_disk_fault_fails_the_statement_and_not_the_database),
        cmocka_unit_test(two_connections_of_the_process_keep_out_of_each_others_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
