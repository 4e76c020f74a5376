dnl SPDX-License-Identifier: LGPL-2.1-or-later

dnl PODMOUNT_FLAG(VARIABLE, FLAG): adds FLAG to VARIABLE if the compiler compiles and links with it without a warning.
AC_DEFUN([PODMOUNT_FLAG], [
        AS_VAR_PUSHDEF([cache], [podmount_cv_flag_$2])
        AC_CACHE_CHECK([whether $CC accepts $2], [cache], [
                podmount_saved_CFLAGS="$CFLAGS"
                CFLAGS="$CFLAGS -Werror $2"
                AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])],
                        [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
                CFLAGS="$podmount_saved_CFLAGS"
        ])
        AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
        AS_VAR_POPDEF([cache])
])

dnl PODMOUNT_LIBRARY(VARIABLE, MODULE, MINIMUM, DEBIAN-PACKAGE): a library by pkg-config, or what to install.
AC_DEFUN([PODMOUNT_LIBRARY], [
        PKG_CHECK_MODULES([$1], [$2 >= $3], [], [
                AC_MSG_ERROR([the library $2, version $3 or later, is missing. On Debian: apt-get install $4
  (scripts/deps build installs everything that the build needs.) pkg-config says:
  $$1[]_PKG_ERRORS])
        ])
])

dnl PODMOUNT_DIRECTORY(NAME, WHAT, DEFAULT, [MODULE], [VARIABLE]): --with-NAME, substituted as NAME. Installed into /usr
dnl the default is what pkg-config's MODULE says in VARIABLE, else DEFAULT, which lies below the prefix: so an
dnl installation anywhere else, that of distcheck among them, stays inside its prefix.
AC_DEFUN([PODMOUNT_DIRECTORY], [
        AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [where to install $2])], [$1="$withval"], [
                $1='$3'
                m4_ifval([$4], [AS_IF([test "x$prefix" = x/usr], [
                        podmount_directory=`$PKG_CONFIG --variable=$5 $4 2>/dev/null`
                        AS_IF([test -n "$podmount_directory"], [$1="$podmount_directory"])
                ])])
        ])
        AC_SUBST([$1])
])
