/* What `make install` puts there: complete, taken away whole, and usable by a stranger's program. */
#include "../cli/program.h"

#include <stdbool.h>
#include <unistd.h>

static char root[] = "/tmp/rung-test-install-XXXXXX";

/* Shell text with $root, $build, $source and $lib (the folder of librung.so). */
static said at_root(const char *text)
{
    char all[8192];
    snprintf(
        all, sizeof all,
        "root='%s' build='%s' source='%s'; lib=$(dirname \"$(find $root/dest -name librung.so)\" "
        "2>/dev/null); "
        "export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root/dest; unset DESTDIR PREFIX; %s",
        root, RG_BUILD_ROOT, RG_SOURCE_ROOT, text);
    return shell(all);
}

static void works(const char *text)
{
    const said s = at_root(text);
    if (s.code != 0)
        fail_msg("%s: exit %d\n%s%s", text, s.code, s.out, s.err);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    const said s = at_root("DESTDIR=$root/dest \"$source/tools/install\" \"$build\"");
    if (s.code != 0)
        print_message("tools/install: %s%s\n", s.out, s.err);
    return s.code;
}

static int tear_down(void **state)
{
    (void)state;
    return at_root("rm -rf \"$root\"").code;
}

TEST(everything_is_there)
{
    static const char *const files[] = {
        "bin/rung",         "librung.so.0", "librung.a",         "pkgconfig/rung.pc",   "include/rung/rung.h",
        "lm/lm.h",          "man1/rung.1",  "man1/rung-solve.1", "man5/rung-formats.5", "man3/librung.3",
        "completions/rung", "_rung",        "rung.fish",         "doc/rung/LICENSE",    "examples/score.c",
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        char text[256];
        snprintf(text, sizeof text, "find $root/dest -path '*/%s' | grep -q .", files[i]);
        works(text);
    }
}

TEST(the_program_runs_from_there)
{
    works("$(find $root/dest -path '*/bin/rung') grade 1/2 0.5 | grep -q 'equal by decimal'");
}

TEST(the_library_shows_its_public_functions_only)
{
    works("\"$source/tools/check-exports\" --self-test && \"$source/tools/check-exports\" \"$build\"");
    works("readelf -d $lib/librung.so | grep -q 'SONAME.*librung\\.so\\.0\\]'");
}

TEST(versions_agree)
{
    works("test \"$(pkg-config --modversion rung)\" = \"$($build/rung --version | sed -n 's/^rung *//p')\"");
    works("test -f \"$lib/librung.so.$(pkg-config --modversion rung)\"");
    works("grep -q \"\\\"$(pkg-config --modversion rung)\\\"\" $source/include/rung/base/version.h");
    works("grep -q \"$(sed -n 's/.*RG_VERSION_DATE \"\\(.*\\)\".*/\\1/p' "
          "$source/include/rung/base/version.h)\" $source/meson.build");
}

static bool plain_build(void)
{
    if (RG_PLAIN_BUILD && shell("command -v pkg-config").code == 0)
        return true;
    print_message(
        "[  NOTE    ] a build with sanitizers, or no pkg-config: other programs cannot link with it\n");
    return false;
}

TEST(examples_build_against_the_shared_library)
{
    if (!plain_build())
        skip();
    works("for c in $source/examples/*.c; do ${CC:-cc} -std=c17 -Wall -Wextra -Werror $(pkg-config --cflags "
          "rung) $c "
          "-o $root/$(basename $c .c) $(pkg-config --libs rung) -lm || exit 1; done");
    works("LD_LIBRARY_PATH=$lib $root/grade 1/2 0.5 | grep -q '^equal by decimal'");
    works("LD_LIBRARY_PATH=$lib ldd $root/grade | grep -q \"librung.so.0 => $root\"");
}

TEST(examples_build_against_the_static_library)
{
    if (!plain_build())
        skip();
    works(
        "libs=$(pkg-config --static --libs rung | sed 's/-lrung/-l:librung.a/'); for c in grade tokenize; do "
        "${CC:-cc} -std=c17 $(pkg-config --cflags rung) $source/examples/$c.c -o $root/$c $libs || exit 1; "
        "done");
    works("$root/grade 1/2 0.5 | grep -q '^equal by decimal'");
    works("! ldd $root/grade | grep librung");
}

TEST(c_plus_plus_can_use_it)
{
    if (!plain_build() || shell("command -v g++").code != 0)
        skip();
    works(
        "printf '#include <rung/rung.h>\\n#include <cstring>\\nint main() { return std::strcmp(rg_version(), "
        "RG_VERSION); }\\n' "
        ">$root/v.cc; g++ -std=c++17 -Wall -Wextra -Werror $(pkg-config --cflags rung) $root/v.cc -o $root/v "
        "$(pkg-config --libs rung) && LD_LIBRARY_PATH=$lib $root/v");
}

TEST(uninstall_leaves_nothing_behind)
{
    works("echo mine >$root/dest/mine; DESTDIR=$root/dest \"$source/tools/install\" \"$build\" --uninstall");
    works("test \"$(find $root/dest -mindepth 1)\" = $root/dest/mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there),
        cmocka_unit_test(the_program_runs_from_there),
        cmocka_unit_test(the_library_shows_its_public_functions_only),
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(examples_build_against_the_shared_library),
        cmocka_unit_test(examples_build_against_the_static_library),
        cmocka_unit_test(c_plus_plus_can_use_it),
        cmocka_unit_test(uninstall_leaves_nothing_behind), /* the last: nothing is there afterwards */
    };
    return cmocka_run_group_tests_name("install/install", tests, set_up, tear_down);
}
