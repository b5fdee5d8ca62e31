/* Answers for people: arrears clock, usage, price books, what-if, budgets, quotas. */
#include "cli/cli_priv.h"

#define AHEAD_SHOWN 12

/* A line of label and value; the labels are written as wide as each other. */
static void line(FILE *f, const json_t *v, const char *key, const char *english, const char *zh)
{
    char text[CELL_MAX];

    fprintf(f, "%s  %s\n", say(english, zh), show_cell(v, key, text));
}

/* ---- account clock ---- */

/* prevent NULL: there is no payment that holds it off for good. */
static void one_mark(FILE *f, const json_t *v, const char *in, const char *prevent, const char *english, const char *zh)
{
    const json_t *hours = json_object_get(v, in);
    char text[CELL_MAX], amount[CELL_MAX];

    if (prevent)
        show_cell(v, prevent, amount);
    fprintf(f, "%s  ", say(english, zh));
    if (!json_is_number(hours))
        fprintf(f, "%s\n", say("not in sight", "暂不会发生"));
    else if (json_number_value(hours) <= 0 && prevent)
        fprintf(f, "%s %s %s\n", say("reached;", "已到；充值"), amount, say("ends it", "可解除"));
    else if (!prevent)
        fprintf(f, "%s%s%s\n", say("in ", ""), show_cell(v, in, text), say(" hours", " 小时后"));
    else
        fprintf(f, "%s%s%s %s %s\n", say("in ", ""), show_cell(v, in, text), say(" hours;", " 小时后；充值"), amount,
                say("prevents it", "可避免"));
}

/* A charge that comes every month is ahead many times. */
static json_t *first_rows(const json_t *rows)
{
    json_t *first = json_array();

    for (size_t i = 0; i < AHEAD_SHOWN && i < json_array_size(rows); i++)
        json_array_append(first, json_array_get(rows, i));
    return first;
}

void show_arrears(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"at", "AT", "时间", false},
        {"what", "WHAT AHEAD", "将发生", false},
        {"name", "NAME", "名称", false},
        {"amount", "AMOUNT", "金额", true},
        {"burn_per_day_after", "PER DAY AFTER", "之后日均消耗", true},
    };
    const json_t *ahead = json_object_get(v, "ahead");

    line(f, v, "account", "account          ", "账户    ");
    line(f, v, "stage", "stage            ", "阶段    ");
    line(f, v, "currency", "currency         ", "币种    ");
    line(f, v, "balance", "balance          ", "余额    ");
    line(f, v, "available", "available        ", "可用额  ");
    line(f, v, "unsettled", "not settled yet  ", "未结算  ");
    line(f, v, "burn_per_day", "burn per day     ", "日均消耗");
    const json_t *zero = json_object_get(v, "zero_in_hours");
    one_mark(f, v, "zero_in_hours", json_is_number(zero) && json_number_value(zero) <= 0 ? "to_prevent.zero" : NULL,
             "zero             ", "余额归零");
    one_mark(f, v, "stop_in_hours", "to_prevent.stop", "stop             ", "停服    ");
    one_mark(f, v, "destroy_in_hours", "to_prevent.destroy", "destruction      ", "数据销毁");
    line(f, v, "timetable", "timetable        ", "时间表  ");
    if (json_is_string(json_object_get(v, "grace_until")))
        line(f, v, "grace_until", "grace until      ", "宽限至  ");
    if (json_is_string(json_object_get(v, "balance_as_of")))
        line(f, v, "balance_as_of", "balance as of    ", "余额时间");
    if (json_array_size(ahead) == 0)
        return;
    json_t *first = first_rows(ahead);
    fputc('\n', f);
    SHOW_TABLE(f, first, columns);
    json_decref(first);
    if (json_array_size(ahead) > AHEAD_SHOWN)
        fprintf(f, "%s %zu %s\n", say("and", "另有"), json_array_size(ahead) - AHEAD_SHOWN,
                say("more; --json shows all", "项；--json 显示全部"));
}

/* ---- usage, books, what-if ---- */

void show_usage(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"bucket", "BUCKET", "存储桶", false},  {"access_key", "ACCESS KEY", "访问密钥", false},
        {"item", "ITEM", "计费项", false},      {"status", "RESULT", "结果", true},
        {"quantity", "QUANTITY", "用量", true}, {"unit", "UNIT", "单位", false},
    };
    char account[CELL_MAX], month[CELL_MAX];

    fprintf(f, "%s %s   %s %s\n\n", say("usage of", "用量"), show_cell(v, "account", account), say("month", "月份"),
            show_cell(v, "month", month));
    SHOW_TABLE(f, json_object_get(v, "lines"), columns);
}

