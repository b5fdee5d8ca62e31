/* Holdfast: arrears timetables: from YAML to stages. share/timetables/README.md describes the form. */
#include "account/account_priv.h"

#include <stdlib.h>

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS (24 * HOUR_NS)
#define SPAN_DAYS_MAX 3650

/* Units of a span: hours or days, after the balance went below zero or after the stop. */
static const char *const after_zero[] = {"hours-after-zero", "days-after-zero", NULL};
static const char *const after_any[] = {"hours-after-zero", "days-after-zero", "hours-after-stop", "days-after-stop",
                                        NULL};
#define UNIT_IS_DAYS(unit) ((unit) % 2 == 1)
#define UNIT_AFTER_STOP 2 /* and those behind it */

static const char *const rules[STAGE_RULES + 1] = {
    [STAGE_ALL] = "all",         [STAGE_NO_NEW_BUCKETS] = "no-new-buckets", [STAGE_READ_ONLY] = "read-only",
    [STAGE_NOTHING] = "nothing", [STAGE_KEYS_INVALID] = "keys-invalid",
};

const char *stage_name(enum stage s)
{
    static const char *const names[STAGE_COUNT] = {"active", "warn", "stop", "retention", "purgeable"};
    HF_ASSERT((unsigned)s < STAGE_COUNT);
    return names[s];
}

enum stage timetable_stage(const struct timetable *t, int64_t since_zero_ns)
{
    if (since_zero_ns < 0)
        return STAGE_ACTIVE;
    if (since_zero_ns >= t->destroy_latest_ns)
        return STAGE_PURGEABLE;
    if (since_zero_ns >= t->destroy_earliest_ns)
        return STAGE_RETENTION;
    return since_zero_ns >= t->stop_ns ? STAGE_STOP : STAGE_WARN;
}

enum stage_rule timetable_rule(const struct timetable *t, int64_t since_zero_ns)
{
    if (since_zero_ns < 0)
        return STAGE_ALL;
    enum stage_rule rule = t->rule[timetable_stage(t, since_zero_ns)];
    for (unsigned i = 0; i < t->n_steps && t->step[i].after_ns <= since_zero_ns; i++) {
        if (t->step[i].rule > rule)
            rule = t->step[i].rule;
    }
    return rule;
}

/* The figure's span under `number`, after the balance went below zero. */
static enum rc read_span(const struct timetable *t, const struct book_reader *r, struct yaml_node *figure,
                         const char *key, const char *number, const char *const *units, int64_t *ret_ns)
{
    unsigned unit;
    uint64_t n;

    HF_TRY(book_measure(r, figure, key, units, &unit));
    HF_TRY(book_number(r, figure, number, 0, UNIT_IS_DAYS(unit) ? SPAN_DAYS_MAX : SPAN_DAYS_MAX * 24, &n));
    *ret_ns = (int64_t)n * (UNIT_IS_DAYS(unit) ? DAY_NS : HOUR_NS) + (unit >= UNIT_AFTER_STOP ? t->stop_ns : 0);
    return RC_OK;
}

static enum rc read_date(const struct timetable *t, const struct book_reader *r, const char *key,
                         const char *const *units, int64_t *ret_ns)
{
    struct yaml_node *figure;

    HF_TRY(book_map(r, r->root, key, &figure));
    return read_span(t, r, figure, key, "value", units, ret_ns);
}

static enum rc read_dates(struct timetable *t, const struct book_reader *r)
{
    HF_TRY(read_date(t, r, "stop_after", after_zero, &t->stop_ns));
    HF_TRY(read_date(t, r, "destroy_earliest", after_any, &t->destroy_earliest_ns));
    HF_TRY(read_date(t, r, "destroy_latest", after_any, &t->destroy_latest_ns));
    if (t->destroy_earliest_ns == 0)
        return book_refuse(r, yaml_get(r->root, "destroy_earliest"),
                           "nothing is destroyed at once: destroy_earliest "
                           "must be above 0");
    if (t->stop_ns > t->destroy_earliest_ns)
        return book_refuse(r, yaml_get(r->root, "stop_after"), "the stop comes after destroy_earliest");
    if (t->destroy_earliest_ns > t->destroy_latest_ns)
        return book_refuse(r, yaml_get(r->root, "destroy_earliest"), "destroy_earliest is after destroy_latest");
    return RC_OK;
}

