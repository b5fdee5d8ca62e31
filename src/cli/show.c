/* Answers for people: status, accounts, keys, disks, clock. */
#include "cli/cli_priv.h"

static const struct column account_columns[] = {
    {"name", "ACCOUNT", "账户", false},
    {"stage", "STAGE", "阶段", false},
    {"currency", "CURRENCY", "币种", false},
    {"balance", "BALANCE", "余额", true},
    {"available", "AVAILABLE", "可用", true},
    {"burn_per_day", "PER DAY", "日均消耗", true},
    {"runway_hours", "HOURS LEFT", "可用小时", true},
    {"hours_to_stop", "TO STOP", "距停服", true},
    {"hours_to_destroy", "TO DESTRUCTION", "距销毁", true},
    {"upstream", "AT CLOUD", "所在云", false},
};

static const struct column disk_columns[] = {
    {"path", "DISK", "磁盘", false},
    {"state", "STATE", "状态", false},
    {"bytes_used", "BYTES USED", "已用字节", true},
};

void show_accounts(FILE *f, const json_t *v)
{
    SHOW_TABLE(f, v, account_columns);
}

void show_account(FILE *f, const json_t *v)
{
    SHOW_ROW(f, v, account_columns);
}

void show_disks(FILE *f, const json_t *v)
{
    SHOW_TABLE(f, v, disk_columns);
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

void show_keys(FILE *f, const json_t *v)
{
    static const struct column columns[] = {
        {"access_key", "ACCESS KEY", "访问密钥", false},
        {"account", "ACCOUNT", "账户", false},
        {"created", "CREATED", "创建时间", false},
        {"revoked", "REVOKED", "已吊销", false},
    };

    SHOW_TABLE(f, v, columns);
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