void show_books(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"name", "NAME", "名称", false},
        {"kind", "KIND", "类别", false},
        {"currency", "CURRENCY", "币种", false},
        {"valid_from", "VALID FROM", "生效时间", false},
        {"state", "STATE", "状态", false},
        {"origin", "ORIGIN", "来源", false},
        {"id", "ID", "标识", false},
    };

    SHOW_TABLE(f, v, columns);
}

/* The two sides of a comparison as rows of one table. */
static json_t *sides(const json_t *v)
{
    static const char *const keys[] = {"prices", "currency", "total"};
    json_t *rows = json_array();

    for (int to = 0; rows && to < 2; to++) {
        const json_t *side = json_object_get(v, to ? "to" : "from");
        json_t *row = json_pack("{s:s}", "side", to ? say("would be", "若迁移") : say("is", "当前"));

        for (size_t i = 0; row && i < sizeof keys / sizeof keys[0]; i++)
            json_object_set(row, keys[i], json_object_get(side, keys[i]));
        json_array_append_new(rows, row);
    }
    return rows;
}

void show_what_if(FILE *f, const json_t *v)
{
    static const struct column side_columns[] = {
        {"side", "", "", false},
        {"prices", "PRICES", "价目", false},
        {"currency", "CURRENCY", "币种", false},
        {"total", "TOTAL", "合计", true},
    };
    static const struct column line_columns[] = {
        {"item", "ITEM", "计费项", false},      {"bucket", "BUCKET", "存储桶", false},
        {"quantity", "QUANTITY", "用量", true}, {"unit", "UNIT", "单位", false},
        {"price", "PRICE", "单价", true},       {"amount", "AMOUNT", "金额", true},
    };
    static const struct column moving_columns[] = {
        {"currency", "MOVING ONCE", "一次性迁移", false},
        {"egress", "EGRESS", "流量", true},
        {"requests", "REQUESTS", "请求", true},
        {"retrieval", "RETRIEVAL", "取回", true},
        {"early_delete", "EARLY DELETE", "提前删除", true},
        {"total", "TOTAL", "合计", true},
    };
    json_t *rows = sides(v), *note;
    size_t i;

    SHOW_TABLE(f, rows, side_columns);
    json_decref(rows);
    line(f, v, "difference", "\ndifference", "\n差额");
    if (json_is_string(json_object_get(v, "rate")))
        line(f, v, "rate", "rate      ", "汇率");
    fputc('\n', f);
    SHOW_TABLE(f, json_object_get(json_object_get(v, "to"), "lines"), line_columns);
    fputc('\n', f);
    SHOW_ROW(f, json_object_get(v, "moving"), moving_columns);
    json_array_foreach(json_object_get(v, "notes"), i, note)
    {
        fprintf(f, "%s%s: %s\n", i ? "" : "\n", say("note", "说明"),
                json_is_string(note) ? json_string_value(note) : "");
    }
}

/* ---- budgets, quotas ---- */

static const struct column budget_columns[] = {
    {"id", "ID", "编号", true},
    {"account", "ACCOUNT", "账户", false},
    {"scope", "SCOPE", "范围", false},
    {"period", "PERIOD", "周期", false},
    {"amount", "AMOUNT", "预算", true},
    {"state", "STATE", "状态", false},
    {"spent", "SPENT", "已用", true},
    {"percent", "PERCENT", "百分比", true},
    {"forecast", "FORECAST", "预测", true},
    {"level", "PASSED", "已达阈值", true},
    {"forecast_over", "OVER AHEAD", "将超支", false},
};

void show_budgets(FILE *f, const json_t *v)
{
    SHOW_TABLE(f, v, budget_columns);
}

void show_budget(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"time", "TIME", "时间", false}, {"step", "STEP", "步骤", false},    {"actor", "BY", "经手人", false},
        {"role", "AS", "角色", false},   {"amount", "AMOUNT", "金额", true}, {"note", "NOTE", "备注", false},
    };

    SHOW_ROW(f, v, budget_columns);
    fputc('\n', f);
    SHOW_TABLE(f, json_object_get(v, "history"), columns);
}

static const struct column quota_columns[] = {
    {"account", "ACCOUNT", "账户", false},
    {"bucket", "BUCKET", "存储桶", false},
    {"used.bytes", "BYTES", "已用字节", true},
    {"limits.bytes", "OF", "上限", true},
    {"used.objects", "OBJECTS", "对象", true},
    {"limits.objects", "OF", "上限", true},
    {"used.requests_per_day", "REQUESTS TODAY", "今日请求", true},
    {"limits.requests_per_day", "OF", "上限", true},
    {"used.egress_per_day", "EGRESS TODAY", "今日流量", true},
    {"limits.egress_per_day", "OF", "上限", true},
};

void show_quotas(FILE *f, const json_t *v)
{
    SHOW_TABLE(f, v, quota_columns);
}

void show_quota(FILE *f, const json_t *v)
{
    SHOW_ROW(f, v, quota_columns);
}