static enum rc read_allowed(struct timetable *t, const struct book_reader *r)
{
    struct yaml_node *map;
    unsigned rule;

    HF_TRY(book_map(r, r->root, "allowed", &map));
    t->rule[STAGE_ACTIVE] = STAGE_ALL;
    for (unsigned s = STAGE_WARN; s < STAGE_COUNT; s++) {
        HF_TRY(book_word(r, map, stage_name(s), rules, &rule));
        t->rule[s] = (enum stage_rule)rule;
    }
    return RC_OK;
}

static enum rc read_step(struct timetable *t, const struct book_reader *r, struct yaml_node *n)
{
    unsigned rule, i = t->n_steps;

    if (n->kind != YAML_MAP)
        return book_refuse(r, n, "a step is a map {after, unit, allowed, source, as_of}");
    if (i == TIMETABLE_STEPS_MAX)
        return book_refuse(r, n, "there are more than %d steps", TIMETABLE_STEPS_MAX);
    HF_TRY(read_span(t, r, n, "steps", "after", after_any, &t->step[i].after_ns));
    HF_TRY(book_choice(r, n, "allowed", rules, &rule));
    if (i > 0 && t->step[i].after_ns <= t->step[i - 1].after_ns)
        return book_refuse(r, yaml_get(n, "after"), "the steps must ascend");
    t->step[i].rule = (enum stage_rule)rule;
    t->n_steps++;
    return RC_OK;
}

static enum rc read_steps(struct timetable *t, const struct book_reader *r)
{
    struct yaml_node *list = yaml_get(r->root, "steps");

    if (!list)
        return RC_OK;
    if (list->kind != YAML_LIST)
        return book_refuse(r, list, "`steps` must be a list");
    for (struct yaml_node *n = list->child; n; n = n->next)
        HF_TRY(read_step(t, r, n));
    return RC_OK;
}

/* The words end up in an XML error and in a sentence of ours: one line, printable. */
static enum rc read_words(struct timetable *t, const struct book_reader *r)
{
    struct yaml_node *value;

    HF_TRY(book_figure(r, r->root, "refusal", "message", &value));
    for (size_t i = 0; i < value->text.n; i++) {
        if ((unsigned char)value->text.p[i] < 0x20 || value->text.p[i] == 0x7f)
            return book_refuse(r, value, "`refusal` must be one line without control characters");
    }
    HF_ASSERT(view_copy(value->text, t->words, sizeof(t->words)));
    return RC_OK;
}

static enum rc read_timetable(struct timetable *t, struct book_reader *r)
{
    HF_TRY(read_dates(t, r));
    HF_TRY(read_allowed(t, r));
    HF_TRY(read_steps(t, r));
    HF_TRY(read_words(t, r));
    return yaml_unused(r->file, r->root, r->e);
}

enum rc timetable_parse(const char *file, struct view yaml, struct timetable **ret, struct err *e)
{
    struct book_reader r;
    struct timetable *t = calloc(1, sizeof(*t));

    if (!t)
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    enum rc rc = book_open(&r, file, yaml, &t->id, e);
    if (rc == RC_OK)
        rc = read_timetable(t, &r);
    book_close(&r);
    if (rc != RC_OK) {
        timetable_free(t);
        return rc;
    }
    *ret = t;
    return RC_OK;
}

void timetable_free(struct timetable *t)
{
    if (!t)
        return;
    book_id_free(&t->id);
    free(t);
}
