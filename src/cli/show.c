/* Answers for people: aligned tables, colour only on a terminal, Chinese or English. */
#include "cli/cli_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_MAX 96
#define COLUMNS_MAX 8
#define ROWS_MAX 4096

static bool chinese(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *v = getenv(names[i]);
        if (v && v[0])
            return strncmp(v, "zh", 2) == 0;
    }
    return false;
}

static const char *say(const char *english, const char *zh)
{
    return chinese() ? zh : english;
}

/* ---- cells ---- */

/* Columns that a terminal takes: 2 for what lies beyond U+2E80 (CJK), 1 for the rest. */
static int width(const char *s)
{
    int w = 0;

    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if ((*p & 0xC0) != 0x80)
            w += *p >= 0xE2 && *p < 0xF5 && !(*p == 0xE2 && p[1] < 0xBA) ? 2 : 1;
    return w;
}

static void cell(const json_t *v, char *dst)
{
    if (json_is_string(v))
        snprintf(dst, CELL_MAX, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(dst, CELL_MAX, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(dst, CELL_MAX, "%.1f", json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(dst, CELL_MAX, "%s", json_is_true(v) ? say("yes", "是") : say("no", "否"));
    else
        snprintf(dst, CELL_MAX, "-");
}

struct column {
    const char *key, *english, *zh;
    bool right;
};

static void pad(FILE *f, int n)
{
    for (; n > 0; n--)
        fputc(' ', f);
}

static void put_cell(FILE *f, const char *s, int room, bool right, bool last)
{
    int space = room - width(s);

    if (right)
        pad(f, space);
    fputs(s, f);
    if (!right && !last)
        pad(f, space);
    if (!last)
        fputs("  ", f);
}

static const char *colour_of(const char *s)
{
    if (!strcmp(s, "ok") || !strcmp(s, "active"))
        return "\033[32m";
    if (!strcmp(s, "warn") || !strcmp(s, "rebuilding") || !strcmp(s, "degraded"))
        return "\033[33m";
    if (!strcmp(s, "stop") || !strcmp(s, "retention") || !strcmp(s, "purgeable") || !strcmp(s, "missing") ||
        !strcmp(s, "quarantined"))
        return "\033[31m";
    return NULL;
}

static void table(FILE *f, const json_t *rows, const struct column *col, unsigned n)
{
    int room[COLUMNS_MAX];
    char text[CELL_MAX];
    bool colour = isatty(fileno(f));
    size_t i;
    json_t *row;

    for (unsigned k = 0; k < n; k++)
        room[k] = width(say(col[k].english, col[k].zh));
    json_array_foreach(rows, i, row)
    {
        for (unsigned k = 0; k < n; k++) {
            cell(json_object_get(row, col[k].key), text);
            if (width(text) > room[k])
                room[k] = width(text);
        }
    }
    for (unsigned k = 0; k < n; k++)
        put_cell(f, say(col[k].english, col[k].zh), room[k], col[k].right, k + 1 == n);
    fputc('\n', f);
    json_array_foreach(rows, i, row)
    {
        for (unsigned k = 0; k < n; k++) {
            cell(json_object_get(row, col[k].key), text);
            const char *c = colour ? colour_of(text) : NULL;
            if (c)
                fputs(c, f);
            put_cell(f, text, room[k], col[k].right, k + 1 == n);
            if (c)
                fputs("\033[0m", f);
        }
        fputc('\n', f);
    }
}

#define TABLE(f, rows, columns) table(f, rows, columns, sizeof(columns) / sizeof(columns)[0])

/* ---- answers ---- */

static const struct column account_columns[] = {
    {"name", "ACCOUNT", "账户", false},
    {"stage", "STAGE", "阶段", false},
    {"currency", "CURRENCY", "币种", false},
    {"balance", "BALANCE", "余额", true},
    {"burn_per_day", "PER DAY", "日均消耗", true},
    {"runway_hours", "HOURS LEFT", "可用小时", true},
    {"hours_to_stop", "TO STOP", "距停服", true},
    {"hours_to_destroy", "TO DESTRUCTION", "距销毁", true},
};

static const struct column disk_columns[] = {
    {"path", "DISK", "磁盘", false},
    {"state", "STATE", "状态", false},
    {"bytes_used", "BYTES USED", "已用字节", true},
};

void show_accounts(FILE *f, const json_t *v)
{
    TABLE(f, v, account_columns);
}

void show_account(FILE *f, const json_t *v)
{
    json_t *one = json_array();

    if (one && json_array_append(one, (json_t *)v) == 0)
        TABLE(f, one, account_columns);
    json_decref(one);
}

void show_disks(FILE *f, const json_t *v)
{
    TABLE(f, v, disk_columns);
}

void show_status(FILE *f, const json_t *v)
{
    const json_t *journal = json_object_get(v, "journal"), *scrub = json_object_get(v, "scrub");
    const json_t *last = json_object_get(scrub, "last_pass");

    show_accounts(f, json_object_get(v, "accounts"));
    fputc('\n', f);
    show_disks(f, json_object_get(v, "disks"));
    fprintf(f, "\n%s %lld   %s %lld   %s %.16s…\n", say("objects", "对象"),
            (long long)json_integer_value(json_object_get(v, "objects")), say("journal", "日志序号"),
            (long long)json_integer_value(json_object_get(journal, "sequence")), say("root", "树根"),
            json_string_value(json_object_get(journal, "root")));
    fprintf(f, "%s %s   %s %lld   %s %lld\n", say("last scrub", "上次巡检"),
            json_is_string(last) ? json_string_value(last) : say("not yet", "尚无"), say("corrupt", "损坏"),
            (long long)json_integer_value(json_object_get(scrub, "corrupt")), say("unrepairable", "无法修复"),
            (long long)json_integer_value(json_object_get(scrub, "unrepairable")));
    if (json_is_true(json_object_get(v, "full")))
        fprintf(f, "%s\n",
                say("THE DISKS ARE FULL: writes are refused, reads and deletes go on",
                    "磁盘已满：拒绝写入，读取与删除仍可用"));
}

void show_statement(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"item", "ITEM", "计费项", false},      {"bucket", "BUCKET", "存储桶", false},
        {"quantity", "QUANTITY", "用量", true}, {"unit", "UNIT", "单位", false},
        {"price", "PRICE", "单价", true},       {"amount", "AMOUNT", "金额", true},
    };

    fprintf(f, "%s %s   %s %s (%s)\n\n", say("statement of", "账单"), json_string_value(json_object_get(v, "account")),
            say("month", "月份"), json_string_value(json_object_get(v, "month")),
            json_string_value(json_object_get(v, "time_zone")));
    TABLE(f, json_object_get(v, "lines"), columns);
    fprintf(f, "\n%s %s %s\n", say("total", "合计"), json_string_value(json_object_get(v, "total")),
            json_string_value(json_object_get(v, "currency")));
}

void show_keys(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"access_key", "ACCESS KEY", "访问密钥", false},
        {"account", "ACCOUNT", "账户", false},
        {"created", "CREATED", "创建时间", false},
        {"revoked", "REVOKED", "已吊销", false},
    };

    TABLE(f, v, columns);
}

