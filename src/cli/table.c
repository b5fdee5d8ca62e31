/* Aligned tables for people: colour only on a terminal, Chinese or English, two columns for a Chinese character. */
#include "cli/cli_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 12

bool show_chinese(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *v = getenv(names[i]);
        if (v && v[0])
            return strncmp(v, "zh", 2) == 0;
    }
    return false;
}

const char *say(const char *english, const char *zh)
{
    return show_chinese() ? zh : english;
}

/* Columns that a terminal takes: 2 for what lies beyond U+2E80 (CJK), 1 for the rest. */
static int width(const char *s)
{
    int w = 0;

    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if ((*p & 0xC0) != 0x80)
            w += *p >= 0xE2 && *p < 0xF5 && !(*p == 0xE2 && p[1] < 0xBA) ? 2 : 1;
    return w;
}

static const json_t *value_at(const json_t *row, const char *key)
{
    const char *dot = strchr(key, '.');
    char outer[32];

    if (!dot || !view_copy(view_of(key, (size_t)(dot - key)), outer, sizeof outer))
        return json_object_get(row, key);
    return json_object_get(json_object_get(row, outer), dot + 1);
}

/* Notes and names come from people: a control character would move the terminal's cursor. */
static void without_controls(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

const char *show_cell(const json_t *row, const char *key, char text[CELL_MAX])
{
    const json_t *v = value_at(row, key);

    if (json_is_string(v))
        snprintf(text, CELL_MAX, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(text, CELL_MAX, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(text, CELL_MAX, "%.1f", json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(text, CELL_MAX, "%s", json_is_true(v) ? say("yes", "是") : say("no", "否"));
    else
        snprintf(text, CELL_MAX, "-");
    without_controls(text);
    return text;
}

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
    if (cli_word_in(view_cstr(s), "ok active"))
        return "\033[32m";
    if (cli_word_in(view_cstr(s), "warn rebuilding degraded unknown requested"))
        return "\033[33m";
    if (cli_word_in(view_cstr(s), "stop retention purgeable missing quarantined rejected"))
        return "\033[31m";
    return NULL;
}

static void measure(const json_t *rows, const struct column *col, unsigned n, int room[COLUMNS_MAX])
{
    char text[CELL_MAX];
    size_t i;
    json_t *row;

    for (unsigned k = 0; k < n; k++)
        room[k] = width(say(col[k].english, col[k].zh));
    json_array_foreach(rows, i, row)
    {
        for (unsigned k = 0; k < n; k++) {
            int w = width(show_cell(row, col[k].key, text));
            if (w > room[k])
                room[k] = w;
        }
    }
}

void show_table(FILE *f, const json_t *rows, const struct column *col, unsigned n)
{
    int room[COLUMNS_MAX];
    char text[CELL_MAX];
    bool colour = isatty(fileno(f));
    size_t i;
    json_t *row;

    HF_ASSERT(n <= COLUMNS_MAX);
    measure(rows, col, n, room);
    for (unsigned k = 0; k < n; k++)
        put_cell(f, say(col[k].english, col[k].zh), room[k], col[k].right, k + 1 == n);
    fputc('\n', f);
    json_array_foreach(rows, i, row)
    {
        for (unsigned k = 0; k < n; k++) {
            const char *c = colour_of(show_cell(row, col[k].key, text));

            if (c && colour)
                fputs(c, f);
            put_cell(f, text, room[k], col[k].right, k + 1 == n);
            if (c && colour)
                fputs("\033[0m", f);
        }
        fputc('\n', f);
    }
}

void show_row(FILE *f, const json_t *row, const struct column *col, unsigned n)
{
    json_t *one = json_pack("[O]", row);

    if (one)
        show_table(f, one, col, n);
    json_decref(one);
}
