/* The statement as text, JSON, CSV (RFC 4180) and one self-contained HTML page, all made of the daemon's JSON. */
#include "cli/cli_priv.h"

#include <string.h>

enum rc statement_fill(const struct cli_args *args, json_t *request, struct err *e)
{
    const char *format = cli_text(args, "format");

    (void)request;
    if (format && !cli_word_in(view_cstr(format), "text json csv html"))
        return err_set(e, RC_INVALID, "--format %s: there are text, json, csv and html", format);
    if (cli_flag(args, "json") && format && strcmp(format, "json") != 0)
        return err_set(e, RC_INVALID, "--json and --format %s: choose one", format);
    if (cli_flag(args, "bom") && (!format || strcmp(format, "csv") != 0))
        return err_set(e, RC_INVALID, "--bom is for --format csv");
    return RC_OK;
}

static const struct column line_columns[] = {
    {"item", "ITEM", "计费项", false},      {"bucket", "BUCKET", "存储桶", false},
    {"quantity", "QUANTITY", "用量", true}, {"unit", "UNIT", "单位", false},
    {"price", "PRICE", "单价", true},       {"amount", "AMOUNT", "金额", true},
    {"book", "BOOK", "价目版本", false},    {"covered_by", "PACK", "资源包", false},
};

/* What else a statement lists, each only when there is something. */
struct section {
    const char *key, *english, *zh;
    const struct column *column;
    unsigned n;
};
static const struct column topup_columns[] = {
    {"time", "TIME", "时间", false},
    {"amount", "AMOUNT", "金额", true},
    {"ref", "REFERENCE", "参考号", false},
};
static const struct column money_columns[] = {
    {"time", "TIME", "时间", false},       {"kind", "KIND", "类别", false}, {"amount", "AMOUNT", "金额", true},
    {"ref", "REFERENCE", "参考号", false}, {"note", "NOTE", "备注", false},
};
static const struct column pack_columns[] = {
    {"item", "ITEM", "计费项", false}, {"quantity", "QUANTITY", "总量", true}, {"remaining", "REMAINING", "剩余", true},
    {"unit", "UNIT", "单位", false},   {"from", "FROM", "生效", false},        {"until", "UNTIL", "到期", false},
};
static const struct column voucher_columns[] = {
    {"amount", "AMOUNT", "金额", true},
    {"remaining", "REMAINING", "剩余", true},
    {"until", "UNTIL", "到期", false},
    {"scope", "SCOPE", "适用范围", false},
};
#define SECTION(key, english, zh, columns)                                                                             \
    {                                                                                                                  \
        key, english, zh, columns, sizeof(columns) / sizeof(columns)[0]                                                \
    }
static const struct section sections[] = {
    SECTION("topups", "Top-ups", "充值", topup_columns),
    SECTION("money", "Other movements", "其他变动", money_columns),
    SECTION("packs", "Resource packs", "资源包", pack_columns),
    SECTION("vouchers", "Vouchers", "代金券", voucher_columns),
};
#define N_SECTIONS (sizeof sections / sizeof sections[0])

/* The sums behind the lines. */
static const struct column sums[] = {
    {"total", "total", "合计", true},
    {"paid.cash", "paid in cash", "现金支付", true},
    {"paid.vouchers", "paid by vouchers", "代金券抵扣", true},
    {"invoice.total", "invoice, rounded", "账单金额（取整后）", true},
    {"balance", "balance now", "当前余额", true},
};
#define N_SUMS (sizeof sums / sizeof sums[0])

/* ---- text ---- */

static void print_text(FILE *f, const json_t *v)
{
    char a[CELL_MAX], b[CELL_MAX], c[CELL_MAX];

    fprintf(f, "%s %s   %s %s (%s)\n\n", say("statement of", "账单"), show_cell(v, "account", a), say("month", "月份"),
            show_cell(v, "month", b), show_cell(v, "time_zone", c));
    SHOW_TABLE(f, json_object_get(v, "lines"), line_columns);
    fputc('\n', f);
    for (size_t i = 0; i < N_SUMS; i++)
        fprintf(f, "%s %s %s\n", say(sums[i].english, sums[i].zh), show_cell(v, sums[i].key, a),
                show_cell(v, "currency", b));
    for (size_t i = 0; i < N_SECTIONS; i++) {
        const json_t *rows = json_object_get(v, sections[i].key);

        if (json_array_size(rows) == 0)
            continue;
        fprintf(f, "\n%s\n", say(sections[i].english, sections[i].zh));
        show_table(f, rows, sections[i].column, sections[i].n);
    }
}

/* ---- CSV ---- */

