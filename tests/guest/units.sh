# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/units.sh — inside the guest: runs every test program in /tests, one line each.  Here is
# all that they want, a block device too (GUEST_DISK): one that leaves a test out has failed.

run() { # what it is called, program
  status=0
  "$2" >/tmp/out 2>&1 || status=$?
  if [ $status = 77 ]; then
    echo "skipped: $1: $(tail -n 1 /tmp/out)"
  elif [ $status = 0 ] && ! grep -q '^\[ *SKIPPED *\]' /tmp/out; then
    echo "ok: $1"
  else
    grep -v '^\[ *\(RUN\|OK\)' /tmp/out | tail -n 20
    echo "FAILED: $1"
  fi
}

export DOLMEN_TEST_DEVICE=/dev/vdb DOLMEN_TEST_DEVICE_CACHE="write back"
for test in /tests/*; do run "${test##*/}" "$test"; done

printf 'n\np\n1\n\n\nw\n' | fdisk /dev/vdb >/tmp/fdisk 2>&1
export DOLMEN_TEST_DEVICE=/dev/vdb1
for cache in "write back" "write through"; do
  export DOLMEN_TEST_DEVICE_CACHE="$cache"
  echo "$cache" >/sys/block/vdb/queue/write_cache
  run "env_disk_test, a partition with $cache" /tests/env_disk_test
done
