/* Promises of the SQL layer: parameters of every kind, transactions whole or not at all, migrations once, crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/sql.h"
#include "os/fault.h"
#include "os/sim.h"

static const char *const migrations[] = {"CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);"
                                         "CREATE TABLE child(t INTEGER NOT NULL REFERENCES t(id))",
                                         "CREATE INDEX t_a ON t(a)"};

static struct sql *memory(void)
{
    struct sql *s = NULL;
    struct err e = {""};
    assert_int_equal(sql_open_memory(&s, &e), RC_OK);
    assert_int_equal(sql_migrate(s, migrations, 2, &e), RC_OK);
    return s;
}

static int64_t count(struct sql *s)
{
    struct sql_stmt *q;
    struct err e = {""};
    assert_int_equal(sql_query(s, &e, &q, "SELECT count(*) FROM t", ""), RC_OK);
    assert_int_equal(sql_next(q, &e), RC_OK);
    int64_t n = sql_i64(q, 0);
    sql_done(q);
    return n;
}

static void insert(struct sql *s, int64_t id)
{
    struct err e = {""};
    assert_int_equal(sql_exec(s, &e, "INSERT INTO t(id, a) VALUES(?, 'x')", "i", id), RC_OK);
}

static void every_kind_of_argument_comes_back_as_given(void **state)
{
    (void)state;
    struct sql *s = memory();
    struct err e = {""};
    struct sql_stmt *q;
    const char *insert_text = "INSERT INTO t VALUES(?,?,?)";
    assert_int_equal(sql_exec(s, &e, insert_text, "ivb", INT64_MIN, view_of("a\0b", 3), view_of("\0\xff", 2)), RC_OK);
    assert_int_equal(sql_exec(s, &e, insert_text, "itv", INT64_MAX, (const char *)NULL, view_of(NULL, 0)), RC_OK);
    assert_int_equal(sql_changes(s), 1);
    assert_int_equal(sql_query(s, &e, &q, "SELECT id, a, b FROM t ORDER BY id", ""), RC_OK);
    assert_int_equal(sql_next(q, &e), RC_OK);
    assert_true(sql_i64(q, 0) == INT64_MIN);
    assert_true(view_eq(sql_text(q, 1), view_of("a\0b", 3)));
    assert_true(view_eq(sql_text(q, 2), view_of("\0\xff", 2)));
    assert_int_equal(sql_next(q, &e), RC_OK);
    assert_true(sql_i64(q, 0) == INT64_MAX);
    assert_true(sql_is_null(q, 1));
    assert_false(sql_is_null(q, 2));
    assert_int_equal(sql_text(q, 2).n, 0);
    assert_int_equal(sql_next(q, &e), RC_END);
    sql_close(s);
}

static void text_bound_to_a_query_is_copied(void **state)
{
    (void)state;
    struct sql *s = memory();
    struct err e = {""};
    struct sql_stmt *q;
    char word[] = "gone";
    assert_int_equal(sql_query(s, &e, &q, "SELECT ?", "t", word), RC_OK);
    memset(word, 'x', 4);
    assert_int_equal(sql_next(q, &e), RC_OK);
    assert_true(view_eqs(sql_text(q, 0), "gone"));
    sql_done(q);
    sql_close(s);
}

static void the_same_query_can_run_inside_itself(void **state)
{
    (void)state;
    static const char text[] = "SELECT id FROM t ORDER BY id";
    struct sql *s = memory();
    struct err e = {""};
    struct sql_stmt *outer, *inner;
    int64_t seen = 0;
    insert(s, 1);
    insert(s, 2);
    assert_int_equal(sql_query(s, &e, &outer, text, ""), RC_OK);
    while (sql_next(outer, &e) == RC_OK) {
        assert_int_equal(sql_query(s, &e, &inner, text, ""), RC_OK);
        while (sql_next(inner, &e) == RC_OK)
            seen += sql_i64(outer, 0) * 10 + sql_i64(inner, 0);
    }
    assert_int_equal(seen, 11 + 12 + 21 + 22);
    sql_close(s);
}

static void a_transaction_is_kept_whole_or_not_at_all(void **state)
{
    (void)state;
    struct sql *s = memory();
    struct err e = {""};
    assert_int_equal(sql_begin(s, &e), RC_OK);
    insert(s, 1);
    sql_rollback(s);
    assert_int_equal(count(s), 0);
    sql_rollback(s);
    assert_int_equal(sql_begin(s, &e), RC_OK);
    insert(s, 1);
    insert(s, 2);
    assert_int_equal(sql_commit(s, &e), RC_OK);
    assert_int_equal(count(s), 2);
    sql_close(s);
}

static void constraints_and_foreign_keys_are_kept(void **state)
{
    (void)state;
    struct sql *s = memory();
    struct err e = {""};
    insert(s, 1);
    assert_int_equal(sql_exec(s, &e, "INSERT INTO t(id) VALUES(1)", ""), RC_CONFLICT);
    assert_non_null(strstr(e.text, "INSERT INTO t(id)"));
    assert_int_equal(sql_exec(s, &e, "INSERT INTO child VALUES(7)", ""), RC_CONFLICT);
    assert_int_equal(sql_exec(s, &e, "INSERT INTO child VALUES(1)", ""), RC_OK);
    assert_int_equal(sql_exec(s, &e, "no such language", ""), RC_INVALID);
    sql_close(s);
}

static void migrations_run_once_each_and_a_newer_file_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {"CREATE TABLE a(x)", "CREATE TABLE b(x); CREATE TABLE a(x)"};
    struct sql *s = NULL;
    struct err e = {""};
    assert_int_equal(sql_open_memory(&s, &e), RC_OK);
    assert_int_equal(sql_migrate(s, migrations, 1, &e), RC_OK);
    insert(s, 1);
    assert_int_equal(sql_migrate(s, migrations, 2, &e), RC_OK);
    assert_int_equal(sql_migrate(s, migrations, 2, &e), RC_OK);
    assert_int_equal(count(s), 1);
    assert_int_equal(sql_migrate(s, migrations, 1, &e), RC_UNSUPPORTED);
    sql_close(s);
    assert_int_equal(sql_open_memory(&s, &e), RC_OK);
    assert_int_equal(sql_migrate(s, broken, 2, &e), RC_INVALID);
    assert_int_equal(sql_exec(s, &e, "INSERT INTO b VALUES(1)", ""), RC_INVALID); /* rolled back whole */
    assert_int_equal(sql_exec(s, &e, "INSERT INTO a VALUES(1)", ""), RC_OK);
    sql_close(s);
}