static void csv_text(FILE *f, const char *s)
{
    if (!s[strcspn(s, ",\"\r\n")]) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"')
            fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

/* One record a line; account, month and currency in each, so that files of many accounts can be put together. */
static void print_csv(FILE *f, const json_t *v, bool bom)
{
    static const char *const of_statement[] = {"account", "month", "currency"};
    static const char *const of_line[] = {"item",  "bucket", "quantity", "unit",
                                          "price", "amount", "book",     "covered_by"};
    size_t i;
    json_t *row;

    fputs(bom ? "\xEF\xBB\xBF" : "", f);
    fputs("account,month,currency,item,bucket,quantity,unit,price,amount,book,covered_by\r\n", f);
    json_array_foreach(json_object_get(v, "lines"), i, row)
    {
        for (size_t k = 0; k < sizeof of_statement / sizeof of_statement[0]; k++) {
            const char *s = json_string_value(json_object_get(v, of_statement[k]));
            csv_text(f, s ? s : "");
            fputc(',', f);
        }
        for (size_t k = 0; k < sizeof of_line / sizeof of_line[0]; k++) {
            const char *s = json_string_value(json_object_get(row, of_line[k]));
            fputs(k ? "," : "", f);
            csv_text(f, s ? s : "");
        }
        fputs("\r\n", f);
    }
}

/* ---- HTML ---- */

static const char style[] =
    "body{font:15px/1.5 system-ui,'Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif;color:#1d2125;"
    "margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}p{margin:.25rem 0;color:#505a64}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:.3rem .6rem;border-bottom:1px solid #d5dade;text-align:left;vertical-align:top}"
    "th{font-weight:600;border-bottom:2px solid #8a949e}.n{text-align:right;white-space:nowrap}"
    "thead{display:table-header-group}tr{break-inside:avoid}"
    "@media print{body{margin:0;max-width:none;font-size:10pt}@page{margin:15mm}}";

static void html_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(*s, f);
        }
    }
}

static void html_cell(FILE *f, const char *tag, const char *s, bool right)
{
    fprintf(f, "<%s%s>", tag, right ? " class=\"n\"" : "");
    html_text(f, s);
    fprintf(f, "</%s>", tag);
}

static void html_table(FILE *f, const json_t *rows, const struct column *col, unsigned n)
{
    char text[CELL_MAX];
    size_t i;
    json_t *row;

    fputs("<table>\n<thead><tr>", f);
    for (unsigned k = 0; k < n; k++)
        html_cell(f, "th", say(col[k].english, col[k].zh), col[k].right);
    fputs("</tr></thead>\n<tbody>\n", f);
    json_array_foreach(rows, i, row)
    {
        fputs("<tr>", f);
        for (unsigned k = 0; k < n; k++)
            html_cell(f, "td", show_cell(row, col[k].key, text), col[k].right);
        fputs("</tr>\n", f);
    }
    fputs("</tbody>\n</table>\n", f);
}

static void html_heading(FILE *f, const char *tag, const char *english, const char *zh)
{
    fprintf(f, "<%s>", tag);
    html_text(f, say(english, zh));
    fprintf(f, "</%s>\n", tag);
}

static void html_sums(FILE *f, const json_t *v)
{
    char amount[CELL_MAX], currency[CELL_MAX];

    fputs("<table>\n<tbody>\n", f);
    for (size_t i = 0; i < N_SUMS; i++) {
        fputs("<tr>", f);
        html_cell(f, "th", say(sums[i].english, sums[i].zh), false);
        html_cell(f, "td", show_cell(v, sums[i].key, amount), true);
        html_cell(f, "td", show_cell(v, "currency", currency), false);
        fputs("</tr>\n", f);
    }
    fputs("</tbody>\n</table>\n", f);
}

static void html_head(FILE *f, const json_t *v)
{
    char account[CELL_MAX], month[CELL_MAX], zone[CELL_MAX];

    show_cell(v, "account", account);
    show_cell(v, "month", month);
    fprintf(f, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n<title>",
            show_chinese() ? "zh-CN" : "en");
    html_text(f, account);
    fputc(' ', f);
    html_text(f, month);
    fprintf(f, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>%s ", style, say("Statement of", "账单"));
    html_text(f, account);
    fprintf(f, "</h1>\n<p>%s ", say("Month", "月份"));
    html_text(f, month);
    fputs(" (", f);
    html_text(f, show_cell(v, "time_zone", zone));
    fputs(")</p>\n", f);
}

static void print_html(FILE *f, const json_t *v)
{
    html_head(f, v);
    html_heading(f, "h2", "Lines", "明细");
    html_table(f, json_object_get(v, "lines"), line_columns, sizeof line_columns / sizeof line_columns[0]);
    html_heading(f, "h2", "Sums", "汇总");
    html_sums(f, v);
    for (size_t i = 0; i < N_SECTIONS; i++) {
        const json_t *rows = json_object_get(v, sections[i].key);

        if (json_array_size(rows) == 0)
            continue;
        html_heading(f, "h2", sections[i].english, sections[i].zh);
        html_table(f, rows, sections[i].column, sections[i].n);
    }
    fputs("</body>\n</html>\n", f);
}

int statement_print(const struct cli_args *args, const json_t *v)
{
    const char *format = cli_text(args, "format");

    if (!format || strcmp(format, "text") == 0)
        print_text(stdout, v);
    else if (strcmp(format, "csv") == 0)
        print_csv(stdout, v, cli_flag(args, "bom"));
    else if (strcmp(format, "html") == 0)
        print_html(stdout, v);
    else
        json_dumpf(v, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    if (format && strcmp(format, "json") == 0)
        fputc('\n', stdout);
    return ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}
