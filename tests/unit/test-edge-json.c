/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON out and in, and the words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "avm.h"
#include "json/avm_json.h"

static void writes(void **state)
{
    struct avm_json *j = avm_json_new();
    char *s;

    (void)state;
    avm_json_object(j, NULL);
    avm_json_uint(j, "n", UINT64_MAX);
    avm_json_int(j, "m", -5);
    avm_json_str(j, "s", "a\"b\\\n\033\xff\xc3\xa9");
    avm_json_array(j, "a");
    avm_json_bool(j, NULL, true);
    avm_json_null(j, NULL);
    avm_json_raw(j, NULL, "{\"x\":1}");
    avm_json_end(j);
    avm_json_end(j);
    s = avm_json_finish(j);
    assert_string_equal(s, "{\"n\":18446744073709551615,\"m\":-5,"
                        "\"s\":\"a\\\"b\\\\\\n\\u001B?\xc3\xa9\","
                        "\"a\":[true,null,{\"x\":1}]}");
    free(s);
}

static void bad_nesting_comes_out_at_the_end(void **state)
{
    struct avm_json *j;

    (void)state;
    j = avm_json_new();
    avm_json_object(j, NULL); /* never ended */
    assert_null(avm_json_finish(j));
    j = avm_json_new();
    avm_json_end(j);
    assert_null(avm_json_finish(j));
    j = avm_json_new();
    avm_json_object(j, NULL);
    avm_json_int(j, NULL, 1); /* no key */
    avm_json_end(j);
    assert_null(avm_json_finish(j));
    j = avm_json_new();
    avm_json_array(j, NULL);
    avm_json_int(j, "key", 1); /* a key in an array */
    avm_json_end(j);
    assert_null(avm_json_finish(j));
}

static void reads(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2,\"three\"],\"o\":{\"k\":true},\"n\":null}";
    struct avm_json_value *v = avm_json_parse(text, strlen(text), NULL, 0);
    const struct avm_json_value *a = avm_json_get(v, "a");

    (void)state;
    assert_non_null(v);
    assert_int_equal(avm_json_size(a), 3);
    assert_int_equal(avm_json_get_int(avm_json_at(a, 1), 0), -2);
    assert_string_equal(avm_json_get_str(avm_json_at(a, 2), ""), "three");
    assert_null(avm_json_at(a, 3));
    assert_true(avm_json_get_bool(avm_json_get(avm_json_get(v, "o"), "k"),
                                  false));
    assert_int_equal(avm_json_get_int(avm_json_get(v, "n"), 7), 7);
    assert_null(avm_json_get(v, "nothing"));
    avm_json_free(v);
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "", "{", "[1,", "{\"a\"}", "1.5", "[1e3]", "nope", "{} {}", "[1]]",
        "\"\\u0000\"", "{\"a\":99999999999999999999}",
    };
    char deep[400], err[80];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err[0] = '\0';
        errno = 0;
        if (avm_json_parse(bad[i], strlen(bad[i]), err, sizeof(err)))
            fail_msg("took %s", bad[i]);
        assert_int_equal(errno, EINVAL);
        assert_true(err[0]);
    }
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_null(avm_json_parse(deep, sizeof(deep), err, sizeof(err)));
    assert_string_equal(err, "nested too deeply");
}

static void words(void **state)
{
    char buf[AVM_UUID_STR_LEN];
    struct avm_uuid u;
    int i;

    (void)state;
    for (i = 0; i < AVM_NR_ROLES; i++)
        assert_int_equal(avm_role_parse(avm_role_name(i)), i);
    for (i = 0; i < AVM_NR_MODES; i++)
        assert_int_equal(avm_mode_parse(avm_mode_name(i)), i);
    for (i = 0; i < AVM_NR_KNOBS; i++)
        assert_int_equal(avm_knob_parse(avm_knob_name(i)), i);
    for (i = 0; i < AVM_NR_URGENCIES; i++)
        assert_int_equal(avm_urgency_parse(avm_urgency_name(i)), i);
    assert_int_equal(avm_role_parse("Normal"), -1);
    assert_int_equal(avm_role_parse(NULL), -1);
    assert_string_equal(avm_class_name(99), "?");
    assert_string_equal(avm_scheduler_name(10), "activity");
    assert_string_equal(avm_scheduler_name(0), "?");

    assert_int_equal(avm_uuid_parse("01234567-89ab-CDEF-0011-223344556677",
                                    &u), 0);
    assert_string_equal(avm_uuid_str(&u, buf),
                        "01234567-89ab-cdef-0011-223344556677");
    assert_int_equal(avm_uuid_parse("", &u), -1);
    assert_int_equal(avm_uuid_parse(NULL, &u), -1);
    assert_int_equal(avm_uuid_parse("0123456789abcdef0011223344556677", &u),
                     -1);
    assert_int_equal(avm_uuid_parse("01234567-89ab-cdef-0011-22334455667",
                                    &u), -1);
    assert_int_equal(avm_uuid_parse("01234567-89ab-cdef-0011-2233445566778",
                                    &u), -1);
    assert_int_equal(avm_uuid_parse("01234567-89ab-cdef-0011-22334455667g",
                                    &u), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(bad_nesting_comes_out_at_the_end),
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
