static void move(@name@_plane *plane, size_t rows, size_t bytes)
{
    const size_t skipped = (rows * plane->stride) + bytes;
    plane->data = &plane->data[skipped];
    plane->bytes -= skipped;
}
