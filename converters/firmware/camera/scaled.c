/* length * to / of to the nearest, of two equally near ones the even one, and 1 at least; all up to 65535. */
static int32_t scaled(uint32_t length, uint32_t to, uint32_t of)
{
    const uint32_t product = length * to;
    const uint32_t whole = product / of;
    const uint32_t twice = 2U * (product % of);
    const uint32_t up = ((twice > of) || ((twice == of) && ((whole % 2U) == 1U))) ? 1U : 0U;
    return ((whole + up) < 1U) ? 1 : (int32_t)(whole + up);
}
