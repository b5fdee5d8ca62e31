/* The verbs: their words, arguments, options, usage, and what prints their answers. */
#include "cli/cli_priv.h"

#define CHARGE_USAGE "NAME AMOUNT --note TEXT [--ref R]"

const struct cli_verb cli_verbs[] = {
    {"serve", "", "s3 api domain copies disk virtual-clock confirm-epoch",
     "[--data D] [--disk P]... [--s3 HOST:PORT] [--api HOST:PORT] [--config FILE] [--copies N]\n"
     "                 [--domain NAME] [--virtual-clock] [--confirm-epoch]",
     .run = cli_serve},
    {"status", "", "", "", show_status},

    {"account create", "account", "currency prices timetable upstream max-age",
     "NAME [--prices tencent-cos] [--timetable tencent-cos] [--currency CNY]\n"
     "                 [--upstream tencent|aliyun|huawei|aws [--max-age 24h]]",
     show_account},
    {"account list", "", "", "", show_accounts},
    {"account show", "account", "", "NAME", show_account},
    {"account set", "account", "credit late-fee max-age prices timetable",
     "NAME [--credit AMOUNT] [--late-fee 0.0005] [--max-age SPAN] [--prices B] [--timetable T]", show_account},
    {"account topup", "account amount", "ref currency", "NAME AMOUNT [--ref R] [--currency CNY]", show_account},
    {"account set-balance", "account amount", "burn",
     "NAME AMOUNT [--burn AMOUNT]      (an account at a cloud; burn is per day)", show_account},
    {"account clock", "account", "", "NAME", show_arrears},
    {"account statement", "account", "month format bom", "NAME [--month YYYY-MM] [--format text|json|csv|html] [--bom]",
     .print = statement_print, .fill = statement_fill},
    {"account usage", "account", "month", "NAME [--month YYYY-MM]", show_usage},
    {"account voucher", "account amount", "until scope ref", "NAME AMOUNT --until DATE [--scope ITEM,ITEM] [--ref R]",
     show_account},
    {"account pack", "account item quantity", "until from cost ref",
     "NAME ITEM QUANTITY --until DATE [--from DATE] [--cost AMOUNT] [--ref R]", show_account},
    {"account reserve", "account amount", "ref", "NAME AMOUNT --ref R", show_account},
    {"account release", "account", "ref", "NAME --ref R", show_account},
    {"account refund", "account amount", "ref note", "NAME AMOUNT [--ref R] [--note TEXT]", show_account},
    {"account charge", "account amount", "note ref", CHARGE_USAGE, show_account},
    {"account credit", "account amount", "note ref", CHARGE_USAGE, show_account},
    {"account grace", "account", "until proof cancel", "NAME --until DATE --proof TEXT | --cancel", show_arrears},
    {"account due", "account amount?", "on note monthly ref cancel",
     "NAME AMOUNT --on DATE --note TEXT [--monthly] [--ref R] | NAME --cancel --ref R", show_arrears},

    {"price check", "file", "", "FILE      (a price book, a timetable or exchange rates)", .local = cli_price_check},
    {"price list", "", "", "", show_books},
    {"price load", "file", "", "FILE", show_books, .fill = price_load_fill},
    {"price what-if", "", "account to to-class month currency",
     "--account A [--to BOOK] [--to-class CLASS] [--month YYYY-MM] [--currency C]", show_what_if},

    {"budget create", "", "account scope month quarter by note",
     "--account A [--scope account|bucket:B|department:D|tag:K=V] --month AMOUNT | --quarter AMOUNT\n"
     "                 [--by WHO] [--note TEXT]",
     show_budget},
    {"budget request", "", "account scope month quarter by note",
     "--account A [--scope S] --month AMOUNT | --quarter AMOUNT [--by WHO] [--note TEXT]", show_budget},
    {"budget review", "id", "approve reject by role note",
     "ID --approve | --reject [--by WHO] [--role finance] [--note TEXT]", show_budget},
    {"budget allocate", "id", "amount by role note", "ID [--amount AMOUNT] [--by WHO] [--role finance] [--note TEXT]",
     show_budget},
    {"budget close", "id", "by role note", "ID [--by WHO] [--role finance] [--note TEXT]", show_budget},
    {"budget list", "", "account", "[--account A]", show_budgets},
    {"budget show", "id", "", "ID", show_budget},

    {"quota set", "", "account bucket bytes objects requests-per-day egress-per-day",
     "--account A [--bucket B] [--bytes 10GiB] [--objects N] [--requests-per-day N] [--egress-per-day 1TiB]\n"
     "                 (none takes a limit away)",
     show_quota},
    {"quota list", "", "account", "[--account A]", show_quotas},

    {"key create", "", "account", "[--account NAME]", show_key},
    {"key list", "", "account", "[--account NAME]", show_keys},
    {"key revoke", "access_key", "", "ACCESS_KEY", show_done},
    {"disk list", "", "", "", show_disks},
    {"disk replace", "old new", "", "OLD NEW", show_disks, .paths = true},
    {"scrub", "", "", "", show_scrub},
    {"clock show", "", "", "", show_clock},
    {"clock advance", "by", "", "SPAN      (with serve --virtual-clock)", show_clock},
    {"rebuild", "", "disk copies confirm-epoch virtual-clock", "     (the daemon stopped)", .run = cli_rebuild},
    {"config check", "file?", "s3 api domain copies disk", "[FILE]", .local = cli_config_check},
};
const size_t cli_n_verbs = sizeof cli_verbs / sizeof cli_verbs[0];
