/* Holdfast: arrears timetables: from YAML to stages. */
#include "account/account_priv.h"

#include <stdlib.h>

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS (24 * HOUR_NS)
#define STOP_HOURS_MAX 8760
#define DESTROY_DAYS_MAX 3650

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

static enum rc read_dates(struct timetable *t, const struct book_reader *r)
{
    uint64_t stop, earliest, latest;

    HF_TRY(book_integer(r, r->root, "stop_after", "hours-after-zero", 0, STOP_HOURS_MAX, &stop));
    HF_TRY(book_integer(r, r->root, "destroy_earliest", "days-after-zero", 1, DESTROY_DAYS_MAX, &earliest));
    HF_TRY(book_integer(r, r->root, "destroy_latest", "days-after-zero", 1, DESTROY_DAYS_MAX, &latest));
    t->stop_ns = (int64_t)stop * HOUR_NS;
    t->destroy_earliest_ns = (int64_t)earliest * DAY_NS;
    t->destroy_latest_ns = (int64_t)latest * DAY_NS;
    if (t->stop_ns > t->destroy_earliest_ns)
        return book_refuse(r, yaml_get(r->root, "stop_after"), "the stop comes after destroy_earliest");
    if (earliest > latest)
        return book_refuse(r, yaml_get(r->root, "destroy_earliest"), "destroy_earliest is after destroy_latest");
    return RC_OK;
}

static enum rc read_allowed(struct timetable *t, const struct book_reader *r)
{
    static const char *const rules[] = {"all", "read-only", "nothing", NULL};
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
