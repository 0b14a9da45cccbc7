static @name@_status refusal_of_encoding(const @name@_frame *frame)
{
    const uint32_t encoding = (uint32_t)frame->encoding;
    return ((encoding >= (uint32_t)@NAME@_BT601_LIMITED) && (encoding <= (uint32_t)@NAME@_BT709_FULL))
               ? @NAME@_OK
               : @NAME@_ERROR_ENCODING;
}
