/* Holdfast: XML is read strictly, and what is written can always be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/codec.h"

/* The walk as one line of text: "(name:depth" and ")name:depth=text". Stops with stop_rc at the element stop_at. */
struct trace {
    struct buf out;
    const char *stop_at;
    enum rc stop_rc;
};

static enum rc trace_open(void *ctx, const char *name, int depth)
{
    struct trace *t = ctx;

    if (t->stop_at && strcmp(name, t->stop_at) == 0)
        return t->stop_rc;
    return buf_printf(&t->out, "(%s:%d ", name, depth);
}

static enum rc trace_close(void *ctx, const char *name, int depth, struct view text)
{
    struct trace *t = ctx;

    if (t->stop_at && t->stop_at[0] == '/' && strcmp(name, t->stop_at + 1) == 0)
        return t->stop_rc;
    return buf_printf(&t->out, ")%s:%d=%.*s ", name, depth, (int)text.n, text.p);
}

static enum rc walk(struct view doc, struct trace *t, struct err *e)
{
    const struct xml_reader reader = {.on_open = trace_open, .on_close = trace_close, .ctx = t};

    return xml_read(doc, &reader, e);
}

static void assert_walk(const char *doc, const char *want)
{
    struct trace t = {.out = BUF(1 << 20)};
    struct err e = {""};

    assert_int_equal(walk(view_cstr(doc), &t, &e), RC_OK);
    assert_int_equal(buf_put(&t.out, "", 1), RC_OK);
    assert_string_equal(t.out.p, want);
    buf_free(&t.out);
}

