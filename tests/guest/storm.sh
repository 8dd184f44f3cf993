# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/storm.sh — inside the guest: Linux's own initiator, with the timers that Debian gives
# it, writes 4 KiB at random with 32 in flight onto a volume outside, whose store is slow and then
# stands still.  It says once a second what it has written and has in flight, verifies all of it, and
# must see no error, no lost session and no command that ran out of time.
#
# /storm.conf: initiator, target and portal.
set -e
# shellcheck source=/dev/null
. /storm.conf

step() { echo "ok: open-iscsi in a storm: $1"; }
fail() { echo "FAILED: open-iscsi in a storm: $1"; shift; [ $# = 0 ] || cat "$@"; dmesg | tail -n 20; exit 1; }
find_disk() {
  for vendor in /sys/block/sd*/device/vendor; do
    if [ -e "$vendor" ] && grep -q '^DOLMEN' "$vendor"; then
      name=$(echo "$vendor" | cut -d/ -f4)
      [ ! -b "/dev/$name" ] || return 0
    fi
  done
  return 1
}

ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
# shellcheck disable=SC2154 # of /storm.conf
echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock /var/lib
iscsid -f >/tmp/iscsid 2>&1 &
# No discovery: it would tell the portal as it is named outside
# shellcheck disable=SC2154 # of /storm.conf
iscsiadm -m node -o new -T "$target" -p "$portal" >/tmp/login 2>&1 || fail "its target is known" /tmp/login
iscsiadm -m node -T "$target" -p "$portal" --login >/tmp/login 2>&1 || fail "login" /tmp/login /tmp/iscsid
tenths=100
until find_disk; do
  [ $tenths -gt 0 ] || fail "a disk"
  tenths=$((tenths - 1))
  sleep 0.1
done
step "login"

# Others write the first half
fio --name=storm --filename="/dev/$name" --offset=32M --size=8M --rw=randwrite --bs=4k --direct=1 --ioengine=libaio \
  --iodepth=32 --verify=crc32c --do_verify=1 --verify_fatal=1 >/tmp/fio 2>&1 &
writer=$!
while kill -0 $writer 2>/dev/null; do
  echo "WROTE $(awk '{print $5, $9}' "/sys/block/$name/stat")"
  sleep 1
done
wait $writer || fail "every write is there" /tmp/fio
step "every write is there"
! dmesg | grep -E 'I/O error|conn error|ping timeout|timed out|timing out|abort' >/tmp/errors ||
  fail "no I/O error, the session stays" /tmp/errors
step "no I/O error, the session stays"
iscsiadm -m node -T "$target" -p "$portal" --logout >/tmp/logout 2>&1 || fail "logout" /tmp/logout
step "logout"
