/* Holdfast: the command line. cli.c finds the verb and runs it; verbs.c says which there are; options.c parses;
 * config.c reads the file; client.c speaks to the daemon; table.c, show.c, show_money.c and statement.c print; serve.c
 * and check.c are the verbs that run here. Exit codes: 0 done, 1 failed, 2 usage. */
#ifndef HF_CLI_CLI_PRIV_H
#define HF_CLI_CLI_PRIV_H

#include <jansson.h>
#include <stdio.h>

#include "base/view.h"
#include "os/os.h"

#define CLI_WORDS_MAX 8
#define CLI_OPTIONS_MAX 64
#define CLI_DISKS_MAX 16
#define CLI_RANGES_MAX 32

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

struct cli_option {
    struct view name;  /* without the dashes */
    const char *value; /* NULL: a flag */
};
struct cli_args {
    const char *word[CLI_WORDS_MAX]; /* the verb's words and its arguments */
    unsigned n_words;
    struct cli_option option[CLI_OPTIONS_MAX]; /* as given, in order */
    unsigned n_options;
};
/* RC_INVALID with a sentence for an unknown option or a missing value. */
enum rc cli_parse(int argc, char **argv, struct cli_args *ret, struct err *e) HF_MUST_USE;
/* The last one of that name; NULL and false without. */
const char *cli_text(const struct cli_args *a, const char *name);
bool cli_flag(const struct cli_args *a, const char *name);
/* RC_INVALID for an option that is neither common to all verbs nor in the list (names with blanks between), and for one
 * that is given twice and may not be. */
enum rc cli_check_options(const struct cli_args *a, const char *allowed, struct err *e) HF_MUST_USE;
/* Is the word one of a list with blanks between? */
bool cli_word_in(struct view word, const char *list);

/* CIDRs of clients whose egress goes one way. */
struct ranges {
    const char *cidr[CLI_RANGES_MAX];
    unsigned n;
};
/* The configuration: file first, then the command line over it. Strings live in the arena. */
struct config {
    const char *data_dir, *s3, *api, *domain, *region;
    const char *disk[CLI_DISKS_MAX];
    unsigned n_disks;
    unsigned copies;            /* 0 = as recorded, or the default */
    uint64_t scrub_bytes_per_s; /* 0 = default */
    struct ranges internal, cdn, cross_region;
    bool log_json;
};
/* path NULL = no file. RC_INVALID: "file:line:column: what, and what to do". */
enum rc config_load(const char *path, struct arena *a, struct config *ret, struct err *e) HF_MUST_USE;
enum rc config_apply(struct config *c, const struct cli_args *args, struct err *e) HF_MUST_USE;
/* Makes the data folder's and the disks' paths absolute. Without disks the recorded set is used, or D/disk1 and
 * D/disk2. */
enum rc config_disks(struct config *c, struct arena *a, struct err *e) HF_MUST_USE;
json_t *config_json(const struct config *c);

/* ---- verbs ---- */
/* Prints an answer for people. */
typedef void show_fn(FILE *f, const json_t *v);
struct cli_verb {
    const char *words;     /* "account create"; the daemon knows it as account.create */
    const char *arguments; /* names under which they are sent, in order; one that ends in ? may be left out */
    const char *options;   /* sent under their names */
    const char *usage;     /* what follows the words */
    show_fn *show;
    /* Exactly one of these: answered by the daemon with show or print; run here with the configuration or without. */
    int (*print)(const struct cli_args *args, const json_t *v);
    int (*run)(const struct cli_args *args, const struct config *c);
    int (*local)(const struct cli_args *args);
    /* Before the call, may be NULL: checks what can be checked here, adds what is read here. RC_INVALID is usage. */
    enum rc (*fill)(const struct cli_args *args, json_t *request, struct err *e);
    bool paths; /* its arguments are paths: the daemon's working directory is another */
};
extern const struct cli_verb cli_verbs[];
extern const size_t cli_n_verbs;

/* Sends one verb; *ret_result is owned by the caller. Progress goes to stderr. */
enum rc client_call(const char *data_dir, json_t *request, json_t **ret_result, struct err *e) HF_MUST_USE;
/* A progress line on stderr, when it is a terminal, at most ten times a second; done shows its end. */
struct progress_line {
    const char *what;
    int64_t started_ns, shown_ns;
    bool shown;
};
void progress_show(struct progress_line *p, uint64_t done, uint64_t total, const char *unit);
void progress_end(struct progress_line *p);

/* ---- for people, in the language of LC_ALL, LC_MESSAGES or LANG (zh or English) ---- */
bool show_chinese(void);
const char *say(const char *english, const char *zh);
struct column {
    const char *key, *english, *zh; /* key "a.b" looks into the object a */
    bool right;
};
void show_table(FILE *f, const json_t *rows, const struct column *col, unsigned n);
#define SHOW_TABLE(f, rows, columns) show_table(f, rows, columns, sizeof(columns) / sizeof(columns)[0])
/* A table of one row. */
void show_row(FILE *f, const json_t *row, const struct column *col, unsigned n);
#define SHOW_ROW(f, row, columns) show_row(f, row, columns, sizeof(columns) / sizeof(columns)[0])
/* The text of a value as tables show it; "-" for null and what is absent. A note has at most 1024 bytes. */
#define CELL_MAX 1100
const char *show_cell(const json_t *row, const char *key, char text[CELL_MAX]);

void show_status(FILE *f, const json_t *v);
void show_accounts(FILE *f, const json_t *v);
void show_account(FILE *f, const json_t *v);
void show_keys(FILE *f, const json_t *v);
void show_key(FILE *f, const json_t *v);
void show_disks(FILE *f, const json_t *v);
void show_scrub(FILE *f, const json_t *v);
void show_clock(FILE *f, const json_t *v);
void show_done(FILE *f, const json_t *v);
void show_arrears(FILE *f, const json_t *v); /* account clock */
void show_usage(FILE *f, const json_t *v);
void show_books(FILE *f, const json_t *v);
void show_what_if(FILE *f, const json_t *v);
void show_budgets(FILE *f, const json_t *v);
void show_budget(FILE *f, const json_t *v);
void show_quotas(FILE *f, const json_t *v);
void show_quota(FILE *f, const json_t *v);

/* account statement: --format text, json, csv or html. */
enum rc statement_fill(const struct cli_args *args, json_t *request, struct err *e) HF_MUST_USE;
int statement_print(const struct cli_args *args, const json_t *v);
/* price load: reads the file into the request. */
enum rc price_load_fill(const struct cli_args *args, json_t *request, struct err *e) HF_MUST_USE;

int cli_serve(const struct cli_args *args, const struct config *c);
int cli_rebuild(const struct cli_args *args, const struct config *c);
int cli_config_check(const struct cli_args *args);
int cli_price_check(const struct cli_args *args);
/* Takes D/lock for this process: one daemon or rebuild at a time. */
enum rc cli_lock(const char *data_dir, int *ret_fd, struct err *e) HF_MUST_USE;

#endif
