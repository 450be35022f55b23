/* landlock.c - confine_landlock: the file system as the code may see it, whatever is mounted.
 *
 * The build machine's header may be older than the kernel, so the numbers stand here.
 * Reference: the kernel's Documentation/userspace-api/landlock.rst. */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, VERSION = 1, PATH_BENEATH = 1 };

/* access rights to files, by the ABI that brought them */
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    ABI_1 = (1 << 13) - 1,
    REFER = 1 << 13,     /* ABI 2 */
    TRUNCATE = 1 << 14,  /* ABI 3 */
    IOCTL_DEV = 1 << 15, /* ABI 5 */
    NET = 3,             /* ABI 4: bind and connect of TCP */
    SCOPES = 3,          /* ABI 6: abstract sockets, signals */
    FOR_READING = READ_FILE | READ_DIR,
    FOR_WORK = FOR_READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE,
    OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct beneath {
    uint64_t access;
    int32_t parent;
} __attribute__((packed));

/* A place that is not there needs no rule. */
static int allow(int rules, const char *path, uint64_t access)
{
    struct stat st;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        access &= OF_A_FILE;
    const struct beneath b = { access, fd };
    const int error = syscall(ADD_RULE, rules, PATH_BENEATH, &b, 0) < 0 ? errno : 0;
    close(fd);
    return error;
}

int confine_landlock(const char *const *paths, size_t n, const char *work, int *abi)
{
    const long version = syscall(CREATE_RULESET, NULL, 0, VERSION);
    *abi = version > 0 ? (int)version : 0;
    if (version <= 0)
        return version < 0 ? errno : EOPNOTSUPP;
    struct ruleset all = { ABI_1, 0, 0 };
    all.fs |= (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) | (version >= 5 ? IOCTL_DEV : 0);
    all.net = version >= 4 ? NET : 0;
    all.scoped = version >= 6 ? SCOPES : 0;
    const size_t size = version >= 6 ? sizeof all : version >= 4 ? 16 : 8;
    const int rules = (int)syscall(CREATE_RULESET, &all, size, 0);
    if (rules < 0)
        return errno;
    int error = allow(rules, work, FOR_WORK & all.fs);
    for (size_t i = 0; i < n && error == 0; i++)
        error = allow(rules, paths[i], FOR_READING);
    if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        error = errno;
    if (error == 0 && syscall(RESTRICT_SELF, rules, 0) < 0)
        error = errno;
    close(rules);
    return error;
}
