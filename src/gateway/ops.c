/* The operations and what each needs before it runs. */
#include "gateway/gateway_priv.h"

/* Kinds as clouds bill them: lists count with the writes, whatever deletes or aborts is apart. */
static const struct op_def ops[OP_COUNT] = {
    [OP_BUCKETS_LIST] = {GATE_READ, REQUEST_WRITE, false, BODY_IS_NONE, NULL, op_buckets_list},
    [OP_BUCKET_CREATE] = {GATE_NEW_BUCKET, REQUEST_WRITE, false, BODY_IS_XML, op_bucket_create_check, op_bucket_create},
    [OP_BUCKET_HEAD] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_bucket_head},
    [OP_BUCKET_DELETE] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_NONE, NULL, op_bucket_delete},
    [OP_BUCKET_LOCATION] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_bucket_location},
    [OP_VERSIONING_GET] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_versioning_get},
    [OP_VERSIONING_PUT] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_XML, NULL, op_versioning_put},
    [OP_BUCKET_TAGS_GET] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_bucket_tags_get},
    [OP_BUCKET_TAGS_PUT] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_XML, NULL, op_bucket_tags_put},
    [OP_BUCKET_TAGS_DELETE] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_NONE, NULL, op_bucket_tags_delete},
    [OP_LIST_V1] = {GATE_READ, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_list_v1},
    [OP_LIST_V2] = {GATE_READ, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_list_v2},
    [OP_LIST_VERSIONS] = {GATE_READ, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_list_versions},
    [OP_LIST_UPLOADS] = {GATE_READ, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_list_uploads},
    [OP_DELETE_MANY] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_XML, op_delete_many_check, op_delete_many},
    [OP_OBJECT_PUT] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_OBJECT, op_object_put_check, op_object_put},
    [OP_OBJECT_COPY] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_object_copy},
    [OP_OBJECT_GET] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_object_get},
    [OP_OBJECT_HEAD] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_object_head},
    [OP_OBJECT_DELETE] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_NONE, NULL, op_object_delete},
    [OP_OBJECT_TAGS_GET] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_object_tags_get},
    [OP_OBJECT_TAGS_PUT] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_XML, NULL, op_object_tags_put},
    [OP_OBJECT_TAGS_DELETE] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_NONE, NULL, op_object_tags_delete},
    [OP_OBJECT_ATTRIBUTES] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_object_attributes},
    [OP_UPLOAD_CREATE] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_upload_create},
    [OP_UPLOAD_PART] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_OBJECT, op_upload_part_check, op_upload_part},
    [OP_UPLOAD_PART_COPY] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_NONE, op_upload_part_check, op_upload_part_copy},
    [OP_UPLOAD_COMPLETE] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_XML, NULL, op_upload_complete},
    [OP_UPLOAD_ABORT] = {GATE_WRITE, REQUEST_DELETE, true, BODY_IS_NONE, NULL, op_upload_abort},
    [OP_UPLOAD_PARTS] = {GATE_READ, REQUEST_WRITE, true, BODY_IS_NONE, NULL, op_upload_parts},
    [OP_NOT_MADE_READ] = {GATE_READ, REQUEST_READ, true, BODY_IS_NONE, NULL, op_not_made_read},
    [OP_NOT_MADE] = {GATE_WRITE, REQUEST_WRITE, true, BODY_IS_NONE, op_not_made, op_not_made},
};

const struct op_def *gw_op_def(enum gw_op op)
{
    HF_ASSERT(op > OP_NONE && op < OP_COUNT && ops[op].run != NULL);
    return &ops[op];
}
