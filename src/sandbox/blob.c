/* blob.c - the programs that embed.py put into this library. */
#include "sandbox_int.h"

extern const unsigned char rg__bytes_worker[], rg__bytes_worker_end[], rg__bytes_jail[], rg__bytes_jail_end[],
    rg__bytes_session[], rg__bytes_session_end[];

/* Without the zero byte that embed.py adds. */
rg__blob rg__blob_jail(void)
{
    return (rg__blob){ rg__bytes_jail, (size_t)(rg__bytes_jail_end - rg__bytes_jail) - 1 };
}

rg__blob rg__blob_session(void)
{
    return (rg__blob){ rg__bytes_session, (size_t)(rg__bytes_session_end - rg__bytes_session) - 1 };
}

rg__blob rg__blob_worker(void)
{
    return (rg__blob){ rg__bytes_worker, (size_t)(rg__bytes_worker_end - rg__bytes_worker) };
}