static void assert_refused(struct view doc, enum rc want, const char *place)
{
    struct trace t = {.out = BUF(1 << 20)};
    struct err e = {""};

    assert_int_equal(walk(doc, &t, &e), want);
    if (strncmp(e.text, place, strlen(place)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", e.text, place);
    buf_free(&t.out);
}

static void each_element_closes_with_its_own_text(void **state)
{
    (void)state;
    assert_walk("<A><B>1</B><B/><C>x</C></A>", "(A:1 (B:2 )B:2=1 (B:2 )B:2= (C:2 )C:2=x )A:1= ");
    assert_walk("<A>before<B>in<C>deep</C>side</B>after</A>", "(A:1 (B:2 (C:3 )C:3=deep )B:2=inside )A:1=beforeafter ");
}

static void entities_and_cdata_come_resolved_and_in_one_piece(void **state)
{
    (void)state;
    assert_walk("<K>a&amp;b&lt;&gt;&quot;&apos;&#65;&#x4e2d;<![CDATA[<&>]]>z<!-- no --><?pi no?>!</K>",
                "(K:1 )K:1=a&b<>\"'A\xe4\xb8\xad<&>z! ");
}

static void namespaces_are_taken_off(void **state)
{
    (void)state;
    assert_walk("<D xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><K>v</K></D>", "(D:1 (K:2 )K:2=v )D:1= ");
    assert_walk("<s:D xmlns:s='urn:s'><s:K s:a='1'>v</s:K></s:D>", "(D:1 (K:2 )K:2=v )D:1= ");
}

static void a_declaration_and_a_byte_order_mark_are_fine(void **state)
{
    (void)state;
    assert_walk("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<A/>\n", "(A:1 )A:1= ");
    assert_walk("\xef\xbb\xbf<A/>", "(A:1 )A:1= ");
}

static void doctype_is_refused_before_any_entity_counts(void **state)
{
    (void)state;
    assert_refused(VIEW("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a>&x;</a>"), RC_INVALID, "line 1, column 4");
}

static void other_encodings_are_refused(void **state)
{
    (void)state;
    assert_refused(VIEW("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a>\xe9</a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a>\xed\xa0\x80</a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("\xff\xfe<\0a\0/\0>\0"), RC_INVALID, "line 1, column ");
}

static void broken_documents_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_refused(VIEW(""), RC_INVALID, "line 1, column 1");
    assert_refused(VIEW("text"), RC_INVALID, "line 1, column 1");
    assert_refused(VIEW("<a>\n <b></a>"), RC_INVALID, "line 2, column ");
    assert_refused(VIEW("<a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a/><b/>"), RC_INVALID, "line 1, column 5");
    assert_refused(VIEW("<a x='1' x='2'/>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<p:a/>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a>&#0;</a>"), RC_INVALID, "line 1, column ");
    assert_refused(VIEW("<a>\0</a>"), RC_INVALID, "line 1, column ");
}

static enum rc nested(int depth)
{
    struct buf doc = BUF(100000);
    struct trace t = {.out = BUF(1 << 20)};

    for (int i = 0; i < depth; i++)
        assert_int_equal(xml_open(&doc, "a"), RC_OK);
    for (int i = 0; i < depth; i++)
        assert_int_equal(xml_close(&doc, "a"), RC_OK);
    enum rc rc = walk(buf_view(&doc), &t, NULL);
    buf_free(&t.out);
    buf_free(&doc);
    return rc;
}

static void depth_ends_at_32(void **state)
{
    (void)state;
    assert_int_equal(nested(32), RC_OK);
    assert_int_equal(nested(33), RC_INVALID);
    assert_int_equal(nested(10000), RC_INVALID);
}

static enum rc with_text(size_t n)
{
    struct buf doc = BUF(2 << 20);
    const struct xml_reader deaf = {0};

    assert_int_equal(xml_open(&doc, "a"), RC_OK);
    assert_int_equal(buf_reserve(&doc, n), RC_OK);
    memset(doc.p + doc.n, 'x', n);
    doc.n += n;
    assert_int_equal(xml_close(&doc, "a"), RC_OK);
    enum rc rc = xml_read(buf_view(&doc), &deaf, NULL);
    buf_free(&doc);
    return rc;
}

static void text_ends_at_one_mebibyte(void **state)
{
    (void)state;
    assert_int_equal(with_text(1 << 20), RC_OK);
    assert_int_equal(with_text((1 << 20) + 1), RC_LIMIT);
}

static void a_document_past_the_limit_is_not_read_at_all(void **state)
{
    const struct xml_reader deaf = {0};
    struct err e = {""};

    (void)state;
    assert_int_equal(xml_read(view_of("", (size_t)XML_DOC_MAX + 1), &deaf, &e), RC_LIMIT);
    assert_string_equal(e.text, "the document has more than 8 MiB");
}

static void a_callback_can_stop_the_walk(void **state)
{
    static const struct {
        const char *at, *seen;
    } cases[] = {
        {"B", "(A:1 "},
        {"/B", "(A:1 (B:2 "},
        {"A", ""},
        {"/A", "(A:1 (B:2 )B:2= (C:2 )C:2= "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace t = {.out = BUF(1000), .stop_at = cases[i].at, .stop_rc = RC_PRECONDITION};
        struct err e = {"mine"};

        assert_int_equal(walk(VIEW("<A><B/><C/></A>"), &t, &e), RC_PRECONDITION);
        assert_string_equal(e.text, "mine");
        assert_true(view_eqs(buf_view(&t.out), cases[i].seen));
        buf_free(&t.out);
    }
}

static void written_documents_look_as_clients_expect(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    assert_int_equal(xml_head(&b), RC_OK);
    assert_int_equal(xml_open(&b, "R xmlns=\"urn:x\""), RC_OK);
    assert_int_equal(xml_leaf(&b, "ETag", VIEW("\"ab\"")), RC_OK);
    assert_int_equal(xml_leaf(&b, "Key", VIEW("a<b>&c'\r\n\t\xe4\xb8\xad")), RC_OK);
    assert_int_equal(xml_leaf_u64(&b, "Size", UINT64_MAX), RC_OK);
    assert_int_equal(xml_close(&b, "R xmlns=\"urn:x\""), RC_OK);
    assert_true(view_eqs(buf_view(&b), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                       "<R xmlns=\"urn:x\"><ETag>&quot;ab&quot;</ETag>"
                                       "<Key>a&lt;b&gt;&amp;c'&#13;\n\t\xe4\xb8\xad</Key>"
                                       "<Size>18446744073709551615</Size></R>"));
    buf_free(&b);
}

static void assert_written_as(struct view text, const char *want)
{
    struct buf b = BUF(1000);

    assert_int_equal(xml_text(&b, text), RC_OK);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    assert_string_equal(b.p, want);
    buf_free(&b);
}

static void what_xml_cannot_hold_becomes_a_replacement_character(void **state)
{
    (void)state;
    assert_written_as(VIEW("a\0b\x1f"), "a\xef\xbf\xbd"
                                        "b\xef\xbf\xbd");
    assert_written_as(VIEW("\xef\xbf\xbe|\xef\xbf\xbf"), "\xef\xbf\xbd|\xef\xbf\xbd");
    assert_written_as(VIEW("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_written_as(VIEW("\xe4\xb8"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_written_as(VIEW("\xf0\x9f\x98\x80\x7f"), "\xf0\x9f\x98\x80\x7f");
}

static enum rc keep_text(void *ctx, const char *name, int depth, struct view text)
{
    (void)name;
    (void)depth;
    return buf_putv(ctx, text);
}

/* One byte after the other, in the middle of text, and as two equal ones. */
static void any_byte_can_be_written_and_read_again(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char raw[4] = {'a', (char)c, (char)c, 'b'};
        struct buf doc = BUF(100), text = BUF(100);
        const struct xml_reader reader = {.on_close = keep_text, .ctx = &text};

        assert_int_equal(xml_leaf(&doc, "K", view_of(raw, sizeof(raw))), RC_OK);
        assert_int_equal(xml_read(buf_view(&doc), &reader, NULL), RC_OK);
        bool holds = c == '\t' || c == '\n' || c == '\r' || (c >= ' ' && c < 0x80);
        assert_true(view_eqs(buf_view(&text), "a\xef\xbf\xbd\xef\xbf\xbd"
                                              "b") != holds);
        assert_true(view_eq(buf_view(&text), view_of(raw, sizeof(raw))) == holds);
        buf_free(&doc);
        buf_free(&text);
    }
}

static void writing_stops_at_the_maximum(void **state)
{
    struct buf b = BUF(10);

    (void)state;
    assert_int_equal(xml_leaf(&b, "Key", VIEW("value")), RC_LIMIT);
    assert_true(b.n <= 10);
    buf_clear(&b);
    assert_int_equal(xml_text(&b, VIEW("&&&")), RC_LIMIT);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_closes_with_its_own_text),
        cmocka_unit_test(entities_and_cdata_come_resolved_and_in_one_piece),
        cmocka_unit_test(namespaces_are_taken_off),
        cmocka_unit_test(a_declaration_and_a_byte_order_mark_are_fine),
        cmocka_unit_test(doctype_is_refused_before_any_entity_counts),
        cmocka_unit_test(other_encodings_are_refused),
        cmocka_unit_test(broken_documents_are_refused_with_their_place),
        cmocka_unit_test(depth_ends_at_32),
        cmocka_unit_test(text_ends_at_one_mebibyte),
        cmocka_unit_test(a_document_past_the_limit_is_not_read_at_all),
        cmocka_unit_test(a_callback_can_stop_the_walk),
        cmocka_unit_test(written_documents_look_as_clients_expect),
        cmocka_unit_test(what_xml_cannot_hold_becomes_a_replacement_character),
        cmocka_unit_test(any_byte_can_be_written_and_read_again),
        cmocka_unit_test(writing_stops_at_the_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
