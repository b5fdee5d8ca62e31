/* Reading a verb's arguments: amounts, spans, dates, sizes. Each refusal names the argument and shows what is right. */
#include "api/api_priv.h"

#include "base/money.h"

#define SHOWN_MAX 48u
#define QUARTER_OF_AN_HOUR_S 900

struct view control_arg(const struct control_call *c, const char *name)
{
    const json_t *v = json_object_get(c->args, name);

    if (!json_is_string(v))
        return view_of("", 0);
    return view_of(json_string_value(v), json_string_length(v));
}

bool control_has(const struct control_call *c, const char *name)
{
    return json_object_get(c->args, name) != NULL;
}

struct view control_arg_or(const struct control_call *c, const char *name, const char *fallback)
{
    struct view v = control_arg(c, name);

    return v.n ? v : view_cstr(fallback);
}

enum rc control_text(struct control_call *c, const char *name, struct view *ret)
{
    struct view v = control_arg(c, name);

    if (v.n == 0)
        return err_set(&c->err, RC_INVALID, "%s is missing", name);
    *ret = v;
    return RC_OK;
}

/* As much of a value as a message shows. */
static int shown(struct view v)
{
    return (int)(v.n < SHOWN_MAX ? v.n : SHOWN_MAX);
}

enum rc control_amount(struct control_call *c, const char *name, int64_t *ret)
{
    struct view v = control_arg(c, name);
    int64_t nano = 0;
    enum rc rc = money_parse(v, &nano);

    if (rc == RC_LIMIT)
        return err_set(&c->err, rc, "%s %.*s: the largest amount is 9223372036.854775807", name, shown(v), v.p);
    if (rc != RC_OK)
        return err_set(&c->err, RC_INVALID,
                       "%s \"%.*s\": an amount is a decimal number with at most 9 places, such as 100.00", name,
                       shown(v), v.p);
    *ret = nano;
    return RC_OK;
}

enum rc control_positive(struct control_call *c, const char *name, int64_t *ret)
{
    struct view v = control_arg(c, name);
    int64_t nano = 0;

    HF_TRY(control_amount(c, name, &nano));
    if (nano <= 0)
        return err_set(&c->err, RC_INVALID, "%s %.*s: must be above zero", name, shown(v), v.p);
    *ret = nano;
    return RC_OK;
}

enum rc control_not_negative(struct control_call *c, const char *name, int64_t *ret)
{
    struct view v = control_arg(c, name);
    int64_t nano = 0;

    HF_TRY(control_amount(c, name, &nano));
    if (nano < 0)
        return err_set(&c->err, RC_INVALID, "%s %.*s: must not be below zero", name, shown(v), v.p);
    *ret = nano;
    return RC_OK;
}

enum rc control_span(struct control_call *c, const char *name, int64_t *ret)
{
    struct view v = control_arg(c, name);

    if (duration_parse(v, ret) != RC_OK)
        return err_set(&c->err, RC_INVALID, "%s \"%.*s\": a span of time is such as 90s, 5m, 25h, 3d or 1h30m", name,
                       shown(v), v.p);
    return RC_OK;
}

/* ---- dates ---- */

/* "+08:00" */
static bool zone_parse(struct view v, int64_t *ret_s)
{
    uint64_t hours = 0, minutes = 0;

    if (v.n != 6 || (v.p[0] != '+' && v.p[0] != '-') || v.p[3] != ':' || !view_u64(view_sub(v, 1, 2), &hours) ||
        !view_u64(view_sub(v, 4, 2), &minutes))
        return false;
    int64_t s = (int64_t)(hours * 3600 + minutes * 60);
    *ret_s = v.p[0] == '-' ? -s : s;
    return s % QUARTER_OF_AN_HOUR_S == 0;
}

/* The zone of the account's price book, in which its statements and its days are. A month long past has no lines. */
static enum rc zone_of(struct control_call *c, struct view account, int64_t *ret_s)
{
    json_t *statement = NULL;

    HF_TRY(
        meter_statement_json(c->engine->meter, account, VIEW("1970-01"), seq_now(c->engine->seq), &statement, &c->err));
    const char *zone = json_string_value(json_object_get(statement, "time_zone"));
    bool ok = zone && zone_parse(view_cstr(zone), ret_s);
    json_decref(statement);
    return ok ? RC_OK : err_set(&c->err, RC_CORRUPT, "the account's time zone was not understood: give the time too");
}

/* YYYY-MM-DD, a day that exists. */
static bool day_parse(struct view v, int64_t *ret_s)
{
    struct civil day = {0}, again;
    uint64_t year = 0, month = 0, d = 0;

    if (v.n != 10 || v.p[4] != '-' || v.p[7] != '-' || !view_u64(view_sub(v, 0, 4), &year) ||
        !view_u64(view_sub(v, 5, 2), &month) || !view_u64(view_sub(v, 8, 2), &d) || month < 1 || month > 12 || d < 1)
        return false;
    day.year = (int)year;
    day.month = (int)month;
    day.day = (int)d;
    int64_t s = civil_to_s(&day);
    civil_from_s(s, &again);
    *ret_s = s;
    return year >= 1970 && year < 2200 && again.day == day.day && again.month == day.month;
}

enum rc control_date(struct control_call *c, struct view account, const char *name, int64_t *ret)
{
    struct view v = control_arg(c, name);
    int64_t s = 0, zone_s = 0, ns = 0;

    if (day_parse(v, &s)) {
        HF_TRY(zone_of(c, account, &zone_s));
        *ret = (s - zone_s) * NS_PER_S;
        return RC_OK;
    }
    if (time_parse_rfc3339(v, &ns) != RC_OK)
        return err_set(&c->err, RC_INVALID, "%s \"%.*s\": a date is such as 2026-12-31 or 2026-12-31T18:00:00Z", name,
                       shown(v), v.p);
    *ret = ns;
    return RC_OK;
}

/* ---- sizes ---- */

bool api_size_parse(struct view v, uint64_t *ret)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"KiB", 1ull << 10}, {"MiB", 1ull << 20},    {"GiB", 1ull << 30},           {"TiB", 1ull << 40},
                 {"KB", 1000},        {"MB", 1000ull * 1000}, {"GB", 1000ull * 1000 * 1000}, {"TB", 1000000000000ull}};
    uint64_t n = 0, unit = 1;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t tail = strlen(units[i].unit);

        if (v.n <= tail || !view_eqs(view_sub(v, v.n - tail, tail), units[i].unit))
            continue;
        unit = units[i].bytes;
        v = view_trim(view_sub(v, 0, v.n - tail));
        break;
    }
    if (!view_u64(v, &n) || n > INT64_MAX / unit)
        return false;
    *ret = n * unit;
    return true;
}

enum rc control_limit(struct control_call *c, const char *name, uint64_t *ret)
{
    struct view v = control_arg(c, name);
    bool bytes = view_eqs(view_cstr(name), "bytes") || view_eqs(view_cstr(name), "egress-per-day");
    uint64_t n = 0;

    if (view_eqs(v, "none")) {
        *ret = QUOTA_NONE;
        return RC_OK;
    }
    if (bytes ? !api_size_parse(v, &n) : !view_u64(v, &n) || n > INT64_MAX)
        return err_set(&c->err, RC_INVALID, "%s \"%.*s\": must be %s, or none", name, shown(v), v.p,
                       bytes ? "a size such as 10GiB, 1TB or 1048576" : "a whole number");
    *ret = n;
    return RC_OK;
}
