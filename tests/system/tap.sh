# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The frame of the system tests, for both sides of the boundary: each check is one line of TAP without its number
# (tests/system/run counts them through), with what the command said below it when it fails.

# check NAME COMMAND...: the command must succeed.
check() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    printf 'ok - %s\n' "$name"
  else
    printf 'not ok - %s\n' "$name"
    printf '%s\n' "${said:-(it said nothing: $*)}" | sed 's/^/#   /'
  fi
}

# is ACTUAL EXPECTED: equal texts.
is() {
  [[ $1 == "$2" ]] || { printf 'expected: %s\nactual:   %s\n' "$2" "$1"; return 1; }
}

# differs ACTUAL OTHER: not equal, and not empty.
differs() {
  [[ -n $1 && $1 != "$2" ]] || { printf 'expected anything but: %s\nactual: %s\n' "$2" "$1"; return 1; }
}

# has TEXT PATTERN: an extended regular expression is found in the text.
has() {
  grep -Eq -- "$2" <<<"$1" || { printf 'no %s in:\n%s\n' "$2" "$1"; return 1; }
}

# lacks TEXT PATTERN: it is not.
lacks() {
  ! grep -Eq -- "$2" <<<"$1" || { printf 'there is %s in:\n%s\n' "$2" "$1"; return 1; }
}

# fails_with PATTERN COMMAND...: the command fails and says this.
fails_with() {
  local pattern=$1 said
  shift
  if said=$("$@" 2>&1); then
    printf 'it succeeded: %s\n' "$said"
    return 1
  fi
  has "$said" "$pattern"
}

# within SECONDS COMMAND...: succeeds at some time until then.
within() {
  local deadline said=''
  deadline=$(($(date +%s%N) + $1 * 1000000000))
  shift
  until said=$("$@" 2>&1); do
    (($(date +%s%N) < deadline)) || { printf '%s\n' "$said"; return 1; }
    sleep 0.05
  done
}

note() {
  sed 's/^/# /'
}