/* ---- on a simulated disk ---- */

static struct sql *open_on(struct os *os, struct err *e)
{
    struct sql *s = NULL;
    if (sql_open(os, "/disk1/control.db", &s, e) != RC_OK)
        return NULL;
    if (sql_migrate(s, migrations, 2, e) != RC_OK) {
        sql_close(s);
        return NULL;
    }
    return s;
}

/* Inserts pairs, each in one transaction, until something fails. */
static void insert_pairs(struct sql *s, int64_t from, int64_t n)
{
    struct err e;
    for (int64_t i = from; i < from + n; i++) {
        if (sql_begin(s, &e) != RC_OK)
            return;
        if (sql_exec(s, &e, "INSERT INTO t(id) VALUES(?)", "i", 2 * i) != RC_OK ||
            sql_exec(s, &e, "INSERT INTO t(id) VALUES(?)", "i", 2 * i + 1) != RC_OK) {
            sql_rollback(s);
            return;
        }
        if (sql_commit(s, &e) != RC_OK)
            return;
    }
}

static void a_power_cut_at_any_step_leaves_whole_transactions(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 400; step += 3) {
        struct os_sim *sim;
        struct err e = {""};
        assert_int_equal(os_sim_new(step, &sim), RC_OK);
        struct os *os = os_sim_os(sim);
        assert_int_equal(os_mkdirs(os, "/disk1", &e), RC_OK);
        os_sim_crash_at(sim, step);
        struct sql *s = open_on(os, &e);
        if (s) {
            insert_pairs(s, 0, 20);
            sql_close(s);
        }
        os_sim_crash_at(sim, 0);
        os_sim_power_cut(sim, step % 2 ? OS_SIM_LOSE_ALL : OS_SIM_LOSE_SOME);
        assert_int_equal(os_mkdirs(os, "/disk1", &e), RC_OK);
        s = open_on(os, &e);
        if (!s)
            fail_msg("step %d: %s", (int)step, e.text);
        int64_t n = count(s);
        assert_int_equal(n % 2, 0);
        insert_pairs(s, 100, 1);
        assert_int_equal(count(s), n + 2);
        sql_close(s);
        os_sim_free(sim);
    }
}

static void a_failed_write_is_an_error_and_changes_nothing(void **state)
{
    (void)state;
    struct os_sim *sim;
    struct os_fault *fault;
    struct err e = {""};
    assert_int_equal(os_sim_new(1, &sim), RC_OK);
    assert_int_equal(os_fault_new(os_sim_os(sim), &fault), RC_OK);
    struct os *os = os_fault_os(fault);
    assert_int_equal(os_mkdirs(os, "/disk1", &e), RC_OK);
    struct sql *s = open_on(os, &e);
    assert_non_null(s);
    insert_pairs(s, 0, 1);
    struct os_fault_plan plan = {.calls = 1u << OS_CALL_WRITE, .nth = 1, .for_ever = true, .rc = RC_FULL};
    os_fault_set(fault, &plan);
    insert_pairs(s, 10, 1);
    os_fault_set(fault, NULL);
    assert_int_equal(count(s), 2);
    insert_pairs(s, 20, 1);
    assert_int_equal(count(s), 4);
    sql_close(s);
    os_fault_free(fault);
    os_sim_free(sim);
}

static void a_file_that_is_no_database_is_corrupt(void **state)
{
    (void)state;
    struct os_sim *sim;
    struct err e = {""};
    static char junk[8192];
    memset(junk, 'j', sizeof(junk));
    assert_int_equal(os_sim_new(1, &sim), RC_OK);
    struct os *os = os_sim_os(sim);
    assert_int_equal(os_mkdirs(os, "/disk1", &e), RC_OK);
    assert_int_equal(os_write_file(os, "/disk1/control.db", view_of(junk, sizeof(junk)), &e), RC_OK);
    struct sql *s = NULL;
    assert_int_equal(sql_open(os, "/disk1/control.db", &s, &e), RC_CORRUPT);
    os_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_argument_comes_back_as_given),
        cmocka_unit_test(text_bound_to_a_query_is_copied),
        cmocka_unit_test(the_same_query_can_run_inside_itself),
        cmocka_unit_test(a_transaction_is_kept_whole_or_not_at_all),
        cmocka_unit_test(constraints_and_foreign_keys_are_kept),
        cmocka_unit_test(migrations_run_once_each_and_a_newer_file_is_refused),
        cmocka_unit_test(a_power_cut_at_any_step_leaves_whole_transactions),
        cmocka_unit_test(a_failed_write_is_an_error_and_changes_nothing),
        cmocka_unit_test(a_file_that_is_no_database_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
