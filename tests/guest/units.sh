# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/units.sh — inside the guest: runs every test program in /tests, one line each.
for test in /tests/*; do
  name=${test##*/}
  if "$test" >/tmp/out 2>&1; then
    echo "ok: $name"
  elif [ $? = 77 ]; then
    echo "skipped: $name: $(tail -n 1 /tmp/out)"
  else
    grep -v '^\[ *\(RUN\|OK\)' /tmp/out | tail -n 20
    echo "FAILED: $name"
  fi
done
