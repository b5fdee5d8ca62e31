/* Holdfast: the command line. main.c finds the verb; options.c parses; config.c reads the file; client.c speaks to the
 * daemon; show.c prints for people; serve.c and rebuild.c are the verbs that run here. Exit codes: 0 done, 1 failed, 2
 * usage. */
#ifndef HF_CLI_CLI_PRIV_H
#define HF_CLI_CLI_PRIV_H

#include <jansson.h>
#include <stdio.h>

#include "base/view.h"
#include "os/os.h"

#define CLI_WORDS_MAX 8
#define CLI_DISKS_MAX 16
#define CLI_RANGES_MAX 32

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

struct cli_args {
    const char *word[CLI_WORDS_MAX]; /* the verb's words and its arguments */
    unsigned n_words;
    const char *data, *s3, *api, *config, *domain;
    const char *disk[CLI_DISKS_MAX];
    unsigned n_disks;
    const char *copies, *account, *currency, *prices, *timetable, *ref, *month;
    bool json, virtual_clock, confirm_epoch, help, version;
};
/* RC_INVALID with a sentence for an unknown option or a missing value. */
enum rc cli_parse(int argc, char **argv, struct cli_args *ret, struct err *e) HF_MUST_USE;

/* The configuration: file first, then the command line over it. Strings live in the arena. */
struct config {
    const char *data_dir, *s3, *api, *domain, *region;
    const char *disk[CLI_DISKS_MAX];
    unsigned n_disks;
    unsigned copies;            /* 0 = as recorded, or the default */
    uint64_t scrub_bytes_per_s; /* 0 = default */
    const char *internal_range[CLI_RANGES_MAX];
    unsigned n_internal_ranges;
    bool log_json;
};
/* path NULL = no file. RC_INVALID: "file:line:column: what, and what to do". */
enum rc config_load(const char *path, struct arena *a, struct config *ret, struct err *e) HF_MUST_USE;
enum rc config_apply(struct config *c, const struct cli_args *args, struct err *e) HF_MUST_USE;
/* Makes the data folder's and the disks' paths absolute. Without disks the recorded set is used, or D/disk1 and
 * D/disk2. */
enum rc config_disks(struct config *c, struct arena *a, struct err *e) HF_MUST_USE;
json_t *config_json(const struct config *c);

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

/* For people, in the language of LC_ALL, LC_MESSAGES or LANG (zh or English). */
void show_status(FILE *f, const json_t *v);
void show_accounts(FILE *f, const json_t *v);
void show_account(FILE *f, const json_t *v);
void show_statement(FILE *f, const json_t *v);
void show_keys(FILE *f, const json_t *v);
void show_key(FILE *f, const json_t *v);
void show_disks(FILE *f, const json_t *v);
void show_scrub(FILE *f, const json_t *v);
void show_clock(FILE *f, const json_t *v);
void show_done(FILE *f, const json_t *v);

int cli_serve(const struct cli_args *args, const struct config *c);
int cli_rebuild(const struct cli_args *args, const struct config *c);
int cli_config_check(const struct cli_args *args);
/* Takes D/lock for this process: one daemon or rebuild at a time. */
enum rc cli_lock(const char *data_dir, int *ret_fd, struct err *e) HF_MUST_USE;

#endif
