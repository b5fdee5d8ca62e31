/* Holdfast: budgets: what may be spent in a month or a quarter, on what, and who said so.
 *
 * A budget goes request -> review (by finance) -> allocation (by finance or the owner) -> active -> closed; each step
 * is a record with actor and role. Steps out of order or by the wrong role change nothing, here as in the check before.
 *
 * Scope: "account"; "bucket:NAME"; "department:NAME", the same as "tag:department=NAME"; "tag:KEY=VALUE": the buckets
 * that have this tag now. What is spent is what the statement's lines of the period say (vouchers pay, but it is
 * spent). Periods are calendar months and quarters in the time zone of the account's price book.
 *
 * Thresholds are decided when an hour closes, so they depend on the records alone (invariant M2): 50, 80 and 100
 * percent of the amount spent, and 101: what is spent so far, and the same an hour for the rest of the period, passes
 * it. Each is told once in a period, as BUDGET_MARK.
 *
 * All of it is in the database; the lock is held as for all of meter_priv.h. */
#ifndef HF_METER_BUDGET_H
#define HF_METER_BUDGET_H

#include "meter/meter_priv.h"

/* Makes the tables: part of a migration. */
#define BUDGET_SCHEMA                                                                                                  \
    "CREATE TABLE budget ("                                                                                            \
    " id INTEGER PRIMARY KEY," /* sequence of its request */                                                           \
    " account INTEGER NOT NULL,"                                                                                       \
    " scope TEXT NOT NULL,"                                                                                            \
    " period INTEGER NOT NULL," /* enum budget_period */                                                               \
    " amount_nano INTEGER NOT NULL,"                                                                                   \
    " state INTEGER NOT NULL);" /* enum budget_state */                                                                \
    "CREATE INDEX budget_account ON budget (account);"                                                                 \
    "CREATE TABLE budget_step ("                                                                                       \
    " seq INTEGER PRIMARY KEY,"                                                                                        \
    " budget INTEGER NOT NULL,"                                                                                        \
    " step INTEGER NOT NULL," /* enum budget_step */                                                                   \
    " approved INTEGER NOT NULL,"                                                                                      \
    " time_ns INTEGER NOT NULL,"                                                                                       \
    " actor TEXT NOT NULL,"                                                                                            \
    " role TEXT NOT NULL,"                                                                                             \
    " amount_nano INTEGER NOT NULL,"                                                                                   \
    " note TEXT NOT NULL);"                                                                                            \
    "CREATE INDEX budget_step_budget ON budget_step (budget);"                                                         \
    "CREATE TABLE budget_mark ("                                                                                       \
    " budget INTEGER NOT NULL,"                                                                                        \
    " from_ns INTEGER NOT NULL," /* begin of the period */                                                             \
    " level INTEGER NOT NULL,"   /* percent; 101 = the forecast passes the amount */                                   \
    " cause INTEGER NOT NULL,"   /* the tick that closed the hour */                                                   \
    " recorded_seq INTEGER,"     /* of its BUDGET_MARK */                                                              \
    " PRIMARY KEY (budget, from_ns, level)) WITHOUT ROWID;"

enum budget_state { BUDGET_REQUESTED, BUDGET_REJECTED, BUDGET_APPROVED, BUDGET_ACTIVE, BUDGET_CLOSED };

struct budget {
    uint64_t id, account;
    enum budget_period period;
    int64_t amount_nano;
    enum budget_state state;
    char scope[SCOPE_MAX + 1];
};
/* From a row of BUDGET_COLUMNS. RC_CORRUPT. */
#define BUDGET_COLUMNS "id, account, scope, period, amount_nano, state"
enum rc budget_row(struct sql_stmt *q, struct budget *ret, struct err *e) HF_MUST_USE;
const char *budget_state_name(enum budget_state s);
const char *budget_step_name(enum budget_step s);

enum scope_kind { SCOPE_ACCOUNT, SCOPE_BUCKET, SCOPE_TAG };
struct scope {
    enum scope_kind kind;
    struct view name;  /* of the bucket, or the tag's key */
    struct view value; /* the tag's */
};
bool budget_scope_parse(struct view text, struct scope *ret);

/* ---- meter_budget.c: steps ---- */
/* May this step be taken? What apply would refuse, said to a person. a: the account, when it was named; a request needs
 * one, of other steps r->account is filled from the budget. */
enum rc budget_check(const struct meter *m, const struct meter_account *a, struct account_rec *r,
                     struct err *e) HF_MUST_USE;
/* A REC_BUDGET. A step that may not be is kept as refused (meter_refuse). */
enum rc budget_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r,
                     struct err *e) HF_MUST_USE;
/* Every row, in order, into the meter's digest. */
enum rc budget_digest(const struct meter *m, struct digest *d, struct err *e) HF_MUST_USE;

/* ---- meter_spend.c: what was spent, and thresholds ---- */
/* The hour was closed into the month's sums, by the tick `cause`: which thresholds were passed by its end? */
enum rc budget_hour_closed(struct meter *m, int64_t hour, uint64_t cause, struct err *e) HF_MUST_USE;
/* After the database was loaded: thresholds without their record are queued again. */
enum rc budget_load(struct meter *m, struct err *e) HF_MUST_USE;
struct queued_note budget_mark_note(uint64_t account, uint64_t budget, int64_t from_ns, uint64_t level, uint64_t cause);

#endif
