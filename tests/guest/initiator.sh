# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/initiator.sh — inside the guest: Linux's own initiator (open-iscsi, with its daemon)
# finds its target, proves itself and asks for proof (mutual CHAP), checks every PDU (both digests),
# makes a file system, verifies what fio wrote, discards, sees the volume grow, and goes on by
# itself when storaged is killed under load.
set -e

initiator=iqn.2026-11.internal.dolmen:guest
dolmen="dolmen --dir /data/cluster"

field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\[*\"*\([^],\"}]*\).*/\1/"; } # the first one of its name
step() { echo "ok: open-iscsi: $1"; }
fail() { echo "FAILED: open-iscsi: $1"; shift; [ $# = 0 ] || tail -n 40 "$@"; dmesg | tail -n 60; exit 1; }
until_true() { # seconds, command
  tenths=$(($1 * 10))
  shift
  while ! "$@"; do
    [ $tenths -gt 0 ] || return 1
    tenths=$((tenths - 1))
    sleep 0.1
  done
}
# A disk of ours, once the kernel has found it
find_disk() {
  for vendor in /sys/block/sd*/device/vendor; do
    if [ -e "$vendor" ] && grep -q '^DOLMEN' "$vendor"; then
      disk=/dev/$(echo "$vendor" | cut -d/ -f4)
      [ ! -b "$disk" ] || return 0
    fi
  done
  return 1
}
gone() { [ ! -b "$disk" ]; }
blocks() { cat "/sys/block/${disk#/dev/}/size"; }
is_size() { [ "$(blocks)" = "$1" ]; }
set_key() { iscsiadm -m node -T "$target" -p "$portal" -o update -n "$1" -v "$2" >/dev/null; }
log_in() { iscsiadm -m node -T "$target" -p "$portal" --login >/tmp/login 2>&1; }
negotiated() { iscsiadm -m session -P 2 | grep -q "$1"; }
no_errors() { ! dmesg | grep -E 'I/O error|Buffer I/O|EXT4-fs error' >/tmp/errors || fail "no I/O error" /tmp/errors; }

hostname guest
echo "InitiatorName=$initiator" >/etc/iscsi/initiatorname.iscsi
mkdir -p /run/lock /var/lib /sys/kernel/debug
iscsid -f >/tmp/iscsid 2>&1 &

$dolmen --json up --size 512MiB >/tmp/up.json
$dolmen volume create guest 128MiB >/dev/null
$dolmen volume create other 64MiB >/dev/null
$dolmen --json attachment create guest --initiator $initiator --chap mutual >/tmp/attachment.json
$dolmen attachment create other --initiator iqn.2026-11.example:other >/dev/null
portal=$(field /tmp/attachment.json portals)
target=$(field /tmp/attachment.json target)
tr -d ' \n' </tmp/attachment.json | sed 's/.*"chap":{\([^}]*\)}.*/{\1}/' >/tmp/chap.json

iscsiadm -m discovery -t sendtargets -p "$portal" >/tmp/found 2>&1 || fail "discovery" /tmp/found
grep -q "$target" /tmp/found || fail "discovery" /tmp/found
[ "$(wc -l </tmp/found)" = 1 ] || fail "discovery shows its own target alone" /tmp/found
step "discovery shows its own target alone"

! log_in || fail "a login without CHAP is refused" /tmp/login
step "a login without CHAP is refused"
set_key node.session.auth.authmethod CHAP
set_key node.session.auth.username "$(field /tmp/chap.json user)"
set_key node.session.auth.password "$(field /tmp/chap.json secret)"
set_key node.session.auth.username_in "$(field /tmp/chap.json mutual_user)"
set_key node.session.auth.password_in not-the-secret-0
! log_in || fail "a target that cannot prove itself is left" /tmp/login
step "a target that cannot prove itself is left"
set_key node.session.auth.password_in "$(field /tmp/chap.json mutual_secret)"
set_key 'node.conn[0].iscsi.HeaderDigest' CRC32C
set_key 'node.conn[0].iscsi.DataDigest' CRC32C
log_in || fail "login with mutual CHAP and both digests" /tmp/login /tmp/iscsid
until_true 10 find_disk || fail "a disk"
negotiated 'HeaderDigest: CRC32C' && negotiated 'DataDigest: CRC32C' || fail "digests"
step "login with mutual CHAP and both digests"

is_size 262144 || fail "size"
[ "$(cat "/sys/block/${disk#/dev/}/queue/physical_block_size")" = 4096 ] || fail "block size"
step "size and block sizes"

free_now() { $dolmen --json disk list | tr -d ' \n' | sed 's/.*"free_bytes":\([0-9]*\).*/\1/'; }
free_empty=$(free_now)
/sbin/mke2fs -q -t ext4 -E discard "$disk"
mkdir -p /data/mount
mount -t ext4 -o discard "$disk" /data/mount
dd if=/dev/urandom of=/data/plain bs=1M count=24 2>/dev/null
cp /data/plain /data/mount/copy
fio --name=verify --filename=/data/mount/fio --size=16M --rw=randwrite --bs=4k --direct=1 \
  --ioengine=libaio --iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 >/tmp/fio 2>&1 ||
  fail "fio with verify" /tmp/fio
step "mkfs.ext4, fio with verify"

sync
# Both files together take 41.9 MB; the file system's own tables less than 20, now or later.
less_is_free() { [ "$(free_now)" -lt $((free_empty - 40000000)) ]; }
until_true 20 less_is_free || fail "what is written takes space: $free_empty, then $(free_now)"
rm /data/mount/copy /data/mount/fio
sync
umount /data/mount
more_is_free() { [ "$(free_now)" -gt $((free_empty - 36000000)) ]; }
until_true 20 more_is_free || fail "discard gives the space back: $free_empty, then $(free_now)"
step "discard gives the space back"

$dolmen volume resize guest 192MiB >/dev/null
# The unit attention comes with the next command; the kernel asks for a rescan, as for any disk.
dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null || true
echo 1 >"/sys/block/${disk#/dev/}/device/rescan"
until_true 10 is_size 393216 || fail "resize: $(blocks)"
dmesg | grep -qi 'capacity data has changed' || fail "the unit attention 2A/09 was seen"
step "resize: unit attention, then the new size"

mount -t ext4 "$disk" /data/mount
cp /data/plain /data/mount/copy
echo 0 >/tmp/round
( # one round after the other, until it is enough
  n=0
  until [ -e /tmp/enough ]; do
    cp /data/plain "/data/mount/round$((n % 3))" && sync || exit 1
    n=$((n + 1))
    echo $n >/tmp/round.new && mv /tmp/round.new /tmp/round
  done
) >/tmp/rounds 2>&1 &
rounds=$!
round() { cat /tmp/round; }
beyond() { [ "$(round)" -gt "$1" ] || [ ! -d /proc/$rounds ]; }
session_is() { grep -q "^$1" /sys/class/iscsi_session/session*/state; }
conn_errors() { dmesg | grep -c 'detected conn error' || true; }
logs="/data/cluster/n1.log /data/cluster/metad.log"
say_it() { for log in $logs; do grep -q " clock_set by_s=${1%??}" "$log" || return 1; done; } # within 100 s
said_twice() { for log in $logs; do [ "$(grep -c ' clock_set ' "$log")" = 2 ] || return 1; done; }
errors=$(conn_errors)
for by in +3650 -7250; do
  date -s "@$(($(date +%s) + by))" >/dev/null
  until_true 20 say_it "$by" || fail "a clock that is set by $by s is said" $logs
  until_true 60 beyond $(($(round) + 2)) || fail "rounds after a clock was set" $logs
done
said_twice || fail "each daemon says each setting of the clock in one line" $logs
[ "$(conn_errors)" = "$errors" ] && session_is LOGGED_IN || fail "no session ends when a clock is set" $logs
step "a clock set forth and back under load: said once each, no session ends"

for n in 1 2; do
  until_true 60 beyond $(($(round) + 2)) || fail "rounds before kill $n" /tmp/rounds /tmp/iscsid
  kill -9 "$(pidof storaged)"
  until_true 60 session_is FAILED || fail "the initiator sees kill $n" /tmp/iscsid
  $dolmen up >/dev/null
  until_true 120 session_is LOGGED_IN || fail "the initiator comes back after kill $n" /tmp/iscsid /data/cluster/n1.log
done
until_true 60 beyond $(($(round) + 2)) || fail "rounds after the kills" /tmp/rounds /tmp/iscsid
touch /tmp/enough
wait $rounds ||
  fail "writes go on through two kill -9 of storaged" /tmp/rounds /tmp/iscsid /data/cluster/n1.log /data/cluster/metad.log
sync
echo 3 >/proc/sys/vm/drop_caches
for n in 0 1 2; do cmp /data/plain "/data/mount/round$n" || fail "round $n"; done
umount /data/mount
no_errors
step "two kill -9 of storaged under load: everything there, no I/O error"

/sbin/e2fsck -fn "$disk" >/tmp/fsck 2>&1 || fail "fsck" /tmp/fsck
step "fsck clean"

iscsiadm -m node -T "$target" -p "$portal" --logout >/tmp/logout 2>&1 || fail "logout" /tmp/logout
until_true 10 gone || fail "the disk goes with the session"
step "logout"

$dolmen down >/dev/null
[ -z "$(pidof storaged metad)" ]
step "dolmen down"
