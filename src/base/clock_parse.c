/* Holdfast: text to times and spans. Every parser takes the whole view or nothing. */
#include "base/clock.h"

/* What is left to read. Each take_* moves past what it took, or gives false; then the parse is over. */
struct scan {
    const char *p;
    const char *end;
};

static struct scan scan_of(struct view v)
{
    return (struct scan){v.p, v.p + v.n};
}

static bool take_char(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool take_either(struct scan *s, char a, char b)
{
    return take_char(s, a) || take_char(s, b);
}

static bool take_text(struct scan *s, struct view text)
{
    if (!view_starts(view_of(s->p, (size_t)(s->end - s->p)), text))
        return false;
    s->p += text.n;
    return true;
}

static bool at_digit(const struct scan *s)
{
    return s->p != s->end && *s->p >= '0' && *s->p <= '9';
}

/* Exactly `digits` digits. */
static bool take_int(struct scan *s, int digits, int *ret)
{
    int v = 0;
    for (int i = 0; i < digits; i++) {
        if (!at_digit(s))
            return false;
        v = v * 10 + (*s->p++ - '0');
    }
    *ret = v;
    return true;
}

/* One of n names of three letters, 0-based. */
static bool take_name3(struct scan *s, const char (*names)[4], int n, int *ret)
{
    for (int i = 0; i < n; i++) {
        if (take_text(s, view_of(names[i], 3))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool take_month(struct scan *s, struct civil *c)
{
    static const char names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (!take_name3(s, names, 12, &c->month))
        return false;
    c->month++;
    return true;
}

static bool take_weekday(struct scan *s, int *ret)
{
    static const char names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    return take_name3(s, names, 7, ret);
}

static bool take_hms(struct scan *s, struct civil *c)
{
    return take_int(s, 2, &c->hour) && take_char(s, ':') && take_int(s, 2, &c->minute) && take_char(s, ':') &&
           take_int(s, 2, &c->second);
}

static int days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* A second of 60 is a leap second and counts as the next second, as POSIX time has it. */
static bool civil_valid(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c->year, c->month) &&
           c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

static enum rc civil_ns(const struct civil *c, int64_t offset_s, int64_t fraction_ns, int64_t *ret_ns)
{
    int64_t ns;
    if (!civil_valid(c))
        return RC_INVALID;
    if (__builtin_mul_overflow(civil_to_s(c) - offset_s, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns))
        return RC_LIMIT;
    *ret_ns = ns;
    return RC_OK;
}

/* ".5", ".123456789123": digits past the ninth are dropped. Absent is 0. */
static bool take_fraction(struct scan *s, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (!take_char(s, '.'))
        return true;
    if (!at_digit(s))
        return false;
    for (int64_t unit = NS_PER_S / 10; at_digit(s); unit /= 10)
        *ret_ns += (*s->p++ - '0') * unit;
    return true;
}

static bool take_zone(struct scan *s, int64_t *ret_offset_s)
{
    *ret_offset_s = 0;
    if (take_either(s, 'Z', 'z'))
        return true;
    int hour, minute, sign = take_char(s, '+') ? 1 : -1;
    if (sign < 0 && !take_char(s, '-'))
        return false;
    if (!take_int(s, 2, &hour) || !take_char(s, ':') || !take_int(s, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_offset_s = sign * (hour * 3600 + minute * 60);
    return true;
}

enum rc time_parse_rfc3339(struct view v, int64_t *ret_ns)
{
    struct scan s = scan_of(v);
    struct civil c = {0};
    int64_t fraction_ns, offset_s;
    bool ok = take_int(&s, 4, &c.year) && take_char(&s, '-') && take_int(&s, 2, &c.month) && take_char(&s, '-') &&
              take_int(&s, 2, &c.day) && (take_either(&s, 'T', 't') || take_char(&s, ' ')) && take_hms(&s, &c) &&
              take_fraction(&s, &fraction_ns) && take_zone(&s, &offset_s) && s.p == s.end;
    return ok ? civil_ns(&c, offset_s, fraction_ns, ret_ns) : RC_INVALID;
}

enum rc time_parse_basic(struct view v, int64_t *ret_ns)
{
    struct scan s = scan_of(v);
    struct civil c = {0};
    bool ok = take_int(&s, 4, &c.year) && take_int(&s, 2, &c.month) && take_int(&s, 2, &c.day) && take_char(&s, 'T') &&
              take_int(&s, 2, &c.hour) && take_int(&s, 2, &c.minute) && take_int(&s, 2, &c.second) &&
              take_char(&s, 'Z') && s.p == s.end;
    return ok ? civil_ns(&c, 0, 0, ret_ns) : RC_INVALID;
}

/* "06 Nov 1994 08:49:37 GMT", after "Sun, ". */
static bool take_imf(struct scan *s, struct civil *c)
{
    return take_text(s, VIEW(", ")) && take_int(s, 2, &c->day) && take_char(s, ' ') && take_month(s, c) &&
           take_char(s, ' ') && take_int(s, 4, &c->year) && take_char(s, ' ') && take_hms(s, c) &&
           take_text(s, VIEW(" GMT"));
}

/* "day, 06-Nov-94 08:49:37 GMT", after "Sun". Two-digit years are 1970 to 2069. */
static bool take_rfc850(struct scan *s, struct civil *c, int weekday)
{
    static const char *const rest[7] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
    bool ok = take_text(s, view_cstr(rest[weekday])) && take_text(s, VIEW(", ")) && take_int(s, 2, &c->day) &&
              take_char(s, '-') && take_month(s, c) && take_char(s, '-') && take_int(s, 2, &c->year) &&
              take_char(s, ' ') && take_hms(s, c) && take_text(s, VIEW(" GMT"));
    if (ok)
        c->year += c->year < 70 ? 2000 : 1900;
    return ok;
}

/* " Nov  6 08:49:37 1994", after "Sun". */
static bool take_asctime(struct scan *s, struct civil *c)
{
    if (!take_char(s, ' ') || !take_month(s, c) || !take_char(s, ' '))
        return false;
    bool day = take_char(s, ' ') ? take_int(s, 1, &c->day) : take_int(s, 2, &c->day);
    return day && take_char(s, ' ') && take_hms(s, c) && take_char(s, ' ') && take_int(s, 4, &c->year);
}

enum rc time_parse_http(struct view v, int64_t *ret_ns)
{
    struct scan s = scan_of(v);
    struct civil c = {0};
    int weekday;
    if (!take_weekday(&s, &weekday) || s.p == s.end)
        return RC_INVALID;
    bool ok;
    if (*s.p == ',')
        ok = take_imf(&s, &c);
    else if (*s.p == ' ')
        ok = take_asctime(&s, &c);
    else
        ok = take_rfc850(&s, &c, weekday);
    return ok && s.p == s.end ? civil_ns(&c, 0, 0, ret_ns) : RC_INVALID;
}

static bool unit_ns(char unit, int64_t *ret_ns)
{
    switch (unit) {
    case 'd':
        *ret_ns = 86400 * NS_PER_S;
        return true;
    case 'h':
        *ret_ns = 3600 * NS_PER_S;
        return true;
    case 'm':
        *ret_ns = 60 * NS_PER_S;
        return true;
    case 's':
        *ret_ns = NS_PER_S;
        return true;
    default:
        return false;
    }
}

/* Units must get smaller from left to right, so that "5m1h" and "1h1h" are mistakes and not sums. */
enum rc duration_parse(struct view v, int64_t *ret_ns)
{
    int64_t sum = 0, last_unit = INT64_MAX;
    for (size_t at = 0; at < v.n;) {
        size_t digits = 0;
        uint64_t count;
        int64_t unit, part;
        while (at + digits < v.n && v.p[at + digits] >= '0' && v.p[at + digits] <= '9')
            digits++;
        if (digits == 0 || at + digits == v.n || !unit_ns(v.p[at + digits], &unit) || unit >= last_unit)
            return RC_INVALID;
        if (!view_u64(view_sub(v, at, digits), &count) || __builtin_mul_overflow(count, unit, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return RC_LIMIT;
        last_unit = unit;
        at += digits + 1;
    }
    if (sum <= 0)
        return RC_INVALID;
    *ret_ns = sum;
    return RC_OK;
}