void show_key(FILE *f, const json_t *v)
{
    fprintf(f, "access_key %s\nsecret_key %s\n", json_string_value(json_object_get(v, "access_key")),
            json_string_value(json_object_get(v, "secret_key")));
    fprintf(f, "%s\n", say("The secret is shown this once.", "密钥只显示这一次。"));
}

void show_scrub(FILE *f, const json_t *v)
{
    fprintf(f, "%s %lld   %s %lld   %s %lld   %s %lld   %s %lld\n", say("blocks", "数据块"),
            (long long)json_integer_value(json_object_get(v, "blocks")), say("bytes", "字节"),
            (long long)json_integer_value(json_object_get(v, "bytes")), say("corrupt", "损坏"),
            (long long)json_integer_value(json_object_get(v, "corrupt")), say("repaired", "已修复"),
            (long long)json_integer_value(json_object_get(v, "repaired")), say("unrepairable", "无法修复"),
            (long long)json_integer_value(json_object_get(v, "unrepairable")));
}

void show_clock(FILE *f, const json_t *v)
{
    fprintf(f, "%s\n", json_string_value(json_object_get(v, "now")));
}

void show_done(FILE *f, const json_t *v)
{
    (void)v;
    fprintf(f, "%s\n", say("done", "完成"));
}
