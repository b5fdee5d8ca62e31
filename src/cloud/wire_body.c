/* Holdfast: the XML bodies that operations need. */
#include "cloud/cloud_priv.h"

#include "codec/codec.h"

static enum rc put_parts(const struct cloud_request *r, struct buf *b, struct err *e)
{
    if (r->n_parts == 0)
        return err_set(e, RC_INVALID, "an upload of no parts cannot be completed");
    HF_TRY(xml_open(b, "CompleteMultipartUpload"));
    for (size_t i = 0; i < r->n_parts; i++) {
        char quoted[CLOUD_ETAG_MAX + 3];
        if (i > 0 && r->parts[i].number <= r->parts[i - 1].number)
            return err_set(e, RC_INVALID, "the parts of an upload must ascend");
        snprintf(quoted, sizeof(quoted), "\"%s\"", r->parts[i].etag);
        HF_TRY(xml_open(b, "Part"));
        HF_TRY(xml_leaf_u64(b, "PartNumber", r->parts[i].number));
        HF_TRY(xml_leaf(b, "ETag", view_cstr(quoted)));
        HF_TRY(xml_close(b, "Part"));
    }
    return xml_close(b, "CompleteMultipartUpload");
}

static enum rc put_tag(struct view one, struct buf *b)
{
    struct buf name = BUF(4096), value = BUF(4096);
    size_t eq = view_find(one, '=', 0);
    enum rc rc = uri_decode(view_sub(one, 0, eq), true, &name);

    if (rc == RC_OK && eq != SIZE_MAX)
        rc = uri_decode(view_sub(one, eq + 1, one.n), true, &value);
    if (rc == RC_OK)
        rc = xml_open(b, "Tag");
    if (rc == RC_OK)
        rc = xml_leaf(b, "Key", buf_view(&name));
    if (rc == RC_OK)
        rc = xml_leaf(b, "Value", buf_view(&value));
    if (rc == RC_OK)
        rc = xml_close(b, "Tag");
    buf_free(&name);
    buf_free(&value);
    return rc;
}

static enum rc put_tags(struct view tags, struct buf *b)
{
    HF_TRY(xml_open(b, "Tagging"));
    HF_TRY(xml_open(b, "TagSet"));
    for (size_t at = 0; at < tags.n;) {
        size_t end = view_find(tags, '&', at);
        struct view one = view_sub(tags, at, end == SIZE_MAX ? tags.n : end - at);
        at += one.n + 1;
        if (one.n > 0)
            HF_TRY(put_tag(one, b));
    }
    HF_TRY(xml_close(b, "TagSet"));
    return xml_close(b, "Tagging");
}

enum rc cloud_wire_body(const struct cloud_request *r, struct buf *ret, struct err *e)
{
    if (r->op == CLOUD_COMPLETE)
        return put_parts(r, ret, e);
    if (r->op == CLOUD_TAGS_PUT)
        return put_tags(r->tags, ret);
    return RC_OK;
}
