/* Holdfast: the calendar, and times as text. */
#include "base/clock.h"

#include <stdio.h>

#define DAY_S 86400
/* The calendar repeats every 400 years. Years are counted from 1 March, so that a leap day is a year's last. */
#define ERA_YEARS 400
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static const char weekday_name[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_name[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int64_t div_floor(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Days from 1 March to the first of a month that is `m` months after March: months of 31, 30, 31, 30, 31 days repeat
 * every five, which the integer division follows. */
static int64_t days_before_month(int64_t m)
{
    return (153 * m + 2) / 5;
}

void civil_from_s(int64_t unix_s, struct civil *ret)
{
    int64_t days = div_floor(unix_s, DAY_S);
    int64_t rest = unix_s - days * DAY_S;
    int64_t since = days + EPOCH_DAYS;
    int64_t era = div_floor(since, ERA_DAYS);
    int64_t in_era = since - era * ERA_DAYS;
    /* Take out the leap days passed so far, then divide by plain years. */
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153;

    ret->day = (int)(in_year - days_before_month(month) + 1);
    ret->month = (int)(month < 10 ? month + 3 : month - 9);
    ret->year = (int)(era * ERA_YEARS + year + (month >= 10));
    ret->hour = (int)(rest / 3600);
    ret->minute = (int)(rest / 60 % 60);
    ret->second = (int)(rest % 60);
    ret->weekday = (int)(days + 4 - div_floor(days + 4, 7) * 7); /* 1970-01-01 was a Thursday */
}

int64_t civil_to_s(const struct civil *c)
{
    int64_t month = (c->month + 9) % 12;
    int64_t year = (int64_t)c->year - (month >= 10);
    int64_t era = div_floor(year, ERA_YEARS);
    int64_t in_era = year - era * ERA_YEARS;
    int64_t days = era * ERA_DAYS + 365 * in_era + in_era / 4 - in_era / 100 + days_before_month(month) + c->day - 1;
    return (days - EPOCH_DAYS) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

/* Lists print a time per entry: printf would be a fifth of their cost. */
static char *put_digits(char *p, int v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + width;
}

static char *put_clock(char *p, const struct civil *c)
{
    p = put_digits(p, c->hour, 2);
    *p++ = ':';
    p = put_digits(p, c->minute, 2);
    *p++ = ':';
    return put_digits(p, c->second, 2);
}

const char *time_rfc3339(int64_t ns, bool millis, char *buf)
{
    struct civil c;
    char *p = buf;
    int64_t s = div_floor(ns, NS_PER_S);
    civil_from_s(s, &c);
    p = put_digits(p, c.year, 4);
    *p++ = '-';
    p = put_digits(p, c.month, 2);
    *p++ = '-';
    p = put_digits(p, c.day, 2);
    *p++ = 'T';
    p = put_clock(p, &c);
    if (millis) {
        *p++ = '.';
        p = put_digits(p, (int)((ns - s * NS_PER_S) / 1000000), 3);
    }
    *p++ = 'Z';
    *p = 0;
    return buf;
}

const char *time_http(int64_t ns, char *buf)
{
    struct civil c;
    char *p = buf;
    civil_from_s(div_floor(ns, NS_PER_S), &c);
    memcpy(p, weekday_name[c.weekday], 3);
    p[3] = ',';
    p[4] = ' ';
    p = put_digits(p + 5, c.day, 2);
    *p++ = ' ';
    memcpy(p, month_name[c.month - 1], 3);
    p[3] = ' ';
    p = put_digits(p + 4, c.year, 4);
    *p++ = ' ';
    p = put_clock(p, &c);
    memcpy(p, " GMT", 5);
    return buf;
}

const char *time_basic(int64_t ns, char *buf)
{
    struct civil c;
    civil_from_s(div_floor(ns, NS_PER_S), &c);
    snprintf(buf, TIME_TEXT_MAX, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
    return buf;
}
